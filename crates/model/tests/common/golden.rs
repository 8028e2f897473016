//! A pack beside what its reference implementation gave for texts and pictures.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tusou_contract::ImageFormat;
use tusou_model::pack::describe::{About, describe};
use tusou_model::{Device, Limits, Pack, RgbImage, TextModel, VisionModel, decode};

/// `golden.json`
#[derive(Deserialize)]
struct Golden {
    #[serde(default)]
    texts: Vec<GoldenText>,
    pictures: Vec<GoldenPicture>,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct GoldenPicture {
    /// Its path below the pack's folder.
    file: String,
    #[serde(default)]
    embedding: Vec<f32>,
    score: Option<f32>,
    crop: GoldenCrop,
}

#[derive(Deserialize)]
struct GoldenCrop {
    sha256: String,
}

/// How far a pack is from its reference. Distances are 1 - cosine, or of a score the difference.
pub(crate) struct Comparison {
    /// Each text and its distance.
    pub(crate) texts: Vec<(String, f64)>,
    pub(crate) pictures: Vec<Compared>,
    /// The largest distance of an embedding in a batch from the one of the same item alone.
    pub(crate) mates: f64,
}

/// A picture beside its reference.
pub(crate) struct Compared {
    pub(crate) file: String,
    /// Whether the pixels at the model's size are the very ones.
    pub(crate) same_pixels: bool,
    pub(crate) distance: f64,
}

/// The pack of a folder as it comes from the hub, with the manifest that is found out.
pub(crate) fn open(from: &Path, into: &Path) -> Pack {
    copy(from, into);
    if !into.join("pack.json").exists() {
        let about = About {
            name: "golden".to_owned(),
            licence: "CC0-1.0".to_owned(),
            source: None,
            field: None,
            dimension: None,
        };
        let manifest = describe(into, &about).expect("the layout is one of the hub's");
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain");
        std::fs::write(into.join("pack.json"), text).expect("a temporary file is written");
    }
    Pack::open(into).expect("the pack is whole")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a temporary folder is made");
    for entry in std::fs::read_dir(from).expect("the pack is there") {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a temporary file is written");
        }
    }
}

fn picture(path: &Path) -> RgbImage {
    let bytes = std::fs::read(path).expect("the picture is there");
    let format = ImageFormat::sniff(&bytes).expect("it is a picture");
    let limits = Limits {
        max_pixels: 1 << 22,
        max_memory: 64 << 20,
    };
    decode::decode(&bytes, format, &limits, decode::Detail::Whole)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every text and picture of a pack's `golden.json`.
pub(crate) fn compare(from: &Path) -> Comparison {
    let folder = tempfile::tempdir().expect("a temporary folder is made");
    let pack = open(from, folder.path());
    let golden = std::fs::read(from.join("golden.json")).expect("it is there");
    let golden: Golden = serde_json::from_slice(&golden).expect("it is golden");
    let runtime = super::runtime();
    let mut vision = VisionModel::load(&runtime, &pack, Device::Cpu, 1).expect("it loads");
    let (mut mates, mut pictures, mut texts) = (0.0_f64, Vec::new(), Vec::new());

    let images: Vec<RgbImage> = golden
        .pictures
        .iter()
        .map(|one| picture(&from.join(&one.file)))
        .collect();
    let together = vision.embed(&images).expect("a batch is encoded");
    for ((one, image), row) in golden.pictures.iter().zip(&images).zip(&together) {
        let crop = pack.preprocess().crop(image);
        let alone = vision.embed(std::slice::from_ref(image));
        let alone = alone.expect("a picture is encoded").swap_remove(0);
        mates = mates.max(distance(&alone, row));
        pictures.push(Compared {
            file: one.file.clone(),
            same_pixels: hex::encode(Sha256::digest(crop.as_raw())) == one.crop.sha256,
            distance: match one.score {
                Some(score) => f64::from((alone[0] - score).abs()),
                None => distance(&alone, &one.embedding),
            },
        });
    }

    let text = TextModel::load(&runtime, &pack, Device::Cpu, 1).expect("it loads");
    assert_eq!(
        text.is_some(),
        !golden.texts.is_empty(),
        "the pack has words, or none"
    );
    if let Some(mut text) = text {
        let all: Vec<String> = golden.texts.iter().map(|one| one.text.clone()).collect();
        let together = text.embed(&all).expect("texts are encoded");
        for (one, row) in golden.texts.iter().zip(&together) {
            let alone = text.embed(std::slice::from_ref(&one.text));
            let alone = alone.expect("a text is encoded").swap_remove(0);
            mates = mates.max(distance(&alone, row));
            texts.push((one.text.clone(), distance(&alone, &one.embedding)));
        }
    }
    Comparison {
        texts,
        pictures,
        mates,
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    match (a, b) {
        // A score.
        ([a], [b]) => f64::from((a - b).abs()),
        _ => 1.0 - super::cosine(a, b),
    }
}

impl Comparison {
    /// The largest distance of a text.
    pub(crate) fn texts(&self) -> f64 {
        self.texts
            .iter()
            .fold(0.0, |worst, (_, one)| worst.max(*one))
    }

    /// The largest distance of a picture whose pixels are the very ones, or are not.
    pub(crate) fn pictures(&self, same_pixels: bool) -> f64 {
        let of_kind = self
            .pictures
            .iter()
            .filter(|one| one.same_pixels == same_pixels);
        of_kind.fold(0.0, |worst, one| worst.max(one.distance))
    }
}
