//! False accepts and false rejects over thresholds.

/// A query whose answer is in the index: its evidence, and whether the model had found it by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Of its right picture.
    pub(super) own: f32,
    /// Of the nearest picture, whichever it is.
    pub(super) nearest: f32,
    /// The right one is among the first ten.
    pub(super) found: bool,
    pub(super) chooses: bool,
}

/// A query that nothing in the index answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foreign {
    /// Of the nearest picture.
    pub(super) nearest: f32,
    pub(super) chooses: bool,
}

/// What a threshold does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) threshold: f32,
    /// Of the foreign queries, those that get an answer.
    pub(super) accepts: f64,
    /// Of the queries whose right picture the model finds, those where it is cut.
    pub(super) rejects: f64,
    /// Of the same queries, those that get no answer at all.
    pub(super) empty: f64,
}

impl Rates {
    /// Over all of them; the caller leaves out what is not to count.
    pub(super) fn at(threshold: f32, known: &[Known], foreign: &[Foreign]) -> Self {
        let found: Vec<_> = known.iter().filter(|query| query.found).collect();
        let of_found = |cut: &dyn Fn(&Known) -> bool| {
            let count = found.iter().filter(|query| cut(query)).count();
            count as f64 / found.len().max(1) as f64
        };
        let accepted = foreign.iter().filter(|query| query.nearest >= threshold);
        Self {
            threshold,
            accepts: accepted.count() as f64 / foreign.len().max(1) as f64,
            rejects: of_found(&|query| query.own < threshold),
            empty: of_found(&|query| query.nearest < threshold),
        }
    }

    pub(super) fn row(&self) -> String {
        format!(
            "| {:.2} | {:.3} | {:.3} | {:.3} |",
            self.threshold, self.accepts, self.rejects, self.empty
        )
    }
}

/// The columns of [`Rates::row`].
pub(super) const HEAD: &str =
    "| threshold | false accepts | false rejects | of these, nothing found |\n|---|---|---|---|";

/// The threshold with the least sum of both rates on the half that chooses, and the rates on the other half. Of
/// several the lowest: it answers more. Steps are a hundredth.
pub(super) fn choose(known: &[Known], foreign: &[Foreign], steps: &[f32]) -> (f32, Rates) {
    let half = |chooses: bool| {
        let known: Vec<Known> = known
            .iter()
            .copied()
            .filter(|one| one.chooses == chooses)
            .collect();
        let foreign: Vec<Foreign> = foreign
            .iter()
            .copied()
            .filter(|one| one.chooses == chooses)
            .collect();
        (known, foreign)
    };
    let ((known, foreign), (other_known, other_foreign)) = (half(true), half(false));
    let mut best = Rates::at(steps[0], &known, &foreign);
    for step in steps {
        let rates = Rates::at(*step, &known, &foreign);
        if rates.accepts + rates.rejects < best.accepts + best.rejects - 1e-9 {
            best = rates;
        }
    }
    (
        best.threshold,
        Rates::at(best.threshold, &other_known, &other_foreign),
    )
}

/// How likely a right picture has more evidence than the nearest one of a foreign query: 1 separates, .5 is chance.
pub(super) fn separation(known: &[Known], foreign: &[Foreign]) -> f64 {
    let mut foreign: Vec<f32> = foreign.iter().map(|query| query.nearest).collect();
    foreign.sort_by(f32::total_cmp);
    let found = known.iter().filter(|query| query.found);
    let below =
        |own: f32| foreign.partition_point(|value| *value < own) as f64 / foreign.len() as f64;
    let shares: Vec<f64> = found.map(|query| below(query.own)).collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

/// From `low` to `high` in `count` equal steps.
pub(super) fn steps(low: f32, high: f32, count: u16) -> Vec<f32> {
    let step = |number: u16| low + (high - low) * f32::from(number) / f32::from(count);
    (0..=count).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_counted_and_the_least_sum_is_chosen_on_one_half() {
        let known = |own, found, chooses| Known {
            own,
            nearest: own,
            found,
            chooses,
        };
        let foreign = |nearest, chooses| Foreign { nearest, chooses };
        let queries = [
            known(0.9, true, true),
            known(0.5, true, true),
            known(0.1, false, true),
            known(0.3, true, false),
        ];
        let others = [foreign(0.4, true), foreign(0.2, true), foreign(0.6, false)];
        let rates = Rates::at(0.45, &queries[..3], &others[..2]);
        assert_eq!((rates.accepts, rates.rejects, rates.empty), (0.0, 0.0, 0.0));
        let (threshold, judged) = choose(&queries, &others, &steps(0.0, 1.0, 100));
        assert!(threshold > 0.4 && threshold <= 0.5, "{threshold}");
        assert_eq!((judged.accepts, judged.rejects), (1.0, 1.0));
        assert!((separation(&queries[..3], &others[..2]) - 1.0).abs() < 1e-9);
    }
}
