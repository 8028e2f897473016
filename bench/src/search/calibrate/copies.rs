//! The same picture: rules on the copy model's cosine, on the hashes, and on how well thumbnails overlap.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use image::{RgbImage, imageops};
use tusou_contract::ImageFormat;
use tusou_model::{overlap, phash, thumbnail};

use super::alike::alike;
use super::change::KINDS;
use super::{Towers, cosine, decoded, say};
use crate::search::stamps::{large, png};
use crate::search::vectors::sources::{handbook_folder, stamps_folder};

/// Both sides are to be longer than so many pixels, as in the test of copies.
const SIDE: u32 = 200;
/// From here on pairs were looked at: below, no rule may say that they are the same.
const LEAST: f32 = 0.5;
/// From here on no rule asks for more.
const SURE: f32 = 0.75;

/// A picture as the service has it.
struct Seen {
    vector: Vec<f32>,
    hash: u64,
    /// A JPEG.
    thumbnail: Vec<u8>,
}

impl Seen {
    fn of(model: &mut Towers, picture: &RgbImage) -> anyhow::Result<Self> {
        let small = thumbnail::reduced(picture, thumbnail::LONGER_SIDE);
        let vectors = model.vision.embed(std::slice::from_ref(picture))?;
        Ok(Self {
            vector: vectors.into_iter().next().context("one for each")?,
            hash: u64::from_str_radix(&phash::phash(&small), 16)?,
            thumbnail: thumbnail::jpeg(&small),
        })
    }

    fn pair(&self, other: &Self) -> Pair {
        let cosine = cosine(&self.vector, &other.vector);
        let differ = |hash: u64| (hash ^ other.hash).count_ones();
        let overlap = if (LEAST..SURE).contains(&cosine) {
            let pixels = |seen: &Self| decoded(&seen.thumbnail, ImageFormat::Jpeg);
            overlap::overlap(&pixels(self), &pixels(other))
        } else {
            0.0
        };
        Pair {
            cosine,
            bits: differ(self.hash).min(differ(phash::mirrored(self.hash))),
            overlap,
        }
    }
}

/// What is known of two pictures.
#[derive(Debug, Clone, Copy)]
struct Pair {
    cosine: f32,
    /// That differ, of the hash or of its mirror image's.
    bits: u32,
    /// 0 where no rule asks.
    overlap: f32,
}

/// Sure by the cosine alone; or less, and one of two other witnesses.
#[derive(Debug, Clone, Copy)]
struct Rule {
    sure: f32,
    doubtful: f32,
    bits: Option<u32>,
    overlap: Option<f32>,
}

impl Rule {
    const fn cosine(sure: f32) -> Self {
        Self {
            sure,
            doubtful: sure,
            bits: None,
            overlap: None,
        }
    }

    fn accepts(&self, pair: &Pair) -> bool {
        let by_bits = self.bits.is_some_and(|most| pair.bits <= most);
        let by_overlap = self.overlap.is_some_and(|least| pair.overlap >= least);
        pair.cosine >= self.sure || (pair.cosine >= self.doubtful && (by_bits || by_overlap))
    }

    fn name(&self) -> String {
        let mut name = format!("{}", self.sure);
        if self.doubtful < self.sure {
            let bits = self.bits.map(|bits| format!("{bits} bits"));
            let overlap = self.overlap.map(|least| format!("overlap {least}"));
            let either: Vec<String> = bits.into_iter().chain(overlap).collect();
            name += &format!(", or {} and {}", self.doubtful, either.join(" or "));
        }
        name
    }
}

const fn rule(sure: f32, bits: Option<u32>, overlap: Option<f32>) -> Rule {
    Rule {
        sure,
        doubtful: LEAST,
        bits,
        overlap,
    }
}

const RULES: [Rule; 16] = [
    Rule::cosine(0.5),
    Rule::cosine(0.55),
    Rule::cosine(0.6),
    Rule::cosine(0.7),
    Rule::cosine(0.75),
    rule(0.75, Some(24), None),
    rule(0.7, Some(16), None),
    rule(0.55, Some(16), None),
    rule(0.7, None, Some(0.88)),
    rule(0.7, Some(16), Some(0.8)),
    rule(0.7, Some(16), Some(0.84)),
    rule(0.7, Some(16), Some(0.88)),
    rule(0.7, Some(12), Some(0.88)),
    rule(0.7, Some(16), Some(0.92)),
    rule(0.65, Some(16), Some(0.88)),
    rule(0.6, Some(16), Some(0.88)),
];

/// Kinds of copies that the rules were not made with.
const FURTHER: [(&str, super::change::Change); 2] =
    [("corner, 80 × 65 %", corner), ("50 % of each side", middle)];

fn corner(picture: &RgbImage) -> RgbImage {
    let (width, height) = (picture.width() * 4 / 5, picture.height() * 13 / 20);
    imageops::crop_imm(picture, 0, 0, width, height).to_image()
}

fn middle(picture: &RgbImage) -> RgbImage {
    let (width, height) = (picture.width() / 2, picture.height() / 2);
    imageops::crop_imm(picture, width / 2, height / 2, width, height).to_image()
}

pub(super) fn run(model: &mut Towers) -> anyhow::Result<()> {
    let (mut names, mut files, mut originals) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, folder) in [
        ("stamps", stamps_folder()?),
        ("handbook", handbook_folder()?),
    ] {
        for (file, pixels) in large(&folder, SIDE)? {
            let inner = match kind {
                "handbook" => Path::new(file.file_name().context("it is a file")?),
                _ => file.strip_prefix(&folder)?,
            };
            names.push(format!("{kind}/{}", inner.with_extension("").display()));
            originals.push(Seen::of(model, &pixels)?);
            files.push(file);
        }
    }
    let different =
        |one: usize, other: usize| one != other && !is_alike(&names[one], &names[other]);
    let mut false_pairs = Vec::new();
    for one in 0..originals.len() {
        for other in 0..one {
            let near = cosine(&originals[one].vector, &originals[other].vector) >= LEAST;
            if near && different(one, other) {
                false_pairs.push(originals[one].pair(&originals[other]));
            }
        }
    }
    let kinds: Vec<_> = KINDS.into_iter().chain(FURTHER).collect();
    let mut own: BTreeMap<usize, Vec<Pair>> = BTreeMap::new();
    // Of each copy, what else is near.
    let mut strangers: Vec<Vec<Pair>> = Vec::new();
    for (place, file) in files.iter().enumerate() {
        let original = png(file)?;
        for (kind, (_, change)) in kinds.iter().enumerate() {
            let copy = Seen::of(model, &change(&original))?;
            own.entry(kind)
                .or_default()
                .push(copy.pair(&originals[place]));
            let others = originals.iter().enumerate();
            let near = others.filter(|(other, seen)| {
                different(place, *other) && cosine(&copy.vector, &seen.vector) >= LEAST
            });
            strangers.push(near.map(|(_, seen)| copy.pair(seen)).collect());
        }
    }
    let pairs = files.len() * (files.len() - 1) / 2;
    say(&format!(
        "\n## Copies\n\n{} pictures, {} kinds of copies; {} of {pairs} pairs of different pictures are at {LEAST} or more\n",
        files.len(),
        kinds.len(),
        false_pairs.len()
    ));
    let heads: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
    say(&format!(
        "| rule | recall of the first 7 | {} | false pairs | copies beside a false one |\n|{}",
        heads.join(" | "),
        "---|".repeat(heads.len() + 4)
    ));
    for rule in RULES {
        let share = |pairs: &[Pair]| {
            pairs.iter().filter(|pair| rule.accepts(pair)).count() as f64 / pairs.len() as f64
        };
        let recalls: Vec<f64> = own.values().map(|pairs| share(pairs)).collect();
        let first: f64 = recalls[..KINDS.len()].iter().sum::<f64>() / KINDS.len() as f64;
        let cells: Vec<String> = recalls
            .iter()
            .map(|recall| format!("{recall:.3}"))
            .collect();
        let beside = strangers
            .iter()
            .filter(|near| near.iter().any(|pair| rule.accepts(pair)));
        say(&format!(
            "| {} | {first:.4} | {} | {} | {:.4} |",
            rule.name(),
            cells.join(" | "),
            false_pairs.iter().filter(|pair| rule.accepts(pair)).count(),
            beside.count() as f64 / strangers.len() as f64
        ));
    }
    let doubtful = strangers
        .iter()
        .map(|near| near.iter().filter(|pair| pair.cosine < 0.7).count());
    let doubtful: usize = doubtful.sum();
    say(&format!(
        "\nDoubtful strangers of a copy: {:.2} on average",
        doubtful as f64 / strangers.len() as f64
    ));
    Ok(())
}

/// Whether two different files may count as one picture, or as a series.
fn is_alike(one: &str, other: &str) -> bool {
    one == other || alike(one, other).is_some_and(|what| what != "false")
}
