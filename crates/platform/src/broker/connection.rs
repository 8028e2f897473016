//! A connection with its topology declared.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tusou_contract::Queue;

use super::dead::DeadQueue;
use super::one_by_one::OneByOne;
use super::publisher::{Outgoing, Publisher};
use super::subscription::Subscription;
use super::{BrokerError, nodes, topology};
use crate::config::Amqp;

/// The longest wait for a connection with its queues, of each node.
const CONNECT_WAIT: Duration = Duration::from_secs(15);
/// The longest wait for the bare connection where another node can be tried.
const REACH_WAIT: Duration = Duration::from_secs(5);
/// The longest wait for a goodbye.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// A peer silent for twice as long is gone.
const HEARTBEAT_SECONDS: u16 = 20;

/// A connection with its topology declared. Cheap to clone. It closes when it, its publishers,
/// its subscriptions and their deliveries are gone.
#[derive(Clone)]
pub struct Broker {
    connection: Arc<Connection>,
    config: Amqp,
}

impl Broker {
    /// Connects and declares every queue (work, retry, dead). `name` is what the management page
    /// shows for the connection.
    ///
    /// Of several nodes one after the other is tried, from another one on each time.
    ///
    /// # Errors
    /// [`BrokerError::Away`] where no node answers within 15 s, [`BrokerError::Refused`] where
    /// credentials, virtual host or the arguments of a queue do not fit. Of several nodes it names each
    /// with what it said.
    pub async fn connect(config: &Amqp, name: &str) -> Result<Self, BrokerError> {
        let nodes = config.nodes();
        let several = nodes.len() > 1;
        let reach = if several { REACH_WAIT } else { CONNECT_WAIT };
        let mut told = Vec::new();
        for position in nodes::order(nodes.len(), nodes::turn()) {
            let (key, url) = nodes[position];
            let opened = in_time("a connection", Self::open(config, (key, url), name, reach)).await;
            let error = match opened {
                Ok(broker) => return Ok(broker),
                Err(error) => error,
            };
            let node = nodes::name(url);
            if several {
                tracing::debug!(node, %error, "passed over");
            }
            told.push((node, error));
        }
        Err(nodes::none_of(told))
    }

    async fn open(
        config: &Amqp,
        (key, url): (&str, &str),
        name: &str,
        reach: Duration,
    ) -> Result<Self, BrokerError> {
        let mut uri: AMQPUri = url.parse().map_err(|reason: String| BrokerError::Refused {
            what: format!("`{key}`"),
            // The parser shows some of what it cannot read whole, with the password.
            reason: format!(
                "{}it takes amqp://user:password@host:port/vhost",
                if reason.contains(url) {
                    String::new()
                } else {
                    reason + "; "
                }
            ),
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = tokio::time::timeout(reach, Connection::connect_uri(uri, properties))
            .await
            .map_err(|_| BrokerError::away(format!("no answer within {} s", reach.as_secs())))?
            .map_err(|error| BrokerError::of("the connection", &error))?;
        let broker = Self {
            connection: Arc::new(connection),
            config: config.clone(),
        };
        topology::declare(&broker.channel().await?, config).await?;
        Ok(broker)
    }

    /// A publisher on a channel of its own, in confirm mode.
    pub async fn publisher(&self) -> Result<Publisher, BrokerError> {
        in_time("a publisher", async {
            Publisher::open(Arc::clone(&self.connection)).await
        })
        .await
    }

    /// Consumes a queue; `prefetch` unacknowledged messages are allowed at once.
    pub async fn subscribe(
        &self,
        queue: Queue,
        prefetch: u16,
    ) -> Result<Subscription, BrokerError> {
        let publisher = self.publisher().await?;
        // A queue whose leader is still being elected, after a restart, may never answer.
        in_time("a subscription", async {
            let channel = self.channel().await?;
            Subscription::open(channel, queue, prefetch, publisher, &self.config).await
        })
        .await
    }

    /// Takes messages of a queue one at a time, without waiting for any.
    pub async fn one_by_one(&self, queue: Queue) -> Result<OneByOne, BrokerError> {
        in_time("a channel", async {
            let publisher = self.publisher().await?;
            let channel = self.channel().await?;
            Ok(OneByOne::open(channel, queue, publisher, &self.config))
        })
        .await
    }

    /// Opens the dead queue of a work queue. Its messages are held until they are retried, dropped
    /// or given back, or the connection ends.
    pub async fn dead(&self, queue: Queue) -> Result<DeadQueue, BrokerError> {
        in_time("a channel", async {
            let publisher = self.publisher().await?;
            Ok(DeadQueue::open(self.channel().await?, queue, publisher))
        })
        .await
    }

    /// Messages ready in a queue of that name (work, retry or dead), as the broker counts them now.
    pub async fn ready(&self, queue: &str) -> Result<u32, BrokerError> {
        // A channel of its own: the broker closes it where there is no such queue.
        let channel = self.channel().await?;
        let declared = channel
            .queue_declare(
                queue.into(),
                QueueDeclareOptions {
                    passive: true,
                    ..QueueDeclareOptions::default()
                },
                FieldTable::default(),
            )
            .await
            .map_err(|error| BrokerError::of(&format!("to look at `{queue}`"), &error))?;
        end(&channel).await;
        Ok(declared.message_count())
    }

    /// Publishes one batch on a channel of its own; for commands that publish once.
    pub async fn publish(
        &self,
        batch: &[Outgoing],
    ) -> Result<Vec<Result<(), super::Unpublished>>, BrokerError> {
        let publisher = self.publisher().await?;
        let published = publisher.publish(batch).await;
        publisher.close().await;
        published
    }

    /// Whether the connection stands, as far as this side knows.
    pub fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Closes the connection; unacknowledged messages go back.
    pub async fn close(&self) {
        let goodbye = self.connection.close(200, "done".into());
        match tokio::time::timeout(CLOSE_WAIT, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the broker was gone before the goodbye"),
            Err(_) => tracing::debug!("the broker did not answer the goodbye"),
        }
    }

    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        self.connection
            .create_channel()
            .await
            .map_err(|error| BrokerError::of("a channel", &error))
    }
}

/// Closes a channel. One that is only dropped closes some time later, and a connection that ends in the midst of
/// that calls it an error, in the log of whoever looks for one.
pub(super) async fn end(channel: &Channel) {
    if let Err(error) = channel.close(200, "done".into()).await {
        tracing::debug!(%error, "a channel was gone before it was closed");
    }
}

/// What the broker does not answer within 15 s it will not answer.
pub(super) async fn in_time<T>(
    what: &str,
    asked: impl Future<Output = Result<T, BrokerError>>,
) -> Result<T, BrokerError> {
    tokio::time::timeout(CONNECT_WAIT, asked)
        .await
        .map_err(|_| {
            BrokerError::away(format!("no {} within 15 s", what.trim_start_matches("a ")))
        })?
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the configuration: its URL holds a password.
        f.debug_struct("Broker")
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
