//! What a server answered.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use url::Url;

/// The longest `Retry-After` that is told on: sums of it with a clock must not overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// One HTTP exchange. Redirects are not followed: a 3xx with a location is an answer like any
/// other, and the caller decides.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its headers; those of a decompressed body lack `Content-Encoding` and `Content-Length`.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

impl Answer {
    /// The absolute target of a 301, 302, 303, 307 or 308; `None` for every other status, and where
    /// there is no `Location` that can be read against `base`.
    pub fn redirect(&self, base: &Url) -> Option<Url> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        // Servers send UTF-8 here although the header should be ASCII; `join` encodes it.
        let location = std::str::from_utf8(self.headers.get(LOCATION)?.as_bytes()).ok()?;
        base.join(location).ok()
    }

    /// `Content-Type`, if it is text.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// `Retry-After` as a wait, seconds or an HTTP date (RFC 9110, 10.2.3): zero for a date that
    /// has passed, and a week at most.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // Digits that do not fit are a very long wait.
            let seconds = text.parse().unwrap_or(u64::MAX);
            return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        let wait = date.duration_since(SystemTime::now()).unwrap_or_default();
        Some(wait.min(LONGEST_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn answer(status: u16, header: reqwest::header::HeaderName, value: &[u8]) -> Answer {
        let value = HeaderValue::from_bytes(value).expect("a header's value");
        Answer {
            status,
            headers: HeaderMap::from_iter([(header, value)]),
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_wait_is_read_from_seconds_and_dates() {
        let wait = |value: &str| answer(503, RETRY_AFTER, value.as_bytes()).retry_after();
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        assert_eq!(wait("99999999999999999999999"), Some(LONGEST_WAIT));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(LONGEST_WAIT));
        let soon = SystemTime::now() + Duration::from_secs(3600);
        let soon = wait(&httpdate::fmt_http_date(soon)).expect("a date");
        assert!(soon > Duration::from_secs(3000) && soon <= Duration::from_secs(3600));
        for nonsense in ["", "-5", "1.5", "soon", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(wait(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_redirect_is_resolved_against_its_page() {
        let base = Url::parse("https://example.org/a/b?c").expect("a URL");
        let target = |status, value: &[u8]| {
            let target = answer(status, LOCATION, value).redirect(&base);
            target.map(String::from)
        };
        assert_eq!(
            target(302, b"../x").as_deref(),
            Some("https://example.org/x")
        );
        assert_eq!(
            target(308, b"//other.org/").as_deref(),
            Some("https://other.org/")
        );
        assert_eq!(
            target(301, "/ü".as_bytes()).as_deref(),
            Some("https://example.org/%C3%BC")
        );
        assert_eq!(target(301, b"/\xff"), None);
        assert_eq!(target(301, b"http://[::"), None);
        assert_eq!(target(304, b"/x"), None);
        assert_eq!(target(200, b"/x"), None);
    }
}
