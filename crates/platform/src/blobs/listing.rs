//! Going over the blobs in the order of their keys.

use std::path::PathBuf;
use std::time::SystemTime;

use tusou_contract::BlobKey;

use super::disk::FolderListing;
use super::error::BlobError;
use super::s3::BucketListing;

/// Files or objects looked at for one page.
pub(super) const PAGE: usize = 1_000;

/// A blob that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its key.
    pub key: BlobKey,
    /// Its size.
    pub bytes: u64,
    /// When it was stored, or put again. A bucket tells it by the store's clock, and in seconds.
    pub modified: SystemTime,
}

/// What is left of a write that was broken off. A bucket has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was written.
    pub modified: SystemTime,
}

/// A part of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order of their keys.
    pub blobs: Vec<StoredBlob>,
    /// Files that are no blobs.
    pub unfinished: Vec<Unfinished>,
}

/// A listing under way. It holds the names of one folder, or a thousand objects, at a time, and
/// nobody's contents.
#[derive(Debug)]
pub struct Listing(Source);

#[derive(Debug)]
enum Source {
    Folder(FolderListing),
    Bucket(BucketListing),
}

impl From<FolderListing> for Listing {
    fn from(listing: FolderListing) -> Self {
        Self(Source::Folder(listing))
    }
}

impl From<BucketListing> for Listing {
    fn from(listing: BucketListing) -> Self {
        Self(Source::Bucket(listing))
    }
}

impl Listing {
    /// The next part, of at most 1,000 files; `None` at the end. A blob that comes or goes meanwhile
    /// may be in it or not.
    ///
    /// # Errors
    /// [`BlobError::Folder`] where a folder cannot be read, [`BlobError::Bucket`] where the bucket
    /// does not say; the listing is then over.
    pub async fn next(&mut self) -> Result<Option<Page>, BlobError> {
        match &mut self.0 {
            Source::Folder(listing) => listing.next().await,
            Source::Bucket(listing) => listing.next().await,
        }
    }
}
