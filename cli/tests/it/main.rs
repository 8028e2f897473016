//! The command against the real stores.

mod commands;
mod control;
mod dead;
mod forget;
mod gc;
mod index;
mod ran;
mod reconcile;
mod status;
