//! `[amqp]` and `[rabbitmq]`

use lapin::uri::AMQPUri;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::show::mask_url;

/// `[amqp]`
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Amqp {
    /// `amqp://user:password@host:port/vhost`; a secret.
    pub url: String,
    /// Further nodes of the same cluster, each with user, password and the same virtual host: tried where one before
    /// takes no connection. Secrets.
    pub further_urls: Vec<String>,
    /// The most messages that a work queue holds; above it publishes are refused, and the stage
    /// before waits.
    pub queue_limit: u32,
    /// How long a message rests in a retry queue.
    pub retry_after_ms: u32,
    /// Attempts of a message, the first included, before it is dead.
    pub max_attempts: u32,
    /// Deliveries of a message that never came to an end, before it is dead: it may be what kills
    /// the process. Given-back messages count too, so it is high.
    pub max_deliveries: u32,
}

impl Default for Amqp {
    fn default() -> Self {
        Self {
            url: "amqp://guest:guest@127.0.0.1:5672/%2f".into(),
            further_urls: Vec::new(),
            queue_limit: 10_000,
            retry_after_ms: 10_000,
            max_attempts: 5,
            max_deliveries: 20,
        }
    }
}

impl Amqp {
    /// The address of every node with the key that names it, in the order of configuration.
    pub(crate) fn nodes(&self) -> Vec<(&'static str, &str)> {
        in_order(
            ("amqp.url", &self.url),
            "amqp.further_urls",
            &self.further_urls,
        )
    }

    /// Every further node that cannot be one: the key, and what is wrong.
    pub(in crate::config) fn faults(&self) -> Vec<(&'static str, String)> {
        let virtual_host = |text: &str| text.parse::<AMQPUri>().ok().map(|uri| uri.vhost);
        let first = virtual_host(&self.url);
        let example = "give one like amqp://user:password@host:port/vhost";
        let fault = |text: &String| {
            let reason = match of_node(text, &["amqp", "amqps"]) {
                Err(wrong) => format!("which is {wrong}; {example}"),
                Ok(()) if first.is_some() && first != virtual_host(text) => {
                    "which has another virtual host than amqp.url; give all nodes the same".into()
                }
                Ok(()) => return None,
            };
            let shown = mask_url(text);
            Some(("amqp.further_urls", format!("holds {shown:?}, {reason}")))
        };
        self.further_urls.iter().filter_map(fault).collect()
    }
}

/// `[rabbitmq]`
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rabbitmq {
    /// `http://user:password@host:port`, for queue depths; a secret.
    pub api_url: String,
    /// The same of further nodes of the cluster, asked where one before does not answer. Secrets.
    pub further_api_urls: Vec<String>,
}

impl Default for Rabbitmq {
    fn default() -> Self {
        Self {
            api_url: "http://guest:guest@127.0.0.1:15672".into(),
            further_api_urls: Vec::new(),
        }
    }
}

impl Rabbitmq {
    /// The address of every node with the key that names it, in the order of configuration.
    pub(crate) fn nodes(&self) -> Vec<(&'static str, &str)> {
        in_order(
            ("rabbitmq.api_url", &self.api_url),
            "rabbitmq.further_api_urls",
            &self.further_api_urls,
        )
    }

    /// Every further node that cannot be one: the key, and what is wrong.
    pub(in crate::config) fn faults(&self) -> Vec<(&'static str, String)> {
        let fault = |text: &String| {
            let wrong = of_node(text, &["http", "https"]).err()?;
            let shown = mask_url(text);
            let reason = format!(
                "holds {shown:?}, which is {wrong}; give one like http://user:password@host:port"
            );
            Some(("rabbitmq.further_api_urls", reason))
        };
        self.further_api_urls.iter().filter_map(fault).collect()
    }
}

fn in_order<'a>(
    first: (&'static str, &'a str),
    key: &'static str,
    further: &'a [String],
) -> Vec<(&'static str, &'a str)> {
    let further = further.iter().map(|url| (key, url.as_str()));
    std::iter::once(first).chain(further).collect()
}

fn of_node(text: &str, schemes: &[&str]) -> Result<(), &'static str> {
    match Url::parse(text) {
        Ok(url) if !schemes.contains(&url.scheme()) || !url.has_host() => Err("no URL of a node"),
        Ok(_) => Ok(()),
        Err(_) => Err("no URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_nodes_are_of_the_same_virtual_host_however_it_is_written() {
        let config = Amqp {
            url: "amqp://u:sesame@one".into(),
            further_urls: [
                "amqp://u:sesame@two/%2f",
                "amqps://u:sesame@three:5671/%2F",
                "amqp://u:sesame@four/other",
                "amqp://u:sesame@five/",
                "http://u:sesame@six",
                "seven",
            ]
            .map(Into::into)
            .into(),
            ..Amqp::default()
        };
        let faults = config.faults();
        let told: Vec<_> = faults.iter().map(|(_, reason)| reason.as_str()).collect();
        let other = "which has another virtual host than amqp.url; give all nodes the same";
        let example = "give one like amqp://user:password@host:port/vhost";
        let expected = [
            format!("holds \"amqp://u:***@four/other\", {other}"),
            format!("holds \"amqp://u:***@five/\", {other}"),
            format!("holds \"http://u:***@six/\", which is no URL of a node; {example}"),
            format!("holds \"***\", which is no URL; {example}"),
        ];
        assert_eq!(told, expected);
        assert_eq!(Amqp::default().faults(), []);
    }

    #[test]
    fn nodes_keep_the_order_of_configuration_and_their_keys() {
        let config = Rabbitmq {
            api_url: "http://one".into(),
            further_api_urls: vec!["http://two".into(), "three".into()],
        };
        let expected = [
            ("rabbitmq.api_url", "http://one"),
            ("rabbitmq.further_api_urls", "http://two"),
            ("rabbitmq.further_api_urls", "three"),
        ];
        assert_eq!(config.nodes(), expected);
        assert_eq!(config.faults().len(), 1);
    }
}
