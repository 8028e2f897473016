//! Going round again: when settled URLs are looked at once more, what a request then says of the
//! bytes that are here, and what an answer is known by.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LINK,
};
use sha2::{Digest as _, Sha256};
use tusou_ingest::Validators;
use tusou_platform::Shutdown;
use tusou_platform::door::Answer;

use crate::config::Settings;
use crate::error::CrawlError;
use crate::frontier::{DueUrl, Frontier, Kind};
use crate::metrics;

/// Between two looks for URLs whose time has come.
const LOOK: Duration = Duration::from_secs(1);
/// URLs made due with one transaction.
const BATCH: u32 = 1_000;
/// Batches of one look: further ones wait for the next.
const BATCHES: u32 = 20;

/// The longest `ETag` that is kept, in bytes.
const MAX_ETAG: usize = 1_024;
/// The longest `Last-Modified` that is kept, in bytes: HTTP's dates have 29.
const MAX_LAST_MODIFIED: usize = 64;

/// Headers that rule what is taken from a page, beside its body.
const RULING: [HeaderName; 4] = [
    CONTENT_TYPE,
    HeaderName::from_static("x-robots-tag"),
    HeaderName::from_static("tdm-reservation"),
    LINK,
];

/// Makes settled URLs due again as their times come, until the end is asked for; ends at once where
/// nothing is to be looked at again. Any number of processes may do so at once.
pub(crate) async fn run(frontier: Frontier, settings: Arc<Settings>, shutdown: Shutdown) {
    if settings.terms.revisit_max_seconds == 0 {
        return;
    }
    while !shutdown.is_requested() {
        for kind in [Kind::Page, Kind::Image] {
            match sweep(&frontier, kind, &shutdown).await {
                Ok(0) => {}
                Ok(due) => tracing::debug!(kind = kind.as_str(), due, "to be looked at again"),
                // Leasing says so, and waits.
                Err(cause) => tracing::debug!(%cause, "nothing is looked at again for now"),
            }
        }
        shutdown.sleep(LOOK).await;
    }
}

async fn sweep(frontier: &Frontier, kind: Kind, shutdown: &Shutdown) -> Result<u64, CrawlError> {
    let mut due = 0;
    for _ in 0..BATCHES {
        let batch = frontier.revisit(kind, BATCH).await?;
        metrics::revisited(kind, batch.due);
        due += batch.due;
        if batch.come < u64::from(BATCH) || shutdown.is_requested() {
            break;
        }
    }
    Ok(due)
}

/// The headers that spare a server from sending again what has not changed: `If-None-Match` and
/// `If-Modified-Since` (RFC 9110 §13.1), both where both are known.
///
/// None where the bytes are wanted whatever they are: a page that was not read, and a picture whose
/// bytes are not kept (its row then gives no validators).
pub(crate) fn conditions(url: &DueUrl) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if url.kind != Kind::Image && url.content_hash.is_none() {
        return headers;
    }
    let Validators {
        etag,
        last_modified,
    } = &url.validators;
    for (name, kept) in [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, last_modified)] {
        let value = kept.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(value)) = value {
            headers.insert(name, value);
        }
    }
    headers
}

/// What the answer lets the next request say; nothing where it is malformed, too long or said twice.
///
/// An entity tag without its quotes is no tag (RFC 9110 §8.8.3), and `*` as one would match
/// everything. A date that is the answer's own is too young to tell a change within its second
/// (§8.8.2.2).
pub(crate) fn validators(answer: &Answer) -> Validators {
    let once = |name: HeaderName| {
        let mut values = answer.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    let date = once(DATE);
    Validators {
        etag: once(ETAG)
            .filter(|tag| is_entity_tag(tag))
            .map(str::to_owned),
        last_modified: once(LAST_MODIFIED)
            .filter(|value| is_date(value) && date != Some(*value))
            .map(str::to_owned),
    }
}

/// Whether a text is an entity tag, weak (`W/"x"`) or strong (`"x"`).
fn is_entity_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inner = opaque
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    text.len() <= MAX_ETAG
        && inner.is_some_and(|tag| {
            tag.bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"')
        })
}

/// Whether a text may be a date: it is given back as it came, so its letters are all that matters.
fn is_date(text: &str) -> bool {
    let of_a_date = |byte: u8| byte.is_ascii_alphanumeric() || b" ,:+-".contains(&byte);
    (1..=MAX_LAST_MODIFIED).contains(&text.len()) && text.bytes().all(of_a_date)
}

/// SHA-256 of an answer's body and of the headers that rule what is taken from it (`Content-Type`,
/// `X-Robots-Tag`, `TDM-Reservation`, `Link`): the same digest means that reading it again would
/// bring nothing new.
pub(crate) fn content_hash(answer: &Answer) -> [u8; 32] {
    let mut digest = Sha256::new();
    for name in RULING {
        let values = answer.headers.get_all(&name);
        // Lengths first, so that no two lists of values run into one another.
        digest.update((values.iter().count() as u64).to_le_bytes());
        for value in values {
            digest.update((value.len() as u64).to_le_bytes());
            digest.update(value.as_bytes());
        }
    }
    digest.update(&answer.body);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use time::OffsetDateTime;
    use tusou_ingest::{Address, Rendering};

    use super::*;

    fn answer(headers: &[(&str, &str)], body: &'static str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("the test's header name is valid");
            let value = HeaderValue::from_bytes(value.as_bytes());
            map.append(name, value.expect("the test's header value is valid"));
        }
        Answer {
            status: 200,
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn due(kind: Kind, etag: Option<&str>, content_hash: Option<Vec<u8>>) -> DueUrl {
        DueUrl {
            kind,
            id: 1,
            address: Address::parse("http://a.test/").expect("an address"),
            trace: None,
            attempts: 0,
            due_at: OffsetDateTime::UNIX_EPOCH,
            validators: Validators {
                etag: etag.map(str::to_owned),
                last_modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
            },
            content_hash,
            render: Rendering::default(),
        }
    }

    #[test]
    fn entity_tags_are_kept_where_they_are_some() {
        let long = format!("\"{}\"", "x".repeat(1_022));
        let longer = format!("\"{}\"", "x".repeat(1_023));
        for (tag, kept) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"\"", true),
            ("\"!#$%&'()*+,-./:;<=>?@[]^_`{|}~\"", true),
            (long.as_str(), true),
            (longer.as_str(), false),
            ("*", false),
            ("a", false),
            ("\"", false),
            ("\"a", false),
            ("w/\"a\"", false),
            ("\"a b\"", false),
            ("\"a\", \"b\"", false),
            ("\"ä\"", false),
            ("", false),
        ] {
            let found = validators(&answer(&[("etag", tag)], "")).etag;
            assert_eq!(found.as_deref(), kept.then_some(tag), "{tag}");
        }
        let twice = answer(&[("etag", "\"a\""), ("etag", "\"a\"")], "");
        assert_eq!(validators(&twice), Validators::default());
    }

    #[test]
    fn dates_are_kept_where_they_tell_a_change() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let modified = |headers: &[(&str, &str)]| validators(&answer(headers, "")).last_modified;
        let long = "1".repeat(65);
        for (value, kept) in [
            (date, true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("Sun Nov  6 08:49:37 1994", true),
            ("", false),
            ("<script>", false),
            (long.as_str(), false),
        ] {
            let found = modified(&[("last-modified", value)]);
            assert_eq!(found.as_deref(), kept.then_some(value), "{value}");
        }
        let later = ("date", "Sun, 06 Nov 1994 08:49:38 GMT");
        assert!(modified(&[("last-modified", date), later]).is_some());
        assert_eq!(modified(&[("last-modified", date), ("date", date)]), None);
    }

    #[test]
    fn conditions_are_said_of_bytes_that_are_of_use() {
        let said = conditions(&due(Kind::Page, Some("\"a\""), Some(vec![0; 32])));
        assert_eq!(said[IF_NONE_MATCH], "\"a\"");
        assert_eq!(said[IF_MODIFIED_SINCE], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(conditions(&due(Kind::Page, Some("\"a\""), None)).is_empty());
        assert_eq!(conditions(&due(Kind::Image, None, None)).len(), 1);
        // A row that holds what no header can is no reason to panic.
        assert_eq!(conditions(&due(Kind::Image, Some("\"\n\""), None)).len(), 1);
    }

    #[test]
    fn content_is_the_body_and_the_headers_that_rule_it() {
        let html = ("content-type", "text/html");
        let whole = content_hash(&answer(&[html], "body"));
        let same = answer(&[("date", "now"), html, ("etag", "\"a\"")], "body");
        assert_eq!(content_hash(&same), whole);
        let others = [
            answer(&[html], "Body"),
            answer(&[("content-type", "text/plain")], "body"),
            answer(&[], "body"),
            answer(&[html, ("x-robots-tag", "noindex")], "body"),
            answer(
                &[html, ("x-robots-tag", "noindex"), ("x-robots-tag", "")],
                "body",
            ),
            answer(&[html, ("tdm-reservation", "1")], "body"),
            answer(&[html, ("link", "</a>; rel=canonical")], "body"),
            answer(&[("link", "text/html")], "body"),
        ];
        for (position, other) in others.iter().enumerate() {
            assert_ne!(content_hash(other), whole, "{position}");
        }
    }
}
