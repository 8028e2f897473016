//! How far each seed and list is, and what became of the pictures.

use maud::{Markup, html};

use super::Shown;
use crate::format::{number, one_line};
use crate::status::look::Seen;
use crate::status::report::sum;
use crate::status::{ListStatus, ModelStatus, SeedStatus, Status, UrlCounts};

/// Seeds and lists that are shown.
const MOST: usize = 30;
/// Characters of an address.
const URL: usize = 120;

pub(super) fn crawl(shown: &Shown<'_>, seen: &Seen) -> Markup {
    let texts = shown.language.texts();
    let status = &seen.status;
    if seen.counted_at.is_none() {
        return html! {};
    }
    // Those that go on come first; of those that are done the newest.
    let mut seeds: Vec<&SeedStatus> = status.seeds.iter().collect();
    seeds.sort_by_key(|seed| (seed.done, std::cmp::Reverse(seed.seed_id)));
    let lists = status.lists.iter().rev();
    html! {
        section #crawl {
            h2 { (texts.crawl) }
            @if let (false, Some(seconds)) = (status.done, status.time_left_seconds) {
                p.quiet { (shown.language.left(seconds)) }
            }
            @if seeds.is_empty() && status.lists.is_empty() { p { (texts.no_seed) } }
            ul.seeds {
                @for seed in seeds.iter().take(MOST) { (seed_of(shown, seed)) }
                @if seeds.len() > MOST {
                    li { (shown.language.more((seeds.len() - MOST) as u64)) ": " code { "tusou seed list" } }
                }
            }
            @if !status.lists.is_empty() {
                h3 { (texts.lists) }
                ul.seeds {
                    @for list in lists.take(MOST) { (list_of(shown, list)) }
                    @if status.lists.len() > MOST {
                        li { (shown.language.more((status.lists.len() - MOST) as u64)) ": " code { "tusou seed lists" } }
                    }
                }
            }
            h3 { (texts.pictures) }
            (pictures(shown, status))
            @if !status.models.is_empty() { (models(shown, &status.models)) }
        }
    }
}

/// So many of the known URLs are settled.
fn settled(counts: &UrlCounts) -> (u64, u64) {
    (counts.total() - counts.due, counts.total())
}

fn bar(label: &str, (some, all): (u64, u64)) -> Markup {
    let share = match all {
        0 => String::new(),
        // Whole only where it is whole.
        all => format!("{} %", some.saturating_mul(100) / all),
    };
    html! {
        @if all == 0 { progress max="1" value="0" aria-label=(label) {} } @else {
            progress max=(all) value=(some) aria-label=(label) {}
        }
        span.share { (share) }
    }
}

fn seed_of(shown: &Shown<'_>, seed: &SeedStatus) -> Markup {
    let texts = shown.language.texts();
    let (pages, images) = (settled(&seed.pages), settled(&seed.image_urls));
    let url = one_line(&seed.url, URL);
    html! {
        li {
            p.name { span.quiet { (seed.seed_id) } " " (url) " " span.quiet { (shown.language.bounds(&seed.scope, seed.max_depth, seed.max_pages)) } }
            div.progress {
                (bar(&url, (pages.0 + images.0, pages.1 + images.1)))
                span { (shown.language.of_all(pages.0, pages.1)) " " (texts.pages) }
                span { (shown.language.of_all(images.0, images.1)) " " (texts.image_urls) }
            }
        }
    }
}

fn list_of(shown: &Shown<'_>, list: &ListStatus) -> Markup {
    let texts = shown.language.texts();
    let images = settled(&list.image_urls);
    let name = one_line(&list.list.name, URL);
    let read = format!("{} {:.0} %", texts.read, list.list.progress.share * 100.0);
    html! {
        li {
            p.name { span.quiet { (list.list.kind.as_str()) } " " (name) }
            div.progress {
                (bar(&name, images))
                @if list.list.finished_at.is_none() { span { (read) } }
                span { (shown.language.of_all(images.0, images.1)) " " (texts.image_urls) }
            }
        }
    }
}

fn pictures(shown: &Shown<'_>, status: &Status) -> Markup {
    let texts = shown.language.texts();
    let images = &status.images;
    let lost = images.unaccounted();
    html! {
        dl.counts {
            @for (name, count) in [
                (texts.stored, images.stored), (texts.encoded, images.encoded), (texts.indexed, images.indexed),
                (texts.pending, images.pending), (texts.sightings, status.sightings),
            ] { div { dt { (name) } dd { (number(count)) } } }
            div { dt { (texts.index) } dd.word { (status.index.as_deref().unwrap_or(texts.none_yet)) } }
        }
        @if lost > 0 { p.held { (number(lost)) " " (texts.lost) " " code { "tusou reconcile" } } }
    }
}

fn models(shown: &Shown<'_>, models: &[ModelStatus]) -> Markup {
    let texts = shown.language.texts();
    html! {
        table.cards {
            thead { tr { @for name in [texts.model, texts.device, texts.made, texts.lacking, texts.failed] { th scope="col" { (name) } } } }
            tbody {
                @for model in models {
                    tr {
                        th scope="row" { (one_line(&model.model, 40)) }
                        td data-name=(texts.device) { (model.device.as_deref().map_or_else(|| "–".to_owned(), |device| one_line(device, 60))) }
                        td data-name=(texts.made) { (number(model.made)) }
                        td data-name=(texts.lacking) { (number(model.lacking)) }
                        td data-name=(texts.failed) { (number(sum(&model.failed))) }
                    }
                }
            }
        }
    }
}
