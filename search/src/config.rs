//! What this service takes from the configuration, and its fixed bounds.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tusou_platform::Config;

use crate::access::keys::Keys;
use crate::access::rates::Rate;
use crate::error::StartError;

/// Hits in an answer when nobody says how many.
pub(crate) const DEFAULT_K: usize = 20;
/// The most hits that may be asked for.
pub(crate) const MAX_K: usize = 100;
/// The most characters of a query in words; a text model reads fewer anyway.
pub(crate) const MAX_QUERY_CHARS: usize = 500;
/// Captions shown with a hit, of those that its document holds.
pub(crate) const CAPTIONS_OF_HIT: usize = 8;
/// Pages shown with a hit: live ones first, the earliest first.
pub(crate) const PAGES_OF_HIT: i64 = 5;
/// Near-duplicates shown with a hit.
pub(crate) const COPIES_OF_HIT: usize = 20;
/// The nearest pictures whose captions say what a picture shows.
pub(crate) const PICTURES_OF_GUESS: usize = 24;
/// Pages shown with a picture looked at by itself.
pub(crate) const PAGES_OF_IMAGE: i64 = 100;
/// The most bytes of a thumbnail.
pub(crate) const MAX_THUMBNAIL_BYTES: u64 = 4 << 20;
/// An oversized upload is read to its end, and thrown away, up to this many times the limit: a
/// client that is cut off while it sends never reads the answer that says why.
pub(crate) const DRAINED_UPLOADS: usize = 8;
/// Uploads held in memory at once, as a multiple of the largest one.
pub(crate) const UPLOADS_IN_MEMORY: usize = 16;
/// Connections open at once.
pub(crate) const MAX_CONNECTIONS: usize = 2_048;
/// The most bytes of a request's headers that are read.
pub(crate) const MAX_HEAD_BYTES: usize = 16 << 10;
/// The most bytes of a connection that are held while no request can be made of them: the headers, and an address as long
/// as the library reads one.
pub(crate) const MAX_BUFFER: usize = 128 << 10;
/// The longest wait for a request's head.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that requests in hand may take once the end was asked for.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);
/// What a client that was turned away is told to wait.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 2;

/// The settings of `[search]`, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The alias that searches ask.
    pub(crate) alias: String,
    /// The most bytes of an uploaded picture.
    pub(crate) max_upload_bytes: usize,
    /// The most pixels of an uploaded picture.
    pub(crate) max_pixels: u64,
    /// Requests handled at once.
    pub(crate) concurrency: usize,
    /// The longest that a request may take.
    pub(crate) timeout: Duration,
    /// Whether pictures that the safety model scores high are left out unless asked for.
    pub(crate) safe: bool,
    /// The score from which a picture is left out.
    pub(crate) unsafe_from: f32,
    /// The least cosine of an answer to words; `None` for the model pack's own.
    pub(crate) words_cut_off: Option<f32>,
    /// The least cosine of an answer to a picture; `None` for the model pack's own.
    pub(crate) picture_cut_off: Option<f32>,
    /// How long the candidates of a search are kept for its further pages.
    pub(crate) kept: Duration,
    /// How often one client may ask; `None` for as often as it likes.
    pub(crate) rate: Option<Rate>,
    /// Who may use the API.
    pub(crate) keys: Arc<Keys>,
    /// Whether the page is served.
    pub(crate) page: bool,
    /// Origins whose pages may call the API, or `*`.
    pub(crate) cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl Settings {
    /// Reads and checks them.
    pub(crate) fn of(config: &Config) -> Result<Self, StartError> {
        let search = &config.search;
        let within = |key, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(StartError::Setting {
                    key,
                    value,
                    least,
                    most,
                })
            }
        };
        let bytes = within(
            "search.max_upload_bytes",
            search.max_upload_bytes,
            1 << 10,
            256 << 20,
        )?;
        let concurrency = within(
            "search.concurrency",
            search.concurrency as u64,
            1,
            MAX_CONNECTIONS as u64,
        )?;
        let timeout = within("search.timeout_ms", search.timeout_ms, 100, 120_000)?;
        Ok(Self {
            listen: search.listen,
            alias: config.elasticsearch.alias.clone(),
            max_upload_bytes: usize::try_from(bytes).expect("at most 256 MiB"),
            max_pixels: within(
                "search.max_image_pixels",
                search.max_image_pixels,
                1,
                500_000_000,
            )?,
            concurrency: usize::try_from(concurrency).expect("at most the connections"),
            timeout: Duration::from_millis(timeout),
            safe: search.safe,
            unsafe_from: search.unsafe_from,
            words_cut_off: Some(search.words_cut_off).filter(|cosine| *cosine != 0.0),
            picture_cut_off: Some(search.picture_cut_off).filter(|cosine| *cosine != 0.0),
            kept: Duration::from_secs(search.cursor_seconds),
            rate: NonZeroU32::new(search.rate_per_second).map(|per_second| Rate {
                per_second,
                burst: NonZeroU32::new(search.rate_burst).unwrap_or(NonZeroU32::MIN),
            }),
            keys: Arc::new(Keys::new(&search.api_keys)),
            page: search.page,
            cors_origins: search.cors_origins.clone(),
            trusted_proxies: search.trusted_proxies.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable_and_a_zero_names_its_key() {
        Settings::of(&Config::default()).expect("the defaults are usable");
        let mut config = Config::default();
        config.search.concurrency = 0;
        let error = Settings::of(&config).expect_err("nothing can be served");
        assert_eq!(
            error.to_string(),
            "`search.concurrency` is 0; it takes 1 to 2048"
        );
    }
}
