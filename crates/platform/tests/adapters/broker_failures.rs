//! The broker as it is not meant to go: full and missing queues, broken connections, refusals.

use std::time::Duration;

use lapin::options::QueueDeleteOptions;
use tusou_contract::Queue;
use tusou_platform::broker::{Broker, BrokerError, Outgoing, Settled, Unpublished, header};
use tusou_testkit::{World, wait_for};

use crate::broker::{DEAD, LIMIT, RETRY, changed, channel, fetched, next, publish, take, value};

#[tokio::test]
async fn a_returned_message_is_told_from_its_mates() {
    let world = World::new("broker_return").await;
    let broker = world.broker().await;
    let gone = Queue::ImagesChanged;
    channel(&world)
        .await
        .queue_delete(gone.name().into(), QueueDeleteOptions::default())
        .await
        .expect("deleted");
    let batch: Vec<Outgoing> = (0..300)
        .map(|n| match n % 3 {
            0 => Outgoing::of(&changed(n)),
            _ => Outgoing::of(&fetched(n)),
        })
        .collect();
    let publisher = broker.publisher().await.expect("a publisher");
    // Twice: what is left of the first batch must not be taken for the second's.
    for _ in 0..2 {
        let results = publisher
            .publish(&batch)
            .await
            .expect("the broker is there");
        for (message, result) in batch.iter().zip(&results) {
            match message.queue == gone {
                true => assert_eq!(*result, Err(Unpublished::Unroutable(gone))),
                false => assert_eq!(*result, Ok(())),
            }
        }
    }
    let ready = broker
        .ready("images.fetched")
        .await
        .expect("the queue is there");
    assert_eq!(ready, 400);
    world.end().await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let mut world = World::new("broker_full").await;
    world.config.amqp.queue_limit = 10;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    let publisher = broker.publisher().await.expect("a publisher");
    let batch: Vec<Outgoing> = (0..20).map(|n| Outgoing::of(&changed(n))).collect();
    let mut taken = 0;
    let refused = wait_for(LIMIT, "the queue to be full", async || {
        let results = publisher
            .publish(&batch)
            .await
            .expect("the broker is there");
        taken += results.iter().filter(|result| result.is_ok()).count();
        results.into_iter().find_map(Result::err)
    })
    .await;
    assert_eq!(refused, Unpublished::Full(Queue::ImagesChanged));
    // None that was taken is dropped for those that came later.
    let ready = broker
        .ready("images.changed")
        .await
        .expect("the queue is there");
    assert_eq!(usize::try_from(ready).expect("a count"), taken);

    let mut images = broker
        .subscribe(Queue::ImagesChanged, 50)
        .await
        .expect("subscribed");
    for _ in 0..taken {
        next(&mut images).await.ack().await.expect("acknowledged");
    }
    wait_for(LIMIT, "room in the queue", async || {
        let results = publisher
            .publish(&batch[..1])
            .await
            .expect("the broker is there");
        results[0].is_ok().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_dead_letter_waits_for_room_in_the_dead_queue() {
    let mut world = World::new("broker_full_dead").await;
    world.config.amqp.queue_limit = 3;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    let dead = "images.changed.dead";
    let mut number = 0;
    let mut bury = async || {
        number += 1;
        publish(&broker, &[Outgoing::of(&changed(number))]).await;
        let mut images = broker
            .subscribe(Queue::ImagesChanged, 1)
            .await
            .expect("subscribed");
        let delivery = next(&mut images).await;
        let mut settling = Box::pin(async move { delivery.settle(&DEAD).await });
        // It cannot end while the queue is full: long enough to see that it waits.
        match tokio::time::timeout(Duration::from_secs(2), &mut settling).await {
            Ok(settled) => {
                assert_eq!(settled.expect("settled"), Settled::Dead);
                None
            }
            Err(_) => Some((settling, images)),
        }
    };
    let (settling, images) = wait_for(LIMIT, "a full dead queue", async || bury().await).await;
    // A quorum queue that was full takes again below four fifths of its limit.
    for _ in 0..3 {
        take(&world, dead).await;
    }
    assert_eq!(settling.await.expect("settled"), Settled::Dead);
    images.close().await;
    // All that were buried are there but those taken, and none is left over.
    let ready = broker.ready(dead).await.expect("the queue is there");
    assert_eq!(ready, number - 3);
    let ready = broker
        .ready("images.changed")
        .await
        .expect("the queue is there");
    assert_eq!(ready, 0);
    world.end().await;
}

/// What fails fills both queues: an expired message waits for room in the work queue, and one that failed for room in
/// the retry queue.
#[tokio::test]
async fn where_work_and_retry_queue_are_full_what_fails_is_parked_and_the_rest_goes_on() {
    let mut world = World::new("broker_full_retries").await;
    world.config.amqp.queue_limit = 3;
    // They expire at once, so that all of them wait for room in the work queue.
    world.config.amqp.retry_after_ms = 1;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    let publisher = broker.publisher().await.expect("a publisher");
    let mut number = 0;
    let mut fill = async || {
        loop {
            number += 1;
            let sent = publisher.publish(&[Outgoing::of(&changed(number))]).await;
            if sent.expect("the broker is there")[0].is_err() {
                return;
            }
        }
    };
    fill().await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 1)
        .await
        .expect("subscribed");
    let mut settled = Vec::new();
    while settled.iter().filter(|end| **end == Settled::Dead).count() < 2 {
        let delivery = next(&mut images).await;
        // Whoever comes first takes the room that it left.
        fill().await;
        settled.push(delivery.settle(&RETRY).await.expect("settled"));
        assert!(settled.len() < 50, "{settled:?}");
    }
    images.close().await;
    let (headers, _) = take(&world, "images.changed.dead").await;
    assert_eq!(value(&headers, header::REASON), Some("unwell"));

    // All are still told of, wherever they are between two queues.
    let told = wait_for(LIMIT, "the API to count them", async || {
        let queues = world.queues().await;
        let retry = queues
            .iter()
            .find(|queue| queue.name == "images.changed.retry");
        retry.map(|queue| queue.ready).filter(|ready| *ready > 0)
    });
    told.await;
    world.end().await;
}

#[tokio::test]
async fn a_broken_connection_shows_everywhere_and_nothing_is_lost() {
    let mut world = World::new("broker_cut").await;
    let proxy = world.proxy_amqp().await;
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
    let publisher = broker.publisher().await.expect("a publisher");
    publish(
        &broker,
        &[Outgoing::of(&changed(1)), Outgoing::of(&changed(2))],
    )
    .await;
    let mut images = broker
        .subscribe(Queue::ImagesChanged, 10)
        .await
        .expect("subscribed");
    let (first, second) = (next(&mut images).await, next(&mut images).await);

    proxy.cut();
    let ended = tokio::time::timeout(LIMIT, images.next()).await;
    let ended = ended
        .expect("a cut is seen")
        .expect_err("the connection is gone");
    assert!(matches!(ended, BrokerError::Away(_)), "{ended}");
    let unpublished = publisher.publish(&[Outgoing::of(&changed(3))]).await;
    assert!(matches!(unpublished, Err(BrokerError::Away(_))));
    assert!(matches!(first.ack().await, Err(BrokerError::Away(_))));
    assert!(matches!(
        second.settle(&RETRY).await,
        Err(BrokerError::Away(_))
    ));
    let refused = Broker::connect(&world.config.amqp, "test").await;
    assert!(matches!(refused, Err(BrokerError::Away(_))), "{refused:?}");
    broker.close().await;

    proxy.restore();
    let broker = Broker::connect(&world.config.amqp, "test")
        .await
        .expect("connected");
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
async fn a_publisher_whose_batch_was_given_up_says_so() {
    let world = World::new("broker_in_doubt").await;
    let publisher = world.broker().await.publisher().await.expect("a publisher");
    let batch = [Outgoing::of(&changed(1))];
    tokio::select! {
        biased;
        _ = publisher.publish(&batch) => panic!("a confirm needs the network"),
        () = std::future::ready(()) => {}
    }
    let result = publisher.publish(&batch).await;
    assert!(matches!(result, Err(BrokerError::Away(_))), "{result:?}");
    world.end().await;
}

#[tokio::test]
async fn what_stays_refused_is_told_with_its_remedy() {
    let world = World::new("broker_refused").await;
    let _broker = world.broker().await;
    let refusal = async |change: fn(&mut tusou_platform::config::Amqp)| {
        let mut amqp = world.config.amqp.clone();
        change(&mut amqp);
        match Broker::connect(&amqp, "test").await {
            Err(error @ BrokerError::Refused { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let other_limit = refusal(|amqp| amqp.queue_limit += 1).await;
    assert!(other_limit.contains("amqp.queue_limit"), "{other_limit}");
    let no_host = refusal(|amqp| amqp.url.push_str("-not-there")).await;
    assert!(no_host.contains("virtual host"), "{no_host}");
    let wrong_user = refusal(|amqp| amqp.url = amqp.url.replacen("://", "://x", 1)).await;
    assert!(wrong_user.contains("the password"), "{wrong_user}");
    let no_url = refusal(|amqp| amqp.url = "rabbit".into()).await;
    assert!(no_url.contains("amqp://user:password@host"), "{no_url}");
    world.end().await;
}
