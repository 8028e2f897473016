//! What was seen over time, in memory: fine for the last hour, coarse before, a day at most.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use super::report::{QueueCount, Rates};
use crate::rows::hosts::Ages;

/// Samples of the last hour, at most: one every five seconds.
const FINE: usize = 720;
/// For so long they are kept as they are.
const FINE_SPAN: Duration = Duration::from_secs(3_600);
/// Older ones: one every five minutes, of a day.
const COARSE: usize = 288;
/// The least between two older ones.
const COARSE_STEP: Duration = Duration::from_secs(300);
/// Nothing is kept longer.
const SPAN: Duration = Duration::from_secs(24 * 3_600);

/// What is followed over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Ready messages of a work queue, by its position in [`QUEUES`].
    Queue(usize),
    /// Messages owed.
    Outbox,
    /// The host that has waited longest, seconds.
    HostAge,
    /// The oldest message owed, seconds.
    OutboxAge,
    /// The oldest picture without an encoder's answer, seconds.
    EncodeAge,
    /// The oldest encoded picture without a document, seconds.
    IndexAge,
    /// Pages a second.
    Pages,
    /// Pictures stored a second.
    Stored,
    /// Pictures encoded a second.
    Encoded,
    /// Documents written a second.
    Indexed,
}

/// The queues whose depth is followed.
pub(crate) const QUEUES: [&str; 3] = ["images.fetched", "images.embedded", "images.changed"];

/// All lines.
pub(crate) const LINES: [Line; 12] = [
    Line::Queue(0),
    Line::Queue(1),
    Line::Queue(2),
    Line::Outbox,
    Line::HostAge,
    Line::OutboxAge,
    Line::EncodeAge,
    Line::IndexAge,
    Line::Pages,
    Line::Stored,
    Line::Encoded,
    Line::Indexed,
];

impl Line {
    fn position(self) -> usize {
        let found = LINES.iter().position(|line| *line == self);
        found.expect("every line is among them")
    }
}

/// What was seen at one moment; of what did not answer there is nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: SystemTime,
    values: [Option<f64>; LINES.len()],
}

impl Sample {
    /// Nothing seen yet.
    pub(crate) fn at(at: SystemTime) -> Self {
        Self {
            at,
            values: [None; LINES.len()],
        }
    }

    /// With this value of a line.
    #[must_use]
    pub(crate) fn with(mut self, line: Line, value: f64) -> Self {
        self.values[line.position()] = Some(value);
        self
    }

    /// With these queues' ready messages, retries left out.
    #[must_use]
    pub(crate) fn with_queues(self, queues: &[QueueCount]) -> Self {
        QUEUES
            .iter()
            .enumerate()
            .fold(self, |sample, (position, name)| {
                match queues.iter().find(|queue| queue.name == *name) {
                    Some(queue) => sample.with(Line::Queue(position), queue.ready as f64),
                    None => sample,
                }
            })
    }

    /// With these ages; what does not wait has none, which is 0.
    #[must_use]
    pub(crate) fn with_ages(self, ages: &Ages) -> Self {
        let age = |age: Option<f64>| age.unwrap_or(0.0).max(0.0);
        self.with(Line::HostAge, age(ages.host))
            .with(Line::OutboxAge, age(ages.outbox))
            .with(Line::EncodeAge, age(ages.to_encode))
            .with(Line::IndexAge, age(ages.to_index))
    }

    /// With these rates.
    #[must_use]
    pub(crate) fn with_rates(self, rates: &Rates) -> Self {
        self.with(Line::Pages, rates.pages_per_second)
            .with(Line::Stored, rates.images_stored_per_second)
            .with(Line::Encoded, rates.images_encoded_per_second)
            .with(Line::Indexed, rates.images_indexed_per_second)
    }

    /// The value of a line.
    pub(crate) fn value(&self, line: Line) -> Option<f64> {
        self.values[line.position()]
    }
}

/// The samples, the oldest first. Its size is bounded, whatever the interval.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Keeps a sample, and thins out what is older than an hour.
    pub(crate) fn push(&mut self, sample: Sample) {
        let now = sample.at;
        self.samples.push_back(sample);
        let age = |sample: &Sample| now.duration_since(sample.at).unwrap_or_default();
        self.samples.retain(|sample| age(sample) <= SPAN);
        let old = self
            .samples
            .iter()
            .take_while(|sample| age(sample) > FINE_SPAN);
        let mut old = old.count();
        // One at a time grows old, so one at a time goes: that which stands too near to the one before.
        if old >= 2 && self.step(old - 1) < COARSE_STEP {
            self.samples.remove(old - 1);
            old -= 1;
        }
        while old > COARSE {
            self.samples.pop_front();
            old -= 1;
        }
        // More often than every five seconds: every other of the fine ones goes.
        if self.samples.len() - old > FINE {
            let mut position = 0;
            self.samples.retain(|_| {
                position += 1;
                position <= old || (position - old).is_multiple_of(2)
            });
        }
    }

    fn step(&self, position: usize) -> Duration {
        let (before, this) = (&self.samples[position - 1], &self.samples[position]);
        this.at.duration_since(before.at).unwrap_or_default()
    }

    /// Since when there are samples.
    pub(crate) fn since(&self) -> Option<SystemTime> {
        self.samples.front().map(|sample| sample.at)
    }

    /// The samples of the last so long before the latest.
    pub(crate) fn last(&self, span: Duration) -> impl DoubleEndedIterator<Item = &Sample> {
        let latest = self.samples.back().map(|sample| sample.at);
        self.samples.iter().filter(move |sample| {
            latest
                .is_some_and(|latest| latest.duration_since(sample.at).unwrap_or_default() <= span)
        })
    }

    /// Since when a line was never 0, as far as samples tell; `None` where it is 0 now.
    pub(crate) fn waiting_since(&self, line: Line) -> Option<SystemTime> {
        let mut since = None;
        for sample in self.samples.iter().rev() {
            match sample.value(line) {
                Some(value) if value > 0.0 => since = Some(sample.at),
                Some(_) => break,
                None => {}
            }
        }
        since
    }

    /// The mean of a line in each of so many equal parts of the last `span`; `None` where nothing was seen.
    pub(crate) fn means(&self, line: Line, span: Duration, parts: usize) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0_u32); parts];
        let Some(latest) = self.samples.back().map(|sample| sample.at) else {
            return vec![None; parts];
        };
        for sample in self.last(span) {
            let Some(value) = sample.value(line) else {
                continue;
            };
            let age = latest.duration_since(sample.at).unwrap_or_default();
            let from_the_end = (age.as_secs_f64() / span.as_secs_f64() * parts as f64) as usize;
            let part = &mut sums[parts - 1 - from_the_end.min(parts - 1)];
            *part = (part.0 + value, part.1 + 1);
        }
        let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
        sums.into_iter().map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn filled(step: u64, until: u64) -> History {
        let mut history = History::default();
        for seconds in (0..=until).step_by(usize::try_from(step).expect("it is small")) {
            history.push(Sample::at(at(seconds)).with(Line::Outbox, seconds as f64));
        }
        history
    }

    #[test]
    fn a_day_is_kept_fine_for_an_hour_and_coarse_before() {
        let history = filled(5, 2 * 24 * 3_600);
        assert!(
            history.samples.len() <= FINE + COARSE + 1,
            "{}",
            history.samples.len()
        );
        let since = history.since().expect("there are samples");
        let span = at(2 * 24 * 3_600)
            .duration_since(since)
            .expect("it is over");
        assert!(span <= SPAN && span > SPAN - 3 * COARSE_STEP, "{span:?}");
        assert_eq!(history.last(Duration::from_secs(600)).count(), 121);
        let old: Vec<_> = history.samples.iter().take(100).collect();
        for pair in old.windows(2) {
            let step = pair[1].at.duration_since(pair[0].at).expect("in order");
            assert!((COARSE_STEP..COARSE_STEP * 2).contains(&step), "{step:?}");
        }
    }

    #[test]
    fn its_size_does_not_depend_on_the_interval() {
        for step in [1, 2, 600] {
            let history = filled(step, 30 * 3_600);
            assert!(history.samples.len() <= FINE + COARSE + 1);
            let last = history.samples.back().expect("there are samples");
            assert_eq!(last.at, at(30 * 3_600));
        }
    }

    #[test]
    fn means_have_gaps_where_nothing_was_seen() {
        let mut history = History::default();
        for (seconds, value) in [(0, 8.0), (2, 4.0), (99, 6.0), (100, 2.0)] {
            history.push(Sample::at(at(seconds)).with(Line::Pages, value));
        }
        let means = history.means(Line::Pages, Duration::from_secs(100), 4);
        assert_eq!(means, [Some(6.0), None, None, Some(4.0)]);
        assert_eq!(
            history.means(Line::Stored, Duration::from_secs(100), 2),
            [None, None]
        );
    }

    #[test]
    fn what_was_empty_meanwhile_does_not_wait_from_before() {
        let mut history = History::default();
        for (seconds, value) in [(0, 8.0), (5, 0.0), (10, 3.0), (15, 1.0)] {
            history.push(Sample::at(at(seconds)).with(Line::Queue(0), value));
        }
        assert_eq!(history.waiting_since(Line::Queue(0)), Some(at(10)));
        history.push(Sample::at(at(20)).with(Line::Queue(0), 0.0));
        assert_eq!(history.waiting_since(Line::Queue(0)), None);
    }
}
