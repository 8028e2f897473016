//! Pictures: changed ones of those that are there, and pictures of quite other things.

use std::path::Path;

use image::{Rgb, RgbImage};
use tusou_contract::ImageFormat;
use tusou_model::decode::{Detail, Limits, decode};

use super::change::KINDS;
use super::rates::{Foreign, HEAD, Known, Rates, choose, steps};
use super::{Towers, chooses, cosine, say};
use crate::dice::Dice;
use crate::encoder::photos;
use crate::search::stamps::{Stamp, large};
use crate::search::vectors::sources::files;
use crate::search::vectors::sources::handbook_folder;

const SIDE: u32 = 100;
const FOUND: usize = 10;
const PHOTOS: u32 = 32;
const NOISES: u64 = 32;
const LIMITS: Limits = Limits {
    max_pixels: 10_000_000,
    max_memory: 200 << 20,
};

pub(super) fn run(model: &mut Towers) -> anyhow::Result<()> {
    let stamps = Stamp::all()?;
    let indexed = model.pictures(stamps.iter().map(Stamp::square))?;
    let mut known = Vec::new();
    let mut kinds: Vec<_> = KINDS.to_vec();
    kinds.push(("tinted", tinted));
    let mut tables = Vec::new();
    for (kind, change) in kinds {
        let changed = stamps.iter().map(|stamp| Ok(change(&stamp.square()?)));
        let vectors = model.pictures(changed)?;
        let some: Vec<Known> = stamps
            .iter()
            .zip(&vectors)
            .enumerate()
            .map(|(own, (stamp, vector))| {
                let cosines: Vec<f32> = indexed.iter().map(|one| cosine(vector, one)).collect();
                let own = cosines[own];
                Known {
                    own,
                    nearest: cosines.iter().copied().fold(-1.0, f32::max),
                    found: cosines.iter().filter(|one| **one > own).count() < FOUND,
                    chooses: chooses(&stamp.name),
                }
            })
            .collect();
        tables.push((kind, some.clone()));
        known.extend(some);
    }
    let mut foreign = Vec::new();
    let mut strangers = Vec::new();
    for (kind, pictures) in foreign_pictures()? {
        let names: Vec<String> = (0..pictures.len())
            .map(|number| format!("{kind} {number}"))
            .collect();
        let vectors = model.pictures(pictures.into_iter().map(Ok))?;
        let some: Vec<Foreign> = names
            .iter()
            .zip(&vectors)
            .map(|(name, vector)| Foreign {
                nearest: indexed
                    .iter()
                    .map(|one| cosine(vector, one))
                    .fold(-1.0, f32::max),
                chooses: chooses(name),
            })
            .collect();
        strangers.push((kind, some.clone()));
        foreign.extend(some);
    }
    let (chosen, judged) = choose(&known, &foreign, &steps(0.0, 1.0, 100));
    say(&format!(
        "\n## Pictures\n\n{} stamps, {} changed ones, {} foreign pictures; all queries:\n\n{HEAD}",
        stamps.len(),
        known.len(),
        foreign.len()
    ));
    for step in steps(0.4, 0.95, 11) {
        say(&Rates::at(step, &known, &foreign).row());
    }
    say(&format!(
        "\nChosen on one half: {chosen:.2}; on the other half:\n\n{HEAD}\n{}",
        judged.row()
    ));
    say("\n| changed | in the first ten | false rejects |\n|---|---|---|");
    for (kind, some) in tables {
        let found = some.iter().filter(|one| one.found).count() as f64 / some.len() as f64;
        say(&format!(
            "| {kind} | {found:.3} | {:.3} |",
            Rates::at(chosen, &some, &[]).rejects
        ));
    }
    say("\n| foreign | count | false accepts |\n|---|---|---|");
    for (kind, some) in strangers {
        let rates = Rates::at(chosen, &[], &some);
        say(&format!(
            "| {kind} | {} | {:.3} |",
            some.len(),
            rates.accepts
        ));
    }
    Ok(())
}

/// A warm light.
fn tinted(picture: &RgbImage) -> RgbImage {
    let mut tinted = picture.clone();
    for pixel in tinted.pixels_mut() {
        let [red, green, blue] = pixel.0;
        let less = |value: u8, tenths: u16| (u16::from(value) * tenths / 10) as u8;
        pixel.0 = [red, less(green, 9), less(blue, 7)];
    }
    tinted
}

/// Pictures that show nothing of what the stamps show.
fn foreign_pictures() -> anyhow::Result<Vec<(&'static str, Vec<RgbImage>)>> {
    let screens = large(&handbook_folder()?, SIDE)?;
    let mut all = vec![(
        "screens and diagrams",
        screens.into_iter().map(|(_, pixels)| pixels).collect(),
    )];
    let mut light = Vec::new();
    for number in 0..PHOTOS {
        let jpeg = photos::photo(number)?;
        light.push(decode(&jpeg, ImageFormat::Jpeg, &LIMITS, Detail::Whole)?);
    }
    all.push(("made of light and grain", light));
    all.push(("noise", (0..NOISES).map(noise).collect()));
    if let Some(corpora) = std::env::var_os("TUSOU_CORPORA") {
        let mut tests = Vec::new();
        for (folder, ending, format) in [
            ("pngsuite", "png", ImageFormat::Png),
            ("webp", "webp", ImageFormat::Webp),
        ] {
            for file in files(&Path::new(&corpora).join(folder), ending)? {
                // Many are broken on purpose.
                tests.extend(decode(&std::fs::read(&file)?, format, &LIMITS, Detail::Whole).ok());
            }
        }
        all.push(("test pictures", tests));
    }
    Ok(all)
}

/// Single dots, in grey or colour, and from 1 to 32 pixels large.
fn noise(number: u64) -> RgbImage {
    let mut dice = Dice::new(number);
    let size = 1 << (number % 6);
    let side = 256 / size as u32;
    let coarse = RgbImage::from_fn(side.max(8), side.max(8), |_, _| {
        let mut value = || (dice.unit() * 255.0) as u8;
        let grey = value();
        if number.is_multiple_of(2) {
            Rgb([grey; 3])
        } else {
            Rgb([grey, value(), value()])
        }
    });
    image::imageops::resize(&coarse, 256, 256, image::imageops::FilterType::Nearest)
}
