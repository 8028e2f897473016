//! Picture bytes: a folder, written with fsync, or a bucket of an S3-compatible store.

mod disk;
mod error;
mod listing;
mod s3;

use std::time::SystemTime;

use bytes::Bytes;
use tusou_contract::BlobKey;
use url::Url;

use crate::config::Blobs;
use disk::Folder;
use s3::Bucket;

pub use error::{BlobError, Full};
pub use listing::{Listing, Page, StoredBlob, Unfinished};
pub use s3::Said;

/// What a store has since its first blob: a file of its folder, or an object of its bucket. An empty
/// mount point has none, and neither has the wrong bucket.
const MARKER: &str = ".tusou-blobs";

/// Where blobs lie that are set aside, below the store's folder or prefix.
const TRASH: &str = "trash";

/// A store of blobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobStore(Store);

#[derive(Debug, Clone)]
enum Store {
    Folder(Folder),
    Bucket(Bucket),
}

impl BlobStore {
    /// Opens the store that `blobs.url` names, and makes its folder. A bucket is not asked yet:
    /// [`BlobStore::probe`] does that.
    ///
    /// # Errors
    /// [`BlobError::Config`] where it is neither a `file:///` nor an `s3://` URL, the folder cannot
    /// be made, or a key for the bucket cannot work.
    pub fn open(config: &Blobs) -> Result<Self, BlobError> {
        let store = if config.is_bucket() {
            Store::Bucket(Bucket::open(config)?)
        } else {
            Store::Folder(Folder::open(&folder(config)?, config)?)
        };
        Ok(Self(store))
    }

    /// Stores the bytes durably: in a folder by fsync, then rename; in a bucket as durably as its
    /// store acknowledges. The same key with as many bytes again is nothing new, since a key is the
    /// digest of its bytes, but makes the blob young again: whoever put it has a row to write, and
    /// `tusou gc` removes only what is old. The first blob marks the place as a store.
    ///
    /// # Errors
    /// [`BlobError::Unmarked`] where this process saw the folder marked and it is not any more,
    /// [`BlobError::Full`] where no space or quota is left, or less than `blobs.min_free_bytes`
    /// would be, else [`BlobError::Folder`]; of a bucket [`BlobError::Bucket`].
    pub async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.put(key, bytes).await,
            Store::Bucket(bucket) => bucket.put(key, bytes).await,
        }
    }

    /// [`BlobStore::put`] for whoever is on a thread that may block, within a runtime.
    ///
    /// # Errors
    /// The same.
    ///
    /// # Panics
    /// On a thread that may not block, and, where the store is a bucket, outside a runtime.
    pub fn put_now(&self, key: &BlobKey, bytes: &Bytes) -> Result<(), BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.put_now(key, bytes),
            Store::Bucket(bucket) => {
                let put = bucket.put(key, bytes.clone());
                tokio::runtime::Handle::current().block_on(put)
            }
        }
    }

    /// Whether blobs can be stored now: writes a small file or object, and looks at a disk's free
    /// space. For whoever waits while they cannot.
    ///
    /// # Errors
    /// What [`BlobStore::put`] would say.
    pub async fn probe(&self) -> Result<(), BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.probe().await,
            Store::Bucket(bucket) => bucket.probe().await,
        }
    }

    /// Bytes that may still be written to the folder's file system; `None` of a bucket, or where that cannot be seen.
    pub fn free_bytes(&self) -> Option<u64> {
        match &self.0 {
            Store::Folder(folder) => folder.free_bytes(),
            Store::Bucket(_) => None,
        }
    }

    /// Whether the place is known for a store: a blob that is not there is then nowhere. Else it is
    /// new, a disk is not mounted, or the bucket or its prefix is another.
    ///
    /// # Errors
    /// [`BlobError::Bucket`] where a bucket does not say.
    pub async fn is_marked(&self) -> Result<bool, BlobError> {
        match &self.0 {
            Store::Folder(folder) => Ok(folder.is_marked().await),
            Store::Bucket(bucket) => bucket.is_marked().await,
        }
    }

    /// [`BlobError::Unmarked`], for whoever knows that blobs were stored.
    pub fn unmarked(&self) -> BlobError {
        match &self.0 {
            Store::Folder(folder) => folder.unmarked(),
            Store::Bucket(bucket) => bucket.unmarked(),
        }
    }

    /// Blobs with this prefix, a first part of their keys (`originals`), and after that key, in the
    /// order of their keys.
    pub fn list(&self, prefix: &str, after: Option<&BlobKey>) -> Listing {
        match &self.0 {
            Store::Folder(folder) => folder.list(prefix, after).into(),
            Store::Bucket(bucket) => bucket.list("", prefix, after).into(),
        }
    }

    /// The bytes; `None` where there are none.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] above `max_bytes`, which are then not read; [`BlobError::Unmarked`]
    /// where neither the blob nor the marker of a store is there.
    pub async fn get(&self, key: &BlobKey, max_bytes: u64) -> Result<Option<Bytes>, BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.get(key, max_bytes).await,
            Store::Bucket(bucket) => bucket.get(key, max_bytes).await,
        }
    }

    /// Whether the blob is there.
    pub async fn exists(&self, key: &BlobKey) -> Result<bool, BlobError> {
        Ok(self.size(key).await?.is_some())
    }

    /// The blob's bytes, counted; `None` where there is none.
    pub async fn size(&self, key: &BlobKey) -> Result<Option<u64>, BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.size(key).await,
            Store::Bucket(bucket) => bucket.size(key).await,
        }
    }

    /// Removes a blob; one that is not there is nothing new.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.delete(key).await,
            Store::Bucket(bucket) => bucket.delete(key).await,
        }
    }

    /// Sets a blob aside, unless it is younger than `older_than` or not there; whether that was
    /// done. Nobody reads it then; [`BlobStore::bring_back`] undoes it.
    ///
    /// A blob that is put again in the very moment is left, or brought back at once. In a bucket,
    /// where setting aside is no single step, the same bytes then lie aside: they are to be looked
    /// at again before they are removed.
    pub async fn set_aside(
        &self,
        key: &BlobKey,
        older_than: SystemTime,
    ) -> Result<bool, BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.set_aside(key, older_than).await,
            Store::Bucket(bucket) => bucket.set_aside(key, older_than).await,
        }
    }

    /// Brings a blob back that was set aside; one that was put again meanwhile stays as it is.
    pub async fn bring_back(&self, key: &BlobKey) -> Result<(), BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.bring_back(key).await,
            Store::Bucket(bucket) => bucket.bring_back(key).await,
        }
    }

    /// Removes a blob for good that was set aside; one that is not there is nothing new.
    pub async fn remove_set_aside(&self, key: &BlobKey) -> Result<(), BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.remove_set_aside(key).await,
            Store::Bucket(bucket) => bucket.remove_set_aside(key).await,
        }
    }

    /// Blobs with this prefix (`originals`) that are set aside, under the keys they had.
    pub fn list_set_aside(&self, prefix: &str) -> Listing {
        match &self.0 {
            Store::Folder(folder) => folder.list_set_aside(prefix).into(),
            Store::Bucket(bucket) => bucket.list(TRASH, prefix, None).into(),
        }
    }

    /// Removes what is left of a write that was broken off.
    pub async fn remove_unfinished(&self, file: &Unfinished) -> Result<(), BlobError> {
        match &self.0 {
            Store::Folder(folder) => folder.remove_unfinished(file).await,
            // An object is there whole or not at all: no listing of a bucket names one.
            Store::Bucket(_) => Ok(()),
        }
    }
}

/// The folder that `blobs.url` names.
fn folder(config: &Blobs) -> Result<std::path::PathBuf, BlobError> {
    let url = Url::parse(&config.url).map_err(|error| unusable(config, &error))?;
    if url.scheme() != "file" {
        return Err(unusable(
            config,
            &format!("`{}` is not supported", url.scheme()),
        ));
    }
    url.to_file_path()
        .map_err(|()| unusable(config, &"it names no folder of this machine"))
}

/// [`BlobError::Config`] of `blobs.url`.
fn unusable(config: &Blobs, reason: &dyn std::fmt::Display) -> BlobError {
    BlobError::Config(format!(
        "`blobs.url` is `{}`: {reason}; it takes file:///folder, where this user may write, or s3://bucket/prefix",
        crate::config::mask_url(&config.url)
    ))
}
