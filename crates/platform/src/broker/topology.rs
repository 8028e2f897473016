//! The queues: for each work queue `q` a retry queue `q.retry` and a dead queue `q.dead`, all
//! quorum queues that refuse a publish when full.

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tusou_contract::Queue;

use super::BrokerError;
use super::table::{insert_number, insert_text};
use crate::config::Amqp;

/// Deliveries after which the broker itself parks a message, since RabbitMQ 3.10 counts every
/// redelivery, given-back ones included. The last guard: `amqp.max_deliveries`, which parks a message
/// with its reason, comes long before.
const DELIVERY_LIMIT: i64 = 100;

/// Declares every queue. A queue that is there with the same arguments stays as it is.
pub(super) async fn declare(channel: &Channel, config: &Amqp) -> Result<(), BrokerError> {
    for queue in Queue::ALL {
        let (retry, dead) = (queue.retry_name(), queue.dead_name());
        declare_one(channel, &dead, bounded(config)).await?;

        let mut arguments = bounded(config);
        dead_letter_to(&mut arguments, &dead);
        insert_number(&mut arguments, "x-delivery-limit", DELIVERY_LIMIT);
        declare_one(channel, queue.name(), arguments).await?;

        let mut arguments = bounded(config);
        dead_letter_to(&mut arguments, queue.name());
        insert_number(
            &mut arguments,
            "x-message-ttl",
            config.retry_after_ms.into(),
        );
        declare_one(channel, &retry, arguments).await?;
    }
    Ok(())
}

fn bounded(config: &Amqp) -> FieldTable {
    let mut arguments = FieldTable::default();
    insert_text(&mut arguments, "x-queue-type", "quorum");
    insert_number(&mut arguments, "x-max-length", config.queue_limit.into());
    // Without it a full queue drops its head.
    insert_text(&mut arguments, "x-overflow", "reject-publish");
    arguments
}

fn dead_letter_to(arguments: &mut FieldTable, queue: &str) {
    insert_text(arguments, "x-dead-letter-exchange", "");
    insert_text(arguments, "x-dead-letter-routing-key", queue);
    // The other strategy loses what the target cannot take.
    insert_text(arguments, "x-dead-letter-strategy", "at-least-once");
}

async fn declare_one(
    channel: &Channel,
    name: &str,
    arguments: FieldTable,
) -> Result<(), BrokerError> {
    channel
        .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
        .await
        .map_err(|error| BrokerError::of(&format!("to declare the queue `{name}`"), &error))?;
    Ok(())
}
