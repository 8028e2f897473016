//! The adapters against the real servers.

mod blobs;
mod blobs_s3;
mod broker;
mod broker_dead;
mod broker_failures;
mod broker_nodes;
mod broker_waits;
mod elastic;
mod elastic_encodings;
mod elastic_nodes;
mod elastic_refusals;
