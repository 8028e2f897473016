//! Stores of the test's own, inside the real servers.

mod base;
mod stores;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tusou_contract::Document;
use tusou_platform::Config;
use tusou_platform::blobs::BlobStore;
use tusou_platform::broker::Broker;
use tusou_platform::broker::management::{Management, QueueDepth};
use tusou_platform::elastic::Elastic;
use url::Url;

use crate::{Proxy, S3};

/// Documents read at once.
const PAGE: usize = 500;

/// A database, a virtual host, an alias and a folder that no other test has.
///
/// Everything goes when the world is dropped, after a panic too. What a killed test leaves is
/// swept by the first world of a later process, an hour after.
#[derive(Debug)]
pub struct World {
    /// The configuration for this world's services: fast, with loopback allowed. Change it before a
    /// service is spawned.
    pub config: Config,
    /// The same without any proxy between: what the world's own clients use.
    direct: Config,
    /// The configuration of the servers themselves.
    base: Config,
    name: String,
    pool: PgPool,
    folder: TempDir,
    taken: Mutex<HashSet<SocketAddr>>,
}

impl World {
    /// Makes a world. `test` shows in the names of its stores. Panics with the remedy where a store
    /// is not there.
    pub async fn new(test: &str) -> Self {
        Self::over(test, |_| {}).await
    }

    /// As [`World::new`], over other servers: `change` is given the configuration of those that are there.
    pub async fn over(test: &str, change: impl FnOnce(&mut Config)) -> Self {
        match Self::make(test, change).await {
            Ok(world) => world,
            Err(error) => panic!("no world for the test `{test}`: {error:#}"),
        }
    }

    async fn make(test: &str, change: impl FnOnce(&mut Config)) -> anyhow::Result<Self> {
        let mut base = base::config()?;
        change(&mut base);
        stores::sweep_once(&base).await;
        let name = name(test);
        let folder = tempfile::Builder::new().prefix(&name).tempdir()?;
        let config = base::for_world(&base, &name, folder.path())?;
        let pool = stores::make(&base, &config, &name).await?;
        Ok(Self {
            direct: config.clone(),
            config,
            base,
            name,
            pool,
            folder,
            taken: Mutex::default(),
        })
    }

    /// The name of its database, virtual host and alias.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder: blobs, configuration files and logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its database, migrated.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection to its virtual host, past any proxy.
    pub async fn broker(&self) -> Broker {
        let broker = Broker::connect(&self.direct.amqp, "test").await;
        broker.expect("the virtual host was made with the world")
    }

    /// A client of its Elasticsearch, past any proxy.
    pub fn elastic(&self) -> Elastic {
        Elastic::new(&self.direct.elasticsearch).expect("the world was made with it")
    }

    /// Its blobs.
    pub fn blobs(&self) -> BlobStore {
        BlobStore::open(&self.direct.blobs).expect("the world's folder can be written")
    }

    /// Keeps its blobs in a bucket, under a prefix that no other world has. Before a service is spawned.
    pub fn keep_blobs_in(&mut self, server: &S3) {
        self.config.blobs = server.blobs(&self.name);
        self.direct.blobs = self.config.blobs.clone();
    }

    /// Its queues by the management API, whose figures are up to 5 s old.
    pub async fn queues(&self) -> Vec<QueueDepth> {
        let management = Management::new(&self.direct).expect("the world was made with it");
        management
            .queues()
            .await
            .expect("the world's virtual host is there")
    }

    /// Every document of the alias, sorted by id, with its vectors; refreshes first. None where
    /// there is no alias yet.
    pub async fn documents(&self) -> Vec<Document> {
        let sources = self.sources().await;
        sources
            .into_iter()
            .map(|source| serde_json::from_value(source).expect("the mapping is strict"))
            .collect()
    }

    /// Lets searches see all that was indexed until now; false where there is no alias yet.
    pub async fn refresh(&self) -> bool {
        let elastic = self.elastic();
        let alias = &self.direct.elasticsearch.alias;
        let indexes = elastic.alias(alias).await.expect("Elasticsearch answers");
        if !indexes.is_empty() {
            elastic.refresh(alias).await.expect("Elasticsearch answers");
        }
        !indexes.is_empty()
    }

    /// The `_source` of every document, as [`World::documents`].
    pub async fn sources(&self) -> Vec<Value> {
        if !self.refresh().await {
            return Vec::new();
        }
        let elastic = self.elastic();
        let alias = &self.direct.elasticsearch.alias;
        let mut sources = Vec::new();
        let mut after = None;
        loop {
            let mut body = json!({
                "size": PAGE, "query": {"match_all": {}}, "sort": ["image_id"],
                // 9.2 leaves vectors out by default.
                "_source": {"exclude_vectors": false},
            });
            if let Some(after) = after {
                body["search_after"] = json!([after]);
            }
            let mut answer = elastic
                .search(alias, &body)
                .await
                .expect("Elasticsearch answers");
            let Value::Array(hits) = answer["hits"]["hits"].take() else {
                panic!("a search answers with hits");
            };
            after = hits.last().map(|hit| hit["sort"][0].clone());
            let whole = hits.len() == PAGE;
            sources.extend(hits.into_iter().map(|mut hit| hit["_source"].take()));
            if !whole {
                return sources;
            }
        }
    }

    /// Puts a proxy between this world's services and Elasticsearch.
    pub async fn proxy_elasticsearch(&mut self) -> Proxy {
        proxied(&mut self.config.elasticsearch.url, 9200).await
    }

    /// Puts a proxy between this world's services and RabbitMQ.
    pub async fn proxy_amqp(&mut self) -> Proxy {
        // No other node is a way past it.
        self.config.amqp.further_urls.clear();
        proxied(&mut self.config.amqp.url, 5672).await
    }

    /// Puts a proxy between this world's services and Postgres.
    pub async fn proxy_database(&mut self) -> Proxy {
        proxied(&mut self.config.database.url, 5432).await
    }

    /// Takes everything away and waits for it. Dropping the world does the same.
    pub async fn end(self) {
        self.pool.close().await;
        let ended = tokio::task::spawn_blocking(move || drop(self)).await;
        ended.expect("the end of a world does not panic");
    }

    pub(crate) fn is_taken(&self, address: SocketAddr) -> bool {
        self.taken().contains(&address)
    }

    pub(crate) fn take(&self, address: SocketAddr) {
        self.taken().insert(address);
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<SocketAddr>> {
        self.taken.lock().expect("no holder of this lock panics")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (base, name) = (self.base.clone(), self.name.clone());
        // A runtime of its own: the test's may be the one that is being dropped.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(stores::remove(&base, &name));
            }
        });
        let _ = removal.join();
    }
}

/// `tusou-test-<seconds since 1970>-<process>-<number>-<test>`: the sweep reads its age from it.
fn name(test: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.expect("the clock stands after 1970").as_secs();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    // Postgres cuts names at 63 bytes.
    let test: String = test.chars().map(plain).take(24).collect();
    let process = std::process::id();
    format!("{}{seconds}-{process}-{number}-{test}", stores::PREFIX)
}

async fn proxied(url: &mut String, default_port: u16) -> Proxy {
    let mut parsed = Url::parse(url).expect("the world's URL is valid");
    let host = parsed.host_str().expect("the world's URL has a host");
    let port = parsed.port_or_known_default().unwrap_or(default_port);
    let proxy = Proxy::start(&format!("{host}:{port}")).await;
    let address = proxy.address();
    parsed
        .set_host(Some(&address.ip().to_string()))
        .expect("an address is a host");
    parsed
        .set_port(Some(address.port()))
        .expect("a URL with a host takes a port");
    *url = parsed.to_string();
    proxy
}
