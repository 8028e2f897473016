//! Every metric of this service, named once.

use std::time::{Duration, Instant};

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const REQUESTS: &str = "search_requests_total";
const REQUEST_SECONDS: &str = "search_request_seconds";
const IN_FLIGHT: &str = "search_requests_in_flight";
const PLACES: &str = "search_places";
const DECODE_SECONDS: &str = "search_decode_seconds";
const ENCODE_SECONDS: &str = "search_encode_seconds";
const WORDS_KNOWN: &str = "search_words_known_total";
const INDEX_SECONDS: &str = "search_index_seconds";
const ROWS_SECONDS: &str = "search_rows_seconds";
const INDEX_READY: &str = "search_index_ready";

/// Describes every metric to the recorder.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by route and status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Whole requests, by route");
    describe_gauge!(IN_FLIGHT, "Requests being handled");
    describe_gauge!(
        PLACES,
        "Searches that are taken at once now; fewer than configured while answers are slow"
    );
    describe_histogram!(
        DECODE_SECONDS,
        Unit::Seconds,
        "Uploaded pictures to pixels, the wait for a thread included"
    );
    describe_histogram!(
        ENCODE_SECONDS,
        Unit::Seconds,
        "Queries to vectors, the wait for the model included, by tower"
    );
    describe_counter!(WORDS_KNOWN, "Queries in words whose vector was still kept");
    describe_histogram!(
        INDEX_SECONDS,
        Unit::Seconds,
        "Requests to Elasticsearch, by what they ask: the nearest, captions, hashes, documents"
    );
    describe_histogram!(
        ROWS_SECONDS,
        Unit::Seconds,
        "Reads of the pages of hits from Postgres"
    );
    describe_gauge!(
        INDEX_READY,
        "1 while the index behind the alias was made by this service's model"
    );
}

/// One request was answered.
pub(crate) fn request(route: &str, status: u16, took: Duration) {
    counter!(REQUESTS, "route" => route.to_owned(), "status" => status.to_string()).increment(1);
    histogram!(REQUEST_SECONDS, "route" => route.to_owned()).record(took);
}

/// So many searches are taken at once.
pub(crate) fn places(open: usize) {
    gauge!(PLACES).set(open as f64);
}

/// The vector of a query was still kept.
pub(crate) fn words_known() {
    counter!(WORDS_KNOWN).increment(1);
}

/// The index behind the alias can be asked, or cannot.
pub(crate) fn index_ready(ready: bool) {
    gauge!(INDEX_READY).set(if ready { 1.0 } else { 0.0 });
}

/// Counts a request as being handled for as long as it lives.
#[derive(Debug)]
pub(crate) struct InFlight(());

impl InFlight {
    /// One more.
    pub(crate) fn enter() -> Self {
        gauge!(IN_FLIGHT).increment(1.0);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(IN_FLIGHT).decrement(1.0);
    }
}

/// What [`timed`] measures.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Uploaded bytes to pixels.
    Decode,
    /// A picture to its vector.
    EncodeImage,
    /// Words to their vector.
    EncodeText,
    /// The nearest documents.
    Knn,
    /// Those whose captions say the words.
    Captions,
    /// Those with a like hash.
    Hash,
    /// Documents by their ids.
    Documents,
    /// What is counted of candidates.
    Facets,
    /// The pages of hits.
    Rows,
}

/// Records how long a step took, whatever came of it.
pub(crate) async fn timed<T>(step: Step, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let result = work.await;
    match step {
        Step::Decode => histogram!(DECODE_SECONDS),
        Step::EncodeImage => histogram!(ENCODE_SECONDS, "tower" => "image"),
        Step::EncodeText => histogram!(ENCODE_SECONDS, "tower" => "text"),
        Step::Knn => histogram!(INDEX_SECONDS, "request" => "nearest"),
        Step::Captions => histogram!(INDEX_SECONDS, "request" => "captions"),
        Step::Hash => histogram!(INDEX_SECONDS, "request" => "hash"),
        Step::Documents => histogram!(INDEX_SECONDS, "request" => "documents"),
        Step::Facets => histogram!(INDEX_SECONDS, "request" => "facets"),
        Step::Rows => histogram!(ROWS_SECONDS),
    }
    .record(started.elapsed());
    result
}
