//! The encoder and its parts, each beside a peer or a floor in one run.
//!
//! Floors and peers take turns with us in rounds; of each ratio the round in the middle counts, since a
//! noisy neighbour is worse than any peer.

mod alone;
mod curve;
mod gallery;
pub(crate) mod gpu;
pub(crate) mod ours;
mod peers;
pub(crate) mod photos;
mod preprocess;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::task::block_in_place;

use crate::peer::root;
use crate::report::{self, Figure, middle};
use alone::Models;
use gallery::Gallery;
use ours::{BATCH, Ours, Setting};

/// Photographs that differ; files are made of these.
const PHOTOS: u32 = 32;
/// Files, of which no two have the same bytes.
const FILES: usize = 512;
/// Files that each run goes through: whole batches for each of two sessions, some seconds.
const SPLIT_PICTURES: usize = 64;
const F32_PICTURES: usize = 128;
const INT8_PICTURES: usize = 256;
const ROUNDS: usize = 5;
/// A curve is for looking at; that it does not fall below this share of the model alone is all that is asked.
const CURVE_GOAL: f64 = 0.5;
/// How long a floor runs.
const MODEL_TIME: Duration = Duration::from_secs(4);
const DECODE_TIME: Duration = Duration::from_millis(1_500);

/// Ours, and the floor's or the peer's.
type Pair = (f64, f64);

/// What one round gave. Rates are pictures a second.
#[derive(Debug, Clone, Copy)]
struct Round {
    roofline: Pair,
    roofline_lite: Pair,
    harmonic: Pair,
    fastembed: Pair,
    int8: Pair,
    /// Milliseconds of processor time a picture.
    overhead: Pair,
    /// The same: thumbnail, hash and colours, which are in ours and not in the peer's.
    extras: f64,
}

/// The packs that everything runs on.
#[derive(Debug)]
struct Packs {
    f32: PathBuf,
    int8: PathBuf,
    lite: PathBuf,
}

/// Every figure of the encoder.
pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let mut figures = block_in_place(preprocess::run)?;
    let packs = Packs {
        f32: peers::vit("f32").await?,
        int8: peers::vit("int8").await?,
        lite: root().join(".stack/models/lite"),
    };
    report::note("encoder: making photographs");
    let photos: Vec<Vec<u8>> =
        block_in_place(|| (0..PHOTOS).map(photos::photo).collect::<Result<_, _>>())?;
    let gallery = Gallery::of_photos(&photos, FILES).await?;
    let mut bench = Box::pin(Bench::open(&packs, &photos, &gallery)).await?;
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let round = Box::pin(bench.round(number == 1)).await?;
        report::note(&format!("encoder, round {number} of {ROUNDS}: {round:.2?}"));
        rounds.push(round);
    }
    figures.extend(of_rounds(&rounds));
    drop(bench);
    for (name, pack, pictures, goal) in [
        ("encoder.batch", &packs.f32, 128, CURVE_GOAL),
        ("encoder.lite_batch", &packs.lite, 384, CURVE_GOAL),
    ] {
        let points = Box::pin(curve::measure(name, pack, &gallery, pictures, goal)).await;
        figures.extend(points.context("batch sizes")?);
    }
    Ok(figures)
}

fn of_rounds(rounds: &[Round]) -> Vec<Figure> {
    let rate = |name: &str, of: fn(&Round) -> Pair, goal| {
        let (ours, theirs) = middle(rounds.iter().map(of).collect());
        Figure::rate(name, ours, theirs, "pictures/s", goal)
    };
    let (overhead, theirs) = middle(rounds.iter().map(|round| round.overhead).collect());
    let mut extras: Vec<f64> = rounds.iter().map(|round| round.extras).collect();
    extras.sort_by(f64::total_cmp);
    vec![
        rate("encoder.vs_roofline", |round| round.roofline, 0.95),
        rate(
            "encoder.vs_roofline_lite",
            |round| round.roofline_lite,
            0.95,
        ),
        rate("encoder.vs_harmonic", |round| round.harmonic, 0.9),
        rate("encoder.vs_fastembed_f32", |round| round.fastembed, 1.3),
        rate("encoder.vs_pillow_int8", |round| round.int8, 1.6),
        Figure::cost(
            "encoder.overhead_cpu_vs_pillow",
            overhead,
            theirs,
            "CPU ms/picture",
            3.0,
        ),
        Figure::below(
            "encoder.extras_cpu",
            extras[extras.len() / 2],
            "CPU ms/picture",
            1.0,
        ),
    ]
}

/// All that is loaded; what does not run sleeps.
struct Bench<'a> {
    cores: usize,
    packs: &'a Packs,
    photos: &'a [Vec<u8>],
    gallery: &'a Gallery,
    /// A session a core.
    vit: Models,
    lite: Models,
    vit_split: Ours,
    lite_split: Ours,
    vit_default: Ours,
    int8_default: Ours,
}

impl<'a> Bench<'a> {
    async fn open(
        packs: &'a Packs,
        photos: &'a [Vec<u8>],
        gallery: &'a Gallery,
    ) -> anyhow::Result<Self> {
        report::note("encoder: loading models");
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let device = tusou_model::Device::Cpu;
        let models =
            |pack: &Path, sessions| block_in_place(|| Models::load(pack, device, sessions));
        let ours = async |pack, setting| Ours::open(gallery, pack, setting).await;
        Ok(Self {
            cores,
            packs,
            photos,
            gallery,
            vit: models(&packs.f32, cores)?,
            lite: models(&packs.lite, 1)?,
            vit_split: ours(&packs.f32, Setting::SPLIT).await?,
            lite_split: ours(&packs.lite, Setting::SPLIT).await?,
            vit_default: ours(&packs.f32, Setting::DEFAULT).await?,
            int8_default: ours(&packs.int8, Setting::DEFAULT).await?,
        })
    }

    async fn round(&mut self, first: bool) -> anyhow::Result<Round> {
        let (photos, cores, packs) = (self.photos, self.cores, self.packs);
        let files = self.gallery.pictures();
        let messages = |count: usize| &self.gallery.messages[..count];

        let model = block_in_place(|| self.vit.rate(1, BATCH, MODEL_TIME))?;
        let decode = block_in_place(|| alone::decoded(photos, &self.vit, 1, BATCH, DECODE_TIME))?;
        self.gallery.forget_thumbnails()?;
        let ours = self.vit_split.run(messages(SPLIT_PICTURES)).await?;
        let roofline = (ours.rate(), model.min(decode));

        let model = block_in_place(|| self.lite.rate(1, BATCH, MODEL_TIME))?;
        let decode = block_in_place(|| alone::decoded(photos, &self.lite, 1, BATCH, DECODE_TIME))?;
        self.gallery.forget_thumbnails()?;
        let ours = self.lite_split.run(messages(FILES)).await?;
        let roofline_lite = (ours.rate(), model.min(decode));

        let model = block_in_place(|| self.vit.rate(cores, BATCH, MODEL_TIME))?;
        let decode =
            block_in_place(|| alone::decoded(photos, &self.vit, cores, BATCH, DECODE_TIME))?;
        self.gallery.forget_thumbnails()?;
        let ours = self.vit_default.run(messages(F32_PICTURES)).await?;
        let harmonic = (ours.rate(), 1.0 / (1.0 / model + 1.0 / decode));
        let folder = tempfile::Builder::new().prefix("tusou-bench-").tempdir()?;
        let saved = folder.path().join("rows.npy");
        let theirs = peers::fastembed(&packs.f32, &files, F32_PICTURES, cores, &saved).await?;
        let fastembed = (ours.rate(), theirs.images_per_second);
        if first {
            self.compare(&saved).await?;
        }

        self.gallery.forget_thumbnails()?;
        let ours = self.int8_default.run(messages(INT8_PICTURES)).await?;
        let theirs = peers::pillow(&packs.int8, &files, INT8_PICTURES, cores).await?;
        let int8 = (ours.rate(), theirs.images_per_second);
        let overhead = (ours.overhead(), theirs.overhead());
        let extras = block_in_place(|| alone::extras(photos, &self.vit.input(), DECODE_TIME))?;
        Ok(Round {
            roofline,
            roofline_lite,
            harmonic,
            fastembed,
            int8,
            overhead,
            extras: 1_000.0 / extras,
        })
    }

    /// That both sides make the same embeddings, or their speed would say nothing.
    async fn compare(&self, saved: &Path) -> anyhow::Result<()> {
        let theirs = peers::rows(saved, DIMENSION)?;
        let pictures = &self.gallery.messages[..COMPARED];
        let ours = self.vit_default.embeddings(pictures).await?;
        for (number, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            let cosine = cosine(a, b);
            ensure!(
                cosine > LEAST_COSINE,
                "picture {number}: our embedding and fastembed's have a cosine of {cosine}"
            );
        }
        Ok(())
    }
}

/// Numbers in an embedding of the shape ViT-B/32.
const DIMENSION: usize = 512;
/// Pictures whose embeddings are compared.
const COMPARED: usize = 32;
/// For JPEGs that are decoded at a part of their size.
const LEAST_COSINE: f64 = 0.999;

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_by_ratio() {
        let pairs = vec![(9.0, 1.0), (1.0, 2.0), (30.0, 10.0)];
        assert!(matches!(middle(pairs), (ours, _) if ours == 30.0));
        assert!((cosine(&[1.0, 1.0], &[3.0, 3.0]) - 1.0).abs() < 1e-9);
    }
}
