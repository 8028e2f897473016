//! The site's pictures: distinct JPEGs of about 86 KiB, made once and kept beside the binaries.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tusou_testkit::pictures::{self, ImageFormat};

/// Of another number where [`photo`] makes other bytes.
const FOLDER: &str = "bench-photos-1";
const WIDTH: u32 = 800;
const HEIGHT: u32 = 600;

/// The file of picture `number`.
pub(crate) fn file(number: u32) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    Ok(folder.join(FOLDER).join(format!("{number:05}.jpg")))
}

/// Makes what is missing of the first `count` pictures, on every core.
pub(crate) fn make(count: u32) -> anyhow::Result<()> {
    let first = file(0)?;
    let folder = first.parent().context("a picture lies in a folder")?;
    std::fs::create_dir_all(folder)?;
    let cores = std::thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..cores)
        .map(|core| {
            std::thread::spawn(move || -> anyhow::Result<()> {
                for number in (0..count).skip(core).step_by(cores) {
                    let path = file(number)?;
                    if path.exists() {
                        continue;
                    }
                    let unfinished = path.with_extension("part");
                    std::fs::write(&unfinished, photo(number, WIDTH, HEIGHT))?;
                    std::fs::rename(&unfinished, &path)?;
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        let made = thread.join();
        made.map_err(|_| anyhow::anyhow!("a thread that makes pictures panicked"))??;
    }
    Ok(())
}

/// The SHA-256 of each of the first `count` pictures.
pub(crate) fn digests(count: u32) -> anyhow::Result<BTreeSet<String>> {
    (0..count).map(|number| digest(&file(number)?)).collect()
}

/// The SHA-256 of each JPEG in a folder, at any depth: what a run stored.
pub(crate) fn stored(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "jpg") {
                found.insert(digest(&path)?);
            }
        }
    }
    Ok(found)
}

fn digest(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// Blocks of colour under grain: grain is what makes a photograph's file large.
pub(crate) fn photo(number: u32, width: u32, height: u32) -> Vec<u8> {
    let mut pixels = pictures::pixels(number, width, height);
    // Marsaglia's xorshift32 (2003), whose state is never 0.
    let mut state = number.wrapping_mul(0x9e37_79b9) | 1;
    for pixel in pixels.pixels_mut() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let grain = (state >> 24) as u8 % GRAIN;
        for channel in &mut pixel.0 {
            *channel = channel.saturating_add(grain);
        }
    }
    pictures::compressed(&pixels, ImageFormat::Jpeg)
}

/// The strongest grain, of 256 steps of brightness.
const GRAIN: u8 = 29;
