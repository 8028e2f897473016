//! Items to batches to models on threads of their own.
//!
//! Whoever has an item writes it into the batch that is open, and waits for nothing; a model's thread that
//! is idle takes the next full batch, or the open one when its time has come. So neither side waits for
//! the other while there is work, and a batch goes on filling while all models are busy.
//!
//! Nothing here bounds how many items are pushed: their pushers do, by how many they have at once.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::ModelError;
use crate::chunks::Chunks;

/// What a model runs at once: it is filled, run, emptied and used again.
pub trait Batch: Send + 'static {
    /// What it is filled with.
    type Item: ?Sized;

    /// Takes in one more item.
    fn push(&mut self, item: &Self::Item);

    /// How many it holds.
    fn rows(&self) -> usize;

    /// Empties it, and keeps its memory.
    fn clear(&mut self);
}

/// A model that gives one row of numbers for each item of a batch.
pub trait Model: Send + 'static {
    /// What it runs at once.
    type Batch: Batch;

    /// The pack's name.
    fn name(&self) -> &str;

    /// Makes empty batches with room for that many items.
    fn batches(&self, most: usize) -> Box<dyn Fn() -> Self::Batch + Send + Sync>;

    /// One row of numbers for each of these items of the batch, in order, or an error for all of them.
    ///
    /// # Errors
    /// Those of the model.
    fn run(
        &mut self,
        batch: &Self::Batch,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<Vec<f32>>, ModelError>;
}

/// When a batch is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// With that many items.
    pub most: usize,
    /// That long after its first item, where a model is idle.
    pub wait: Duration,
}

/// One run of a batch, for whoever counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Its items.
    pub rows: usize,
    /// From its first item to the start of its run.
    pub waited: Duration,
    /// How long the run took.
    pub took: Duration,
}

/// The model's threads have ended; a panic is in the log. The process cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model's thread has ended")]
pub struct Stopped;

/// The row of an item, once its batch has run.
#[derive(Debug)]
pub struct Row(oneshot::Receiver<Result<Vec<f32>, ModelError>>);

impl Row {
    /// Waits for it.
    ///
    /// # Errors
    /// [`Stopped`] where a thread died of the batch or all have died.
    pub async fn get(self) -> Result<Result<Vec<f32>, ModelError>, Stopped> {
        self.0.await.map_err(|_| Stopped)
    }
}

/// A handle to models on threads of their own. Cheap to clone; the threads end with the last handle.
pub struct Batcher<M: Model>(Arc<Handle<M::Batch>>);

impl<M: Model> Batcher<M> {
    /// Gives each model a thread. `ran` is called after each run.
    ///
    /// # Errors
    /// Where the system gives no thread.
    ///
    /// # Panics
    /// Without a model.
    pub fn start(
        models: Vec<M>,
        window: Window,
        ran: impl Fn(Ran) + Clone + Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let first = models
            .first()
            .expect("a model for each thread, and at least one");
        let most = window.most.max(1);
        let shared = Arc::new(Shared {
            window: Window { most, ..window },
            new_batch: first.batches(most),
            state: Mutex::new(State {
                free: Vec::new(),
                open: None,
                ready: VecDeque::new(),
                running: 0,
                progress: Instant::now(),
                ended: false,
            }),
            changed: Condvar::new(),
        });
        // Made first: where a later thread cannot be had, dropping it ends those that were.
        let handle = Self(Arc::new(Handle(Arc::clone(&shared))));
        for model in models {
            let (shared, ran) = (Arc::clone(&shared), ran.clone());
            thread::Builder::new()
                .name(format!("model {}", model.name()))
                .spawn(move || serve(model, &shared, ran))?;
        }
        Ok(handle)
    }

    /// Writes an item into the next batch, or into one of its own where it is to be `alone`. It waits
    /// for nobody.
    pub fn push(&self, item: &<M::Batch as Batch>::Item, alone: bool) -> Row {
        let (reply, row) = oneshot::channel();
        let shared = &self.0.0;
        let mut state = shared.lock();
        if !state.ended {
            state.push(item, reply, alone, shared);
            drop(state);
            shared.changed.notify_one();
        }
        Row(row)
    }

    /// How many items wait or run, and for how long no batch has ended meanwhile.
    pub fn stalled(&self) -> Stalled {
        let state = self.0.0.lock();
        let items = state.waiting() + state.running;
        Stalled {
            items,
            since: if items == 0 {
                Duration::ZERO
            } else {
                state.progress.elapsed()
            },
        }
    }
}

/// What [`Batcher::stalled`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalled {
    /// Items that wait or run.
    pub items: usize,
    /// How long no batch has ended while there were any.
    pub since: Duration,
}

impl<M: Model> Clone for Batcher<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Model> std::fmt::Debug for Batcher<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batcher")
    }
}

struct Handle<B: Batch>(Arc<Shared<B>>);

impl<B: Batch> Drop for Handle<B> {
    fn drop(&mut self) {
        self.0.end();
    }
}

type Reply = oneshot::Sender<Result<Vec<f32>, ModelError>>;

struct Filled<B> {
    batch: B,
    replies: Vec<Reply>,
    since: Instant,
}

struct State<B> {
    free: Vec<B>,
    open: Option<Filled<B>>,
    /// Full ones, and those of one item that is to be alone.
    ready: VecDeque<Filled<B>>,
    /// Items that run.
    running: usize,
    /// When a batch ended last, or the first item came after a rest.
    progress: Instant,
    ended: bool,
}

impl<B: Batch> State<B> {
    fn push(&mut self, item: &B::Item, reply: Reply, alone: bool, shared: &Shared<B>) {
        let most = shared.window.most;
        if self.waiting() + self.running == 0 {
            self.progress = Instant::now();
        }
        let open = if alone { None } else { self.open.take() };
        let mut filled = open.unwrap_or_else(|| Filled {
            batch: self.free.pop().unwrap_or_else(|| (shared.new_batch)()),
            replies: Vec::with_capacity(most),
            since: Instant::now(),
        });
        filled.batch.push(item);
        filled.replies.push(reply);
        if alone || filled.replies.len() >= most {
            self.ready.push_back(filled);
        } else {
            self.open = Some(filled);
        }
    }

    fn waiting(&self) -> usize {
        let ready = self.ready.iter().chain(&self.open);
        ready.map(|filled| filled.replies.len()).sum()
    }
}

struct Shared<B> {
    window: Window,
    new_batch: Box<dyn Fn() -> B + Send + Sync>,
    state: Mutex<State<B>>,
    changed: Condvar,
}

impl<B: Batch> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        // Whole after every statement, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch to run; `None` at the end.
    fn take(&self) -> Option<Filled<B>> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let due = state
                .open
                .as_ref()
                .map(|open| open.since + self.window.wait);
            let now = Instant::now();
            let next = match (state.ready.pop_front(), due) {
                (Some(ready), _) => Some(ready),
                (None, Some(due)) if due <= now => state.open.take(),
                _ => None,
            };
            if let Some(next) = next {
                state.running += next.replies.len();
                return Some(next);
            }
            // Another thread may take the open batch first, and then this one finds nothing due.
            let wait = due.map_or(Duration::from_secs(3_600), |due| due - now);
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn give_back(&self, mut batch: B, rows: usize) {
        batch.clear();
        let mut state = self.lock();
        state.free.push(batch);
        state.running -= rows;
        state.progress = Instant::now();
    }

    /// Ends the threads, and drops the replies of what waits.
    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.open = None;
        state.ready.clear();
        drop(state);
        self.changed.notify_all();
    }
}

/// Ends everything where a model's thread panics: whoever waits is told, and nobody waits for ever.
struct EndOnPanic<'a, B: Batch>(&'a Shared<B>);

impl<B: Batch> Drop for EndOnPanic<'_, B> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}

fn serve<M: Model>(mut model: M, shared: &Shared<M::Batch>, ran: impl Fn(Ran)) {
    let _guard = EndOnPanic(shared);
    let mut chunks = Chunks::new(shared.window.most);
    while let Some(Filled {
        batch,
        replies,
        since,
    }) = shared.take()
    {
        let (rows, waited, started) = (replies.len(), since.elapsed(), Instant::now());
        let results = chunks.run(&mut model, &batch);
        ran(Ran {
            rows,
            waited,
            took: started.elapsed(),
        });
        shared.give_back(batch, rows);
        for (reply, result) in replies.into_iter().zip(results) {
            // Whoever asked may have gone; then nobody wants the result.
            let _ = reply.send(result);
        }
    }
}

#[cfg(test)]
mod tests;
