//! What stands between the network and a search: who may ask, how often, from which pages, for how long, and that
//! even what is refused can read why.

pub(crate) mod bare;
pub(crate) mod client;
pub(crate) mod cors;
pub(crate) mod deadline;
pub(crate) mod keys;
pub(crate) mod linger;
pub(crate) mod rates;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use self::client::{Client, Peer, address};
use self::keys::Keys;
use self::rates::Rates;
use crate::config::{MAX_HEAD_BYTES, Settings};
use crate::error::SearchError;
use crate::routes::refuse;

/// Who may ask, and how often.
#[derive(Debug)]
pub(crate) struct Access {
    keys: Arc<Keys>,
    rates: Option<Rates>,
    trusted: Vec<IpNet>,
}

impl Access {
    /// By the settings. Call it on the runtime.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            keys: Arc::clone(&settings.keys),
            rates: settings.rate.map(Rates::new),
            trusted: settings.trusted_proxies.clone(),
        }
    }

    /// Who asks; a key's name goes into the request's span. Where no key is needed, no wrong one is minded.
    fn client(&self, request: &Request, needs_key: bool) -> Result<Client, SearchError> {
        let headers = request.headers();
        match self.keys.of(headers) {
            Ok(Some(position)) => {
                tracing::Span::current().record("client", self.keys.name(position));
                return Ok(Client::Key(position));
            }
            Ok(None) if needs_key && !self.keys.is_open() => {
                return Err(SearchError::Key {
                    code: "key_needed",
                    detail: "this needs an API key; send it as `X-API-Key` or `Authorization: Bearer`",
                });
            }
            Err(unknown) if needs_key => return Err(unknown),
            Ok(None) | Err(_) => {}
        }
        // Only a request that came by no connection has no peer.
        let peer = request.extensions().get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        Ok(Client::Address(address(peer, headers, &self.trusted)))
    }
}

/// Lets through who has a key, where keys are asked for, and who keeps to the rate.
pub(crate) async fn with_key(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    admit(&access, true, request, next).await
}

/// Lets through who keeps to the rate, with a key or without.
pub(crate) async fn without_key(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    admit(&access, false, request, next).await
}

async fn admit(access: &Access, needs_key: bool, request: Request, next: Next) -> Response {
    let client = match access.client(&request, needs_key) {
        Ok(client) => client,
        Err(error) => return refuse(request.uri(), request.headers(), error),
    };
    let Some(rates) = &access.rates else {
        return next.run(request).await;
    };
    let standing = rates.count(client);
    let mut response = match standing.wait {
        None => next.run(request).await,
        Some(seconds) => {
            let error = SearchError::RateLimited { seconds };
            refuse(request.uri(), request.headers(), error)
        }
    };
    rates.tell(standing, response.headers_mut());
    response
}

/// Refuses what cannot be read whole: headers beyond a bound, and a query that is no text.
pub(crate) async fn readable(request: Request, next: Next) -> Response {
    let headers = request.headers().iter();
    let bytes: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let checked = if bytes > MAX_HEAD_BYTES {
        Err(SearchError::HeadTooLarge)
    } else {
        text(request.uri().query().unwrap_or_default())
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(request.uri(), request.headers(), error),
    }
}

/// Whether every parameter is UTF-8: what reads them would put a sign in place of what is not.
fn text(query: &str) -> Result<(), SearchError> {
    for pair in query.split('&').filter(|pair| pair.contains('%')) {
        if percent_decode_str(pair).decode_utf8().is_err() {
            let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
            // A name is shown back, so it is cut: it is as long as its sender likes.
            let name: String = name.chars().take(40).collect();
            let detail = format!("`{name}` is no text in UTF-8; percent-encode UTF-8");
            return Err(SearchError::parameter("not_text", name, detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_must_be_text() {
        for good in ["", "q=bird", "q=%E9%B8%9F&k=3", "q=100%&x=%zz", "q=%"] {
            assert!(text(good).is_ok(), "{good}");
        }
        for (bad, field) in [
            ("q=%FF", "q"),
            ("k=3&q=a%E9%B8", "q"),
            ("%C0%80=1", "%C0%80"),
        ] {
            let error = text(bad).expect_err(bad);
            assert_eq!((error.code(), error.field()), ("not_text", Some(field)));
        }
    }
}
