//! Every section and key, with its default. A key that is not here is an error that names it.

mod blobs;
mod broker;
mod crawler;
mod discovery;
mod models;
mod operator;
mod pictures;
mod render;
mod traces;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tusou_contract::mapping::{IndexOptions, IndexType};

pub use blobs::Blobs;
pub use broker::{Amqp, Rabbitmq};
pub use crawler::Crawler;
pub use discovery::Discovery;
pub use models::{Device, Models};
pub use operator::Operator;
pub use pictures::Pictures;
pub use render::Render;
pub(super) use render::is_host_pattern;
pub use traces::Traces;

/// The whole configuration, of all services: one file serves them all.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Crawl state.
    pub database: Database,
    /// The broker's AMQP side.
    pub amqp: Amqp,
    /// The broker's management side.
    pub rabbitmq: Rabbitmq,
    /// The index.
    pub elasticsearch: Elasticsearch,
    /// Picture bytes.
    pub blobs: Blobs,
    /// Model packs and the runtime that runs them.
    pub models: Models,
    /// Which foreign addresses may be asked.
    pub network: Network,
    /// Logs.
    pub log: Log,
    /// Traces of single pictures.
    pub traces: Traces,
    /// The crawler.
    pub crawler: Crawler,
    /// Ways into a site beside its links.
    pub discovery: Discovery,
    /// Which pictures it takes.
    pub pictures: Pictures,
    /// Pages that need JavaScript.
    pub render: Render,
    /// The encoder.
    pub encoder: Encoder,
    /// The indexer.
    pub indexer: Indexer,
    /// The search service.
    pub search: Search,
    /// The operator's page.
    pub operator: Operator,
}

/// `[database]`
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host:port/name`; a secret.
    pub url: String,
    /// The most connections that one process opens.
    pub max_connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: "postgres://tusou@127.0.0.1:5432/tusou".into(),
            max_connections: 16,
        }
    }
}

/// `[elasticsearch]`
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Elasticsearch {
    /// `http://host:port`
    pub url: String,
    /// Further nodes of the same cluster, asked where one before does not answer.
    pub further_urls: Vec<String>,
    /// A PEM file of authorities to trust beside those that are built in (Mozilla's); empty for none.
    pub ca_file: PathBuf,
    /// For basic authentication; empty for none.
    pub username: String,
    /// A secret.
    pub password: String,
    /// Used instead of user name and password when set; a secret.
    pub api_key: String,
    /// The alias that searches ask; generations are named `<alias>-<time of creation>`.
    pub alias: String,
    /// Primary shards of a new generation.
    pub shards: u32,
    /// Replicas of a new generation.
    pub replicas: u32,
    /// How a new generation keeps its vectors: `int8_hnsw`, `hnsw`, `int4_hnsw`, `bbq_hnsw`, `flat`, `int8_flat` or
    /// `bbq_flat` (ADR 10).
    pub index_type: IndexType,
    /// Of a graph: the neighbours of each vector.
    pub hnsw_m: u32,
    /// Of a graph: the candidates looked at while a vector is put into it.
    pub hnsw_ef_construction: u32,
    /// Of quantised vectors: how many times the wanted ones are compared again by their whole vectors; 0 for
    /// none.
    pub rescore_oversample: f32,
    /// Whether graph and quantised vectors are read into memory as soon as an index is opened.
    pub preload: bool,
    /// How bulks are written: `auto` (the most compact that the server takes), `smile` or `json`.
    pub bulk_encoding: BulkEncoding,
    /// The longest wait for one request.
    pub timeout_ms: u64,
}

impl Default for Elasticsearch {
    fn default() -> Self {
        let index = IndexOptions::default();
        Self {
            url: "http://127.0.0.1:9200".into(),
            further_urls: Vec::new(),
            ca_file: PathBuf::new(),
            username: String::new(),
            password: String::new(),
            api_key: String::new(),
            alias: "my-image-embeddings".into(),
            shards: index.shards,
            replicas: index.replicas,
            index_type: index.index_type,
            hnsw_m: index.m,
            hnsw_ef_construction: index.ef_construction,
            rescore_oversample: index.oversample,
            preload: index.preload,
            bulk_encoding: BulkEncoding::Auto,
            timeout_ms: 30_000,
        }
    }
}

impl From<&Elasticsearch> for IndexOptions {
    fn from(config: &Elasticsearch) -> Self {
        Self {
            index_type: config.index_type,
            shards: config.shards,
            replicas: config.replicas,
            m: config.hnsw_m,
            ef_construction: config.hnsw_ef_construction,
            oversample: config.rescore_oversample,
            preload: config.preload,
        }
    }
}

/// How bulks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BulkEncoding {
    /// The most compact that the server takes.
    Auto,
    /// Binary JSON: <https://github.com/FasterXML/smile-format-specification>.
    Smile,
    /// Text.
    Json,
}

/// `[network]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Ranges that may be asked although they are not public: `["127.0.0.0/8"]`.
    pub allow: Vec<IpNet>,
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// A level or a list of directives as tracing has them: `info,tusou_crawler=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".into(),
        }
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// For machines: one object a line.
    Json,
}

/// `[encoder]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Encoder {
    /// Where metrics and health are served.
    pub listen: SocketAddr,
    /// Unacknowledged messages allowed.
    pub prefetch: u16,
    /// Pictures in a model run, at most.
    pub batch: usize,
    /// The longest that a picture waits for its batch to fill.
    pub batch_wait_ms: u64,
    /// Pictures decoded at once; 0 for one a core.
    pub decode_threads: usize,
    /// Model runs at once; 0 for one a core on the processor, and two on a GPU.
    pub sessions: usize,
    /// Whether JPEGs are decoded whole. Otherwise they are decoded at a half, a quarter or an eighth of
    /// their size where that leaves twice what every model sees, which is faster; a photograph's embedding
    /// keeps a cosine of 0.999.
    pub exact: bool,
    /// The most bytes of an original.
    pub max_image_bytes: u64,
    /// The most pixels of a picture.
    pub max_image_pixels: u64,
    /// The longest that a picture's decoding may take.
    pub decode_timeout_ms: u64,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9182)),
            prefetch: 64,
            batch: 8,
            batch_wait_ms: 50,
            decode_threads: 0,
            sessions: 0,
            exact: false,
            max_image_bytes: 16 << 20,
            max_image_pixels: 100_000_000,
            decode_timeout_ms: 30_000,
        }
    }
}

/// `[indexer]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Indexer {
    /// Where metrics and health are served.
    pub listen: SocketAddr,
    /// Unacknowledged messages allowed, a queue.
    pub prefetch: u16,
    /// Documents in a bulk, at most.
    pub bulk_documents: usize,
    /// Bytes in a bulk, at most.
    pub bulk_bytes: usize,
    /// The longest that a changed image waits for its bulk to fill.
    pub bulk_wait_ms: u64,
    /// Bulks in flight, at most; how many there are is found by what the server takes.
    pub bulks_in_flight: usize,
    /// With so many messages waiting and fewer documents in the index, it is loaded without being searchable
    /// meanwhile, which is faster; 0 for never.
    pub first_load_backlog: u64,
    /// The longest that a first load lasts.
    pub first_load_seconds: u64,
    /// Whether a picture that no page shows any more stays in the index, with `sightings: 0`.
    pub keep_gone: bool,
}

impl Default for Indexer {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9183)),
            prefetch: 1_000,
            bulk_documents: 500,
            bulk_bytes: 8 << 20,
            bulk_wait_ms: 500,
            bulks_in_flight: 8,
            first_load_backlog: 5_000,
            first_load_seconds: 3_600,
            keep_gone: true,
        }
    }
}

/// `[search]`
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// Where the API and the page are served.
    pub listen: SocketAddr,
    /// Where others reach it; `tusou search` asks there.
    pub url: String,
    /// The most bytes of an uploaded picture.
    pub max_upload_bytes: u64,
    /// The most pixels of an uploaded picture.
    pub max_image_pixels: u64,
    /// Requests handled at once; further ones are answered 503.
    pub concurrency: usize,
    /// The longest that a request may take.
    pub timeout_ms: u64,
    /// The longest that the fetch of a picture by its URL may take.
    pub fetch_timeout_ms: u64,
    /// Searches a second that one client (its key, or else its address) may ask; 0 for any number.
    pub rate_per_second: u32,
    /// Searches that a client may ask at once before its rate counts.
    pub rate_burst: u32,
    /// `name:key` of each client that may use the API; empty for everyone. Secrets.
    pub api_keys: Vec<String>,
    /// The key that `tusou search` sends, without its name; empty for none. A secret.
    pub client_key: String,
    /// Whether the page is served, also to those without a key.
    pub page: bool,
    /// Origins whose pages may call the API: `https://example.org`, or `*`.
    pub cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether pictures that the safety model scores high are left out unless asked for.
    pub safe: bool,
    /// The score from which a picture is left out.
    pub unsafe_from: f32,
    /// The least cosine of an answer to words; 0 for the model pack's own, −1 to cut nothing.
    pub words_cut_off: f32,
    /// The least cosine of an answer to a picture; 0 for the model pack's own, −1 to cut nothing.
    pub picture_cut_off: f32,
    /// How long the candidates of a search are kept for its further pages.
    pub cursor_seconds: u64,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8088)),
            url: "http://127.0.0.1:8088".into(),
            max_upload_bytes: 16 << 20,
            max_image_pixels: 50_000_000,
            concurrency: 64,
            timeout_ms: 10_000,
            fetch_timeout_ms: 5_000,
            rate_per_second: 0,
            rate_burst: 20,
            api_keys: Vec::new(),
            client_key: String::new(),
            page: true,
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            safe: true,
            unsafe_from: 0.8,
            words_cut_off: 0.0,
            picture_cut_off: 0.0,
            cursor_seconds: 600,
        }
    }
}
