//! The whole chain: the three services of a crawl, and `tusou`, over one world.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::time::Duration;

use crate::{Service, World, binary, command, wait_until};
use serde_json::Value;
use tokio::process::Command;
use tusou_contract::{Document, ImageId};

/// Long enough for two slow cores that share their time with other tests.
const DONE_LIMIT: Duration = Duration::from_secs(240);

/// The services that a crawl needs, over a world.
#[derive(Debug)]
pub struct Chain {
    /// `tusou-crawler`
    pub crawler: Service,
    /// `tusou-encoder`
    pub encoder: Service,
    /// `tusou-indexer`
    pub indexer: Service,
    /// Their stores. Last: what is dropped before it can still show its log.
    pub world: World,
}

impl Chain {
    /// Starts them and waits until all are ready.
    pub async fn start(world: World) -> Self {
        let (crawler, encoder, indexer) = tokio::join!(
            Service::spawn(&world, "tusou-crawler"),
            Service::spawn(&world, "tusou-encoder"),
            Service::spawn(&world, "tusou-indexer"),
        );
        Self {
            world,
            crawler,
            encoder,
            indexer,
        }
    }

    /// Runs `tusou` as a person would; panics with what it said where it fails.
    pub async fn tusou(&self, arguments: &[&str]) -> String {
        let output = tusou(&self.world, arguments).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "tusou {arguments:?} failed: {}\n{}",
            text(&output.stderr),
            text(&output.stdout)
        );
        text(&output.stdout)
    }

    /// What `tusou status --json` prints.
    pub async fn status(&self) -> Value {
        let text = self.tusou(&["status", "--json"]).await;
        serde_json::from_str(&text).expect("`tusou status --json` prints JSON")
    }

    /// Runs `tusou seed`.
    pub async fn seed(&self, url: &str) {
        self.tusou(&["seed", url]).await;
    }

    /// Waits until the status says done, and returns it. A search finds all of it then: the index
    /// is refreshed, which by itself it is a second later.
    pub async fn done(&self) -> Value {
        wait_until(DONE_LIMIT, "the crawl to be done", async || {
            self.status().await["done"] == Value::Bool(true)
        })
        .await;
        self.world.refresh().await;
        self.status().await
    }

    /// Waits until at least so many images are stored.
    pub async fn stored(&self, images: u64) {
        wait_until(DONE_LIMIT, "images to be stored", async || {
            self.status().await["images"]["stored"].as_u64() >= Some(images)
        })
        .await;
    }

    /// What a search shows of every document, without what differs from run to run.
    pub async fn shown(&self) -> BTreeMap<ImageId, Shown> {
        let documents = self.world.documents().await;
        documents
            .into_iter()
            .map(|document| (document.image_id, Shown::from(document)))
            .collect()
    }

    /// Ends the services, then their world.
    pub async fn end(self) {
        let Self {
            world,
            crawler,
            encoder,
            indexer,
        } = self;
        drop((crawler, encoder, indexer));
        world.end().await;
    }
}

/// Runs `tusou` with a world's configuration.
pub async fn tusou(world: &World, arguments: &[&str]) -> Output {
    let file = world.folder().join("tusou.toml");
    let text = toml::to_string(&world.config).expect("a configuration is TOML");
    std::fs::write(&file, text).expect("the world's folder can be written");
    let mut command = Command::from(command(binary("tusou")));
    command.args(arguments).arg("--config").arg(file);
    command.output().await.expect("a built binary starts")
}

/// A document without revision, times and ports.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// `image_name`
    pub name: String,
    /// Width, height, bytes.
    pub size: (u32, u32, u64),
    /// `captions`, in any order.
    pub captions: BTreeSet<String>,
    /// `hosts`
    pub hosts: Vec<String>,
    /// Live sightings.
    pub sightings: u32,
    /// Perceptual hash.
    pub phash: Option<String>,
    /// Main colours.
    pub colors: Vec<String>,
    /// The first model's, in thousandths: batches of other sizes add in another order.
    pub embedding: Vec<i32>,
}

impl From<Document> for Shown {
    fn from(document: Document) -> Self {
        let embedding = &document.embeddings["image_embedding"];
        Self {
            name: document.image_name,
            size: (document.width, document.height, document.bytes),
            captions: document.captions.into_iter().collect(),
            hosts: document.hosts,
            sightings: document.sightings,
            phash: document.phash,
            colors: document.colors,
            embedding: embedding
                .iter()
                .map(|value| (value * 1_000.0).round() as i32)
                .collect(),
        }
    }
}
