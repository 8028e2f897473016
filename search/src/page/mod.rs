//! The web page, made on the server: it works without a script. All text passes through `maud`,
//! which escapes it.

pub(crate) mod assets;
mod found;
mod hits;
mod language;
mod picture;
mod refine;
mod rights;
mod told;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, VARY};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use self::assets::ADDRESSES;
use self::found::{found, guessed};
pub(crate) use self::language::Language;
pub(crate) use self::refine::CHOICES;
use crate::answer::Answer;
use crate::config::MAX_QUERY_CHARS;
use crate::error::SearchError;
use crate::picture::Picture;
use crate::problem;
use crate::query::{FROM, Parameters};

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
    /// The picture at an address of the web.
    Url,
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
        match self.subject {
            Subject::Words(_) | Subject::Like(_) | Subject::Url => true,
            Subject::Nothing | Subject::Picture => false,
        }
    }

    /// How many hits come before the first that is shown.
    pub(crate) fn from(self) -> u16 {
        let from = self.parameters.get(FROM).map(str::parse);
        from.and_then(Result::ok).unwrap_or_default()
    }

    /// An address of the same search from its first page on, in this language and with these parameters beside. That
    /// of an upload lacks the picture, which a script has to send along.
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
        let without = [without, &["cursor", FROM]].concat();
        format!("/?{}", self.parameters.again(&without, with))
    }
}

/// What the page shows.
#[derive(Debug)]
pub(crate) enum View<'a> {
    /// The way in.
    Home,
    /// What was found.
    Found(Asked<'a>, &'a Answer),
    /// One picture with everything around it.
    Picture(&'a Picture),
    /// Why nothing could be looked for.
    Failed(Asked<'a>, &'a SearchError),
}

/// The whole page with its status and headers.
pub(crate) fn respond(language: Language, view: View<'_>) -> Response {
    let style = match &view {
        View::Found(asked, answer) => hits::shapes("h", asked.from().into(), &answer.hits),
        View::Picture(picture) => picture::shapes(picture),
        View::Home | View::Failed(..) => String::new(),
    };
    let status = match &view {
        View::Failed(_, error) => {
            problem::log(error);
            problem::status(error)
        }
        View::Home | View::Found(..) | View::Picture(_) => StatusCode::OK,
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
        View::Picture(_) => (Asked::NOTHING, false),
        View::Found(asked, _) | View::Failed(asked, _) => (*asked, false),
    };
    let words = match asked.subject {
        Subject::Words(words) => words,
        Subject::Nothing | Subject::Picture | Subject::Url | Subject::Like(_) => "",
    };
    let title = match (asked.subject, view) {
        (_, View::Picture(picture)) => picture::name(picture),
        (Subject::Nothing, _) => texts.tagline,
        (Subject::Words(words), _) => words,
        (Subject::Picture | Subject::Url, _) => texts.your_picture,
        (Subject::Like(_), _) => texts.like,
    };
    // The same view in the other language.
    let other = language.other().0;
    let other = match view {
        View::Picture(picture) => picture::address(other, &picture.facts.shown.image_id),
        _ if asked.has_address() => asked.address(other, &[]),
        _ => format!("/?lang={}", other.name()),
    };
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (cut(title)) " · 图搜 Tusou" }
                // A row is as wide as its pictures let it: painted before the last of them is read, it would move.
                link rel="expect" href="#said" blocking="render";
                link rel="icon" type="image/svg+xml" href=(ADDRESSES.icon);
                link rel="stylesheet" href=(ADDRESSES.style);
                @if !style.is_empty() { style { (PreEscaped(style)) } }
                @for (position, script) in ADDRESSES.scripts.iter().enumerate() { script src=(script) defer[position > 0] {} }
            }
            body.home[at_home] data-searching=(texts.searching) data-away=(texts.away) data-no-file=(texts.no_file) data-more=(texts.more_came) {
                a.skip href="#results" { (texts.skip) }
                (bar(language, words, &other))
                main #results tabindex="-1" {
                    @match view {
                        View::Home => (home(language)),
                        View::Found(asked, answer) => (found(language, *asked, answer)),
                        View::Picture(picture) => (picture::view(language, picture)),
                        View::Failed(asked, error) => (failed(language, *asked, error)),
                    }
                }
                p #said.said role="status" aria-live="polite" {}
                div #drop.drop role="status" hidden { p { (texts.drop) } }
                footer { p { (texts.private) } }
            }
        }
    }
}

fn bar(language: Language, words: &str, in_other: &str) -> Markup {
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
                // A script shows it where a camera is likely. Without a name it is never sent.
                input #camera.with-script type="file" accept="image/*" capture="environment";
                label.camera.with-script for="camera" { (texts.photograph) }
                button type="submit" { (texts.send) }
            }
            a.language href=(in_other) hreflang=(other.tag()) lang=(other.tag()) { (its_name) }
        }
    }
}

fn home(language: Language) -> Markup {
    let texts = language.texts();
    html! {
        section.welcome {
            h1 { (texts.tagline) }
            p { (texts.lead) }
            label.hint for="image" {
                span.by-mouse { (texts.hint) }
                span.by-touch { (texts.hint_touch) }
            }
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
