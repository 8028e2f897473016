//! RabbitMQ: quorum queues, confirms and returns, retries with a time to live, dead letters.
//!
//! A consumer takes what was delivered before one at a time ([`OneByOne`]) and asks every delivery
//! whether it is a [`Delivery::suspect`] before it handles it; whatever comes of it goes to
//! [`Delivery::settle`]. A person goes through dead letters with a [`DeadQueue`]. A flag
//! ([`Broker::flag_up`]) tells something to processes that have no database.
//!
//! Nothing here reconnects by itself. A broken connection shows as [`BrokerError::Away`] wherever
//! it is used; the caller waits by its [`crate::backoff::Backoff`] and calls [`Broker::connect`]
//! again. What was unacknowledged is then delivered again. Of a cluster of several nodes, each
//! connecting begins with another one, and goes on to the next where one takes no connection.

mod connection;
mod dead;
mod delivery;
mod error;
mod flag;
pub mod management;
mod nodes;
mod one_by_one;
mod publisher;
mod subscription;
mod table;
mod topology;

pub use connection::Broker;
pub use dead::{DeadLetter, DeadQueue, Retried};
pub use delivery::{Delivery, Quarantined, Settled};
pub use error::{BrokerError, Unpublished};
pub use one_by_one::OneByOne;
pub use publisher::{Outgoing, Publisher};
pub use subscription::Subscription;

/// Headers that the system puts on its messages: the first three on those that come or wait for
/// another attempt, all of them on dead letters.
pub mod header {
    /// Which attempt the message is for, as an integer; the first, which carries none, counts 1.
    pub const ATTEMPT: &str = "x-tusou-attempt";
    /// The verdict's word of the last failure: `decode_failed`.
    pub const REASON: &str = "x-tusou-reason";
    /// The last failure in words, at most 1,000 characters.
    pub const DETAIL: &str = "x-tusou-detail";
    /// When the message died, RFC 3339.
    pub const DIED_AT: &str = "x-tusou-died-at";
    /// The work queue that it came by.
    pub const QUEUE: &str = "x-tusou-queue";
    /// The trace that the message is part of, by W3C Trace Context; kept through retries.
    pub const TRACE: &str = "traceparent";
    /// On a flag queue: why it was put up. Of the queue's arguments, not of a message.
    pub const WHY: &str = "x-tusou-why";
    /// On a flag queue: since when, RFC 3339.
    pub const SINCE: &str = "x-tusou-since";
}
