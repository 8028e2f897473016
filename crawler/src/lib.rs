//! The crawler: leases hosts, obeys their robots.txt and pace, reads pages, and stores pictures
//! as blobs, rows and outbox messages, which its relay brings to the broker.

mod config;
pub mod directives;
mod error;
pub mod extract;
mod failure;
pub mod feed;
mod fetch;
mod frontier;
mod gate;
mod host;
mod host_files;
mod janitor;
pub mod link_header;
mod measure;
mod metrics;
mod pace;
mod pipeline;
mod relay;
mod render;
mod revisit;
pub mod robots;
pub mod sitemap;
mod slots;
mod writer;

pub use error::CrawlError;
pub use measure::lease_once;
pub use metrics::METRICS;
pub use pipeline::run;
