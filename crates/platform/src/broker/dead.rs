//! Dead queues, for a person who looks, retries and drops.

use std::collections::BTreeMap;
use std::fmt;

use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tusou_contract::message::image_of;
use tusou_contract::{ImageId, Queue};

use super::connection::in_time;
use super::delivery::{DELIVERY_COUNT, integer, went_out};
use super::publisher::{Letter, Posted};
use super::{BrokerError, Publisher, Unpublished, header};

/// The reason of a message that the broker itself parked, at its delivery limit.
pub(super) const PARKED_BY_BROKER: &str = "delivery_limit";
/// Hexadecimal digits of a dead letter's id.
const ID_DIGITS: usize = 12;

/// A dead queue. What was taken from it is held until it is retried, dropped or given back; where
/// the connection ends before, the broker has it back.
pub struct DeadQueue {
    channel: Channel,
    queue: Queue,
    publisher: Publisher,
}

/// A message of a dead queue, held.
pub struct DeadLetter {
    inner: Delivery,
    queue: Queue,
}

/// What became of a dead letter that was to be tried again.
#[derive(Debug)]
pub enum Retried {
    /// The work queue has it.
    Published,
    /// The work queue did not take it: it is still held.
    Refused(Box<DeadLetter>, Unpublished),
}

impl DeadQueue {
    pub(super) fn open(channel: Channel, queue: Queue, publisher: Publisher) -> Self {
        Self {
            channel,
            queue,
            publisher,
        }
    }

    /// The work queue that it belongs to.
    pub fn queue(&self) -> Queue {
        self.queue
    }

    /// Takes the next message and holds it; `None` where there is none, or another holds the rest.
    pub async fn next(&mut self) -> Result<Option<DeadLetter>, BrokerError> {
        let name = self.queue.dead_name();
        let got = in_time("an answer", async {
            self.channel
                .basic_get(name.as_str().into(), BasicGetOptions::default())
                .await
                .map_err(|error| BrokerError::of(&format!("to take from `{name}`"), &error))
        });
        Ok(got.await?.map(|message| DeadLetter {
            inner: message.delivery,
            queue: self.queue,
        }))
    }

    /// Publishes it to its work queue as if it were new, and drops it here when the broker has it
    /// there. Stopped between the two it is doubled, which is harmless.
    ///
    /// # Errors
    /// [`BrokerError::Away`]: nothing is known of the message, but that it is not lost.
    pub async fn retry(&self, letter: DeadLetter) -> Result<Retried, BrokerError> {
        let message = Letter {
            queue: self.queue.name(),
            id: letter.message_id(),
            headers: FieldTable::default(),
            body: letter.body(),
        };
        let posted = self.publisher.post(vec![message]).await?;
        match posted.first() {
            Some(Posted::Taken) => {
                self.discard(letter).await?;
                Ok(Retried::Published)
            }
            Some(Posted::Full) => Ok(Retried::Refused(
                Box::new(letter),
                Unpublished::Full(self.queue),
            )),
            Some(Posted::Unroutable) | None => {
                let gone = Unpublished::Unroutable(self.queue);
                Ok(Retried::Refused(Box::new(letter), gone))
            }
        }
    }

    /// Removes it for good.
    pub async fn discard(&self, letter: DeadLetter) -> Result<(), BrokerError> {
        went_out(letter.inner.ack(BasicAckOptions::default()).await)
    }

    /// Puts it back. Those given back in the order in which they were taken are in that order again.
    pub async fn give_back(&self, letter: DeadLetter) -> Result<(), BrokerError> {
        let given_back = letter.inner.nack(BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        });
        went_out(given_back.await)
    }
}

impl DeadLetter {
    /// Twelve hexadecimal digits by which it can be named: the same however often it is looked at.
    /// Two copies of one message that died in the same moment have one id.
    pub fn id(&self) -> String {
        let mut named = self.queue.name().as_bytes().to_vec();
        named.push(b'\n');
        named.extend(self.died_at().unwrap_or_default().bytes());
        named.push(b'\n');
        named.extend(self.body());
        let mut id = ImageId::of(&named).to_string();
        id.truncate(ID_DIGITS);
        id
    }

    /// The work queue that it came by.
    pub fn queue(&self) -> Queue {
        self.queue
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.inner.data
    }

    /// The image that its body names, if it names one.
    pub fn image_id(&self) -> Option<ImageId> {
        image_of(self.body())
    }

    /// The verdict's word; `delivery_limit` where the broker itself parked it.
    pub fn reason(&self) -> String {
        // A message that was retried before carries the reason of that, and no time of death.
        let ours = self.header(header::DIED_AT).is_some();
        let reason = self.text(header::REASON).filter(|_| ours);
        reason.unwrap_or_else(|| PARKED_BY_BROKER.to_owned())
    }

    /// The last failure in words; empty where there was none before the broker itself parked it.
    pub fn detail(&self) -> String {
        self.text(header::DETAIL).unwrap_or_default()
    }

    /// When it died, RFC 3339; where the broker itself parked it, by the broker's clock.
    pub fn died_at(&self) -> Option<String> {
        self.text(header::DIED_AT).or_else(|| self.parked_at())
    }

    /// The attempt that was its last.
    pub fn attempt(&self) -> u32 {
        let attempt = self.header(header::ATTEMPT).and_then(integer);
        attempt
            .and_then(|attempt| u32::try_from(attempt).ok())
            .unwrap_or(1)
    }

    /// Every header but the broker's count of how often it was looked at here.
    pub fn headers(&self) -> BTreeMap<String, Value> {
        let Some(headers) = self.inner.properties.headers() else {
            return BTreeMap::new();
        };
        let headers = headers.inner().iter();
        headers
            .filter(|(key, _)| key.as_str() != DELIVERY_COUNT)
            .map(|(key, value)| (key.to_string(), plain(value)))
            .collect()
    }

    fn message_id(&self) -> &str {
        let id = self.inner.properties.message_id();
        id.as_ref().map_or("", |id| id.as_str())
    }

    fn header(&self, key: &str) -> Option<&AMQPValue> {
        let headers = self.inner.properties.headers().as_ref()?;
        headers.inner().get(key)
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.header(key)? {
            AMQPValue::LongString(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// The time of the broker's latest obituary, which stands first in `x-death`.
    fn parked_at(&self) -> Option<String> {
        let AMQPValue::FieldArray(deaths) = self.header("x-death")? else {
            return None;
        };
        let AMQPValue::FieldTable(death) = deaths.as_slice().first()? else {
            return None;
        };
        let AMQPValue::Timestamp(seconds) = death.inner().get("time")? else {
            return None;
        };
        in_rfc3339(*seconds)
    }
}

/// Seconds since 1970 as RFC 3339.
fn in_rfc3339(seconds: u64) -> Option<String> {
    let seconds = i64::try_from(seconds).ok()?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    time.format(&Rfc3339).ok()
}

/// A header's value as JSON.
fn plain(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => json!(value),
        AMQPValue::LongString(text) => json!(text.to_string()),
        AMQPValue::ShortString(text) => json!(text.as_str()),
        AMQPValue::Timestamp(seconds) => {
            in_rfc3339(*seconds).map_or_else(|| json!(seconds), |time| json!(time))
        }
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(plain).collect(),
        AMQPValue::FieldTable(values) => {
            let values = values.inner().iter();
            values
                .map(|(key, value)| (key.to_string(), plain(value)))
                .collect()
        }
        AMQPValue::Float(value) => json!(value),
        AMQPValue::Double(value) => json!(value),
        AMQPValue::Void => Value::Null,
        other => integer(other).map_or_else(|| json!(format!("{other:?}")), |value| json!(value)),
    }
}

impl fmt::Debug for DeadQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadQueue")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("queue", &self.queue)
            .field("id", &self.id())
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}
