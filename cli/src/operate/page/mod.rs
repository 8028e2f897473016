//! The page, made on the server: it works without a script. All text passes through `maud`, which escapes it.

mod crawl;
mod dead;
mod forms;
mod plots;
mod state;
mod trouble;

use std::time::{Duration, SystemTime};

use maud::{DOCTYPE, Markup, html};
use time::OffsetDateTime;
use time::macros::format_description;
use tusou_platform::config::Config;

use super::assets::ADDRESSES;
use super::letters::Look;
use super::words::Language;
use crate::status::look::Seen;
pub(super) use forms::{confirm, stale};

/// What every part of the page needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) language: Language,
    /// What every form carries.
    pub(super) token: &'a str,
    /// What was done just now: the command, and below it what it said.
    pub(super) told: Option<&'a str>,
    /// Which page of dead letters, from 0.
    pub(super) letters_page: usize,
    pub(super) now: SystemTime,
    pub(super) config: &'a Config,
}

impl Shown<'_> {
    /// A moment of today, as a clock in UTC shows it.
    fn clock(&self, at: SystemTime) -> Markup {
        let at = OffsetDateTime::from(at);
        let clock = at.format(format_description!("[hour]:[minute]:[second] UTC"));
        let whole = at.format(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
        ));
        html! { time datetime=(whole.unwrap_or_default()) { (clock.unwrap_or_default()) } }
    }

    /// How long ago a moment was.
    fn since(&self, at: SystemTime) -> Duration {
        self.now.duration_since(at).unwrap_or_default()
    }

    /// Where the page is, with this parameter beside.
    fn address(&self, name: &str, value: &str) -> String {
        format!("/?lang={}&{name}={value}", self.language.name())
    }

    /// What every form holds.
    fn hidden(&self, deed: &str) -> Markup {
        html! {
            input type="hidden" name="token" value=(self.token);
            input type="hidden" name="lang" value=(self.language.name());
            input type="hidden" name="do" value=(deed);
        }
    }

    /// A form of one button. `id` lets the script give the focus back.
    fn button(
        &self,
        id: &str,
        deed: &str,
        label: &str,
        about: &str,
        fields: &[(&str, &str)],
    ) -> Markup {
        html! {
            form.one method="post" action="/ask" {
                (self.hidden(deed))
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button.small #(id) type="submit" { (label) @if !about.is_empty() { span.unseen { " " (about) } } }
            }
        }
    }
}

/// The whole page.
pub(super) fn overview(shown: &Shown<'_>, seen: Option<&Seen>, letters: Option<&Look>) -> Markup {
    let texts = shown.language.texts();
    let body = html! {
        @if let Some(told) = shown.told { (was_done(shown, told)) }
        div #now {
            @match seen {
                Some(seen) => {
                    (state::state(shown, seen))
                    (crawl::crawl(shown, seen))
                    (plots::plots(shown, seen))
                    // What was never counted is not said to be nothing.
                    @if seen.counted_at.is_some() {
                        (trouble::errors(shown, seen))
                        (trouble::hosts(shown, seen))
                    }
                    (dead::letters(shown, seen, letters))
                    (footing(shown, seen))
                }
                None => p.lead { (texts.looking) },
            }
        }
        section #act { (forms::forms(shown)) }
    };
    document(shown, texts.title, true, &body)
}

fn footing(shown: &Shown<'_>, seen: &Seen) -> Markup {
    let texts = shown.language.texts();
    html! {
        p.footing {
            (texts.looked) " " (shown.clock(seen.at)) ". "
            @match seen.counted_at {
                Some(at) => { (texts.counted) " " (shown.clock(at)) " (" (shown.language.ago(shown.since(at))) "). " }
                None => { (texts.counted) ": " (texts.not_counted) ". " }
            }
            @if let Some(since) = seen.history.since() {
                (texts.since) " " (shown.clock(since)) " (" (shown.language.ago(shown.since(since))) "). " (texts.long)
            }
        }
    }
}

fn was_done(shown: &Shown<'_>, told: &str) -> Markup {
    let texts = shown.language.texts();
    let (command, said) = told.split_once('\n').unwrap_or((told, ""));
    html! {
        section.done role="status" {
            h2 { (texts.was_done) }
            p { code { (command) } }
            pre lang="en" { (said) }
        }
    }
}

/// A document around a body. `live` says whether a script may refresh it.
fn document(shown: &Shown<'_>, title: &str, live: bool, body: &Markup) -> Markup {
    let texts = shown.language.texts();
    let (other, its_name) = shown.language.other();
    let interval = live.then(|| shown.config.operator.interval_ms.max(1_000).to_string());
    html! {
        (DOCTYPE)
        html lang=(shown.language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · 图搜 Tusou" }
                link rel="icon" type="image/svg+xml" href=(ADDRESSES.icon);
                link rel="stylesheet" href=(ADDRESSES.style);
                @if live { script src=(ADDRESSES.script) defer {} }
            }
            body data-interval=[interval] data-away=(texts.no_answer) data-stand=(texts.stand)
                data-fresh=(texts.refreshed) data-hold=(texts.hold) data-go=(texts.go_on) {
                a.skip href="#main" { (texts.skip) }
                header.bar {
                    a.brand href={ "/?lang=" (shown.language.name()) } { "图搜 " span { "Tusou · " (texts.title) } }
                    @if live { button #hold.small type="button" hidden { (texts.hold) } }
                    a.language href={ "/?lang=" (other.name()) } hreflang=(other.tag()) lang=(other.tag()) { (its_name) }
                }
                p #said.said role="status" aria-live="polite" {}
                main #main tabindex="-1" { (body) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
