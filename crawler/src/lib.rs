//! The crawler: leases hosts, obeys their robots.txt and pace, reads pages, and stores pictures
//! as blobs, rows and outbox messages, which its relay brings to the broker.

mod config;
mod error;
pub mod extract;
mod fetch;
mod frontier;
mod gate;
mod host;
mod janitor;
mod metrics;
mod pace;
mod pipeline;
mod relay;
pub mod robots;
mod rules;

pub use error::CrawlError;
pub use pipeline::run;
