//! The indexer against the real stores.

mod documents;
mod indexes;
mod models;
mod support;
mod trouble;
