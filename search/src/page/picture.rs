//! A picture's own view: where it is seen as a time line, whose it is, its copies and its like.

use maud::{Markup, html};
use time::Date;
use time::OffsetDateTime;

use super::hits::{self, link};
use super::rights::rights;
use super::{Language, guessed, refine};
use crate::answer::{Sighting, thumbnail_path};
use crate::picture::Picture;
use tusou_contract::{ImageId, SightingRights};

/// Its address on the page.
pub(super) fn address(language: Language, id: &ImageId) -> String {
    format!("/image/{id}?lang={}", language.name())
}

/// What it is called: what pages say of it, else its file's name.
pub(super) fn name(picture: &Picture) -> &str {
    let shown = &picture.facts.shown;
    let said = shown.captions.iter().map(|said| said.trim());
    said.chain([shown.image_name.as_str()])
        .find(|text| !text.is_empty())
        .unwrap_or("?")
}

/// The style block of the view: the picture's own shape, and those of its neighbours.
pub(super) fn shapes(picture: &Picture) -> String {
    let shown = &picture.facts.shown;
    let own = hits::own_shape("one", shown.width, shown.height);
    let copies = hits::shapes("c", 0, &picture.copies);
    own + &copies + &hits::shapes("h", 0, &picture.alike)
}

/// The view.
pub(super) fn view(language: Language, picture: &Picture) -> Markup {
    let texts = language.texts();
    let shown = &picture.facts.shown;
    let id = &shown.image_id;
    let name = name(picture);
    html! {
        article.picture-view {
            div.stage #one {
                img src=(thumbnail_path(id)) width=(shown.width) height=(shown.height) alt=(name) dir="auto" fetchpriority="high";
            }
            div.about {
                h1 dir="auto" { (name) }
                @if let Some(guess) = &picture.guess {
                    p.guess { (texts.guess) " " a href=(guessed(language, &guess.words)) { (guess.words) } }
                }
                (source(language, picture))
                (rights(language, &SightingRights { rights: shown.rights.clone(), acquire: None }))
                h2.unseen { (texts.facts) }
                (facts(language, picture))
                p.ways {
                    a.way href={ "/?like=" (id) "&lang=" (language.name()) } { (texts.all_alike) }
                }
            }
        }
        (line(language, picture))
        section {
            h2 { (texts.same_picture) }
            @if picture.copies.is_empty() { p.quiet { (texts.no_copies) } } @else { (hits::grid(language, "c", 0, &picture.copies, false)) }
        }
        section {
            h2 { (texts.alike) }
            @if picture.alike.is_empty() { p.quiet { (texts.none_alike) } } @else { (hits::grid(language, "h", 0, &picture.alike, false)) }
        }
    }
}

/// The way to the earliest page that still shows it, else to the earliest: what most come for.
fn source(language: Language, picture: &Picture) -> Markup {
    let seen = &picture.sightings.sightings;
    let first = seen
        .iter()
        .find(|one| one.gone_since.is_none())
        .or(seen.first());
    html! {
        @if let Some(first) = first {
            p.source {
                small { (language.texts().source) }
                (hits::source(language, first))
                small.address dir="ltr" { (first.page_url) }
                small { (language.texts().first_seen) " " (day(first.first_seen)) }
            }
        }
    }
}

fn facts(language: Language, picture: &Picture) -> Markup {
    let texts = language.texts();
    let facts = &picture.facts;
    let shown = &facts.shown;
    html! {
        dl.of-picture {
            div { dt { (texts.size) } dd { (shown.width) " × " (shown.height) } }
            div { dt { (texts.format) } dd { (shown.format.to_uppercase()) (language.comma()) (size(facts.bytes)) } }
            @if let Some(taken) = facts.taken_at { div { dt { (texts.taken) } dd { (day(taken)) } } }
            @if !facts.colors.is_empty() {
                div { dt { (texts.colors) } dd {
                    @for (position, color) in facts.colors.iter().enumerate() {
                        @if position > 0 { (language.comma()) }
                        (refine::name(language, color))
                    }
                } }
            }
        }
    }
}

/// The sightings as a time line, the oldest first, under the years they begin in.
fn line(language: Language, picture: &Picture) -> Markup {
    let texts = language.texts();
    let seen = &picture.sightings;
    let id = &picture.facts.shown.image_id;
    html! {
        section #seen {
            h2 { (texts.seen_at) " " small { (language.seen(seen.live, seen.gone)) } }
            @if seen.sightings.is_empty() { p.quiet { (texts.no_page) } }
            ol.line {
                @for (position, one) in seen.sightings.iter().enumerate() {
                    @let begins = position == 0 || year(&seen.sightings[position - 1]) != year(one);
                    li.gone-by[one.gone_since.is_some()] {
                        @if begins { span.year { (year(one)) } }
                        (sighting(language, one))
                    }
                }
            }
            @if let Some(next) = &seen.next {
                nav.more { a href={ (address(language, id)) "&cursor=" (next) "#seen" } rel="next" { (texts.later) } }
            }
        }
    }
}

fn sighting(language: Language, one: &Sighting) -> Markup {
    let texts = language.texts();
    let said = [&one.caption, &one.alt, &one.title];
    let said = said.into_iter().map(|text| text.trim());
    let said = said.into_iter().find(|text| !text.is_empty());
    html! {
        p.when {
            @let (first, last) = (day(one.first_seen), day(one.gone_since.unwrap_or(one.last_seen)));
            time datetime=(first) { (first) }
            @if last > first { " – " time datetime=(last) { (last) } }
            @if one.gone_since.is_some() { " " span.gone { (texts.gone) } }
        }
        (hits::source(language, one))
        @if let Some(said) = said { p.caption dir="auto" { (said) } }
        (rights(language, &one.rights))
        @if let Some(original) = link(&one.image_url) {
            p.facts { a href=(original) rel="noopener noreferrer nofollow" { (texts.original) } }
        }
    }
}

fn year(one: &Sighting) -> i32 {
    one.first_seen.year()
}

fn day(at: OffsetDateTime) -> Date {
    at.date()
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
