//! Publishers with confirms and a consumer over three nodes, while the node that leads their queue is killed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tusou_contract::{Disposition, ImageChanged, ImageId, Queue, Verdict};
use tusou_platform::broker::{Broker, BrokerError, Outgoing, Publisher, Unpublished};
use tusou_platform::config::Amqp;
use tusou_testkit::{World, wait_for, wait_until};

use crate::LIMIT;
use crate::brokers::Brokers;

/// One a node, so that one of them at least is connected to the node that is killed.
const PUBLISHERS: u32 = 3;
/// Messages that are confirmed together.
const MESSAGES: u32 = 20;
/// Batches of each publisher before the node is killed, and as many again after it, and after it is back.
const BATCHES: usize = 40;
const QUEUE: Queue = Queue::ImagesChanged;

/// What publishers and consumer saw.
#[derive(Debug, Default)]
struct Log {
    enough: AtomicBool,
    /// Of each confirmed batch, which publisher's and when.
    batches: Mutex<Vec<(u32, Instant)>>,
    confirmed: Mutex<Vec<String>>,
    /// How often each message was delivered and acknowledged.
    acknowledged: Mutex<HashMap<String, u32>>,
}

impl Log {
    fn is_enough(&self) -> bool {
        self.enough.load(Ordering::Relaxed)
    }

    fn batches(&self) -> Vec<(u32, Instant)> {
        let batches = self.batches.lock();
        batches.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn confirm(&self, publisher: u32, ids: Vec<String>) {
        let mut confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        confirmed.extend(ids);
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push((publisher, Instant::now()));
    }

    /// How many confirmed messages were not acknowledged yet.
    fn missing(&self) -> usize {
        let confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let acknowledged = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let missing = confirmed
            .iter()
            .filter(|id| !acknowledged.contains_key(*id));
        missing.count()
    }
}

/// Kills the leader of a queue under load, and starts it again, which it returns.
pub(crate) async fn outlive_a_leader(brokers: &mut Brokers) -> String {
    let world = World::over("clustered", |config| brokers.configure(config)).await;
    let amqp = &world.config.amqp;
    drop(world.broker().await);
    all_hold(brokers, &world).await;

    // They go on until it is enough, however long the kill takes: it always comes in the midst.
    let log = Arc::new(Log::default());
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| tokio::spawn(publish(amqp.clone(), publisher, Arc::clone(&log))))
        .collect();
    let consumer = tokio::spawn(consume(amqp.clone(), Arc::clone(&log)));
    let goes_on = async || {
        let begun = log.batches().len();
        wait_until(
            LIMIT,
            "each publisher to have batches confirmed",
            async || {
                let batches = log.batches();
                let of = |publisher| {
                    batches[begun..]
                        .iter()
                        .filter(move |batch| batch.0 == publisher)
                };
                (0..PUBLISHERS).all(|publisher| of(publisher).count() >= BATCHES)
            },
        )
        .await;
    };
    goes_on().await;
    let leader = wait_for(LIMIT, "a leader", async || {
        brokers.leader(world.name(), QUEUE.name()).await
    })
    .await;
    let killed = Instant::now();
    brokers.kill(&leader);
    goes_on().await;
    wait_until(LIMIT, "another node to lead", async || {
        let next = brokers.leader(world.name(), QUEUE.name()).await;
        next.is_some_and(|next| next != leader)
    })
    .await;
    let batches = log.batches();
    brokers.start_again(&leader);
    all_hold(brokers, &world).await;
    goes_on().await;

    log.enough.store(true, Ordering::Relaxed);
    for publisher in publishers {
        publisher
            .await
            .expect("every batch is confirmed in the end");
    }
    wait_until(LIMIT, "every confirmed message to come", async || {
        assert!(!consumer.is_finished(), "the consumer goes on");
        log.missing() == 0
    })
    .await;
    consumer.abort();
    let _ = consumer.await;
    nothing_is_left(brokers, &world).await;
    report(&log, &batches, killed);
    world.end().await;
    leader
}

/// Waits until every node holds the queue and is at its level.
async fn all_hold(brokers: &Brokers, world: &World) {
    wait_until(LIMIT, "all three nodes to hold the queue", async || {
        brokers.online(world.name(), QUEUE.name()).await == ["a", "b", "c"]
    })
    .await;
}

/// All was settled, and nothing was parked for having come too often.
async fn nothing_is_left(brokers: &Brokers, world: &World) {
    wait_until(LIMIT, "the queue to be empty", async || {
        let queue = brokers.queue(world.name(), QUEUE.name()).await;
        let queue = queue.unwrap_or_default();
        // Of a look before the consumer's end it says nothing.
        let of = |key: &str| queue[key].as_u64();
        (of("consumers"), of("messages")) == (Some(0), Some(0))
    })
    .await;
    let dead = brokers.queue(world.name(), &QUEUE.dead_name()).await;
    assert_eq!(dead.unwrap_or_default()["messages"], Value::from(0));
}

/// Batches one after the other, each until all of it is confirmed, until it is enough.
async fn publish(amqp: Amqp, publisher: u32, log: Arc<Log>) {
    let mut line = None;
    for batch in 0.. {
        if log.is_enough() {
            return;
        }
        let number = |step| (publisher << 28) + batch * MESSAGES + step;
        let mut left: Vec<_> = (0..MESSAGES).map(|step| message(number(step))).collect();
        let ids = left.iter().map(|message| message.id.clone()).collect();
        let end = Instant::now() + LIMIT;
        while !left.is_empty() {
            assert!(Instant::now() < end, "a batch is still not confirmed");
            match attempt(&amqp, &mut line, &left).await {
                Ok(results) => {
                    let mut results = results.into_iter();
                    left.retain(|_| match results.next() {
                        Some(Ok(())) => false,
                        Some(Err(Unpublished::Full(_))) => true,
                        other => panic!("{other:?}"),
                    });
                }
                Err(error) => {
                    assert_eq!(error.disposition(), Disposition::Later, "{error}");
                    line = None;
                }
            }
            if !left.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        log.confirm(publisher, ids);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn attempt(
    amqp: &Amqp,
    line: &mut Option<(Broker, Publisher)>,
    batch: &[Outgoing],
) -> Result<Vec<Result<(), Unpublished>>, BrokerError> {
    let (_, publisher) = match line {
        Some(line) => line,
        None => {
            let broker = Broker::connect(amqp, "publisher").await?;
            let publisher = broker.publisher().await?;
            line.insert((broker, publisher))
        }
    };
    publisher.publish(batch).await
}

fn message(number: u32) -> Outgoing {
    Outgoing::of(&ImageChanged {
        image_id: ImageId::of(&number.to_le_bytes()),
    })
}

/// Takes and acknowledges whatever comes, for ever.
async fn consume(amqp: Amqp, log: Arc<Log>) {
    loop {
        let Err(error) = consume_once(&amqp, &log).await;
        assert_eq!(error.disposition(), Disposition::Later, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn consume_once(amqp: &Amqp, log: &Log) -> Result<std::convert::Infallible, BrokerError> {
    let broker = Broker::connect(amqp, "consumer").await?;
    let mut images = broker.subscribe(QUEUE, 100).await?;
    loop {
        let delivery = images.next().await?;
        let id = delivery.id().to_owned();
        delivery.ack().await?;
        let acknowledged = log.acknowledged.lock();
        let mut acknowledged = acknowledged.unwrap_or_else(PoisonError::into_inner);
        *acknowledged.entry(id).or_insert(0) += 1;
    }
}

#[expect(clippy::print_stdout, reason = "figures for whoever asks for them")]
fn report(log: &Log, batches: &[(u32, Instant)], killed: Instant) {
    let gap = |of: &dyn Fn(u32) -> bool| {
        let times = batches.iter().filter(|(publisher, _)| of(*publisher));
        let times = times.map(|(_, at)| *at).filter(|at| *at > killed);
        let mut before = killed;
        let mut longest = Duration::ZERO;
        for at in times {
            longest = longest.max(at - before);
            before = at;
        }
        longest.as_millis()
    };
    let each: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| gap(&|other| other == publisher))
        .collect();
    let acknowledged = log
        .acknowledged
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let deliveries: u32 = acknowledged.values().sum();
    let twice = acknowledged.values().filter(|times| **times > 1).count();
    println!(
        "a leader killed: no publisher went on for {} ms, the publishers by themselves for {each:?} ms; of {} messages, \
         {twice} came more than once, {} deliveries too many",
        gap(&|_| true),
        acknowledged.len(),
        deliveries as usize - acknowledged.len(),
    );
}
