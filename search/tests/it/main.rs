//! The search service against the real stores and the real model.

mod answers;
mod bad_input;
mod load;
mod page;
mod readiness;
mod support;
