//! A file of a folder, looked at: is it a picture, and has it changed since?

use std::fs::File;
use std::io::{self, Read as _};

use bytes::Bytes;
use tusou_contract::{BlobKey, ImageFormat};
use tusou_ingest::folder::FolderFile;
use tusou_ingest::lists::KnownFile;
use tusou_ingest::{VerifiedImage, text, verify};
use tusou_platform::blobs::{BlobError, BlobStore};

/// Bytes by which a format is told: AVIF's brands are the longest.
const HEAD: u64 = 512;
/// The most that is read of the text beside a picture.
const MAX_WORDS: u64 = 64 << 10;
/// The longest caption, in characters.
const MAX_CAPTION: usize = 2_000;

/// How a file is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) pixels: u64,
    /// Whether it is read though it has not changed.
    pub(super) again: bool,
    /// Whether blobs are put.
    pub(super) writes: bool,
}

/// What a file is.
#[derive(Debug)]
pub(super) enum Look {
    /// As it was when it was imported.
    Same,
    /// As it was when it was no picture that is taken, for this reason.
    SameFailure(String),
    /// A picture whose blob is durable.
    Picture(Box<VerifiedImage>),
    /// None that is taken, for this reason; it begins as one.
    Failed(&'static str),
    /// None at all.
    Other,
}

/// A file that was looked at.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) file: FolderFile,
    pub(super) known: bool,
    pub(super) caption: String,
    pub(super) look: Look,
}

/// Looks at a file, and puts its blob where it is a picture that is new here.
///
/// # Errors
/// Where no blob can be put, or the store of blobs cannot be asked.
pub(super) async fn look(
    blobs: BlobStore,
    file: FolderFile,
    known: Option<KnownFile>,
    limits: Limits,
) -> Result<Looked, BlobError> {
    let is_known = known.is_some();
    if let Some(known) = known
        && !limits.again
        && known.stamp.as_ref() == Some(&file.stamp)
        && let Some(look) = same(&blobs, known).await?
    {
        return Ok(Looked {
            file,
            known: is_known,
            caption: String::new(),
            look,
        });
    }
    let looked = tokio::task::spawn_blocking(move || {
        let look = read(&file, limits);
        if let (Look::Picture(image), true) = (&look, limits.writes) {
            blobs.put_now(&image.blob_key(), &image.bytes)?;
        }
        let caption = words(&file).unwrap_or_default();
        Ok(Looked {
            file,
            known: is_known,
            caption,
            look,
        })
    });
    looked.await.expect("a look at a file does not panic")
}

/// A file that has not changed, unless its original is lost: it is then read again.
async fn same(blobs: &BlobStore, known: KnownFile) -> Result<Option<Look>, BlobError> {
    if let Some(failure) = known.failure {
        return Ok(Some(Look::SameFailure(failure)));
    }
    let Some(key) = known.blob_key.and_then(|key| BlobKey::try_from(key).ok()) else {
        return Ok(None);
    };
    // A store that is not marked has nothing yet, or is not mounted: to put a blob there says which.
    match blobs.exists(&key).await {
        Ok(there) => Ok(there.then_some(Look::Same)),
        Err(BlobError::Unmarked { .. }) => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn read(file: &FolderFile, limits: Limits) -> Look {
    match try_read(file, limits) {
        Ok(look) => look,
        Err(_) => Look::Failed("unreadable"),
    }
}

fn try_read(file: &FolderFile, limits: Limits) -> io::Result<Look> {
    let mut opened = File::open(&file.path)?;
    let mut bytes = Vec::new();
    (&mut opened).take(HEAD).read_to_end(&mut bytes)?;
    if ImageFormat::sniff(&bytes).is_none() {
        return Ok(Look::Other);
    }
    if file.bytes > limits.bytes {
        return Ok(Look::Failed("too_large"));
    }
    bytes.reserve_exact(
        usize::try_from(file.bytes)
            .unwrap_or(0)
            .saturating_sub(bytes.len()),
    );
    let rest = (limits.bytes + 1).saturating_sub(bytes.len() as u64);
    opened.take(rest).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.bytes {
        return Ok(Look::Failed("too_large"));
    }
    Ok(match verify(Bytes::from(bytes), limits.pixels) {
        Ok(image) => Look::Picture(Box::new(image)),
        Err(cause) => Look::Failed(cause.reason()),
    })
}

/// What the text beside it says.
fn words(file: &FolderFile) -> Option<String> {
    let mut bytes = Vec::new();
    let opened = File::open(file.words.as_ref()?).ok()?;
    opened.take(MAX_WORDS).read_to_end(&mut bytes).ok()?;
    text::line(&String::from_utf8_lossy(&bytes), MAX_CAPTION)
}
