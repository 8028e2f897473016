//! Every metric of the indexer, named once.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tusou_contract::Queue;
use tusou_platform::broker::Settled;
use tusou_platform::metric;

use crate::bulk::Limits;

tusou_platform::catalogue! {
    /// What the indexer counts and measures.
    METRICS;
    Counter MESSAGES = "indexer_messages_total" ["queue", "outcome", "reason"]
        "Messages settled, by queue and by what became of them";
    Counter EMBEDDINGS = "indexer_embeddings_stored_total" []
        "Messages whose embeddings or failure were stored in Postgres";
    Counter DOCUMENTS = "indexer_documents_total" ["outcome"]
        "Documents by outcome: written, deleted, superseded, refused, or conflict: the index does not fit them";
    Histogram BATCH_MESSAGES = "indexer_batch_messages" [] "Messages in a batch";
    Histogram BATCH_SECONDS = "indexer_batch_seconds" [] "From a batch's collection to its settled messages";
    Histogram BULK_SECONDS = "indexer_bulk_seconds" [] "One bulk request";
    Gauge BULKS_IN_FLIGHT_LIMIT = "indexer_bulks_in_flight_limit" []
        "Bulks that may be in flight now, found by what the server takes";
    Gauge BULK_DOCUMENTS_LIMIT = "indexer_bulk_documents_limit" []
        "Documents that a bulk may have now, found by what the server takes";
    Gauge BULK_BYTES_LIMIT = "indexer_bulk_bytes_limit" []
        "Bytes that a bulk may have; halved where the server takes no such body";
    Counter OVERLOADS = "indexer_bulks_overloaded_total" []
        "Bulks that the server had too much to do for, whole or in part";
    Gauge FIRST_LOADS = "indexer_first_loads" [] "Indexes in their first load";
    Counter FIRST_LOADS_ENDED = "indexer_first_loads_ended_total" ["why"] "First loads that ended, by why";
    Counter WAITS = "indexer_waits_total" ["part"] "Waits for a dependency, by part";
    Gauge BATCHES = "indexer_batches" [] "Batches being written";
}

/// Says what each metric means, for whoever reads `/metrics`.
pub(crate) fn describe() {
    metric::describe(METRICS);
}

pub(crate) fn message(queue: Queue, settled: Settled, reason: &'static str) {
    let outcome = match settled {
        Settled::Done => "done",
        Settled::Later => "later",
        Settled::Dead => "dead",
    };
    counter!(MESSAGES, "queue" => queue.name(), "outcome" => outcome, "reason" => reason)
        .increment(1);
}

pub(crate) fn embeddings_stored(count: usize) {
    counter!(EMBEDDINGS).increment(count as u64);
}

pub(crate) fn document(outcome: &'static str) {
    counter!(DOCUMENTS, "outcome" => outcome).increment(1);
}

pub(crate) fn bulk(took: Duration) {
    histogram!(BULK_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn bulk_limits(limits: Limits) {
    gauge!(BULKS_IN_FLIGHT_LIMIT).set(limits.in_flight as f64);
    gauge!(BULK_DOCUMENTS_LIMIT).set(limits.documents as f64);
    gauge!(BULK_BYTES_LIMIT).set(limits.bytes as f64);
}

pub(crate) fn overload() {
    counter!(OVERLOADS).increment(1);
}

pub(crate) fn first_loads(on: usize) {
    gauge!(FIRST_LOADS).set(on as f64);
}

pub(crate) fn first_load_ended(why: &'static str) {
    counter!(FIRST_LOADS_ENDED, "why" => why).increment(1);
}

pub(crate) fn wait(part: &'static str) {
    counter!(WAITS, "part" => part).increment(1);
}

/// A batch being written: counted while it lives, measured when it ends, however it ends.
pub(crate) struct BatchTimer(std::time::Instant);

impl BatchTimer {
    pub(crate) fn start(messages: usize) -> Self {
        histogram!(BATCH_MESSAGES).record(messages as f64);
        gauge!(BATCHES).increment(1);
        Self(std::time::Instant::now())
    }
}

impl Drop for BatchTimer {
    fn drop(&mut self) {
        gauge!(BATCHES).decrement(1);
        histogram!(BATCH_SECONDS).record(self.0.elapsed().as_secs_f64());
    }
}
