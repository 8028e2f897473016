//! Going over the files in the order of their keys.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tusou_contract::BlobKey;

use super::super::error::BlobError;
use super::super::listing::{PAGE, Page, StoredBlob, Unfinished};

/// A listing under way. It holds the names of one folder at a time, and no file's contents.
#[derive(Debug)]
pub(in super::super) struct FolderListing {
    base: PathBuf,
    after: Option<String>,
    /// Folders still to be read, relative to `base`, the next one first.
    folders: VecDeque<String>,
    /// Files of the folder at hand, relative to `base`, the next one first.
    files: VecDeque<String>,
}

impl FolderListing {
    /// Lists what lies below `base`/`prefix` and comes after the key `after`.
    pub(super) fn new(base: PathBuf, prefix: &str, after: Option<&BlobKey>) -> Self {
        Self {
            base,
            after: after.map(|key| key.as_str().to_owned()),
            folders: VecDeque::from([prefix.to_owned()]),
            files: VecDeque::new(),
        }
    }

    pub(in super::super) async fn next(&mut self) -> Result<Option<Page>, BlobError> {
        let mut own = std::mem::replace(self, Self::new(PathBuf::new(), "", None));
        let read = move || {
            let page = own.read();
            (own, page)
        };
        let (own, page) = tokio::task::spawn_blocking(read)
            .await
            .expect("reading a folder does not panic");
        *self = own;
        page
    }

    fn read(&mut self) -> Result<Option<Page>, BlobError> {
        let mut page = Page::default();
        for _ in 0..PAGE {
            while self.files.is_empty() {
                let Some(folder) = self.folders.pop_front() else {
                    let empty = page.blobs.is_empty() && page.unfinished.is_empty();
                    return Ok((!empty).then_some(page));
                };
                self.open(&folder)?;
            }
            if let Some(name) = self.files.pop_front() {
                self.look(name, &mut page)?;
            }
        }
        Ok(Some(page))
    }

    /// Reads a folder's names: its folders go before all others, its files are the next.
    fn open(&mut self, folder: &str) -> Result<(), BlobError> {
        let path = self.base.join(folder);
        let failed = |cause| BlobError::Folder {
            path: path.clone(),
            cause,
        };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => return gone(error).map_err(failed),
        };
        let (mut folders, mut files) = (Vec::new(), Vec::new());
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(name),
                Ok(_) => files.push(name),
                Err(error) => gone(error).map_err(failed)?,
            }
        }
        if let Some(after) = &self.after {
            files.retain(|name| name > after);
            // A folder is done with where all that it can hold comes before.
            folders.retain(|name| after.starts_with(&format!("{name}/")) || name > after);
        }
        folders.sort_unstable();
        files.sort_unstable();
        for folder in folders.into_iter().rev() {
            self.folders.push_front(folder);
        }
        self.files = files.into();
        Ok(())
    }

    fn look(&self, name: String, page: &mut Page) -> Result<(), BlobError> {
        let path = self.base.join(&name);
        let failed = |cause| BlobError::Folder {
            path: path.clone(),
            cause,
        };
        let seen = fs::metadata(&path).and_then(|meta| Ok((meta.len(), meta.modified()?)));
        let (bytes, modified) = match seen {
            Ok(seen) => seen,
            Err(error) => return gone(error).map_err(failed),
        };
        match BlobKey::try_from(name) {
            Ok(key) => page.blobs.push(StoredBlob {
                key,
                bytes,
                modified,
            }),
            Err(_) => page.unfinished.push(Unfinished {
                path,
                bytes,
                modified,
            }),
        }
        Ok(())
    }
}

/// `Ok` for what is not there (any more).
pub(super) fn gone(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

/// Removes the folders above a file as far as they are empty, and never `root`.
pub(super) fn tidy(root: &Path, file: &Path) {
    let above = file.ancestors().skip(1);
    for folder in above.take_while(|folder| *folder != root && folder.starts_with(root)) {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}
