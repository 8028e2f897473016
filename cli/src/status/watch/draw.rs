//! What is seen, as lines that fit a window.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;
use tusou_platform::Config;

use super::super::history::{Line, QUEUES};
use super::super::left_out::left_out;
use super::super::look::Seen;
use super::super::report::{ServiceState, Status, UrlCounts};
use super::super::{held_up, text};
use super::terminal::Style;
use crate::format::{duration, number, one_line, table};
use crate::rows::hosts::{MOST_DUE, SlowHost, Trouble};

/// Marks of a small plot, from nothing to the most.
const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Marks of one plot.
const PARTS: usize = 30;
/// What it shows: ten seconds a mark.
const SPAN: Duration = Duration::from_secs(300);
/// Lines of one section: a section that is longer must not push all others out.
const LONGEST: usize = 12;

type Drawn = Vec<(Style, String)>;

/// A part of the picture with its name.
struct Section {
    title: &'static str,
    lines: Vec<String>,
    style: Style,
}

/// At most `height` lines of at most `width` columns. What does not fit is named in the last one.
pub(super) fn lines(
    config: &Config,
    seen: Option<&Seen>,
    now: SystemTime,
    width: usize,
    height: usize,
) -> Drawn {
    let Some(seen) = seen else {
        return fit(
            vec![(Style::Title, "Looking…".to_owned())],
            Vec::new(),
            width,
            height,
        );
    };
    let top = vec![
        (
            Style::Title,
            text::headline(&seen.status).trim_end().to_owned(),
        ),
        (Style::Plain, age(seen, now)),
    ];
    fit(top, sections(config, seen, now), width, height)
}

/// How old the figures are.
fn age(seen: &Seen, now: SystemTime) -> String {
    let ago = |at: SystemTime| duration(now.duration_since(at).unwrap_or_default().as_secs());
    let clock =
        OffsetDateTime::from(now).format(format_description!("[hour]:[minute]:[second] UTC"));
    let counted = match seen.counted_at {
        Some(at) => format!("rows counted {} ago", ago(at)),
        None => "rows not counted yet".to_owned(),
    };
    let clock = clock.unwrap_or_default();
    format!(
        "{clock} · queues and services seen {} ago · {counted} · q ends",
        ago(seen.at)
    )
}

fn sections(config: &Config, seen: &Seen, now: SystemTime) -> Vec<Section> {
    let status = &seen.status;
    let held = held_up::causes(status, held_up::Bounds::of(config));
    let problems = status
        .problems
        .iter()
        .map(|problem| format!("  ! {}", one_line(problem, 300)));
    let held = held
        .iter()
        .map(|cause| format!("  - {}", one_line(&cause.to_string(), 400)));
    let mut all = vec![
        section("Not to be seen", Style::Warning, problems.collect()),
        section("Held up", Style::Warning, held.collect()),
        section("Services", Style::Plain, vec![services(status)]),
        section("Queues (the last 5 min)", Style::Plain, queues(seen)),
        section("Oldest that waits", Style::Plain, ages(seen)),
        section("Each second (the last 5 min)", Style::Plain, rates(seen)),
    ];
    if seen.counted_at.is_some() {
        all.extend([
            section("Found", Style::Plain, found(status)),
            section("Seeds", Style::Plain, seeds(status)),
            section("Left out", Style::Plain, reasons(status)),
            section("Hosts slow or blocked", Style::Plain, hosts(seen, now)),
        ]);
    }
    all.retain(|section| !section.lines.is_empty());
    all
}

fn section(title: &'static str, style: Style, mut lines: Vec<String>) -> Section {
    if lines.len() > LONGEST {
        let more = lines.len() - LONGEST + 1;
        lines.truncate(LONGEST - 1);
        lines.push(format!("  and {more} more"));
    }
    Section {
        title,
        lines,
        style,
    }
}

fn fit(top: Drawn, sections: Vec<Section>, width: usize, height: usize) -> Drawn {
    let mut drawn = top;
    let mut missing: Vec<String> = Vec::new();
    for section in sections {
        // One line stays for what is left out.
        let room = height.saturating_sub(drawn.len() + 1);
        if !missing.is_empty() || room < 2 {
            missing.push(section.title.to_owned());
            continue;
        }
        drawn.push((Style::Title, section.title.to_owned()));
        let shown = section.lines.len().min(room - 1);
        let left = section.lines.len() - shown;
        drawn.extend(
            section
                .lines
                .into_iter()
                .take(shown)
                .map(|line| (section.style, line)),
        );
        if left > 0 {
            missing.push(format!("{} ({left} lines)", section.title));
        }
    }
    if !missing.is_empty() {
        drawn.push((Style::Title, format!("No room for: {}", missing.join(", "))));
    }
    drawn.truncate(height);
    drawn
        .into_iter()
        .map(|(style, line)| (style, cut(&line, width)))
        .collect()
}

/// The line as far as the columns reach.
fn cut(line: &str, width: usize) -> String {
    if line.chars().map(columns).sum::<usize>() <= width {
        return line.to_owned();
    }
    let (mut taken, mut text) = (0, String::new());
    for c in line.chars() {
        taken += columns(c);
        if taken >= width {
            break;
        }
        text.push(c);
    }
    if width > 0 {
        text.push('…');
    }
    text
}

/// Columns of a character: two of those of East Asia that are wide (Unicode Standard Annex 11), none of marks that
/// stand on others.
fn columns(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

fn rows(rows: Vec<Vec<String>>) -> Vec<String> {
    table(&rows).lines().map(str::to_owned).collect()
}

fn services(status: &Status) -> String {
    let told = status.services.iter().map(|service| {
        let state = match service.state {
            ServiceState::Ready => "ready",
            ServiceState::Waiting => "waits",
            ServiceState::Silent => "silent",
        };
        let version = service
            .version
            .as_deref()
            .map(|version| format!(" {}", one_line(version, 30)));
        format!("{} {state}{}", service.name, version.unwrap_or_default())
    });
    format!("  {}", told.collect::<Vec<_>>().join(" · "))
}

/// A line as marks, the newest last; a space where nothing was seen.
fn marks(seen: &Seen, line: Line) -> String {
    let means = seen.history.means(line, SPAN, PARTS);
    let most = means.iter().flatten().copied().fold(0.0, f64::max);
    let mark = |value: f64| {
        let share = if most > 0.0 { value / most } else { 0.0 };
        MARKS[((share * 7.0).round() as usize).min(7)]
    };
    means
        .into_iter()
        .map(|mean| mean.map_or(' ', mark))
        .collect()
}

fn queues(seen: &Seen) -> Vec<String> {
    let mut lines = vec![
        ["", "ready", "unacknowledged", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    for queue in &seen.status.queues {
        let line = QUEUES
            .iter()
            .position(|name| *name == queue.name)
            .map(Line::Queue);
        if line.is_some() || queue.ready + queue.unacknowledged > 0 {
            let marks = line.map(|line| marks(seen, line)).unwrap_or_default();
            lines.push(vec![
                queue.name.clone(),
                number(queue.ready),
                number(queue.unacknowledged),
                marks,
            ]);
        }
    }
    let owed = number(seen.status.outbox);
    lines.push(vec![
        "outbox".to_owned(),
        owed,
        String::new(),
        marks(seen, Line::Outbox),
    ]);
    rows(lines)
}

fn ages(seen: &Seen) -> Vec<String> {
    let ages = &seen.ages;
    let told = [
        ("a host's turn", ages.host),
        ("a message owed", ages.outbox),
        ("a picture to encode", ages.to_encode),
        ("a picture to index", ages.to_index),
    ];
    let waits = told
        .into_iter()
        .filter_map(|(name, age)| Some((name, age?)));
    rows(
        waits
            .map(|(name, age)| vec![name.to_owned(), duration(age.max(0.0) as u64)])
            .collect(),
    )
}

fn rates(seen: &Seen) -> Vec<String> {
    let rates = &seen.status.rates;
    let row = |name: &str, rate: f64, line| {
        vec![name.to_owned(), format!("{rate:.1}"), marks(seen, line)]
    };
    rows(vec![
        row("pages", rates.pages_per_second, Line::Pages),
        row(
            "pictures stored",
            rates.images_stored_per_second,
            Line::Stored,
        ),
        row(
            "pictures encoded",
            rates.images_encoded_per_second,
            Line::Encoded,
        ),
        row(
            "pictures indexed",
            rates.images_indexed_per_second,
            Line::Indexed,
        ),
    ])
}

fn found(status: &Status) -> Vec<String> {
    let images = &status.images;
    let of = |counts: &UrlCounts| {
        format!(
            "{} of {}",
            number(counts.total() - counts.due),
            number(counts.total())
        )
    };
    vec![
        format!(
            "  pages {}, image URLs {}",
            of(&status.pages),
            of(&status.image_urls)
        ),
        format!(
            "  pictures: {} stored, {} encoded, {} indexed, {} on their way",
            number(images.stored),
            number(images.encoded),
            number(images.indexed),
            number(images.pending)
        ),
    ]
}

/// Those that go on first, with how far they are.
fn seeds(status: &Status) -> Vec<String> {
    let mut seeds: Vec<_> = status.seeds.iter().collect();
    seeds.sort_by_key(|seed| (seed.done, std::cmp::Reverse(seed.seed_id)));
    let line = |seed: &&super::super::SeedStatus| {
        let all = seed.pages.total() + seed.image_urls.total();
        let some = all - seed.pages.due - seed.image_urls.due;
        let share = some.saturating_mul(100).checked_div(all).unwrap_or(0);
        let full = usize::try_from(share / 10).expect("at most ten");
        format!(
            "  {}{} {share:>3} %  {} of {} pages  {}",
            "█".repeat(full),
            "░".repeat(10 - full),
            number(seed.pages.total() - seed.pages.due),
            number(seed.pages.total()),
            one_line(&seed.url, 120)
        )
    };
    seeds.iter().map(line).collect()
}

fn reasons(status: &Status) -> Vec<String> {
    let told = left_out(status).into_iter().map(|left| {
        let what = left.what.english(&left.of);
        vec![
            format!("{what}: {}", one_line(&left.reason, 80)),
            number(left.count),
        ]
    });
    rows(told.collect())
}

fn hosts(seen: &Seen, now: SystemTime) -> Vec<String> {
    let line = |host: &SlowHost| {
        let next = match host.next {
            Some(at) => match SystemTime::from(at).duration_since(now) {
                Ok(ahead) => format!("in {}", duration(ahead.as_secs())),
                Err(_) => "now".to_owned(),
            },
            None => "-".to_owned(),
        };
        let due = if host.due >= MOST_DUE {
            format!("≥ {}", number(host.due))
        } else {
            number(host.due)
        };
        vec![
            one_line(&host.origin, 60),
            format!("{due} due"),
            next,
            trouble(host.trouble),
        ]
    };
    let mut lines = rows(seen.hosts.hosts.iter().map(line).collect());
    if seen.hosts.more > 0 {
        lines.push(format!("  and {} more", number(seen.hosts.more)));
    }
    lines
}

fn trouble(trouble: Trouble) -> String {
    match trouble {
        Trouble::Paused => "paused".to_owned(),
        Trouble::Failing(turns) => format!("rests after errors, {turns} turns"),
        Trouble::AskedToSlowDown(turns) => format!("asked to slow down, {turns} turns"),
        Trouble::RobotsAway => "robots.txt cannot be had".to_owned(),
        Trouble::RobotsForbid(pages) => format!("robots.txt forbids {} pages", number(pages)),
        Trouble::Slow(delay) => format!("slow, {} ms apart", number(delay.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::hosts::{Ages, SlowHosts};
    use crate::status::history::{History, Sample};
    use crate::status::{DeadCount, QueueCount, SeedStatus};

    fn seen() -> (Seen, SystemTime) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut history = History::default();
        for step in 0..31_u32 {
            let sample = Sample::at(at + Duration::from_secs(10) * step);
            history.push(
                sample
                    .with(Line::Queue(0), f64::from(step % 8))
                    .with(Line::Pages, 3.0),
            );
        }
        let mut status = Status::default();
        let pages = UrlCounts {
            due: 30,
            done: 70,
            ..UrlCounts::default()
        };
        status.pages = pages.clone();
        status.seeds.push(SeedStatus {
            seed_id: 1,
            url: "http://例子.test/".into(),
            scope: "host".into(),
            max_depth: 16,
            max_pages: 1_000,
            done: false,
            pages,
            image_urls: UrlCounts::default(),
        });
        status.queues.push(QueueCount {
            name: "images.fetched".into(),
            ready: 6,
            unacknowledged: 2,
            consumers: 1,
        });
        status.dead.push(DeadCount {
            queue: "images.fetched.dead".into(),
            reason: "torn".into(),
            count: 2,
        });
        status.problems.push("Elasticsearch does not answer".into());
        let now = at + Duration::from_secs(302);
        let hosts = vec![SlowHost {
            origin: "http://a.test".into(),
            trouble: Trouble::Failing(3),
            why: String::new(),
            due: 12,
            next: Some((now + Duration::from_secs(90)).into()),
        }];
        let seen = Seen {
            answers: crate::status::look::Answers::ALL,
            status,
            hosts: SlowHosts { hosts, more: 0 },
            ages: Ages {
                host: Some(61.0),
                ..Ages::default()
            },
            at: at + Duration::from_secs(300),
            counted_at: Some(at + Duration::from_secs(290)),
            history,
        };
        (seen, now)
    }

    fn drawn(width: usize, height: usize) -> Vec<String> {
        let (seen, now) = seen();
        let lines = lines(&Config::default(), Some(&seen), now, width, height);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn a_large_window_shows_everything() {
        insta::assert_snapshot!(drawn(100, 60).join("\n"));
    }

    #[test]
    fn a_small_window_names_what_it_leaves_out() {
        for (width, height) in [(40, 12), (20, 5), (10, 3), (200, 8), (3, 1), (0, 0)] {
            let lines = drawn(width, height);
            assert!(lines.len() <= height, "{lines:#?}");
            for line in &lines {
                let wide: usize = line.chars().map(columns).sum();
                assert!(wide <= width, "{wide} > {width}: {line}");
            }
        }
        let lines = drawn(200, 8);
        let last = lines.last().expect("there are lines");
        assert!(
            last.starts_with("No room for: ") && last.contains("Hosts slow or blocked"),
            "{last}"
        );
    }
}
