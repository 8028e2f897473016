//! Who may see the page and act on it: by the password, by the name that the browser used, and for whatever
//! changes something by where the form stood.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tusou_platform::config::Operator;

use super::app::App;
use super::pace::Pace;
use super::server::Peer;

/// Only our own files, nothing in line, nowhere to send a form but here, and in nobody's frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The one user.
const USER: &str = "operator";

/// What guards the page.
#[derive(Debug)]
pub(super) struct Guard {
    listen: SocketAddr,
    hosts: Vec<String>,
    /// Of `operator:password`; `None` where no password is asked for.
    credentials: Option<[u8; 32]>,
    pace: Pace,
    /// What every form carries.
    token: String,
}

/// Why a request is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    /// It came by a name that is not ours: a page elsewhere may have been given our address.
    Host,
    /// It wants the password.
    Password,
    /// Too many wrong ones; seconds.
    Wait(u64),
    /// The form stood on another site, or nobody says where.
    Elsewhere,
}

impl Guard {
    pub(super) fn new(config: &Operator, token: String) -> Self {
        let credentials = format!("{USER}:{}", config.password);
        Self {
            listen: config.listen,
            hosts: config
                .hosts
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            credentials: (!config.password.is_empty())
                .then(|| Sha256::digest(credentials.as_bytes()).into()),
            pace: Pace::default(),
            token,
        }
    }

    /// What every form carries.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether a form carries it.
    pub(super) fn is_token(&self, sent: &str) -> bool {
        same(
            &Sha256::digest(sent).into(),
            &Sha256::digest(&self.token).into(),
        )
    }

    fn admit(
        &self,
        peer: IpAddr,
        method: &Method,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<(), Refusal> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        let host = host
            .filter(|host| self.is_ours(host.host()))
            .ok_or(Refusal::Host)?;
        if let Some(credentials) = &self.credentials {
            if let Some(wait) = self.pace.wait(peer, now) {
                return Err(Refusal::Wait(wait.as_secs() + 1));
            }
            match sent(headers) {
                Some(sent) if same(&sent, credentials) => {}
                Some(_) => {
                    self.pace.wrong(peer, now);
                    return Err(Refusal::Password);
                }
                None => return Err(Refusal::Password),
            }
        }
        let changes = *method != Method::GET && *method != Method::HEAD;
        if changes && !is_from_here(headers, &host) {
            return Err(Refusal::Elsewhere);
        }
        Ok(())
    }

    /// The address that it listens on, a name of loopback, or one that the configuration names.
    fn is_ours(&self, host: &str) -> bool {
        let name = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        match name.parse::<IpAddr>() {
            Ok(address) => {
                let address = address.to_canonical();
                address.is_loopback()
                    || address == self.listen.ip().to_canonical()
                    || self.hosts.contains(&name)
            }
            Err(_) => name == "localhost" || self.hosts.contains(&name),
        }
    }
}

/// The digest of what the browser sends for user and password.
fn sent(headers: &HeaderMap) -> Option<[u8; 32]> {
    let (scheme, sent) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let sent = scheme.eq_ignore_ascii_case("basic").then_some(sent)?;
    // What cannot be read is a wrong password like any other.
    let sent = STANDARD.decode(sent.trim()).unwrap_or_default();
    Some(Sha256::digest(sent).into())
}

/// Compares every byte, so that the time tells nothing.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let pairs = one.iter().zip(other);
    pairs.fold(0, |differs, (one, other)| {
        black_box(differs | (one ^ other))
    }) == 0
}

/// Whether the browser says that the form stood on this very page.
fn is_from_here(headers: &HeaderMap, host: &Authority) -> bool {
    let text = |name: HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    if text(FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    match text(ORIGIN) {
        // A proxy with TLS before us: the scheme is not ours to know.
        Some(origin) => {
            let own = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            own.is_some_and(|own| own.eq_ignore_ascii_case(host.as_str()))
        }
        None => text(FETCH_SITE).is_some(),
    }
}

/// Lets through who may, and completes every answer's headers.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let admitted = app
        .guard
        .admit(peer, request.method(), request.headers(), Instant::now());
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            if refusal != Refusal::Password || request.headers().contains_key(AUTHORIZATION) {
                tracing::warn!(%peer, ?refusal, "a request to the operator's page is turned away");
            }
            refuse(&refusal)
        }
    };
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`: with it browsers send `Origin: null`, and no form could be told from a foreign one.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE, HeaderValue::from_static("same-origin"));
    response
}

fn refuse(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Host => {
            let words = "This name is none of the operator's page. Name it in `operator.hosts`, or use the address \
                         that it listens on.\n";
            (StatusCode::MISDIRECTED_REQUEST, words).into_response()
        }
        Refusal::Password => {
            let ask = [(WWW_AUTHENTICATE, "Basic realm=\"Tusou\", charset=\"UTF-8\"")];
            let words = "The user is `operator`, the password that of `operator.password`.\n";
            (StatusCode::UNAUTHORIZED, ask, words).into_response()
        }
        Refusal::Wait(seconds) => {
            let words = format!("Too many wrong passwords: try again in {seconds} s.\n");
            let after = [(RETRY_AFTER, seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, after, words).into_response()
        }
        Refusal::Elsewhere => {
            let words =
                "This did not come from the operator's own page: open the page and act there.\n";
            (StatusCode::FORBIDDEN, words).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(listen: &str, password: &str) -> Guard {
        let config = Operator {
            listen: listen.parse().expect("an address"),
            password: password.into(),
            hosts: vec!["Ops.example.org".into()],
            ..Operator::default()
        };
        Guard::new(&config, "token".into())
    }

    fn admit(
        guard: &Guard,
        method: &Method,
        headers: &[(HeaderName, &str)],
    ) -> Result<(), Refusal> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a value")));
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        guard.admit(peer, method, &headers.collect(), Instant::now())
    }

    #[test]
    fn only_names_that_are_ours_are_answered() {
        let open = guard("192.0.2.5:9184", "");
        for good in [
            "localhost:1",
            "127.0.0.1:9184",
            "127.9.9.9",
            "[::1]:9184",
            "192.0.2.5",
            "ops.example.org:443",
            "OPS.example.org",
        ] {
            assert_eq!(
                admit(&open, &Method::GET, &[(HOST, good)]),
                Ok(()),
                "{good}"
            );
        }
        for bad in [
            "evil.test",
            "192.0.2.6:9184",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "",
            "a b",
        ] {
            assert_eq!(
                admit(&open, &Method::GET, &[(HOST, bad)]),
                Err(Refusal::Host),
                "{bad}"
            );
        }
        assert_eq!(admit(&open, &Method::GET, &[]), Err(Refusal::Host));
    }

    #[test]
    fn the_password_is_asked_for_and_guesses_are_slowed() {
        let closed = guard("127.0.0.1:9184", "sesame open 12");
        let with = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
        let host = (HOST, "localhost");
        assert_eq!(
            admit(&closed, &Method::GET, std::slice::from_ref(&host)),
            Err(Refusal::Password)
        );
        let right = with("operator:sesame open 12");
        let try_one = |value: &str| {
            admit(
                &closed,
                &Method::GET,
                &[host.clone(), (AUTHORIZATION, value)],
            )
        };
        assert_eq!(try_one(&right), Ok(()));
        for wrong in [
            "root:sesame open 12",
            "operator:",
            "operator:sesame open 1",
            "",
            "operator",
        ] {
            assert_eq!(try_one(&with(wrong)), Err(Refusal::Password), "{wrong}");
        }
        assert!(matches!(try_one(&with("x")), Err(Refusal::Wait(_))));
        assert!(
            matches!(try_one(&right), Err(Refusal::Wait(_))),
            "a guess that hits is not told apart"
        );
        assert!(!format!("{closed:?}").contains("sesame"));
    }

    #[test]
    fn a_change_comes_from_this_page_alone() {
        let open = guard("127.0.0.1:9184", "");
        let host = (HOST, "localhost:9184");
        let post = |more: &[(HeaderName, &str)]| {
            admit(
                &open,
                &Method::POST,
                &[std::slice::from_ref(&host), more].concat(),
            )
        };
        assert_eq!(post(&[(ORIGIN, "http://localhost:9184")]), Ok(()));
        assert_eq!(post(&[(FETCH_SITE, "same-origin")]), Ok(()));
        assert_eq!(
            post(&[
                (ORIGIN, "https://localhost:9184"),
                (FETCH_SITE, "same-origin")
            ]),
            Ok(())
        );
        for bad in [
            &[][..],
            &[(ORIGIN, "null")],
            &[(ORIGIN, "http://evil.test")],
            &[(ORIGIN, "http://localhost:9185")],
            &[(FETCH_SITE, "cross-site")],
            &[(FETCH_SITE, "same-site"), (ORIGIN, "http://localhost:9184")],
            &[(FETCH_SITE, "none")],
        ] {
            assert_eq!(post(bad), Err(Refusal::Elsewhere), "{bad:?}");
        }
        assert!(open.is_token("token") && !open.is_token("Token") && !open.is_token(""));
    }
}
