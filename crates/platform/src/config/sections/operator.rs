//! `[operator]`

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// `[operator]`: the operator's page.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operator {
    /// Where it is served. Beyond loopback it needs a password.
    pub listen: SocketAddr,
    /// The password of the user `operator`; empty for none. A secret.
    pub password: String,
    /// Names by which browsers reach it beside its own address and loopback's: `ops.example.org`.
    pub hosts: Vec<String>,
    /// Between two looks at queues and services; rows are counted more seldom where that takes long.
    pub interval_ms: u64,
}

impl Default for Operator {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9184)),
            password: String::new(),
            hosts: Vec::new(),
            interval_ms: 5_000,
        }
    }
}
