//! Every metric of the crawler, named once.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tusou_ingest::PicturesLeft;

use crate::frontier::Kind;

/// A URL's outcome: `done`, or the reason why it brought nothing.
pub(crate) fn outcome(kind: Kind, outcome: &str) {
    counter!("crawler_urls_total", "kind" => kind.as_str(), "outcome" => outcome.to_owned())
        .increment(1);
}

/// One HTTP exchange: of a page, a picture, or a page's style sheet.
pub(crate) fn fetched(kind: &'static str, took: Duration, bytes: usize) {
    histogram!("crawler_fetch_seconds", "kind" => kind).record(took);
    counter!("crawler_fetched_bytes_total", "kind" => kind).increment(bytes as u64);
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
    counter!("crawler_saved_bytes_total", "reason" => reason).increment(saved.unwrap_or(0));
}

/// Pictures that pages show and that are not taken.
pub(crate) fn pictures_left(left: &PicturesLeft) {
    for (reason, pictures) in left.counts() {
        if pictures > 0 {
            counter!("crawler_pictures_left_out_total", "reason" => reason)
                .increment(pictures.into());
        }
    }
}

/// One transaction of outcomes, collisions and all.
pub(crate) fn written(kind: Kind, outcomes: usize, took: Duration) {
    histogram!("crawler_write_seconds", "kind" => kind.as_str()).record(took);
    histogram!("crawler_write_outcomes", "kind" => kind.as_str()).record(outcomes as f64);
}

/// Links that are not followed although a seed reaches them.
pub(crate) fn left_out(reason: &'static str, links: u64) {
    counter!("crawler_links_left_out_total", "reason" => reason).increment(links);
}

/// Settled URLs that are due to be looked at again.
pub(crate) fn revisited(kind: Kind, urls: u64) {
    counter!("crawler_revisits_total", "kind" => kind.as_str()).increment(urls);
}

/// Pages that are due since a sitemap tells that they have changed.
pub(crate) fn renewed(pages: u64) {
    counter!("crawler_renewed_pages_total").increment(pages);
}

/// An image whose bytes were new.
pub(crate) fn stored() {
    counter!("crawler_images_stored_total").increment(1);
}

/// Hosts that this process holds.
pub(crate) fn hosts_leased(hosts: usize) {
    gauge!("crawler_leased_hosts").set(hosts as f64);
}

/// Messages in the outbox, counted up to its limit.
pub(crate) fn outbox(messages: u32) {
    gauge!("crawler_outbox_messages").set(messages);
}

/// Whether fetching waits, and for what.
pub(crate) fn waiting(reason: &'static str, waits: bool) {
    gauge!("crawler_waiting", "reason" => reason).set(if waits { 1 } else { 0 });
}

/// Messages that the broker took from the relay.
pub(crate) fn relayed(queue: &'static str, messages: u64) {
    counter!("crawler_relayed_messages_total", "queue" => queue).increment(messages);
}

/// Originals that are no longer kept.
pub(crate) fn dropped(originals: u64) {
    counter!("crawler_originals_dropped_total").increment(originals);
}

/// A page's way through a browser: `rendered`, or what became of it, with the wait for a tab left out.
pub(crate) fn rendered(outcome: &'static str, took: Duration) {
    counter!("crawler_rendered_pages_total", "outcome" => outcome).increment(1);
    histogram!("crawler_render_seconds").record(took);
}

/// A page that needs a browser and is read without one, and why.
pub(crate) fn not_rendered(reason: &'static str) {
    counter!("crawler_pages_not_rendered_total", "reason" => reason).increment(1);
}

/// A request of a browser: `asked`, or what was answered in a site's place, or why it was refused.
pub(crate) fn render_request(answer: &'static str) {
    counter!("crawler_render_requests_total", "answer" => answer).increment(1);
}

/// A browser that was started.
pub(crate) fn browser_started() {
    counter!("crawler_browser_starts_total").increment(1);
}

/// The browser's memory; 0 while there is none.
pub(crate) fn browser_memory(bytes: u64) {
    gauge!("crawler_browser_memory_bytes").set(bytes as f64);
}
