//! A queue whose messages are taken one at a time.

use std::fmt;
use std::sync::Arc;

use lapin::Channel;
use lapin::options::BasicGetOptions;
use tusou_contract::Queue;

use super::connection::in_time;
use super::delivery::{Delivery, Desk};
use super::{BrokerError, Publisher};
use crate::config::Amqp;

/// A queue whose messages are taken one at a time: what a consumer does after a crash, when one of
/// those that come back may be what killed it.
///
/// A subscription holds at least one message of each queue, so with two queues a message that kills
/// the process would be counted together with an innocent one. Here nothing is held but what is in
/// hand, and an empty queue says so instead of waiting.
///
/// Keep it until what it gave is settled: with it goes the channel, and what is unsettled goes back.
pub struct OneByOne {
    channel: Channel,
    desk: Arc<Desk>,
}

impl OneByOne {
    pub(super) fn open(
        channel: Channel,
        queue: Queue,
        publisher: Publisher,
        config: &Amqp,
    ) -> Self {
        Self {
            channel,
            desk: Arc::new(Desk::new(queue, publisher, config)),
        }
    }

    /// The next message, the returned ones first; `None` where the queue holds none now.
    ///
    /// # Errors
    /// [`BrokerError::Away`] where the broker does not answer within 15 s.
    pub async fn next(&mut self) -> Result<Option<Delivery>, BrokerError> {
        let queue = self.desk.queue();
        let got = in_time("an answer", async {
            self.channel
                .basic_get(queue.name().into(), BasicGetOptions::default())
                .await
                .map_err(|error| BrokerError::of(&format!("to take from `{queue}`"), &error))
        });
        let got = got.await?;
        Ok(got.map(|message| Delivery::new(message.delivery, Arc::clone(&self.desk))))
    }
}

impl fmt::Debug for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneByOne")
            .field("queue", &self.desk.queue())
            .finish_non_exhaustive()
    }
}
