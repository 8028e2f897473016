//! The encoder's configuration with its blanks filled in.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use tusou_platform::Config;

/// Bytes of memory that decoding may take, all pictures together: with the models and the blobs
/// held it keeps the process below 1 GiB.
const DECODE_BYTES: u64 = 448 << 20;
/// Bytes of blobs that may be held, all pictures together.
const BLOB_BYTES: u64 = 96 << 20;
/// From the request to end: pictures in work get this long, the others are given back.
const DRAIN: Duration = Duration::from_secs(25);

/// On a GPU one batch is copied there while another runs.
const BATCHES_IN_FLIGHT: usize = 2;

/// Model runs at once. On the processor there is one for each core, each on one thread: on two cores two
/// runs of one thread gave 38.0 pictures a second and one run on two threads 36.1 (ViT-B/32, f32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sessions {
    pub(crate) cpu: usize,
    pub(crate) cuda: usize,
}

/// What the stages need.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Unacknowledged messages allowed.
    pub(crate) prefetch: u16,
    /// Attempts of a message, the first included.
    pub(crate) max_attempts: u32,
    /// Pictures in a model run, at most.
    pub(crate) batch: usize,
    /// The longest that a picture waits for its batch to fill.
    pub(crate) batch_wait: Duration,
    /// Pictures decoded at once.
    pub(crate) decode_threads: usize,
    /// Model runs at once on the processor, or on a GPU.
    pub(crate) sessions: Sessions,
    /// Whether JPEGs are decoded whole.
    pub(crate) exact: bool,
    /// The most bytes of an original.
    pub(crate) max_image_bytes: u64,
    /// The most pixels of a picture.
    pub(crate) max_image_pixels: u64,
    /// The longest that a picture's decoding may take.
    pub(crate) decode_timeout: Duration,
    /// Bytes of memory that decoding may take, all pictures together.
    pub(crate) decode_bytes: u64,
    /// Bytes of blobs that may be held, all pictures together.
    pub(crate) blob_bytes: u64,
    /// How long pictures in work get when the process is to end.
    pub(crate) drain: Duration,
}

impl Settings {
    /// The settings of a configuration; 0 decode threads are one a core.
    pub(crate) fn of(config: &Config) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let or_cores = |count: usize| if count == 0 { cores } else { count };
        let encoder = &config.encoder;
        Self {
            prefetch: encoder.prefetch,
            max_attempts: config.amqp.max_attempts,
            batch: encoder.batch.max(1),
            batch_wait: Duration::from_millis(encoder.batch_wait_ms),
            decode_threads: or_cores(encoder.decode_threads),
            sessions: Sessions {
                cpu: or_cores(encoder.sessions),
                cuda: if encoder.sessions == 0 {
                    BATCHES_IN_FLIGHT
                } else {
                    encoder.sessions
                },
            },
            exact: encoder.exact,
            max_image_bytes: encoder.max_image_bytes,
            max_image_pixels: encoder.max_image_pixels,
            decode_timeout: Duration::from_millis(encoder.decode_timeout_ms),
            decode_bytes: DECODE_BYTES,
            blob_bytes: BLOB_BYTES,
            drain: DRAIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_threads_are_one_a_core() {
        let settings = Settings::of(&Config::default());
        assert!(settings.decode_threads >= 1 && settings.sessions.cpu >= 1);
        assert_eq!(settings.sessions.cuda, 2);
        let mut config = Config::default();
        config.encoder.decode_threads = 3;
        assert_eq!(Settings::of(&config).decode_threads, 3);
    }
}
