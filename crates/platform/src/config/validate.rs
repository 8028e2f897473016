//! Values of the right type that still cannot work.

use toml::Value;
use tusou_contract::mapping::is_oversample;
use url::Url;

use super::sections::is_host_pattern;
use super::show::mask_url;
use super::{Config, Elasticsearch, Operator, Search, keys};
use crate::telemetry;

/// A value that cannot work.
pub(super) struct Fault {
    /// Whose value.
    pub(super) key: String,
    /// A key that it is at odds with.
    pub(super) other_key: Option<String>,
    /// What is wrong and the remedy.
    pub(super) reason: String,
}

/// Whole numbers that may be 0; every other must be at least 1.
const MAY_BE_ZERO: [&str; 14] = [
    "blobs.min_free_bytes",
    "elasticsearch.replicas",
    "crawler.host_delay_ms",
    "crawler.max_crawl_delay_ms",
    "crawler.retry_after_ms",
    "crawler.coalesce_ms",
    "crawler.max_redirects",
    "crawler.revisit_max_seconds",
    "encoder.decode_threads",
    "encoder.sessions",
    "encoder.batch_wait_ms",
    "indexer.bulk_wait_ms",
    "indexer.first_load_backlog",
    "search.rate_per_second",
];

/// Times are bounded by a day: a longer one is a slip of the unit, and sums of them stay small.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Elasticsearch allows 255 bytes; a generation's name adds its time to the alias.
const LONGEST_ALIAS: usize = 200;

/// The fewest characters of an API key: fewer could be guessed.
const LEAST_KEY: usize = 16;

/// The fewest characters of a password that people may try to guess.
const LEAST_PASSWORD: usize = 12;

/// Every fault, in no order.
pub(super) fn faults(config: &Config) -> Vec<Fault> {
    let mut faults = numbers(config);
    faults.extend(urls(config));
    faults.extend(names(config));
    faults.extend(relations(config));
    faults.extend(cluster(&config.elasticsearch));
    let brokers = config.amqp.faults().into_iter();
    let brokers = brokers.chain(config.rabbitmq.faults());
    faults.extend(brokers.map(|(key, reason)| fault(key, reason)));
    faults.extend(search(&config.search));
    faults.extend(operator(&config.operator));
    let own = config.pictures.faults().into_iter();
    let own = own.chain(config.blobs.faults());
    faults.extend(own.map(|(key, reason)| fault(key, reason)));
    faults
}

fn fault(key: &str, reason: impl Into<String>) -> Fault {
    Fault {
        key: key.to_owned(),
        other_key: None,
        reason: reason.into(),
    }
}

fn numbers(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, value) in keys::leaves(config) {
        let Value::Integer(number) = value else {
            continue;
        };
        // Of pictures, 0 is no limit.
        let may_be_zero = MAY_BE_ZERO.contains(&key.as_str()) || key.starts_with("pictures.");
        let least = match key.as_str() {
            "elasticsearch.hnsw_m" | "elasticsearch.hnsw_ef_construction" => 2,
            // To look must not become the load.
            "operator.interval_ms" => 100,
            _ => i64::from(!may_be_zero),
        };
        let most = match key.as_str() {
            // A petabyte: a disk's size, not a body's.
            "blobs.min_free_bytes" => 1 << 50,
            "render.max_memory_bytes" => 1 << 40,
            "crawler.revisit_min_seconds" | "crawler.revisit_max_seconds" => {
                2 * 365 * DAY_MS / 1000
            }
            "crawler.max_host_pages" | "crawler.max_pattern_pages" | "pictures.max_per_host" => {
                1_000_000_000
            }
            // Several are held in memory at once.
            "discovery.max_sitemap_bytes" => 128 << 20,
            key if key.ends_with("_ms") => DAY_MS,
            key if key.ends_with("_seconds") => DAY_MS / 1000,
            key if key.ends_with("_bytes") => 1 << 30,
            key if key.ends_with("_pixels") => 1 << 30,
            "elasticsearch.shards" => 1024,
            // Elasticsearch's own bounds.
            "elasticsearch.hnsw_m" => 512,
            "elasticsearch.hnsw_ef_construction" => 3200,
            // Below the queues' own limit, at which the broker parks a message without a reason.
            "amqp.max_deliveries" => 99,
            "crawler.max_redirects" => 20,
            "render.tabs" => 256,
            // Each holds a bulk in memory, and waits inside the server.
            "indexer.bulks_in_flight" => 64,
            "encoder.decode_threads" | "encoder.sessions" => 1024,
            "encoder.batch" | "database.max_connections" => 4096,
            _ => 1_000_000,
        };
        if number < least || number > most {
            faults.push(Fault {
                key,
                other_key: None,
                reason: format!("is out of range; give {least} to {most}"),
            });
        }
    }
    faults
}

fn urls(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let http: &[&str] = &["http", "https"];
    let wanted: [(&str, &str, &[&str]); 7] = [
        (
            "database.url",
            &config.database.url,
            &["postgres", "postgresql"],
        ),
        ("amqp.url", &config.amqp.url, &["amqp", "amqps"]),
        ("rabbitmq.api_url", &config.rabbitmq.api_url, http),
        ("elasticsearch.url", &config.elasticsearch.url, http),
        ("search.url", &config.search.url, http),
        ("models.hub_url", &config.models.hub_url, http),
        ("models.pypi_url", &config.models.pypi_url, http),
    ];
    for (key, text, schemes) in wanted {
        let example = format!("{}://host:port", schemes[0]);
        match Url::parse(text) {
            Err(_) => faults.push(fault(key, format!("is no URL; give one like {example}"))),
            Ok(url) if !schemes.contains(&url.scheme()) => {
                let schemes = schemes.join(" or ");
                let reason = format!("is no {schemes} URL; give one like {example}");
                faults.push(fault(key, reason));
            }
            // Postgres alone may be reached by a socket's folder in the query.
            Ok(url) if !url.has_host() && key != "database.url" => {
                faults.push(fault(
                    key,
                    format!("names no host; give one like {example}"),
                ));
            }
            Ok(_) => {}
        }
    }
    if Url::parse(&config.elasticsearch.url).is_ok_and(|url| url.password().is_some()) {
        let reason = "holds a password; set elasticsearch.username and elasticsearch.password";
        faults.push(fault("elasticsearch.url", reason));
    }
    faults
}

/// What a cluster of several nodes, or one with TLS, needs, and the numbers that Elasticsearch itself bounds.
fn cluster(config: &Elasticsearch) -> Vec<Fault> {
    let mut faults = Vec::new();
    let scheme = |text: &str| Url::parse(text).ok().map(|url| url.scheme().to_owned());
    let first = scheme(&config.url);
    for text in &config.further_urls {
        let shown = mask_url(text);
        let reason = match Url::parse(text) {
            Ok(url) if !["http", "https"].contains(&url.scheme()) || !url.has_host() => {
                "which is no URL of a node; give one like http://host:port"
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "which holds credentials; set elasticsearch.username and elasticsearch.password"
            }
            Ok(url) if first.as_deref().is_some_and(|first| first != url.scheme()) => {
                "which has another scheme than elasticsearch.url; give all nodes the same"
            }
            Ok(_) => continue,
            Err(_) => "which is no URL; give one like http://host:port",
        };
        let reason = format!("holds {shown:?}, {reason}");
        faults.push(fault("elasticsearch.further_urls", reason));
    }
    let ca_file = &config.ca_file;
    if !ca_file.as_os_str().is_empty() && !ca_file.is_file() {
        let reason = "is no file; give the PEM file of the authority that signed the nodes' certificates, or none";
        faults.push(fault("elasticsearch.ca_file", reason));
    }
    if !is_oversample(config.rescore_oversample) {
        let reason = "is out of range; give 1 to 10, or 0 for none";
        faults.push(fault("elasticsearch.rescore_oversample", reason));
    }
    faults
}

/// Who may use the search service, and what bounds its answers. No reason shows a key.
fn search(config: &Search) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = Vec::new();
    for (position, entry) in config.api_keys.iter().enumerate() {
        let (name, key) = entry.split_once(':').unwrap_or(("", entry));
        let named = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let reason = if name.is_empty() || name.len() > 32 || !name.bytes().all(named) {
            "has no name: write `name:key`, the name of 1 to 32 of a–z, 0–9, `_` and `-`"
        } else if names.contains(&name) {
            "has the name of one before it; give each its own"
        } else if key.len() < LEAST_KEY {
            "has a key of fewer than 16 characters; make one with `openssl rand -hex 24`"
        } else if !key
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
        {
            "has a key with a space, a comma or a letter beyond ASCII, which cannot be sent or listed"
        } else {
            names.push(name);
            continue;
        };
        let reason = format!("entry {} {reason}", position + 1);
        faults.push(fault("search.api_keys", reason));
    }
    if !fits_header(&config.client_key) {
        let reason = "holds what no key holds; give the key alone, without its name";
        faults.push(fault("search.client_key", reason));
    }
    let wrong = |origin: &&String| !is_origin(origin);
    if config.cors_origins.len() > 1 && config.cors_origins.iter().any(|origin| origin == "*") {
        let reason = "holds `*` beside others; give `*` alone, or the others";
        faults.push(fault("search.cors_origins", reason));
    } else if let Some(origin) = config.cors_origins.iter().find(wrong) {
        let reason = format!(
            "holds {origin:?}, which is no origin; give one like https://example.org, without a path"
        );
        faults.push(fault("search.cors_origins", reason));
    }
    if !(0.0..=1.0).contains(&config.unsafe_from) {
        faults.push(fault("search.unsafe_from", "is out of range; give 0 to 1"));
    }
    for (key, cosine) in [
        ("search.words_cut_off", config.words_cut_off),
        ("search.picture_cut_off", config.picture_cut_off),
    ] {
        if !(-1.0..=1.0).contains(&cosine) {
            faults.push(fault(key, "is out of range; give −1 to 1"));
        }
    }
    faults
}

/// Who may reach the operator's page. No reason shows the password.
fn operator(config: &Operator) -> Vec<Fault> {
    let mut faults = Vec::new();
    let password = config.password.chars().count();
    if password == 0 && !config.listen.ip().to_canonical().is_loopback() {
        let reason = "is not of this machine alone, and `operator.password` is empty: set one, or listen on 127.0.0.1";
        faults.push(fault("operator.listen", reason));
    } else if password > 0 && password < LEAST_PASSWORD {
        let reason = "has fewer than 12 characters; make one with `openssl rand -hex 24`";
        faults.push(fault("operator.password", reason));
    }
    let wrong = |name: &&String| {
        let url = Url::parse(&format!("http://{name}/")).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        host.is_empty() || *host != name.to_ascii_lowercase()
    };
    if let Some(name) = config.hosts.iter().find(wrong) {
        let reason = format!(
            "holds {name:?}, which is no host's name; give one like ops.example.org, without a port"
        );
        faults.push(fault("operator.hosts", reason));
    }
    faults
}

/// Whether a secret can be sent in a header: no space, and no letter beyond ASCII.
pub(crate) fn fits_header(secret: &str) -> bool {
    secret.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether this is `*`, or an origin as browsers write it.
fn is_origin(text: &str) -> bool {
    let origin = Url::parse(text).map(|url| url.origin().ascii_serialization());
    text == "*" || origin.is_ok_and(|origin| origin == text && origin != "null")
}

fn names(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(wrong) = wrong_alias(&config.elasticsearch.alias) {
        let reason = format!("{wrong}; give one like my-image-embeddings");
        faults.push(fault("elasticsearch.alias", reason));
    }
    // RFC 9309, 2.2.1: what a robots.txt can name.
    let agent = &config.crawler.agent;
    let token = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'_';
    if agent.is_empty() || !agent.bytes().all(token) {
        let reason = "is no product token (RFC 9309: letters, `-` and `_`); give one like tusoubot";
        faults.push(fault("crawler.agent", reason));
    }
    // It goes into a header's comment.
    let contact = &config.crawler.contact;
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'(' && byte != b')';
    let page =
        Url::parse(contact).is_ok_and(|url| ["http", "https", "mailto"].contains(&url.scheme()));
    if !contact.is_empty() && !(contact.bytes().all(plain) && (page || contact.contains('@'))) {
        let reason = "is neither a URL nor a mail address; give one like https://example.org/bot";
        faults.push(fault("crawler.contact", reason));
    }
    if let Err(error) = telemetry::filter(&config.log.level) {
        let reason = format!("{error}; give `info` or `info,tusou_crawler=debug`");
        faults.push(fault("log.level", reason));
    }
    let super::Traces { url, ratio } = &config.traces;
    let http = Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
    if !url.is_empty() && !http {
        let reason = format!(
            "is {url:?}, no http or https URL; give http://host:4318/v1/traces, or nothing"
        );
        faults.push(fault("traces.url", reason));
    }
    if !(0.0..=1.0).contains(ratio) {
        faults.push(fault("traces.ratio", "is out of range; give 0 to 1"));
    }
    if let Some(pattern) = config.render.hosts.iter().find(|one| !is_host_pattern(one)) {
        let reason = format!(
            "holds {pattern:?}, which is no host; give one like example.org or *.example.org"
        );
        faults.push(fault("render.hosts", reason));
    }
    if config.models.packs.is_empty() {
        let reason = "names no model pack; give one like [\"lite\"]";
        faults.push(fault("models.packs", reason));
    }
    if !fits_header(&config.models.hub_token) {
        let reason = "holds what no token holds; give the token alone";
        faults.push(fault("models.hub_token", reason));
    }
    faults
}

fn wrong_alias(alias: &str) -> Option<String> {
    let forbidden = |c: char| r#"\/*?"<>|,#: "#.contains(c) || c.is_control() || c.is_uppercase();
    if alias.is_empty() {
        Some("is empty".into())
    } else if alias.len() > LONGEST_ALIAS {
        Some(format!("is longer than {LONGEST_ALIAS} bytes"))
    } else if alias.starts_with(['-', '_', '+', '.']) {
        Some("begins with `-`, `_`, `+` or `.`".into())
    } else {
        let found = alias.chars().find(|c| forbidden(*c))?;
        Some(format!(
            "holds {found:?}, which Elasticsearch refuses in names"
        ))
    }
}

fn relations(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut require = |holds: bool, key: &str, other: &str, reason: &str| {
        if !holds {
            faults.push(Fault {
                key: key.to_owned(),
                other_key: Some(other.to_owned()),
                reason: format!("{reason} {other}"),
            });
        }
    };
    require(
        usize::from(config.encoder.prefetch) >= config.encoder.batch,
        "encoder.prefetch",
        "encoder.batch",
        "no batch would ever fill; give at least the value of",
    );
    require(
        usize::from(config.indexer.prefetch) >= config.indexer.bulk_documents,
        "indexer.prefetch",
        "indexer.bulk_documents",
        "no bulk would ever fill; give at least the value of",
    );
    require(
        config.crawler.fetch_timeout_ms >= config.crawler.connect_timeout_ms,
        "crawler.fetch_timeout_ms",
        "crawler.connect_timeout_ms",
        "the whole is shorter than its part; give at least the value of",
    );
    let revisit = (
        config.crawler.revisit_min_seconds,
        config.crawler.revisit_max_seconds,
    );
    require(
        revisit.1 == 0 || revisit.1 >= revisit.0,
        "crawler.revisit_max_seconds",
        "crawler.revisit_min_seconds",
        "is neither 0 nor at least",
    );
    let credentials = &config.elasticsearch;
    require(
        credentials.username.is_empty()
            || !credentials.password.is_empty()
            || !credentials.api_key.is_empty(),
        "elasticsearch.password",
        "elasticsearch.username",
        "is empty; give the password of the user in",
    );
    faults
}
