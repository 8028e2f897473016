//! Every metric of this service, named once.

use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use tusou_platform::metric;

tusou_platform::catalogue! {
    /// What the search service counts and measures.
    METRICS;
    Counter REQUESTS = "search_requests_total" ["route", "status"] "Requests answered, by route and status";
    Histogram REQUEST_SECONDS = "search_request_seconds" ["route"] "Whole requests, by route";
    Gauge IN_FLIGHT = "search_requests_in_flight" [] "Requests being handled";
    Gauge PLACES = "search_places" []
        "Searches that are taken at once now; fewer than configured while answers are slow";
    Histogram DECODE_SECONDS = "search_decode_seconds" []
        "Uploaded pictures to pixels, the wait for a thread included";
    Histogram ENCODE_SECONDS = "search_encode_seconds" ["tower"]
        "Queries to vectors, the wait for the model included, by tower";
    Counter WORDS_KNOWN = "search_words_known_total" [] "Queries in words whose vector was still kept";
    Histogram INDEX_SECONDS = "search_index_seconds" ["request"]
        "Requests to Elasticsearch, by what they ask: the nearest, captions, hashes, documents";
    Histogram ROWS_SECONDS = "search_rows_seconds" [] "Reads of the pages of hits from Postgres";
    Gauge INDEX_READY = "search_index_ready" [] "1 while the index behind the alias was made by this service's model";
}

/// Says what each metric means, for whoever reads `/metrics`.
pub(crate) fn describe() {
    metric::describe(METRICS);
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
