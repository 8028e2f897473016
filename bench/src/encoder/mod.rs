//! The encoder's parts, each beside a peer or a floor in one run.

mod photos;
mod preprocess;

use crate::report::Figure;

/// Every figure of the encoder.
pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    preprocess::run()
}
