//! Elasticsearch: bulks with an outcome for each item, searches, indexes and aliases.

mod bulk;
mod client;
mod encoding;
mod error;
mod settings;
mod versions;

pub use bulk::{BulkItem, BulkOutcome};
pub use client::Elastic;
pub use encoding::{BulkEncoding, Source};
pub use error::ElasticError;
pub use settings::IndexNow;
