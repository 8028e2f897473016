//! Blobs as files of a folder.

mod durable;
mod listing;
mod space;
mod trash;
mod turns;

use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tusou_contract::BlobKey;

use super::error::{self, BlobError};
use super::unusable;
use crate::config::Blobs;
use space::Disk;

pub(super) use listing::FolderListing;

/// A store of files. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    store: Arc<LocalFileSystem>,
    disk: Disk,
}

impl Folder {
    /// Makes the folder where it is not there.
    pub(super) fn open(root: &FilePath, config: &Blobs) -> Result<Self, BlobError> {
        std::fs::create_dir_all(root).map_err(|error| unusable(config, &error))?;
        let store = LocalFileSystem::new_with_prefix(root)
            .map_err(|error| unusable(config, &error))?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        let disk = Disk::new(root.to_owned(), config.min_free_bytes);
        disk.is_marked();
        Ok(Self {
            store: Arc::new(store),
            disk,
        })
    }

    pub(super) async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        let name = key.as_str().to_owned();
        self.on_disk(move |disk| disk.put(&name, &bytes)).await
    }

    pub(super) fn put_now(&self, key: &BlobKey, bytes: &[u8]) -> Result<(), BlobError> {
        self.disk.put(key.as_str(), bytes)
    }

    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.disk.free().ok()
    }

    pub(super) async fn probe(&self) -> Result<(), BlobError> {
        self.on_disk(Disk::try_out).await
    }

    pub(super) async fn is_marked(&self) -> bool {
        self.on_disk(Disk::is_marked).await
    }

    pub(super) fn unmarked(&self) -> BlobError {
        self.disk.unmarked()
    }

    pub(super) fn list(&self, prefix: &str, after: Option<&BlobKey>) -> FolderListing {
        FolderListing::new(self.disk.root.clone(), prefix, after)
    }

    pub(super) async fn get(
        &self,
        key: &BlobKey,
        max_bytes: u64,
    ) -> Result<Option<Bytes>, BlobError> {
        let found = match self.store.get(&path(key)).await {
            Ok(found) => {
                self.disk.see();
                found
            }
            Err(error) => return self.absent(key, error).map(|()| None),
        };
        if found.meta.size > max_bytes {
            return Err(BlobError::too_large(key, found.meta.size, max_bytes));
        }
        let bytes = found
            .bytes()
            .await
            .map_err(|error| self.failed(key, error))?;
        Ok(Some(bytes))
    }

    pub(super) async fn size(&self, key: &BlobKey) -> Result<Option<u64>, BlobError> {
        match self.store.head(&path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(error) => self.absent(key, error).map(|()| None),
        }
    }

    pub(super) async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&path(key)).await {
            Ok(()) => Ok(()),
            Err(error) => self.absent(key, error),
        }
    }

    /// `Ok` where the blob is not there. A folder that is gone altogether, or an empty mount point
    /// (a disk not mounted), is no absence of a blob: taken for one, every picture would be given up.
    fn absent(&self, key: &BlobKey, error: object_store::Error) -> Result<(), BlobError> {
        match error {
            object_store::Error::NotFound { .. } if self.disk.is_marked() => Ok(()),
            object_store::Error::NotFound { .. } if self.disk.root.is_dir() => {
                Err(self.disk.unmarked())
            }
            error => Err(self.failed(key, error)),
        }
    }

    fn failed(&self, key: &BlobKey, cause: object_store::Error) -> BlobError {
        if let Some(cause) = error::no_space(&cause) {
            return BlobError::Full(self.disk.full(Some(cause)));
        }
        BlobError::Store {
            key: key.clone(),
            cause,
        }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Disk) -> T + Send + 'static,
    ) -> T {
        let disk = self.disk.clone();
        tokio::task::spawn_blocking(move || what(&disk))
            .await
            .expect("a look at the disk does not panic")
    }
}

fn path(key: &BlobKey) -> Path {
    Path::from(key.as_str())
}
