//! Blobs without rows: set aside, looked at again, removed.

use std::time::{Duration, SystemTime};

use sqlx::PgPool;
use tusou_contract::{BlobKey, ImageId};
use tusou_platform::blobs::{BlobStore, Page, StoredBlob};

use super::report::Swept;
use crate::error::Error;
use crate::rows::blobs::{Kind, claimed};

/// Blobs set aside before the wait for the second look: what an interrupted run leaves at most.
const AT_ONCE: u64 = 10_000;

/// How one kind of blobs is swept.
pub(super) struct Sweep<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) blobs: &'a BlobStore,
    pub(super) kind: Kind,
    /// Younger blobs are left alone.
    pub(super) older_than: SystemTime,
    pub(super) second_look: Duration,
    pub(super) dry_run: bool,
}

/// A page's blobs by what is to become of them.
#[derive(Default)]
struct Sorted {
    claimed: Vec<StoredBlob>,
    unclaimed: Vec<StoredBlob>,
    foreign: u64,
}

impl Sweep<'_> {
    pub(super) async fn run(&self) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        // What an interrupted run set aside, and rows claim by now, is wanted at once.
        self.bring_back(&mut swept).await?;
        let mut listing = self.blobs.list(self.kind.prefix(), None);
        let mut aside = 0;
        while let Some(page) = listing.next().await? {
            aside += self.first_look(page, &mut swept).await?;
            if aside >= AT_ONCE {
                self.look_again(&mut swept).await?;
                aside = 0;
            }
        }
        self.look_again(&mut swept).await?;
        Ok(swept)
    }

    /// Sets the page's blobs aside that have no row; how many.
    async fn first_look(&self, page: Page, swept: &mut Swept) -> Result<u64, Error> {
        for file in &page.unfinished {
            if file.modified < self.older_than {
                swept.unfinished += 1;
                swept.bytes += file.bytes;
                if !self.dry_run {
                    self.blobs.remove_unfinished(file).await?;
                }
            }
        }
        swept.looked_at += page.blobs.len() as u64;
        let sorted = self.sort(page.blobs).await?;
        swept.foreign += sorted.foreign;
        let mut aside = 0;
        for blob in sorted.unclaimed {
            if blob.modified >= self.older_than {
                swept.young += 1;
            } else if self.dry_run {
                swept.without_row += 1;
                swept.bytes += blob.bytes;
            } else if self.blobs.set_aside(&blob.key, self.older_than).await? {
                swept.without_row += 1;
                aside += 1;
            } else {
                // Put again, or gone, since it was listed.
                swept.young += 1;
            }
        }
        Ok(aside)
    }

    /// After the wait, brings back what a row claims now, and removes the rest.
    async fn look_again(&self, swept: &mut Swept) -> Result<(), Error> {
        if self.dry_run {
            return Ok(());
        }
        let mut listing = self.blobs.list_set_aside(self.kind.prefix());
        let mut page = listing.next().await?;
        if page.is_some() {
            tokio::time::sleep(self.second_look).await;
        }
        while let Some(aside) = page {
            let sorted = self.sort(aside.blobs).await?;
            for blob in sorted.claimed {
                self.blobs.bring_back(&blob.key).await?;
                swept.brought_back += 1;
            }
            for blob in sorted.unclaimed {
                self.blobs.remove_set_aside(&blob.key).await?;
                swept.removed += 1;
                swept.bytes += blob.bytes;
            }
            page = listing.next().await?;
        }
        Ok(())
    }

    async fn bring_back(&self, swept: &mut Swept) -> Result<(), Error> {
        let mut listing = self.blobs.list_set_aside(self.kind.prefix());
        while let Some(page) = listing.next().await? {
            let sorted = self.sort(page.blobs).await?;
            for blob in sorted.claimed {
                swept.brought_back += 1;
                if !self.dry_run {
                    self.blobs.bring_back(&blob.key).await?;
                }
            }
            // Those are removed after the second look, with the ones of this run.
            swept.without_row += sorted.unclaimed.len() as u64;
            if self.dry_run {
                swept.bytes += sorted.unclaimed.iter().map(|blob| blob.bytes).sum::<u64>();
            }
        }
        Ok(())
    }

    async fn sort(&self, blobs: Vec<StoredBlob>) -> Result<Sorted, Error> {
        let ids: Vec<Option<ImageId>> = blobs.iter().map(|blob| image_of(&blob.key)).collect();
        let ours = ids.iter().zip(&blobs);
        let ours: Vec<(ImageId, &BlobKey)> = ours
            .filter_map(|(id, blob)| Some(((*id)?, &blob.key)))
            .collect();
        let claimed = claimed(self.pool, self.kind, &ours).await?;
        let mut sorted = Sorted::default();
        for (id, blob) in ids.into_iter().zip(blobs) {
            if id.is_none() {
                sorted.foreign += 1;
            } else if claimed.contains(blob.key.as_str()) {
                sorted.claimed.push(blob);
            } else {
                sorted.unclaimed.push(blob);
            }
        }
        Ok(sorted)
    }
}

/// The image that a key is made from; `None` for a file that somebody else put there.
fn image_of(key: &BlobKey) -> Option<ImageId> {
    let name = key.as_str().rsplit('/').next()?;
    name.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tusou_contract::ImageFormat;

    use super::*;

    #[test]
    fn a_key_tells_its_image() {
        let id = ImageId::of(b"x");
        for key in [
            BlobKey::original(&id, ImageFormat::Jpeg),
            BlobKey::thumbnail(&id),
        ] {
            assert_eq!(image_of(&key), Some(id));
        }
        let foreign = BlobKey::try_from("originals/README.md".to_owned()).expect("a key");
        assert_eq!(image_of(&foreign), None);
    }
}
