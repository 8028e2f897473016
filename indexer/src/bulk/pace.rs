//! How many bulks are in flight, and how large they are: found by trying.
//!
//! A window of bulks is measured in documents a second, then one of the two limits is changed and measured again. What
//! brings more is kept and gone on with; what does not is taken back. When nothing brings more, it holds, and tries
//! again now and then: the server's other work changes. Of two numbers in flight that are as fast the lower one stays:
//! what waits inside the server delays searches. A refusal (429) halves at once, without measuring.
//!
//! Pure: it is told of bulks with their times, and asked for its limits.

use std::time::{Duration, Instant};

/// A window has so many bulks for each one in flight, and at least [`WINDOW`] in all.
const WINDOW_A_BULK: usize = 3;
/// The least number of bulks in a window.
const WINDOW: usize = 8;
/// The longest window: a server so slow is not hurried by waiting for more bulks.
const WINDOW_TIME: Duration = Duration::from_secs(30);
/// More in flight, or larger bulks, are kept if they bring so much more.
const GAIN: f64 = 1.05;
/// And if it is so many times what one window differs from another by chance.
const CHANCE: f64 = 2.0;
/// Fewer in flight are kept if they lose no more than to this.
const LOSS: f64 = 0.98;
/// Windows between two rounds of trying; doubled after each round that brought nothing.
const HOLD: u32 = 16;
/// And never more than so many.
const MOST_HOLD: u32 = 256;
/// Where it begins.
const FIRST_IN_FLIGHT: usize = 2;
/// Documents in the first bulks: with vectors of 512 numbers the fastest of 100 to 1,000, if by little.
const FIRST_DOCUMENTS: usize = 500;

/// What may be tried, in this order.
const TRIALS: [Trial; 3] = [
    Trial::MoreInFlight,
    Trial::LargerBulks,
    Trial::FewerInFlight,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    MoreInFlight,
    LargerBulks,
    FewerInFlight,
}

/// The most that the configuration allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Bulks in flight, 1 or more.
    pub in_flight: usize,
    /// Documents in a bulk, 1 or more.
    pub documents: usize,
    /// Bytes in a bulk, unless one document alone has more.
    pub bytes: usize,
}

/// What is allowed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) in_flight: usize,
    pub(crate) documents: usize,
    pub(crate) bytes: usize,
}

/// A bulk under way. It belongs to the limits that it was sent under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    epoch: u64,
    /// No other could have been sent beside it: only such bulks tell what the limits bring.
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Rests for so many windows, and measures the last of them.
    Hold(u32, Rates),
    /// Measures what the trial at this place in [`TRIALS`] brings.
    Try {
        place: usize,
        before: Limits,
        /// Documents a second before it.
        rate: f64,
    },
}

/// Documents a second of some windows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Rates {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Rates {
    fn add(&mut self, rate: f64) {
        self.count += 1.0;
        self.sum += rate;
        self.squares += rate * rate;
    }

    fn mean(self) -> f64 {
        self.sum / self.count.max(1.0)
    }

    /// The standard deviation of one window, as a part of the mean; 0 where it is not known.
    fn spread(self) -> f64 {
        let mean = self.mean();
        let variance = self.squares / self.count.max(1.0) - mean * mean;
        if mean > 0.0 {
            variance.max(0.0).sqrt() / mean
        } else {
            0.0
        }
    }
}

#[derive(Debug)]
pub(super) struct Pace {
    most: Most,
    limits: Limits,
    in_flight: usize,
    /// Changes with the limits.
    epoch: u64,
    phase: Phase,
    /// Of the next rest, in windows.
    hold: u32,
    /// How far one window is from another by chance, as a part of it.
    spread: f64,
    window: Window,
}

/// What ended since the limits were changed.
#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    bulks: usize,
    full: usize,
    documents: usize,
}

impl Pace {
    pub(super) fn new(most: Most) -> Self {
        let most = Most {
            in_flight: most.in_flight.max(1),
            documents: most.documents.max(1),
            bytes: most.bytes.max(1),
        };
        Self {
            most,
            limits: Limits {
                in_flight: most.in_flight.min(FIRST_IN_FLIGHT),
                documents: most.documents.min(FIRST_DOCUMENTS),
                bytes: most.bytes,
            },
            in_flight: 0,
            epoch: 0,
            phase: Phase::Hold(1, Rates::default()),
            hold: HOLD,
            spread: 0.0,
            window: Window::default(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// One more in flight, where that is allowed.
    pub(super) fn start(&mut self) -> Option<Ticket> {
        if self.in_flight >= self.limits.in_flight {
            return None;
        }
        self.in_flight += 1;
        Some(Ticket {
            epoch: self.epoch,
            full: self.in_flight == self.limits.in_flight,
        })
    }

    /// One less in flight, however it ended. Every ticket comes back here.
    pub(super) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The bulk was answered, with so many documents in it.
    pub(super) fn answered(&mut self, ticket: Ticket, documents: usize, now: Instant) {
        if ticket.epoch != self.epoch {
            return;
        }
        let Some(since) = self.window.since else {
            // What came before the first answer is the server's time to get going.
            self.window.since = Some(now);
            return;
        };
        self.window.bulks += 1;
        self.window.full += usize::from(ticket.full);
        self.window.documents += documents;
        let took = now.saturating_duration_since(since);
        let enough = WINDOW.max(self.limits.in_flight * WINDOW_A_BULK);
        if self.window.bulks < enough && took < WINDOW_TIME {
            return;
        }
        let Window {
            bulks,
            full,
            documents,
            ..
        } = std::mem::take(&mut self.window);
        self.window.since = Some(now);
        // With little to do, the rate is that of what comes in, and tells nothing.
        if full * 2 < bulks || took.is_zero() {
            return;
        }
        self.measured(documents as f64 / took.as_secs_f64());
    }

    /// The server had too much to do: half of it, once for all bulks that were under way.
    pub(super) fn overloaded(&mut self, ticket: Ticket) {
        if ticket.epoch != self.epoch {
            return;
        }
        let mut limits = self.limits;
        if limits.in_flight > 1 {
            limits.in_flight /= 2;
        } else {
            limits.documents = (limits.documents / 2).max(1);
        }
        self.set(limits);
        self.hold = HOLD;
        self.phase = Phase::Hold(HOLD, Rates::default());
    }

    /// The server, or a proxy before it, takes no body with so many bytes of documents. That is a limit of its
    /// configuration, so it is kept to.
    pub(super) fn too_large(&mut self, bytes: usize) {
        self.limits.bytes = self.limits.bytes.min(bytes / 2).max(1);
    }

    fn measured(&mut self, rate: f64) {
        match self.phase {
            Phase::Hold(windows, mut rates) => {
                // What was long ago says little.
                if windows <= HOLD {
                    rates.add(rate);
                }
                self.phase = Phase::Hold(windows.saturating_sub(1), rates);
                if windows <= 1 {
                    self.spread = rates.spread();
                    self.try_from(0, rates.mean());
                }
            }
            Phase::Try {
                place,
                before,
                rate: base,
            } => {
                let more = TRIALS[place] != Trial::FewerInFlight;
                let least = match more {
                    true => base * GAIN.max(1.0 + CHANCE * self.spread),
                    false => base * LOSS,
                };
                if rate >= least {
                    // The same way on. Down, by the best rate: many small losses are a large one.
                    self.hold = HOLD;
                    self.try_from(place, if more { rate } else { base.max(rate) });
                } else {
                    self.set(before);
                    self.try_from(place + 1, base);
                }
            }
        }
    }

    /// The first trial from this place on that changes something.
    fn try_from(&mut self, place: usize, rate: f64) {
        let before = self.limits;
        for (place, trial) in TRIALS.iter().enumerate().skip(place) {
            let tried = self.tried(*trial);
            if tried != before {
                self.set(tried);
                self.phase = Phase::Try {
                    place,
                    before,
                    rate,
                };
                return;
            }
        }
        self.phase = Phase::Hold(self.hold, Rates::default());
        self.hold = (self.hold * 2).min(MOST_HOLD);
    }

    fn tried(&self, trial: Trial) -> Limits {
        let Limits {
            in_flight,
            documents,
            bytes,
        } = self.limits;
        let (in_flight, documents) = match trial {
            Trial::MoreInFlight => ((in_flight + 1).min(self.most.in_flight), documents),
            Trial::FewerInFlight => ((in_flight - 1).max(1), documents),
            Trial::LargerBulks => (in_flight, (documents * 2).min(self.most.documents)),
        };
        Limits {
            in_flight,
            documents,
            bytes,
        }
    }

    fn set(&mut self, limits: Limits) {
        // A 413 meanwhile counts whichever way a trial went.
        let bytes = limits.bytes.min(self.limits.bytes);
        self.limits = Limits { bytes, ..limits };
        self.epoch += 1;
        self.window = Window::default();
    }
}

#[cfg(test)]
mod tests;
