//! The indexer against the real stores.

mod documents;
mod indexes;
mod support;
mod trouble;
