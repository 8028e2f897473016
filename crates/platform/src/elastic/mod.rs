//! Elasticsearch: bulks with an outcome for each item, searches, indexes and aliases.

mod bulk;
mod client;
mod connect;
mod encoding;
mod error;
mod nodes;
mod settings;
mod versions;

pub use elasticsearch::http::Method;

pub use bulk::{BulkItem, BulkOutcome};
pub use client::Elastic;
pub use encoding::{BulkEncoding, Source};
pub use error::ElasticError;
pub use settings::IndexNow;
