//! Picture bytes: the file system, written with fsync.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tusou_contract::{BlobKey, Disposition, Verdict};
use url::Url;

use crate::config::Blobs;

/// Blobs cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// `blobs.url` cannot be used; names it and the remedy.
    #[error("{0}")]
    Config(String),
    /// No space left: later is not never.
    #[error("the blob store is full")]
    Full(#[source] object_store::Error),
    /// The blob is larger than the reader allows.
    #[error("blob {key} has {bytes} bytes; {limit} are allowed")]
    TooLarge {
        /// which
        key: BlobKey,
        /// has
        bytes: u64,
        /// may have
        limit: u64,
    },
    /// The store does not answer; may pass.
    #[error("the blob store failed for {key}")]
    Store {
        /// which
        key: BlobKey,
        /// why
        #[source]
        cause: object_store::Error,
    },
}

impl Verdict for BlobError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Config(_) => Disposition::Fatal,
            Self::Full(_) | Self::Store { .. } => Disposition::Later,
            Self::TooLarge { .. } => Disposition::DeadLetter,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Config(_) => "blobs_config",
            Self::Full(_) => "blobs_full",
            Self::Store { .. } => "blobs_away",
            Self::TooLarge { .. } => "blob_too_large",
        }
    }
}

/// A store of blobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlobStore {
    store: Arc<LocalFileSystem>,
    root: PathBuf,
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
        Ok(Self {
            store: Arc::new(store),
            root,
        })
    }

    /// Stores the bytes durably (fsync, then rename); the same key with as many bytes again is
    /// nothing new, since a key is the digest of its bytes.
    ///
    /// # Errors
    /// [`BlobError::Full`] where no space or quota is left, else [`BlobError::Store`].
    pub async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        if self.size(key).await? == Some(bytes.len() as u64) {
            return Ok(());
        }
        self.store
            .put(&path(key), bytes.into())
            .await
            .map_err(|error| failed(key, error))?;
        Ok(())
    }

    /// The bytes; `None` where there are none.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] above `max_bytes`, which are then not read.
    pub async fn get(&self, key: &BlobKey, max_bytes: u64) -> Result<Option<Bytes>, BlobError> {
        let found = match self.store.get(&path(key)).await {
            Ok(found) => found,
            Err(error) => return self.absent(key, error).map(|()| None),
        };
        if found.meta.size > max_bytes {
            return Err(BlobError::TooLarge {
                key: key.clone(),
                bytes: found.meta.size,
                limit: max_bytes,
            });
        }
        let bytes = found.bytes().await.map_err(|error| failed(key, error))?;
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

    /// `Ok` where the blob is not there. A folder that is gone altogether (a disk not mounted) is
    /// no absence of a blob: taken for one, every picture would be given up.
    fn absent(&self, key: &BlobKey, error: object_store::Error) -> Result<(), BlobError> {
        match error {
            object_store::Error::NotFound { .. } if self.root.is_dir() => Ok(()),
            error => Err(failed(key, error)),
        }
    }
}

fn path(key: &BlobKey) -> Path {
    Path::from(key.as_str())
}

fn failed(key: &BlobKey, cause: object_store::Error) -> BlobError {
    if no_space(&cause) {
        return BlobError::Full(cause);
    }
    BlobError::Store {
        key: key.clone(),
        cause,
    }
}

/// Whether an I/O error below says that disk or quota is used up.
fn no_space(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if let Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) = io.map(io::Error::kind) {
            return true;
        }
        // An I/O error's source passes over the error that it wraps.
        let wrapped = io.and_then(io::Error::get_ref);
        cause = wrapped
            .map(|wrapped| wrapped as _)
            .or_else(|| error.source());
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> object_store::Error {
        object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::other(io::Error::from(kind))),
        }
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let key = BlobKey::try_from("a/b".to_owned()).expect("a key");
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            assert!(matches!(failed(&key, error(kind)), BlobError::Full(_)));
        }
        let broken = failed(&key, error(ErrorKind::PermissionDenied));
        assert!(matches!(broken, BlobError::Store { .. }));
    }
}
