//! The crawler's settings, as types.

use std::sync::Arc;
use std::time::Duration;

use tusou_ingest::wanted::Patterns;
use tusou_ingest::{Budgets, PictureLimits, Terms, Wanted, tracking};
use tusou_platform::config::{Config, Discovery, Network, Render};
use tusou_platform::door::{Limits, Reach};

use crate::directives::Obey;
use crate::error::CrawlError;
use crate::extract;

/// What the crawler needs to know of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What robots.txt files call us.
    pub(crate) agent: String,
    /// The whole `User-Agent` header.
    pub(crate) user_agent: String,
    pub(crate) network: Network,
    /// How far the door leads: beyond loopback only with a contact.
    pub(crate) reach: Reach,
    pub(crate) hosts: usize,
    pub(crate) host_concurrency: usize,
    pub(crate) host_delay: Duration,
    pub(crate) max_crawl_delay: Duration,
    pub(crate) max_host_delay: Duration,
    pub(crate) host_attempts: u32,
    pub(crate) lease: Duration,
    pub(crate) lease_urls: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) page: Limits,
    pub(crate) image: Limits,
    /// A byte more than is read of a sitemap: that tells one that was cut from one that ends there.
    pub(crate) sitemap: Limits,
    pub(crate) discovery: Discovery,
    pub(crate) max_image_pixels: u64,
    /// Which pictures are taken, by what they are.
    pub(crate) wanted: Wanted,
    pub(crate) max_redirects: u32,
    pub(crate) max_attempts: u32,
    pub(crate) retry_after: Duration,
    pub(crate) outbox_limit: u32,
    /// What the operator lets it obey of what owners ask.
    pub(crate) obey: Obey,
    /// How much is taken from one page.
    pub(crate) extract: extract::Limits,
    /// What is dropped from the addresses that pages hold.
    pub(crate) tracking: tracking::Rules,
    /// How pages are rendered that need JavaScript.
    pub(crate) render: Render,
    /// By what rules outcomes are written.
    pub(crate) terms: Terms,
}

impl Settings {
    /// # Errors
    /// [`CrawlError::Config`] where the crawler would go beyond loopback without saying who it is.
    pub(crate) fn new(config: &Config) -> Result<Self, CrawlError> {
        let crawler = &config.crawler;
        let seconds = |seconds| u32::try_from(seconds).unwrap_or(u32::MAX);
        let limits = |max_bytes| Limits {
            max_bytes,
            read_timeout: Duration::from_millis(crawler.read_timeout_ms),
            total_timeout: Duration::from_millis(crawler.fetch_timeout_ms),
        };
        Ok(Self {
            agent: crawler.agent.clone(),
            user_agent: crawler.user_agent(),
            network: config.network.clone(),
            reach: if crawler.contact.is_empty() {
                Reach::LoopbackOnly
            } else {
                Reach::Anywhere
            },
            hosts: crawler.hosts,
            host_concurrency: crawler.host_concurrency,
            host_delay: Duration::from_millis(crawler.host_delay_ms),
            max_crawl_delay: Duration::from_millis(crawler.max_crawl_delay_ms),
            max_host_delay: Duration::from_millis(crawler.max_host_delay_ms),
            host_attempts: crawler.host_attempts,
            lease: Duration::from_secs(crawler.lease_seconds.into()),
            lease_urls: crawler.lease_urls,
            connect_timeout: Duration::from_millis(crawler.connect_timeout_ms),
            page: limits(crawler.max_page_bytes),
            image: limits(crawler.max_image_bytes),
            sitemap: limits(config.discovery.max_sitemap_bytes + 1),
            discovery: config.discovery.clone(),
            max_image_pixels: crawler.max_image_pixels,
            wanted: wanted(config),
            max_redirects: crawler.max_redirects,
            max_attempts: crawler.max_attempts,
            retry_after: Duration::from_millis(crawler.retry_after_ms),
            outbox_limit: crawler.outbox_limit,
            obey: Obey {
                noai: crawler.obey_noai,
                tdm: crawler.obey_tdm,
            },
            extract: extract::Limits {
                icons: crawler.icons,
                ..extract::Limits::default()
            },
            tracking: tracking::Rules::new(&crawler.drop_parameters),
            render: config.render.clone(),
            terms: Terms {
                coalesce: time::Duration::milliseconds(
                    i64::try_from(crawler.coalesce_ms).unwrap_or(i64::MAX),
                ),
                revisit_min_seconds: seconds(crawler.revisit_min_seconds),
                revisit_max_seconds: seconds(crawler.revisit_max_seconds),
                budgets: Budgets {
                    host_pages: crawler.max_host_pages,
                    pattern_pages: crawler.max_pattern_pages,
                },
                pictures: PictureLimits {
                    patterns: Patterns::new(&config.pictures.include, &config.pictures.exclude)
                        .map(Arc::new),
                    per_page: config.pictures.max_per_page,
                    per_host: config.pictures.max_per_host,
                },
            },
        })
    }
}

fn wanted(config: &Config) -> Wanted {
    let pictures = &config.pictures;
    Wanted {
        types: pictures.types.clone(),
        min_bytes: pictures.min_bytes,
        max_bytes: pictures.max_bytes,
        min_width: pictures.min_width,
        min_height: pictures.min_height,
        max_aspect: pictures.max_aspect,
        max_pixels: config.crawler.max_image_pixels,
    }
}
