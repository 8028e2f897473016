//! Dead letters, to be looked at: picture, reason, error in full, age, and what can be done.

use maud::{Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Shown;
use crate::dead::{Letters, Row};
use crate::format::{number, one_line};
use crate::operate::letters::Look;
use crate::status::look::Seen;

/// Letters of a page.
const PAGE: usize = 12;
/// Characters of an error in full.
const WHOLE: usize = 4_000;
/// Characters of its first line.
const LINE: usize = 160;
/// Hosts that are named.
const HOSTS: usize = 3;

pub(super) fn letters(shown: &Shown<'_>, seen: &Seen, letters: Option<&Look>) -> Markup {
    let texts = shown.language.texts();
    let queues = seen.status.queues.iter().filter(|queue| queue.is_dead());
    let counted: u64 = queues.map(|queue| queue.ready).sum();
    html! {
        section #dead {
            h2 { (texts.dead) @if counted > 0 { " " span.quiet { (number(counted)) } } }
            @match letters {
                Some((Ok(found), _)) => (listed(shown, found)),
                Some((Err(reason), _)) => p.held { (one_line(reason, 400)) },
                None => p { (texts.looking) },
            }
        }
    }
}

fn listed(shown: &Shown<'_>, found: &Letters) -> Markup {
    let texts = shown.language.texts();
    // The newest first: what just happened is what somebody looks for.
    let mut rows: Vec<&Row> = found.rows.iter().collect();
    rows.sort_by(|one, other| other.died_at.cmp(&one.died_at));
    let pages = rows.len().div_ceil(PAGE);
    let page = shown.letters_page.min(pages.saturating_sub(1));
    html! {
        @if rows.is_empty() { p { (texts.no_dead) } }
        @if let Some(problem) = &found.problem { p.quiet { (one_line(problem, 400)) } }
        ul.letters {
            @for row in rows.iter().skip(page * PAGE).take(PAGE) { (letter(shown, row)) }
        }
        @if found.more > 0 { p { (shown.language.more(found.more)) ": " code { "tusou dead list" } } }
        @if pages > 1 {
            nav.pages aria-label=(texts.dead) {
                @if page > 0 { a href={ (shown.address("dead", &(page - 1).to_string())) "#dead" } rel="prev" { (texts.newer) } }
                span { (shown.language.of_all(page as u64 + 1, pages as u64)) }
                @if page + 1 < pages { a href={ (shown.address("dead", &(page + 1).to_string())) "#dead" } rel="next" { (texts.older) } }
            }
        }
    }
}

fn letter(shown: &Shown<'_>, row: &Row) -> Markup {
    let texts = shown.language.texts();
    let reason = one_line(&row.reason, 80);
    let hosts: Vec<String> = row
        .hosts
        .iter()
        .take(HOSTS)
        .map(|host| one_line(host, 80))
        .collect();
    html! {
        li.letter {
            @match row.image_id {
                Some(id) => img src={ "/picture/" (id) } alt={ (texts.picture_of) " " (row.id) } width="96" height="96" loading="lazy" decoding="async";,
                None => span.none { (texts.no_picture) },
            }
            div.about {
                p { strong { (reason) } " " code { (row.queue) } " " span.quiet { (age(shown, row)) } }
                p.line { (one_line(&row.detail, LINE)) }
                p.quiet {
                    code { (row.id) }
                    @if !hosts.is_empty() {
                        " · " (texts.seen_at) " " (hosts.join(", "))
                        @if row.hosts.len() > HOSTS { " " (shown.language.more((row.hosts.len() - HOSTS) as u64)) }
                    }
                }
                details data-key={ "l-" (row.id) } {
                    summary #{ "l-" (row.id) } { (texts.whole) span.unseen { ": " (row.id) } }
                    pre lang="en" { (one_line(&row.detail, WHOLE)) }
                    p.quiet {
                        (texts.attempt) ": " (row.attempt)
                        @if let Some(died) = &row.died_at { " · " (one_line(died, 40)) }
                        @if let Some(id) = row.image_id { " · " code { (id) } }
                    }
                }
                div.deeds {
                    (shown.button(&format!("r-{}", row.id), "retry", texts.retry, &row.id, &[("id", &row.id)]))
                    (shown.button(&format!("d-{}", row.id), "drop", texts.drop, &row.id, &[("id", &row.id)]))
                    (shown.button(&format!("a-{}", row.id), "retry-reason", texts.retry_all, &reason, &[("reason", &row.reason), ("queue", row.queue)]))
                }
            }
        }
    }
}

fn age(shown: &Shown<'_>, row: &Row) -> String {
    let died = row
        .died_at
        .as_deref()
        .and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    match died {
        Some(at) => shown.language.ago(shown.since(at.into())),
        None => shown.language.texts().unknown_time.to_owned(),
    }
}
