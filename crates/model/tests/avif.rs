//! AVIF of every kind against Pillow, and bred from there against nothing but the limits.
//!
//! `golden/avif/make.py` wrote the files and what Pillow decodes of each. Measured: they differ by 3 of 255
//! at most; on average by 0.5 where values have 8 bits, by 0.7 where they have more, since the reference
//! cuts those off before it reckons. `TUSOU_FUZZ_CASES` says how many mutations are tried.

use std::path::{Path, PathBuf};

use image::RgbImage;
use proptest::prelude::*;
use tusou_contract::{ImageFormat, Verdict as _};
use tusou_model::decode::{Detail, Limits, decode, inspect};

const LIMITS: Limits = Limits {
    max_pixels: 1_000_000,
    max_memory: 64 << 20,
};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/avif");
    let entries = std::fs::read_dir(folder).expect("the golden files are in the repository");
    let files = entries.map(|entry| entry.expect("a readable entry").path());
    let mut files: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|kind| kind == "avif"))
        .collect();
    files.sort();
    files
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).expect("a readable file")
}

#[test]
fn every_kind_is_decoded_as_by_the_reference() {
    let files = files();
    assert!(files.len() > 20);
    let mut wrong = Vec::new();
    for file in files {
        let bytes = read(&file);
        assert_eq!(ImageFormat::sniff(&bytes), Some(ImageFormat::Avif));
        let reference = image::open(file.with_extension("png")).expect("the reference is a PNG");
        let reference: RgbImage = reference.into_rgb8();
        let plan = inspect(&bytes, ImageFormat::Avif, &LIMITS, Detail::Whole).expect("a good file");
        assert_eq!(
            (plan.width, plan.height),
            reference.dimensions(),
            "{file:?}"
        );
        let pixels =
            decode(&bytes, ImageFormat::Avif, &LIMITS, Detail::Whole).expect("a good file");
        assert_eq!(pixels.dimensions(), reference.dimensions(), "{file:?}");
        let pairs = pixels.as_raw().iter().zip(reference.as_raw());
        let apart: Vec<u64> = pairs
            .map(|(ours, theirs)| ours.abs_diff(*theirs).into())
            .collect();
        let most = apart.iter().copied().max().unwrap_or(0);
        let mean = apart.iter().sum::<u64>() as f64 / apart.len() as f64;
        if most > 3 || mean > 0.75 {
            wrong.push(format!(
                "{}: {most} at most, {mean:.2} on average",
                file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_costs_too_much_is_refused_by_its_headers() {
    let file = files().into_iter().find(|file| file.ends_with("420.avif"));
    let bytes = read(&file.expect("it is among them"));
    let refused = |limits: Limits| {
        let both = [
            inspect(&bytes, ImageFormat::Avif, &limits, Detail::Whole).err(),
            decode(&bytes, ImageFormat::Avif, &limits, Detail::Whole).err(),
        ];
        both.map(|error| error.map(|error| error.reason()))
    };
    let pixels = Limits {
        max_pixels: 61 * 47 - 1,
        ..LIMITS
    };
    assert_eq!(refused(pixels), [Some("too_many_pixels"); 2]);
    let plan = inspect(&bytes, ImageFormat::Avif, &LIMITS, Detail::Whole).expect("a good file");
    let memory = Limits {
        max_memory: plan.memory - 1,
        ..LIMITS
    };
    assert_eq!(refused(memory), [Some("too_much_memory"); 2]);
    let exact = Limits {
        max_memory: plan.memory,
        ..LIMITS
    };
    assert_eq!(refused(exact), [None; 2]);
}

#[test]
fn early_ends_are_told_from_broken_bytes() {
    for file in files() {
        let bytes = read(&file);
        // Of an animation the end belongs to later frames.
        let last = bytes.len() - 1;
        let ends = [
            40,
            if file.ends_with("animated.avif") {
                60
            } else {
                last
            },
        ];
        for end in ends.into_iter().chain([last / 2]) {
            let early =
                decode(&bytes[..end], ImageFormat::Avif, &LIMITS, Detail::Whole).map(|_| ());
            let early = early.expect_err("the end is missing");
            assert_eq!(early.reason(), "truncated", "{file:?} {end}: {early:?}");
        }
    }
}

fn cases() -> u32 {
    let told = std::env::var("TUSOU_FUZZ_CASES").ok();
    told.map_or(1_000, |cases| {
        cases.parse().expect("TUSOU_FUZZ_CASES is a number")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// An abort, as of a panic that must not unwind, would end the test itself.
    #[test]
    fn any_avif_is_decoded_or_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        late in any::<bool>(),
    ) {
        let files = files();
        let mut bytes = read(&files[which.index(files.len())]);
        // Half of them in the AV1 bytes, which the boxes do not guard.
        let from = if late { bytes.len() / 2 } else { 0 };
        for (at, value) in changes {
            let at = from + at.index(bytes.len() - from);
            bytes[at] = value;
        }
        if let Ok(plan) = inspect(&bytes, ImageFormat::Avif, &LIMITS, Detail::Whole) {
            prop_assert!(plan.memory <= LIMITS.max_memory);
            if let Ok(pixels) = decode(&bytes, ImageFormat::Avif, &LIMITS, Detail::Whole) {
                prop_assert_eq!((plan.width, plan.height), pixels.dimensions());
            }
        }
    }
}
