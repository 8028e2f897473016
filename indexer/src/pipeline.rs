//! The indexer's one loop.
//!
//! Collect changed images, write them batch by batch, settle their messages. When something it
//! needs is away it gives back what it holds, waits until that answers, and begins anew: with one
//! message, since the broker counts against each that it has back.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use sqlx::PgPool;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tusou_contract::{Disposition, Queue, Verdict};
use tusou_platform::backoff::Backoff;
use tusou_platform::broker::{Broker, Delivery, Settled};
use tusou_platform::elastic::Elastic;
use tusou_platform::ops::Health;
use tusou_platform::trace::Span;
use tusou_platform::{Config, Shutdown, database};

use crate::bulk::Writer;
use crate::collect::{Collector, QUEUES, SUSPECTED};
use crate::config::Settings;
use crate::conflict::Conflicts;
use crate::error::Error;
use crate::first_load::FirstLoads;
use crate::index::{Troubles, index};
use crate::metrics;
use crate::patience::Patience;
use crate::rows::pauses;
use crate::work::{Change, Work};

/// After a shutdown the batches in hand have this long; what is unfinished goes back.
const LAST_BATCHES: Duration = Duration::from_secs(25);
/// How often it is looked whether the indexer is to rest.
const PAUSE_LOOK: Duration = Duration::from_secs(1);
/// So many messages that cannot be read are taken one at a time at the start of a round, a queue.
const MOST_UNREADABLE: usize = 100;
/// A round that lasted this long was a good one: the next failure is the first again.
const GOOD_ROUND: Duration = Duration::from_secs(60);

/// Runs the indexer until shutdown.
///
/// # Errors
/// What no waiting mends: a configuration that cannot be used, another schema, an index of other
/// models.
pub async fn run(config: &Config, health: &Health, shutdown: &Shutdown) -> Result<(), Error> {
    metrics::describe();
    let settings = Settings::of(config)?;
    let elastic = Elastic::new(&config.elasticsearch)?;
    let writer = Arc::new(Writer::new(elastic.clone(), settings.bulks, shutdown));
    let conflicts = Arc::new(Conflicts::default());
    let mut stores = Stores {
        elastic,
        pool: None,
        connected: false,
    };
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !shutdown.is_requested() {
        let began = Instant::now();
        let writing = (&writer, &conflicts);
        let error = match Box::pin(round(
            config,
            &settings,
            &mut stores,
            writing,
            health,
            shutdown,
        ))
        .await
        {
            // Paused, or asked to end.
            Ok(()) => continue,
            // A broker that took us before and refuses us now is starting, or being mended.
            Err(error @ Error::Broker(_)) if stores.connected => error,
            Err(error) if error.disposition() == Disposition::Fatal => return Err(error),
            Err(error) => error,
        };
        if !error.was_said() {
            tracing::warn!(error = error.in_full(), "waiting until it answers");
        }
        health.set(error.part(), Err(error.in_full()));
        metrics::wait(error.part());
        if began.elapsed() > GOOD_ROUND {
            backoff.reset();
        }
        shutdown.sleep(backoff.next_wait()).await;
    }
    if let Some(pool) = stores.pool {
        FirstLoads::new(&pool, &stores.elastic, &settings)
            .end("shutdown")
            .await;
    }
    Ok(())
}

/// What is kept from round to round.
struct Stores {
    elastic: Elastic,
    pool: Option<PgPool>,
    /// The broker took us once.
    connected: bool,
}

/// From stores that answer to one that does not, to a pause, or to the shutdown.
async fn round(
    config: &Config,
    settings: &Settings,
    stores: &mut Stores,
    (writer, conflicts): (&Arc<Writer>, &Arc<Conflicts>),
    health: &Health,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let pool = match &stores.pool {
        Some(pool) => pool.clone(),
        None => {
            let opened = tokio::select! {
                opened = database::connect(&config.database) => opened.map_err(Error::Connect)?,
                () = shutdown.requested() => return Ok(()),
            };
            stores.pool.insert(opened).clone()
        }
    };
    let elastic = &stores.elastic;
    let first_loads = FirstLoads::new(&pool, elastic, settings);
    rest(&pool, &first_loads, health, shutdown).await?;
    if shutdown.is_requested() {
        return Ok(());
    }
    tusou_projection::open(&pool, elastic, &settings.wanted).await?;
    let broker = Broker::connect(&config.amqp, "tusou-indexer").await?;
    stores.connected = true;
    for part in ["postgres", "elasticsearch", "rabbitmq", "indexer"] {
        health.set(part, Ok(()));
    }
    let context = Arc::new(Context {
        pool,
        writer: writer.clone(),
        conflicts: conflicts.clone(),
        health: health.clone(),
        shutdown: shutdown.clone(),
        keep_gone: settings.keep_gone,
    });
    let ended = tokio::select! {
        ended = consume(&broker, settings, context, shutdown) => ended,
        never = first_loads.run(&broker) => match never {},
    };
    // Whatever is not settled goes back with the connection.
    broker.close().await;
    ended
}

/// Waits while the indexer is paused. It is not ready then, and says why.
async fn rest(
    pool: &PgPool,
    first_loads: &FirstLoads,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let mut said = false;
    while let Some(why) = pauses::index(pool).await? {
        if !said {
            first_loads.end("pause").await;
            tracing::info!(why, "paused; `tusou resume` has it go on");
            said = true;
        }
        let why = if why.is_empty() {
            "paused".to_owned()
        } else {
            format!("paused: {why}")
        };
        health.set("indexer", Err(why));
        if !shutdown.sleep(PAUSE_LOOK).await {
            break;
        }
    }
    Ok(())
}

/// Ends when the indexer is paused. While Postgres is away nobody can have paused it.
async fn paused(pool: &PgPool) {
    loop {
        tokio::time::sleep(PAUSE_LOOK).await;
        if matches!(pauses::index(pool).await, Ok(Some(_))) {
            return;
        }
    }
}

/// What a batch is written with.
pub(crate) struct Context {
    pub(crate) pool: PgPool,
    pub(crate) writer: Arc<Writer>,
    pub(crate) conflicts: Arc<Conflicts>,
    pub(crate) health: Health,
    shutdown: Shutdown,
    pub(crate) keep_gone: bool,
}

impl Context {
    /// Whether no message is to be taken: at the shutdown and in a pause.
    async fn is_to_rest(&self) -> Result<bool, Error> {
        Ok(self.shutdown.is_requested() || pauses::index(&self.pool).await?.is_some())
    }

    /// Ends when the work in hand has had its time after the shutdown or the start of a pause.
    async fn overdue(&self) {
        tokio::select! {
            () = self.shutdown.requested() => {}
            () = paused(&self.pool) => {}
        }
        tokio::time::sleep(LAST_BATCHES).await;
    }
}

/// Takes one message at a time, and nothing beside it, until a new one shows that messages can be
/// written to their end, or none is left.
///
/// While a store answers and takes no writes, only the message in hand is counted as delivered once
/// more, and not all those that would be prefetched. And of messages that came back so often that
/// one of them may be what kills the process, only the killer's count grows.
///
/// # Errors
/// What is away: the message is given back.
async fn begin_carefully(
    broker: &Broker,
    queue: Queue,
    settings: &Settings,
    context: &Arc<Context>,
) -> Result<(), Error> {
    let mut queue = broker.one_by_one(queue).await?;
    let mut unreadable = 0;
    while unreadable < MOST_UNREADABLE && !context.is_to_rest().await? {
        let Some(delivery) = queue.next().await? else {
            break;
        };
        let suspected = delivery.deliveries() >= SUSPECTED;
        let work = Work::of(delivery, &settings.wanted.models);
        // What cannot be read is settled without a write, and shows nothing.
        let readable = work.change.is_ok();
        write(context.clone(), vec![work]).await?;
        match (suspected, readable) {
            (false, true) => break,
            (false, false) => unreadable += 1,
            (true, _) => {}
        }
    }
    Ok(())
}

/// Collects and writes, a few batches at once, until a pause, the shutdown or the first failure.
async fn consume(
    broker: &Broker,
    settings: &Settings,
    context: Arc<Context>,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let careful = async {
        for queue in QUEUES {
            begin_carefully(broker, queue, settings, &context).await?;
        }
        context.is_to_rest().await
    };
    let to_rest = tokio::select! {
        to_rest = careful => to_rest?,
        () = context.overdue() => true,
    };
    if to_rest {
        return Ok(());
    }
    let mut collector = Collector::subscribe(broker, settings).await?;
    tracing::info!("taking messages");
    let mut batches = JoinSet::new();
    let pool = context.pool.clone();
    let mut paused = std::pin::pin!(paused(&pool));
    let ended = loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => break Ok(()),
            () = &mut paused => break Ok(()),
            Some(joined) = batches.join_next() => {
                if let Err(error) = result_of(joined) {
                    break Err(error);
                }
            }
            batch = collector.next(), if batches.len() < context.writer.batches_at_once() => match batch {
                Ok(batch) => drop(batches.spawn(write(context.clone(), batch))),
                Err(error) => break Err(error.into()),
            },
        }
    };
    let rest = tokio::time::timeout(LAST_BATCHES, async {
        let given_back = collector.give_back().await.map_err(Error::from);
        finish(&mut batches).await.and(given_back)
    });
    let rest = rest.await.unwrap_or_else(|_| {
        tracing::warn!("batches in hand did not end in time; their messages go back");
        Ok(())
    });
    ended.and(rest)
}

async fn finish(batches: &mut JoinSet<Result<(), Error>>) -> Result<(), Error> {
    let mut result = Ok(());
    while let Some(joined) = batches.join_next().await {
        result = result.and(result_of(joined));
    }
    result
}

fn result_of(joined: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    joined
        .map_err(|error| Error::Panicked(error.to_string()))
        .flatten()
}

/// A panic of `work` as an error: its messages are still there to be settled.
async fn caught<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(Error::Panicked(last_words(panic.as_ref()))),
    }
}

fn last_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it does not say why")
        .to_owned()
}

/// Writes one batch to its end and settles its messages.
///
/// # Errors
/// What is away: the batch's messages are given back.
async fn write(context: Arc<Context>, batch: Vec<Work>) -> Result<(), Error> {
    let _timer = metrics::BatchTimer::start(batch.len());
    let traces = batch.iter().filter_map(|work| work.delivery.trace());
    let _spans: Vec<_> = traces
        .map(|trace| Span::child("write document", Some(&trace)))
        .collect();
    match attempt(&context, &batch).await {
        Ok(troubles) => settle(batch, &troubles).await,
        Err(error) if error.may_pass() || error.disposition() == Disposition::Fatal => {
            let failed = Err(error);
            give_back(batch, &failed).await;
            failed
        }
        Err(error) if batch.len() == 1 => {
            let failed = Err(error);
            for work in batch {
                conclude(work.delivery, &failed).await?;
            }
            Ok(())
        }
        Err(error) => {
            // One message may have spoilt it for all: each for itself.
            tracing::warn!(
                error = error.in_full(),
                messages = batch.len(),
                "a batch failed and is taken apart"
            );
            let mut result = Ok(());
            for work in batch {
                match result {
                    Ok(()) => result = Box::pin(write(context.clone(), vec![work])).await,
                    Err(_) => give_back(vec![work], &result).await,
                }
            }
            result
        }
    }
}

/// Indexes the batch, and holds it for a while where something is away.
async fn attempt(context: &Context, batch: &[Work]) -> Result<Troubles, Error> {
    let changes: Vec<&Change> = batch
        .iter()
        .filter_map(|work| work.change.as_ref().ok())
        .collect();
    if changes.is_empty() {
        return Ok(Troubles::new());
    }
    let mut patience = Patience::new(&context.shutdown);
    let mut away = None;
    loop {
        let error = match caught(index(context, &changes)).await {
            Ok(troubles) => {
                if let Some(part) = away {
                    context.health.set(part, Ok(()));
                }
                return Ok(troubles);
            }
            Err(error) => error,
        };
        // A lost index does not come back by waiting: the next round makes it again.
        if !error.may_pass() || matches!(error, Error::IndexGone(_)) {
            return Err(error);
        }
        metrics::wait(error.part());
        if !error.was_said() {
            tracing::warn!(
                error = error.in_full(),
                images = changes.len(),
                "a batch waits"
            );
            away = Some(error.part());
            context.health.set(error.part(), Err(error.in_full()));
        }
        if !patience.wait().await {
            return Err(error);
        }
    }
}

async fn give_back(batch: Vec<Work>, failed: &Result<(), Error>) {
    for work in batch {
        let queue = work.delivery.queue();
        // Where the broker is away as well, its messages go back by themselves.
        if work.delivery.settle(failed).await.is_ok() {
            metrics::message(queue, Settled::Later, "");
        }
    }
}

async fn settle(batch: Vec<Work>, troubles: &Troubles) -> Result<(), Error> {
    for Work { delivery, change } in batch {
        let outcome = change.and_then(|change| {
            let image_id = change.image_id();
            troubles
                .get(&image_id)
                .filter(|trouble| trouble.concerns(&change))
                .map_or(Ok(()), |trouble| Err(trouble.error(image_id)))
        });
        conclude(delivery, &outcome).await?;
    }
    Ok(())
}

async fn conclude(delivery: Delivery, outcome: &Result<(), Error>) -> Result<(), Error> {
    let (queue, id) = (delivery.queue(), delivery.id().to_owned());
    let settled = delivery.settle(outcome).await?;
    let reason = outcome.as_ref().err().map_or("", Verdict::reason);
    metrics::message(queue, settled, reason);
    match outcome {
        Ok(()) => tracing::debug!(%queue, message = id, "indexed"),
        Err(error) => {
            tracing::warn!(%queue, message = id, ?settled, reason, error = error.in_full(), "a message failed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_is_tried_again_a_few_times() {
        for panicking in [true, false] {
            let result = caught(async move {
                assert!(!panicking, "no {}", "luck");
                Ok(7)
            });
            match result.await {
                Ok(seven) => assert!(!panicking && seven == 7),
                Err(error) => {
                    assert!(
                        panicking && error.to_string().ends_with(": no luck"),
                        "{error}"
                    );
                    assert!(matches!(error.disposition(), Disposition::Retry { .. }));
                    assert!(!error.may_pass());
                }
            }
        }
    }
}
