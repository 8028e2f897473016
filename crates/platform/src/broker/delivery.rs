//! A delivered message, and the one place where a verdict becomes ack, nack, retry or dead letter.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use tusou_contract::{Disposition, Message, MessageError, Queue, Verdict};

use super::publisher::{Letter, Posted};
use super::table::{insert_number, insert_text};
use super::{BrokerError, Publisher, header};
use crate::backoff::Backoff;
use crate::config::Amqp;
use crate::telemetry::chain;
use crate::trace::{Span, TraceParent};

/// The longest that a message waits for room in a full retry or dead queue. One that is given back
/// after it is delivered again at once, so this is also the pace of trying.
const ROOM_WAIT: Duration = Duration::from_secs(20);
/// The header in which a quorum queue counts how often it had a message back.
pub(super) const DELIVERY_COUNT: &str = "x-delivery-count";
/// The most characters of [`header::DETAIL`].
const MAX_DETAIL: usize = 1_000;

/// What became of a settled delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Acknowledged.
    Done,
    /// Given back or in the retry queue.
    Later,
    /// Parked in the dead queue.
    Dead,
}

/// What all deliveries of a subscription share.
#[derive(Debug)]
pub(super) struct Desk {
    queue: Queue,
    publisher: Publisher,
    max_attempts: u32,
    max_deliveries: u32,
    /// Whether the retry queue had no room for the last message that was to be tried again.
    no_retries: AtomicBool,
}

impl Desk {
    pub(super) fn new(queue: Queue, publisher: Publisher, config: &Amqp) -> Self {
        Self {
            queue,
            publisher,
            max_attempts: config.max_attempts,
            max_deliveries: config.max_deliveries,
            no_retries: AtomicBool::new(false),
        }
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue
    }
}

/// The message was delivered too often without ever coming to an end: it may be what kills the
/// process, so it is parked unhandled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "delivered {deliveries} times before without coming to an end: it may be what kills the process"
)]
pub struct Quarantined {
    /// Earlier deliveries, given-back ones included.
    pub deliveries: u32,
}

impl Verdict for Quarantined {
    fn disposition(&self) -> Disposition {
        Disposition::DeadLetter
    }

    fn reason(&self) -> &'static str {
        "killed_process"
    }
}

/// A delivered message. It must be settled; one that is dropped unsettled goes back to the broker
/// when its subscription closes.
pub struct Delivery {
    inner: lapin::message::Delivery,
    desk: Arc<Desk>,
    span: Span,
}

impl Delivery {
    pub(super) fn new(inner: lapin::message::Delivery, desk: Arc<Desk>) -> Self {
        let span = handling(&inner, desk.queue);
        Self { inner, desk, span }
    }

    /// The place of its handling in its trace, which ends when it is settled; `None` where nobody follows it.
    pub fn trace(&self) -> Option<TraceParent> {
        self.span.parent()
    }

    /// The queue it came by.
    pub fn queue(&self) -> Queue {
        self.desk.queue
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.inner.data
    }

    /// The AMQP message id, which is the image's id in the system's own messages; empty where
    /// there is none.
    pub fn id(&self) -> &str {
        let id = self.inner.properties.message_id();
        id.as_ref().map_or("", |id| id.as_str())
    }

    /// Which attempt this is; the first counts 1.
    pub fn attempt(&self) -> u32 {
        self.count(header::ATTEMPT).unwrap_or(1).max(1)
    }

    /// How often the broker delivered it before and had it back, by a crash or given back: 0 for a
    /// new one, and again for one that comes from its retry queue.
    pub fn deliveries(&self) -> u32 {
        self.count(DELIVERY_COUNT).unwrap_or(0)
    }

    /// Whether it is to be parked unhandled, since it was delivered `amqp.max_deliveries` times and
    /// never came to an end.
    ///
    /// Every consumer asks this *before* it handles the message, and settles the delivery with what
    /// it gets: `if let Some(error) = delivery.suspect() { delivery.settle(&Err(error)).await? }`.
    /// So the message that kills the process ends as a dead letter with its reason, and each start
    /// after a crash comes nearer to that.
    pub fn suspect(&self) -> Option<Quarantined> {
        let deliveries = self.deliveries();
        (deliveries >= self.desk.max_deliveries).then_some(Quarantined { deliveries })
    }

    fn count(&self, header: &str) -> Option<u32> {
        let headers = self.inner.properties.headers().as_ref()?;
        let count = integer(headers.inner().get(header)?)?;
        u32::try_from(count).ok()
    }

    /// Whether the broker delivered it before: handle it alone, it may have killed the process.
    pub fn redelivered(&self) -> bool {
        self.inner.redelivered
    }

    /// The body as a message. Its error is a verdict, with which the delivery can be settled.
    pub fn read<M: Message>(&self) -> Result<M, MessageError> {
        M::from_body(self.body())
    }

    /// Done: the effect is durable.
    pub async fn ack(self) -> Result<(), BrokerError> {
        let acknowledged = self.inner.ack(BasicAckOptions::default()).await;
        went_out(acknowledged)
    }

    /// Gives it back unharmed (the dependency is away). The broker counts it as a delivery: prefer
    /// [`Delivery::settle`] with [`Disposition::Later`], which sees to it that what is merely given
    /// back never comes to the quarantine.
    pub async fn give_back(self) -> Result<(), BrokerError> {
        let given_back = self.inner.nack(BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        });
        went_out(given_back.await)
    }

    /// What became of it: `Ok` is acknowledged; an error's verdict decides otherwise. A retry rests
    /// in the retry queue for `amqp.retry_after_ms`, whatever wait the verdict asks for, and is a
    /// dead letter after `amqp.max_attempts`. What waits rests there too, however often. Both carry
    /// the reason. While the retry or dead queue is full it waits up to 20 s, then gives the message
    /// back.
    ///
    /// But a retry for which the retry queue has no room in that time is a dead letter at once, and so
    /// are those after it until there is room again. Where work and retry queue are both full of what
    /// fails, neither takes from the other any more, and what would succeed waits behind it for ever.
    ///
    /// A message that would come to the quarantine only because it is given back again goes by the
    /// retry queue instead, where the broker forgets its deliveries: an outage looks like no killer.
    ///
    /// # Errors
    /// [`BrokerError::Away`]: nothing is known of the message, and it will be delivered again.
    pub async fn settle<E: Verdict>(
        mut self,
        outcome: &Result<(), E>,
    ) -> Result<Settled, BrokerError> {
        let Err(error) = outcome else {
            self.ack().await?;
            return Ok(Settled::Done);
        };
        self.span.fail(error.reason());
        match error.disposition() {
            Disposition::Discard => {
                self.ack().await?;
                Ok(Settled::Done)
            }
            Disposition::Later | Disposition::Fatal
                if self.deliveries() + 1 < self.desk.max_deliveries =>
            {
                self.give_back().await?;
                Ok(Settled::Later)
            }
            Disposition::Wait | Disposition::Later | Disposition::Fatal => {
                let headers = because(self.attempt(), error);
                self.rest(headers).await
            }
            Disposition::Retry { .. } if self.attempt() < self.desk.max_attempts => {
                let headers = because(self.attempt() + 1, error);
                let obituary = self.obituary(error);
                let target = self.queue().retry_name();
                let known = self.desk.no_retries.load(Ordering::Relaxed);
                let patience = if known { Duration::ZERO } else { ROOM_WAIT };
                let taken = self.post(&target, headers, patience).await?;
                self.desk.no_retries.store(!taken, Ordering::Relaxed);
                if taken {
                    self.ack().await?;
                    return Ok(Settled::Later);
                }
                let message = self.id();
                tracing::warn!(queue = target, message, "it is full: parked at once");
                self.bury(obituary).await
            }
            Disposition::Retry { .. } | Disposition::DeadLetter => {
                let obituary = self.obituary(error);
                self.bury(obituary).await
            }
        }
    }

    /// To the dead queue.
    async fn bury(self, obituary: FieldTable) -> Result<Settled, BrokerError> {
        let target = self.queue().dead_name();
        self.hand_over(&target, obituary, Settled::Dead).await
    }

    /// To the retry queue, to come back after its time.
    async fn rest(self, headers: FieldTable) -> Result<Settled, BrokerError> {
        let target = self.queue().retry_name();
        self.hand_over(&target, headers, Settled::Later).await
    }

    /// Publishes it to `target`, then acknowledges it here: a crash between the two doubles the
    /// message, which is harmless, and never loses it.
    async fn hand_over(
        self,
        target: &str,
        headers: FieldTable,
        settled: Settled,
    ) -> Result<Settled, BrokerError> {
        if self.post(target, headers, ROOM_WAIT).await? {
            self.ack().await?;
            return Ok(settled);
        }
        tracing::warn!(queue = target, message = self.id(), "the queue is full");
        self.give_back().await?;
        Ok(Settled::Later)
    }

    /// Publishes it to `target`, which may be full for so long; whether it was taken.
    async fn post(
        &self,
        target: &str,
        mut headers: FieldTable,
        patience: Duration,
    ) -> Result<bool, BrokerError> {
        if let Some(trace) = text(&self.inner, header::TRACE) {
            insert_text(&mut headers, header::TRACE, trace);
        }
        let deadline = Instant::now() + patience;
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let letter = Letter {
                queue: target,
                id: self.id(),
                headers: headers.clone(),
                body: self.body(),
            };
            let posted = self.desk.publisher.post(vec![letter]).await?;
            match posted.first() {
                Some(Posted::Taken) => return Ok(true),
                Some(Posted::Full) if Instant::now() < deadline => {
                    tokio::time::sleep(backoff.next_wait()).await;
                }
                Some(Posted::Full) => return Ok(false),
                Some(Posted::Unroutable) | None => {
                    // Connecting again declares it.
                    return Err(BrokerError::Away(format!("the queue `{target}` is gone")));
                }
            }
        }
    }

    fn obituary(&self, error: &dyn Verdict) -> FieldTable {
        let died_at = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .expect("the present has four digits in its year");
        let mut headers = because(self.attempt(), error);
        insert_text(&mut headers, header::DIED_AT, &died_at);
        insert_text(&mut headers, header::QUEUE, self.queue().name());
        headers
    }
}

/// The handling of a message, where its header says which trace it is part of.
fn handling(inner: &lapin::message::Delivery, queue: Queue) -> Span {
    let parent = text(inner, header::TRACE).and_then(|text| text.parse().ok());
    let mut span = Span::consumer(queue, parent.as_ref());
    let id = inner.properties.message_id();
    span.say("messaging.message.id", || {
        id.as_ref().map_or_else(String::new, |id| id.to_string())
    });
    span.say("messaging.destination.name", || queue.name().to_owned());
    span.say("messaging.system", || "rabbitmq".to_owned());
    span
}

fn text<'a>(inner: &'a lapin::message::Delivery, header: &str) -> Option<&'a str> {
    let headers = inner.properties.headers().as_ref()?;
    match headers.inner().get(header)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        _ => None,
    }
}

/// The headers that say for which attempt a message is, and of what the last one failed.
fn because(attempt: u32, error: &dyn Verdict) -> FieldTable {
    let mut headers = FieldTable::default();
    insert_number(&mut headers, header::ATTEMPT, attempt.into());
    insert_text(&mut headers, header::REASON, error.reason());
    insert_text(&mut headers, header::DETAIL, &in_words(error));
    headers
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.queue())
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .field("redelivered", &self.redelivered())
            .field("bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// lapin says `false` where the channel was gone and nothing was sent.
pub(super) fn went_out(sent: lapin::Result<bool>) -> Result<(), BrokerError> {
    match sent {
        Ok(true) => Ok(()),
        Ok(false) => Err(BrokerError::away("the channel is closed")),
        Err(error) => Err(BrokerError::away(error)),
    }
}

pub(super) fn integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(value) => Some(value.into()),
        AMQPValue::ShortShortUInt(value) => Some(value.into()),
        AMQPValue::ShortInt(value) => Some(value.into()),
        AMQPValue::ShortUInt(value) => Some(value.into()),
        AMQPValue::LongInt(value) => Some(value.into()),
        AMQPValue::LongUInt(value) => Some(value.into()),
        AMQPValue::LongLongInt(value) => Some(value),
        _ => None,
    }
}

/// The error with its causes, cut to [`MAX_DETAIL`] characters.
fn in_words(error: &dyn Verdict) -> String {
    chain(error).chars().take(MAX_DETAIL).collect()
}
