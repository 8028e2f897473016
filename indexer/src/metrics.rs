//! Every metric of the indexer, named once.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tusou_contract::Queue;
use tusou_platform::broker::Settled;

use crate::bulk::Limits;

const MESSAGES: &str = "indexer_messages_total";
const EMBEDDINGS: &str = "indexer_embeddings_stored_total";
const DOCUMENTS: &str = "indexer_documents_total";
const BATCH_MESSAGES: &str = "indexer_batch_messages";
const BATCH_SECONDS: &str = "indexer_batch_seconds";
const BULK_SECONDS: &str = "indexer_bulk_seconds";
const BULKS_IN_FLIGHT_LIMIT: &str = "indexer_bulks_in_flight_limit";
const BULK_DOCUMENTS_LIMIT: &str = "indexer_bulk_documents_limit";
const BULK_BYTES_LIMIT: &str = "indexer_bulk_bytes_limit";
const OVERLOADS: &str = "indexer_bulks_overloaded_total";
const FIRST_LOADS: &str = "indexer_first_loads";
const FIRST_LOADS_ENDED: &str = "indexer_first_loads_ended_total";
const WAITS: &str = "indexer_waits_total";
const BATCHES: &str = "indexer_batches";

/// Says what each metric means, for whoever reads `/metrics`.
pub(crate) fn describe() {
    describe_counter!(
        MESSAGES,
        "Messages settled, by queue and by what became of them"
    );
    describe_counter!(
        EMBEDDINGS,
        "Messages whose embeddings or failure were stored in Postgres"
    );
    describe_counter!(
        DOCUMENTS,
        "Documents by outcome: written, deleted, superseded, refused, or conflict: the index does not fit them"
    );
    describe_histogram!(BATCH_MESSAGES, "Messages in a batch");
    describe_histogram!(
        BATCH_SECONDS,
        "From a batch's collection to its settled messages"
    );
    describe_histogram!(BULK_SECONDS, "One bulk request");
    describe_gauge!(
        BULKS_IN_FLIGHT_LIMIT,
        "Bulks that may be in flight now, found by what the server takes"
    );
    describe_gauge!(
        BULK_DOCUMENTS_LIMIT,
        "Documents that a bulk may have now, found by what the server takes"
    );
    describe_gauge!(
        BULK_BYTES_LIMIT,
        "Bytes that a bulk may have; halved where the server takes no such body"
    );
    describe_counter!(
        OVERLOADS,
        "Bulks that the server had too much to do for, whole or in part"
    );
    describe_gauge!(FIRST_LOADS, "Indexes in their first load");
    describe_counter!(FIRST_LOADS_ENDED, "First loads that ended, by why");
    describe_counter!(WAITS, "Waits for a dependency, by part");
    describe_gauge!(BATCHES, "Batches being written");
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
