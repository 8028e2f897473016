//! The queues, by name.

use std::fmt;

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
}

impl Queue {
    /// Every work queue.
    pub const ALL: [Self; 3] = [
        Self::ImagesFetched,
        Self::ImagesEmbedded,
        Self::ImagesChanged,
    ];

    /// The work queue's name at the broker.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImagesFetched => "images.fetched",
            Self::ImagesEmbedded => "images.embedded",
            Self::ImagesChanged => "images.changed",
        }
    }

    /// The work queue of that name, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
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
