//! Publishing with confirms and `mandatory`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::Mutex;
use tusou_contract::{Message, Queue};

use super::connection::end;
use super::table::insert_text;
use super::{BrokerError, Unpublished, header};
use crate::trace::TraceParent;

/// The longest wait for all confirms of a batch. A broker out of memory or disk stops reading
/// without a word, and shows only so.
const CONFIRM_WAIT: Duration = Duration::from_secs(30);
/// `delivery_mode` of a message that survives the broker's restart.
const PERSISTENT: u8 = 2;

/// A message to publish.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// To which queue.
    pub queue: Queue,
    /// The AMQP message id: the image's id.
    pub id: String,
    /// The body.
    pub body: Vec<u8>,
    /// The trace that it is part of, which its consumer goes on with.
    pub trace: Option<TraceParent>,
}

impl Outgoing {
    /// A message of the contract, ready to publish.
    pub fn of<M: Message>(message: &M) -> Self {
        Self {
            queue: M::QUEUE,
            id: message.image_id().to_string(),
            body: message.to_body(),
            trace: None,
        }
    }

    /// The same by another queue that takes such messages: a back-fill's.
    pub fn by<M: Message>(queue: Queue, message: &M) -> Self {
        Self {
            queue,
            ..Self::of(message)
        }
    }
}

/// A message by the name of its queue, as retry, dead and flag queues need it.
#[derive(Debug, Clone)]
pub(super) struct Letter<'a> {
    pub(super) queue: &'a str,
    pub(super) id: &'a str,
    pub(super) headers: FieldTable,
    pub(super) body: &'a [u8],
}

/// What the broker did with a [`Letter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    Taken,
    Full,
    Unroutable,
}

/// Publishes with confirms and `mandatory`.
#[derive(Debug)]
pub struct Publisher {
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    connection: Arc<Connection>,
    channel: Channel,
    sequence: u64,
    /// A batch was given up midway: its returns may still come, and be taken for another batch's.
    in_doubt: bool,
    /// The channel refused a message: the next batch goes by a new one.
    refused: bool,
}

impl Publisher {
    pub(super) async fn open(connection: Arc<Connection>) -> Result<Self, BrokerError> {
        let channel = with_confirms(&connection).await?;
        Ok(Self {
            line: Mutex::new(Line {
                connection,
                channel,
                sequence: 0,
                in_doubt: false,
                refused: false,
            }),
        })
    }

    /// Publishes all of them and waits for every confirm: one result a message, in order.
    ///
    /// Concurrent calls wait for each other. Where the future is dropped midway nothing is known
    /// of its batch, and the publisher answers [`BrokerError::Away`] from then on.
    ///
    /// # Errors
    /// `Err` means that the connection broke, or that not every confirm came within 30 s, and that
    /// nothing is known: publish all again.
    pub async fn publish(
        &self,
        batch: &[Outgoing],
    ) -> Result<Vec<Result<(), Unpublished>>, BrokerError> {
        let letters = batch.iter().map(|message| Letter {
            queue: message.queue.name(),
            id: &message.id,
            headers: headers(message.trace.as_ref()),
            body: &message.body,
        });
        let posted = self.post(letters.collect()).await?;
        Ok(batch
            .iter()
            .zip(posted)
            .map(|(message, posted)| match posted {
                Posted::Taken => Ok(()),
                Posted::Full => Err(Unpublished::Full(message.queue)),
                Posted::Unroutable => Err(Unpublished::Unroutable(message.queue)),
            })
            .collect())
    }

    /// Closes its channel, before the connection is.
    pub(super) async fn close(self) {
        end(&self.line.into_inner().channel).await;
    }

    /// Publishes all, then waits for all confirms.
    pub(super) async fn post(&self, letters: Vec<Letter<'_>>) -> Result<Vec<Posted>, BrokerError> {
        let mut line = self.line.lock().await;
        if line.in_doubt {
            return Err(BrokerError::away("an earlier batch was given up midway"));
        }
        line.in_doubt = true;
        let posted = tokio::time::timeout(CONFIRM_WAIT, line.post(letters))
            .await
            .map_err(|_| BrokerError::away("no confirm within 30 s"))??;
        line.in_doubt = false;
        Ok(posted)
    }
}

impl Line {
    /// A queue that is full refuses on any channel. RabbitMQ 3.10 also refuses, and for ever, on one whose first message
    /// came between a leader's end and the next one's election.
    async fn renew(&mut self) -> Result<(), BrokerError> {
        let next = with_confirms(&self.connection).await?;
        let last = std::mem::replace(&mut self.channel, next);
        self.refused = false;
        end(&last).await;
        Ok(())
    }

    async fn post(&mut self, letters: Vec<Letter<'_>>) -> Result<Vec<Posted>, BrokerError> {
        if self.refused {
            self.renew().await?;
        }
        let first = self.sequence;
        let mut confirms = Vec::with_capacity(letters.len());
        for letter in letters {
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_delivery_mode(PERSISTENT)
                .with_message_id(short(letter.id))
                .with_correlation_id(self.sequence.to_string().into())
                .with_headers(letter.headers);
            self.sequence += 1;
            let confirm = self
                .channel
                .basic_publish(
                    "".into(),
                    letter.queue.into(),
                    BasicPublishOptions {
                        mandatory: true,
                        ..BasicPublishOptions::default()
                    },
                    letter.body,
                    properties,
                )
                .await
                .map_err(BrokerError::away)?;
            confirms.push(confirm);
        }

        // lapin hands a returned message to whichever confirm comes next, which need not be its
        // own; so returns are matched by the correlation id, once every confirm is here.
        let mut refused = HashSet::new();
        let mut returned = HashMap::new();
        for (position, confirm) in confirms.into_iter().enumerate() {
            let message = match confirm.await.map_err(BrokerError::away)? {
                Confirmation::Ack(message) => message,
                Confirmation::Nack(message) => {
                    refused.insert(position);
                    message
                }
                Confirmation::NotRequested => {
                    return Err(BrokerError::away("the channel gives no confirms"));
                }
            };
            if let Some(message) = message {
                let id = message.delivery.properties.correlation_id().clone();
                let reason = message.reply_text.to_string();
                returned.insert(id.map(|id| id.to_string()).unwrap_or_default(), reason);
            }
        }

        self.refused = !refused.is_empty();
        Ok((first..self.sequence)
            .enumerate()
            .map(|(position, sequence)| {
                if returned.contains_key(&sequence.to_string()) {
                    Posted::Unroutable
                } else if refused.contains(&position) {
                    Posted::Full
                } else {
                    Posted::Taken
                }
            })
            .collect())
    }
}

fn headers(trace: Option<&TraceParent>) -> FieldTable {
    let mut headers = FieldTable::default();
    if let Some(trace) = trace {
        insert_text(&mut headers, header::TRACE, &trace.to_string());
    }
    headers
}

async fn with_confirms(connection: &Connection) -> Result<Channel, BrokerError> {
    let channel = connection
        .create_channel()
        .await
        .map_err(|error| BrokerError::of("a channel", &error))?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .map_err(|error| BrokerError::of("confirms", &error))?;
    Ok(channel)
}

/// An AMQP short string, cut to the 255 bytes that it may have.
fn short(text: &str) -> ShortString {
    text[..text.floor_char_boundary(255)].into()
}
