//! Queue depths, reasons and flags from RabbitMQ's management API, for `tusou status`.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::uri::AMQPUri;
use serde::Deserialize;
use serde_json::{Value, json};
use tusou_contract::queue::FLAG_PREFIX;
use url::Url;

use super::dead::PARKED_BY_BROKER;
use super::{BrokerError, header};
use crate::config::Config;

/// The longest wait for an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// A queue's messages, as the management API last heard: its figures are up to 5 s old.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct QueueDepth {
    /// The queue: work, retry or dead.
    pub name: String,
    /// Waiting for a consumer.
    #[serde(rename = "messages_ready", default)]
    pub ready: u64,
    /// Delivered, not yet settled.
    #[serde(rename = "messages_unacknowledged", default)]
    pub unacknowledged: u64,
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

/// A client of the management API, for the virtual host of `amqp.url`.
#[derive(Clone)]
pub struct Management {
    client: reqwest::Client,
    queues: Url,
}

impl std::fmt::Debug for Management {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the URL: it holds a password.
        f.debug_struct("Management").finish_non_exhaustive()
    }
}

impl Management {
    /// Makes a client; asks nothing yet.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] that names `rabbitmq.api_url` or `amqp.url`.
    pub fn new(config: &Config) -> Result<Self, BrokerError> {
        let invalid = |key: &str, reason: String| BrokerError::Refused {
            what: format!("`{key}`"),
            reason,
        };
        let amqp: AMQPUri = config
            .amqp
            .url
            .parse()
            .map_err(|reason| invalid("amqp.url", reason))?;
        let mut queues = Url::parse(&config.rabbitmq.api_url)
            .map_err(|error| invalid("rabbitmq.api_url", error.to_string()))?;
        queues
            .path_segments_mut()
            .map_err(|()| invalid("rabbitmq.api_url", "it takes http://host:port".into()))?
            .pop_if_empty()
            .extend(["api", "queues", &amqp.vhost]);
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_WAIT)
            .build()
            .map_err(|error| invalid("rabbitmq.api_url", error.to_string()))?;
        Ok(Self { client, queues })
    }

    /// Every queue of the virtual host, by name, but for flags, which hold no messages.
    ///
    /// # Errors
    /// [`BrokerError::Away`] where nothing answers, [`BrokerError::Refused`] where the user may
    /// not ask or the virtual host is not there.
    pub async fn queues(&self) -> Result<Vec<QueueDepth>, BrokerError> {
        let mut url = self.queues.clone();
        url.set_query(Some("columns=name,messages_ready,messages_unacknowledged"));
        let answer = self.ask(self.client.get(url), "the list of queues").await?;
        let mut queues: Vec<QueueDepth> = answer.json().await.map_err(away)?;
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
        let mut url = self.queues.clone();
        url.set_query(Some("columns=name,arguments"));
        let answer = self.ask(self.client.get(url), "the list of queues").await?;
        let queues: Vec<Declared> = answer.json().await.map_err(away)?;
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
        let mut url = self.queues.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([queue, "get"]);
        }
        let look = json!({
            "count": most, "ackmode": "ack_requeue_true", "encoding": "base64", "truncate": 0,
        });
        let request = self.client.post(url).json(&look);
        let answer = self.ask(request, "a look into a queue").await?;
        let messages: Vec<Value> = answer.json().await.map_err(away)?;
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

    async fn ask(
        &self,
        request: reqwest::RequestBuilder,
        what: &str,
    ) -> Result<reqwest::Response, BrokerError> {
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
        Ok(answer)
    }
}

/// The URL goes out of the error: it holds a password.
fn away(error: reqwest::Error) -> BrokerError {
    BrokerError::away(error.without_url())
}
