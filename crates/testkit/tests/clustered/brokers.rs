//! Three RabbitMQ nodes of one cluster, for as long as the value lives.

use serde_json::Value;
use tempfile::TempDir;
use tusou_platform::Config;
use tusou_testkit::Stack;
use url::Url;

/// The running nodes `a`, `b` and `c`, which `deploy/local/stack clustered` keeps.
#[derive(Debug)]
pub(crate) struct Brokers {
    stack: Stack,
    told: Value,
    client: reqwest::Client,
    // Last: it goes when the nodes are gone.
    _folder: TempDir,
}

impl Brokers {
    /// Starts them and waits until they are one cluster.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tusou-clustered-")
            .tempdir()
            .expect("a folder");
        let (stack, told) = Stack::start("clustered", folder.path(), 10);
        Self {
            stack,
            told,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(crate::LIMIT)
                .build()
                .expect("a plain client can be made"),
            _folder: folder,
        }
    }

    /// Points a configuration at all of them.
    pub(crate) fn configure(&self, config: &mut Config) {
        let mut amqp = self.urls("amqp");
        let mut api = self.urls("api");
        config.amqp.url = amqp.remove(0);
        config.amqp.further_urls = amqp;
        config.rabbitmq.api_url = api.remove(0);
        config.rabbitmq.further_api_urls = api;
    }

    /// Kills a node as a crash does, and waits for its end.
    pub(crate) fn kill(&mut self, node: &str) {
        assert_eq!(
            self.stack.say(&format!("kill {node}")),
            format!("killed {node}")
        );
    }

    /// Starts it again, with what it has on disk, and waits until it says that it is well.
    pub(crate) fn start_again(&mut self, node: &str) {
        let answer = self.stack.say(&format!("start {node}"));
        assert_eq!(answer, format!("started {node}"));
    }

    /// The node that leads a queue, as any node that answers tells; none while there is none.
    pub(crate) async fn leader(&self, virtual_host: &str, queue: &str) -> Option<String> {
        let queue = self.queue(virtual_host, queue).await?;
        let name = queue["leader"].as_str()?;
        Some(short(name))
    }

    /// The nodes that hold a queue and run, in order.
    pub(crate) async fn online(&self, virtual_host: &str, queue: &str) -> Vec<String> {
        let queue = self.queue(virtual_host, queue).await.unwrap_or_default();
        let online = queue["online"].as_array().into_iter().flatten();
        let mut online: Vec<_> = online.filter_map(Value::as_str).map(short).collect();
        online.sort();
        online
    }

    /// What the management API tells of a queue.
    pub(crate) async fn queue(&self, virtual_host: &str, queue: &str) -> Option<Value> {
        for url in self.urls("api") {
            let mut url = Url::parse(&url).expect("the stack tells URLs");
            url.path_segments_mut()
                .expect("an address takes a path")
                .extend(["api", "queues", virtual_host, queue]);
            let Ok(answer) = self.client.get(url).send().await else {
                continue;
            };
            if answer.status().is_success() {
                return answer.json().await.ok();
            }
        }
        None
    }

    fn urls(&self, kind: &str) -> Vec<String> {
        let urls = self.told[kind].as_array().expect("a list");
        let text = |url: &Value| url.as_str().expect("a text").to_owned();
        urls.iter().map(text).collect()
    }
}

/// `b` of `tusou-b@localhost`.
fn short(node: &str) -> String {
    let name = node.split('@').next().unwrap_or_default();
    name.trim_start_matches("tusou-").to_owned()
}
