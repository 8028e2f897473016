//! The command against the real stores.

mod commands;
mod control;
mod gc;
mod index;
mod reconcile;
mod dead;
mod status;
