//! The frontier: known URLs with due times, in Postgres. All SQL of the crawler is here and in
//! `tusou_ingest`.

mod host_files;
mod hosts;
mod known;
pub(crate) mod originals;
pub(crate) mod outbox;
mod outcomes;
mod revisits;
mod sitemaps;
mod traces;
mod urls;

use std::time::Duration;

use sqlx::PgPool;
use tusou_ingest::Terms;

pub(crate) use host_files::HostFile;
pub(crate) use hosts::{Guest, HostLease, Leased, Parting, Standing};
pub(crate) use known::KnownPage;
pub(crate) use outcomes::{Job, Outcome, REFUSED, Written};
pub(crate) use urls::{DueUrl, Kind};

use crate::config::Settings;
use crate::error::CrawlError;
use crate::gate::Gate;

/// The longest that Postgres is waited for, in one statement or transaction. A connection whose
/// packets are dropped never fails by itself.
const BOUND: Duration = Duration::from_secs(90);

/// A wait for Postgres that ends.
pub(crate) trait Bounded<T> {
    /// The outcome, or after 90 s an error that may pass.
    fn bounded(self) -> impl Future<Output = Result<T, CrawlError>> + Send;
}

impl<T, E, F> Bounded<T> for F
where
    F: Future<Output = Result<T, E>> + Send,
    CrawlError: From<E>,
{
    async fn bounded(self) -> Result<T, CrawlError> {
        match tokio::time::timeout(BOUND, self).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(CrawlError::Database(sqlx::Error::PoolTimedOut)),
        }
    }
}

/// The crawler's view of the frontier. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Frontier {
    pool: PgPool,
    worker: String,
    lease: Duration,
    max_attempts: u32,
    max_redirects: u32,
    retry_after: Duration,
    max_sitemaps: u64,
    terms: Terms,
    gate: Gate,
}

impl Frontier {
    pub(crate) fn new(pool: PgPool, settings: &Settings, gate: Gate) -> Self {
        Self {
            pool,
            worker: format!("crawler-{}", std::process::id()),
            lease: settings.lease,
            max_attempts: settings.max_attempts,
            max_redirects: settings.max_redirects,
            retry_after: settings.retry_after,
            max_sitemaps: settings.discovery.max_sitemaps,
            terms: settings.terms.clone(),
            gate,
        }
    }

    /// Begins or ends the counting of hosts' image URLs, as their limit is set or not.
    pub(crate) async fn count_images_of_hosts(&self) -> Result<(), CrawlError> {
        let per_host = self.terms.pictures.per_host;
        tusou_ingest::count_images_of_hosts(&self.pool, per_host)
            .bounded()
            .await
    }
}

/// Runs a block as a transaction until it commits, again where it met another one. The block is
/// an async one of its own: `?` and `return` leave it, not the function around it. (A macro, since
/// an async closure over borrowed arguments cannot yet be known to be `Send`.)
macro_rules! transaction {
    ($frontier:expr, |$tx:ident| $body:block) => {{
        let mut tries = 0;
        loop {
            let attempt = async {
                let mut transaction = $frontier.pool.begin().await?;
                let value: Result<_, CrawlError> = {
                    let $tx: &mut sqlx::PgConnection = &mut transaction;
                    async { $body }.await
                };
                let value = value?;
                transaction.commit().await?;
                Ok::<_, CrawlError>(value)
            };
            match $crate::frontier::Bounded::bounded(attempt).await {
                Err(cause) if $crate::frontier::is_collision(&cause) && tries < 10 => {
                    tries += 1;
                    tracing::debug!(tries, %cause, "a transaction met another one");
                    tokio::time::sleep(std::time::Duration::from_millis(10 << tries.min(5))).await;
                }
                outcome => break outcome,
            }
        }
    }};
}
use transaction;

fn is_collision(cause: &CrawlError) -> bool {
    matches!(cause, CrawlError::Database(cause) if tusou_ingest::is_collision(cause))
}

/// The wait before attempt `attempts + 1`, in whole and doubling from `first`, at most an hour.
fn retry_wait(first: Duration, attempts: u32) -> Duration {
    first
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(Duration::from_secs(3600))
}
