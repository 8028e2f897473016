//! From the configuration to a transport for each node: addresses, authorities, credentials.

use std::path::Path;

use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::Url;
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};

use super::ElasticError;
use crate::config::{Elasticsearch, fits_header};

/// A transport for each node, and the node's `host:port`; never none.
///
/// # Errors
/// [`ElasticError::Config`] names the key and the remedy.
pub(super) fn transports(config: &Elasticsearch) -> Result<Vec<(String, Transport)>, ElasticError> {
    let first = std::iter::once(("elasticsearch.url", &config.url));
    let further = config.further_urls.iter();
    let further = further.map(|url| ("elasticsearch.further_urls", url));
    first
        .chain(further)
        .map(|(key, url)| transport(config, key, url))
        .collect()
}

fn transport(
    config: &Elasticsearch,
    key: &str,
    url: &str,
) -> Result<(String, Transport), ElasticError> {
    let url = address(key, url)?;
    let host = url.host_str().unwrap_or_default();
    let name = match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    // Every request has a time-out of its own.
    let mut transport = TransportBuilder::new(SingleNodeConnectionPool::new(url)).disable_proxy();
    if let Some(credentials) = credentials(config)? {
        transport = transport.auth(credentials);
    }
    if let Some(authorities) = authorities(&config.ca_file)? {
        transport = transport.cert_validation(CertificateValidation::Full(authorities));
    }
    let transport = transport.build().map_err(|error| {
        ElasticError::Config(format!(
            "`{key}` or `elasticsearch.ca_file` cannot be used: {error}"
        ))
    })?;
    Ok((name, transport))
}

fn address(key: &str, text: &str) -> Result<Url, ElasticError> {
    let wrong = |reason: &str| ElasticError::Config(format!("`{key}` {reason}"));
    let mut url = Url::parse(text)
        .map_err(|error| wrong(&format!("is no URL ({error}); give http://host:port")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("takes http://host:port or https://host:port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "must not hold credentials: set `elasticsearch.username` and \
             `elasticsearch.password`, or `elasticsearch.api_key`",
        ));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn credentials(config: &Elasticsearch) -> Result<Option<Credentials>, ElasticError> {
    if !config.api_key.is_empty() {
        // The client panics on a key that cannot stand in a header.
        if !fits_header(&config.api_key) {
            return Err(ElasticError::Config(
                "`elasticsearch.api_key` holds what no key holds: give it encoded, as Elasticsearch \
                 tells it"
                    .into(),
            ));
        }
        return Ok(Some(Credentials::EncodedApiKey(config.api_key.clone())));
    }
    let named = !config.username.is_empty();
    Ok(named.then(|| Credentials::Basic(config.username.clone(), config.password.clone())))
}

/// The authorities of the file, whose certificates are trusted beside those that the client knows; `None` where no
/// file is set.
fn authorities(file: &Path) -> Result<Option<Certificate>, ElasticError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |reason: String| {
        ElasticError::Config(format!(
            "`elasticsearch.ca_file` = \"{}\" {reason}; give the PEM file of the authority that signed the \
             certificates of the nodes, `-----BEGIN CERTIFICATE-----` and on",
            file.display()
        ))
    };
    let pem = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    Certificate::from_pem(&pem)
        .map(Some)
        .map_err(|error| wrong(format!("cannot be used: {error}")))
}

/// What to look at when the server answers `status` for want of the right credentials; empty for any other status.
pub(super) fn remedy(config: &Elasticsearch, status: u16) -> &'static str {
    let (key, user) = (!config.api_key.is_empty(), !config.username.is_empty());
    match (status, key, user) {
        (401, true, _) => "`elasticsearch.api_key` is none of this cluster's, or has expired",
        (401, false, true) => "`elasticsearch.username` or `elasticsearch.password` is wrong",
        (401, false, false) => {
            "it wants credentials: set `elasticsearch.username` and `elasticsearch.password`, or \
             `elasticsearch.api_key`"
        }
        (403, true, _) => "the key of `elasticsearch.api_key` has not the privilege for this",
        (403, false, true) => "the user of `elasticsearch.username` has not the privilege for this",
        (403, false, false) => {
            "it wants credentials for this: set `elasticsearch.username` and \
             `elasticsearch.password`, or `elasticsearch.api_key`"
        }
        _ => "",
    }
}

/// An error of the transport with its causes, behind what to look at where they show it.
pub(super) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = error.source();
    }
    match of_tls(&words) {
        Some(remedy) => format!("{remedy} ({words})"),
        None => words,
    }
}

fn of_tls(words: &str) -> Option<&'static str> {
    [
        (
            "UnknownIssuer",
            "its certificate is signed by an authority that is not trusted: `elasticsearch.ca_file` must name the \
             PEM file of that authority",
        ),
        (
            "not valid for name",
            "its certificate is for another host: `elasticsearch.url` and `elasticsearch.further_urls` must name \
             nodes as their certificates do",
        ),
        (
            "invalid peer certificate",
            "its certificate cannot be trusted, and no setting here mends that",
        ),
        (
            "InvalidContentType",
            "it does not speak TLS there: `elasticsearch.url` must begin with http://",
        ),
    ]
    .into_iter()
    .find_map(|(sign, remedy)| words.contains(sign).then_some(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(config: &Elasticsearch) -> String {
        let error = transports(config).expect_err("refused");
        assert!(matches!(error, ElasticError::Config(_)));
        error.to_string()
    }

    #[test]
    fn nodes_are_named_by_host_and_port() {
        let config = Elasticsearch {
            further_urls: vec!["http://b/es".into(), "http://[::1]:9201".into()],
            ..Elasticsearch::default()
        };
        let nodes = transports(&config).expect("three");
        let names: Vec<_> = nodes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["127.0.0.1:9200", "b:80", "[::1]:9201"]);
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_key() {
        let mut config = Elasticsearch::default();
        for url in ["", "here", "ftp://h", "http://u:p@h", "http://u@h"] {
            config.further_urls = vec!["http://h".into(), url.into()];
            let told = refusal(&config);
            assert!(told.starts_with("`elasticsearch.further_urls`"), "{told}");
        }
        config.further_urls.clear();
        for key in ["ключ", "id key", "key\n"] {
            config.api_key = key.into();
            assert!(refusal(&config).starts_with("`elasticsearch.api_key`"));
        }
    }

    #[test]
    fn a_file_of_authorities_that_holds_none_is_told_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let config = Elasticsearch {
            ca_file: file.clone(),
            ..Elasticsearch::default()
        };
        let begun = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for content in [None, Some(""), Some("no PEM at all"), Some(begun)] {
            if let Some(content) = content {
                std::fs::write(&file, content).expect("written");
            }
            let told = refusal(&config);
            assert!(
                told.contains("elasticsearch.ca_file"),
                "{content:?}: {told}"
            );
        }
    }

    #[test]
    fn wrong_credentials_name_the_setting() {
        let mut config = Elasticsearch::default();
        assert!(remedy(&config, 401).contains("`elasticsearch.username` and"));
        config.username = "u".into();
        assert!(remedy(&config, 401).contains("`elasticsearch.password` is wrong"));
        assert!(remedy(&config, 403).contains("the user of `elasticsearch.username`"));
        config.api_key = "k".into();
        assert!(remedy(&config, 401).contains("elasticsearch.api_key"));
        assert!(remedy(&config, 403).contains("elasticsearch.api_key"));
        assert_eq!(remedy(&config, 404), "");
    }
}
