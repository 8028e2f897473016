//! What losing nothing costs: the outbox's relay beside a bare publisher, and the chain beside
//! itself with nothing made durable.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use tusou_contract::{ImageChanged, ImageId, Message as _};
use tusou_testkit::{Service, World, wait_until};
use url::Url;

use crate::chain;
use crate::report::Figure;

const MESSAGES: usize = 40_000;
/// The relay's own batch.
const BATCH: usize = 500;
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let (relay, bare) = relay().await?;
    let site = chain::gallery().await;
    let durable = chain::bench_world("bench_durable").await;
    let (with, _) = chain::whole(durable, &site).await?;
    let memory = tempfile::Builder::new()
        .prefix("tusou-bench-")
        .tempdir_in("/dev/shm")
        .context("/dev/shm holds the blobs of the run without durability")?;
    let fleeting = fleeting(memory.path()).await?;
    let (without, _) = chain::whole(fleeting, &site).await?;
    let rate = |took: Duration| f64::from(chain::PICTURES) / took.as_secs_f64();
    Ok(vec![
        Figure::rate("reliability.relay_vs_lapin", relay, bare, "messages/s", 0.8),
        Figure::rate(
            "reliability.durable_chain",
            rate(with),
            rate(without),
            "pictures/s",
            0.8,
        ),
    ])
}

/// Messages a second: of the crawler's relay from a full outbox, and of a bare publisher with as
/// many messages in batches of the same size, each confirmed before the next.
async fn relay() -> anyhow::Result<(f64, f64)> {
    let mut world = chain::bench_world("bench_relay").await;
    world.config.amqp.queue_limit = 1_000_000;
    let bodies: Vec<(ImageId, Vec<u8>)> = (0..MESSAGES)
        .map(|number| {
            let image_id = ImageId::of(&number.to_le_bytes());
            (image_id, ImageChanged { image_id }.to_body())
        })
        .collect();
    sqlx::query(
        "INSERT INTO outbox (queue, image_id, body)
         SELECT 'images.changed', image_id, body FROM unnest($1::bytea[], $2::bytea[]) AS owed (image_id, body)",
    )
    .bind(bodies.iter().map(|(id, _)| &id.as_bytes()[..]).collect::<Vec<_>>())
    .bind(bodies.iter().map(|(_, body)| &body[..]).collect::<Vec<_>>())
    .execute(world.pool())
    .await?;
    // As after any large load; the statistics would otherwise come midway.
    sqlx::query("ANALYZE outbox").execute(world.pool()).await?;

    let crawler = Service::spawn_unready(&world, "tusou-crawler").await;
    wait_until(LIMIT, "the relay to begin", async || {
        outbox(&world).await < MESSAGES as i64
    })
    .await;
    let (started, left) = (Instant::now(), outbox(&world).await);
    ensure!(left > 0, "the outbox was empty before the clock started");
    wait_until(LIMIT, "the outbox to be empty", async || {
        outbox(&world).await == 0
    })
    .await;
    let ours = left as f64 / started.elapsed().as_secs_f64();
    drop(crawler);
    let bare = bare(&world.config.amqp.url, &bodies).await?;
    world.end().await;
    Ok((ours, bare))
}

async fn outbox(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(world.pool())
        .await
        .expect("the database answers")
}

/// lapin alone: persistent messages to a queue of the same kind.
async fn bare(url: &str, bodies: &[(ImageId, Vec<u8>)]) -> anyhow::Result<f64> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare("bare".into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    let started = Instant::now();
    for batch in bodies.chunks(BATCH) {
        let mut confirms = Vec::with_capacity(batch.len());
        for (_, body) in batch {
            let properties = BasicProperties::default().with_delivery_mode(2);
            let options = BasicPublishOptions::default();
            let publish =
                channel.basic_publish("".into(), "bare".into(), options, body, properties);
            confirms.push(publish.await?);
        }
        for confirm in confirms {
            ensure!(
                matches!(confirm.await?, Confirmation::Ack(None)),
                "the broker refused a bare message"
            );
        }
    }
    let rate = bodies.len() as f64 / started.elapsed().as_secs_f64();
    connection.close(200, "done".into()).await?;
    Ok(rate)
}

/// A world whose commits do not wait for the disk and whose blobs lie in memory. (RabbitMQ's
/// quorum queues cannot do without it.)
async fn fleeting(memory: &Path) -> anyhow::Result<World> {
    let mut world = chain::bench_world("bench_fleeting").await;
    let mut database = Url::parse(&world.config.database.url)?;
    database
        .query_pairs_mut()
        .append_pair("options[synchronous_commit]", "off");
    world.config.database.url = database.to_string();
    let blobs = Url::from_directory_path(memory.join("blobs"));
    world.config.blobs.url = blobs
        .map_err(|()| anyhow::anyhow!("{} is no absolute path", memory.display()))?
        .to_string();
    Ok(world)
}
