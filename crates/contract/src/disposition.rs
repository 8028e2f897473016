//! What is to become of a message whose handling failed.

use std::time::Duration;

/// An error's verdict on the message that it struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The message itself failed in a way that may pass: try it again after `after`, a bounded
    /// number of times.
    Retry {
        /// The least wait before the next attempt.
        after: Duration,
    },
    /// Something the message needs is away (the index, the blobs): give it back unharmed. No
    /// attempt is counted, and the consumer pauses until the dependency answers again.
    Later,
    /// This build cannot tell what the message is, a later one may: it waits in the retry queue for
    /// as long as it takes, with its reason, and no attempt is counted.
    Wait,
    /// The message can never succeed: park it with its reason.
    DeadLetter,
    /// The message has nothing left to do: acknowledge it.
    Discard,
    /// The process cannot go on (a wrong model, a wrong schema): stop, and leave the message.
    Fatal,
}

/// An error that knows what is to become of the message it struck.
pub trait Verdict: std::error::Error {
    /// What is to become of the message.
    fn disposition(&self) -> Disposition;

    /// A short, stable, snake-case word for metrics, rows and dead letters: `decode_failed`.
    fn reason(&self) -> &'static str;
}
