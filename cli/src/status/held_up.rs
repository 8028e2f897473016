//! What keeps things from going on, in sentences.

use super::report::{QueueCount, Status};
use super::services::ServiceState;
use crate::format::number;

/// Bounds of the configuration at which a stage waits for the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) queue: u64,
    pub(super) outbox: u64,
}

/// A sentence for each thing that holds something up, the cause before its effects.
pub(super) fn held_up(status: &Status, bounds: Bounds) -> Vec<String> {
    let mut held: Vec<String> = status
        .pauses
        .iter()
        .map(|pause| {
            let why = match pause.why.as_str() {
                "" => String::new(),
                why => format!(" ({why})"),
            };
            format!(
                "{} is paused{why}: `tusou resume {}` lets it go on",
                pause.what, pause.what
            )
        })
        .collect();
    for service in &status.services {
        match service.state {
            ServiceState::Ready => {}
            ServiceState::Waiting => {
                let parts: Vec<String> = service
                    .waits_for
                    .iter()
                    .map(|(part, said)| format!("{part}: {said}"))
                    .collect();
                held.push(format!("the {} waits: {}", service.name, parts.join("; ")));
            }
            ServiceState::Silent => held.push(format!(
                "the {} does not answer at {}: it does not run, or runs elsewhere",
                service.name, service.address
            )),
        }
    }
    for queue in &status.queues {
        if bounds.queue > 0 && !queue.is_dead() && queue.ready >= bounds.queue {
            held.push(full(queue));
        }
    }
    if bounds.outbox > 0 && status.outbox > bounds.outbox {
        held.push(format!(
            "the outbox is at its bound with {} messages: fetching waits until the queues take more",
            number(status.outbox)
        ));
    }
    for waiting in &status.retrying {
        held.push(format!(
            "{} in {} wait to be tried again: {}",
            messages(waiting.count),
            waiting.queue,
            waiting.reason
        ));
    }
    held
}

fn full(queue: &QueueCount) -> String {
    let reader = match queue.name.as_str() {
        "images.fetched" | "images.reencode" => "the encoder",
        _ => "the indexer",
    };
    format!(
        "{} is full with {}: the stage before waits until {reader} takes them",
        queue.name,
        messages(queue.ready)
    )
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".into(),
        count => format!("{} messages", number(count)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::report::{DeadCount, Pause};
    use super::super::services::ServiceStatus;
    use super::*;

    #[test]
    fn each_cause_is_a_sentence() {
        let service = |name, state, waits_for: &[(&str, &str)]| ServiceStatus {
            name,
            address: ([127, 0, 0, 1], 9181).into(),
            state,
            waits_for: waits_for
                .iter()
                .map(|(part, said)| ((*part).to_owned(), (*said).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            about: BTreeMap::new(),
        };
        let status = Status {
            pauses: vec![Pause {
                what: "crawl".into(),
                why: "the disk is being changed".into(),
                since: None,
            }],
            services: vec![
                service("crawler", ServiceState::Ready, &[]),
                service("encoder", ServiceState::Silent, &[]),
                service(
                    "indexer",
                    ServiceState::Waiting,
                    &[("elasticsearch", "no answer")],
                ),
                service("search", ServiceState::Silent, &[]),
            ],
            queues: vec![QueueCount {
                name: "images.fetched".into(),
                ready: 10_000,
                unacknowledged: 0,
            }],
            outbox: 50_001,
            retrying: vec![DeadCount {
                queue: "images.changed.retry".into(),
                reason: "newer_message".into(),
                count: 1,
            }],
            ..Status::default()
        };
        let bounds = Bounds {
            queue: 10_000,
            outbox: 50_000,
        };
        insta::assert_snapshot!(held_up(&status, bounds).join("\n"), @r"
        crawl is paused (the disk is being changed): `tusou resume crawl` lets it go on
        the encoder does not answer at 127.0.0.1:9181: it does not run, or runs elsewhere
        the indexer waits: elasticsearch: no answer
        the search does not answer at 127.0.0.1:9181: it does not run, or runs elsewhere
        images.fetched is full with 10,000 messages: the stage before waits until the encoder takes them
        the outbox is at its bound with 50,001 messages: fetching waits until the queues take more
        1 message in images.changed.retry wait to be tried again: newer_message
        ");
    }

    #[test]
    fn nothing_is_held_up_where_all_is_well() {
        assert!(held_up(&Status::default(), Bounds::default()).is_empty());
    }
}
