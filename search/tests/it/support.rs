//! A small index written by hand, with its rows, and a search service in this process.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use time::macros::datetime;
use tokio::task::JoinHandle;
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexOptions, ModelField, index_body};
use tusou_contract::{BlobKey, Document, ImageFormat, ImageId, Rights};
use tusou_model::{Device, Limits, Pack, Runtime, TextModel, VisionModel, decode};
use tusou_platform::ops::Health;
use tusou_platform::service::ServiceContext;
use tusou_platform::{Config, Shutdown};
use tusou_search::{Server, StartError};
use tusou_testkit::{World, pictures, wait_until};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The vectors that the tests index: two of words and two of pictures, all in the model's one space.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub(crate) field: ModelField,
    pub(crate) bird: Vec<f32>,
    pub(crate) ship: Vec<f32>,
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

/// Made once a process: loading the model takes seconds.
pub(crate) fn vectors(config: &Config) -> &'static Vectors {
    static VECTORS: OnceLock<Vectors> = OnceLock::new();
    VECTORS.get_or_init(|| {
        let pack = Pack::open(&config.models.packs[0]).expect("the pack is whole");
        let runtime = Runtime::load(&config.models.runtime).expect("the runtime is there");
        let mut text = TextModel::load(&runtime, &pack, Device::Auto, 1)
            .expect("the text tower loads")
            .expect("the pack has one");
        let mut vision =
            VisionModel::load(&runtime, &pack, Device::Auto, 1).expect("the picture tower loads");
        let limits = Limits {
            max_pixels: 1 << 20,
            max_memory: 64 << 20,
        };
        let pixels = [1, 2].map(|number| {
            let pixels = decode::decode(
                &pictures::png(number),
                ImageFormat::Png,
                &limits,
                decode::Detail::Whole,
            );
            pixels.expect("a whole PNG")
        });
        let words = ["a small bird".to_owned(), "a sailing ship".to_owned()];
        let mut words = text.embed(&words).expect("words are encoded").into_iter();
        let mut seen = vision
            .embed(&pixels)
            .expect("pictures are encoded")
            .into_iter();
        let mut next = || words.next().or_else(|| seen.next()).expect("four vectors");
        Vectors {
            field: pack.field(IMAGE_EMBEDDING),
            bird: next(),
            ship: next(),
            first: next(),
            second: next(),
        }
    })
}

/// The id of a document by its name.
pub(crate) fn id(name: &str) -> ImageId {
    match name {
        "first" => ImageId::of(&pictures::png(1)),
        "second" => ImageId::of(&pictures::png(2)),
        other => ImageId::of(other.as_bytes()),
    }
}

/// Makes an index of four documents behind the alias. `field` says whose model it claims.
pub(crate) async fn index(world: &World, name: &str, field: &ModelField) -> String {
    let vectors = vectors(&world.config);
    let documents = [
        ("bird", &vectors.bird),
        ("ship", &vectors.ship),
        ("first", &vectors.first),
        ("second", &vectors.second),
    ];
    let documents = documents.map(|(name, vector)| document(name, vector));
    index_of(world, name, std::slice::from_ref(field), &documents).await
}

/// Makes an index of these documents behind the alias, of the service's own model.
pub(crate) async fn index_of_own(world: &World, documents: &[Document]) -> String {
    let field = &vectors(&world.config).field;
    index_of(world, "1", std::slice::from_ref(field), documents).await
}

/// Makes an index of these documents behind the alias. `fields` say whose models it claims.
pub(crate) async fn index_of(
    world: &World,
    name: &str,
    fields: &[ModelField],
    documents: &[Document],
) -> String {
    let elastic = world.elastic();
    let index = format!("{}-{name}", world.name());
    let body = index_body(fields, &IndexOptions::default());
    assert!(
        elastic
            .create_index(&index, &body)
            .await
            .expect("a new index")
    );
    write(world, &index, documents).await;
    elastic
        .point_alias(&world.config.elasticsearch.alias, &index)
        .await
        .expect("the alias points at it");
    index
}

/// Writes documents, and has them found.
pub(crate) async fn write(world: &World, index: &str, documents: &[Document]) {
    let elastic = world.elastic();
    let items: Vec<_> = documents
        .iter()
        .map(|document| item(index, document))
        .collect();
    let outcomes = elastic.bulk(&items).await.expect("Elasticsearch answers");
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == tusou_platform::elastic::BulkOutcome::Written),
        "{outcomes:?}"
    );
    elastic.refresh(index).await.expect("Elasticsearch answers");
}

fn item(index: &str, document: &Document) -> tusou_platform::elastic::BulkItem {
    tusou_platform::elastic::BulkItem {
        index: index.to_owned(),
        id: document.image_id.to_string(),
        version: document.rev,
        source: Some(
            serde_json::to_vec(document)
                .expect("a document is JSON")
                .into(),
        ),
    }
}

/// A document with plain properties.
pub(crate) fn document(name: &str, vector: &[f32]) -> Document {
    let image_id = id(name);
    let seen = datetime!(2026-11-01 12:00 UTC);
    Document {
        image_id,
        image_name: format!("{name}.png"),
        relative_path: BlobKey::original(&image_id, ImageFormat::Png).to_string(),
        width: 96,
        height: 64,
        pixels: Some(96 * 64),
        aspect: Some(1.5),
        bytes: 1_000,
        format: ImageFormat::Png,
        phash: None,
        phash_bands: Vec::new(),
        colors: vec!["red".into()],
        nsfw: None,
        captions: vec![format!("a {name} <b>&amp;</b>")],
        hosts: vec!["example.org".into()],
        rights: Rights {
            creator: Some("most <b>pages</b>".into()),
            ..Rights::default()
        },
        taken_at: None,
        first_seen: seen,
        last_seen: seen,
        sightings: 7,
        rev: 3,
        embeddings: [(IMAGE_EMBEDDING.to_owned(), vector.to_vec())].into(),
    }
}

/// Seven pages that show `bird`: the first is gone, the others are found in reverse order.
pub(crate) async fn sightings_of_bird(world: &World) {
    let id = id("bird");
    sqlx::raw_sql("INSERT INTO hosts (origin) VALUES ('http://example.org')")
        .execute(world.pool())
        .await
        .expect("a new host");
    sqlx::query(
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key, rights) \
         VALUES ($1, 'png', 96, 64, 1000, 'originals/x.png', \
                 '{\"creator\": \"the file\", \"license\": \"https://example.org/by\"}')",
    )
    .bind(id.as_bytes().as_slice())
    .execute(world.pool())
    .await
    .expect("a new image");
    sqlx::raw_sql(
        "INSERT INTO image_urls (host_id, url) SELECT host_id, 'http://example.org/bird.png' FROM hosts; \
         INSERT INTO pages (host_id, url, depth, title) \
         SELECT host_id, 'http://example.org/' || n, 0, 'Page ' || n FROM hosts, generate_series(0, 6) n;",
    )
    .execute(world.pool())
    .await
    .expect("new pages");
    sqlx::query(
        "INSERT INTO sightings (image_id, page_id, image_url_id, alt, caption, rights, first_seen, gone_since) \
         SELECT $1, page_id, image_url_id, 'a bird', 'caption ' || page_id, \
                CASE WHEN pages.url LIKE '%/5' \
                     THEN '{\"creator\": \"page 5\", \"acquire\": \"https://example.org/buy\"}' \
                     ELSE '{}' END::jsonb, \
                timestamptz '2026-11-01' - page_id * interval '1 day', \
                CASE WHEN pages.url LIKE '%/6' THEN now() END \
         FROM pages, image_urls",
    )
    .bind(id.as_bytes().as_slice())
    .execute(world.pool())
    .await
    .expect("new sightings");
}

/// A search service that runs in this process.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) client: reqwest::Client,
    pub(crate) health: Health,
    address: std::net::SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), StartError>>,
}

impl Search {
    /// Starts one with the world's configuration, and does not wait.
    pub(crate) async fn start(world: &World) -> Self {
        Self::of(world.config.clone()).await
    }

    /// Starts one with any configuration, and does not wait.
    pub(crate) async fn of(config: Config) -> Self {
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let context = ServiceContext {
            config,
            health: health.clone(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            shutdown: shutdown.clone(),
        };
        let server = Server::bind(context).await.expect("a free port");
        let address = server.address();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(LONG)
            .build()
            .expect("a plain client");
        Self {
            client,
            health,
            address,
            shutdown,
            task: tokio::spawn(server.serve()),
        }
    }

    /// Starts one and waits until it is ready.
    pub(crate) async fn ready(world: &World) -> Self {
        let search = Self::start(world).await;
        search.wait_ready().await;
        search
    }

    /// Waits until it is ready.
    pub(crate) async fn wait_ready(&self) {
        wait_until(LONG, "search is ready", async || {
            self.health.ready().is_ok()
        })
        .await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client
            .get(self.url(path))
            .send()
            .await
            .expect("the service answers")
    }

    pub(crate) async fn post(&self, path: &str, form: Form) -> reqwest::Response {
        self.client
            .post(self.url(path))
            .multipart(form)
            .send()
            .await
            .expect("the service answers")
    }

    /// Status and JSON.
    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        told(self.get(path).await).await
    }

    /// Ends it and waits for that.
    pub(crate) async fn stop(self) {
        self.shutdown.request();
        let ended = self.task.await.expect("the service does not panic");
        ended.expect("a stopped service ends well");
    }
}

/// Status and JSON of an answer.
pub(crate) async fn told(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.expect("an answer in JSON"))
}

/// The names of an answer's hits, in their order.
pub(crate) fn names(answer: &Value) -> Vec<&str> {
    let hits = answer["hits"].as_array().expect("hits");
    hits.iter()
        .map(|hit| hit["image_name"].as_str().expect("a name"))
        .collect()
}

/// A form with these bytes as its picture.
pub(crate) fn upload(bytes: impl Into<Vec<u8>>) -> Form {
    Form::new().part("image", Part::bytes(bytes.into()).file_name("picture"))
}
