//! The configuration: one TOML file, overridden by `TUSOU_<SECTION>_<KEY>` variables.
//!
//! A later source wins: the default, the file, the variable. `TUSOU_<SECTION>_<KEY>_FILE` reads the
//! value from a file, so that a secret need not stand in the environment. Lists are written with
//! commas in a variable. Every error is reported at once and names its key, its source and the
//! remedy; no message shows a secret.

mod error;
mod file;
mod keep;
mod keys;
mod load;
mod sections;
mod show;
mod validate;
mod variables;

pub use error::{ConfigError, Origin, Problem};
pub use keep::{KeepOriginals, UnknownRule};
pub use load::{Source, Variables, load, load_with, locate};
pub use sections::{
    Amqp, Blobs, BulkEncoding, Config, Crawler, Database, Device, Discovery, Elasticsearch,
    Encoder, Indexer, Log, LogFormat, Models, Network, Operator, Pictures, Rabbitmq, Render,
    Search, Traces,
};
pub(crate) use show::mask_url;
pub(crate) use validate::fits_header;
