//! Every metric of the crawler, named once.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tusou_ingest::PicturesLeft;
use tusou_platform::metric;

use crate::frontier::Kind;

tusou_platform::catalogue! {
    /// What the crawler counts and measures.
    METRICS;
    Counter URLS = "crawler_urls_total" ["kind", "outcome"]
        "Pages, image URLs and sitemaps that were settled, by outcome: done, or why they brought nothing";
    Histogram FETCH_SECONDS = "crawler_fetch_seconds" ["kind"]
        "One HTTP exchange, by what was asked for: page, image or style sheet";
    Counter FETCHED_BYTES = "crawler_fetched_bytes_total" ["kind"] "Bytes of bodies that sites sent";
    Counter SAVED_BYTES = "crawler_saved_bytes_total" ["reason"]
        "Bytes that were not fetched since the exchange was ended when it was seen that its answer is not wanted";
    Counter PICTURES_LEFT = "crawler_pictures_left_out_total" ["reason"]
        "Pictures that pages show and that are not taken, by why";
    Histogram WRITE_SECONDS = "crawler_write_seconds" ["kind"] "One transaction that settles outcomes";
    Histogram WRITE_OUTCOMES = "crawler_write_outcomes" ["kind"] "Outcomes settled by one transaction";
    Counter LINKS_LEFT = "crawler_links_left_out_total" ["reason"]
        "Links that are not followed although a seed reaches them, by why";
    Counter REVISITS = "crawler_revisits_total" ["kind"] "Settled URLs that came due to be looked at again";
    Counter RENEWED = "crawler_renewed_pages_total" [] "Pages that came due since a sitemap tells that they have changed";
    Counter STORED = "crawler_images_stored_total" [] "Pictures stored whose bytes were new";
    Counter HOST_FAILURES = "crawler_host_failures_total" ["reason"] "Turns of hosts that could not be reached, by why";
    Counter GIVEN_UP = "crawler_given_up_urls_total" ["reason"] "URLs given up together, since their host could not be reached for long";
    Gauge LEASED_HOSTS = "crawler_leased_hosts" [] "Hosts that this process holds";
    Gauge OUTBOX = "crawler_outbox_messages" [] "Messages owed to the broker, counted up to the limit that stops fetching";
    Gauge WAITING = "crawler_waiting" ["reason"]
        "1 while fetching waits, by for what; with `queue` messages wait for room in theirs, and fetching goes on until the outbox is full";
    Gauge BLOBS_FREE = "crawler_blobs_free_bytes" []
        "Bytes that may still be written where blobs are; not there where they are in a bucket";
    Counter RELAYED = "crawler_relayed_messages_total" ["queue"] "Messages that the broker took from the outbox";
    Counter DROPPED = "crawler_originals_dropped_total" [] "Originals that are no longer kept";
    Counter RENDERED = "crawler_rendered_pages_total" ["outcome"] "Pages opened in a browser, by outcome";
    Histogram RENDER_SECONDS = "crawler_render_seconds" [] "One page in a browser, the wait for a tab left out";
    Counter NOT_RENDERED = "crawler_pages_not_rendered_total" ["reason"]
        "Pages that need a browser and were read without one, by why";
    Counter RENDER_REQUESTS = "crawler_render_requests_total" ["answer"]
        "Requests of the browser: asked of the site, or what was answered in its place, or why it was refused";
    Counter BROWSER_STARTS = "crawler_browser_starts_total" [] "Browsers started";
    Gauge BROWSER_MEMORY = "crawler_browser_memory_bytes" [] "Memory of the browser and its children; 0 while there is none";
}

/// Says what each metric means, for whoever reads `/metrics`.
pub(crate) fn describe() {
    metric::describe(METRICS);
    // Or an alert would have nothing to compare with until the first wait.
    for reason in ["outbox", "paused", "blobs", "queue"] {
        gauge!(WAITING, "reason" => reason).set(0.0);
    }
}

/// A URL's outcome: `done`, or the reason why it brought nothing.
pub(crate) fn outcome(kind: Kind, outcome: &str) {
    counter!(URLS, "kind" => kind.as_str(), "outcome" => outcome.to_owned()).increment(1);
}

/// A host could not be reached in a turn.
pub(crate) fn host_failed(reason: &str) {
    counter!(HOST_FAILURES, "reason" => reason.to_owned()).increment(1);
}

/// What was due of such a host was given up.
pub(crate) fn given_up(reason: &str, urls: u64) {
    counter!(GIVEN_UP, "reason" => reason.to_owned()).increment(urls);
}

/// One HTTP exchange: of a page, a picture, or a page's style sheet.
pub(crate) fn fetched(kind: &'static str, took: Duration, bytes: usize) {
    histogram!(FETCH_SECONDS, "kind" => kind).record(took);
    counter!(FETCHED_BYTES, "kind" => kind).increment(bytes as u64);
}

/// One HTTP exchange that was ended when it was seen that its answer is not wanted, with the bytes that
/// were not fetched for that, where their number is known.
pub(crate) fn stopped(
    kind: &'static str,
    took: Duration,
    bytes: u64,
    reason: &'static str,
    saved: Option<u64>,
) {
    fetched(kind, took, usize::try_from(bytes).unwrap_or(usize::MAX));
    counter!(SAVED_BYTES, "reason" => reason).increment(saved.unwrap_or(0));
}

/// Pictures that pages show and that are not taken.
pub(crate) fn pictures_left(left: &PicturesLeft) {
    for (reason, pictures) in left.counts() {
        if pictures > 0 {
            counter!(PICTURES_LEFT, "reason" => reason).increment(pictures.into());
        }
    }
}

/// One transaction of outcomes, collisions and all.
pub(crate) fn written(kind: Kind, outcomes: usize, took: Duration) {
    histogram!(WRITE_SECONDS, "kind" => kind.as_str()).record(took);
    histogram!(WRITE_OUTCOMES, "kind" => kind.as_str()).record(outcomes as f64);
}

/// Links that are not followed although a seed reaches them.
pub(crate) fn left_out(reason: &'static str, links: u64) {
    counter!(LINKS_LEFT, "reason" => reason).increment(links);
}

/// Settled URLs that are due to be looked at again.
pub(crate) fn revisited(kind: Kind, urls: u64) {
    counter!(REVISITS, "kind" => kind.as_str()).increment(urls);
}

/// Pages that are due since a sitemap tells that they have changed.
pub(crate) fn renewed(pages: u64) {
    counter!(RENEWED).increment(pages);
}

/// An image whose bytes were new.
pub(crate) fn stored() {
    counter!(STORED).increment(1);
}

/// Hosts that this process holds.
pub(crate) fn hosts_leased(hosts: usize) {
    gauge!(LEASED_HOSTS).set(hosts as f64);
}

/// Messages in the outbox, counted up to its limit.
pub(crate) fn outbox(messages: u32) {
    gauge!(OUTBOX).set(messages);
}

/// Whether fetching waits, and for what.
pub(crate) fn waiting(reason: &'static str, waits: bool) {
    gauge!(WAITING, "reason" => reason).set(if waits { 1 } else { 0 });
}

/// Room where blobs are.
pub(crate) fn blobs_free(bytes: u64) {
    gauge!(BLOBS_FREE).set(bytes as f64);
}

/// Messages that the broker took from the relay.
pub(crate) fn relayed(queue: &'static str, messages: u64) {
    counter!(RELAYED, "queue" => queue).increment(messages);
}

/// Originals that are no longer kept.
pub(crate) fn dropped(originals: u64) {
    counter!(DROPPED).increment(originals);
}

/// A page's way through a browser: `rendered`, or what became of it, with the wait for a tab left out.
pub(crate) fn rendered(outcome: &'static str, took: Duration) {
    counter!(RENDERED, "outcome" => outcome).increment(1);
    histogram!(RENDER_SECONDS).record(took);
}

/// A page that needs a browser and is read without one, and why.
pub(crate) fn not_rendered(reason: &'static str) {
    counter!(NOT_RENDERED, "reason" => reason).increment(1);
}

/// A request of a browser: `asked`, or what was answered in a site's place, or why it was refused.
pub(crate) fn render_request(answer: &'static str) {
    counter!(RENDER_REQUESTS, "answer" => answer).increment(1);
}

/// A browser that was started.
pub(crate) fn browser_started() {
    counter!(BROWSER_STARTS).increment(1);
}

/// The browser's memory; 0 while there is none.
pub(crate) fn browser_memory(bytes: u64) {
    gauge!(BROWSER_MEMORY).set(bytes as f64);
}
