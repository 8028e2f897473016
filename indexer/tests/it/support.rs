//! Rows and messages as the crawler and the encoder write them, and an indexer in this process.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tusou_contract::{
    BlobKey, Embedding, Encoding, EncodingOutcome, ImageChanged, ImageEmbedded, ImageFormat,
    ImageId, PackManifest, Queue,
};
use tusou_platform::broker::Outgoing;
use tusou_platform::ops::Health;
use tusou_platform::{Config, Shutdown};
use tusou_projection::Wanted;
use tusou_testkit::{World, wait_until};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A world whose model pack is a manifest of four numbers a vector: the indexer reads no more.
pub(crate) async fn world(test: &str) -> World {
    let mut world = World::new(test).await;
    let folder = world.folder().join("tiny");
    write_pack(&folder, "tiny", 'a');
    world.config.models.packs = vec![folder];
    world
}

pub(crate) fn write_pack(folder: &std::path::Path, name: &str, digit: char) {
    write_pack_with(folder, name, digit, "");
}

/// A pack with further keys, each after a comma.
pub(crate) fn write_pack_with(folder: &std::path::Path, name: &str, digit: char, keys: &str) {
    let sha256 = digit.to_string().repeat(64);
    let manifest = format!(
        r#"{{"name":"{name}","dimension":4,"files":{{"visual/model.onnx":"{sha256}"}}{keys}}}"#
    );
    std::fs::create_dir_all(folder).expect("the world's folder can be written");
    std::fs::write(folder.join("pack.json"), manifest).expect("the world's folder can be written");
}

/// The index that searches ask.
pub(crate) async fn index_of(world: &World) -> String {
    let behind = world.elastic().alias(world.name()).await;
    behind.expect("Elasticsearch answers").remove(0)
}

/// The index that this world's configuration wants.
pub(crate) fn wanted(world: &World) -> Wanted {
    let settings = tusou_indexer::Settings::of(&world.config);
    settings.expect("the pack is there").wanted
}

/// Has the index take documents or not; all else of it answers either way.
pub(crate) async fn block_writes(world: &World, blocked: bool) {
    change_settings(world, json!({"blocks.write": blocked})).await;
}

pub(crate) async fn change_settings(world: &World, settings: Value) {
    let elastic = world.elastic();
    let changed = elastic.change_settings(world.name(), &settings).await;
    changed.expect("the index is there");
}

/// Publishes so many pictures as the encoder does.
pub(crate) async fn publish_pictures(world: &World, count: u32) {
    let mut messages = Vec::new();
    for number in 0..count {
        let id = seen_picture(world, &format!("picture {number}")).await;
        messages.push(Outgoing::of(&encoded(world, id, [0.6, 0.8, 0.0, 0.0])));
    }
    publish(world, &messages).await;
}

fn digest(world: &World) -> String {
    digest_of(&world.config.models.packs[0])
}

pub(crate) fn digest_of(pack: &std::path::Path) -> String {
    let manifest = pack.join("pack.json");
    let manifest = std::fs::read(manifest).expect("the pack was written");
    PackManifest::from_json(&manifest)
        .expect("the pack is whole")
        .digest()
}

/// An indexer that runs in this process.
pub(crate) struct Indexer {
    pub(crate) health: Health,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), tusou_indexer::Error>>,
}

impl Indexer {
    pub(crate) fn start(world: &World) -> Self {
        Self::start_with(world.config.clone())
    }

    pub(crate) fn start_with(config: Config) -> Self {
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let (its_health, its_shutdown) = (health.clone(), shutdown.clone());
        let task =
            tokio::spawn(
                async move { tusou_indexer::run(&config, &its_health, &its_shutdown).await },
            );
        Self {
            health,
            shutdown,
            task,
        }
    }

    pub(crate) async fn ready(self) -> Self {
        wait_until(LONG, "the indexer is ready", async || {
            assert!(!self.task.is_finished(), "the indexer ended");
            self.health.ready().is_ok()
        })
        .await;
        self
    }

    /// How it ended by itself.
    pub(crate) async fn end(self) -> Result<(), tusou_indexer::Error> {
        self.task.await.expect("the indexer does not panic")
    }

    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.end().await.expect("a stopped indexer ends well");
    }
}

/// An image with its row, and no sighting yet.
pub(crate) async fn picture(world: &World, name: &str) -> ImageId {
    let id = ImageId::of(name.as_bytes());
    let key = BlobKey::original(&id, ImageFormat::Png);
    sqlx::query(
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key, stored_at)
         VALUES ($1, 'png', 640, 480, 1234, $2, '2026-01-01T00:00:00Z')",
    )
    .bind(id.as_bytes().as_slice())
    .bind(key.as_str())
    .execute(world.pool())
    .await
    .expect("the image is new");
    id
}

/// A sighting: the page and image URL are made where they are new.
pub(crate) struct Sighting<'a> {
    pub(crate) page: &'a str,
    pub(crate) image: &'a str,
    pub(crate) alt: &'a str,
    pub(crate) caption: &'a str,
    pub(crate) seen: &'a str,
    pub(crate) gone: bool,
}

pub(crate) async fn sight(world: &World, id: ImageId, sighting: &Sighting<'_>) {
    let origin = |url: &str| url.split('/').take(3).collect::<Vec<_>>().join("/");
    sqlx::query(
        "WITH page_host AS (
             INSERT INTO hosts (origin) VALUES ($2) ON CONFLICT (origin) DO UPDATE SET origin = $2 RETURNING host_id),
         image_host AS (
             INSERT INTO hosts (origin) SELECT $4 WHERE $4 <> $2
             ON CONFLICT (origin) DO UPDATE SET origin = $4 RETURNING host_id),
         page AS (
             INSERT INTO pages (host_id, url, depth, state) SELECT host_id, $3, 0, 'done' FROM page_host
             ON CONFLICT (url) DO UPDATE SET state = 'done' RETURNING page_id),
         address AS (
             INSERT INTO image_urls (host_id, url, state, image_id)
             SELECT coalesce((SELECT host_id FROM image_host), (SELECT host_id FROM page_host)), $5, 'done', $1
             ON CONFLICT (url) DO UPDATE SET state = 'done' RETURNING image_url_id)
         INSERT INTO sightings (image_id, page_id, image_url_id, alt, caption, rights, first_seen, last_seen, gone_since)
         SELECT $1, page_id, image_url_id, $6, $7, '{\"creator\": \"Ann\", \"other\": 1}', $8::timestamptz,
                $8::timestamptz + interval '1 day', CASE WHEN $9 THEN $8::timestamptz + interval '2 days' END
         FROM page, address",
    )
    .bind(id.as_bytes().as_slice())
    .bind(origin(sighting.page))
    .bind(sighting.page)
    .bind(origin(sighting.image))
    .bind(sighting.image)
    .bind(sighting.alt)
    .bind(sighting.caption)
    .bind(sighting.seen)
    .bind(sighting.gone)
    .execute(world.pool())
    .await
    .expect("the rows fit the schema");
}

/// An image with one plain sighting.
pub(crate) async fn seen_picture(world: &World, name: &str) -> ImageId {
    let id = picture(world, name).await;
    let image = format!("http://site.test/{name}.png");
    let sighting = Sighting {
        page: "http://site.test/",
        image: &image,
        alt: name,
        caption: "",
        seen: "2026-01-02T00:00:00Z",
        gone: false,
    };
    sight(world, id, &sighting).await;
    id
}

pub(crate) fn encoded(world: &World, image_id: ImageId, vector: [f32; 4]) -> ImageEmbedded {
    let encoding = Encoding {
        embeddings: vec![Embedding {
            model: "tiny".into(),
            digest: digest(world),
            vector: vector.to_vec(),
        }],
        scores: Vec::new(),
        failures: Vec::new(),
        phash: "00ff00ff00ff00ff".into(),
        colors: vec!["red".into(), "white".into()],
        thumbnail: Some(BlobKey::thumbnail(&image_id)),
    };
    ImageEmbedded {
        image_id,
        outcome: EncodingOutcome::Encoded(encoding),
    }
}

pub(crate) async fn publish(world: &World, messages: &[Outgoing]) {
    let broker = world.broker().await;
    let publisher = broker.publisher().await.expect("the broker answers");
    let results = publisher
        .publish(messages)
        .await
        .expect("the broker answers");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    broker.close().await;
}

pub(crate) fn changed(image_id: ImageId) -> Outgoing {
    Outgoing::of(&ImageChanged { image_id })
}

pub(crate) fn raw(queue: Queue, body: &[u8]) -> Outgoing {
    Outgoing {
        queue,
        id: "forged".into(),
        body: body.to_vec(),
        trace: None,
    }
}

/// Waits until every image that can be found is indexed under its present `rev`.
pub(crate) async fn wait_indexed(world: &World, images: i64) {
    wait_until(LONG, "the images are indexed", async || {
        let indexed: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM indexed JOIN images USING (image_id) WHERE indexed.rev = images.rev AND refusal IS NULL",
        )
        .fetch_one(world.pool())
        .await
        .expect("the database answers");
        indexed == images
    })
    .await;
}

/// Waits until every queue holds what is said, and the others nothing.
pub(crate) async fn wait_queues(world: &World, holding: &[(&str, u64)]) {
    wait_until(LONG, "the queues hold what they should", async || {
        let queues = world.queues().await;
        queues.len() == 3 * Queue::ALL.len()
            && queues.iter().all(|queue| {
                let wanted = holding.iter().find(|(name, _)| *name == queue.name);
                queue.ready + queue.unacknowledged == wanted.map_or(0, |(_, messages)| *messages)
            })
    })
    .await;
}

/// Waits until every message published before is settled: the management API's figures are up to
/// 5 s old.
pub(crate) async fn wait_quiet(world: &World) {
    tokio::time::sleep(Duration::from_secs(6)).await;
    wait_queues(world, &[]).await;
}

pub(crate) async fn rev(world: &World, id: ImageId) -> i64 {
    sqlx::query_scalar("SELECT rev FROM images WHERE image_id = $1")
        .bind(id.as_bytes().as_slice())
        .fetch_one(world.pool())
        .await
        .expect("the image has its row")
}
