//! A batch to its results, whatever the model says to it as a whole.

use std::ops::Range;

use crate::ModelError;
use crate::batcher::{Batch as _, Model};

/// Runs batches in as few chunks as the device has memory for.
#[derive(Debug)]
pub(crate) struct Chunks {
    /// Items in a chunk. It is halved when the device has no memory for it, and stays so: what did not
    /// fit once does not fit again, and trying costs a run.
    most: usize,
}

impl Chunks {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1) }
    }

    /// Each item's own result, in order. Where a chunk fails, its items are tried one by one, so that a
    /// bad one does not hurt its mates.
    pub(crate) fn run<M: Model>(
        &mut self,
        model: &mut M,
        batch: &M::Batch,
    ) -> Vec<Result<Vec<f32>, ModelError>> {
        let mut results = Vec::with_capacity(batch.rows());
        while results.len() < batch.rows() {
            let rows = results.len()..batch.rows().min(results.len() + self.most);
            match model.run(batch, rows.clone()) {
                Ok(vectors) => results.extend(vectors.into_iter().map(Ok)),
                Err(ModelError::OutOfMemory { .. }) if rows.len() > 1 => self.halve(model, &rows),
                Err(error) if rows.len() == 1 => results.push(Err(error)),
                Err(error) => {
                    let (model_name, items) = (model.name().to_owned(), rows.len());
                    tracing::warn!(model = model_name, items, %error, "a batch failed; running its items one by one");
                    results.extend(rows.map(|row| one(model, batch, row)));
                }
            }
        }
        results
    }

    fn halve<M: Model>(&mut self, model: &M, rows: &Range<usize>) {
        self.most = (rows.len() / 2).max(1);
        tracing::warn!(
            model = model.name(),
            items = rows.len(),
            now = self.most,
            "the device has no memory for such a batch; it is halved until the next start"
        );
    }
}

fn one<M: Model>(model: &mut M, batch: &M::Batch, row: usize) -> Result<Vec<f32>, ModelError> {
    let mut vectors = model.run(batch, row..row + 1)?;
    Ok(vectors.swap_remove(0))
}
