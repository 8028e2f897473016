//! The web page, made on the server: it works without a script. All text passes through `maud`,
//! which escapes it.

pub(crate) mod assets;
mod hits;
mod language;
mod refine;
mod rights;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, VARY};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use self::assets::ADDRESSES;
pub(crate) use self::language::Language;
pub(crate) use self::refine::CHOICES;
use crate::answer::{Answer, thumbnail_path};
use crate::config::MAX_QUERY_CHARS;
use crate::error::SearchError;
use crate::query::Parameters;
use crate::{problem, query};

/// What was asked, as the page shows it and asks it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) subject: Subject<'a>,
    /// Everything that was asked.
    pub(crate) parameters: &'a Parameters,
}

/// What was searched for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// Nothing that could be read.
    Nothing,
    /// These words.
    Words(&'a str),
    /// An upload, which is not kept.
    Picture,
    /// An indexed picture, by its id as it was written.
    Like(&'a str),
}

impl<'a> Asked<'a> {
    /// Where nothing could be read.
    pub(crate) const NOTHING: Asked<'static> = Asked {
        subject: Subject::Nothing,
        parameters: &Parameters::NONE,
    };

    /// Whether an address can ask it again, which is not so of an upload.
    pub(crate) fn has_address(self) -> bool {
        !self.parameters.lacks(&["q", "like", "url"])
    }

    /// An address of the same search from its first page on, in this language and with these parameters beside. That
    /// of an upload has these alone.
    fn address(self, language: Language, with: &[(&str, &str)]) -> String {
        let mut all = vec![("lang", language.name())];
        all.extend(with);
        self.again(&[], &all)
    }

    /// The same without these parameters.
    fn address_without(self, language: Language, parameters: &[&str]) -> String {
        self.again(parameters, &[("lang", language.name())])
    }

    fn again(self, without: &[&str], with: &[(&str, &str)]) -> String {
        let parameters = match self.has_address() {
            true => self.parameters,
            false => &Parameters::NONE,
        };
        let without = [without, &["cursor"]].concat();
        format!("/?{}", parameters.again(&without, with))
    }
}

/// What the page shows.
#[derive(Debug)]
pub(crate) enum View<'a> {
    /// The way in.
    Home,
    /// What was found.
    Found(Asked<'a>, &'a Answer),
    /// Why nothing could be looked for.
    Failed(Asked<'a>, &'a SearchError),
}

/// The whole page with its status and headers.
pub(crate) fn respond(language: Language, view: View<'_>) -> Response {
    let style = match &view {
        View::Found(_, answer) => hits::shapes(&answer.hits),
        View::Home | View::Failed(..) => String::new(),
    };
    let status = match &view {
        View::Failed(_, error) => {
            problem::log(error);
            problem::status(error)
        }
        View::Home | View::Found(..) => StatusCode::OK,
    };
    let body = document(language, &view, &style).into_string();
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (VARY, HeaderValue::from_static("accept-language")),
        (CONTENT_SECURITY_POLICY, policy(&style)),
    ];
    let mut response = (status, headers, body).into_response();
    if let View::Failed(_, error) = &view {
        problem::say_when(error, &mut response);
    }
    response
}

/// Only our own files, and the one style block of this page, named by its digest.
fn policy(style: &str) -> HeaderValue {
    let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy = format!(
        "default-src 'none'; img-src 'self' blob:; style-src 'self' 'sha256-{digest}'; \
         script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 is plain ASCII")
}

fn document(language: Language, view: &View<'_>, style: &str) -> Markup {
    let texts = language.texts();
    let (asked, at_home) = match view {
        View::Home => (Asked::NOTHING, true),
        View::Found(asked, _) | View::Failed(asked, _) => (*asked, false),
    };
    let words = match asked.subject {
        Subject::Words(words) => words,
        Subject::Nothing | Subject::Picture | Subject::Like(_) => "",
    };
    let title = match asked.subject {
        Subject::Nothing => texts.tagline,
        Subject::Words(words) => words,
        Subject::Picture => texts.your_picture,
        Subject::Like(_) => texts.like,
    };
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (cut(title)) " · 图搜 Tusou" }
                link rel="icon" type="image/svg+xml" href=(ADDRESSES.icon);
                link rel="stylesheet" href=(ADDRESSES.style);
                @if !style.is_empty() { style { (PreEscaped(style)) } }
                script src=(ADDRESSES.script) defer {}
            }
            body.home[at_home] data-searching=(texts.searching) data-away=(texts.away) data-no-file=(texts.no_file) {
                a.skip href="#results" { (texts.skip) }
                (bar(language, asked, words))
                main #results tabindex="-1" {
                    @match view {
                        View::Home => (home(language)),
                        View::Found(asked, answer) => (found(language, *asked, answer)),
                        View::Failed(asked, error) => (failed(language, *asked, error)),
                    }
                }
                p #said.said role="status" aria-live="polite" {}
                div #drop.drop hidden { p { (texts.drop) } }
                footer { p { (texts.private) } }
            }
        }
    }
}

fn bar(language: Language, asked: Asked<'_>, words: &str) -> Markup {
    let texts = language.texts();
    let (other, its_name) = language.other();
    html! {
        header.bar {
            a.brand href={ "/?lang=" (language.name()) } { "图搜 " span { "Tusou" } }
            form.words action="/" method="get" role="search" {
                input type="hidden" name="lang" value=(language.name());
                label.unseen for="q" { (texts.words) }
                input #q type="search" name="q" value=(cut(words)) placeholder=(texts.placeholder)
                    maxlength=(MAX_QUERY_CHARS) required autocomplete="off" enterkeyhint="search";
                button type="submit" { (texts.search) }
            }
            form #by-picture.picture action={ "/?lang=" (language.name()) } method="post" enctype="multipart/form-data" {
                input #image type="file" name="image" accept="image/jpeg,image/png,image/webp,image/gif,image/bmp" required;
                label for="image" { (texts.choose) }
                button type="submit" { (texts.send) }
            }
            a.language href=(asked.address(other, &[])) hreflang=(other.tag()) lang=(other.tag()) { (its_name) }
        }
    }
}

fn home(language: Language) -> Markup {
    let texts = language.texts();
    html! {
        section.welcome {
            h1 { (texts.tagline) }
            p { (texts.lead) }
            label.hint for="image" { (texts.hint) }
        }
    }
}

fn found(language: Language, asked: Asked<'_>, answer: &Answer) -> Markup {
    let texts = language.texts();
    html! {
        (refine::refine(language, asked, answer))
        @if answer.hits.is_empty() {
            section.message {
                h1 { (texts.nothing) }
                @match answer.considered.below {
                    0 => p { (texts.nothing_help) },
                    below => {
                        p { (language.below(below)) }
                        @if asked.has_address() {
                            p { a href=(asked.address(language, &[("all", "on")])) { (texts.nearest) } }
                        }
                    }
                }
                p { a href={ "/?lang=" (language.name()) } { (texts.home) } }
            }
        } @else {
            (asked_for(language, asked))
            h1.count {
                strong { (language.found(answer.considered.hits)) } " "
                @match asked.subject {
                    Subject::Words(words) => (language.found_for(words.trim())),
                    Subject::Like(_) => (language.found_like_this()),
                    Subject::Picture | Subject::Nothing => (language.found_like()),
                }
                " " small { (language.took(answer.took_ms)) }
            }
            @if let Some(guess) = &answer.best_guess {
                p.guess {
                    (texts.guess) " "
                    a href=(guessed(language, &guess.words)) { (guess.words) }
                }
            }
            (hits::grid(language, &answer.hits))
            @if let Some(next) = &answer.next {
                nav.more {
                    a href=(asked.address(language, &[("cursor", next)])) rel="next" { (texts.more) }
                }
            }
        }
    }
}

/// A search for what a picture was guessed to show.
fn guessed(language: Language, words: &str) -> String {
    let query = [("q", words), ("lang", language.name())];
    format!("/?{}", Parameters::NONE.again(&[], &query))
}

/// The picture that was asked with: an indexed one by its thumbnail; an upload only where a script
/// shows it, since it is not kept.
fn asked_for(language: Language, asked: Asked<'_>) -> Markup {
    let texts = language.texts();
    html! {
        @match asked.subject {
            Subject::Like(id) => @if let Ok(id) = query::image_id("like", id) {
                img.asked src=(thumbnail_path(&id)) alt=(texts.your_picture);
            },
            Subject::Picture => img #asked.asked alt=(texts.your_picture) hidden;,
            Subject::Words(_) | Subject::Nothing => {},
        }
    }
}

fn failed(language: Language, asked: Asked<'_>, error: &SearchError) -> Markup {
    let texts = language.texts();
    html! {
        section.message role="alert" data-code=(error.code()) {
            h1 { (texts.failed) }
            p { (language.error(error)) }
            @if error.status() == 503 && asked.has_address() {
                p { a href=(asked.address(language, &[])) { (texts.retry) } }
            } @else {
                p { a href={ "/?lang=" (language.name()) } { (texts.home) } }
            }
        }
    }
}

/// Words as they are shown back: a hostile query is as long as its sender likes.
fn cut(words: &str) -> &str {
    words
        .char_indices()
        .nth(MAX_QUERY_CHARS)
        .map_or(words, |(end, _)| &words[..end])
}

#[cfg(test)]
mod tests;
