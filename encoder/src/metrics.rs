//! Every metric of the encoder, named once.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tusou_model::{Provider, Ran};
use tusou_platform::metric;

tusou_platform::catalogue! {
    /// What the encoder counts and measures.
    METRICS;
    Counter IMAGES = "encoder_images_total" ["outcome"] "Pictures by outcome: encoded, or why not";
    Gauge INFLIGHT = "encoder_inflight_images" [] "Pictures taken from the queue and not yet settled";
    Histogram BATCH_SIZE = "encoder_batch_size" ["model"] "Pictures in a model run, by model";
    Histogram QUEUE_SECONDS = "encoder_queue_seconds" []
        "From a picture's delivery to its decoding: memory, its bytes, a thread";
    Histogram DECODE_SECONDS = "encoder_decode_seconds" [] "Decoding one picture";
    Histogram RESIZE_SECONDS = "encoder_resize_seconds" []
        "Bringing one picture to every model's size and into its batch";
    Histogram THUMBNAIL_SECONDS = "encoder_thumbnail_seconds" []
        "Thumbnail, perceptual hash and colours of one picture";
    Histogram BATCH_WAIT_SECONDS = "encoder_batch_wait_seconds" ["model"]
        "From a batch's first picture to its run, by model";
    Histogram MODEL_SECONDS = "encoder_model_seconds" ["model"] "One model run, by model";
    Counter MODEL_FAILURES = "encoder_model_failures_total" ["model", "reason"]
        "Pictures that a model failed for, by model and reason";
    Gauge MODEL_INFO = "encoder_model_info" ["model", "device"] "1 for each model, with the device it runs on";
    Histogram PUBLISH_SECONDS = "encoder_publish_seconds" [] "Publishing one batch of results";
    Gauge DECODE_MEMORY = "encoder_decode_memory_bytes" [] "Memory set aside for pictures being decoded";
    Gauge STUCK = "encoder_stuck_decodes" [] "Decodes beyond their time that still hold a thread";
    Counter WAITS = "encoder_waits_total" ["part"] "Waits for a dependency, by part";
}

/// Says what each metric means, for whoever reads `/metrics`.
pub(crate) fn describe() {
    metric::describe(METRICS);
    // Or an alert on it would have nothing to compare with until the first.
    gauge!(STUCK).set(0.0);
}

/// A picture's outcome: `encoded`, or the reason why not.
pub(crate) fn image(outcome: &'static str) {
    counter!(IMAGES, "outcome" => outcome).increment(1);
}

/// One model run.
pub(crate) fn model_run(model: &str, ran: Ran) {
    let model = || model.to_owned();
    histogram!(BATCH_SIZE, "model" => model()).record(ran.rows as f64);
    histogram!(BATCH_WAIT_SECONDS, "model" => model()).record(ran.waited);
    histogram!(MODEL_SECONDS, "model" => model()).record(ran.took);
}

/// A model failed for a picture.
pub(crate) fn model_failed(model: &str, reason: &'static str) {
    counter!(MODEL_FAILURES, "model" => model.to_owned(), "reason" => reason).increment(1);
}

/// A model is loaded.
pub(crate) fn model_loaded(model: &str, device: Provider) {
    let device = device.to_string();
    gauge!(MODEL_INFO, "model" => model.to_owned(), "device" => device).set(1.0);
}

/// A picture waited so long for its decoding.
pub(crate) fn queued(took: Duration) {
    histogram!(QUEUE_SECONDS).record(took);
}

/// One picture decoded.
pub(crate) fn decoded(took: Duration) {
    histogram!(DECODE_SECONDS).record(took);
}

/// One picture resized for every model.
pub(crate) fn resized(took: Duration) {
    histogram!(RESIZE_SECONDS).record(took);
}

/// One picture's thumbnail, hash and colours made.
pub(crate) fn looked_at(took: Duration) {
    histogram!(THUMBNAIL_SECONDS).record(took);
}

/// One batch of results published.
pub(crate) fn published(took: Duration) {
    histogram!(PUBLISH_SECONDS).record(took.as_secs_f64());
}

/// A wait for a dependency that is away.
pub(crate) fn wait(part: &'static str) {
    counter!(WAITS, "part" => part).increment(1);
}

/// A gauge that goes down again however its holder ends.
#[derive(Debug)]
pub(crate) struct Held {
    name: &'static str,
    amount: f64,
}

impl Held {
    fn new(name: &'static str, amount: f64) -> Self {
        gauge!(name).increment(amount);
        Self { name, amount }
    }

    /// A picture taken from the queue.
    pub(crate) fn inflight() -> Self {
        Self::new(INFLIGHT, 1.0)
    }

    /// Memory set aside for decoding.
    pub(crate) fn memory(bytes: u64) -> Self {
        Self::new(DECODE_MEMORY, bytes as f64)
    }

    /// A decode beyond its time.
    pub(crate) fn stuck() -> Self {
        Self::new(STUCK, 1.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        gauge!(self.name).decrement(self.amount);
    }
}
