//! The adapters against the real servers.

mod blobs;
mod broker;
mod broker_failures;
mod elastic;
mod elastic_refusals;
