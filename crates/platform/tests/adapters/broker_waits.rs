//! What waits at the broker, and what is held up there: retries with their reasons, messages that
//! come back too often, flags.

use std::collections::BTreeMap;

use tusou_contract::queue::ENCODER_PAUSED;
use tusou_contract::{Disposition, Queue, Verdict};
use tusou_platform::broker::management::Management;
use tusou_platform::broker::{Broker, Outgoing, Settled};
use tusou_testkit::{World, wait_for, wait_until};

use crate::broker::{LIMIT, RETRY, Unwell, changed, fetched, next, publish};

const LATER: Result<(), Unwell> = Err(Unwell(Disposition::Later));

#[tokio::test]
async fn what_rests_in_a_retry_queue_says_why() {
    let mut world = World::new("broker_reasons").await;
    world.config.amqp.retry_after_ms = 600_000;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    let newer = Outgoing {
        body: br#"{"version":99}"#.to_vec(),
        ..Outgoing::of(&changed(3))
    };
    publish(
        &broker,
        &[Outgoing::of(&changed(1)), Outgoing::of(&changed(2)), newer],
    )
    .await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 10)
        .await
        .expect("subscribed");
    for _ in 0..2 {
        let settled = next(&mut images).await.settle(&RETRY).await;
        assert_eq!(settled.expect("settled"), Settled::Later);
    }
    let delivery = next(&mut images).await;
    let outcome = delivery.read::<tusou_contract::ImageChanged>().map(drop);
    let settled = delivery.settle(&outcome).await.expect("settled");
    assert_eq!(settled, Settled::Later);

    let management = Management::new(&world.config).expect("the addresses are valid");
    let expected = BTreeMap::from([("newer_message".to_owned(), 1), ("unwell".to_owned(), 2)]);
    // Twice: a look puts back what it has seen.
    for _ in 0..2 {
        wait_until(LIMIT, "three reasons", async || {
            let reasons = management.reasons("images.changed.retry", 100).await;
            reasons.expect("the broker answers") == expected
        })
        .await;
    }
    world.end().await;
}

#[tokio::test]
async fn what_never_comes_to_an_end_is_a_suspect_and_what_is_given_back_is_none() {
    let mut world = World::new("broker_suspect").await;
    world.config.amqp.max_deliveries = 3;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    publish(&broker, &[Outgoing::of(&fetched(1))]).await;

    // An outage, however long: the count begins again before it is too high.
    let mut images = broker
        .subscribe(Queue::ImagesFetched, 10)
        .await
        .expect("subscribed");
    for deliveries in [0, 1, 2, 0, 1, 2, 0] {
        let delivery = next(&mut images).await;
        assert_eq!(delivery.deliveries(), deliveries);
        assert_eq!((delivery.suspect(), delivery.attempt()), (None, 1));
        let settled = delivery.settle(&LATER).await.expect("settled");
        assert_eq!(settled, Settled::Later);
    }
    let delivery = next(&mut images).await;
    assert_eq!(delivery.deliveries(), 1);
    delivery.ack().await.expect("acknowledged");
    images.close().await;

    // A process that dies settles nothing.
    publish(&broker, &[Outgoing::of(&fetched(2))]).await;
    for deliveries in 0..3 {
        let mut images = broker
            .one_by_one(Queue::ImagesFetched)
            .await
            .expect("a channel");
        let delivery = images.next().await.expect("the broker answers");
        let delivery = delivery.expect("the message is there");
        assert_eq!(delivery.deliveries(), deliveries);
        assert_eq!(delivery.redelivered(), deliveries > 0);
        assert_eq!(delivery.suspect(), None);
        drop((delivery, images));
        wait_until(LIMIT, "the message to be back", async || {
            let ready = broker.ready("images.fetched").await;
            ready.expect("the queue is there") == 1
        })
        .await;
    }
    let mut images = broker
        .one_by_one(Queue::ImagesFetched)
        .await
        .expect("a channel");
    let delivery = images.next().await.expect("the broker answers");
    let delivery = delivery.expect("the message is there");
    let suspect = delivery.suspect().expect("it came too often");
    assert_eq!(
        (suspect.deliveries, suspect.reason()),
        (3, "killed_process")
    );
    let settled = delivery.settle(&Err(suspect)).await.expect("settled");
    assert_eq!(settled, Settled::Dead);
    // An empty queue is said to be empty.
    let none = images.next().await.expect("the broker answers");
    assert!(none.is_none(), "{none:?}");
    let management = Management::new(&world.config).expect("the addresses are valid");
    let reasons = management.reasons("images.fetched.dead", 10).await;
    assert_eq!(
        reasons.expect("the broker answers"),
        BTreeMap::from([("killed_process".to_owned(), 1)])
    );
    world.end().await;
}

#[tokio::test]
async fn a_flag_is_up_until_it_is_taken_down() {
    let world = World::new("broker_flag").await;
    let broker = world.broker().await;
    let management = Management::new(&world.config).expect("the addresses are valid");
    let is_up = async || {
        let up = broker.is_flag_up(ENCODER_PAUSED).await;
        up.expect("the broker answers")
    };
    assert!(!is_up().await);
    for (why, put_up) in [("a disk is changed", true), ("another reason", false)] {
        let put = broker.flag_up(ENCODER_PAUSED, why).await;
        assert_eq!(put.expect("the broker answers"), put_up);
        // To ask leaves nothing behind, and changes nothing.
        for _ in 0..3 {
            assert!(is_up().await);
        }
        let ready = broker.ready(ENCODER_PAUSED).await;
        assert_eq!(ready.expect("it is a queue"), 0);
    }
    let flag = wait_for(LIMIT, "the flag to be listed", async || {
        let flags = management.flags().await.expect("the broker answers");
        assert!(flags.len() <= 1, "{flags:?}");
        flags.into_iter().next()
    })
    .await;
    assert_eq!(flag.name, ENCODER_PAUSED);
    assert_eq!(flag.why, "a disk is changed");
    let format = &time::format_description::well_known::Rfc3339;
    assert!(
        time::OffsetDateTime::parse(&flag.since, format).is_ok(),
        "{flag:?}"
    );
    wait_until(LIMIT, "the other queues to be listed", async || {
        let queues = world.queues().await;
        assert!(
            queues.iter().all(|queue| queue.name != ENCODER_PAUSED),
            "{queues:?}"
        );
        queues.len() == 3 * Queue::ALL.len()
    })
    .await;

    for taken_down in [true, false] {
        let taken = broker.flag_down(ENCODER_PAUSED).await;
        assert_eq!(taken.expect("the broker answers"), taken_down);
        assert!(!is_up().await);
    }
    wait_until(LIMIT, "no flag to be listed", async || {
        let flags = management.flags().await;
        flags.expect("the broker answers").is_empty()
    })
    .await;
    world.end().await;
}
