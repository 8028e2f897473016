//! Blobs as objects of a bucket.
//!
//! A bucket differs from a folder in three ways. Its store tells a blob's age, so putting one again
//! writes it again. Nothing is renamed, so setting aside is a copy and a removal. Nobody sees how much
//! room is left.

mod connect;
mod listing;
mod reason;
mod trash;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use tusou_contract::BlobKey;

use super::error::BlobError;
use super::{MARKER, TRASH};
use crate::config::Blobs;

pub(super) use listing::BucketListing;
pub use reason::Said;

/// What the marker says to whoever looks into it.
const MARK: &[u8] =
    b"Tusou keeps blobs here. Without this object the bucket is taken for another one.\n";

/// The object that a trial writes: always the same, so that none is left behind that counts.
const TRIAL: &str = ".tusou-trial";

/// A store of objects. Cheap to clone.
#[derive(Clone)]
pub(super) struct Bucket(Arc<Inner>);

struct Inner {
    store: AmazonS3,
    name: String,
    /// Before every key, without slashes around it; empty for none.
    prefix: String,
    /// The store's address, for messages.
    endpoint: String,
    /// Whether this process has seen the marker, or a blob.
    seen: AtomicBool,
}

// A client holds credentials.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place("");
        f.debug_tuple("Bucket").field(&place).finish()
    }
}

impl Bucket {
    /// Asks nobody anything yet.
    pub(super) fn open(config: &Blobs) -> Result<Self, BlobError> {
        let (name, prefix) = config
            .bucket()
            .map_err(|reason| super::unusable(config, &reason))?;
        let store = connect::client(config, &name)?;
        Ok(Self(Arc::new(Inner {
            store,
            endpoint: connect::shown(config),
            name,
            prefix,
            seen: AtomicBool::new(false),
        })))
    }

    /// One request: a look before it would cost as much as it spares, and only writing makes young.
    pub(super) async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        self.mark().await?;
        self.write(key.as_str(), bytes).await
    }

    pub(super) async fn probe(&self) -> Result<(), BlobError> {
        if !self.is_marked().await? && self.has_seen() {
            return Err(self.unmarked());
        }
        self.write(TRIAL, Bytes::from_static(b"trial")).await
    }

    /// Whether the marker is there. Read, not only looked at: the answer to a read says whether it is
    /// the object or the bucket that is missing.
    pub(super) async fn is_marked(&self) -> Result<bool, BlobError> {
        match self.0.store.get(&self.path(MARKER)).await {
            Ok(_) => {
                self.see();
                Ok(true)
            }
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(self.failed(MARKER, error)),
        }
    }

    pub(super) fn unmarked(&self) -> BlobError {
        BlobError::Unmarked {
            place: format!("bucket {}", self.place("")),
            kind: "object",
            remedy: "see that `blobs.url` names the right bucket and prefix",
        }
    }

    /// Blobs below a folder of the bucket (empty for none), by the keys that they have below it.
    pub(super) fn list(
        &self,
        folder: &str,
        prefix: &str,
        after: Option<&BlobKey>,
    ) -> BucketListing {
        let base = self.path(folder);
        let below = self.path(&join(folder, prefix));
        let objects = match after {
            Some(key) => {
                let after = self.path(&join(folder, key.as_str()));
                self.0.store.list_with_offset(Some(&below), &after)
            }
            None => self.0.store.list(Some(&below)),
        };
        BucketListing::new(self.clone(), objects, base, below.to_string())
    }

    pub(super) async fn get(
        &self,
        key: &BlobKey,
        max_bytes: u64,
    ) -> Result<Option<Bytes>, BlobError> {
        let found = match self.0.store.get(&self.path(key.as_str())).await {
            Ok(found) => {
                self.see();
                found
            }
            Err(error) => return self.absent(key, error).await.map(|()| None),
        };
        if found.meta.size > max_bytes {
            return Err(BlobError::too_large(key, found.meta.size, max_bytes));
        }
        let bytes = found.bytes().await;
        Ok(Some(
            bytes.map_err(|error| self.failed(key.as_str(), error))?,
        ))
    }

    pub(super) async fn size(&self, key: &BlobKey) -> Result<Option<u64>, BlobError> {
        match self.0.store.head(&self.path(key.as_str())).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(error) => self.absent(key, error).await.map(|()| None),
        }
    }

    pub(super) async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.remove(key.as_str()).await
    }

    /// `Ok` where the blob is not there, in a bucket that is known for a store. In the wrong bucket,
    /// or below the wrong prefix, every blob is missing and none is to be given up.
    async fn absent(&self, key: &BlobKey, error: object_store::Error) -> Result<(), BlobError> {
        if !is_absent(&error) {
            return Err(self.failed(key.as_str(), error));
        }
        if self.is_marked().await? {
            return Ok(());
        }
        Err(self.unmarked())
    }

    /// Marks the bucket, which is about to get its first blob of this process.
    async fn mark(&self) -> Result<(), BlobError> {
        if self.has_seen() || self.is_marked().await? {
            return Ok(());
        }
        self.write(MARKER, Bytes::from_static(MARK)).await?;
        self.see();
        Ok(())
    }

    async fn write(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        let put = self.0.store.put(&self.path(name), bytes.into()).await;
        put.map(|_| ()).map_err(|error| self.failed(name, error))
    }

    /// One that is not there is nothing new.
    async fn remove(&self, name: &str) -> Result<(), BlobError> {
        match self.0.store.delete(&self.path(name)).await {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    fn failed(&self, name: &str, cause: object_store::Error) -> BlobError {
        self.failed_below(&join(&self.0.prefix, name), cause)
    }

    /// The same for a path that has the prefix already.
    fn failed_below(&self, path: &str, cause: object_store::Error) -> BlobError {
        BlobError::Bucket {
            place: format!("s3://{}/{path}", self.0.name),
            reason: reason::of(&cause, &self.0.endpoint),
            cause: reason::said(&cause),
        }
    }

    /// What a message calls an object of this bucket.
    fn place(&self, name: &str) -> String {
        let path = join(&self.0.prefix, name);
        join(&format!("s3://{}", self.0.name), &path)
    }

    fn path(&self, name: &str) -> Path {
        Path::from(join(&self.0.prefix, name))
    }

    fn see(&self) {
        self.0.seen.store(true, Ordering::Relaxed);
    }

    fn has_seen(&self) -> bool {
        self.0.seen.load(Ordering::Relaxed)
    }
}

/// Whether it is the object that is not there. Its bucket may be what is missing, and there are stores
/// that say of an unknown key of access that it is not there.
fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && reason::is_of_object(error)
}

/// Both with a slash between, where neither is empty.
fn join(before: &str, after: &str) -> String {
    match (before, after) {
        ("", one) | (one, "") => one.to_owned(),
        _ => format!("{before}/{after}"),
    }
}
