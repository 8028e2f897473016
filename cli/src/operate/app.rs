//! What every request shares.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tusou_platform::blobs::BlobStore;
use tusou_platform::config::Config;
use tusou_platform::telemetry::chain;

use super::guard::Guard;
use super::letters::Letters;
use crate::error::Error;
use crate::status::look::Looker;

/// What was done and not told yet, at most.
const UNTOLD: usize = 64;

/// The shared parts.
pub(super) struct App {
    pub(super) config: Config,
    pub(super) looker: Arc<Looker>,
    pub(super) letters: Letters,
    pub(super) guard: Guard,
    /// `Err` in words where blobs cannot be had: then no picture is shown.
    pub(super) blobs: Result<BlobStore, String>,
    told: Mutex<VecDeque<(String, String)>>,
}

impl App {
    pub(super) fn new(config: Config) -> Result<Arc<Self>, Error> {
        let interval = Duration::from_millis(config.operator.interval_ms);
        let blobs = BlobStore::open(&config.blobs).map_err(|error| chain(&error));
        if let Err(reason) = &blobs {
            tracing::warn!(reason, "pictures of dead letters cannot be shown");
        }
        Ok(Arc::new(Self {
            looker: Looker::new(&config, interval, false),
            letters: Letters::default(),
            guard: Guard::new(&config.operator, chance()?),
            blobs,
            told: Mutex::default(),
            config,
        }))
    }

    /// Keeps what was done until it is told; the word by which it is asked for.
    pub(super) fn tell(&self, words: String) -> Result<String, Error> {
        let key = chance()?;
        let mut told = self.told();
        told.push_back((key.clone(), words));
        if told.len() > UNTOLD {
            told.pop_front();
        }
        Ok(key)
    }

    /// What was done, once.
    pub(super) fn take_told(&self, key: &str) -> Option<String> {
        let mut told = self.told();
        let position = told.iter().position(|(known, _)| known == key)?;
        told.remove(position).map(|(_, words)| words)
    }

    fn told(&self) -> MutexGuard<'_, VecDeque<(String, String)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 32 hexadecimal digits that nobody guesses.
fn chance() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let mut source = std::fs::File::open("/dev/urandom").map_err(Error::Chance)?;
    source.read_exact(&mut bytes).map_err(Error::Chance)?;
    Ok(hex::encode(bytes))
}
