//! A picture by its address: through the same door, and the same address policy, as every foreign request.

use std::time::Duration;

use axum::http::HeaderMap;
use tusou_platform::Config;
use tusou_platform::door::{Door, FetchError, Limits, Reach};
use url::Url;

use crate::config::Settings;
use crate::error::{SearchError, StartError};
use crate::upload::{Upload, Uploads};

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// Fetches pictures that are asked with by their addresses.
#[derive(Debug)]
pub(crate) struct Fetcher {
    door: Door,
    max_bytes: u64,
    total: Duration,
}

impl Fetcher {
    /// One that says who the crawler is. It fetches a page's picture because a person asks for it, so robots.txt,
    /// which is for crawlers, is not asked.
    pub(crate) fn new(config: &Config, settings: &Settings) -> Result<Self, StartError> {
        let total = Duration::from_millis(config.search.fetch_timeout_ms);
        let door = Door::new(
            &config.network,
            &config.crawler.user_agent(),
            total,
            Reach::Anywhere,
        )
        .map_err(|cause| StartError::Fetcher(cause.into()))?;
        Ok(Self {
            door,
            max_bytes: settings.max_upload_bytes as u64,
            total,
        })
    }

    /// The picture at this address, as if it had been uploaded.
    pub(crate) async fn fetch(&self, uploads: &Uploads, url: &Url) -> Result<Upload, SearchError> {
        // Before it is fetched: what comes from elsewhere is in memory, too, however many ask for it.
        let room = uploads.room()?;
        let fetched = tokio::time::timeout(self.total, self.follow(url)).await;
        Ok(room.take(fetched.unwrap_or_else(|_| Err(late()))?))
    }

    async fn follow(&self, url: &Url) -> Result<bytes::Bytes, SearchError> {
        let limits = Limits {
            max_bytes: self.max_bytes,
            read_timeout: self.total,
            total_timeout: self.total,
        };
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.door.get(&url, HeaderMap::new(), &limits).await;
            let answer = answer.map_err(|error| self.refused(&error))?;
            if let Some(target) = answer.redirect(&url) {
                url = target;
                continue;
            }
            if !(200..=299).contains(&answer.status) {
                let said = format!(
                    "its server answers {}; is the address right?",
                    answer.status
                );
                return Err(at_fault("url_not_found", &said));
            }
            if answer.body.is_empty() {
                return Err(at_fault("empty_picture", "there is nothing at it"));
            }
            return Ok(answer.body);
        }
        Err(at_fault("url_redirects", "it redirects too often"))
    }

    fn refused(&self, error: &FetchError) -> SearchError {
        tracing::debug!(%error, "a picture cannot be fetched");
        match error {
            // Whether anything answers there is nobody's business.
            FetchError::AddressRefused(_)
            | FetchError::ContactUnset(_)
            | FetchError::BadPort(_) => at_fault(
                "url_refused",
                "it does not lead to the public web; upload the picture",
            ),
            FetchError::BadUrl(_) | FetchError::Credentials(_) => at_fault(
                "url_refused",
                "it cannot be asked for; give one like https://example.org/cat.jpg",
            ),
            FetchError::TooLarge { .. } => {
                let said = format!("what lies there has more than {} bytes", self.max_bytes);
                at_fault("url_too_large", &said)
            }
            FetchError::Timeout(_) => late(),
            _ => at_fault(
                "url_unreachable",
                "its server cannot be reached; upload the picture",
            ),
        }
    }
}

fn late() -> SearchError {
    at_fault(
        "url_too_slow",
        "its server did not send the picture in time; upload it",
    )
}

fn at_fault(code: &'static str, said: &str) -> SearchError {
    SearchError::parameter(code, "url", format!("`url` cannot be used: {said}"))
}
