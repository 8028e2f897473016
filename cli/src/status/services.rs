//! What the services say of themselves.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tusou_platform::Config;

/// A service answers its health at once or not at all.
const PATIENCE: Duration = Duration::from_secs(2);

/// One service, asked at the address that its `listen` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// `crawler`, `encoder`, `indexer` or `search`.
    pub name: &'static str,
    /// Where it was asked.
    pub address: SocketAddr,
    /// What it is doing.
    pub state: ServiceState,
    /// What it waits for, by part, in its own words.
    pub waits_for: BTreeMap<String, String>,
    /// What else it says: the device that each of its models runs on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
    /// Its build; `None` where it does not answer, or is older than this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It does its work.
    Ready,
    /// It runs, and something holds it up.
    Waiting,
    /// Nobody answers at its address: it does not run, or runs elsewhere.
    Silent,
}

#[derive(Default, Deserialize)]
struct Health {
    #[serde(default)]
    parts: BTreeMap<String, String>,
    #[serde(default)]
    about: BTreeMap<String, String>,
    version: Option<String>,
}

/// Asks each service of this configuration. Of several processes of one service, the one at
/// the configured address answers.
pub(super) async fn ask(config: &Config) -> Vec<ServiceStatus> {
    let Ok(client) = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
    else {
        return Vec::new();
    };
    let (crawler, encoder, indexer, search) = tokio::join!(
        one(&client, "crawler", config.crawler.listen),
        one(&client, "encoder", config.encoder.listen),
        one(&client, "indexer", config.indexer.listen),
        one(&client, "search", config.search.listen),
    );
    vec![crawler, encoder, indexer, search]
}

async fn one(client: &reqwest::Client, name: &'static str, listen: SocketAddr) -> ServiceStatus {
    let mut address = listen;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let url = format!("http://{address}/healthz/ready");
    let (state, health) = match client.get(url).send().await {
        Ok(answer) => {
            let state = match answer.status().is_success() {
                true => ServiceState::Ready,
                false => ServiceState::Waiting,
            };
            let health: Option<Health> = answer.json().await.ok();
            (state, health.unwrap_or_default())
        }
        Err(_) => (ServiceState::Silent, Health::default()),
    };
    let parts = health.parts.into_iter();
    ServiceStatus {
        name,
        address,
        state,
        waits_for: parts.filter(|(_, said)| said != "ok").collect(),
        about: health.about,
        version: health.version,
    }
}
