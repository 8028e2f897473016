//! The grid of pictures that were found.

use std::fmt::Write as _;

use maud::{Markup, html};
use tusou_contract::SightingRights;
use tusou_contract::document::aspect;
use url::Url;

use super::rights::rights;
use super::{Language, picture};
use crate::answer::{Hit, Sighting};

/// The narrowest and the widest shape that a picture is given in the grid; beyond them it keeps its
/// own shape inside.
const NARROWEST: f32 = 0.6;
const WIDEST: f32 = 3.0;
/// Pictures above the fold, which are loaded first.
const EAGER: usize = 12;

/// The style block that gives each hit its shape: width over height. It holds nothing but numbers and `prefix`, which
/// begins their ids; they are numbered from `first` on.
pub(super) fn shapes(prefix: &str, first: usize, hits: &[Hit]) -> String {
    let mut style = String::new();
    for (position, hit) in hits.iter().enumerate() {
        let shape = shape(hit.width, hit.height);
        let number = first + position;
        write!(style, "#{prefix}{number}{{--a:{shape:.4}}}").expect("a String takes all text");
    }
    style
}

/// The like for one picture that keeps its own shape.
pub(super) fn own_shape(id: &str, width: u32, height: u32) -> String {
    format!(
        "#{id}{{--a:{:.4}}}",
        aspect(width, height).clamp(0.01, 100.0)
    )
}

fn shape(width: u32, height: u32) -> f32 {
    aspect(width, height).clamp(NARROWEST, WIDEST)
}

/// The grid, whose hits have ids that begin with `prefix` and are numbered from `first` on. Where more follow, its last
/// row is as wide as the others.
pub(super) fn grid(
    language: Language,
    prefix: &str,
    first: usize,
    hits: &[Hit],
    more_follow: bool,
) -> Markup {
    html! {
        ol.grid.full[more_follow] {
            @for (position, hit) in hits.iter().enumerate() {
                li.hit id={ (prefix) (first + position) } data-id=(hit.image_id) data-aspect=(format!("{:.4}", shape(hit.width, hit.height))) {
                    (one(language, hit, first + position))
                }
            }
        }
    }
}

fn one(language: Language, hit: &Hit, position: usize) -> Markup {
    let texts = language.texts();
    let first = hit.pages.first();
    let caption = caption(hit);
    let said = caption.unwrap_or(&hit.image_name);
    let picture = html! {
        img src=(hit.thumbnail) width=(hit.width) height=(hit.height) alt=(said) dir="auto"
            loading=(if position < EAGER { "eager" } else { "lazy" }) decoding="async";
    };
    html! {
        figure {
            a.frame href=(picture::address(language, &hit.image_id)) { (picture) }
            figcaption {
                @match first {
                    Some(page) => (source(language, page)),
                    None => span.page { (texts.no_page) },
                }
                @if let Some(caption) = caption { p.caption dir="auto" title=(caption) { (caption) } }
                (rights(language, &of_hit(hit)))
                p.facts {
                    @if let Some(score) = hit.score {
                        span.score title=(texts.similarity) {
                            span.unseen { (texts.similarity) " " } (format!("{score:.2}"))
                        }
                    }
                    a href={ "/?like=" (hit.image_id) "&lang=" (language.name()) } { (texts.like) }
                }
                (others(language, hit))
            }
        }
    }
}

/// The page's name, linked where the address is of the web.
pub(super) fn source(language: Language, page: &Sighting) -> Markup {
    let texts = language.texts();
    let url = link(&page.page_url);
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let title = page
        .page_title
        .as_deref()
        .map(str::trim)
        .unwrap_or_default();
    let name = if !title.is_empty() {
        title
    } else if host.is_empty() {
        &page.page_url
    } else {
        host
    };
    html! {
        span.page {
            @match &url {
                Some(url) => a href=(url) rel="noopener noreferrer" dir="auto" title=(name) { (name) },
                None => span dir="auto" title=(name) { (name) },
            }
            @if !host.is_empty() && host != name { " " span.host { (host) } }
            @if page.gone_since.is_some() { " " span.gone { (texts.gone) } }
        }
    }
}

/// The pages beside the first.
fn others(language: Language, hit: &Hit) -> Markup {
    let texts = language.texts();
    let listed = u32::try_from(hit.pages.len()).unwrap_or(u32::MAX);
    let all = hit.sightings.max(listed);
    html! {
        @if all > 1 && listed > 1 {
            details {
                summary { (language.more_pages(all - 1)) }
                ul {
                    @for page in &hit.pages[1..] {
                        li {
                            (source(language, page)) " "
                            small { (texts.since) " " (page.first_seen.date()) }
                            @if page.rights != hit.pages[0].rights { (rights(language, &page.rights)) }
                        }
                    }
                    @if all > listed { li { "…" } }
                }
            }
        }
    }
}

/// Whose it is by its first page, else by most.
fn of_hit(hit: &Hit) -> SightingRights {
    let first = hit.pages.first().map(|page| page.rights.clone());
    first
        .filter(|rights| !rights.is_empty())
        .unwrap_or_else(|| SightingRights {
            rights: hit.rights.clone(),
            acquire: None,
        })
}

/// What is said of the picture at its first page, else at most pages.
fn caption(hit: &Hit) -> Option<&str> {
    let first = hit.pages.first();
    let at_page = first
        .into_iter()
        .flat_map(|page| [&page.caption, &page.alt, &page.title]);
    at_page
        .chain(&hit.captions)
        .map(|text| text.trim())
        .find(|text| !text.is_empty())
}

/// An address that may stand in a link: of the web, never of a script or file.
pub(super) fn link(address: &str) -> Option<Url> {
    Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
}
