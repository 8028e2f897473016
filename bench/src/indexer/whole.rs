//! The whole indexer as users run it: from messages in its queue to documents that searches find.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tusou_contract::{Document, Embedding, Encoding, EncodingOutcome, ImageEmbedded, Message as _};
use tusou_platform::broker::{Broker, Outgoing};
use tusou_testkit::{Service, World, wait_until};

use super::DOCUMENTS;
use super::client::documents;
use crate::chain::{bench_world, indexed};

const LIMIT: Duration = Duration::from_secs(300);
/// Messages published at once.
const PUBLISHED: usize = 1_000;

/// Documents a second, from the first that is written until all are found.
pub(super) async fn measure() -> anyhow::Result<f64> {
    let mut world = bench_world("bench_indexer_whole").await;
    world.config.amqp.queue_limit = 1_000_000;
    let documents = documents();
    rows(&world, &documents).await?;
    publish(&world, &documents).await?;
    let indexer = Service::spawn_unready(&world, "tusou-indexer").await;
    // What starting takes is no part of the rate.
    wait_until(LIMIT, "the first document", async || {
        indexed(&world).await > 0
    })
    .await;
    let (started, before) = (Instant::now(), indexed(&world).await);
    let (elastic, alias) = (world.elastic(), world.config.elasticsearch.alias.clone());
    wait_until(LIMIT, "all to be searchable", async || {
        let count = elastic.count(&alias).await;
        count.is_ok_and(|count| count >= DOCUMENTS as u64)
    })
    .await;
    let took = started.elapsed();
    let left = DOCUMENTS - usize::try_from(before)?;
    ensure!(left > 0, "all was written before the clock started");
    drop(indexer);
    world.end().await;
    Ok(left as f64 / took.as_secs_f64())
}

/// The rows that a crawl leaves: images, a sighting of each, their pages and URLs.
async fn rows(world: &World, documents: &[Document]) -> anyhow::Result<()> {
    let column =
        |of: &dyn Fn(&Document) -> String| -> Vec<String> { documents.iter().map(of).collect() };
    let ids: Vec<&[u8]> = documents
        .iter()
        .map(|one| &one.image_id.as_bytes()[..])
        .collect();
    let origins = column(&|document| format!("https://{}", document.hosts[0]));
    let names = column(&|document| document.image_id.to_string());
    sqlx::query(
        "WITH given AS (
             SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
             AS given (image_id, format, blob_key, origin, name, alt)),
         made_images AS (
             INSERT INTO images (image_id, format, width, height, bytes, blob_key)
             SELECT image_id, format, 800, 600, 120000, blob_key FROM given RETURNING image_id),
         made_hosts AS (
             INSERT INTO hosts (origin) SELECT DISTINCT origin FROM given RETURNING host_id, origin),
         made_pages AS (
             INSERT INTO pages (host_id, url, depth, state)
             SELECT host_id, origin || '/page/' || name, 1, 'done' FROM given JOIN made_hosts USING (origin)
             RETURNING page_id, url),
         made_urls AS (
             INSERT INTO image_urls (host_id, url, state, image_id)
             SELECT host_id, origin || '/picture/' || name || '.jpg', 'done', image_id
             FROM given JOIN made_hosts USING (origin) JOIN made_images USING (image_id)
             RETURNING image_url_id, url)
         INSERT INTO sightings (image_id, page_id, image_url_id, alt, caption)
         SELECT image_id, page_id, image_url_id, alt, 'a caption of ' || alt
         FROM given
         JOIN made_pages ON made_pages.url = origin || '/page/' || name
         JOIN made_urls ON made_urls.url = origin || '/picture/' || name || '.jpg'",
    )
    .bind(ids)
    .bind(column(&|document| document.format.to_string()))
    .bind(column(&|document| document.relative_path.clone()))
    .bind(origins)
    .bind(names)
    .bind(column(&|document| document.captions.join(", ")))
    .execute(world.pool())
    .await?;
    // As after any large load; the statistics would otherwise come midway.
    sqlx::query("ANALYZE").execute(world.pool()).await?;
    Ok(())
}

/// What the encoder says of each.
async fn publish(world: &World, documents: &[Document]) -> anyhow::Result<()> {
    let models = tusou_projection::models(&world.config.models.packs)?;
    let messages = documents.iter().map(|document| {
        let vectors = models.iter().zip(document.embeddings.values());
        let embeddings = vectors.map(|(model, vector)| Embedding {
            model: model.model.clone(),
            digest: model.digest.clone(),
            vector: vector.clone(),
        });
        let message = ImageEmbedded {
            image_id: document.image_id,
            outcome: EncodingOutcome::Encoded(Encoding {
                embeddings: embeddings.collect(),
                scores: Vec::new(),
                failures: Vec::new(),
                phash: document.phash.clone().unwrap_or_default(),
                colors: document.colors.clone(),
                thumbnail: None,
            }),
        };
        Outgoing {
            queue: ImageEmbedded::QUEUE,
            id: document.image_id.to_string(),
            body: message.to_body(),
            trace: None,
        }
    });
    let messages: Vec<Outgoing> = messages.collect();
    // The world's own would declare the queue with the bound of tests.
    let broker = Broker::connect(&world.config.amqp, "bench").await?;
    for some in messages.chunks(PUBLISHED) {
        for published in broker.publish(some).await? {
            published?;
        }
    }
    broker.close().await;
    Ok(())
}
