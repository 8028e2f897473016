//! The vectors that recall is measured with: half of them embeddings of real pictures, of their crops and
//! tints, the others between two of these; and queries by picture and by words that are none of them.
//!
//! Embeddings of 50,500 pictures take minutes: they are kept in `target/bench`, under a key of all that they
//! are made of.

pub(crate) mod captions;
mod pictures;
pub(crate) mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tusou_contract::mapping::{IMAGE_EMBEDDING, ModelField};
use tusou_model::{Device, Pack, Runtime, TextModel};

use crate::dice::{Dice, normalize};
use crate::encoder::ours::runtime;
use crate::peer::root;
use crate::report;
use sources::{Sources, sha256};

/// Embeddings of pictures that are indexed.
const REAL: usize = 50_000;
/// Vectors that are indexed.
const ALL: usize = 100_000;
/// Queries of each kind.
pub(crate) const QUERIES: usize = 500;
const SEED: u64 = 8;

/// Unit vectors, one after another.
#[derive(Debug)]
pub(crate) struct Rows {
    numbers: Vec<f32>,
    dimension: usize,
}

impl Rows {
    pub(crate) fn of(numbers: Vec<f32>, dimension: usize) -> Self {
        Self { numbers, dimension }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.numbers.chunks_exact(self.dimension)
    }

    pub(crate) fn row(&self, number: usize) -> &[f32] {
        &self.numbers[number * self.dimension..][..self.dimension]
    }

    pub(crate) fn count(&self) -> usize {
        self.numbers.len() / self.dimension
    }
}

/// What is indexed, and what is asked.
#[derive(Debug)]
pub(crate) struct Vectors {
    /// The model as the index's mapping names it.
    pub(crate) model: ModelField,
    pub(crate) indexed: Rows,
    pub(crate) pictures: Rows,
    pub(crate) words: Rows,
}

impl Vectors {
    /// Makes them, or takes the embeddings of pictures as they were kept.
    pub(crate) fn obtain() -> anyhow::Result<Self> {
        let pack = Pack::open(root().join(".stack/models/lite"))
            .context("`make ready` builds the model pack")?;
        let runtime = Runtime::load(&runtime()?)?;
        let sources = Sources::find()?;
        let dimension = pack.dimension();
        let mut real = kept(&pack, &runtime, &sources)?;
        let pictures = Rows::of(real.split_off(REAL * dimension), dimension);
        let words = captions::some(&sources.stamps, QUERIES)?;
        let text = TextModel::load(&runtime, &pack, Device::Cpu, 2)?;
        let mut text = text.context("`lite` has a text tower")?;
        let mut embedded = Vec::with_capacity(QUERIES * dimension);
        for some in words.chunks(50) {
            embedded.extend(text.embed(some)?.concat());
        }
        Ok(Self {
            model: pack.field(IMAGE_EMBEDDING),
            indexed: Rows::of(with_between(real, dimension), dimension),
            pictures,
            words: Rows::of(embedded, dimension),
        })
    }
}

/// The embeddings of pictures that are indexed, and after them those that are asked.
fn kept(pack: &Pack, runtime: &Runtime, sources: &Sources) -> anyhow::Result<Vec<f32>> {
    let count = REAL + QUERIES;
    let file = file(pack, sources, count);
    if let Ok(bytes) = std::fs::read(&file) {
        ensure!(
            bytes.len() == count * pack.dimension() * 4,
            "{} is cut off: remove it",
            file.display()
        );
        let (numbers, _) = bytes.as_chunks::<4>();
        return Ok(numbers
            .iter()
            .map(|four| f32::from_le_bytes(*four))
            .collect());
    }
    report::note(&format!(
        "search: making {count} embeddings once, some minutes; they are kept as {}",
        file.display()
    ));
    let made = pictures::embed(pack, runtime, sources, count)?;
    let bytes: Vec<u8> = made
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    write(&file, &bytes).with_context(|| file.display().to_string())?;
    Ok(made)
}

fn file(pack: &Pack, sources: &Sources, count: usize) -> PathBuf {
    let made_of = format!("{} {} {count} {SEED}", pack.digest(), sources.digest());
    let key = sha256(made_of.as_bytes());
    root().join(format!("target/bench/embeddings-{}.f32", &key[..16]))
}

/// Whole, or not at all.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = file.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(part, file)
}

/// These, and as many as are lacking somewhere between two of them.
fn with_between(real: Vec<f32>, dimension: usize) -> Vec<f32> {
    let mut dice = Dice::new(SEED);
    let mut real = Rows::of(real, dimension);
    let mut between = Vec::with_capacity((ALL - REAL) * dimension);
    for _ in REAL..ALL {
        let (a, b) = (dice.below(REAL), dice.below(REAL));
        let share = dice.unit();
        let pair = real.row(a).iter().zip(real.row(b));
        let mut mixed: Vec<f32> = pair.map(|(a, b)| a + (b - a) * share).collect();
        normalize(&mut mixed);
        between.append(&mut mixed);
    }
    real.numbers.append(&mut between);
    real.numbers
}
