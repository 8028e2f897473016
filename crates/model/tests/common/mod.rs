//! What the tests of the real pack need: the pack, ONNX Runtime and the Tux Paint stamps. The
//! local stack has all three; variables name others. What is missing fails, with its name.

#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod golden;

use std::path::{Path, PathBuf};

use tusou_contract::ImageFormat;
use tusou_model::{Device, Limits, Pack, RgbImage, Runtime, TextModel, VisionModel, decode};

fn found(variable: &str, below_stack: &str) -> PathBuf {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.stack");
    let path = std::env::var_os(variable).map_or_else(|| stack.join(below_stack), PathBuf::from);
    assert!(
        path.exists(),
        "{} is not there: run `make up` and `make test`, or set {variable}",
        path.display()
    );
    path
}

/// The folder `stamps` of Debian's tuxpaint-stamps-default.
pub(crate) fn stamps() -> PathBuf {
    found(
        "TUSOU_STAMPS",
        "programs/tuxpaint-stamps-default/usr/share/tuxpaint/stamps",
    )
}

/// The Debian handbook as HTML, with its screenshots.
pub(crate) fn handbook() -> PathBuf {
    found(
        "TUSOU_HANDBOOK",
        "programs/debian-handbook/usr/share/doc/debian-handbook/html",
    )
}

/// ONNX Runtime.
pub(crate) fn runtime() -> Runtime {
    Runtime::load(&found(
        "TUSOU_MODELS_RUNTIME",
        "onnxruntime/libonnxruntime.so",
    ))
    .expect("ONNX Runtime loads")
}

/// The `lite` pack and its two towers.
pub(crate) fn lite() -> (Pack, VisionModel, TextModel) {
    let pack = Pack::open(found("TUSOU_LITE_PACK", "models/lite")).expect("the pack is whole");
    let runtime = runtime();
    let vision =
        VisionModel::load(&runtime, &pack, Device::Cpu, 1).expect("the picture tower loads");
    let text = TextModel::load(&runtime, &pack, Device::Cpu, 1).expect("the text tower loads");
    (pack, vision, text.expect("lite has a text tower"))
}

/// A stamp, over white.
pub(crate) fn read_stamp(path: &Path) -> RgbImage {
    let bytes = std::fs::read(path).expect("the stamp is there");
    let limits = Limits {
        max_pixels: 10_000_000,
        max_memory: 64 << 20,
    };
    decode::decode(&bytes, ImageFormat::Png, &limits, decode::Detail::Whole)
        .expect("a stamp is a PNG")
}

/// The cosine of two unit vectors.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
