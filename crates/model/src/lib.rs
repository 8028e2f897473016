//! Model packs: bytes to pixels to tensors, words to tokens, and both to unit vectors in one space.
//!
//! The encoder and the search service run the same code, so a query is prepared exactly as the
//! pictures were. Nothing here does network I/O.
//!
//! Parity with the reference implementation (Pillow, numpy and ONNX Runtime in Python) on the
//! `lite` pack: eight texts and eight pictures agree to a cosine of 1 - 2.4e-9, which is the
//! precision of the recorded values (`tests/golden.rs`). Resizing gives the bytes that Pillow gives.

mod batcher;
mod chunks;
mod clean;
pub mod colors;
pub mod decode;
mod dense;
mod error;
mod input;
pub mod overlap;
pub mod pack;
pub mod phash;
pub mod preprocess;
mod resample;
mod rows;
mod runtime;
mod text;
pub mod thumbnail;
mod vision;

pub use batcher::{Batch, Batcher, Model, Ran, Row, Stalled, Stopped, Window};
pub use decode::{DecodeError, Detail, Limits};
pub use error::ModelError;
pub use image::RgbImage;
pub use input::{Crop, PictureBatch, PictureInput};
pub use pack::Pack;
pub use preprocess::{Needed, Preprocess};
pub use runtime::{Provider, Runtime};
pub use text::{TextBatch, TextModel};
pub use tusou_contract::Device;
pub use vision::VisionModel;
