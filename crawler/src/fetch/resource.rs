//! What a rendered page loads: asked for by the rules that hold for all that is fetched.

use std::time::Instant;

use reqwest::header::HeaderMap;
use tokio::time::timeout_at;
use tusou_ingest::Address;
use tusou_platform::door::{Answer, FetchError, Limits, Longer};

use super::Fetcher;
use super::request::{Next, NoAnswer};
use crate::failure::Failure;
use crate::frontier::HostLease;
use crate::host_files::HostRules;

/// Why a page does not get what it wants to load, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotHad {
    /// It may not be asked for, or never comes.
    Refused(&'static str),
    /// It may be had another time.
    ForNow(&'static str),
}

impl Fetcher {
    /// One request for a page of the leased host, to that host or to another: robots.txt obeyed, in
    /// a slot of its host, by the door; no longer than `until`. Redirects are answers.
    pub(crate) async fn resource(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        target: &Address,
        headers: HeaderMap,
        limits: &Limits,
        until: Instant,
    ) -> Result<Answer, NotHad> {
        if !self.gate.is_open() {
            return Err(NotHad::ForNow("waiting"));
        }
        // What owners had taken out is not asked for in this way, either.
        match self.frontier.is_kept_out(target).await {
            Ok(false) => {}
            Ok(true) => return Err(NotHad::Refused("removed")),
            Err(_) => return Err(NotHad::ForNow("database")),
        }
        let slot = match timeout_at(until.into(), self.start(lease, rules, target)).await {
            Ok(Ok(Next::Go(slot))) => slot,
            Ok(Ok(Next::No(none))) => return Err(none.into()),
            Ok(Err(_)) => return Err(NotHad::ForNow("database")),
            // Another time, what came before it is kept already.
            Err(_) => return Err(NotHad::ForNow("pace")),
        };
        let left = until.saturating_duration_since(Instant::now());
        let limits = Limits {
            total_timeout: limits.total_timeout.min(left),
            ..*limits
        };
        let asked = slot.ask(&self.door, target.url(), headers, &limits, Longer::Refuse);
        asked.await.map_err(|cause| match &cause {
            FetchError::ContactUnset(_) => NotHad::Refused(cause.reason()),
            // Some answers are meant not to end.
            FetchError::Timeout(_) if Instant::now() >= until => NotHad::Refused("too_late"),
            cause if cause.is_transient() => NotHad::ForNow(cause.reason()),
            cause => NotHad::Refused(cause.reason()),
        })
    }
}

impl From<NoAnswer> for NotHad {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Later(_) => Self::ForNow("host_busy"),
            NoAnswer::NoContact => Self::Refused("contact_unset"),
            NoAnswer::Failed(failure) | NoAnswer::Unreached(failure) => match failure {
                Failure::Retry { reason, .. } => Self::ForNow(reason),
                Failure::Skipped { reason, .. } => Self::Refused(reason),
                Failure::Final { .. } => Self::Refused("rules_unknown"),
            },
        }
    }
}
