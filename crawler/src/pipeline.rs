//! The crawler's one loop: lease a host, crawl it, give it back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tusou_platform::Shutdown;
use tusou_platform::backoff::Backoff;
use tusou_platform::blobs::BlobStore;
use tusou_platform::config::Database;
use tusou_platform::database::{self, DatabaseError};
use tusou_platform::door::Door;
use tusou_platform::ops::Health;
use tusou_platform::service::ServiceContext;
use tusou_platform::telemetry::chain;

use crate::config::Settings;
use crate::error::CrawlError;
use crate::fetch::Fetcher;
use crate::frontier::{Bounded as _, Frontier, Leased, originals};
use crate::gate::{self, Bolt, Gate};
use crate::host_files::HostFiles;
use crate::render::Renderer;
use crate::slots::{SlotLimits, Slots};
use crate::writer::Writer;
use crate::{host, janitor, metrics, relay, revisit};

/// The look-out for due hosts while there are none.
const IDLE: Duration = Duration::from_millis(250);
/// Connections of what goes over tables: one holds its turn while the other works.
const SWEEPS: u32 = 2;

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
    metrics::describe();
    let settings = Arc::new(Settings::new(&config)?);
    let blobs = BlobStore::open(&config.blobs)?;
    let Some((pool, sweeps)) = connect(&config.database, &health, &shutdown).await? else {
        return Ok(());
    };
    let door = Door::new(
        &settings.network,
        &settings.user_agent,
        settings.connect_timeout,
        settings.reach,
    )
    .map_err(|cause| {
        CrawlError::Config(format!(
            "`crawler.agent` or `crawler.contact` cannot be sent: {cause}"
        ))
    })?;
    let renderer = Renderer::new(&settings, health.clone())?;
    let gate = Gate::new(settings.outbox_limit);
    let frontier = Frontier::new(pool.clone(), &settings, gate.clone());
    let slots = Slots::new(frontier.clone(), SlotLimits::new(&settings));
    let rules = HostFiles::new(door, frontier.clone(), slots.clone(), &settings);
    let (writer, lanes) = Writer::start(
        frontier.clone(),
        blobs.clone(),
        gate.clone(),
        health.clone(),
    );
    let fetcher = Fetcher::new(
        Arc::clone(&settings),
        rules,
        blobs.clone(),
        writer,
        gate.clone(),
        health.clone(),
        renderer.clone(),
    );
    if !await_store(&pool, &blobs, &health, &shutdown).await? {
        return Ok(());
    }
    // Tried before anything is fetched, and watched from then on.
    if let Err(cause) = blobs.probe().await {
        gate::blobs_fail(&gate, &health, &cause);
    }
    let keep = config.blobs.keep_originals;
    let watch = tokio::spawn(gate::watch_blobs(
        gate,
        blobs.clone(),
        health.clone(),
        shutdown.clone(),
    ));
    let janitor = tokio::spawn(janitor::run(sweeps, blobs, keep, shutdown.clone()));
    let revisits = tokio::spawn(revisit::run(
        fetcher.frontier.clone(),
        Arc::clone(&fetcher.settings),
        shutdown.clone(),
    ));
    // Named before it connects: ready means that both ends are there.
    health.set("broker", Err("not connected yet".to_owned()));
    let relay = tokio::spawn(relay::run(
        pool,
        config.amqp,
        health.clone(),
        shutdown.clone(),
    ));
    let outcome = crawl(&fetcher, &health, &shutdown).await;
    renderer.close().await;
    slots.close().await;
    lanes.end().await;
    shutdown.request();
    relay.await.expect("the relay does not panic");
    watch
        .await
        .expect("the watch over the blobs does not panic");
    janitor.await.expect("the janitor does not panic");
    revisits.await.expect("the sweeper does not panic");
    outcome
}

/// A pool for all that looks rows up by key, and one for what goes over tables.
async fn open(database: &Database) -> Result<(PgPool, PgPool), DatabaseError> {
    let lookups = database.max_connections.saturating_sub(SWEEPS);
    if lookups == 0 {
        let both = database::connect(database).await?;
        return Ok((both.clone(), both));
    }
    let of = |max_connections| Database {
        max_connections,
        ..database.clone()
    };
    let lookups = database::connect_for_lookups(&of(lookups)).await?;
    Ok((lookups, database::connect(&of(SWEEPS)).await?))
}

/// Two pools (see [`open`]), once Postgres answers; `None` where the end is asked for first.
async fn connect(
    database: &Database,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<Option<(PgPool, PgPool)>, CrawlError> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
    health.set("database", Err("not connected yet".to_owned()));
    while !shutdown.is_requested() {
        let opened = tokio::select! {
            opened = open(database).bounded() => opened,
            () = shutdown.requested() => break,
        };
        match opened {
            Ok(pools) => {
                health.set("database", Ok(()));
                return Ok(Some(pools));
            }
            Err(cause) if cause.is_transient() => {
                health.set("database", Err(chain(&cause)));
                tracing::warn!(
                    cause = &cause as &dyn std::error::Error,
                    "waiting for Postgres"
                );
                shutdown.sleep(backoff.next_wait()).await;
            }
            Err(cause) => return Err(cause),
        }
    }
    Ok(None)
}

/// Waits while the blobs' folder looks like no store although blobs were stored: what would be
/// written to the folder below a disk that is not mounted is not there when it is. `false` where the
/// end is asked for first.
async fn await_store(
    pool: &PgPool,
    blobs: &BlobStore,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<bool, CrawlError> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    while !shutdown.is_requested() {
        match blobs.is_marked().await {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(cause) => {
                let reason = chain(&cause);
                tracing::warn!(reason, "waiting for the blobs");
                health.set("blobs", Err(reason));
                shutdown.sleep(backoff.next_wait()).await;
                continue;
            }
        }
        match originals::are_stored(pool).await {
            Ok(false) => return Ok(true),
            Ok(true) => {
                let reason = blobs.unmarked().to_string();
                tracing::warn!(reason, "waiting for the blobs");
                health.set("blobs", Err(reason));
            }
            Err(cause) if cause.is_transient() => {
                health.set("database", Err(chain(&cause)));
            }
            Err(cause) => return Err(cause),
        }
        shutdown.sleep(backoff.next_wait()).await;
    }
    Ok(false)
}

async fn crawl(fetcher: &Fetcher, health: &Health, shutdown: &Shutdown) -> Result<(), CrawlError> {
    let places = Arc::new(Semaphore::new(fetcher.settings.hosts));
    let hosts = TaskTracker::new();
    let mut looked: Option<Instant> = None;
    let mut counted = false;
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while !shutdown.is_requested() {
        let step = async {
            if !counted {
                fetcher.frontier.count_images_of_hosts().await?;
                counted = true;
            }
            // Not before every lease: it counts the outbox.
            if looked.is_none_or(|looked| looked.elapsed() >= IDLE) {
                look(fetcher, health).await?;
                looked = Some(Instant::now());
            }
            if !fetcher.gate.is_open() {
                return Ok(false);
            }
            let Ok(Ok(place)) = timeout(IDLE, Arc::clone(&places).acquire_owned()).await else {
                return Ok(true);
            };
            let Some(leased) = fetcher.frontier.lease_host().await? else {
                return Ok(false);
            };
            let (fetcher, shutdown) = (fetcher.clone(), shutdown.clone());
            hosts.spawn(async move {
                attend(fetcher, leased, shutdown).await;
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
                health.set("database", Err(chain(&cause)));
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

/// Back-pressure and pause: how far the broker is behind, and whether the crawl is to rest.
async fn look(fetcher: &Fetcher, health: &Health) -> Result<(), CrawlError> {
    let limit = fetcher.settings.outbox_limit;
    let (messages, paused) = fetcher.frontier.look(limit).await?;
    metrics::outbox(messages);
    fetcher.gate.outbox_counted(messages);
    if fetcher.gate.set(Bolt::Paused, paused.is_some()) {
        tracing::info!(paused = paused.is_some(), why = paused, "the crawl's pause");
    }
    health.set(
        "crawl",
        match paused {
            None => Ok(()),
            Some(why) if why.is_empty() => Err("paused".to_owned()),
            Some(why) => Err(format!("paused: {why}")),
        },
    );
    Ok(())
}

/// Crawls a leased host, and says why where it was given back early.
async fn attend(fetcher: Fetcher, leased: Leased, shutdown: Shutdown) {
    let lease = leased.lease.clone();
    let turn = tokio::spawn({
        let fetcher = fetcher.clone();
        async move { host::crawl(&fetcher, leased, &shutdown).await }
    });
    let host = &lease.origin;
    match turn.await {
        Ok(Ok(())) => {}
        Ok(Err(CrawlError::LeaseLost)) => tracing::info!(host, "lease lost"),
        // The watch over the blobs has said so.
        Ok(Err(CrawlError::Blob(cause))) => tracing::debug!(host, %cause, "given back early"),
        Ok(Err(cause)) => tracing::warn!(
            host,
            cause = &cause as &dyn std::error::Error,
            "a host was given back early"
        ),
        Err(broken) => {
            tracing::error!(host, %broken, "a host's turn panicked");
            if let Err(cause) = host::strike(&fetcher, &lease).await {
                tracing::warn!(
                    host,
                    cause = &cause as &dyn std::error::Error,
                    "the host's URLs stay due"
                );
            }
        }
    }
}
