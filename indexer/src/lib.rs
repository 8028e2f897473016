//! The indexer: embeddings and changed images to whole Elasticsearch documents.
//!
//! Every message means "this image has changed". The indexer stores what a message brings, reads
//! the whole image in one snapshot, and writes its document under the image's `rev`, or deletes the
//! document of an image that has none any more: so neither order nor repetition matters. A message
//! is acknowledged after its effect is durable.

mod bulk;
mod collect;
mod config;
mod conflict;
mod error;
mod first_load;
mod index;
mod metrics;
mod patience;
mod pipeline;
mod rows;
mod work;

pub use bulk::{Conflict, Job, Most, Writer, Written};
pub use config::Settings;
pub use error::Error;
pub use metrics::METRICS;
pub use pipeline::run;
