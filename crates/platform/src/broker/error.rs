//! What the broker did not do, and whether it may do it later.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use tusou_contract::{Disposition, Queue, Verdict};

/// The broker cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// It does not answer or the connection broke: later.
    #[error("RabbitMQ is away: {0}")]
    Away(String),
    /// A queue is there with other arguments, credentials are wrong, …; names the remedy.
    #[error("RabbitMQ refused {what}: {reason}")]
    Refused {
        /// the request in words
        what: String,
        /// its own words, and the remedy
        reason: String,
    },
}

impl BrokerError {
    /// The connection is of no more use.
    pub(super) fn away(cause: impl std::fmt::Display) -> Self {
        Self::Away(cause.to_string())
    }

    /// Tells a refusal, which stays one however often it is asked, from an absence.
    pub(super) fn of(what: &str, error: &lapin::Error) -> Self {
        let ErrorKind::ProtocolError(refusal) = error.kind() else {
            return Self::away(error);
        };
        let remedy = match refusal.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                "check the user, the password and the permissions of `amqp.url`"
            }
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => {
                "the queue is there with other arguments: set `amqp.queue_limit` and \
                 `amqp.retry_after_ms` as they were, or drain and delete the queue"
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                "check the virtual host of `amqp.url`, and that the user may use it"
            }
            _ => return Self::away(error),
        };
        Self::Refused {
            what: what.to_owned(),
            reason: format!("{}; {remedy}", refusal.get_message()),
        }
    }
}

impl Verdict for BrokerError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Away(_) => Disposition::Later,
            Self::Refused { .. } => Disposition::Fatal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Away(_) => "broker_away",
            Self::Refused { .. } => "broker_refused",
        }
    }
}

/// Why one message was not taken by the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpublished {
    /// The queue is full (`reject-publish`): wait and publish it again. A quorum queue that was
    /// full takes again below four fifths of its limit.
    #[error("{0} is full")]
    Full(Queue),
    /// No queue took it (returned, though confirmed).
    #[error("{0} is not there")]
    Unroutable(Queue),
}
