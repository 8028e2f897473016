//! Blobs that are set aside before they are removed: `trash/` below the store's folder.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tusou_contract::BlobKey;

use super::super::TRASH;
use super::super::error::BlobError;
use super::super::listing::Unfinished;
use super::Folder;
use super::listing::{FolderListing, gone, tidy};

/// How often a folder is made again that another process tidied away.
const ATTEMPTS: usize = 5;

impl Folder {
    /// In one step. A blob that is put again in the very moment is left, or brought back at once.
    pub(in super::super) async fn set_aside(
        &self,
        key: &BlobKey,
        older_than: SystemTime,
    ) -> Result<bool, BlobError> {
        self.blocking(key, move |place, aside| {
            if !is_old(&place.at, older_than)? {
                return Ok(false);
            }
            if !rename(place, aside)? {
                return Ok(false);
            }
            if is_old(&aside.at, older_than)? {
                return Ok(true);
            }
            rename(aside, place)?;
            Ok(false)
        })
        .await
    }

    pub(in super::super) async fn bring_back(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.blocking(key, |place, aside| {
            if place.at.try_exists()? {
                return remove(aside);
            }
            rename(aside, place).map(|_| ())
        })
        .await
    }

    pub(in super::super) async fn remove_set_aside(&self, key: &BlobKey) -> Result<(), BlobError> {
        self.blocking(key, |_, aside| remove(aside)).await
    }

    pub(in super::super) fn list_set_aside(&self, prefix: &str) -> FolderListing {
        FolderListing::new(self.disk.root.join(TRASH), prefix, None)
    }

    pub(in super::super) async fn remove_unfinished(
        &self,
        file: &Unfinished,
    ) -> Result<(), BlobError> {
        let (path, root) = (file.path.clone(), self.disk.root.clone());
        let removed = tokio::task::spawn_blocking(move || {
            let removed = fs::remove_file(&path).or_else(gone);
            tidy(&root, &path);
            removed
        });
        let removed = removed.await.expect("removing a file does not panic");
        removed.map_err(|cause| BlobError::Folder {
            path: file.path.clone(),
            cause,
        })
    }

    /// Does something to a blob's file and to where it lies when it is set aside.
    async fn blocking<T: Send + 'static>(
        &self,
        key: &BlobKey,
        what: impl FnOnce(&Place, &Place) -> io::Result<T> + Send + 'static,
    ) -> Result<T, BlobError> {
        let root = self.disk.root.clone();
        let name = key.as_str().to_owned();
        let done = tokio::task::spawn_blocking(move || {
            // Without its folder (a disk not mounted) nothing of a blob can be told.
            fs::metadata(&root)?;
            let aside = Place {
                at: root.join(TRASH).join(&name),
                root: root.clone(),
            };
            let place = Place {
                at: root.join(&name),
                root,
            };
            what(&place, &aside)
        });
        done.await
            .expect("moving a file does not panic")
            .map_err(|cause| BlobError::Folder {
                path: self.disk.root.join(key.as_str()),
                cause,
            })
    }
}

/// A file, and the store's folder.
struct Place {
    at: PathBuf,
    root: PathBuf,
}

/// Whether a file is there and was written before `than`.
fn is_old(path: &Path, than: SystemTime) -> io::Result<bool> {
    match fs::metadata(path).and_then(|meta| meta.modified()) {
        Ok(modified) => Ok(modified < than),
        Err(error) => gone(error).map(|()| false),
    }
}

/// Moves a file within its disk, which is one step; whether it was there.
fn rename(from: &Place, to: &Place) -> io::Result<bool> {
    for _ in 0..ATTEMPTS {
        if let Some(folder) = to.at.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::rename(&from.at, &to.at) {
            Ok(()) => {
                tidy(&from.root, &from.at);
                return Ok(true);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if !from.at.try_exists()? {
                    tidy(&to.root, &to.at);
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its folder goes away again and again"))
}

fn remove(place: &Place) -> io::Result<()> {
    let removed = fs::remove_file(&place.at).or_else(gone);
    tidy(&place.root, &place.at);
    removed
}
