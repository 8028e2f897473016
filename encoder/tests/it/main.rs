//! The encoder as a process, with the real broker, blobs and models.

mod corpora;
mod encode;
mod mutations;
mod several;
mod start;
mod support;
