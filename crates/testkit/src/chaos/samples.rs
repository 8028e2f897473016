//! Depths and memory while something is away.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use sqlx::PgPool;

use super::mail::Post;
use super::services::Services;
use super::soak::{OUTBOX_LIMIT, QUEUE_LIMIT};

/// Messages beyond its limit that a queue may hold: it counts only those that are ready, and a
/// consumer holds up to its prefetch, 1,000 the indexer; then a batch of the relay on its way.
const QUEUE_SLACK: u64 = 1_500;
/// Rows beyond its limit that the outbox may hold: what the fetches bring that had begun, each page
/// a row for every picture whose words it changes.
const OUTBOX_SLACK: u64 = 1_500;
/// Memory that may come between the first and the last third, beyond a fifth of the first.
const RSS_SLACK: f64 = 64.0 * 1_048_576.0;
/// Fewer samples say nothing about memory.
const LEAST_SAMPLES: usize = 9;

/// Everything at one time.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// Ready and unacknowledged, by queue.
    queues: BTreeMap<String, u64>,
    outbox: u64,
    /// Bytes, by service.
    rss: BTreeMap<String, u64>,
}

impl Sample {
    pub(super) async fn take(
        pool: &PgPool,
        post: &Post,
        services: &Services,
    ) -> anyhow::Result<Self> {
        let outbox: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(pool)
            .await?;
        Ok(Self {
            queues: post.depths().await?,
            outbox: u64::try_from(outbox)?,
            rss: services.rss().await,
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outbox {}", self.outbox)?;
        for (name, depth) in self.queues.iter().filter(|(_, depth)| **depth > 0) {
            write!(f, ", {name} {depth}")?;
        }
        for (name, bytes) in &self.rss {
            write!(f, ", {name} {} MiB", bytes >> 20)?;
        }
        Ok(())
    }
}

/// Samples in order.
#[derive(Debug, Default)]
pub(super) struct Series(Vec<Sample>);

/// The most of everything.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Maxima {
    /// Ready and unacknowledged, by queue.
    pub queues: BTreeMap<String, u64>,
    /// Rows.
    pub outbox: u64,
    /// Mean memory of the first and the last third and the most, MiB, by service.
    pub rss_mib: BTreeMap<String, (f64, f64, f64)>,
}

impl Series {
    pub(super) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    pub(super) fn maxima(&self) -> Maxima {
        let mut maxima = Maxima::default();
        for sample in &self.0 {
            maxima.outbox = maxima.outbox.max(sample.outbox);
            for (name, depth) in &sample.queues {
                let most = maxima.queues.entry(name.clone()).or_default();
                *most = (*most).max(*depth);
            }
        }
        let services = self
            .0
            .first()
            .map(|sample| sample.rss.keys().cloned().collect::<Vec<_>>());
        for name in services.unwrap_or_default() {
            let values: Vec<f64> = self
                .0
                .iter()
                .filter_map(|sample| sample.rss.get(&name))
                .map(|bytes| *bytes as f64 / 1_048_576.0)
                .collect();
            let third = (values.len() / 3).max(1).min(values.len());
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
            let most = values.iter().copied().fold(0.0, f64::max);
            let thirds = (
                mean(&values[..third]),
                mean(&values[values.len() - third..]),
                most,
            );
            maxima.rss_mib.insert(name, thirds);
        }
        maxima
    }

    /// What was more than it may be.
    pub(super) fn broken(&self) -> Vec<String> {
        let maxima = self.maxima();
        let mut broken = Vec::new();
        let bound = u64::from(QUEUE_LIMIT) + QUEUE_SLACK;
        for (name, most) in maxima.queues.iter().filter(|(_, most)| **most > bound) {
            broken.push(format!("{name} held {most}; {bound} are allowed"));
        }
        let bound = u64::from(OUTBOX_LIMIT) + OUTBOX_SLACK;
        if maxima.outbox > bound {
            broken.push(format!(
                "the outbox held {}; {bound} are allowed",
                maxima.outbox
            ));
        }
        if self.0.len() < LEAST_SAMPLES {
            broken.push(format!("{} samples say nothing about memory", self.0.len()));
        }
        for (name, (first, last, _)) in &maxima.rss_mib {
            if *last > first * 1.2 + RSS_SLACK / 1_048_576.0 {
                broken.push(format!(
                    "the memory of {name} grew from {first:.0} to {last:.0} MiB"
                ));
            }
        }
        broken
    }
}

impl Maxima {
    pub(super) fn json(&self) -> Value {
        json!({"queues": self.queues, "outbox": self.outbox, "rss_mib_first_last_most": self.rss_mib})
    }
}

impl fmt::Display for Maxima {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most: outbox {}", self.outbox)?;
        for (name, depth) in self.queues.iter().filter(|(_, depth)| **depth > 0) {
            write!(f, ", {name} {depth}")?;
        }
        for (name, (first, last, most)) in &self.rss_mib {
            write!(f, "; {name} {first:.0} → {last:.0} MiB, at most {most:.0}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(outbox: u64, queue: u64, growth: u64) -> Series {
        let sample = |number| Sample {
            queues: BTreeMap::from([("images.fetched".to_owned(), queue)]),
            outbox,
            rss: BTreeMap::from([("tusou-crawler".to_owned(), (100 + number * growth) << 20)]),
        };
        Series((0..12).map(sample).collect())
    }

    #[test]
    fn a_broken_bound_is_seen() {
        assert_eq!(series(2_100, 1_900, 1).broken(), Vec::<String>::new());
        assert_eq!(series(9_000, 10, 0).broken().len(), 1);
        assert_eq!(series(10, 9_000, 0).broken().len(), 1);
        assert_eq!(series(10, 10, 20).broken().len(), 1);
        assert_eq!(Series::default().broken().len(), 1);
    }
}
