//! The command against the real stores.

mod commands;
mod control;
mod dead;
mod gc;
mod index;
mod reconcile;
mod status;
