//! Every metric of the encoder, named once.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tusou_model::{Provider, Ran};

const IMAGES: &str = "encoder_images_total";
const INFLIGHT: &str = "encoder_inflight_images";
const BATCH_SIZE: &str = "encoder_batch_size";
const QUEUE_SECONDS: &str = "encoder_queue_seconds";
const DECODE_SECONDS: &str = "encoder_decode_seconds";
const RESIZE_SECONDS: &str = "encoder_resize_seconds";
const THUMBNAIL_SECONDS: &str = "encoder_thumbnail_seconds";
const BATCH_WAIT_SECONDS: &str = "encoder_batch_wait_seconds";
const MODEL_SECONDS: &str = "encoder_model_seconds";
const MODEL_FAILURES: &str = "encoder_model_failures_total";
const MODEL_INFO: &str = "encoder_model_info";
const PUBLISH_SECONDS: &str = "encoder_publish_seconds";
const DECODE_MEMORY: &str = "encoder_decode_memory_bytes";
const STUCK: &str = "encoder_stuck_decodes";
const WAITS: &str = "encoder_waits_total";

/// Says what each metric means, for whoever reads `/metrics`.
pub(crate) fn describe() {
    describe_counter!(IMAGES, "Pictures by outcome: encoded, or why not");
    describe_gauge!(
        INFLIGHT,
        "Pictures taken from the queue and not yet settled"
    );
    describe_histogram!(BATCH_SIZE, "Pictures in a model run, by model");
    describe_histogram!(
        BATCH_WAIT_SECONDS,
        "From a batch's first picture to its run, by model"
    );
    describe_histogram!(
        QUEUE_SECONDS,
        "From a picture's delivery to its decoding: memory, its bytes, a thread"
    );
    describe_histogram!(DECODE_SECONDS, "Decoding one picture");
    describe_histogram!(
        RESIZE_SECONDS,
        "Bringing one picture to every model's size and into its batch"
    );
    describe_histogram!(
        THUMBNAIL_SECONDS,
        "Thumbnail, perceptual hash and colours of one picture"
    );
    describe_histogram!(MODEL_SECONDS, "One model run, by model");
    describe_counter!(
        MODEL_FAILURES,
        "Pictures that a model failed for, by model and reason"
    );
    describe_gauge!(MODEL_INFO, "1 for each model, with the device it runs on");
    describe_histogram!(PUBLISH_SECONDS, "Publishing one batch of results");
    describe_gauge!(DECODE_MEMORY, "Memory set aside for pictures being decoded");
    describe_gauge!(STUCK, "Decodes beyond their time that still hold a thread");
    describe_counter!(WAITS, "Waits for a dependency, by part");
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
