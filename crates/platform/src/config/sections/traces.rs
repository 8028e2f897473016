//! `[traces]`

use serde::{Deserialize, Serialize};

/// `[traces]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Where an OpenTelemetry collector takes traces by OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`. Empty: none
    /// are made. Headers that it wants stand in the environment's `OTEL_EXPORTER_OTLP_HEADERS`.
    pub url: String,
    /// The part of all pages that is followed, from 0 to 1, with their pictures.
    pub ratio: f64,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            url: String::new(),
            ratio: 0.01,
        }
    }
}
