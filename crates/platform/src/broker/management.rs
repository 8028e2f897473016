//! Queue depths, reasons and flags from RabbitMQ's management API, for `tusou status`.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lapin::uri::AMQPUri;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tusou_contract::queue::FLAG_PREFIX;
use url::Url;

use super::dead::PARKED_BY_BROKER;
use super::{BrokerError, header, nodes};
use crate::config::Config;

/// The longest wait for an answer, of each node.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// The longest wait for a connection where another node can be asked.
const REACH_WAIT: Duration = Duration::from_secs(3);

/// A queue's messages, as the management API last heard: its figures are up to 5 s old.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Counted")]
pub struct QueueDepth {
    /// The queue: work, retry or dead.
    pub name: String,
    /// Waiting for a consumer; of a retry queue also those whose time is over and for which the work
    /// queue has no room.
    pub ready: u64,
    /// Delivered, not yet settled.
    pub unacknowledged: u64,
    /// Who takes from it now.
    pub consumers: u64,
}

/// What the API says of a queue; one that was made a moment ago has no counts yet.
#[derive(Deserialize)]
struct Counted {
    name: String,
    #[serde(default)]
    messages_ready: u64,
    #[serde(default)]
    messages_unacknowledged: u64,
    /// On their way by dead-lettering, and in none of the other counts.
    #[serde(default)]
    messages_dlx: u64,
    #[serde(default)]
    consumers: u64,
}

impl From<Counted> for QueueDepth {
    fn from(counted: Counted) -> Self {
        Self {
            name: counted.name,
            ready: counted.messages_ready + counted.messages_dlx,
            unacknowledged: counted.messages_unacknowledged,
            consumers: counted.consumers,
        }
    }
}

/// A flag that is up ([`super::Broker::flag_up`]), as the management API last heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name: `paused.encoder`.
    pub name: String,
    /// Why it was put up, in the words of whoever did; may be empty.
    pub why: String,
    /// Since when, RFC 3339; empty where a foreign hand made it.
    pub since: String,
}

/// A client of the management API, for the virtual host of `amqp.url`. Of several nodes, the one that answered last is
/// asked first, and the next where one does not answer.
#[derive(Clone)]
pub struct Management {
    client: reqwest::Client,
    nodes: Arc<[Node]>,
    /// The position of the node that answered last.
    turn: Arc<AtomicUsize>,
}

struct Node {
    name: String,
    /// Its list of the virtual host's queues.
    queues: Url,
}

impl std::fmt::Debug for Management {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the URLs: they hold a password.
        f.debug_struct("Management").finish_non_exhaustive()
    }
}

impl Management {
    /// Makes a client; asks nothing yet.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] that names `rabbitmq.api_url`, `rabbitmq.further_api_urls` or `amqp.url`.
    pub fn new(config: &Config) -> Result<Self, BrokerError> {
        let invalid = |key: &str, reason: String| BrokerError::Refused {
            what: format!("`{key}`"),
            reason,
        };
        let amqp: Result<AMQPUri, String> = config.amqp.url.parse();
        let virtual_host = amqp.map_err(|_| {
            let reason = "it takes amqp://user:password@host:port/vhost";
            invalid("amqp.url", reason.into())
        });
        let virtual_host = virtual_host?.vhost;
        let node = |(key, url)| {
            let mut queues = Url::parse(url).map_err(|error| invalid(key, error.to_string()))?;
            queues
                .path_segments_mut()
                .map_err(|()| invalid(key, "it takes http://host:port".into()))?
                .pop_if_empty()
                .extend(["api", "queues", &virtual_host]);
            let name = nodes::name(url);
            Ok(Node { name, queues })
        };
        let nodes = config.rabbitmq.nodes().into_iter().map(node);
        let nodes: Arc<[Node]> = nodes.collect::<Result<_, BrokerError>>()?;
        let mut client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WAIT);
        if nodes.len() > 1 {
            client = client.connect_timeout(REACH_WAIT);
        }
        let client = client
            .build()
            .map_err(|error| invalid("rabbitmq.api_url", error.to_string()))?;
        Ok(Self {
            client,
            nodes,
            turn: Arc::default(),
        })
    }

    /// Every queue of the virtual host, by name, but for flags, which hold no messages.
    ///
    /// # Errors
    /// [`BrokerError::Away`] where no node answers, [`BrokerError::Refused`] where the user may
    /// not ask or the virtual host is not there. Of several nodes it names each with what it said.
    pub async fn queues(&self) -> Result<Vec<QueueDepth>, BrokerError> {
        let asked = |mut url: Url| {
            url.set_query(Some(
                "columns=name,messages_ready,messages_unacknowledged,messages_dlx,consumers",
            ));
            self.client.get(url)
        };
        let mut queues: Vec<QueueDepth> = self.ask("the list of queues", asked).await?;
        queues.retain(|queue| !queue.name.starts_with(FLAG_PREFIX));
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(queues)
    }

    /// Every flag that is up, by name.
    ///
    /// # Errors
    /// As [`Management::queues`].
    pub async fn flags(&self) -> Result<Vec<Flag>, BrokerError> {
        #[derive(Deserialize)]
        struct Declared {
            name: String,
            #[serde(default)]
            arguments: Value,
        }
        let asked = |mut url: Url| {
            url.set_query(Some("columns=name,arguments"));
            self.client.get(url)
        };
        let queues: Vec<Declared> = self.ask("the list of queues", asked).await?;
        let text = |arguments: &Value, key: &str| {
            let text = arguments.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let mut flags: Vec<Flag> = queues
            .into_iter()
            .filter(|queue| queue.name.starts_with(FLAG_PREFIX))
            .map(|queue| Flag {
                why: text(&queue.arguments, header::WHY),
                since: text(&queue.arguments, header::SINCE),
                name: queue.name,
            })
            .collect();
        flags.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(flags)
    }

    /// How many of the first `most` messages of a dead or retry queue are there for which reason.
    /// The messages are looked at and put back where they were.
    ///
    /// # Errors
    /// As [`Management::queues`].
    pub async fn reasons(
        &self,
        queue: &str,
        most: u64,
    ) -> Result<BTreeMap<String, u64>, BrokerError> {
        let look = json!({
            "count": most, "ackmode": "ack_requeue_true", "encoding": "base64", "truncate": 0,
        });
        let asked = |mut url: Url| {
            if let Ok(mut path) = url.path_segments_mut() {
                path.extend([queue, "get"]);
            }
            self.client.post(url).json(&look)
        };
        let messages: Vec<Value> = self.ask("a look into a queue", asked).await?;
        let mut reasons = BTreeMap::new();
        for message in &messages {
            let headers = &message["properties"]["headers"];
            // What the broker itself parked may carry the reason of an earlier retry.
            let parked = queue.ends_with(".dead") && headers[header::DIED_AT].is_null();
            let reason = headers[header::REASON].as_str().filter(|_| !parked);
            let reason = reason.unwrap_or(PARKED_BY_BROKER);
            *reasons.entry(reason.to_owned()).or_insert(0) += 1;
        }
        Ok(reasons)
    }

    /// Asks one node after the other until one answers what can be read; `request` is given the address of the node's
    /// list of queues.
    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        request: impl Fn(Url) -> RequestBuilder,
    ) -> Result<T, BrokerError> {
        let mut told = Vec::new();
        let turn = self.turn.load(Ordering::Relaxed);
        for position in nodes::order(self.nodes.len(), turn) {
            let node = &self.nodes[position];
            match answer(what, request(node.queues.clone())).await {
                Ok(answer) => {
                    self.turn.store(position, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => told.push((node.name.clone(), error)),
            }
        }
        Err(nodes::none_of(told))
    }
}

async fn answer<T: DeserializeOwned>(
    what: &str,
    request: RequestBuilder,
) -> Result<T, BrokerError> {
    let answer = request.send().await.map_err(away)?;
    let status = answer.status();
    if status.is_client_error() {
        return Err(BrokerError::Refused {
            what: what.into(),
            reason: format!(
                "{status}; check user and password of `rabbitmq.api_url`, that the user has the \
                 tag `monitoring`, and the virtual host of `amqp.url`"
            ),
        });
    }
    if !status.is_success() {
        return Err(BrokerError::away(format!(
            "the management API answers {status}"
        )));
    }
    answer.json().await.map_err(away)
}

/// The error with its innermost cause. The URL goes out of it: it holds a password.
fn away(error: reqwest::Error) -> BrokerError {
    let error = error.without_url();
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    match cause {
        Some(cause) => BrokerError::away(format!("{error}: {cause}")),
        None => BrokerError::away(error),
    }
}
