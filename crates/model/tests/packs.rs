//! Packs of every kind against their reference implementations: `golden/packs/README.md` says which.

mod common;

use std::path::{Path, PathBuf};

use common::golden;
use sha2::{Digest as _, Sha256};
use tusou_model::{Device, ModelError, Pack, TextModel};

/// 1 - cosine, where the pixels are the reference's own: above what is right (1e-7 at worst), and far below
/// what a wrong crop, filter or cleaning costs (6e-4).
const TOLERANCE: f64 = 2e-6;
/// Half precision on another processor than the reference's.
const TOLERANCE_F16: f64 = 2e-5;
/// Where pixels differ by a step of 255 here and there, and may.
const TOLERANCE_OF_PIXELS: f64 = 2e-4;

/// Whether a picture's pixels may differ from the reference's by a step.
///
/// Of 16 bits we take the higher 8, as Pillow's `I;16` to `L` does, and the reference rounds. Profiles are applied
/// by another library than the reference's LittleCMS. Pillow 13 resizes some portraits down first and then
/// across where both sides change on their own; we go across first, as all versions before it.
fn may_differ(file: &str, squashed: bool) -> bool {
    match file.rsplit('/').next().expect("a name") {
        "grey-16.png" | "wide-gamut.png" => true,
        "mirrored.jpg" | "turned.jpg" | "tall.png" => squashed,
        _ => false,
    }
}

fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/packs")
}

fn check(name: &str, tolerance: f64) {
    check_each(name, tolerance, tolerance, TOLERANCE_OF_PIXELS);
}

#[expect(clippy::print_stdout, reason = "the figures of docs/parity.md")]
fn check_each(name: &str, of_texts: f64, of_pictures: f64, of_pixels: f64) {
    let folder = packs().join(name);
    let compared = golden::compare(&folder);
    let (texts, pictures) = (compared.texts(), compared.pictures(true));
    let other_pixels = compared.pictures(false);
    println!(
        "{name}: 1 - cosine at most {texts:.1e} for texts, {pictures:.1e} for pictures, {other_pixels:.1e} where pixels \
         differ, {:.1e} between a batch and alone",
        compared.mates
    );
    let squashed = std::fs::read_to_string(folder.join("visual/preprocess_cfg.json"))
        .is_ok_and(|text| text.contains("squash"));
    let differ = |one: &&golden::Compared| !one.same_pixels && !may_differ(&one.file, squashed);
    let other: Vec<&str> = compared
        .pictures
        .iter()
        .filter(differ)
        .map(|one| one.file.as_str())
        .collect();
    assert!(
        other.is_empty(),
        "{name}: other pixels than the reference's in {other:?}"
    );
    assert!(texts < of_texts, "{name}: {:?}", compared.texts);
    assert!(pictures < of_pictures, "{name}: pictures {pictures:.1e}");
    assert!(
        other_pixels < of_pixels,
        "{name}: pictures with other pixels {other_pixels:.1e}"
    );
    // Products that are quantised as they run share one scale in a batch.
    let of_mates = if name == "int8" { 5e-3 } else { 1e-6 };
    assert!(
        compared.mates < of_mates,
        "{name}: {:.1e} between a batch and alone",
        compared.mates
    );
}

#[test]
fn open_clip_s_layout() {
    check("open-clip", TOLERANCE);
}

#[test]
fn open_clip_s_layout_with_bytes_for_pixels() {
    check("open-clip-u8", TOLERANCE);
}

#[test]
fn siglip_squashes_and_canonicalizes() {
    check("siglip", TOLERANCE);
}

#[test]
fn m_clip_has_a_mask() {
    check("m-clip", TOLERANCE);
}

#[test]
fn sentence_transformers_pool_and_project() {
    check("sentence", TOLERANCE);
}

#[test]
fn a_pack_without_words_takes_bytes() {
    check("vision-u8", TOLERANCE);
}

#[test]
fn a_score_is_one_number() {
    // A score is steeper than a cosine: random weights make of a step of 255 what they will.
    check_each("nsfw-like", TOLERANCE, TOLERANCE, 5e-3);
}

#[test]
fn products_of_int8() {
    // The reference fills texts up with 0 and the hub's tokenizer with `<|endoftext|>`: what is not looked at, but
    // counts in the scale that products find as they run.
    check_each("int8", 5e-3, TOLERANCE, TOLERANCE_OF_PIXELS);
}

#[test]
fn half_precision() {
    check("f16", TOLERANCE_F16);
}

/// ONNX Runtime 1.32 ended the process while it loaded this file.
#[test]
fn a_file_that_broke_an_optimizer_loads() {
    let folder = tempfile::tempdir().expect("a temporary folder is made");
    let pack = golden::open(&packs().join("f16"), folder.path());
    let mut manifest = serde_json::to_value(pack.manifest()).expect("a manifest is plain");
    let file = packs().join("regressions/f16-text-any-batch.onnx");
    let bytes = std::fs::read(file).expect("the file is there");
    std::fs::write(folder.path().join("textual/model.onnx"), &bytes).expect("it is written");
    manifest["files"]["textual/model.onnx"] = hex::encode(Sha256::digest(&bytes)).into();
    std::fs::write(folder.path().join("pack.json"), manifest.to_string()).expect("it is written");
    let pack = Pack::open(folder.path()).expect("the pack is whole");
    let loaded = TextModel::load(&common::runtime(), &pack, Device::Cpu, 1);
    // Whatever it makes of a text, it says so.
    match loaded {
        Ok(model) => assert!(model.is_some()),
        Err(error) => assert!(!matches!(error, ModelError::Load { .. }), "{error}"),
    }
}
