//! What a run found, for eyes and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

/// Details that are printed of each kind.
const SHOWN: usize = 25;

/// What was not as it had to be.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Pictures that had to be found.
    pub pictures: usize,
    /// Sightings that had to be found.
    pub sightings: usize,
    /// Dead letters, each explained.
    pub dead_letters: usize,
    /// What had to be there and is not.
    pub lost: Vec<String>,
    /// What is there twice.
    pub doubled: Vec<String>,
    /// What is there and has no reason, or another one.
    pub unexplained: Vec<String>,
}

impl Verdict {
    pub(super) fn lost(&mut self, what: String) {
        self.lost.push(what);
    }

    pub(super) fn doubled(&mut self, what: String) {
        self.doubled.push(what);
    }

    pub(super) fn unexplained(&mut self, what: String) {
        self.unexplained.push(what);
    }

    /// Nothing lost, doubled or unexplained.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.unexplained.is_empty()
    }
}

/// How often a fault came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Done to the chain.
    pub injected: u64,
    /// Planned, and not possible then: what it needs was itself away.
    pub skipped: u64,
}

/// A whole run.
#[derive(Debug, Default)]
pub struct Report {
    /// The schedule's seed.
    pub seed: u64,
    /// How long faults came, seconds.
    pub seconds: u64,
    /// From their end until all was at rest, seconds.
    pub drained_after: u64,
    /// By kind.
    pub faults: BTreeMap<String, Count>,
    /// Answers of the site that were spoilt.
    pub spoilt_answers: u64,
    /// What was found.
    pub verdict: Verdict,
    /// What else happened: services that ended by themselves.
    pub notes: Vec<String>,
    /// The last lines of the logs, where something is not as it had to be.
    pub logs: Vec<String>,
    /// Where the world was kept.
    pub kept: Option<String>,
}

impl Report {
    /// For programs.
    pub fn json(&self) -> Value {
        let faults: serde_json::Map<String, Value> = self
            .faults
            .iter()
            .map(|(kind, count)| {
                (
                    kind.clone(),
                    json!({"injected": count.injected, "skipped": count.skipped}),
                )
            })
            .collect();
        let Verdict {
            pictures,
            sightings,
            dead_letters,
            lost,
            doubled,
            unexplained,
        } = &self.verdict;
        json!({
            "seed": self.seed, "seconds": self.seconds, "drained_after_seconds": self.drained_after,
            "faults": faults, "spoilt_answers": self.spoilt_answers,
            "pictures": pictures, "sightings": sightings, "explained_dead_letters": dead_letters,
            "lost": lost, "doubled": doubled, "unexplained": unexplained, "notes": self.notes,
        })
    }

    fn injected(&self) -> u64 {
        self.faults.values().map(|count| count.injected).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = &self.verdict;
        for (kind, count) in &self.faults {
            let skipped = match count.skipped {
                0 => String::new(),
                skipped => format!("  ({skipped} not possible then)"),
            };
            writeln!(f, "{kind:<34}{:>5}{skipped}", count.injected)?;
        }
        writeln!(
            f,
            "{:<34}{:>5}",
            "spoilt answers of the site", self.spoilt_answers
        )?;
        for (heading, list) in [
            ("LOST", &verdict.lost),
            ("DOUBLED", &verdict.doubled),
            ("UNEXPLAINED", &verdict.unexplained),
            ("noted", &self.notes),
        ] {
            for line in list.iter().take(SHOWN) {
                writeln!(f, "{heading}: {line}")?;
            }
            if list.len() > SHOWN {
                writeln!(f, "{heading}: and {} more", list.len() - SHOWN)?;
            }
        }
        for line in &self.logs {
            writeln!(f, "{line}")?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "{kept}")?;
        }
        write!(
            f,
            "seed {}, {:.1} min, {} faults, drained in {} s: {} pictures, {} sightings, {} dead letters \
             explained; {} lost, {} doubled, {} unexplained",
            self.seed,
            self.seconds as f64 / 60.0,
            self.injected(),
            self.drained_after,
            verdict.pictures,
            verdict.sightings,
            verdict.dead_letters,
            verdict.lost.len(),
            verdict.doubled.len(),
            verdict.unexplained.len(),
        )
    }
}
