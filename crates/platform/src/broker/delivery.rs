//! A delivered message, and the one place where a verdict becomes ack, nack, retry or dead letter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use tusou_contract::{Disposition, Message, MessageError, Queue, Verdict};

use super::publisher::{Letter, Posted};
use super::{BrokerError, Publisher, header};
use crate::backoff::Backoff;

/// The longest that a message waits for room in a full retry or dead queue, before it is given
/// back. A given-back message is delivered again at once, so this is also the pace of trying.
const ROOM_WAIT: Duration = Duration::from_secs(20);
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
}

impl Desk {
    pub(super) fn new(queue: Queue, publisher: Publisher, max_attempts: u32) -> Self {
        Self {
            queue,
            publisher,
            max_attempts,
        }
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue
    }
}

/// A delivered message. It must be settled; one that is dropped unsettled goes back to the broker
/// when its subscription closes.
pub struct Delivery {
    inner: lapin::message::Delivery,
    desk: Arc<Desk>,
}

impl Delivery {
    pub(super) fn new(inner: lapin::message::Delivery, desk: Arc<Desk>) -> Self {
        Self { inner, desk }
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
        let headers = self.inner.properties.headers().as_ref();
        headers
            .and_then(|headers| headers.inner().get(header::ATTEMPT))
            .and_then(integer)
            .and_then(|attempt| u32::try_from(attempt).ok())
            .unwrap_or(1)
            .max(1)
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

    /// Gives it back unharmed (the dependency is away).
    pub async fn give_back(self) -> Result<(), BrokerError> {
        let given_back = self.inner.nack(BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        });
        went_out(given_back.await)
    }

    /// What became of it: `Ok` is acknowledged; an error's verdict decides otherwise. A retry rests
    /// in the retry queue for `amqp.retry_after_ms`, whatever wait the verdict asks for, and is a
    /// dead letter after `amqp.max_attempts`. While the retry or dead queue is full it waits up to 20 s,
    /// then gives the message back.
    ///
    /// # Errors
    /// [`BrokerError::Away`]: nothing is known of the message, and it will be delivered again.
    pub async fn settle<E: Verdict>(self, outcome: &Result<(), E>) -> Result<Settled, BrokerError> {
        let Err(error) = outcome else {
            self.ack().await?;
            return Ok(Settled::Done);
        };
        match error.disposition() {
            Disposition::Discard => {
                self.ack().await?;
                Ok(Settled::Done)
            }
            Disposition::Later | Disposition::Fatal => {
                self.give_back().await?;
                Ok(Settled::Later)
            }
            Disposition::Retry { .. } if self.attempt() < self.desk.max_attempts => {
                let headers = self.attempts(self.attempt() + 1);
                let target = self.queue().retry_name();
                self.hand_over(&target, headers, Settled::Later).await
            }
            Disposition::Retry { .. } | Disposition::DeadLetter => {
                let headers = self.obituary(error.reason(), &in_words(error));
                let target = self.queue().dead_name();
                self.hand_over(&target, headers, Settled::Dead).await
            }
        }
    }

    /// Publishes it to `target`, then acknowledges it here: a crash between the two doubles the
    /// message, which is harmless, and never loses it.
    async fn hand_over(
        self,
        target: &str,
        headers: FieldTable,
        settled: Settled,
    ) -> Result<Settled, BrokerError> {
        let deadline = Instant::now() + ROOM_WAIT;
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
                Some(Posted::Taken) => {
                    self.ack().await?;
                    return Ok(settled);
                }
                Some(Posted::Full) if Instant::now() < deadline => {
                    tokio::time::sleep(backoff.next_wait()).await;
                }
                Some(Posted::Full) => {
                    tracing::warn!(queue = target, message = self.id(), "the queue is full");
                    self.give_back().await?;
                    return Ok(Settled::Later);
                }
                Some(Posted::Unroutable) | None => {
                    // Connecting again declares it.
                    return Err(BrokerError::Away(format!("the queue `{target}` is gone")));
                }
            }
        }
    }

    fn attempts(&self, attempt: u32) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert(
            header::ATTEMPT.into(),
            AMQPValue::LongLongInt(attempt.into()),
        );
        headers
    }

    fn obituary(&self, reason: &str, detail: &str) -> FieldTable {
        let died_at = OffsetDateTime::now_utc()
            .format(&Rfc3339)
            .expect("the present has four digits in its year");
        let mut headers = self.attempts(self.attempt());
        for (key, value) in [
            (header::REASON, reason),
            (header::DETAIL, detail),
            (header::DIED_AT, &died_at),
            (header::QUEUE, self.queue().name()),
        ] {
            headers.insert(key.into(), AMQPValue::LongString(value.into()));
        }
        headers
    }
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
fn went_out(sent: lapin::Result<bool>) -> Result<(), BrokerError> {
    match sent {
        Ok(true) => Ok(()),
        Ok(false) => Err(BrokerError::away("the channel is closed")),
        Err(error) => Err(BrokerError::away(error)),
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
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
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words.chars().take(MAX_DETAIL).collect()
}
