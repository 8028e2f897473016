//! What was left out by reason, and hosts that are slow or not asked.

use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use super::Shown;
use super::state::resume;
use crate::format::{number, one_line};
use crate::rows::hosts::{MOST_DUE, SlowHost, Trouble};
use crate::status::left_out::left_out;
use crate::status::look::Seen;

/// Reasons that are shown.
const MOST: usize = 60;

pub(super) fn errors(shown: &Shown<'_>, seen: &Seen) -> Markup {
    let texts = shown.language.texts();
    let left = left_out(&seen.status);
    html! {
        section #errors {
            h2 { (texts.errors) }
            @if left.is_empty() { p { (texts.no_errors) } } @else {
                table.cards {
                    thead { tr { @for name in [texts.about, texts.reason, texts.count] { th scope="col" { (name) } } } }
                    tbody {
                        @for one in left.iter().take(MOST) {
                            tr {
                                th scope="row" { (shown.language.about(one.what, &one.of)) }
                                td data-name=(texts.reason) { code { (one_line(&one.reason, 80)) } }
                                td.number data-name=(texts.count) { (number(one.count)) }
                            }
                        }
                    }
                }
                @if left.len() > MOST { p { (shown.language.more((left.len() - MOST) as u64)) ": " code { "tusou status" } } }
            }
        }
    }
}

pub(super) fn hosts(shown: &Shown<'_>, seen: &Seen) -> Markup {
    let texts = shown.language.texts();
    html! {
        section #hosts {
            h2 { (texts.hosts) }
            @if seen.hosts.hosts.is_empty() { p { (texts.no_hosts) } } @else {
                table.cards {
                    thead {
                        tr {
                            @for name in [texts.host, texts.reason, texts.due, texts.next] { th scope="col" { (name) } }
                            td {}
                        }
                    }
                    tbody {
                        @for (position, host) in seen.hosts.hosts.iter().enumerate() { (row(shown, position, host)) }
                    }
                }
                @if seen.hosts.more > 0 { p { (shown.language.more(seen.hosts.more)) } }
            }
        }
    }
}

fn row(shown: &Shown<'_>, position: usize, host: &SlowHost) -> Markup {
    let texts = shown.language.texts();
    let why = one_line(&host.why, 200);
    let due = match host.due {
        due if due >= MOST_DUE => format!("≥ {}", number(due)),
        due => number(due),
    };
    let id = format!("host-{position}");
    html! {
        tr {
            th scope="row" { (one_line(&host.origin, 120)) }
            td data-name=(texts.reason) { (shown.language.trouble(host.trouble)) @if !why.is_empty() { " (" (why) ")" } }
            td.number data-name=(texts.due) { (due) }
            td data-name=(texts.next) { (next(shown, host)) }
            td {
                @match host.trouble {
                    Trouble::Paused => (resume(shown, &id, &format!("host {}", host.origin))),
                    _ => (shown.button(&id, "pause", texts.pause, &host.origin, &[("what", "host"), ("host", &host.origin)])),
                }
            }
        }
    }
}

/// When it is asked next.
fn next(shown: &Shown<'_>, host: &SlowHost) -> String {
    let texts = shown.language.texts();
    match host.next {
        _ if host.trouble == Trouble::Paused => texts.never.to_owned(),
        None => "–".to_owned(),
        Some(at) => match SystemTime::from(at).duration_since(shown.now) {
            Ok(ahead) if ahead > Duration::from_secs(1) => shown.language.ahead(ahead),
            _ => texts.now_word.to_owned(),
        },
    }
}
