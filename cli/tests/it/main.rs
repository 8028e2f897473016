//! The command against the real stores.

mod backfill;
mod commands;
mod control;
mod dead;
mod forget;
mod gc;
mod guide;
mod import;
mod index;
mod lists;
mod metrics;
mod operate;
mod ran;
mod reconcile;
mod shell;
mod status;
mod watch;
