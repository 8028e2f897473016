//! RabbitMQ: quorum queues, confirms and returns, retries with a time to live, dead letters.
//!
//! Nothing here reconnects by itself. A broken connection shows as [`BrokerError::Away`] wherever
//! it is used; the caller waits by its [`crate::backoff::Backoff`] and calls [`Broker::connect`]
//! again. What was unacknowledged is then delivered again.

mod connection;
mod delivery;
mod error;
pub mod management;
mod publisher;
mod subscription;
mod topology;

pub use connection::Broker;
pub use delivery::{Delivery, Settled};
pub use error::{BrokerError, Unpublished};
pub use publisher::{Outgoing, Publisher};
pub use subscription::Subscription;

/// Headers that the system puts on its messages; all but the first on dead letters alone.
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
}
