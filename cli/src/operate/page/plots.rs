//! What was seen over time, drawn: small plots with their figures beside them, and as tables.

use std::fmt::Write as _;
use std::time::Duration;

use maud::{Markup, html};

use super::Shown;
use crate::format::number;
use crate::status::history::Line;
use crate::status::look::Seen;

/// The plot's own units.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 56.0;
/// Points of a plot.
const PARTS: usize = 60;
/// What a plot shows, seconds.
const SPANS: [u64; 4] = [600, 3_600, 6 * 3_600, 24 * 3_600];
/// Lines of its table.
const LINES: usize = 12;

/// How a value is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Seconds,
    Rate,
}

pub(super) fn plots(shown: &Shown<'_>, seen: &Seen) -> Markup {
    let texts = shown.language.texts();
    let groups = [
        (
            texts.depth,
            Kind::Count,
            vec![
                (Line::Queue(0), "images.fetched", texts.q_fetched),
                (Line::Queue(1), "images.embedded", texts.q_embedded),
                (Line::Queue(2), "images.changed", texts.q_changed),
                (Line::Outbox, "outbox", texts.owed),
            ],
        ),
        (
            texts.age,
            Kind::Seconds,
            vec![
                (Line::HostAge, "", texts.a_host),
                (Line::OutboxAge, "", texts.a_outbox),
                (Line::EncodeAge, "", texts.a_encode),
                (Line::IndexAge, "", texts.a_index),
            ],
        ),
        (
            texts.rates,
            Kind::Rate,
            vec![
                (Line::Pages, "", texts.r_pages),
                (Line::Stored, "", texts.r_stored),
                (Line::Encoded, "", texts.r_encoded),
                (Line::Indexed, "", texts.r_indexed),
            ],
        ),
    ];
    html! {
        section #waiting {
            h2 { (texts.waiting) }
            @for (title, kind, lines) in groups {
                h3 { (title) }
                div.plots {
                    @for (line, code, name) in lines { (plot(shown, seen, line, kind, code, name)) }
                }
            }
        }
    }
}

fn plot(shown: &Shown<'_>, seen: &Seen, line: Line, kind: Kind, code: &str, name: &str) -> Markup {
    let texts = shown.language.texts();
    // As much as there is, in steps: a plot that has just begun is not a line at its edge.
    let kept = seen
        .history
        .since()
        .map(|since| shown.since(since))
        .unwrap_or_default();
    let span = SPANS
        .into_iter()
        .map(Duration::from_secs)
        .find(|span| *span >= kept);
    let span = span.unwrap_or(Duration::from_secs(24 * 3_600));
    let said = shown.language.last(span);
    let values = seen.history.means(line, span, PARTS);
    let seen_values = || values.iter().flatten().copied();
    let now = seen
        .history
        .last(Duration::from_secs(3_600))
        .next_back()
        .and_then(|sample| sample.value(line));
    let (least, most) = (
        seen_values().fold(f64::INFINITY, f64::min),
        seen_values().fold(0.0, f64::max),
    );
    let key = format!("{line:?}").replace(['(', ')'], "");
    let queue = seen.status.queues.iter().find(|queue| queue.name == code);
    let waits = seen.history.waiting_since(line).filter(|_| queue.is_some());
    html! {
        figure.plot {
            figcaption {
                @if !code.is_empty() { code { (code) } " " }
                (name)
                strong { (now.map_or_else(|| "–".to_owned(), |now| told(shown, kind, now))) }
            }
            @if least.is_finite() {
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={
                    (name) ", " (said) ": " (texts.least) " " (told(shown, kind, least)) ", " (texts.most) " " (told(shown, kind, most))
                } {
                    path.area d=(path(&values, most, true)) {}
                    path.stroke d=(path(&values, most, false)) {}
                }
                p.scale {
                    span { (said) } span { (texts.most) " " (told(shown, kind, most)) }
                    @if let Some(queue) = queue.filter(|queue| queue.unacknowledged > 0) {
                        span { (number(queue.unacknowledged)) " " (texts.unacked) }
                    }
                    @if let Some(since) = waits {
                        span { (texts.not_empty) " " (shown.language.span(shown.since(since))) }
                    }
                }
                details data-key=(key) {
                    summary #{ "t-" (key) } { (texts.figures) span.unseen { ": " (name) } }
                    (table(shown, seen, line, kind, span))
                }
            } @else { p.scale { (texts.no_samples) } }
        }
    }
}

/// A line through the parts that were seen, with gaps between; `filled` down to 0.
fn path(values: &[Option<f64>], most: f64, filled: bool) -> String {
    let step = WIDTH / values.len().max(1) as f64;
    let top = if most > 0.0 { most } else { 1.0 };
    let y = |value: f64| 2.0 + (HEIGHT - 4.0) * (1.0 - value / top);
    let mut path = String::new();
    let mut begun: Option<f64> = None;
    for (position, value) in values.iter().enumerate() {
        let x = step * position as f64;
        if let Some(value) = value {
            let word = if begun.is_some() { 'L' } else { 'M' };
            // A part alone is as wide as it is.
            write!(
                path,
                "{word}{x:.1} {:.1}L{:.1} {:.1}",
                y(*value),
                x + step,
                y(*value)
            )
            .expect("a String takes all text");
            begun.get_or_insert(x);
        }
        let ends = value.is_none() || position + 1 == values.len();
        if let Some(first) = begun.filter(|_| ends) {
            let last = if value.is_none() { x } else { x + step };
            if filled {
                write!(path, "L{last:.1} {HEIGHT}L{first:.1} {HEIGHT}Z")
                    .expect("a String takes all text");
            }
            begun = None;
        }
    }
    path
}

fn table(shown: &Shown<'_>, seen: &Seen, line: Line, kind: Kind, span: Duration) -> Markup {
    let texts = shown.language.texts();
    let values = seen.history.means(line, span, LINES);
    let step = span / u32::try_from(LINES).expect("a few");
    html! {
        table.figures {
            thead { tr { th scope="col" { (texts.until) } th scope="col" { (texts.count) } } }
            tbody {
                @for (position, value) in values.iter().enumerate().rev() {
                    @if let Some(value) = value {
                        tr {
                            th scope="row" {
                                @match LINES - 1 - position {
                                    0 => (texts.now),
                                    parts => (shown.language.ago(step * u32::try_from(parts).expect("a few"))),
                                }
                            }
                            td { (told(shown, kind, *value)) }
                        }
                    }
                }
            }
        }
    }
}

fn told(shown: &Shown<'_>, kind: Kind, value: f64) -> String {
    match kind {
        // Means of counts: whole ones are as good.
        Kind::Count => number(value.round() as u64),
        Kind::Seconds => shown
            .language
            .span(Duration::from_secs_f64(value.clamp(0.0, 1e9))),
        Kind::Rate => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_gaps_and_stays_inside() {
        let values = [Some(0.0), Some(4.0), None, Some(2.0)];
        assert_eq!(
            path(&values, 4.0, false),
            "M0.0 54.0L60.0 54.0L60.0 2.0L120.0 2.0M180.0 28.0L240.0 28.0"
        );
        assert_eq!(
            path(&values, 4.0, true),
            "M0.0 54.0L60.0 54.0L60.0 2.0L120.0 2.0L120.0 56L0.0 56ZM180.0 28.0L240.0 28.0L240.0 56L180.0 56Z"
        );
        assert_eq!(path(&[None, None], 0.0, true), "");
        assert_eq!(path(&[Some(0.0)], 0.0, false), "M0.0 54.0L240.0 54.0");
    }
}
