//! Tests of the whole chain against the real stores, in one program: each such program holds all that the
//! services are made of, and is minutes in the making. Beside it stand those that must run alone, since they
//! restart what all tests share.

mod backpressure;
mod backup;
mod bucket;
mod chain;
mod copies;
mod crawl_again;
mod directives;
mod discovery;
mod forget;
mod generations;
mod hostile;
mod kit;
mod lists;
mod migrations;
mod models;
mod outages;
mod pace;
mod quarantine;
mod render;
mod revisit;
mod rights;
mod safety;
mod sheets;
mod traces;
mod wanted;
mod write_path;
