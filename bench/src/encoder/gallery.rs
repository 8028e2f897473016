//! Pictures as files for the peers and as blobs for us, in a folder of their own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tusou_contract::{BlobKey, ImageFetched, ImageFormat, ImageId};
use tusou_platform::blobs::BlobStore;
use tusou_platform::config::Blobs;

/// Pictures of which no two have the same bytes.
#[derive(Debug)]
pub(crate) struct Gallery {
    folder: TempDir,
    /// In the order of the files.
    pub(crate) messages: Vec<ImageFetched>,
}

impl Gallery {
    /// Writes `count` JPEGs, made of these by a comment that tells one from another: their pixels cost
    /// what they cost, and nothing can be kept from one to the next.
    pub(crate) async fn of_photos(photos: &[Vec<u8>], count: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("tusou-bench-")
            .tempdir()
            .context("a folder for pictures")?;
        let mut gallery = Self::empty(folder);
        std::fs::create_dir(gallery.pictures())?;
        let store = gallery.store()?;
        for (number, photo) in (0..count).zip(photos.iter().cycle()) {
            let jpeg = with_comment(photo, number as u32)?;
            std::fs::write(gallery.pictures().join(format!("{number:05}.jpg")), &jpeg)?;
            gallery.add(&store, jpeg).await?;
        }
        Ok(gallery)
    }

    /// The JPEGs of a folder as blobs, in memory where the machine has a folder that is memory.
    pub(crate) async fn of_folder(pictures: &Path) -> anyhow::Result<Self> {
        let memory = Path::new("/dev/shm");
        let into = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::Builder::new()
            .prefix("tusou-bench-")
            .tempdir_in(into)?;
        let mut gallery = Self::empty(folder);
        let store = gallery.store()?;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(pictures)
            .with_context(|| format!("{} is no folder of pictures", pictures.display()))?
        {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|found| found == "jpg"));
        files.sort();
        for file in &files {
            gallery.add(&store, std::fs::read(file)?).await?;
        }
        ensure!(
            !files.is_empty(),
            "{} holds no .jpg: name a folder of JPEGs",
            pictures.display()
        );
        Ok(gallery)
    }

    fn empty(folder: TempDir) -> Self {
        Self {
            folder,
            messages: Vec::new(),
        }
    }

    async fn add(&mut self, store: &BlobStore, jpeg: Vec<u8>) -> anyhow::Result<()> {
        let (image_id, format) = (ImageId::of(&jpeg), ImageFormat::Jpeg);
        let blob_key = BlobKey::original(&image_id, format);
        store.put(&blob_key, jpeg.into()).await?;
        self.messages.push(ImageFetched {
            image_id,
            blob_key,
            format,
        });
        Ok(())
    }

    /// Where the files are.
    pub(crate) fn pictures(&self) -> PathBuf {
        self.folder.path().join("pictures")
    }

    /// Where the blobs are.
    pub(crate) fn blobs(&self) -> Blobs {
        Blobs {
            url: format!("file://{}", self.folder.path().join("blobs").display()),
            ..Blobs::default()
        }
    }

    /// The store, with all the folders that it makes in time for thumbnails: making one costs more than what
    /// is put into it, and a store that is in use has them.
    fn store(&self) -> anyhow::Result<BlobStore> {
        let store = BlobStore::open(&self.blobs())?;
        for first in 0..=u8::MAX {
            std::fs::create_dir_all(self.thumbnails().join(format!("{first:02x}")))?;
        }
        Ok(store)
    }

    fn thumbnails(&self) -> PathBuf {
        self.folder.path().join("blobs/thumbnails")
    }

    /// Removes the thumbnails that a run left: the next one is to write its own.
    pub(crate) fn forget_thumbnails(&self) -> anyhow::Result<()> {
        for folder in std::fs::read_dir(self.thumbnails())? {
            for thumbnail in std::fs::read_dir(folder?.path())? {
                std::fs::remove_file(thumbnail?.path())?;
            }
        }
        Ok(())
    }
}

/// The JPEG with a comment after its first segment.
fn with_comment(jpeg: &[u8], number: u32) -> anyhow::Result<Vec<u8>> {
    let length = jpeg.get(4..6).context("a JPEG has a first segment")?;
    let end = 4 + usize::from(length[0]) * 256 + usize::from(length[1]);
    let (head, rest) = jpeg
        .split_at_checked(end)
        .context("a JPEG holds its first segment")?;
    // The length counts itself and the number.
    let comment = [&[0xFF, 0xFE, 0, 6][..], &number.to_be_bytes()].concat();
    Ok([head, &comment, rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_two_pictures_have_the_same_bytes_and_all_can_be_read() {
        let photos = [super::super::photos::photo(1).expect("it is made")];
        let gallery = Gallery::of_photos(&photos, 3).await.expect("it is written");
        let ids: std::collections::BTreeSet<_> =
            gallery.messages.iter().map(|one| one.image_id).collect();
        assert_eq!(ids.len(), 3);
        let (first, third) = (&photos[0], gallery.pictures().join("00002.jpg"));
        let third = std::fs::read(third).expect("it was written");
        let pixels = |bytes: &[u8]| image::load_from_memory(bytes).expect("it is a JPEG");
        assert!(pixels(first) == pixels(&third));
    }
}
