//! `[crawler]`: how far and how fast the web is read.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// `[crawler]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crawler {
    /// Where metrics and health are served.
    pub listen: SocketAddr,
    /// The product token: what robots.txt files call us.
    pub agent: String,
    /// An address where site owners read who we are; wanted for fetching beyond loopback.
    pub contact: String,
    /// Hosts crawled at once by this process.
    pub hosts: usize,
    /// Fetches at once of one host.
    pub host_concurrency: usize,
    /// The least time between two fetches of one host begun in one host slot.
    pub host_delay_ms: u64,
    /// The longest `Crawl-delay` that is obeyed.
    pub max_crawl_delay_ms: u64,
    /// The longest delay that a slow or failing host leads to by itself.
    pub max_host_delay_ms: u64,
    /// Turns in a row in which a host cannot be reached before its due URLs are given up.
    pub host_attempts: u32,
    /// How long a host stays leased without renewal.
    pub lease_seconds: u32,
    /// URLs taken from the frontier with one lease.
    pub lease_urls: u32,
    /// The longest wait for a connection.
    pub connect_timeout_ms: u64,
    /// The longest silence within a body.
    pub read_timeout_ms: u64,
    /// The longest whole fetch.
    pub fetch_timeout_ms: u64,
    /// The most bytes of a page, decompressed.
    pub max_page_bytes: u64,
    /// The most bytes of a picture.
    pub max_image_bytes: u64,
    /// The most pixels of a picture.
    pub max_image_pixels: u64,
    /// Redirects followed for one fetch.
    pub max_redirects: u32,
    /// Attempts of a URL, the first included.
    pub max_attempts: u32,
    /// The wait before the second attempt; it doubles with each.
    pub retry_after_ms: u64,
    /// Pages known of one host, at most; links to further ones are not followed.
    pub max_host_pages: u64,
    /// Pages of one host whose addresses differ only in numbers, ids and what their parameters say, at
    /// most.
    pub max_pattern_pages: u64,
    /// Names of parameters that say nothing of a page, whatever their case; `utm_*` is every name that
    /// begins so. They are dropped from the addresses that pages hold, in queries (`?fbclid=…`) and in
    /// paths (`/a;jsessionid=…`); seeds stay as they were typed, redirects as they were sent.
    pub drop_parameters: Vec<String>,
    /// Whether the icons of sites (`link rel=icon`, `apple-touch-icon`) count as pictures of their pages.
    pub icons: bool,
    /// The shortest time after which a page or picture is looked at again; changes lead there.
    pub revisit_min_seconds: u64,
    /// The longest; what never changes comes there. 0: nothing is looked at again by itself.
    pub revisit_max_seconds: u64,
    /// Whether `noai` and `noimageai` are obeyed.
    pub obey_noai: bool,
    /// Whether a reservation by the TDM Reservation Protocol is obeyed.
    pub obey_tdm: bool,
    /// Fetching stops while the outbox holds more messages.
    pub outbox_limit: u32,
    /// A changed image's message rests this long in the outbox, so that many changes are one.
    pub coalesce_ms: u64,
}

impl Crawler {
    /// What every request to a foreign site says of who asks: `tusoubot/0.1.0 (+https://example.org/bot)`.
    pub fn user_agent(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match self.contact.as_str() {
            "" => format!("{}/{version}", self.agent),
            contact => format!("{}/{version} (+{contact})", self.agent),
        }
    }
}

impl Default for Crawler {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9181)),
            agent: "tusoubot".into(),
            contact: String::new(),
            hosts: 64,
            host_concurrency: 2,
            host_delay_ms: 1_000,
            max_crawl_delay_ms: 60_000,
            max_host_delay_ms: 60_000,
            host_attempts: 10,
            lease_seconds: 120,
            lease_urls: 64,
            connect_timeout_ms: 10_000,
            read_timeout_ms: 20_000,
            fetch_timeout_ms: 60_000,
            max_page_bytes: 8 << 20,
            max_image_bytes: 16 << 20,
            max_image_pixels: 100_000_000,
            max_redirects: 5,
            max_attempts: 4,
            retry_after_ms: 30_000,
            max_host_pages: 1_000_000,
            max_pattern_pages: 50_000,
            drop_parameters: [
                "utm_*",
                "gclid",
                "dclid",
                "fbclid",
                "msclkid",
                "yclid",
                "igshid",
                "mc_cid",
                "mc_eid",
                "_ga",
                "_gl",
                "PHPSESSID",
                "JSESSIONID",
                "ASPSESSIONID*",
                "sessionid",
                "session_id",
            ]
            .map(str::to_owned)
            .to_vec(),
            icons: false,
            revisit_min_seconds: 24 * 3600,
            revisit_max_seconds: 60 * 24 * 3600,
            obey_noai: true,
            obey_tdm: true,
            outbox_limit: 50_000,
            coalesce_ms: 2_000,
        }
    }
}
