//! The Robots Exclusion Protocol, RFC 9309: which paths of a host this crawler may fetch.
//!
//! The host's rules are read from the bytes of its robots.txt, or follow from the outcome of
//! asking for it, and are then asked about each address. Everything here is pure: fetching,
//! caching and pacing live elsewhere.

pub(crate) mod pattern;

use std::ops::Range;
use std::time::Duration;

use tusou_ingest::address::Address;

use self::pattern::{Pattern, Target};

/// The name that this crawler answers to in robots.txt, in `<meta name=…>` and in its user agent.
pub const PRODUCT_TOKEN: &str = "tusoubot";

/// How many bytes of a robots.txt are read; RFC 9309 §2.5 asks for no fewer.
pub const MAX_BYTES: usize = 500 * 1024;

/// The longest `Crawl-delay` that is believed.
const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a host lets crawlers fetch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Robots {
    access: Access,
    /// Every product token in the file's order, in lower case; `*` is every crawler.
    agents: Vec<String>,
    groups: Vec<Group>,
    delays: Vec<Delay>,
    sitemaps: Vec<Address>,
}

/// What holds where no rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Access {
    /// The groups decide, and without a matching rule everything is allowed.
    #[default]
    Ruled,
    /// The rules could not be had, so nothing may be fetched until they can.
    Unreachable,
}

/// Places in [`Robots::agents`].
type Agents = Range<usize>;

/// One run of `User-agent` lines with the rules below it.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    agents: Agents,
    rules: Vec<Rule>,
}

/// A `Crawl-delay`, for the agents named between it and the line before them that is of another kind.
#[derive(Debug, Clone, PartialEq)]
struct Delay {
    agents: Agents,
    delay: Duration,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    allow: bool,
    pattern: Pattern,
}

impl Robots {
    /// No rules: everything is allowed.
    pub fn allow_all() -> Self {
        Self::default()
    }

    /// The rules are unreachable: nothing is allowed but `/robots.txt` itself.
    pub fn disallow_all() -> Self {
        Self {
            access: Access::Unreachable,
            ..Self::default()
        }
    }

    /// Reads a robots.txt; any bytes are one, and at most [`MAX_BYTES`] of them are read.
    pub fn parse(body: &[u8]) -> Self {
        let mut robots = Self::default();
        // Whether the last group has its rules, so that another user agent opens a new one.
        let mut has_rules = true;
        // Where the agents begin that a delay would be for, and whether a line has followed them.
        let (mut run, mut run_ended) = (0, false);
        for (key, value) in lines(body).filter_map(key_and_value) {
            let agents = robots.agents.len();
            match key {
                Key::UserAgent => {
                    if std::mem::take(&mut has_rules) {
                        robots.groups.push(Group {
                            agents: agents..agents,
                            rules: Vec::new(),
                        });
                    }
                    if std::mem::take(&mut run_ended) {
                        run = agents;
                    }
                    robots.agents.extend(product_token(value));
                    let group = robots
                        .groups
                        .last_mut()
                        .expect("the first user agent opens a group");
                    group.agents.end = robots.agents.len();
                }
                Key::Rule { allow } => {
                    // Rules before any user agent belong to nobody.
                    let Some(group) = robots.groups.last_mut() else {
                        continue;
                    };
                    (has_rules, run_ended) = (true, true);
                    if !value.is_empty() {
                        group.rules.push(Rule {
                            allow,
                            pattern: Pattern::new(value),
                        });
                    }
                }
                // Neither this nor a sitemap opens a new group for the user agent after it: RFC 9309 §2.2.4.
                Key::CrawlDelay => {
                    run_ended = true;
                    let Some(delay) = delay(value) else { continue };
                    match robots
                        .delays
                        .last_mut()
                        .filter(|last| last.agents == (run..agents))
                    {
                        Some(last) => last.delay = last.delay.max(delay),
                        None => robots.delays.push(Delay {
                            agents: run..agents,
                            delay,
                        }),
                    }
                }
                Key::Sitemap => {
                    let address = std::str::from_utf8(value)
                        .ok()
                        .and_then(|text| Address::parse(text).ok());
                    robots.sitemaps.extend(address);
                }
            }
        }
        robots
    }

    /// What follows from asking a host for its robots.txt (RFC 9309 §2.3.1).
    ///
    /// `status` is that of the last answer, redirects followed, or none where no answer came.
    /// 2xx: the body's rules. 3xx (too many redirects) and 4xx: everything is allowed. 429, 5xx,
    /// no answer, and anything else: nothing is allowed, until a later attempt says otherwise.
    pub fn from_status(status: Option<u16>, body: &[u8]) -> Self {
        match status {
            Some(200..=299) => Self::parse(body),
            Some(429) => Self::disallow_all(),
            Some(300..=499) => Self::allow_all(),
            _ => Self::disallow_all(),
        }
    }

    /// Whether the rules could not be had (as opposed to rules that forbid).
    pub fn is_unreachable(&self) -> bool {
        self.access == Access::Unreachable
    }

    /// Whether the crawler named `product_token` may fetch `address`, which must be of this host.
    ///
    /// The rule with the longest pattern decides, `Allow` where two are equally long.
    pub fn allows(&self, product_token: &str, address: &Address) -> bool {
        self.allows_path(product_token, address.path_and_query())
    }

    /// As [`Robots::allows`], for a path with its query.
    pub fn allows_path(&self, product_token: &str, path_and_query: &str) -> bool {
        if path_and_query == "/robots.txt" {
            return true;
        }
        if self.is_unreachable() {
            return false;
        }
        let target = Target::new(path_and_query.as_bytes());
        let name = self.name_of(product_token);
        let groups = self
            .groups
            .iter()
            .filter(|group| self.agents[group.agents.clone()].contains(&name));
        let rules = groups.flat_map(|group| &group.rules);
        let decisive = rules
            .map(|rule| ((rule.pattern.octets(), rule.allow), rule))
            .filter(|(_, rule)| rule.pattern.matches(&target))
            .map(|(weight, _)| weight)
            .max();
        decisive.is_none_or(|(_, allow)| allow)
    }

    /// The time that the host asks this crawler to leave between two requests, at most a day.
    ///
    /// Not in the RFC, but asked for by many hosts. Of several, the longest.
    pub fn crawl_delay(&self, product_token: &str) -> Option<Duration> {
        let name = self.name_of(product_token);
        let ours = self
            .delays
            .iter()
            .filter(|delay| self.agents[delay.agents.clone()].contains(&name));
        ours.map(|delay| delay.delay).max()
    }

    /// The absolute sitemap URLs that the file names, for whichever crawler.
    pub fn sitemaps(&self) -> &[Address] {
        &self.sitemaps
    }

    /// The name under which this crawler finds its groups: its own, or `*` where no group has that.
    fn name_of(&self, product_token: &str) -> String {
        let name = product_token.to_ascii_lowercase();
        if self.agents.contains(&name) {
            name
        } else {
            "*".to_owned()
        }
    }
}

/// The whole lines within the bound, without a byte order mark, be it whole or broken off, and
/// without comments and spaces around.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mark = body.iter().zip(b"\xEF\xBB\xBF");
    let mark = mark.take_while(|(byte, marks)| byte == marks).count();
    let body = &body[mark..];
    let read = match body.get(..MAX_BYTES) {
        // A line that the bound cuts is dropped: half of `Disallow: /a` would forbid everything.
        Some(cut) if body.len() > MAX_BYTES => {
            let end = cut.iter().rposition(|byte| is_line_end(*byte)).unwrap_or(0);
            &cut[..end]
        }
        _ => body,
    };
    read.split(|byte| is_line_end(*byte)).map(|line| {
        let comment = memchr::memchr(b'#', line).unwrap_or(line.len());
        line[..comment].trim_ascii()
    })
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The lines that mean something here.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Key {
    UserAgent,
    Rule { allow: bool },
    CrawlDelay,
    Sitemap,
}

/// A line's key and value. A missing colon and the common misspellings of `Disallow` are
/// forgiven, as Google's parser does: the owner's wish is plain.
fn key_and_value(line: &[u8]) -> Option<(Key, &[u8])> {
    let (key, value) = match memchr::memchr(b':', line) {
        Some(colon) => (&line[..colon], &line[colon + 1..]),
        None => {
            let space = line.iter().position(u8::is_ascii_whitespace)?;
            let (key, value) = line.split_at(space);
            // Two words only: prose is no rule.
            let value = value.trim_ascii();
            (!value.iter().any(u8::is_ascii_whitespace)).then_some((key, value))?
        }
    };
    let key = match key.trim_ascii().to_ascii_lowercase().as_slice() {
        b"user-agent" | b"useragent" | b"user agent" => Key::UserAgent,
        b"allow" => Key::Rule { allow: true },
        b"disallow" | b"dissallow" | b"dissalow" | b"disalow" | b"diasllow" | b"disallaw" => {
            Key::Rule { allow: false }
        }
        b"crawl-delay" | b"crawldelay" => Key::CrawlDelay,
        b"sitemap" | b"site-map" => Key::Sitemap,
        _ => return None,
    };
    Some((key, value.trim_ascii()))
}

/// The product token at the start of a `User-agent` value, in lower case: letters, `_` and `-`, or `*` alone.
fn product_token(value: &[u8]) -> Option<String> {
    if value.first() == Some(&b'*') && value.get(1).is_none_or(u8::is_ascii_whitespace) {
        return Some("*".to_owned());
    }
    let is_token = |byte: &&u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    let token: String = value
        .iter()
        .take_while(is_token)
        .map(|byte| char::from(byte.to_ascii_lowercase()))
        .collect();
    (!token.is_empty()).then_some(token)
}

fn delay(value: &[u8]) -> Option<Duration> {
    let seconds: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    let seconds = Some(seconds).filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    Some(Duration::from_secs_f64(
        seconds.min(MAX_DELAY.as_secs_f64()),
    ))
}
