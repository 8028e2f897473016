//! Where the real servers are, and a world's configuration made from that.

use std::path::Path;

use anyhow::{Context, bail};
use tusou_platform::Config;
use tusou_platform::config::{load, locate};
use url::Url;

use crate::free_port;

/// Without any of these and without a configuration file, the defaults would point at servers that
/// are not the test's.
const VARIABLES: [&str; 6] = [
    "TUSOU_DATABASE_URL",
    "TUSOU_AMQP_URL",
    "TUSOU_RABBITMQ_API_URL",
    "TUSOU_ELASTICSEARCH_URL",
    "TUSOU_MODELS_RUNTIME",
    "TUSOU_MODELS_PACKS",
];

/// The configuration of the servers, from the environment or the local stack.
pub(super) fn config() -> anyhow::Result<Config> {
    let remedy = "run `make test`, or `make up` and then `eval \"$(make -s env)\"`";
    if locate(None).context(remedy)?.is_none() {
        for variable in VARIABLES {
            if std::env::var_os(variable).is_none() {
                bail!("{variable} is not set and there is no configuration file: {remedy}");
            }
        }
    }
    let (config, _) = load(None).context(remedy)?;
    Ok(config)
}

/// A world's configuration: its own stores, short waits, loopback allowed, free ports.
pub(super) fn for_world(base: &Config, name: &str, folder: &Path) -> anyhow::Result<Config> {
    let mut config = base.clone();
    config.database.url = with_path(&base.database.url, "database.url", name)?;
    config.database.max_connections = 10;
    config.amqp.url = with_path(&base.amqp.url, "amqp.url", name)?;
    for url in &mut config.amqp.further_urls {
        *url = with_path(url, "amqp.further_urls", name)?;
    }
    config.amqp.retry_after_ms = 300;
    config.elasticsearch.alias = name.to_owned();
    config.elasticsearch.timeout_ms = 10_000;
    let blobs = Url::from_directory_path(folder.join("blobs"));
    config.blobs.url = blobs
        .map_err(|()| anyhow::anyhow!("{} is no absolute path", folder.display()))?
        .to_string();
    // The disk that the tests share is nobody's but theirs.
    config.blobs.min_free_bytes = 1 << 20;
    config.network.allow = vec!["127.0.0.0/8".parse().context("a loopback range")?];
    // The first model alone: each costs every encoder its loading. Tests of several name their own.
    config.models.packs.truncate(1);
    config.log.level = "info".into();

    config.crawler.host_delay_ms = 0;
    config.crawler.lease_seconds = 5;
    config.crawler.connect_timeout_ms = 2_000;
    config.crawler.read_timeout_ms = 2_000;
    config.crawler.fetch_timeout_ms = 6_000;
    config.crawler.retry_after_ms = 200;
    config.crawler.host_attempts = config.crawler.max_attempts;
    config.crawler.max_host_delay_ms = 1_000;
    config.crawler.coalesce_ms = 100;
    // Tests count requests: those of discovery turn this on.
    config.discovery.sitemaps = false;
    config.encoder.batch_wait_ms = 20;
    config.encoder.sessions = 1;
    config.encoder.decode_threads = 2;
    config.indexer.bulk_wait_ms = 100;
    for listen in [
        &mut config.crawler.listen,
        &mut config.encoder.listen,
        &mut config.indexer.listen,
        &mut config.search.listen,
    ] {
        listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        listen.set_port(free_port());
    }
    // Blocks of colour are near to nothing that was measured: tests of the cut-off set their own.
    config.search.words_cut_off = -1.0;
    config.search.picture_cut_off = -1.0;
    config.search.url = format!("http://{}", config.search.listen);
    Ok(config)
}

fn with_path(url: &str, key: &str, path: &str) -> anyhow::Result<String> {
    let mut url = Url::parse(url).with_context(|| format!("`{key}` is no URL"))?;
    url.set_path(path);
    Ok(url.to_string())
}
