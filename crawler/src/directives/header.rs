//! The headers of an answer that say what its owner asks.

use reqwest::header::{HeaderMap, HeaderName};

use super::{Directives, list};

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
const RESERVATION: HeaderName = HeaderName::from_static("tdm-reservation");

/// Header lines of one name that are read.
const MAX_LINES: usize = 64;
/// Bytes of a line that are read.
const MAX_LINE: usize = 8 * 1024;

/// What `X-Robots-Tag` and `tdm-reservation` ask of the crawler named `agent`, in however many lines.
pub fn from_headers(headers: &HeaderMap, agent: &str) -> Directives {
    let mut directives = Directives::default();
    for line in lines(headers, &ROBOTS) {
        list::read(&line, agent, |directive| directives.obey(directive));
    }
    for line in lines(headers, &RESERVATION) {
        directives.reserve(&line);
    }
    directives
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + 'a {
    let values = headers.get_all(name).iter().take(MAX_LINES);
    values.map(|value| {
        let bytes = value.as_bytes();
        String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_LINE)]).into_owned()
    })
}
