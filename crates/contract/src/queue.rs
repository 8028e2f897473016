//! The queues, by name.

use std::fmt;

/// The flag queue whose presence pauses the encoder, which has no database to read its pause from.
pub const ENCODER_PAUSED: &str = "paused.encoder";

/// What the names of flag queues begin with. A flag queue holds nothing, ever; that it is there is
/// all that it says.
pub const FLAG_PREFIX: &str = "paused.";

/// A work queue. Beside each stand a retry queue, whose messages come back after a time to live,
/// and a dead queue, where messages are parked with their reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Crawler to encoder: [`crate::ImageFetched`].
    ImagesFetched,
    /// Encoder to indexer: [`crate::ImageEmbedded`].
    ImagesEmbedded,
    /// Crawler to indexer: [`crate::ImageChanged`].
    ImagesChanged,
    /// Back-fill of a new model, beside the crawl's own queue: [`crate::ImageFetched`].
    ImagesReencode,
    /// Back-fill of a new or lost index, beside the crawl's own queue: [`crate::ImageChanged`].
    ImagesReindex,
}

impl Queue {
    /// Every work queue.
    pub const ALL: [Self; 5] = [
        Self::ImagesFetched,
        Self::ImagesEmbedded,
        Self::ImagesChanged,
        Self::ImagesReencode,
        Self::ImagesReindex,
    ];

    /// The work queue's name at the broker.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImagesFetched => "images.fetched",
            Self::ImagesEmbedded => "images.embedded",
            Self::ImagesChanged => "images.changed",
            Self::ImagesReencode => "images.reencode",
            Self::ImagesReindex => "images.reindex",
        }
    }

    /// The work queue of that name, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }

    /// The work queue of a queue's name: its own, its retry queue's or its dead queue's.
    pub fn behind(name: &str) -> Option<Self> {
        let stem = name
            .strip_suffix(".dead")
            .or_else(|| name.strip_suffix(".retry"));
        Self::from_name(stem.unwrap_or(name))
    }

    /// The name of its retry queue.
    pub fn retry_name(self) -> String {
        format!("{}.retry", self.name())
    }

    /// The name of its dead queue.
    pub fn dead_name(self) -> String {
        format!("{}.dead", self.name())
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_is_found_by_its_names_and_no_flag_is_one() {
        for queue in Queue::ALL {
            assert_eq!(Queue::from_name(queue.name()), Some(queue));
            for name in [queue.name(), &queue.retry_name(), &queue.dead_name()] {
                assert_eq!(Queue::behind(name), Some(queue), "{name}");
                assert!(!name.starts_with(FLAG_PREFIX), "{name}");
            }
        }
        assert_eq!(Queue::behind(ENCODER_PAUSED), None);
        assert_eq!(Queue::behind("images"), None);
        assert!(ENCODER_PAUSED.starts_with(FLAG_PREFIX));
    }
}
