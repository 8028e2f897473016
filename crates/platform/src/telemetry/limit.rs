//! Bounds how often one line of the code may warn: a store that is away for a night fills no disk.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one place in the code in a [`SPAN`]; whatever they say beyond that is only counted.
const MOST: u32 = 100;
/// How long lines are counted together.
const SPAN: Duration = Duration::from_secs(60);

crate::catalogue! {
    /// What the log counts.
    METRICS;
    Counter LINES = "tusou_log_lines_total" ["level"] "Warnings and errors logged, those that were left out included";
}

static PLACES: OnceLock<Mutex<HashMap<Identifier, Place>>> = OnceLock::new();

/// One place in the code that has warned lately.
#[derive(Debug)]
struct Place {
    metadata: &'static Metadata<'static>,
    count: Count,
}

#[derive(Debug)]
struct Count {
    began: Instant,
    lines: u32,
}

impl Count {
    /// One more line; whether it is to be written.
    fn take(&mut self) -> bool {
        self.lines = self.lines.saturating_add(1);
        self.lines <= MOST
    }

    /// Once its time is over: how many lines were left out. `None` before.
    fn end(&self, now: Instant) -> Option<u32> {
        (now.duration_since(self.began) >= SPAN).then(|| self.lines.saturating_sub(MOST))
    }
}

fn places() -> MutexGuard<'static, HashMap<Identifier, Place>> {
    // What is behind the lock is whole after every statement, so a panic elsewhere spoils nothing.
    PLACES
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Leaves out warnings and errors of a place that said 100 within a minute. [`tell`] says how many.
pub(super) struct Limit;

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return true,
        };
        metrics::counter!(LINES, "level" => level).increment(1);
        let mut places = places();
        let place = places.entry(metadata.callsite()).or_insert_with(|| Place {
            metadata,
            count: Count {
                began: Instant::now(),
                lines: 0,
            },
        });
        place.count.take()
    }
}

/// Says once a minute which lines were left out, by their place in the code. Call it every few seconds.
pub(crate) fn tell() {
    let now = Instant::now();
    let mut left_out = Vec::new();
    places().retain(|_, place| {
        let ended = place.count.end(now);
        left_out.extend(
            ended
                .filter(|lines| *lines > 0)
                .map(|lines| (place.metadata, lines)),
        );
        ended.is_none()
    });
    for (metadata, lines) in left_out {
        let (file, line) = (
            metadata.file().unwrap_or_default(),
            metadata.line().unwrap_or_default(),
        );
        tracing::info!(
            lines,
            place = format!("{file}:{line}"),
            "lines like those before were left out: {MOST} a minute are written of each kind"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing_subscriber::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .expect("no writer panics")
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_place_that_warns_on_and_on_is_cut_short_and_others_are_not() {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(Limit).with(lines);
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..5 * MOST {
                tracing::warn!(number, "again");
                tracing::info!("plain");
            }
            tracing::error!("something else");
        });
        let bytes = written.0.lock().expect("no writer panics").clone();
        let text = String::from_utf8(bytes).expect("a log is text");
        let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
        assert_eq!(count("again"), MOST as usize);
        assert_eq!(count("plain"), 5 * MOST as usize);
        assert_eq!(count("something else"), 1);
    }

    #[test]
    fn after_its_time_a_place_tells_what_it_left_out() {
        let began = Instant::now();
        let mut count = Count { began, lines: 0 };
        let taken = (0..MOST + 7).filter(|_| count.take()).count();
        assert_eq!(taken, MOST as usize);
        assert_eq!(count.end(began + SPAN / 2), None);
        assert_eq!(count.end(began + SPAN), Some(7));
    }
}
