//! `tusou-bench calibrate`: from which cosine on a picture is an answer, and which pictures are the same.
//!
//! Prints the tables of `docs/search.md`. No two runs differ. Every threshold is chosen on one half of the queries and
//! judged on the other; which half a query is in is told by a digest of its picture's name or of its words.

#[path = "../../../../crates/testkit/tests/it/copies/alike.rs"]
mod alike;
#[path = "../../../../crates/testkit/tests/it/copies/change.rs"]
mod change;
mod copies;
mod pictures;
mod rates;
mod words;

use image::RgbImage;
use tokio::task::block_in_place;
use tusou_contract::ImageFormat;
use tusou_model::Runtime;
use tusou_model::decode::{self, Detail, Limits};

use super::towers::{Towers, cosine};
use super::vectors::sources::sha256;
use crate::encoder::ours::runtime;

/// The program's first argument for it.
pub(crate) const ARGUMENT: &str = "calibrate";

/// Prints all tables.
pub(crate) fn run() -> anyhow::Result<()> {
    block_in_place(|| {
        let runtime = Runtime::load(&runtime()?)?;
        let mut lite = Towers::load(&runtime, "lite")?;
        words::run(&mut lite)?;
        pictures::run(&mut lite)?;
        copies::run(&mut Towers::load(&runtime, "sscd-distilled")?)
    })
}

/// As the crawler and the encoder see it.
fn decoded(bytes: &[u8], format: ImageFormat) -> RgbImage {
    let limits = Limits {
        max_pixels: 50_000_000,
        max_memory: 400 << 20,
    };
    decode::decode(bytes, format, &limits, Detail::Whole).expect("it was made by this program")
}

/// Whether a threshold may be chosen by it; it is judged by the others.
fn chooses(name: &str) -> bool {
    sha256(name.as_bytes()).as_bytes()[0].is_multiple_of(2)
}

#[expect(
    clippy::print_stdout,
    reason = "the tables are what the command is for"
)]
fn say(line: &str) {
    println!("{line}");
}
