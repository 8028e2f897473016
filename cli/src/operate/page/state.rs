//! Whether it works, what is held up by what, and the services.

use maud::{Markup, html};

use super::Shown;
use crate::format::one_line;
use crate::status::held_up::{Bounds, Cause, causes};
use crate::status::look::Seen;
use crate::status::{ServiceState, ServiceStatus, Status};

/// Characters of a foreign sentence.
const MOST: usize = 400;
/// Causes that are told.
const CAUSES: usize = 30;

pub(super) fn state(shown: &Shown<'_>, seen: &Seen) -> Markup {
    let texts = shown.language.texts();
    let status = &seen.status;
    let held = causes(status, Bounds::of(shown.config));
    html! {
        section #state {
            h1 class=(class(status, &held)) { (sentence(shown, seen, &held)) }
            @if !status.problems.is_empty() {
                p { (texts.unseen_help) }
                ul.causes { @for problem in &status.problems { li { (one_line(problem, MOST)) } } }
            }
            @if !held.is_empty() {
                ul.causes {
                    @for (position, cause) in held.iter().take(CAUSES).enumerate() {
                        li {
                            (one_line(&shown.language.cause(cause), MOST))
                            @if let Cause::Paused { what, .. } = cause { " " (resume(shown, &format!("resume-{position}"), what)) }
                        }
                    }
                    @if held.len() > CAUSES { li { (shown.language.more((held.len() - CAUSES) as u64)) } }
                }
            }
        }
        section #services {
            h2 { (texts.services) }
            (services(shown, &status.services))
        }
    }
}

/// A button that lets go on what is paused; `what` is as `tusou resume` takes it.
pub(super) fn resume(shown: &Shown<'_>, id: &str, what: &str) -> Markup {
    let (what, host) = what.split_once(' ').unwrap_or((what, ""));
    let about = if host.is_empty() { what } else { host };
    shown.button(
        id,
        "resume",
        shown.language.texts().resume,
        about,
        &[("what", what), ("host", host)],
    )
}

fn class(status: &Status, held: &[Cause]) -> &'static str {
    match () {
        () if !status.problems.is_empty() => "unseen-part",
        () if !held.is_empty() => "held",
        () => "well",
    }
}

/// The one sentence.
fn sentence(shown: &Shown<'_>, seen: &Seen, held: &[Cause]) -> String {
    let (texts, status) = (shown.language.texts(), &seen.status);
    if !status.problems.is_empty() {
        return texts.unseen.to_owned();
    }
    if !held.is_empty() {
        return texts.held.to_owned();
    }
    if seen.counted_at.is_none() {
        return texts.counting.to_owned();
    }
    let empty = status.seeds.is_empty() && status.lists.is_empty() && status.images.stored == 0;
    match (status.done, status.time_left_seconds) {
        (true, _) if empty => texts.nothing.to_owned(),
        (true, _) => texts.done.to_owned(),
        (false, Some(seconds)) => shown.language.time_left(seconds),
        (false, None) => texts.works.to_owned(),
    }
}

fn services(shown: &Shown<'_>, services: &[ServiceStatus]) -> Markup {
    let texts = shown.language.texts();
    html! {
        table.cards {
            thead { tr { @for name in [texts.service, texts.state, texts.version, texts.device, texts.address] { th scope="col" { (name) } } } }
            tbody {
                @for service in services {
                    tr {
                        th scope="row" { (service.name) }
                        td data-name=(texts.state) { (state_of(shown, service.state)) }
                        td data-name=(texts.version) { (service.version.as_deref().map_or_else(|| "–".to_owned(), |version| one_line(version, 60))) }
                        td data-name=(texts.device) {
                            @if service.about.is_empty() { "–" }
                            @for (what, words) in &service.about { span.pair { (one_line(what, 40)) ": " (one_line(words, 60)) } " " }
                        }
                        td data-name=(texts.address) { code { (service.address) } }
                    }
                }
            }
        }
    }
}

fn state_of(shown: &Shown<'_>, state: ServiceState) -> Markup {
    let texts = shown.language.texts();
    let (class, word) = match state {
        ServiceState::Ready => ("well", texts.ready),
        ServiceState::Waiting => ("held", texts.waits),
        ServiceState::Silent => ("away", texts.silent),
    };
    html! { span class={ "mark " (class) } { (word) } }
}
