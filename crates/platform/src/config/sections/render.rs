//! `[render]`: pages that need JavaScript, rendered by a local Chromium.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[render]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Render {
    /// Chromium's program; empty: nothing is rendered, and pages that need it are counted.
    pub chromium: PathBuf,
    /// Whether pages are rendered that plainly show nothing without their scripts.
    pub auto: bool,
    /// Hosts whose pages are always rendered: `example.org`, or `*.example.org` with all below it.
    pub hosts: Vec<String>,
    /// Pages rendered at once by this process.
    pub tabs: usize,
    /// The longest that one page is waited for; what it shows then is taken.
    pub timeout_ms: u64,
    /// Requests that one page leads to, at most; further ones are refused.
    pub max_requests: u32,
    /// Bytes that one page is sent by its requests, at most.
    pub max_traffic_bytes: u64,
    /// Memory of the browser with all its processes, at most; with more it is ended.
    pub max_memory_bytes: u64,
    /// Pages after which the browser is replaced by a fresh one.
    pub pages_per_browser: u32,
}

impl Default for Render {
    fn default() -> Self {
        Self {
            chromium: PathBuf::new(),
            auto: true,
            hosts: Vec::new(),
            tabs: 2,
            timeout_ms: 60_000,
            max_requests: 64,
            max_traffic_bytes: 16 << 20,
            max_memory_bytes: 2 << 30,
            pages_per_browser: 500,
        }
    }
}

/// Whether a pattern of [`Render::hosts`] can be one: a host's name, `*.` before it or not.
pub(crate) fn is_host_pattern(pattern: &str) -> bool {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    !name.is_empty() && name.chars().all(plain) && !name.starts_with('.')
}
