//! Bytes to tensors, hash, colours and thumbnail, on blocking threads, with memory and time bounded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tusou_contract::{BlobKey, ImageFetched, ImageId};
use tusou_model::decode::{self, Detail};
use tusou_model::{Limits, colors, phash, thumbnail};
use tusou_platform::Shutdown;
use tusou_platform::blobs::BlobStore;

use crate::config::Settings;
use crate::error::PictureError;
use crate::metrics::{self, Held};
use crate::models::{Models, Rows};

/// Memory is counted in steps of this many bytes, since semaphores count to 2^32 only.
const STEP: u64 = 64 << 10;

/// What the pixels of a picture gave.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// On their way through the models.
    pub(crate) rows: Rows,
    pub(crate) phash: String,
    pub(crate) colors: Vec<String>,
    /// A JPEG.
    pub(crate) thumbnail: Vec<u8>,
}

/// Turns blobs into [`Prepared`] pictures. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Preparer {
    blobs: BlobStore,
    models: Arc<Models>,
    limits: Limits,
    detail: Detail,
    max_image_bytes: u64,
    timeout: Duration,
    blob_memory: Budget,
    decode_memory: Budget,
    threads: Arc<Semaphore>,
    stuck: Stuck,
}

impl Preparer {
    /// `stopped` is requested when every thread hangs.
    pub(crate) fn new(
        settings: &Settings,
        blobs: BlobStore,
        models: Arc<Models>,
        stopped: Shutdown,
    ) -> Self {
        let detail = if settings.exact {
            Detail::Whole
        } else {
            models.needed().into()
        };
        Self {
            blobs,
            models,
            detail,
            limits: Limits {
                max_pixels: settings.max_image_pixels,
                max_memory: settings.decode_bytes,
            },
            max_image_bytes: settings.max_image_bytes,
            timeout: settings.decode_timeout,
            blob_memory: Budget::new(settings.blob_bytes),
            decode_memory: Budget::new(settings.decode_bytes),
            threads: Arc::new(Semaphore::new(settings.decode_threads)),
            stuck: Stuck {
                count: Arc::default(),
                most: settings.decode_threads,
                stopped,
            },
        }
    }

    /// Why the bytes are not there.
    async fn missing(&self, message: &ImageFetched) -> PictureError {
        let mark = BlobKey::removed(&message.image_id);
        match self.blobs.exists(&mark).await {
            Ok(true) => PictureError::Removed(message.image_id),
            Ok(false) => PictureError::BlobMissing(message.blob_key.clone()),
            Err(cause) => cause.into(),
        }
    }

    /// Reads and prepares a picture, and hands it to the models, in runs of its own where it is to be
    /// `alone`; waits for memory and a thread.
    pub(crate) async fn prepare(
        &self,
        message: &ImageFetched,
        alone: bool,
    ) -> Result<Prepared, PictureError> {
        let delivered = Instant::now();
        let mut blob_memory = self.blob_memory.take(self.max_image_bytes).await;
        let key = &message.blob_key;
        let bytes = self.blobs.get(key, self.max_image_bytes).await?;
        let Some(bytes) = bytes else {
            return Err(self.missing(message).await);
        };
        blob_memory.shrink_to(bytes.len() as u64);

        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .expect("it is never closed");
        let (format, limits, detail) = (message.format, self.limits, self.detail);
        let expected = message.image_id;
        let (thread, bytes, plan) = {
            let inspect = move |bytes: &Bytes| {
                (ImageId::of(bytes) == expected)
                    .then(|| decode::inspect(bytes, format, &limits, detail))
            };
            let (held, bytes, plan) = self.bounded((thread, blob_memory), bytes, inspect).await?;
            (
                held,
                bytes,
                plan.ok_or_else(|| PictureError::BlobDamaged(key.clone()))??,
            )
        };

        let memory = self.decode_memory.take(plan.memory).await;
        let models = Arc::clone(&self.models);
        let work = move |bytes: &Bytes| {
            metrics::queued(delivered.elapsed());
            let picture = timed(metrics::decoded, || {
                decode::decode(bytes, format, &limits, detail)
            })?;
            let rows = timed(metrics::resized, || models.push(&picture, alone));
            timed(metrics::looked_at, || {
                let small = thumbnail::reduced(&picture, thumbnail::LONGER_SIDE);
                drop(picture);
                Ok(Prepared {
                    rows,
                    phash: phash::phash(&small),
                    colors: colors::main_colors(&small),
                    thumbnail: thumbnail::jpeg(&small),
                })
            })
        };
        let (_, _, prepared) = self.bounded((thread, memory), bytes, work).await?;
        prepared
    }

    /// Runs `work` on a blocking thread within the time for decoding. What is `held` is held until
    /// the thread has really ended, however long after the time that is.
    async fn bounded<H, T>(
        &self,
        held: H,
        bytes: Bytes,
        work: impl FnOnce(&Bytes) -> T + Send + 'static,
    ) -> Result<(H, Bytes, T), PictureError>
    where
        H: Send + 'static,
        T: Send + 'static,
    {
        let overdue = Arc::<Mutex<Overdue>>::default();
        let running = Running(Arc::clone(&overdue));
        let task = spawn_blocking(move || {
            let _running = running;
            let result = work(&bytes);
            (held, bytes, result)
        });
        match tokio::time::timeout(self.timeout, task).await {
            Ok(Ok(done)) => Ok(done),
            // The panic's words are in the log.
            Ok(Err(join)) if join.is_panic() => Err(PictureError::Panicked),
            Ok(Err(_)) => Err(PictureError::Ending),
            Err(_) => {
                locked(&overdue).begin(&self.stuck);
                Err(PictureError::DecodeTimeout(self.timeout))
            }
        }
    }
}

fn timed<T>(tell: fn(Duration), work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    tell(started.elapsed());
    result
}

/// A blocking thread at work; however it ends, it is overdue no more.
#[derive(Debug)]
struct Running(Arc<Mutex<Overdue>>);

impl Drop for Running {
    fn drop(&mut self) {
        locked(&self.0).end();
    }
}

fn locked(overdue: &Mutex<Overdue>) -> MutexGuard<'_, Overdue> {
    // Whole after every statement, so a panic elsewhere spoils nothing.
    overdue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A decode that is beyond its time, unless it has ended meanwhile.
#[derive(Debug, Default)]
struct Overdue {
    ended: bool,
    counted: Option<StuckGuard>,
}

impl Overdue {
    fn begin(&mut self, stuck: &Stuck) {
        if !self.ended {
            self.counted = Some(stuck.enter());
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.counted = None;
    }
}

/// Counts the threads that hang in a picture. When all do, nothing can be prepared any more.
#[derive(Debug, Clone)]
struct Stuck {
    count: Arc<AtomicUsize>,
    most: usize,
    stopped: Shutdown,
}

#[derive(Debug)]
struct StuckGuard(
    Arc<AtomicUsize>,
    #[expect(dead_code, reason = "held for its drop")] Held,
);

impl Stuck {
    fn enter(&self) -> StuckGuard {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(
            count,
            of = self.most,
            "a decode is beyond its time; its thread is lost until it ends"
        );
        if count >= self.most {
            self.stopped.request();
        }
        StuckGuard(Arc::clone(&self.count), Held::stuck())
    }
}

impl Drop for StuckGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory that is shared out.
#[derive(Debug, Clone)]
struct Budget {
    steps: Arc<Semaphore>,
    most: u32,
}

/// A share of a [`Budget`], given back when dropped.
#[derive(Debug)]
struct Share {
    permit: OwnedSemaphorePermit,
    held: Held,
}

fn steps(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(STEP)).unwrap_or(u32::MAX)
}

impl Budget {
    fn new(bytes: u64) -> Self {
        let most = steps(bytes);
        Self {
            steps: Arc::new(Semaphore::new(most as usize)),
            most,
        }
    }

    /// Waits for that much, or for all there is.
    async fn take(&self, bytes: u64) -> Share {
        let wanted = steps(bytes).min(self.most);
        let permit = Arc::clone(&self.steps).acquire_many_owned(wanted).await;
        let permit = permit.expect("a budget is never closed");
        Share {
            held: Held::memory(u64::from(wanted) * STEP),
            permit,
        }
    }
}

impl Share {
    /// Gives back what is above `bytes`.
    fn shrink_to(&mut self, bytes: u64) {
        let surplus = self
            .permit
            .num_permits()
            .saturating_sub(steps(bytes) as usize);
        drop(self.permit.split(surplus));
        self.held = Held::memory(self.permit.num_permits() as u64 * STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_shared_out_and_given_back() {
        let budget = Budget::new(10 * STEP);
        let mut share = budget.take(100 * STEP).await;
        assert_eq!(budget.steps.available_permits(), 0, "more than all is all");
        share.shrink_to(3 * STEP - 1);
        assert_eq!(budget.steps.available_permits(), 7);
        drop(share);
        assert_eq!(budget.steps.available_permits(), 10);
    }

    #[test]
    fn the_service_stops_when_every_thread_hangs() {
        let stopped = Shutdown::new();
        let stuck = Stuck {
            count: Arc::default(),
            most: 2,
            stopped: stopped.clone(),
        };
        let (mut first, mut second, mut ended) =
            (Overdue::default(), Overdue::default(), Overdue::default());
        first.begin(&stuck);
        ended.end();
        ended.begin(&stuck);
        assert!(
            !stopped.is_requested(),
            "one hangs, and one had ended just in time"
        );
        first.end();
        second.begin(&stuck);
        assert!(!stopped.is_requested(), "the first ended after all");
        first = Overdue::default();
        first.begin(&stuck);
        assert!(stopped.is_requested());
    }
}
