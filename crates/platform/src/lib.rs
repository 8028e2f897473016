//! Adapters to everything outside the process: broker, blobs, Elasticsearch, the foreign web, and
//! what every service shares: configuration, telemetry, health and shutdown.

pub mod backoff;
pub mod blobs;
pub mod broker;
pub mod config;
pub mod database;
pub mod door;
pub mod elastic;
pub mod language;
pub mod metric;
pub mod ops;
pub mod service;
pub mod shutdown;
pub mod telemetry;
pub mod trace;

pub use config::Config;
pub use shutdown::Shutdown;
