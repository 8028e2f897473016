//! What was looked at, as metrics: queues and ages are told here, since a service that does not run can tell nothing.

use std::time::SystemTime;

use metrics::gauge;
use tusou_contract::Queue;
use tusou_platform::{Shutdown, metric};

use crate::status::history::{Line, QUEUES};
use crate::status::look::{Looker, Seen};
use crate::status::report::{ServiceState, UrlCounts};

tusou_platform::catalogue! {
    /// What `tusou operate` tells of the whole system.
    METRICS;
    Gauge BROKER_UP = "tusou_broker_up" [] "1 while RabbitMQ's management API answers, else 0";
    Gauge DATABASE_UP = "tusou_database_up" [] "1 while Postgres answers, else 0";
    Gauge ELASTICSEARCH_UP = "tusou_elasticsearch_up" [] "1 while Elasticsearch answers, else 0";
    Gauge SERVICE_READY = "tusou_service_ready" ["service"]
        "1 while the service at this configuration's address is ready, else 0";
    Gauge LOOKED_AT = "tusou_looked_at_timestamp_seconds" [] "When queues and services were looked at last, in seconds since 1970";
    Gauge COUNTED_AT = "tusou_counted_at_timestamp_seconds" []
        "When the rows of `tusou_pages`, `tusou_image_urls` and `tusou_images` were counted last, in seconds since 1970";
    Gauge QUEUE_MESSAGES = "tusou_queue_messages" ["queue", "state"]
        "Messages in each queue of RabbitMQ, `ready` or `unacknowledged`; also of retry and dead queues";
    Gauge QUEUE_CONSUMERS = "tusou_queue_consumers" ["queue"] "Processes that take from the queue";
    Gauge QUEUE_AGE = "tusou_queue_oldest_age_seconds" ["queue"]
        "How long the oldest event of a work queue has waited, by Postgres; of `images.changed`, how long the queue was not seen empty";
    Gauge DEAD_LETTERS = "tusou_dead_letters" ["queue"] "Messages parked for a person to look at, by dead queue";
    Gauge OUTBOX = "tusou_outbox_messages" [] "Messages that the crawler owes the broker";
    Gauge OUTBOX_AGE = "tusou_outbox_oldest_age_seconds" [] "How long the oldest of them has been owed";
    Gauge HOST_AGE = "tusou_host_oldest_age_seconds" [] "How long the host that has waited longest is past its turn";
    Gauge PAUSES = "tusou_pauses" [] "Stages and hosts that rest on purpose";
    Gauge PAGES = "tusou_pages" ["state"] "Pages known: due, done, failed or skipped";
    Gauge IMAGE_URLS = "tusou_image_urls" ["state"] "Image URLs known: due, done, failed or skipped";
    Gauge IMAGES = "tusou_images" ["state"]
        "Pictures: stored in all; of those encoded; and as stored = indexed + pending + failed + refused + unseen";
}

/// Tells what is looked at, whenever it changes, until the end is asked for. What is not known is NaN: it neither
/// draws a line nor fulfils a condition.
pub(super) async fn keep(looker: &Looker, shutdown: &Shutdown) {
    metric::describe(METRICS);
    let mut changes = looker.changes();
    loop {
        if let Some(seen) = looker.seen() {
            tell(&seen);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = shutdown.requested() => return,
        }
    }
}

fn tell(seen: &Seen) {
    let Seen {
        status, answers, ..
    } = seen;
    gauge!(BROKER_UP).set(f64::from(answers.broker));
    gauge!(DATABASE_UP).set(f64::from(answers.database));
    gauge!(ELASTICSEARCH_UP).set(f64::from(answers.elasticsearch));
    gauge!(LOOKED_AT).set(seconds(seen.at));
    for service in &status.services {
        let ready = service.state == ServiceState::Ready;
        gauge!(SERVICE_READY, "service" => service.name).set(f64::from(ready));
    }
    gauge!(PAUSES).set(status.pauses.len() as f64);
    queues(seen);
    rows(seen);
}

/// Every queue of ours, whether or not it is there yet.
fn queues(seen: &Seen) {
    let known = |value: u64| match seen.answers.broker {
        true => value as f64,
        false => f64::NAN,
    };
    for queue in Queue::ALL {
        for name in [
            queue.name().to_owned(),
            queue.retry_name(),
            queue.dead_name(),
        ] {
            let counted = seen.status.queues.iter().find(|count| count.name == name);
            let (ready, unacknowledged, consumers) = counted.map_or((0, 0, 0), |count| {
                (count.ready, count.unacknowledged, count.consumers)
            });
            let messages =
                |state| gauge!(QUEUE_MESSAGES, "queue" => name.clone(), "state" => state);
            messages("ready").set(known(ready));
            messages("unacknowledged").set(known(unacknowledged));
            gauge!(QUEUE_CONSUMERS, "queue" => name).set(known(consumers));
        }
        gauge!(DEAD_LETTERS, "queue" => queue.dead_name()).set(known(dead_letters(seen, queue)));
    }
}

fn dead_letters(seen: &Seen, queue: Queue) -> u64 {
    let name = queue.dead_name();
    let queues = seen.status.queues.iter();
    queues
        .filter(|count| count.name == name)
        .map(|count| count.ready + count.unacknowledged)
        .sum()
}

fn rows(seen: &Seen) {
    let away = |value: f64| match seen.answers.database {
        true => value,
        false => f64::NAN,
    };
    let age = |age: Option<f64>| away(age.unwrap_or(0.0).max(0.0));
    let [fetched, embedded, changed] = QUEUES;
    gauge!(QUEUE_AGE, "queue" => fetched).set(age(seen.ages.to_encode));
    gauge!(QUEUE_AGE, "queue" => embedded).set(age(seen.ages.to_index));
    let since = seen.history.waiting_since(Line::Queue(2));
    let waits = since.and_then(|since| seen.at.duration_since(since).ok());
    gauge!(QUEUE_AGE, "queue" => changed).set(match seen.answers.broker {
        true => waits.unwrap_or_default().as_secs_f64(),
        false => f64::NAN,
    });
    gauge!(OUTBOX).set(away(seen.status.outbox as f64));
    gauge!(OUTBOX_AGE).set(age(seen.ages.outbox));
    gauge!(HOST_AGE).set(age(seen.ages.host));

    let Some(counted_at) = seen.counted_at else {
        return;
    };
    gauge!(COUNTED_AT).set(seconds(counted_at));
    urls(PAGES, &seen.status.pages, away);
    urls(IMAGE_URLS, &seen.status.image_urls, away);
    let images = &seen.status.images;
    for (state, count) in [
        ("stored", images.stored),
        ("encoded", images.encoded),
        ("indexed", images.indexed),
        ("pending", images.pending),
        ("failed", images.failed.values().sum()),
        ("refused", images.refused.values().sum()),
        ("unseen", images.unseen),
    ] {
        gauge!(IMAGES, "state" => state).set(away(count as f64));
    }
}

fn urls(name: &'static str, counts: &UrlCounts, away: impl Fn(f64) -> f64) {
    for (state, count) in [
        ("due", counts.due),
        ("done", counts.done),
        ("failed", counts.failed.values().sum()),
        ("skipped", counts.skipped.values().sum()),
    ] {
        gauge!(name, "state" => state).set(away(count as f64));
    }
}

fn seconds(at: SystemTime) -> f64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
