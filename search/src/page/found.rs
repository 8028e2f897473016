//! What a search found.

use maud::{Markup, html};

use super::{Asked, Language, Subject, hits, refine};
use crate::answer::{Answer, thumbnail_path};
use crate::candidates::cursor::Cursor;
use crate::query::{self, FROM, Mode, Parameters};

/// The page of an answer.
pub(super) fn found(language: Language, asked: Asked<'_>, answer: &Answer) -> Markup {
    html! {
        (refine::refine(language, asked, answer))
        (asked_for(language, asked))
        @if answer.hits.is_empty() {
            (nothing(language, asked, answer))
        } @else {
            (pictures(language, asked, answer))
        }
    }
}

fn nothing(language: Language, asked: Asked<'_>, answer: &Answer) -> Markup {
    let texts = language.texts();
    html! {
        section.message {
            h1 { (texts.nothing) }
            @match answer.considered.below {
                0 if answer.mode == Mode::Same.name() => p { (texts.no_copies) },
                0 => p { (texts.nothing_help) },
                below => {
                    p { (language.below(below)) }
                    p.with-picture[!asked.has_address()] {
                        a.again href=(asked.address(language, &[("all", "on")])) { (texts.nearest) }
                    }
                }
            }
            p { a href={ "/?lang=" (language.name()) } { (texts.home) } }
        }
    }
}

fn pictures(language: Language, asked: Asked<'_>, answer: &Answer) -> Markup {
    let texts = language.texts();
    let from = asked.from();
    html! {
        h1.count {
            strong { (language.found(answer.considered.hits)) } " "
            @match asked.subject {
                Subject::Words(words) => (language.found_for(words.trim())),
                Subject::Like(_) => (language.found_like_this()),
                Subject::Picture | Subject::Url | Subject::Nothing => (language.found_like()),
            }
            " " small { (language.took(answer.took_ms)) }
        }
        @if from > 0 {
            p.from { (language.beginning(from + 1)) " " a href=(asked.address(language, &[])) { (texts.from_start) } }
        }
        @if let Some(guess) = &answer.best_guess {
            p.guess {
                (texts.guess) " "
                a href=(guessed(language, &guess.words)) { (guess.words) }
            }
        }
        (hits::grid(language, "h", from.into(), &answer.hits, answer.next.is_some()))
        @if let Some(next) = &answer.next {
            nav.more { a href=(further(language, asked, next)) rel="next" { (texts.more) } }
        }
    }
}

/// The address of the next page. Beside the cursor, which goes stale when what is found changes, it says where the
/// page begins; an upload has the cursor alone.
fn further(language: Language, asked: Asked<'_>, next: &str) -> String {
    if !asked.has_address() {
        let with = [("lang", language.name()), ("cursor", next)];
        return format!("/?{}", Parameters::NONE.again(&[], &with));
    }
    match next.parse::<Cursor>() {
        Ok(cursor) => {
            let from = cursor.place.to_string();
            asked.address(language, &[("cursor", next), (FROM, &from)])
        }
        Err(_) => asked.address(language, &[("cursor", next)]),
    }
}

/// A search for what a picture was guessed to show.
pub(super) fn guessed(language: Language, words: &str) -> String {
    let query = [("q", words), ("lang", language.name())];
    format!("/?{}", Parameters::NONE.again(&[], &query))
}

/// The picture that was asked with: an indexed one by its thumbnail; an upload only where a script shows it, since it
/// is not kept. A script also lets a part of it be searched with.
fn asked_for(language: Language, asked: Asked<'_>) -> Markup {
    let texts = language.texts();
    let shown = match asked.subject {
        Subject::Like(id) => query::image_id("like", id).ok(),
        Subject::Words(_) | Subject::Picture | Subject::Url | Subject::Nothing => None,
    };
    let is_upload = matches!(asked.subject, Subject::Picture);
    html! {
        @if shown.is_some() || is_upload {
            section #asked.asked hidden[is_upload] aria-label=(texts.your_picture) {
                div.stage-asked {
                    @match shown {
                        Some(id) => img src=(thumbnail_path(&id)) alt=(texts.your_picture);,
                        None => img alt=(texts.your_picture);,
                    }
                    div.region hidden {}
                }
                details.part.with-script {
                    summary { (texts.part) }
                    p { (texts.part_help) }
                    @for (edge, label, value) in [
                        ("left", texts.left, 0), ("right", texts.right, 100),
                        ("top", texts.top, 0), ("bottom", texts.bottom, 100),
                    ] {
                        label for={ "edge-" (edge) } { span { (label) }
                            input id={ "edge-" (edge) } type="range" min="0" max="100" value=(value) data-edge=(edge);
                        }
                    }
                    p.ways {
                        button type="button" data-do="part" { (texts.search_part) } " "
                        button.plain type="button" data-do="whole" { (texts.whole) }
                    }
                }
            }
        }
    }
}
