//! What decoding JPEGs at a reduced size costs in an embedding: the screenshots of the Debian handbook, which
//! have more small detail than photographs have, as JPEGs.

mod common;

use std::path::{Path, PathBuf};

use tusou_contract::ImageFormat;
use tusou_model::decode::{Detail, decode};
use tusou_model::{Limits, RgbImage, thumbnail};

/// Pictures that are looked at.
const MOST: usize = 60;
const LIMITS: Limits = Limits {
    max_pixels: 10_000_000,
    max_memory: 64 << 20,
};

#[test]
fn a_reduced_decode_hardly_moves_an_embedding() {
    let (pack, mut vision, _) = common::lite();
    let needed = pack.preprocess().needed();
    let mut files = Vec::new();
    collect(&common::handbook(), &mut files);
    files.sort();
    let mut cosines = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).expect("the handbook can be read");
        let picture = decode(&bytes, ImageFormat::Png, &LIMITS, Detail::Whole);
        let picture = picture.expect("the handbook's pictures are whole");
        // A half of it covers what is needed: it is decoded so.
        if picture.width().min(picture.height()) < 2 * needed.short {
            continue;
        }
        let jpeg = thumbnail::jpeg(&picture);
        let [whole, reduced] = [Detail::Whole, needed.into()].map(|detail| -> RgbImage {
            decode(&jpeg, ImageFormat::Jpeg, &LIMITS, detail).expect("it was just written")
        });
        assert!(reduced.width() < whole.width(), "{}", file.display());
        let rows = vision
            .embed(&[whole, reduced])
            .expect("pictures are encoded");
        cosines.push(common::cosine(&rows[0], &rows[1]));
        if cosines.len() == MOST {
            break;
        }
    }
    cosines.sort_by(f64::total_cmp);
    let median = cosines[cosines.len() / 2];
    println!(
        "{} pictures: cosine {:.5} at worst, {median:.5} in the middle",
        cosines.len(),
        cosines[0]
    );
    assert!(cosines.len() >= 10, "the handbook has large pictures");
    assert!(median >= 0.999, "{median}: {cosines:?}");
    // `lite` is touchy: a step of 255 here and there moves it as far (docs/parity.md).
    assert!(cosines[0] >= 0.95, "{cosines:?}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the handbook is there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "png") {
            files.push(path);
        }
    }
}
