//! The page as people meet it: in a real browser, on a phone and at a desk, in both languages and both themes.

mod errors;
mod everywhere;
mod find;
mod gallery;
mod keys;
mod picture;
mod scroll;
mod show;
#[expect(dead_code, reason = "what only the other program's tests use")]
#[path = "../it/support.rs"]
mod support;
mod without_script;
