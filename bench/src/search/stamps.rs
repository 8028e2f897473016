//! The captioned stamps that the pack's own recall is measured with: which, and how they are prepared.
//!
//! As the script does that gave the pack's figures (docs/search.md): ten kinds, no cartoons, each over white in the
//! middle of a white square 1.1 times its longer side, so that a model's middle crop shows the whole of it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::RgbImage;
use tusou_contract::ImageFormat;
use tusou_model::decode::{Detail, Limits, decode};

use super::vectors::captions::{LANGUAGES, caption};
use super::vectors::sources::{files, stamps_folder};
use shared::{KINDS, squared};

/// What the model's own test of recall looks at, so that both mean the same stamps.
#[path = "../../../crates/model/tests/common/stamps.rs"]
mod shared;

const LIMITS: Limits = Limits {
    max_pixels: 50_000_000,
    max_memory: 400 << 20,
};

/// A stamp with its captions.
#[derive(Debug)]
pub(crate) struct Stamp {
    /// The path below the stamps, without its ending: `food/fruit/kiwi`.
    pub(crate) name: String,
    file: PathBuf,
    /// In the order of [`LANGUAGES`].
    pub(crate) captions: [Option<String>; LANGUAGES.len()],
}

impl Stamp {
    /// All of them, in the order of their names.
    pub(crate) fn all() -> anyhow::Result<Vec<Self>> {
        let stamps = stamps_folder()?;
        let mut all = Vec::new();
        for text in files(&stamps, "txt")? {
            let file = text.with_extension("png");
            let inner = text.strip_prefix(&stamps).context("it lies in there")?;
            let name = inner.with_extension("").display().to_string();
            let kind = name.split('/').next().unwrap_or_default();
            if !file.is_file() || !KINDS.contains(&kind) || name.contains("cartoon") {
                continue;
            }
            let said = String::from_utf8_lossy(&std::fs::read(&text)?).into_owned();
            all.push(Self {
                captions: LANGUAGES.map(|language| caption(&said, language).map(str::to_owned)),
                name,
                file,
            });
        }
        Ok(all)
    }

    /// Its pixels, over white in the middle of a white square.
    pub(crate) fn square(&self) -> anyhow::Result<RgbImage> {
        let stamp = png(&self.file)?;
        Ok(squared(&stamp))
    }
}

/// A PNG's pixels as the crawler and the encoder see them: transparency over white.
pub(crate) fn png(file: &Path) -> anyhow::Result<RgbImage> {
    decoded(&std::fs::read(file)?, file)
}

fn decoded(bytes: &[u8], file: &Path) -> anyhow::Result<RgbImage> {
    decode(bytes, ImageFormat::Png, &LIMITS, Detail::Whole)
        .with_context(|| file.display().to_string())
}

/// The distinct PNGs of a folder whose sides are both longer than so many pixels: path, id and pixels.
pub(crate) fn large(folder: &Path, side: u32) -> anyhow::Result<Vec<(PathBuf, RgbImage)>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut large = Vec::new();
    for file in files(folder, "png")? {
        let bytes = std::fs::read(&file)?;
        let is_png = ImageFormat::sniff(&bytes) == Some(ImageFormat::Png);
        if !is_png || !seen.insert(tusou_contract::ImageId::of(&bytes)) {
            continue;
        }
        let pixels = decoded(&bytes, &file)?;
        if pixels.width().min(pixels.height()) > side {
            large.push((file, pixels));
        }
    }
    Ok(large)
}
