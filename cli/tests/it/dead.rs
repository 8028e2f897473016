//! `tusou dead` over real dead queues: garbage, a failed picture, one that no database knows.

use std::process::Output;

use serde_json::Value;
use tusou_contract::{
    BlobKey, Disposition, ImageChanged, ImageFetched, ImageFormat, ImageId, Message, Queue, Verdict,
};
use tusou_platform::broker::{Broker, Outgoing};
use tusou_testkit::{World, tusou, wait_until};

use super::ran::text;

const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
#[error("the picture is \x1b[2Jtorn")]
struct Torn;

impl Verdict for Torn {
    fn disposition(&self) -> Disposition {
        Disposition::DeadLetter
    }

    fn reason(&self) -> &'static str {
        "torn"
    }
}

pub(crate) fn known() -> ImageId {
    ImageId::of(b"known")
}

fn fetched(image_id: ImageId) -> ImageFetched {
    ImageFetched {
        image_id,
        blob_key: BlobKey::original(&image_id, ImageFormat::Png),
        format: ImageFormat::Png,
    }
}

/// An image seen at a page of one host, with its bytes at another, and no encoding.
pub(crate) async fn rows(world: &World) {
    let rows = "
        INSERT INTO hosts (origin) VALUES ('http://a.test:8080'), ('https://cdn.test'), ('http://c.test');
        INSERT INTO pages (host_id, url, depth, state, fetched_at) VALUES (1, 'http://a.test:8080/', 0, 'done', now());
        INSERT INTO images (image_id, format, width, height, bytes, blob_key) VALUES
            (sha256('known'), 'png', 96, 64, 1234, 'originals/xx.png');
        INSERT INTO image_urls (host_id, url, state, image_id, fetched_at) VALUES
            (2, 'https://cdn.test/x.png', 'done', sha256('known'), now());
        INSERT INTO page_images (page_id, image_url_id) VALUES (1, 1);
        INSERT INTO sightings (image_id, page_id, image_url_id) VALUES (sha256('known'), 1, 1);
        INSERT INTO encodings (image_id, failure, detail) VALUES (sha256('known'), 'torn', 'in two');
    ";
    let done = sqlx::raw_sql(rows).execute(world.pool()).await;
    done.expect("the rows fit the schema");
}

/// Four dead letters: two of pictures, one that is no message, all of the encoder's queue; and one
/// of the indexer's.
pub(crate) async fn bury(broker: &Broker) {
    let messages = [
        Outgoing::of(&fetched(known())),
        Outgoing::of(&fetched(ImageId::of(b"unknown"))),
        Outgoing {
            queue: Queue::ImagesFetched,
            id: String::new(),
            body: b"\xff\x00 not ours".to_vec(),
            trace: None,
        },
        Outgoing::of(&ImageChanged { image_id: known() }),
    ];
    let sent = broker.publish(&messages).await.expect("the broker answers");
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    for (queue, count) in [(Queue::ImagesFetched, 3), (Queue::ImagesChanged, 1)] {
        let mut images = broker.subscribe(queue, 10).await.expect("subscribed");
        for _ in 0..count {
            let delivery = images.next().await.expect("the broker answers");
            match delivery.read::<ImageChanged>() {
                Ok(_) => delivery.settle(&Err(Torn)).await.expect("settled"),
                Err(foreign) => delivery.settle(&Err(foreign)).await.expect("settled"),
            };
        }
        images.close().await;
    }
}

/// Runs it; panics where it fails.
async fn said(world: &World, args: &[&str]) -> String {
    let output: Output = tusou(world, args).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "tusou {args:?}: {err}\n{out}");
    out
}

async fn list(world: &World, args: &[&str]) -> Vec<Value> {
    let args = [&["dead", "list", "--json"], args].concat();
    let report: Value = serde_json::from_str(&said(world, &args).await).expect("it is JSON");
    assert_eq!(report["problems"], serde_json::json!([]), "{report:#}");
    let letters = report["letters"].as_array().expect("letters are a list");
    letters.clone()
}

pub(crate) async fn ready(broker: &Broker, queue: &str) -> u32 {
    broker.ready(queue).await.expect("the queue is there")
}

/// What the command gave back or published may be a moment on its way.
pub(crate) async fn settled(broker: &Broker, queue: &str, expected: u32) {
    wait_until(LIMIT, queue, async || {
        ready(broker, queue).await == expected
    })
    .await;
}

#[tokio::test]
async fn dead_letters_are_listed_shown_retried_and_dropped() {
    let world = World::new("cli_dead").await;
    let broker = world.broker().await;
    assert_eq!(said(&world, &["dead", "list"]).await, "0 dead letters\n");
    rows(&world).await;
    bury(&broker).await;
    let fetched_dead = Queue::ImagesFetched.dead_name();

    let letters = list(&world, &[]).await;
    assert_eq!(letters.len(), 4, "{letters:?}");
    let of_host = list(&world, &["--host", "a.test"]).await;
    assert_eq!(of_host.len(), 2, "{of_host:?}");
    assert_eq!(
        of_host[0]["hosts"],
        serde_json::json!(["a.test:8080", "cdn.test"])
    );
    let foreign = list(&world, &["--reason", "foreign_message"]).await;
    assert_eq!(foreign.len(), 1, "{foreign:?}");
    assert_eq!(foreign[0]["image_id"], Value::Null);
    let known_id = known().to_string();
    let filters = ["--queue", "images.changed", "--image", &known_id];
    assert_eq!(list(&world, &filters).await.len(), 1);

    let human = said(&world, &["dead", "list"]).await;
    for line in [
        "4 dead letters",
        "images.changed · torn · a.test:8080 · 1",
        "images.fetched · foreign_message · no known host · 1",
        "images.fetched · torn · a.test:8080 · 1",
        "images.fetched · torn · no known host · 1",
    ] {
        assert!(human.lines().any(|said| said == line), "{line}: {human}");
    }
    assert!(!human.contains('\x1b'), "{human}");

    // By its own id, and by its image's.
    let id = of_host[0]["id"].as_str().expect("an id");
    let shown = said(&world, &["dead", "show", id]).await;
    for part in [
        "x-tusou-reason: torn",
        "\"format\": \"png\"",
        "png, 96 × 64, 1,234 bytes",
        "torn: in two",
        "a.test:8080, cdn.test",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = said(&world, &["dead", "show", &known_id]).await;
    assert_eq!(shown.matches("dead letter ").count(), 2, "{shown}");
    let garbage = foreign[0]["id"].as_str().expect("an id");
    let shown = said(&world, &["dead", "show", garbage]).await;
    assert!(shown.contains("not ours") && shown.contains("it names no image"));
    let none = tusou(&world, &["dead", "show", "0000000000000000"]).await;
    assert_eq!(none.status.code(), Some(1), "{}", text(&none.stderr));

    // To look, and to say what would be done, changes nothing.
    for verb in ["retry", "drop"] {
        let would = said(&world, &["dead", verb, "--all", "--dry-run"]).await;
        assert!(
            would.starts_with(&format!("would {verb} 4 dead letters\n")),
            "{would}"
        );
    }
    assert_eq!(list(&world, &[]).await, letters);

    let dropped = said(&world, &["dead", "drop", garbage]).await;
    assert!(dropped.starts_with("dropped 1 dead letter\n"), "{dropped}");
    // The second time there is nothing of that name.
    for verb in ["drop", "retry"] {
        let nobody = tusou(&world, &["dead", verb, garbage]).await;
        assert_eq!(nobody.status.code(), Some(1), "{}", text(&nobody.stderr));
        assert!(text(&nobody.stderr).contains(garbage));
    }
    let retried = said(&world, &["dead", "retry", "--host", "cdn.test"]).await;
    assert!(retried.starts_with("retried 2 dead letters\n"), "{retried}");
    settled(&broker, &fetched_dead, 1).await;
    settled(&broker, Queue::ImagesFetched.name(), 1).await;
    settled(&broker, Queue::ImagesChanged.name(), 1).await;
    let mut images = broker
        .subscribe(Queue::ImagesFetched, 1)
        .await
        .expect("subscribed");
    let delivery = images.next().await.expect("the broker answers");
    assert_eq!(delivery.body(), fetched(known()).to_body());
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await.expect("acknowledged");
    world.end().await;
}

#[tokio::test]
async fn without_the_database_they_are_listed_and_a_full_queue_stops_a_retry() {
    let mut world = World::new("cli_dead_away").await;
    world.config.amqp.queue_limit = 5;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    bury(&broker).await;
    let publisher = broker.publisher().await.expect("a publisher");
    let mut number = 0_u32;
    wait_until(LIMIT, "the queue to be full", async || {
        number += 1;
        let image_id = ImageId::of(&number.to_le_bytes());
        let message = [Outgoing::of(&ImageChanged { image_id })];
        let sent = publisher.publish(&message).await;
        sent.expect("the broker answers")[0].is_err()
    })
    .await;
    let full = ready(&broker, Queue::ImagesChanged.name()).await;

    // The queue that comes first takes its own; the full one keeps its dead letter.
    let output = tusou(&world, &["dead", "retry", "--all"]).await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("images.changed is full") && err.contains("3 dead letters were retried"),
        "{err}"
    );
    assert!(out.starts_with("retried 3 dead letters\n"), "{out}");
    settled(&broker, Queue::ImagesFetched.name(), 3).await;
    settled(&broker, &Queue::ImagesChanged.dead_name(), 1).await;
    settled(&broker, Queue::ImagesChanged.name(), full).await;

    world.config.database.url = format!(
        "postgres://tusou:sesame@127.0.0.1:{}/nowhere",
        tusou_testkit::free_port()
    );
    let human = said(&world, &["dead", "list"]).await;
    assert!(human.starts_with("1 dead letter\n"), "{human}");
    assert!(
        human.contains("hosts are not known") && !human.contains("sesame"),
        "{human}"
    );
    let by_host = tusou(&world, &["dead", "drop", "--host", "a.test"]).await;
    assert_eq!(by_host.status.code(), Some(1));
    settled(&broker, &Queue::ImagesChanged.dead_name(), 1).await;
    world.end().await;
}
