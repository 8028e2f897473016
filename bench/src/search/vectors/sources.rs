//! Pictures that are there on every machine: Tux Paint's stamps, the Debian handbook's, and the encoder
//! benchmark's photographs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use tusou_contract::ImageFormat;
use tusou_model::RgbImage;
use tusou_model::decode::{Detail, Limits, decode};

use crate::encoder::photos;
use crate::peer::root;

/// The photographs of the encoder's benchmark.
const PHOTOS: u32 = 32;
/// Callouts and bullets are no pictures.
const LEAST_SIDE: u32 = 64;
const LIMITS: Limits = Limits {
    max_pixels: 50_000_000,
    max_memory: 1 << 30,
};

/// A picture to make variants of.
#[derive(Debug)]
enum Source {
    File(PathBuf),
    Photo(u32),
}

/// All of them, without two of the same bytes, in an order that mixes the kinds.
#[derive(Debug)]
pub(crate) struct Sources {
    /// By their SHA-256, or by the photographs' numbers.
    all: BTreeMap<String, Source>,
    /// The folder of the stamps.
    pub(crate) stamps: PathBuf,
}

impl Sources {
    /// Finds those that can be cut.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let stamps = stamps_folder()?;
        let handbook = handbook_folder()?;
        let mut all = BTreeMap::new();
        for folder in [&stamps, &handbook] {
            for file in files(folder, "png")? {
                let bytes = std::fs::read(&file)?;
                let size = image::ImageReader::new(std::io::Cursor::new(&bytes))
                    .with_guessed_format()?
                    .into_dimensions()
                    .with_context(|| file.display().to_string())?;
                if size.0.min(size.1) >= LEAST_SIDE {
                    all.insert(sha256(&bytes), Source::File(file));
                }
            }
        }
        for number in 0..PHOTOS {
            let name = sha256(format!("photograph {number}").as_bytes());
            all.insert(name, Source::Photo(number));
        }
        Ok(Self { all, stamps })
    }

    /// Of all their bytes.
    pub(crate) fn digest(&self) -> String {
        let names: Vec<&str> = self.all.keys().map(String::as_str).collect();
        sha256(names.concat().as_bytes())
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// A picture by its place, whole: of a reduced one small parts would be blurred.
    pub(crate) fn decoded(&self, place: usize) -> anyhow::Result<RgbImage> {
        let source = self.all.values().nth(place).context("there is none")?;
        let (bytes, format) = match source {
            Source::File(file) => (std::fs::read(file)?, ImageFormat::Png),
            Source::Photo(number) => (photos::photo(*number)?, ImageFormat::Jpeg),
        };
        decode(&bytes, format, &LIMITS, Detail::Whole).with_context(|| format!("{source:?}"))
    }
}

/// Where the stamps are.
pub(crate) fn stamps_folder() -> anyhow::Result<PathBuf> {
    folder(
        "TUSOU_STAMPS",
        "tuxpaint-stamps-default/usr/share/tuxpaint/stamps",
    )
}

/// Where the handbook is.
pub(crate) fn handbook_folder() -> anyhow::Result<PathBuf> {
    folder(
        "TUSOU_HANDBOOK",
        "debian-handbook/usr/share/doc/debian-handbook/html",
    )
}

fn folder(variable: &str, below_programs: &str) -> anyhow::Result<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join(".stack/programs").join(below_programs));
    ensure!(
        folder.is_dir(),
        "{} is not there: run `make ready`, or set {variable}",
        folder.display()
    );
    Ok(folder)
}

/// The files below a folder with that ending, in the order of their names.
pub(crate) fn files(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
