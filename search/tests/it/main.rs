//! The search service against the real stores and the real model.

mod access;
mod answers;
mod bad_input;
mod choice;
mod load;
mod modes;
mod openapi;
mod page;
mod raw;
mod readiness;
mod sightings;
mod support;
