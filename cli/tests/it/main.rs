//! The command against the real stores.

mod commands;
mod status;
