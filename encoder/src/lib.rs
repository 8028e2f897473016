//! The encoder: blobs in, embeddings out. It knows the broker, the blobs and the models, and no
//! database.
//!
//! [`pipeline::run`] is the service's one loop. A picture's way is in `picture.rs`: read, decode and
//! prepare (`prepare.rs`), run in batches (`models.rs`), publish (`publish.rs`), settle.

mod config;
mod engine;
mod error;
mod metrics;
mod models;
mod picture;
pub mod pipeline;
mod prepare;
mod publish;
mod session;

pub use engine::Engine;
pub use error::EncoderError;
pub use metrics::METRICS;
pub use pipeline::run;
