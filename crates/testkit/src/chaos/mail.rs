//! Messages that the chain did not write, by the broker's management API.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::PgPool;
use tusou_contract::{
    BlobKey, Embedding, Encoding, EncodingOutcome, ImageChanged, ImageEmbedded, ImageFetched,
    ImageFormat, ImageId, Message, Queue, message,
};
use tusou_platform::Config;
use url::Url;

use super::plan::Mail;
use super::rng::Rng;

/// What the message ids of garbage begin with.
const GARBAGE: &str = "garbage-";
/// Messages that a dead queue is asked for at once.
const LOOK: u64 = 10_000;

/// Reads and writes a virtual host's queues.
#[derive(Debug)]
pub(super) struct Post {
    client: reqwest::Client,
    api: Url,
    vhost: String,
}

/// A message as it lies in a queue.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its AMQP message id, empty where it has none.
    pub(super) id: String,
    /// The reason of a dead letter, or of a retry.
    pub(super) reason: String,
    /// The reason in words.
    pub(super) detail: String,
    body: Vec<u8>,
}

impl Post {
    /// A client for the world's virtual host.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let amqp = Url::parse(&config.amqp.url)?;
        Ok(Self {
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()?,
            api: Url::parse(&config.rabbitmq.api_url)?,
            vhost: amqp.path().trim_start_matches('/').to_owned(),
        })
    }

    fn url(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.api.clone();
        url.path_segments_mut()
            .ok()
            .context("`rabbitmq.api_url` takes http://host:port")?
            .pop_if_empty()
            .extend(["api"])
            .extend(path);
        Ok(url)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        if !status.is_success() {
            bail!("RabbitMQ's management API answers {status}");
        }
        Ok(answer.json().await.map_err(reqwest::Error::without_url)?)
    }

    /// Every queue's name.
    pub(super) async fn queues(&self) -> anyhow::Result<Vec<String>> {
        let answer = self
            .ask(self.client.get(self.url(&["queues", &self.vhost])?))
            .await?;
        let name = |queue: &Value| queue["name"].as_str().map(str::to_owned);
        Ok(answer
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(name)
            .collect())
    }

    /// Ready and unacknowledged messages by queue; the figures are up to 5 s old.
    pub(super) async fn depths(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let url = self.url(&["queues", &self.vhost])?;
        let answer = self.ask(self.client.get(url)).await?;
        let depth = |queue: &Value| {
            let name = queue["name"].as_str()?.to_owned();
            Some((name, queue["messages"].as_u64().unwrap_or(0)))
        };
        Ok(answer
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(depth)
            .collect())
    }

    /// The first `most` messages of a queue, which are put back.
    pub(super) async fn look(&self, queue: &str, most: u64) -> anyhow::Result<Vec<Found>> {
        let url = self.url(&["queues", &self.vhost, queue, "get"])?;
        let wanted = json!({"count": most, "ackmode": "ack_requeue_true", "encoding": "base64"});
        let answer = self.ask(self.client.post(url).json(&wanted)).await?;
        let found = |message: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let properties = &message["properties"];
            Found {
                id: text(&properties["message_id"]),
                reason: text(&properties["headers"]["x-tusou-reason"]),
                detail: text(&properties["headers"]["x-tusou-detail"]),
                body: STANDARD
                    .decode(text(&message["payload"]))
                    .unwrap_or_default(),
            }
        };
        Ok(answer.as_array().into_iter().flatten().map(found).collect())
    }

    /// All letters of a dead queue.
    pub(super) async fn dead(&self, queue: &str) -> anyhow::Result<Vec<Found>> {
        self.look(queue, LOOK).await
    }

    async fn publish(&self, queue: &str, id: &str, body: &[u8]) -> anyhow::Result<()> {
        let url = self.url(&["exchanges", &self.vhost, "amq.default", "publish"])?;
        let message = json!({
            "properties": {"message_id": id, "delivery_mode": 2, "content_type": "application/json"},
            "routing_key": queue,
            "payload": STANDARD.encode(body),
            "payload_encoding": "base64",
        });
        self.ask(self.client.post(url).json(&message)).await?;
        Ok(())
    }
}

/// What was put into the queues, so that its dead letters are known.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    count: u64,
    /// Message ids, and ids of pictures that nobody knows.
    pub(super) ids: HashSet<String>,
    /// Message ids that the broker has, of what can only become a dead letter.
    pub(super) refusable: HashSet<String>,
}

/// Puts messages of a kind into the queues; how many.
pub(super) async fn inject(
    post: &Post,
    pool: &PgPool,
    garbage: &tokio::sync::Mutex<Garbage>,
    mail: Mail,
    seed: u64,
) -> anyhow::Result<usize> {
    let mut rng = Rng::new(seed);
    let letters = match mail {
        Mail::Duplicate => {
            let mut letters = Vec::new();
            for queue in Queue::ALL {
                for found in post.look(queue.name(), 3).await? {
                    letters.push((queue.name().to_owned(), found.id, found.body));
                }
            }
            letters.extend(again(pool, &mut rng).await?);
            letters
        }
        Mail::Stale => stale(pool).await?,
        Mail::Garbage => {
            let (queues, known) = (post.queues().await?, some_images(pool, 3).await?);
            let mut garbage = garbage.lock().await;
            garbage.letters(&queues, &known, &mut rng)
        }
    };
    for (queue, id, body) in &letters {
        post.publish(queue, id, body).await?;
        if id.starts_with(GARBAGE) && is_refusable(queue, body) {
            garbage.lock().await.refusable.insert(id.clone());
        }
    }
    Ok(letters.len())
}

/// To the indexer, whatever names an image says that it has changed, though nobody knows it.
fn is_refusable(queue: &str, body: &[u8]) -> bool {
    let changes = ["images.changed", "images.reindex"];
    let indexed = changes
        .iter()
        .any(|name| queue == *name || queue == format!("{name}.retry"));
    !indexed || ImageChanged::from_body(body).is_err()
}

type Letter = (String, String, Vec<u8>);

fn letter<M: Message>(message: &M) -> Letter {
    let id = message.image_id().to_string();
    (M::QUEUE.name().to_owned(), id, message.to_body())
}

/// A body of a version that every queue knows: what is newer than a queue's own waits for a later build, for
/// ever, and is no garbage.
fn of_version_1<M: Message>(message: &M) -> Vec<u8> {
    let body = serde_json::from_slice(&message.to_body());
    let mut body: serde_json::Value = body.expect("a message is JSON");
    body["version"] = 1.into();
    body.to_string().into_bytes()
}

impl Garbage {
    fn letters(&mut self, queues: &[String], known: &[ImageId], rng: &mut Rng) -> Vec<Letter> {
        let mut letters = Vec::new();
        for queue in queues.iter().filter(|queue| queue.starts_with("images.")) {
            self.count += 1;
            let id = format!("{GARBAGE}{}", self.count);
            let unknown = ImageId::of(&rng.bytes(32));
            let body = match rng.below(4) {
                0 => rng.bytes(60),
                1 => br#"{"version":1,"image_id":"not one"}"#.to_vec(),
                2 => ImageFetched {
                    image_id: unknown,
                    blob_key: BlobKey::original(&unknown, ImageFormat::Png),
                    format: ImageFormat::Png,
                }
                .to_body(),
                _ => {
                    let wrong = Encoding {
                        embeddings: vec![Embedding {
                            model: "lite".into(),
                            digest: "none".into(),
                            vector: Vec::new(),
                        }],
                        scores: Vec::new(),
                        failures: Vec::new(),
                        phash: "no hash".into(),
                        colors: Vec::new(),
                        thumbnail: None,
                    };
                    let wrong = ImageEmbedded {
                        image_id: known.first().copied().unwrap_or(unknown),
                        outcome: EncodingOutcome::Encoded(wrong),
                    };
                    of_version_1(&wrong)
                }
            };
            self.ids.insert(id.clone());
            // The encoder's word on a picture that nobody knows is a dead letter of its own.
            self.ids.insert(unknown.to_string());
            letters.push((queue.clone(), id, body));
        }
        letters
    }
}

/// Random images that are encoded.
async fn some_images(pool: &PgPool, count: i64) -> anyhow::Result<Vec<ImageId>> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM images WHERE EXISTS (
             SELECT FROM embeddings WHERE embeddings.image_id = images.image_id)
         ORDER BY random() LIMIT $1",
    )
    .bind(count)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| Ok(ImageId::from_digest(row)?))
        .collect()
}

/// What was once true of pictures that are encoded: they failed, or they changed.
async fn stale(pool: &PgPool) -> anyhow::Result<Vec<Letter>> {
    let images = some_images(pool, 12).await?;
    let letters = images.iter().enumerate().map(|(number, image_id)| {
        if number % 2 == 0 {
            return letter(&ImageChanged {
                image_id: *image_id,
            });
        }
        letter(&ImageEmbedded {
            image_id: *image_id,
            outcome: EncodingOutcome::Failed {
                reason: "decode_timeout".into(),
                detail: "an earlier attempt".into(),
            },
        })
    });
    Ok(letters.collect())
}

/// Every message of some pictures once more.
async fn again(pool: &PgPool, rng: &mut Rng) -> anyhow::Result<Vec<Letter>> {
    type Row = (
        String,
        String,
        String,
        String,
        Vec<u8>,
        Option<String>,
        Vec<String>,
        Option<String>,
    );
    let mut letters = Vec::new();
    for image_id in some_images(pool, 2 + i64::try_from(rng.below(4))?).await? {
        let row: Option<Row> = sqlx::query_as(
            "SELECT blob_key, format, model, digest, vector, phash, colors, thumbnail_key
             FROM images JOIN embeddings USING (image_id) JOIN encodings USING (image_id)
             WHERE image_id = $1 LIMIT 1",
        )
        .bind(&image_id.as_bytes()[..])
        .fetch_optional(pool)
        .await?;
        let Some((blob_key, format, model, digest, vector, phash, colors, thumbnail)) = row else {
            continue;
        };
        let format: ImageFormat = serde_json::from_value(Value::String(format))?;
        let blob_key = BlobKey::try_from(blob_key)?;
        letters.push(letter(&ImageFetched {
            image_id,
            blob_key,
            format,
        }));
        letters.push(letter(&ImageChanged { image_id }));
        let (Some(vector), Some(phash)) = (message::vector_from_bytes(&vector), phash) else {
            continue;
        };
        let encoding = Encoding {
            embeddings: vec![Embedding {
                model,
                digest,
                vector,
            }],
            scores: Vec::new(),
            failures: Vec::new(),
            phash,
            colors,
            thumbnail: thumbnail.map(BlobKey::try_from).transpose()?,
        };
        let outcome = EncodingOutcome::Encoded(encoding);
        letters.push(letter(&ImageEmbedded { image_id, outcome }));
    }
    Ok(letters)
}
