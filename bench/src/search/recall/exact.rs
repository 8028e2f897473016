//! What is truly nearest: every vector compared with every query.

use std::thread;

use anyhow::anyhow;

use crate::search::vectors::Rows;

/// Two vectors that differ by less are as near: sums of 512 products in f32 are not more exact.
const SAME: f32 = 1e-6;
/// Sums that are kept apart: the compiler adds them side by side.
const LANES: usize = 16;

/// How near the k-th nearest is, of each query.
#[derive(Debug)]
pub(crate) struct Exact<'a> {
    indexed: &'a Rows,
    queries: &'a Rows,
    k: usize,
    least: Vec<f32>,
}

impl<'a> Exact<'a> {
    /// Compares all with all, on every core.
    pub(crate) fn search(indexed: &'a Rows, queries: &'a Rows, k: usize) -> anyhow::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let each = indexed.count().div_ceil(cores);
        let mut nearest = vec![Vec::new(); queries.count()];
        thread::scope(|scope| {
            let parts: Vec<_> = (0..cores)
                .map(|core| scope.spawn(move || part(indexed, queries, k, core * each, each)))
                .collect();
            for part in parts {
                let part = part.join().map_err(|_| anyhow!("a thread panicked"))?;
                for (all, some) in nearest.iter_mut().zip(part) {
                    all.extend(some);
                }
            }
            anyhow::Ok(())
        })?;
        let least = nearest.into_iter().map(|mut scores: Vec<f32>| {
            scores.sort_by(|a, b| f32::total_cmp(b, a));
            scores.get(k - 1).copied().unwrap_or(f32::NEG_INFINITY)
        });
        let least = least.collect();
        Ok(Self {
            indexed,
            queries,
            k,
            least,
        })
    }

    /// The share of the k nearest that are among these, the numbers of vectors that were found for a query. Of
    /// several that are as near as the last of them, any counts.
    pub(crate) fn recall(&self, query: usize, found: &[usize]) -> f64 {
        let asked = self.queries.row(query);
        let near =
            |number: &&usize| dot(asked, self.indexed.row(**number)) >= self.least[query] - SAME;
        found.iter().take(self.k).filter(near).count() as f64 / self.k as f64
    }
}

/// The k best scores of each query in a part of the vectors.
fn part(indexed: &Rows, queries: &Rows, k: usize, start: usize, count: usize) -> Vec<Vec<f32>> {
    let mut best = vec![Vec::with_capacity(k + 1); queries.count()];
    for row in indexed.iter().skip(start).take(count) {
        for (scores, query) in best.iter_mut().zip(queries.iter()) {
            let score = dot(row, query);
            if scores.len() < k || scores.last().is_some_and(|last| score > *last) {
                let place = scores.partition_point(|other| *other >= score);
                scores.insert(place, score);
                scores.truncate(k);
            }
        }
    }
    best
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, rest_of_a) = a.as_chunks::<LANES>();
    let (b, rest_of_b) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = rest_of_a.iter().zip(rest_of_b).map(|(a, b)| a * b);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_found_and_ties_count() {
        let rows = |numbers: &[f32]| Rows::of(numbers.to_vec(), 2);
        let indexed = rows(&[1.0, 0.0, 0.0, 1.0, 0.6, 0.8, 0.6, 0.8, 0.8, 0.6]);
        let queries = rows(&[1.0, 0.0]);
        let exact = Exact::search(&indexed, &queries, 3).expect("it is small");
        assert_eq!(exact.recall(0, &[0, 4, 2]), 1.0);
        assert_eq!(exact.recall(0, &[0, 4, 3]), 1.0);
        assert_eq!(exact.recall(0, &[0, 4, 1]), 2.0 / 3.0);
        assert_eq!(exact.recall(0, &[]), 0.0);
        let long: Vec<f32> = (0..35).map(|number| number as f32).collect();
        assert_eq!(
            dot(&long, &long),
            (0..35).map(|n| n * n).sum::<i32>() as f32
        );
    }
}
