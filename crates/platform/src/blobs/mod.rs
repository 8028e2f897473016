//! Picture bytes: the file system, written with fsync.

mod disk;
mod durable;
mod error;
mod listing;
mod trash;
mod turns;

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tusou_contract::BlobKey;
use url::Url;

use crate::config::Blobs;
use disk::Disk;

pub use error::{BlobError, Full};
pub use listing::{Listing, Page, StoredBlob, Unfinished};

/// A store of blobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobStore {
    store: Arc<LocalFileSystem>,
    disk: Disk,
}

impl BlobStore {
    /// Opens the store that `blobs.url` names, and makes its folder.
    ///
    /// # Errors
    /// [`BlobError::Config`] where it is no `file:///` URL or the folder cannot be made.
    pub fn open(config: &Blobs) -> Result<Self, BlobError> {
        let unusable = |reason: &dyn std::fmt::Display| {
            BlobError::Config(format!(
                "`blobs.url` is `{}`: {reason}; it takes file:///folder, where this user may write",
                config.url
            ))
        };
        let url = Url::parse(&config.url).map_err(|error| unusable(&error))?;
        if url.scheme() != "file" {
            return Err(unusable(&format!("`{}` is not supported", url.scheme())));
        }
        let root = url
            .to_file_path()
            .map_err(|()| unusable(&"it names no folder of this machine"))?;
        std::fs::create_dir_all(&root).map_err(|error| unusable(&error))?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| unusable(&error))?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        let disk = Disk::new(root, config.min_free_bytes);
        disk.is_marked();
        Ok(Self {
            store: Arc::new(store),
            disk,
        })
    }

    /// Stores the bytes durably (fsync, then rename). The same key with as many bytes again is
    /// nothing new, since a key is the digest of its bytes, but makes the blob young again: whoever
    /// put it has a row to write, and `tusou gc` removes only what is old. The first blob marks the
    /// folder as a store.
    ///
    /// # Errors
    /// [`BlobError::Unmarked`] where this process saw the folder marked and it is not any more,
    /// [`BlobError::Full`] where no space or quota is left, or less than `blobs.min_free_bytes`
    /// would be, else [`BlobError::Folder`].
    pub async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        let name = key.as_str().to_owned();
        self.on_disk(move |disk| disk.put(&name, &bytes)).await
    }

    /// [`BlobStore::put`] for whoever is on a thread that may block.
    ///
    /// # Errors
    /// The same.
    pub fn put_now(&self, key: &BlobKey, bytes: &[u8]) -> Result<(), BlobError> {
        self.disk.put(key.as_str(), bytes)
    }

    /// Whether blobs can be stored now: writes, syncs and removes a small file, and looks at the
    /// free space. For whoever waits while they cannot.
    ///
    /// # Errors
    /// What [`BlobStore::put`] would say.
    pub async fn probe(&self) -> Result<(), BlobError> {
        self.on_disk(Disk::try_out).await
    }

    /// Whether the folder is known for a store: a blob that is not there is then nowhere. Else it is
    /// new, or a disk is not mounted.
    pub async fn is_marked(&self) -> bool {
        self.on_disk(Disk::is_marked).await
    }

    /// [`BlobError::Unmarked`], for whoever knows that blobs were stored.
    pub fn unmarked(&self) -> BlobError {
        self.disk.unmarked()
    }

    /// Blobs with this prefix, a first part of their keys (`originals`), and after that key, in the
    /// order of their keys.
    pub fn list(&self, prefix: &str, after: Option<&BlobKey>) -> Listing {
        Listing::new(self.disk.root.clone(), prefix, after)
    }

    /// The bytes; `None` where there are none.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] above `max_bytes`, which are then not read; [`BlobError::Unmarked`]
    /// where neither the blob nor the marker of a store is there.
    pub async fn get(&self, key: &BlobKey, max_bytes: u64) -> Result<Option<Bytes>, BlobError> {
        let found = match self.store.get(&path(key)).await {
            Ok(found) => {
                self.disk.see();
                found
            }
            Err(error) => return self.absent(key, error).map(|()| None),
        };
        if found.meta.size > max_bytes {
            return Err(BlobError::TooLarge {
                key: key.clone(),
                bytes: found.meta.size,
                limit: max_bytes,
            });
        }
        let bytes = found
            .bytes()
            .await
            .map_err(|error| self.failed(key, error))?;
        Ok(Some(bytes))
    }

    /// Whether the blob is there.
    pub async fn exists(&self, key: &BlobKey) -> Result<bool, BlobError> {
        Ok(self.size(key).await?.is_some())
    }

    /// The blob's bytes, counted; `None` where there is none.
    pub async fn size(&self, key: &BlobKey) -> Result<Option<u64>, BlobError> {
        match self.store.head(&path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(error) => self.absent(key, error).map(|()| None),
        }
    }

    /// Removes a blob; one that is not there is nothing new.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
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
