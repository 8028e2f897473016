//! Objects that are set aside before they are removed: `trash/` below the store's prefix.
//!
//! Nothing is renamed in a bucket. A blob is copied aside, looked at again, and removed. One that is
//! put between that look and the removal goes with it, and its bytes lie aside: whoever collects looks
//! again after a while at what rows claim, and brings it back.

use std::time::{Duration, SystemTime};

use object_store::ObjectStoreExt as _;
use tusou_contract::BlobKey;

use super::super::error::BlobError;
use super::{Bucket, TRASH, is_absent, join};

/// An object's time is told in whole seconds: it may have been written so much later.
const GRAIN: Duration = Duration::from_secs(1);

impl Bucket {
    pub(in super::super) async fn set_aside(
        &self,
        key: &BlobKey,
        older_than: SystemTime,
    ) -> Result<bool, BlobError> {
        if !self.is_old(key, older_than).await? || !self.copy(key.as_str(), &aside(key)).await? {
            return Ok(false);
        }
        if !self.is_old(key, older_than).await? {
            self.remove(&aside(key)).await?;
            return Ok(false);
        }
        self.remove(key.as_str()).await?;
        Ok(true)
    }

    pub(in super::super) async fn bring_back(&self, key: &BlobKey) -> Result<(), BlobError> {
        if self.size(key).await?.is_none() {
            self.copy(&aside(key), key.as_str()).await?;
        }
        self.remove(&aside(key)).await
    }

    pub(in super::super) async fn remove_set_aside(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.remove(&aside(key)).await
    }

    /// Whether a blob is there and was written before `than`.
    async fn is_old(&self, key: &BlobKey, than: SystemTime) -> Result<bool, BlobError> {
        match self.0.store.head(&self.path(key.as_str())).await {
            Ok(meta) => Ok(SystemTime::from(meta.last_modified) + GRAIN <= than),
            Err(error) => self.absent(key, error).await.map(|()| false),
        }
    }

    /// Copies an object inside the store; whether it was there.
    async fn copy(&self, from: &str, to: &str) -> Result<bool, BlobError> {
        match self.0.store.copy(&self.path(from), &self.path(to)).await {
            Ok(()) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(self.failed(from, error)),
        }
    }
}

fn aside(key: &BlobKey) -> String {
    join(TRASH, key.as_str())
}
