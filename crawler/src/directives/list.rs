//! Lists of directives, as `<meta name=robots>` and `X-Robots-Tag` have them.
//!
//! Neither has a standard; what is read here is what Google documents ("Robots meta tag,
//! data-nosnippet, and X-Robots-Tag specifications",
//! <https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag>) and what is
//! found in the wild: commas, semicolons or spaces between, any case, values after a colon.

use time::OffsetDateTime;

use super::date;

/// A directive that has an effect here. `index`, `follow`, `all` and every other word have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Noindex,
    Nofollow,
    /// Both of them.
    None,
    Noimageindex,
    Noai,
    Noimageai,
    UnavailableAfter(OffsetDateTime),
}

impl Directive {
    fn named(word: &str) -> Option<Self> {
        const NAMES: [(&str, Directive); 6] = [
            ("noindex", Directive::Noindex),
            ("nofollow", Directive::Nofollow),
            ("none", Directive::None),
            ("noimageindex", Directive::Noimageindex),
            ("noai", Directive::Noai),
            ("noimageai", Directive::Noimageai),
        ];
        let named = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        named.map(|(_, directive)| *directive)
    }
}

/// What stands before a colon.
enum Name {
    /// A directive with a time.
    UnavailableAfter,
    /// A directive with a value that says nothing here, as `max-image-preview`.
    Valued,
    /// A directive that has no value, and yet a colon.
    Plain(Directive),
    /// A crawler, and whether it is this one, or every one.
    Agent { ours: bool },
}

/// Tells `obey` every directive of a list that is for the crawler named `agent`.
///
/// In `otherbot: noindex, tusoubot: nofollow` a name holds for what follows it, up to the next name.
pub(super) fn read(list: &str, agent: &str, mut obey: impl FnMut(Directive)) {
    let mut ours = true;
    let mut rest = list;
    while !rest.is_empty() {
        let (part, after) = cut(rest);
        let whole = rest;
        rest = after;
        let mut words = part;
        // A scope's first directive stands in one part with it, so there may be two colons.
        while let Some((name, value)) = words.split_once(':') {
            words = value;
            // `noindex max-snippet: 5`: the value is the last word's.
            let (before, name) = last_word(name);
            if ours {
                plain(before).for_each(&mut obey);
            }
            match named(name, agent) {
                Name::Agent { ours: is_ours } => ours = is_ours,
                Name::Plain(directive) if ours => obey(directive),
                Name::Plain(_) => {}
                Name::Valued => words = after_first_word(value),
                Name::UnavailableAfter => {
                    let start = part.len() - value.len();
                    let (time, after) = moment(&whole[start..]);
                    rest = after.unwrap_or(rest);
                    if let Some(time) = time.filter(|_| ours) {
                        obey(Directive::UnavailableAfter(time));
                    }
                    words = "";
                }
            }
        }
        if ours {
            plain(words).for_each(&mut obey);
        }
    }
}

/// The text up to the next comma or semicolon, and what follows that.
fn cut(text: &str) -> (&str, &str) {
    text.split_once([',', ';']).unwrap_or((text, ""))
}

/// The directives among words that have no colon.
fn plain(words: &str) -> impl Iterator<Item = Directive> {
    words.split_ascii_whitespace().filter_map(Directive::named)
}

/// The words before the last one, and the last one.
fn last_word(text: &str) -> (&str, &str) {
    let text = text.trim_ascii_end();
    let start = text
        .rfind(|c: char| c.is_ascii_whitespace())
        .map_or(0, |space| space + 1);
    text.split_at(start)
}

fn named(name: &str, agent: &str) -> Name {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("unavailable_after") || is("unavailable-after") {
        return Name::UnavailableAfter;
    }
    if let Some(directive) = Directive::named(name) {
        return Name::Plain(directive);
    }
    let is_valued = name.len() >= 4 && name.as_bytes()[..4].eq_ignore_ascii_case(b"max-");
    if is_valued {
        return Name::Valued;
    }
    // `tusoubot/1.0` is this crawler too.
    let called = name.split('/').next().unwrap_or(name);
    let ours = ["", "*", "robots", agent];
    Name::Agent {
        ours: ours.iter().any(|our| called.eq_ignore_ascii_case(our)),
    }
}

fn after_first_word(value: &str) -> &str {
    let value = value.trim_ascii_start();
    value
        .split_once(|c: char| c.is_ascii_whitespace())
        .map_or("", |(_, rest)| rest)
}

/// The time at the start of `text`, and what follows it where it holds a comma of its own, as in
/// `Friday, 25-Jun-10 15:00:00 GMT, noindex`.
fn moment(text: &str) -> (Option<OffsetDateTime>, Option<&str>) {
    let (first, rest) = cut(text);
    if let Some(time) = date::parse(first) {
        return (Some(time), None);
    }
    let (second, rest) = cut(rest);
    let both = &text[..text.len().min(first.len() + 1 + second.len())];
    match date::parse(both) {
        Some(time) => (Some(time), Some(rest)),
        None => (None, None),
    }
}
