//! What becomes of URLs that were fetched, or could not be.

mod failures;
mod images;
mod moved;
mod pages;

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use tusou_ingest::{
    Address, End, Ended, LeftOut, PageRecord, StoredImage, Validators, VerifiedImage, wake_hosts,
};
use tusou_platform::blobs::BlobStore;

use super::urls::{DueUrl, Kind};
use super::{Bounded as _, Frontier, HostLease};
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::metrics;

/// What a fetch brought.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A page that was read.
    Page(PageRecord),
    /// A page is to be found at another address.
    Moved { status: u16, target: Address },
    /// A picture whose blob is durable.
    Image {
        status: u16,
        image: VerifiedImage,
        validators: Validators,
        /// The address that answered, where redirects led to another.
        led_to: Option<Address>,
    },
    /// The answer says what the last one said.
    Unchanged { status: u16 },
    /// It brought nothing.
    Failed(Failure),
}

/// What was written of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// A page's links and pictures.
    Page,
    /// That a page moved, or why that is not followed.
    Moved(&'static str),
    /// A picture.
    Image(StoredImage),
    /// That the URL answers as before.
    Unchanged,
    /// A failure; whether the URL will be tried again.
    Failed { again: bool },
    /// Nothing, or only that it is so: the picture, or the URL's row, was removed meanwhile.
    Removed,
    /// That Postgres takes no such rows: see the log.
    Refused,
}

impl Written {
    /// For metrics; a failure has its own reason.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Page | Self::Image(_) => "done",
            Self::Moved(word) => word,
            Self::Unchanged => "unchanged",
            Self::Failed { .. } => "failed",
            Self::Removed => "removed",
            Self::Refused => REFUSED,
        }
    }
}

/// The reason of a URL whose rows Postgres does not take.
pub(crate) const REFUSED: &str = "rows_refused";

/// An outcome to write.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) lease: HostLease,
    pub(crate) url: DueUrl,
    pub(crate) outcome: Outcome,
}

impl Job {
    /// How many rows it is about, roughly.
    pub(crate) fn rows(&self) -> usize {
        match &self.outcome {
            Outcome::Page(record) => 1 + record.links.len() + record.pictures.len(),
            _ => 1,
        }
    }
}

impl Frontier {
    /// Writes outcomes of URLs of one kind in one transaction, each URL at most once. `None` for
    /// those whose lease was lost: they are refused, and the others are written.
    ///
    /// # Errors
    /// What kept all of them from being written. Where that does not pass, it may be one of them.
    pub(crate) async fn write_together(
        &self,
        kind: Kind,
        jobs: &[&Job],
        blobs: &BlobStore,
    ) -> Result<Vec<Option<Written>>, CrawlError> {
        match kind {
            Kind::Page | Kind::Sitemap => self.write_pages(jobs).await,
            Kind::Image => self.write_images(jobs, blobs).await,
        }
    }

    /// What becomes of the row of a URL that brought nothing new; `None` where it brought more.
    fn ended(&self, job: &Job) -> Option<Ended> {
        let Job { url, outcome, .. } = job;
        match outcome {
            Outcome::Unchanged { status } => Some(Ended {
                id: url.id,
                due_at: url.due_at,
                status: Some(*status),
                reason: None,
                end: End::Unchanged,
                gone: false,
            }),
            Outcome::Failed(failure) => Some(self.failed(url, failure)),
            Outcome::Page(_) | Outcome::Moved { .. } | Outcome::Image { .. } => None,
        }
    }

    /// Makes hosts worth a lease now.
    pub(crate) async fn wake(&self, hosts: &BTreeSet<i64>) -> Result<(), CrawlError> {
        if hosts.is_empty() {
            return Ok(());
        }
        let woken = async {
            let mut connection = self.pool.acquire().await?;
            wake_hosts(&mut connection, hosts).await
        };
        woken.bounded().await
    }

    /// For each job whether its lease is held: a result under an old token is refused.
    async fn held(tx: &mut PgConnection, jobs: &[&Job]) -> Result<Vec<bool>, sqlx::Error> {
        let mut hosts: Vec<i64> = jobs.iter().map(|job| job.lease.host_id).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let tokens: Vec<(i64, i64)> =
            sqlx::query_as("SELECT host_id, lease_token FROM hosts WHERE host_id = ANY($1)")
                .bind(hosts)
                .fetch_all(tx)
                .await?;
        let tokens: HashMap<i64, i64> = tokens.into_iter().collect();
        let held = |job: &&Job| tokens.get(&job.lease.host_id) == Some(&job.lease.token);
        Ok(jobs.iter().map(held).collect())
    }
}

/// Jobs whose leases are held.
fn of_held<'j>(jobs: &'j [&'j Job], held: &'j [bool]) -> impl Iterator<Item = &'j Job> {
    let held = jobs.iter().zip(held).filter(|(_, held)| **held);
    held.map(|(job, _)| *job)
}

/// Says which links were not followed, and once of every budget that is spent.
pub(super) fn tell_left_out(left_out: &LeftOut) {
    for (reason, links) in [
        ("trap", left_out.traps),
        ("removed", left_out.removed),
        ("host_budget", left_out.host_budget),
        ("pattern_budget", left_out.pattern_budget),
    ] {
        metrics::left_out(reason, links);
    }
    for (host, pattern) in &left_out.spent {
        tracing::warn!(
            host,
            pattern,
            "a budget of pages is spent: further ones are not followed"
        );
    }
}
