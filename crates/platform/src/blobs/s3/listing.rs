//! Going over the objects in the order of their keys.

use std::fmt;
use std::time::SystemTime;

use futures::StreamExt as _;
use futures::stream::{BoxStream, Fuse};
use object_store::ObjectMeta;
use object_store::path::Path;
use tusou_contract::BlobKey;

use super::super::error::BlobError;
use super::super::listing::{PAGE, Page, StoredBlob};
use super::Bucket;

/// A listing under way. The store gives a thousand objects at a time, and is asked for the next
/// thousand when these were taken.
pub(in super::super) struct BucketListing {
    bucket: Bucket,
    /// Asked once more after its end, which a stream need not bear.
    objects: Fuse<BoxStream<'static, object_store::Result<ObjectMeta>>>,
    /// What keys are relative to.
    base: Path,
    /// What is listed, for messages.
    below: String,
}

impl fmt::Debug for BucketListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketListing")
            .field("below", &self.below)
            .finish_non_exhaustive()
    }
}

impl BucketListing {
    pub(super) fn new(
        bucket: Bucket,
        objects: BoxStream<'static, object_store::Result<ObjectMeta>>,
        base: Path,
        below: String,
    ) -> Self {
        Self {
            bucket,
            objects: objects.fuse(),
            base,
            below,
        }
    }

    pub(in super::super) async fn next(&mut self) -> Result<Option<Page>, BlobError> {
        let mut page = Page::default();
        let mut looked_at = 0;
        while looked_at < PAGE {
            let Some(object) = self.objects.next().await else {
                break;
            };
            looked_at += 1;
            let object = object.map_err(|error| self.bucket.failed_below(&self.below, error))?;
            // What somebody else keeps here, by a name that is no key, is none of ours.
            page.blobs.extend(self.blob(object));
        }
        Ok((looked_at > 0).then_some(page))
    }

    fn blob(&self, object: ObjectMeta) -> Option<StoredBlob> {
        let parts = object.location.prefix_match(&self.base)?;
        let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        Some(StoredBlob {
            key: BlobKey::try_from(parts.join("/")).ok()?,
            bytes: object.size,
            modified: SystemTime::from(object.last_modified),
        })
    }
}
