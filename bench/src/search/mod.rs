//! The search service: how fast beside the bare request, how it bears overload, how much of what the
//! model can find it finds, what each type of index keeps, and how soon a browser shows it.

pub(crate) mod calibrate;
mod load;
mod page;
mod quality;
pub(crate) mod recall;
mod rows;
mod speed;
mod stamps;
mod towers;
mod vectors;

use tokio::task::block_in_place;

use crate::report::Figure;
use vectors::Vectors;

pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let vectors = block_in_place(Vectors::obtain)?;
    let mut figures = Box::pin(speed::run(vectors)).await?;
    figures.extend(Box::pin(quality::run()).await?);
    Ok(figures)
}
