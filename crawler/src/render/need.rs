//! Which pages are rendered: by a host's name, or since they plainly show nothing without scripts.

use std::convert::Infallible;

use html5gum::{DefaultEmitter, Token, Tokenizer};

use crate::extract::{Extracted, FoundBy};

/// Fewer letters and digits than this are no content: a heading, a notice, a footer.
const FEW: usize = 200;
/// As many may stand around a place that a `noscript` says is filled by scripts.
const FRAME: usize = 1_000;
/// What is looked at of a page: whoever has said nothing by then does so in scripts.
const LOOKED_AT: usize = 2 << 20;

/// Whether a host's name, without port, fits one of the patterns: `example.org`, or `*.example.org`,
/// which is that host and all below it.
pub(super) fn is_named(host: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| {
        let below = pattern.strip_prefix("*.");
        let name = below.unwrap_or(pattern);
        let at = host.len().checked_sub(name.len());
        let Some((before, end)) = at.and_then(|at| host.split_at_checked(at)) else {
            return false;
        };
        let fits = before.is_empty() || (below.is_some() && before.ends_with('.'));
        fits && end.eq_ignore_ascii_case(name)
    })
}

/// Whether a page plainly shows nothing without its scripts: no picture, next to no text, and
/// scripts, or a `noscript` that asks for them. What only its metadata announces is not shown.
pub(super) fn shows_nothing(page: &Extracted, markup: &[u8]) -> bool {
    let is_shown = |found_by| {
        !matches!(
            found_by,
            FoundBy::OgImage
                | FoundBy::TwitterImage
                | FoundBy::ImageSrc
                | FoundBy::JsonLd
                | FoundBy::Icon
                | FoundBy::Preload
        )
    };
    if page.pictures.iter().any(|one| is_shown(one.found_by)) {
        return false;
    }
    let seen = Seen::in_markup(&markup[..markup.len().min(LOOKED_AT)]);
    seen.scripts > 0 && (seen.text < FEW || (seen.asks_for_scripts && seen.text < FRAME))
}

/// What of a page counts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Letters and digits of its text; for scripts without spaces each is a word or half of one.
    text: usize,
    /// Scripts that a browser runs.
    scripts: u32,
    /// A `noscript` speaks of JavaScript.
    asks_for_scripts: bool,
}

impl Seen {
    fn in_markup(markup: &[u8]) -> Self {
        let mut seen = Self::default();
        // Elements whose text is none of the page's, by the one that is open.
        let mut hidden: Option<Vec<u8>> = None;
        let tokens = Tokenizer::new_with_emitter(markup, raw_text_aware());
        for token in tokens {
            let Ok(token): Result<_, Infallible> = token;
            match token {
                Token::StartTag(tag) if hidden.is_none() => {
                    let name: &[u8] = &tag.name;
                    match name {
                        b"script" => {
                            let kind = tag.attributes.get(b"type".as_slice());
                            let kind = kind.map(|kind| String::from_utf8_lossy(&kind.value));
                            seen.scripts += u32::from(is_run(kind.as_deref()));
                            hidden = Some(name.to_owned());
                        }
                        b"style" | b"noscript" | b"template" | b"title" | b"textarea" => {
                            hidden = Some(name.to_owned());
                        }
                        _ => {}
                    }
                }
                Token::EndTag(tag) if hidden.as_deref() == Some(&tag.name) => hidden = None,
                Token::String(text) => {
                    let text = String::from_utf8_lossy(&text.value);
                    match hidden.as_deref() {
                        None => seen.text += text.chars().filter(|c| c.is_alphanumeric()).count(),
                        Some(b"noscript") => {
                            let text = text.to_ascii_lowercase();
                            seen.asks_for_scripts |= text.contains("javascript");
                        }
                        Some(_) => {}
                    }
                }
                _ => {}
            }
        }
        seen
    }
}

/// Scripts and styles are raw text, as they are where a tree is built.
fn raw_text_aware() -> DefaultEmitter {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    emitter
}

/// Whether a script of this type is one that a browser runs.
fn is_run(kind: Option<&str>) -> bool {
    let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
    kind.is_empty()
        || kind == "module"
        || kind.ends_with("javascript")
        || kind.ends_with("ecmascript")
}

#[cfg(test)]
mod tests {
    use tusou_ingest::Address;

    use super::*;
    use crate::extract::{Limits, extract};

    fn shows_nothing_in(markup: &str) -> bool {
        let page = Address::parse("https://example.org/").expect("an address");
        let found = extract(
            markup.as_bytes(),
            Some("text/html"),
            &page,
            &Limits::default(),
        );
        shows_nothing(&found, markup.as_bytes())
    }

    #[test]
    fn a_page_that_its_scripts_fill_plainly_shows_nothing() {
        let prose = "Words that a reader came for. ".repeat(20);
        let app = "<div id=root></div><script type=module src=/app.js></script>";
        for (markup, wanted) in [
            // Frames of applications.
            (app.to_owned(), true),
            (
                format!("<title>{prose}</title><meta property=og:image content=/a.png>{app}"),
                true,
            ),
            (format!("<style>{prose}</style><h1>Gallery</h1>{app}"), true),
            (
                format!("<template>{prose}<img src=/a.png></template>{app}"),
                true,
            ),
            (
                "<script>document.write('<img src=/a.png>')</script>".to_owned(),
                true,
            ),
            (
                format!("<noscript>You need to enable JavaScript.</noscript><p>{prose}{app}"),
                true,
            ),
            // Pages.
            (format!("<p>{prose}{app}"), false),
            (format!("<img src=/a.png>{app}"), false),
            (
                format!("<noscript><img src=/a.png></noscript><p>{prose}{app}"),
                false,
            ),
            (
                format!("<noscript>enable JavaScript</noscript><p>{prose}{prose}{prose}{app}"),
                false,
            ),
            // Nothing that a browser would add to.
            (String::new(), false),
            ("<h1>Moved</h1>".to_owned(), false),
            (
                "<h1>Moved</h1><script type=application/ld+json>{}</script>".to_owned(),
                false,
            ),
            (
                "<p>说明</p><script type=text/template>x</script>".to_owned(),
                false,
            ),
        ] {
            assert_eq!(shows_nothing_in(&markup), wanted, "{markup}");
        }
    }

    #[test]
    fn hosts_are_named_whole_or_with_all_below_them() {
        let patterns = [
            "example.org".to_owned(),
            "*.test".to_owned(),
            "127.0.0.2".to_owned(),
        ];
        for host in [
            "example.org",
            "EXAMPLE.org",
            "test",
            "a.test",
            "b.a.test",
            "127.0.0.2",
        ] {
            assert!(is_named(host, &patterns), "{host}");
        }
        for host in [
            "www.example.org",
            "example.org.net",
            "atest",
            "27.0.0.2",
            "org",
            "",
            "é.org",
        ] {
            assert!(!is_named(host, &patterns), "{host}");
        }
    }
}
