//! Models on threads of their own, reached over a bounded channel.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::ModelError;

/// A model that turns a batch of items into a unit vector each.
pub trait Model: Send + 'static {
    /// What it takes.
    type Item: Send + 'static;

    /// The pack's name.
    fn name(&self) -> &str;

    /// One unit vector for each item, in order, or an error for the whole batch.
    ///
    /// # Errors
    /// Those of the model.
    fn embed(&mut self, items: &[Self::Item]) -> Result<Vec<Vec<f32>>, ModelError>;
}

/// Every item's own result.
pub type Results = Vec<Result<Vec<f32>, ModelError>>;

struct Job<I> {
    items: Vec<I>,
    reply: oneshot::Sender<Results>,
}

/// The model's threads have ended; a panic is in the log. The process cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model's thread has ended")]
pub struct Stopped;

/// A handle to models on threads of their own. Cheap to clone; the threads end with the last handle.
pub struct ModelThreads<M: Model> {
    jobs: mpsc::Sender<Job<M::Item>>,
}

impl<M: Model> ModelThreads<M> {
    /// Gives each model a thread; all take batches from one channel that holds as many as there
    /// are models.
    ///
    /// # Errors
    /// Where the system gives no thread.
    ///
    /// # Panics
    /// Without a model.
    pub fn spawn(models: Vec<M>) -> Result<Self, std::io::Error> {
        assert!(
            !models.is_empty(),
            "a model for each thread, and at least one"
        );
        let (jobs, queue) = mpsc::channel(models.len());
        let queue = Arc::new(Mutex::new(queue));
        for model in models {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("model {}", model.name()))
                .spawn(move || serve(model, &queue))?;
        }
        Ok(Self { jobs })
    }

    /// Runs a batch; waits while every thread is busy and the channel is full. Where the batch as
    /// a whole fails, each item is tried alone, so that a bad one does not hurt its mates.
    ///
    /// # Errors
    /// [`Stopped`] where a thread died of the batch or all have died.
    pub async fn embed(&self, items: Vec<M::Item>) -> Result<Results, Stopped> {
        let (reply, results) = oneshot::channel();
        self.jobs
            .send(Job { items, reply })
            .await
            .map_err(|_| Stopped)?;
        results.await.map_err(|_| Stopped)
    }
}

impl<M: Model> Clone for ModelThreads<M> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
        }
    }
}

impl<M: Model> std::fmt::Debug for ModelThreads<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ModelThreads")
    }
}

fn serve<M: Model>(mut model: M, queue: &Mutex<mpsc::Receiver<Job<M::Item>>>) {
    loop {
        // The lock is held while waiting: one thread waits for a job, the others for the lock.
        let job = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        let Some(job) = job else { return };
        let results = embed_each(&mut model, &job.items);
        // Whoever asked may have gone; then nobody wants the results.
        let _ = job.reply.send(results);
    }
}

fn embed_each<M: Model>(model: &mut M, items: &[M::Item]) -> Results {
    match model.embed(items) {
        Ok(vectors) => vectors.into_iter().map(Ok).collect(),
        Err(error) if items.len() == 1 => vec![Err(error)],
        Err(error) => {
            tracing::warn!(model = model.name(), items = items.len(), %error, "a batch failed; running its items one by one");
            let alone = |item| {
                model
                    .embed(std::slice::from_ref(item))
                    .map(|mut one| one.swap_remove(0))
            };
            items.iter().map(alone).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers a number as a vector; 0 fails its batch, a negative number panics.
    struct Numbers;

    impl Model for Numbers {
        type Item = i32;

        fn name(&self) -> &str {
            "numbers"
        }

        fn embed(&mut self, items: &[i32]) -> Result<Vec<Vec<f32>>, ModelError> {
            assert!(items.iter().all(|item| *item >= 0), "a broken invariant");
            if items.contains(&0) {
                return Err(ModelError::BadOutput {
                    model: "numbers".into(),
                    what: "nothing".into(),
                });
            }
            Ok(items.iter().map(|item| vec![*item as f32]).collect())
        }
    }

    #[tokio::test]
    async fn a_bad_item_does_not_hurt_its_mates() {
        let threads = ModelThreads::spawn(vec![Numbers, Numbers]).expect("threads start");
        let results = threads
            .embed(vec![1, 0, 3])
            .await
            .expect("the thread lives");
        let vectors: Vec<Option<Vec<f32>>> = results.into_iter().map(Result::ok).collect();
        assert_eq!(vectors, [Some(vec![1.0]), None, Some(vec![3.0])]);
    }

    #[tokio::test]
    async fn a_dead_thread_is_an_error_and_not_a_wait() {
        let threads = ModelThreads::spawn(vec![Numbers]).expect("a thread starts");
        assert_eq!(
            threads
                .embed(vec![-1])
                .await
                .expect_err("the thread died of it"),
            Stopped
        );
        assert_eq!(
            threads.embed(vec![1]).await.expect_err("no thread is left"),
            Stopped
        );
    }
}
