//! What a page's browser asked for while it was rendered, and what came of it.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tusou_ingest::Address;

/// Pictures noted of one page, at most; its markup names further ones.
const PICTURES: usize = 2_000;
/// Addresses that scripts tried to go to, at most.
const LED: usize = 64;
/// Between two looks whether it is quiet.
const LOOK: Duration = Duration::from_millis(25);

/// What one page asked for. Shared by all its connections.
#[derive(Debug)]
pub(super) struct Trace(Mutex<Noted>);

#[derive(Debug)]
struct Noted {
    busy: u32,
    since: Instant,
    requests: u32,
    bytes: u64,
    pictures: Vec<Address>,
    led: Vec<Address>,
    known: HashSet<Address>,
    /// Something could not be had for now: of the page's own site, or of another.
    own_missing: bool,
    other_missing: bool,
}

/// A request under way; it has ended when this is dropped.
#[derive(Debug)]
pub(super) struct Busy<'t>(&'t Trace);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut noted = self.0.noted();
        noted.busy -= 1;
        noted.since = Instant::now();
    }
}

/// What is left of it.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Pictures that the browser wanted, in their order, each once.
    pub(super) pictures: Vec<Address>,
    /// Where scripts tried to go.
    pub(super) led: Vec<Address>,
    /// Something of the page's own site could not be had for now.
    pub(super) own_missing: bool,
    /// Something of another site.
    pub(super) other_missing: bool,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Noted {
            busy: 0,
            since: Instant::now(),
            requests: 0,
            bytes: 0,
            pictures: Vec::new(),
            led: Vec::new(),
            known: HashSet::new(),
            own_missing: false,
            other_missing: false,
        }))
    }

    /// A request has come.
    pub(super) fn begin(&self) -> Busy<'_> {
        self.noted().busy += 1;
        Busy(self)
    }

    /// Takes one of the page's requests; false where it has none left.
    pub(super) fn take_request(&self, most: u32) -> bool {
        let mut noted = self.noted();
        let left = noted.requests < most;
        noted.requests += u32::from(left);
        left
    }

    /// Bytes that the page may still be sent.
    pub(super) fn bytes_left(&self, most: u64) -> u64 {
        most.saturating_sub(self.noted().bytes)
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.noted().bytes += bytes as u64;
    }

    pub(super) fn picture(&self, address: Address) {
        let mut noted = self.noted();
        if noted.pictures.len() < PICTURES && noted.known.insert(address.clone()) {
            noted.pictures.push(address);
        }
    }

    pub(super) fn led(&self, address: Address) {
        let mut noted = self.noted();
        if noted.led.len() < LED && !noted.led.contains(&address) {
            noted.led.push(address);
        }
    }

    pub(super) fn missing(&self, own: bool) {
        let mut noted = self.noted();
        noted.own_missing |= own;
        noted.other_missing |= !own;
    }

    /// Waits until no request was under way for so long.
    pub(super) async fn quiet(&self, long: Duration) {
        loop {
            let left = {
                let noted = self.noted();
                match noted.busy {
                    0 => long.saturating_sub(noted.since.elapsed()),
                    _ => LOOK,
                }
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.max(LOOK)).await;
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let mut noted = self.noted();
        Summary {
            pictures: std::mem::take(&mut noted.pictures),
            led: std::mem::take(&mut noted.led),
            own_missing: noted.own_missing,
            other_missing: noted.other_missing,
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
