//! The broker as it is meant to go: confirms, settlements, retries, dead letters.

use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::AMQPValue;
use tusou_contract::{
    Disposition, ImageChanged, ImageFetched, ImageFormat, ImageId, Message, Queue, Verdict,
};
use tusou_platform::broker::{Broker, Delivery, Outgoing, Settled, Subscription, header};
use tusou_testkit::{World, wait_until};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// An error whose verdict the test chooses.
#[derive(Debug, thiserror::Error)]
#[error("the picture is unwell")]
pub(crate) struct Unwell(pub(crate) Disposition);

impl Verdict for Unwell {
    fn disposition(&self) -> Disposition {
        self.0
    }

    fn reason(&self) -> &'static str {
        "unwell"
    }
}

pub(crate) const RETRY: Result<(), Unwell> = Err(Unwell(Disposition::Retry {
    after: Duration::ZERO,
}));
pub(crate) const DEAD: Result<(), Unwell> = Err(Unwell(Disposition::DeadLetter));

pub(crate) fn changed(number: u32) -> ImageChanged {
    ImageChanged {
        image_id: ImageId::of(&number.to_le_bytes()),
    }
}

pub(crate) fn fetched(number: u32) -> ImageFetched {
    let image_id = ImageId::of(&number.to_le_bytes());
    ImageFetched {
        image_id,
        blob_key: tusou_contract::BlobKey::original(&image_id, ImageFormat::Png),
        format: ImageFormat::Png,
    }
}

pub(crate) async fn publish(broker: &Broker, messages: &[Outgoing]) {
    let results = broker.publish(messages).await.expect("the broker is there");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

pub(crate) async fn next(subscription: &mut Subscription) -> Delivery {
    let next = tokio::time::timeout(LIMIT, subscription.next()).await;
    next.expect("a message comes").expect("the broker is there")
}

/// Takes the head of a queue by a connection of the test's own: its headers as text, and its body.
pub(crate) async fn take(world: &World, queue: &str) -> (Vec<(String, String)>, Vec<u8>) {
    let channel = channel(world).await;
    let got = channel
        .basic_get(queue.into(), BasicGetOptions::default())
        .await
        .expect("the queue is there")
        .expect("the queue holds a message");
    got.ack(BasicAckOptions::default())
        .await
        .expect("acknowledged");
    let headers = got.properties.headers().clone().unwrap_or_default();
    let text = |value: &AMQPValue| match value {
        AMQPValue::LongString(text) => text.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let headers = headers.inner().iter();
    let headers = headers.map(|(key, value)| (key.to_string(), text(value)));
    (headers.collect(), got.delivery.data)
}

pub(crate) async fn channel(world: &World) -> lapin::Channel {
    let properties = lapin::ConnectionProperties::default();
    let connection = lapin::Connection::connect(&world.config.amqp.url, properties).await;
    let connection = connection.expect("the broker is there");
    let channel = connection.create_channel().await;
    channel.expect("a channel")
}

pub(crate) fn value<'a>(headers: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_published_message_is_delivered_once_and_gone_when_acknowledged() {
    let world = World::new("broker_ack").await;
    let broker = world.broker().await;
    publish(
        &broker,
        &[Outgoing::of(&fetched(1)), Outgoing::of(&changed(2))],
    )
    .await;

    let mut images = broker
        .subscribe(Queue::ImagesFetched, 10)
        .await
        .expect("subscribed");
    let delivery = next(&mut images).await;
    assert_eq!(delivery.queue(), Queue::ImagesFetched);
    assert_eq!((delivery.attempt(), delivery.redelivered()), (1, false));
    assert_eq!(delivery.id(), fetched(1).image_id.to_string());
    assert_eq!(
        delivery.read::<ImageFetched>().expect("a message"),
        fetched(1)
    );
    let settled = delivery.settle::<Unwell>(&Ok(())).await.expect("settled");
    assert_eq!(settled, Settled::Done);
    images.close().await;

    for (queue, ready) in [(Queue::ImagesFetched, 0), (Queue::ImagesChanged, 1)] {
        let counted = broker
            .ready(queue.name())
            .await
            .expect("the queue is there");
        assert_eq!(counted, ready, "{queue}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_thousand_messages_are_confirmed_and_delivered() {
    let world = World::new("broker_many").await;
    let broker = world.broker().await;
    let messages: Vec<Outgoing> = (0..1_000).map(|n| Outgoing::of(&changed(n))).collect();
    publish(&broker, &messages).await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 100)
        .await
        .expect("subscribed");
    let mut seen = std::collections::HashSet::new();
    while seen.len() < messages.len() {
        let delivery = next(&mut images).await;
        assert!(seen.insert(delivery.read::<ImageChanged>().expect("a message").image_id));
        delivery.ack().await.expect("acknowledged");
    }
    world.end().await;
}

#[tokio::test]
async fn a_retried_message_comes_back_with_its_attempt_and_dies_after_the_last() {
    let mut world = World::new("broker_retry").await;
    world.config.amqp.max_attempts = 3;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    publish(&broker, &[Outgoing::of(&changed(1))]).await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 10)
        .await
        .expect("subscribed");
    for attempt in 1..=2 {
        let delivery = next(&mut images).await;
        assert_eq!(
            (delivery.attempt(), delivery.redelivered()),
            (attempt, false)
        );
        let settled = delivery.settle(&RETRY).await.expect("settled");
        assert_eq!(settled, Settled::Later);
    }
    let last = next(&mut images).await;
    assert_eq!(last.attempt(), 3);
    assert_eq!(last.body(), changed(1).to_body());
    assert_eq!(last.settle(&RETRY).await.expect("settled"), Settled::Dead);

    let (headers, body) = take(&world, "images.changed.dead").await;
    assert_eq!(body, changed(1).to_body());
    assert_eq!(value(&headers, header::ATTEMPT), Some("3"));
    assert_eq!(value(&headers, header::REASON), Some("unwell"));
    world.end().await;
}

#[tokio::test]
async fn a_dead_letter_keeps_its_body_and_says_why_when_and_whence() {
    let world = World::new("broker_dead").await;
    let broker = world.broker().await;
    publish(
        &broker,
        &[Outgoing::of(&fetched(1)), Outgoing::of(&fetched(2))],
    )
    .await;
    let mut images = broker
        .subscribe(Queue::ImagesFetched, 10)
        .await
        .expect("subscribed");
    let settled = next(&mut images)
        .await
        .settle(&DEAD)
        .await
        .expect("settled");
    assert_eq!(settled, Settled::Dead);
    // Its mate is not touched.
    let mate = next(&mut images).await;
    assert_eq!(mate.read::<ImageFetched>().expect("a message"), fetched(2));
    mate.ack().await.expect("acknowledged");

    let (headers, body) = take(&world, "images.fetched.dead").await;
    assert_eq!(body, fetched(1).to_body());
    assert_eq!(value(&headers, header::REASON), Some("unwell"));
    assert_eq!(
        value(&headers, header::DETAIL),
        Some("the picture is unwell")
    );
    assert_eq!(value(&headers, header::QUEUE), Some("images.fetched"));
    let died_at = value(&headers, header::DIED_AT).expect("a time of death");
    let format = &time::format_description::well_known::Rfc3339;
    assert!(
        time::OffsetDateTime::parse(died_at, format).is_ok(),
        "{died_at}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_foreign_message_is_dead_and_a_newer_one_waits() {
    let world = World::new("broker_foreign").await;
    let broker = world.broker().await;
    let body = |body: &[u8]| Outgoing {
        queue: Queue::ImagesChanged,
        id: String::new(),
        body: body.to_vec(),
        trace: None,
    };
    let newer = body(br#"{"version":99}"#);
    publish(&broker, &[body(b"\xff\x00 not ours"), newer.clone()]).await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 10)
        .await
        .expect("subscribed");
    for expected in [Settled::Dead, Settled::Later] {
        let delivery = next(&mut images).await;
        let outcome = delivery.read::<ImageChanged>().map(drop);
        assert_eq!(delivery.settle(&outcome).await.expect("settled"), expected);
    }
    let (headers, body) = take(&world, "images.changed.dead").await;
    assert_eq!(body, b"\xff\x00 not ours");
    assert_eq!(value(&headers, header::REASON), Some("foreign_message"));
    // However often it waits, it is the first attempt still.
    for _ in 0..world.config.amqp.max_attempts {
        let again = next(&mut images).await;
        assert_eq!((again.body(), again.attempt()), (&newer.body[..], 1));
        let outcome = again.read::<ImageChanged>().map(drop);
        let settled = again.settle(&outcome).await.expect("settled");
        assert_eq!(settled, Settled::Later);
    }
    world.end().await;
}

#[tokio::test]
async fn what_waits_for_a_dependency_burns_no_attempt_and_what_is_discarded_is_gone() {
    let world = World::new("broker_later").await;
    let broker = world.broker().await;
    publish(&broker, &[Outgoing::of(&changed(1))]).await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 10)
        .await
        .expect("subscribed");
    for (redelivered, disposition) in [(false, Disposition::Later), (true, Disposition::Fatal)] {
        let delivery = next(&mut images).await;
        assert_eq!(
            (delivery.attempt(), delivery.redelivered()),
            (1, redelivered)
        );
        let settled = delivery
            .settle(&Err(Unwell(disposition)))
            .await
            .expect("settled");
        assert_eq!(settled, Settled::Later);
    }
    let delivery = next(&mut images).await;
    let settled = delivery
        .settle(&Err(Unwell(Disposition::Discard)))
        .await
        .expect("settled");
    assert_eq!(settled, Settled::Done);
    images.close().await;
    for queue in [
        "images.changed",
        "images.changed.retry",
        "images.changed.dead",
    ] {
        let ready = broker.ready(queue).await.expect("the queue is there");
        assert_eq!(ready, 0, "{queue}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_was_not_settled_comes_again_and_says_so() {
    let world = World::new("broker_again").await;
    let broker = world.broker().await;
    publish(
        &broker,
        &[Outgoing::of(&changed(1)), Outgoing::of(&changed(2))],
    )
    .await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 10)
        .await
        .expect("subscribed");
    let held = next(&mut images).await;
    drop(next(&mut images).await);
    images.close().await;
    // Settling what went back must not look like success.
    held.ack().await.expect_err("its channel is closed");

    let mut images = broker
        .subscribe(Queue::ImagesChanged, 10)
        .await
        .expect("subscribed");
    for _ in 0..2 {
        let delivery = next(&mut images).await;
        assert_eq!((delivery.attempt(), delivery.redelivered()), (1, true));
        delivery.ack().await.expect("acknowledged");
    }
    world.end().await;
}

#[tokio::test]
async fn the_management_api_tells_every_queue_with_its_depth() {
    let world = World::new("broker_depth").await;
    let broker = world.broker().await;
    publish(
        &broker,
        &[Outgoing::of(&changed(1)), Outgoing::of(&changed(2))],
    )
    .await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 1)
        .await
        .expect("subscribed");
    let held = next(&mut images).await;
    wait_until(
        LIMIT,
        "one message ready and one unacknowledged",
        async || {
            let queues = world.queues().await;
            let changed = queues.iter().find(|queue| queue.name == "images.changed");
            changed.is_some_and(|queue| (queue.ready, queue.unacknowledged) == (1, 1))
        },
    )
    .await;
    let queues = world.queues().await;
    let names: Vec<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
    let mut expected: Vec<String> = Queue::ALL
        .iter()
        .flat_map(|queue| {
            [
                queue.name().to_owned(),
                queue.retry_name(),
                queue.dead_name(),
            ]
        })
        .collect();
    expected.sort();
    assert_eq!(names, expected);
    held.ack().await.expect("acknowledged");
    world.end().await;
}
