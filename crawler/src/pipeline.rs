//! The crawler's one loop: lease a host, crawl it, give it back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tusou_platform::Shutdown;
use tusou_platform::backoff::Backoff;
use tusou_platform::blobs::BlobStore;
use tusou_platform::database;
use tusou_platform::door::Door;
use tusou_platform::ops::Health;
use tusou_platform::service::ServiceContext;

use crate::config::Settings;
use crate::error::CrawlError;
use crate::fetch::Fetcher;
use crate::frontier::Frontier;
use crate::rules::RuleBook;
use crate::{host, metrics, relay};

/// The look-out for due hosts while there are none.
const IDLE: Duration = Duration::from_millis(250);

/// Runs the crawler until the end is asked for.
///
/// # Errors
/// [`CrawlError`], where it cannot start, or cannot go on however long it waits.
pub async fn run(context: ServiceContext) -> Result<(), CrawlError> {
    let ServiceContext {
        config,
        health,
        shutdown,
        ..
    } = context;
    let settings = Arc::new(Settings::new(&config)?);
    let pool = database::connect(&config.database).await?;
    health.set("database", Ok(()));
    let blobs = BlobStore::open(&config.blobs)?;
    let door = Door::new(
        &settings.network,
        &settings.user_agent,
        settings.connect_timeout,
    )
    .map_err(|cause| {
        CrawlError::Config(format!(
            "`crawler.agent` or `crawler.contact` cannot be sent: {cause}"
        ))
    })?;
    let frontier = Frontier::new(pool.clone(), &settings);
    let rules = RuleBook::new(
        door.clone(),
        frontier.clone(),
        settings.page,
        settings.retry_after,
    );
    let fetcher = Fetcher::new(
        Arc::clone(&settings),
        door,
        blobs,
        frontier.clone(),
        Arc::new(rules),
    );
    // Named before it connects: ready means that both ends are there.
    health.set("broker", Err("not connected yet".to_owned()));
    let relay = tokio::spawn(relay::run(
        pool,
        config.amqp,
        health.clone(),
        shutdown.clone(),
    ));
    let outcome = crawl(&fetcher, &health, &shutdown).await;
    shutdown.request();
    relay.await.expect("the relay does not panic");
    outcome
}

async fn crawl(fetcher: &Fetcher, health: &Health, shutdown: &Shutdown) -> Result<(), CrawlError> {
    let places = Arc::new(Semaphore::new(fetcher.settings.hosts));
    let hosts = TaskTracker::new();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while !shutdown.is_requested() {
        let step = async {
            if !outbox_has_room(fetcher).await? {
                return Ok(false);
            }
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                return Ok(false);
            };
            let Some(lease) = fetcher.frontier.lease_host().await? else {
                return Ok(false);
            };
            let (fetcher, health, shutdown) = (fetcher.clone(), health.clone(), shutdown.clone());
            hosts.spawn(async move {
                let origin = lease.origin.clone();
                match host::crawl(&fetcher, lease, &shutdown).await {
                    Ok(()) => {}
                    Err(CrawlError::LeaseLost) => tracing::info!(host = origin, "lease lost"),
                    Err(cause) => report(&health, &origin, &cause),
                }
                drop(place);
            });
            Ok(true)
        };
        match step.await {
            Ok(leased) => {
                health.set("database", Ok(()));
                backoff.reset();
                metrics::hosts_leased(hosts.len());
                if !leased {
                    shutdown.sleep(IDLE).await;
                }
            }
            Err(cause) if CrawlError::is_transient(&cause) => {
                let wait = backoff.next_wait();
                health.set("database", Err(cause.to_string()));
                tracing::warn!(
                    cause = &cause as &dyn std::error::Error,
                    wait_ms = wait.as_millis() as u64,
                    "leasing pauses"
                );
                shutdown.sleep(wait).await;
            }
            Err(cause) => return Err(cause),
        }
    }
    hosts.close();
    hosts.wait().await;
    Ok(())
}

/// Back-pressure: no host is leased while the broker is this far behind.
async fn outbox_has_room(fetcher: &Fetcher) -> Result<bool, CrawlError> {
    let limit = fetcher.settings.outbox_limit;
    let messages = fetcher.frontier.outbox_rows(limit).await?;
    metrics::outbox(messages);
    metrics::waiting("outbox", messages > limit);
    Ok(messages <= limit)
}

fn report(health: &Health, origin: &str, cause: &CrawlError) {
    if matches!(cause, CrawlError::Blob(_)) {
        health.set("blobs", Err(cause.to_string()));
    }
    tracing::warn!(
        host = origin,
        cause = cause as &dyn std::error::Error,
        "a host was given back early"
    );
}
