//! The driver's protocol. Source: W3C WebDriver, and Chromium's commands beside it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::wait_for;

/// The longest that the driver takes for anything: it has shorter limits of its own.
const LIMIT: Duration = Duration::from_secs(90);

/// Why the driver did not do it, in its words.
#[derive(Debug)]
pub(super) struct Refusal {
    /// A short word of the standard.
    pub(super) code: String,
    message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

/// A client of one driver, or of one of its sessions.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    client: reqwest::Client,
    base: String,
}

impl Wire {
    pub(super) fn new(port: u16) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build();
        Self {
            client: client.expect("a plain client can be made"),
            base: format!("http://127.0.0.1:{port}/"),
        }
    }

    pub(super) fn of_session(&self, id: &str) -> Self {
        Self {
            client: self.client.clone(),
            base: format!("{}session/{id}/", self.base),
        }
    }

    pub(super) async fn wait_ready(&self) {
        wait_for(LIMIT, "the driver to be ready", async || {
            let status = self.get("status").await.ok()?;
            (status["ready"] == true).then_some(())
        })
        .await;
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.send(self.client.get(self.address(path))).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        let request = self.client.post(self.address(path));
        self.send(request.json(body)).await
    }

    /// Ends a session, and its browser with it.
    pub(super) async fn delete(&self) -> Result<Value, Refusal> {
        self.send(self.client.delete(self.address(""))).await
    }

    /// A command of the DevTools protocol.
    pub(super) async fn protocol(
        &self,
        command: &str,
        parameters: Value,
    ) -> Result<Value, Refusal> {
        let body = json!({"cmd": command, "params": parameters});
        self.post("goog/cdp/execute", &body).await
    }

    fn address(&self, path: &str) -> String {
        let address = format!("{}{path}", self.base);
        address.trim_end_matches('/').to_owned()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Refusal> {
        let refusal = |error: reqwest::Error| Refusal {
            code: "no answer".into(),
            message: error.to_string(),
        };
        let answer = request.send().await.map_err(refusal)?;
        let is_well = answer.status().is_success();
        let mut body: Value = answer.json().await.map_err(refusal)?;
        let value = body["value"].take();
        if is_well {
            return Ok(value);
        }
        Err(Refusal {
            code: super::text(&value["error"]),
            message: super::text(&value["message"]),
        })
    }
}
