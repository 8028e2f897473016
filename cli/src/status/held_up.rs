//! What keeps things from going on, in sentences.

use std::fmt;
use std::net::SocketAddr;

use tusou_platform::Config;

use super::report::Status;
use super::services::ServiceState;
use crate::format::number;

/// Bounds of the configuration at which a stage waits for the next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(super) queue: u64,
    pub(super) outbox: u64,
}

impl Bounds {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            queue: config.amqp.queue_limit.into(),
            outbox: config.crawler.outbox_limit.into(),
        }
    }
}

/// Something that keeps things from going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It rests on purpose.
    Paused {
        /// As `tusou resume` takes it.
        what: String,
        why: String,
    },
    /// A service runs and does not work.
    Waits {
        service: &'static str,
        /// Each part that is unwell with its words.
        parts: String,
    },
    /// A service does not answer.
    Silent {
        service: &'static str,
        address: SocketAddr,
    },
    /// A queue is at its bound.
    Full {
        queue: String,
        messages: u64,
        reader: &'static str,
    },
    /// A retry queue is at its bound.
    FullOfRetries { queue: String, messages: u64 },
    /// Hosts cannot be reached, at least half of those that have something due.
    OutOfReach { hosts: u64, of: u64 },
    /// The outbox is at its bound.
    Outbox { messages: u64 },
    /// Messages wait to be tried again.
    Retrying {
        queue: String,
        messages: u64,
        reason: String,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused { what, why } if why.is_empty() => {
                write!(f, "{what} is paused: `tusou resume {what}` lets it go on")
            }
            Self::Paused { what, why } => {
                write!(
                    f,
                    "{what} is paused ({why}): `tusou resume {what}` lets it go on"
                )
            }
            Self::Waits { service, parts } => write!(f, "the {service} waits: {parts}"),
            Self::Silent { service, address } => write!(
                f,
                "the {service} does not answer at {address}: it does not run, or runs elsewhere"
            ),
            Self::Full {
                queue,
                messages: count,
                reader,
            } => write!(
                f,
                "{queue} is full with {}: the stage before waits until the {reader} takes them",
                messages(*count)
            ),
            Self::FullOfRetries {
                queue,
                messages: count,
            } => write!(
                f,
                "{queue} is full with {}: what fails now is parked as a dead letter",
                messages(*count)
            ),
            Self::OutOfReach { hosts, of } => write!(
                f,
                "{} of {} hosts with due URLs cannot be reached and rest, longer each time: is the network there?",
                number(*hosts),
                number(*of)
            ),
            Self::Outbox { messages } => write!(
                f,
                "the outbox is at its bound with {} messages: fetching waits until the queues take more",
                number(*messages)
            ),
            Self::Retrying {
                queue,
                messages: count,
                reason,
            } => write!(
                f,
                "{} in {queue} wait to be tried again: {reason}",
                messages(*count)
            ),
        }
    }
}

/// Each thing that holds something up, the cause before its effects.
pub(crate) fn causes(status: &Status, bounds: Bounds) -> Vec<Cause> {
    let mut held: Vec<Cause> = status
        .pauses
        .iter()
        .map(|pause| Cause::Paused {
            what: pause.what.clone(),
            why: pause.why.clone(),
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
                held.push(Cause::Waits {
                    service: service.name,
                    parts: parts.join("; "),
                });
            }
            ServiceState::Silent => held.push(Cause::Silent {
                service: service.name,
                address: service.address,
            }),
        }
    }
    for queue in &status.queues {
        if bounds.queue == 0 || queue.is_dead() || queue.ready < bounds.queue {
            continue;
        }
        let (name, messages) = (queue.name.clone(), queue.ready);
        held.push(match queue.is_retry() {
            true => Cause::FullOfRetries {
                queue: name,
                messages,
            },
            false => Cause::Full {
                reader: reader(&name),
                queue: name,
                messages,
            },
        });
    }
    let hosts = &status.hosts;
    if hosts.out_of_reach > 0 && hosts.out_of_reach >= hosts.due.div_ceil(2) {
        held.push(Cause::OutOfReach {
            hosts: hosts.out_of_reach,
            of: hosts.due,
        });
    }
    if bounds.outbox > 0 && status.outbox > bounds.outbox {
        held.push(Cause::Outbox {
            messages: status.outbox,
        });
    }
    for waiting in &status.retrying {
        held.push(Cause::Retrying {
            queue: waiting.queue.clone(),
            messages: waiting.count,
            reason: waiting.reason.clone(),
        });
    }
    held
}

/// Who takes from a queue.
fn reader(queue: &str) -> &'static str {
    match queue {
        "images.fetched" | "images.reencode" => "encoder",
        _ => "indexer",
    }
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

    use super::super::report::{DeadCount, HostCounts, Pause, QueueCount};
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
            version: None,
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
            queues: [
                "images.fetched",
                "images.fetched.retry",
                "images.fetched.dead",
            ]
            .map(|name| QueueCount {
                name: name.into(),
                ready: 10_000,
                unacknowledged: 0,
                consumers: 1,
            })
            .into(),
            hosts: HostCounts {
                due: 3,
                out_of_reach: 2,
            },
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
        let held: Vec<String> = causes(&status, bounds)
            .iter()
            .map(Cause::to_string)
            .collect();
        insta::assert_snapshot!(held.join("\n"), @r"
        crawl is paused (the disk is being changed): `tusou resume crawl` lets it go on
        the encoder does not answer at 127.0.0.1:9181: it does not run, or runs elsewhere
        the indexer waits: elasticsearch: no answer
        the search does not answer at 127.0.0.1:9181: it does not run, or runs elsewhere
        images.fetched is full with 10,000 messages: the stage before waits until the encoder takes them
        images.fetched.retry is full with 10,000 messages: what fails now is parked as a dead letter
        2 of 3 hosts with due URLs cannot be reached and rest, longer each time: is the network there?
        the outbox is at its bound with 50,001 messages: fetching waits until the queues take more
        1 message in images.changed.retry wait to be tried again: newer_message
        ");
    }

    #[test]
    fn nothing_is_held_up_where_all_is_well() {
        assert!(causes(&Status::default(), Bounds::default()).is_empty());
        // There is always somebody who cannot be reached.
        let status = Status {
            hosts: HostCounts {
                due: 5,
                out_of_reach: 2,
            },
            ..Status::default()
        };
        assert!(causes(&status, Bounds::default()).is_empty());
    }
}
