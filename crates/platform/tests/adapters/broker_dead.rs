//! Dead queues as a person goes through them.

use tusou_contract::{Message, Queue};
use tusou_platform::broker::{
    Broker, DeadLetter, DeadQueue, Outgoing, Retried, Settled, Unpublished, header,
};
use tusou_testkit::{World, wait_for, wait_until};

use crate::broker::{DEAD, LIMIT, changed, next, publish};

const QUEUE: Queue = Queue::ImagesChanged;

/// The messages, each dead of `unwell`.
async fn bury(broker: &Broker, messages: &[Outgoing]) {
    publish(broker, messages).await;
    let mut images = broker.subscribe(QUEUE, 10).await.expect("subscribed");
    for _ in messages {
        let settled = next(&mut images).await.settle(&DEAD).await;
        assert_eq!(settled.expect("settled"), Settled::Dead);
    }
    images.close().await;
}

async fn hold(dead: &mut DeadQueue) -> Vec<DeadLetter> {
    let mut letters = Vec::new();
    while let Some(letter) = dead.next().await.expect("the broker answers") {
        letters.push(letter);
    }
    letters
}

async fn ready(broker: &Broker, queue: &str) -> u32 {
    broker.ready(queue).await.expect("the queue is there")
}

#[tokio::test]
async fn dead_letters_are_held_given_back_retried_and_dropped() {
    let world = World::new("broker_letters").await;
    let broker = world.broker().await;
    let garbage = Outgoing {
        body: b"\xff no message".to_vec(),
        ..Outgoing::of(&changed(9))
    };
    let buried = [
        Outgoing::of(&changed(1)),
        garbage,
        Outgoing::of(&changed(2)),
    ];
    bury(&broker, &buried).await;

    let mut dead = broker.dead(QUEUE).await.expect("the queue is there");
    let letters = hold(&mut dead).await;
    let ids: Vec<String> = letters.iter().map(DeadLetter::id).collect();
    let bodies: Vec<&[u8]> = letters.iter().map(DeadLetter::body).collect();
    assert_eq!(
        bodies,
        buried.each_ref().map(|message| message.body.as_slice())
    );
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids.iter().all(|id| id.len() == 12));
    let [first, foreign, _] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(first.image_id(), Some(changed(1).image_id));
    assert_eq!(foreign.image_id(), None);
    assert_eq!((&*first.reason(), first.attempt()), ("unwell", 1));
    assert_eq!(first.detail(), "the picture is unwell");
    assert!(first.died_at().is_some());
    assert_eq!(first.headers()[header::QUEUE], QUEUE.name());
    for letter in letters {
        dead.give_back(letter).await.expect("given back");
    }

    // The same in the same order; then one of each fate.
    let mut letters = hold(&mut dead).await;
    let again: Vec<String> = letters.iter().map(DeadLetter::id).collect();
    assert_eq!(again, ids);
    let last = letters.pop().expect("three");
    let foreign = letters.pop().expect("three");
    let first = letters.pop().expect("three");
    let retried = dead.retry(first).await.expect("the broker answers");
    assert!(matches!(retried, Retried::Published), "{retried:?}");
    dead.discard(foreign).await.expect("dropped");
    // Whoever ends without a word gives back what is held.
    drop((last, dead));
    wait_until(LIMIT, "the held letter to be back", async || {
        ready(&broker, &QUEUE.dead_name()).await == 1
    })
    .await;
    let mut images = broker.subscribe(QUEUE, 10).await.expect("subscribed");
    let delivery = next(&mut images).await;
    assert_eq!(delivery.body(), changed(1).to_body());
    assert_eq!(delivery.id(), changed(1).image_id.to_string());
    assert_eq!((delivery.attempt(), delivery.deliveries()), (1, 0));
    delivery.ack().await.expect("acknowledged");
    world.end().await;
}

#[tokio::test]
async fn what_the_broker_parks_itself_is_told_from_the_rest() {
    let world = World::new("broker_parked").await;
    let broker = world.broker().await;
    publish(&broker, &[Outgoing::of(&changed(1))]).await;
    let mut images = broker.subscribe(QUEUE, 1).await.expect("subscribed");
    // The queue's own limit is 100; it is passed by one more.
    for _ in 0..=100 {
        let given_back = next(&mut images).await.give_back().await;
        given_back.expect("given back");
    }
    wait_until(LIMIT, "the broker to park it", async || {
        ready(&broker, &QUEUE.dead_name()).await == 1
    })
    .await;
    let mut dead = broker.dead(QUEUE).await.expect("the queue is there");
    let letters = hold(&mut dead).await;
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}")
    };
    assert_eq!(letter.reason(), "delivery_limit");
    assert_eq!(letter.detail(), "");
    assert_eq!(letter.image_id(), Some(changed(1).image_id));
    assert!(letter.died_at().is_some(), "{:?}", letter.headers());
    world.end().await;
}

#[tokio::test]
async fn a_retry_into_a_full_queue_is_refused_and_loses_nothing() {
    let mut world = World::new("broker_retry_full").await;
    world.config.amqp.queue_limit = 5;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    bury(&broker, &[Outgoing::of(&changed(1))]).await;
    let publisher = broker.publisher().await.expect("a publisher");
    let mut number = 100;
    wait_for(LIMIT, "the queue to be full", async || {
        number += 1;
        let sent = publisher.publish(&[Outgoing::of(&changed(number))]).await;
        sent.expect("the broker is there")[0].is_err().then_some(())
    })
    .await;
    let full = ready(&broker, QUEUE.name()).await;

    let mut dead = broker.dead(QUEUE).await.expect("the queue is there");
    let letter = hold(&mut dead).await.pop().expect("one is dead");
    let retried = dead.retry(letter).await.expect("the broker answers");
    let Retried::Refused(letter, Unpublished::Full(QUEUE)) = retried else {
        panic!("{retried:?}")
    };
    dead.give_back(*letter).await.expect("given back");
    wait_until(LIMIT, "the letter to be back", async || {
        ready(&broker, &QUEUE.dead_name()).await == 1
    })
    .await;
    assert_eq!(ready(&broker, QUEUE.name()).await, full);
    world.end().await;
}
