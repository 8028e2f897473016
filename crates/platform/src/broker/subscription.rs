//! A consumed queue.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tusou_contract::Queue;

use super::connection::CLOSE_WAIT;
use super::delivery::{Delivery, Desk};
use super::{BrokerError, Publisher};
use crate::config::Amqp;

/// A consumed queue. When it is closed or dropped, and its deliveries are gone, what was not
/// settled goes back to the queue.
pub struct Subscription {
    channel: Channel,
    consumer: Consumer,
    desk: Arc<Desk>,
}

impl Subscription {
    pub(super) async fn open(
        channel: Channel,
        queue: Queue,
        prefetch: u16,
        publisher: Publisher,
        config: &Amqp,
    ) -> Result<Self, BrokerError> {
        let refused = |error: lapin::Error| {
            BrokerError::of(&format!("to consume the queue `{queue}`"), &error)
        };
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await
            .map_err(refused)?;
        let consumer = channel
            .basic_consume(
                queue.name().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(refused)?;
        Ok(Self {
            channel,
            consumer,
            desk: Arc::new(Desk::new(queue, publisher, config)),
        })
    }

    /// The queue.
    pub fn queue(&self) -> Queue {
        self.desk.queue()
    }

    /// The next delivery. Cancel-safe.
    ///
    /// # Errors
    /// [`BrokerError::Away`] when the connection, the channel or the queue is gone, also by the
    /// broker's limit of 30 minutes for a settlement.
    pub async fn next(&mut self) -> Result<Delivery, BrokerError> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(Delivery::new(delivery, Arc::clone(&self.desk))),
            Some(Err(error)) => Err(BrokerError::away(error)),
            None => Err(BrokerError::away("the broker ended the subscription")),
        }
    }

    /// Ends the subscription at once: what was not settled goes back, whatever still holds it, and
    /// settling it says [`BrokerError::Away`]. The way to pause while a dependency is away.
    pub async fn close(self) {
        let goodbye = self.channel.close(200, "done".into());
        match tokio::time::timeout(CLOSE_WAIT, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the channel was gone before its end"),
            Err(_) => tracing::debug!("the broker did not answer the channel's end"),
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("queue", &self.queue())
            .finish_non_exhaustive()
    }
}
