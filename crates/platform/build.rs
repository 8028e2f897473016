//! Compiles again when a migration is added: `sqlx::migrate!` tracks only the files that it saw.

// Cargo reads a build script's instructions from its standard output.
#![allow(clippy::print_stdout)]

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
