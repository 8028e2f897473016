//! Figures as a table and as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// One figure beside its floor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// `stage.what`.
    pub(crate) name: String,
    pub(crate) ours: f64,
    /// The floor's or the peer's, measured in the same run; null for a figure that stands alone.
    pub(crate) theirs: Option<f64>,
    pub(crate) unit: Cow<'static, str>,
    pub(crate) ratio: Option<f64>,
    /// The ratio (or, where it stands alone, the value) to reach.
    pub(crate) goal: f64,
    /// `higher` or `lower`.
    pub(crate) better: Cow<'static, str>,
    /// What else was measured, by name with its unit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) beside: BTreeMap<String, f64>,
}

impl Figure {
    /// A rate beside its floor's.
    pub(crate) fn rate(name: &str, ours: f64, theirs: f64, unit: &'static str, goal: f64) -> Self {
        let (name, theirs, ratio) = (name.to_owned(), Some(theirs), Some(ours / theirs));
        Self {
            name,
            ours,
            theirs,
            unit: unit.into(),
            ratio,
            goal,
            better: "higher".into(),
            beside: BTreeMap::new(),
        }
    }

    /// A cost beside a peer's: the ratio says how often ours goes into theirs.
    pub(crate) fn cost(name: &str, ours: f64, theirs: f64, unit: &'static str, goal: f64) -> Self {
        Self {
            ratio: Some(theirs / ours),
            ..Self::rate(name, ours, theirs, unit, goal)
        }
    }

    /// A figure beside the same of a smaller case: the ratio is to stay below `goal`.
    pub(crate) fn growth(
        name: &str,
        large: f64,
        small: f64,
        unit: &'static str,
        goal: f64,
    ) -> Self {
        Self {
            better: "lower".into(),
            ..Self::rate(name, large, small, unit, goal)
        }
    }

    /// A figure that is to stay below `goal`.
    pub(crate) fn below(name: &str, ours: f64, unit: &'static str, goal: f64) -> Self {
        let name = name.to_owned();
        Self {
            name,
            ours,
            theirs: None,
            unit: unit.into(),
            ratio: None,
            goal,
            better: "lower".into(),
            beside: BTreeMap::new(),
        }
    }

    /// A figure that is to reach `goal`.
    pub(crate) fn above(name: &str, ours: f64, unit: &'static str, goal: f64) -> Self {
        Self {
            better: "higher".into(),
            ..Self::below(name, ours, unit, goal)
        }
    }

    /// With what was measured beside it.
    pub(crate) fn beside(mut self, measured: &[(&str, f64)]) -> Self {
        let named = measured
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        self.beside.extend(named);
        self
    }
}

/// Of pairs, ours and theirs, the one in the middle by its ratio; of an even number, the one above.
pub(crate) fn middle(mut pairs: Vec<(f64, f64)>) -> (f64, f64) {
    pairs.sort_by(|a, b| f64::total_cmp(&(a.0 / a.1), &(b.0 / b.1)));
    pairs[pairs.len() / 2]
}

/// Says how far a long benchmark is.
#[expect(clippy::print_stderr, reason = "for whoever waits for the table")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
pub(crate) fn print(figures: &[Figure]) {
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    println!(
        "{:<34} {:>10} {:>10} {:>8} {:>8}  unit",
        "name", "ours", "floor", "ratio", "goal"
    );
    for figure in figures {
        println!(
            "{:<34} {:>10} {:>10} {:>8} {:>8}  {}",
            figure.name,
            shown(figure.ours),
            cell(figure.theirs),
            cell(figure.ratio),
            figure.goal,
            figure.unit
        );
    }
}

/// Shares want more digits than rates.
fn shown(value: f64) -> String {
    if value.abs() < 10.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1}")
    }
}

/// Writes the figures, and keeps those of benchmarks that were not run this time.
pub(crate) fn write(figures: &[Figure]) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.json");
    let measured = |kept: &Figure| figures.iter().any(|figure| kept.name == figure.name);
    let mut all: Vec<Figure> = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} is not what a run wrote", path.display()))?,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(cause) => return Err(cause).with_context(|| format!("cannot read {}", path.display())),
    };
    all.retain(|kept| !measured(kept));
    all.extend_from_slice(figures);
    let text = serde_json::to_string_pretty(&all)?;
    std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}
