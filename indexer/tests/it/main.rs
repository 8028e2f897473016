//! The indexer against the real stores.

mod bulks;
mod conflicts;
mod documents;
mod first_loads;
mod indexes;
mod mappings;
mod models;
mod support;
mod trouble;
