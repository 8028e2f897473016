//! Pictures of every kind against Pillow, and bred from there against nothing but the limits.
//!
//! `golden/decode/make.py` wrote the files and what Pillow makes of each. `TUSOU_FUZZ_CASES` says how many
//! mutations are tried.

use std::path::{Path, PathBuf};

use image::RgbImage;
use proptest::prelude::*;
use tusou_contract::{ImageFormat, Verdict as _};
use tusou_model::decode::{Detail, Limits, decode, inspect};

const LIMITS: Limits = Limits {
    max_pixels: 1_000_000,
    max_memory: 64 << 20,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode")
}

/// The names of the files, each of which has its reference beside it.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the golden files are in the repository");
    let names = entries.map(|entry| entry.expect("a readable entry").file_name());
    let mut names: Vec<String> = names
        .filter_map(|name| name.to_str()?.strip_suffix(".png").map(str::to_owned))
        .filter(|name| name.contains('.'))
        .collect();
    names.sort();
    names
}

fn read(name: &str) -> (Vec<u8>, ImageFormat) {
    let bytes = std::fs::read(folder().join(name)).expect("a readable file");
    let format = ImageFormat::sniff(&bytes).expect("a format that is known");
    (bytes, format)
}

/// The most by which a value may differ, of 255, as measured. All else is bit for bit the same.
fn tolerance(name: &str) -> u8 {
    match name {
        // Other libraries than Pillow's round and interpolate between colour spaces.
        "icc-cmyk.jpg" => 6,
        _ if name.starts_with("icc-") => 2,
        // Five or six bits to eight.
        "bmp-555.bmp" | "bmp-565.bmp" => 1,
        _ => 0,
    }
}

#[test]
fn every_kind_is_decoded_as_by_the_reference() {
    let names = names();
    assert!(names.len() > 80);
    let mut wrong = Vec::new();
    for name in &names {
        let (bytes, format) = read(name);
        let reference = image::open(folder().join(format!("{name}.png")));
        let reference: RgbImage = reference.expect("the reference is a PNG").into_rgb8();
        let plan = inspect(&bytes, format, &LIMITS, Detail::Whole).expect("a good file");
        assert_eq!((plan.width, plan.height), reference.dimensions(), "{name}");
        let pixels = decode(&bytes, format, &LIMITS, Detail::Whole)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(pixels.dimensions(), reference.dimensions(), "{name}");
        let pairs = pixels.as_raw().iter().zip(reference.as_raw());
        let most = pairs.map(|(ours, theirs)| ours.abs_diff(*theirs)).max();
        let most = most.expect("there are pixels");
        if most > 0 {
            println!("{name}: {most}");
        }
        if most > tolerance(name) {
            wrong.push(format!("{name}: {most}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A half, a quarter and an eighth of a photograph's size, and what each must cover.
#[test]
fn a_jpeg_is_reduced_as_far_as_it_covers_what_is_wanted() {
    let bytes = photograph(640, 480);
    let at = |short, long| {
        let detail = Detail::Cover { short, long };
        let pixels = decode(&bytes, ImageFormat::Jpeg, &LIMITS, detail).expect("a good file");
        let plan = inspect(&bytes, ImageFormat::Jpeg, &LIMITS, detail).expect("a good file");
        assert_eq!((plan.width, plan.height), (640, 480));
        (pixels.dimensions(), plan.memory)
    };
    let cases = [
        ((241, 0), (640, 480)),
        ((240, 320), (320, 240)),
        ((240, 321), (640, 480)),
        ((120, 160), (160, 120)),
        ((60, 1), (80, 60)),
        ((0, 0), (80, 60)),
        ((5_000, 5_000), (640, 480)),
    ];
    for ((short, long), size) in cases {
        assert_eq!(at(short, long).0, size, "{short} and {long}");
    }
    assert!(at(0, 0).1 * 5 < at(5_000, 0).1, "less memory is taken");
}

/// Reduced, it is the same picture: as near to the whole one, averaged, as eight-bit steps and a smooth
/// picture allow.
#[test]
fn a_reduced_jpeg_is_the_same_picture() {
    let detail = Detail::Cover {
        short: 15,
        long: 22,
    };
    let reduced = |name: &str| {
        let (bytes, format) = read(name);
        decode(&bytes, format, &LIMITS, detail).expect("a good file")
    };
    let upright = image::imageops::rotate90(&reduced("turned-1.jpg"));
    assert_eq!(reduced("turned-6.jpg"), upright);
    for name in ["420.jpg", "444.jpg", "progressive.jpg", "cmyk.jpg"] {
        let (bytes, format) = read(name);
        let whole = decode(&bytes, format, &LIMITS, Detail::Whole).expect("a good file");
        let half = reduced(name);
        let (width, height) = half.dimensions();
        assert_eq!(
            (width, height),
            (whole.width().div_ceil(2), whole.height().div_ceil(2)),
            "{name}"
        );
        let mut apart = 0;
        for (x, y, pixel) in half.enumerate_pixels() {
            let (x, y) = (
                (x * 2).min(whole.width() - 2),
                (y * 2).min(whole.height() - 2),
            );
            for channel in 0..3 {
                let four = [(0, 0), (0, 1), (1, 0), (1, 1)];
                let sum: u32 = four
                    .iter()
                    .map(|(across, down)| {
                        u32::from(whole.get_pixel(x + across, y + down).0[channel])
                    })
                    .sum();
                apart += (sum / 4).abs_diff(pixel.0[channel].into());
            }
        }
        let mean = f64::from(apart) / f64::from(width * height * 3);
        println!("{name}: {mean:.2} on average");
        assert!(mean < 4.0, "{name}: {mean}");
    }
}

fn refusal(bytes: &[u8], format: ImageFormat, limits: &Limits) -> Option<&'static str> {
    let refused = decode(bytes, format, limits, Detail::Whole).err();
    refused.map(|error| error.reason())
}

#[test]
fn what_costs_too_much_is_refused_by_its_header() {
    for name in ["420.jpg", "progressive.jpg", "cmyk.jpg", "turned-6.jpg"] {
        let (bytes, format) = read(name);
        let plan = inspect(&bytes, format, &LIMITS, Detail::Whole).expect("a good file");
        let pixels = Limits {
            max_pixels: 45 * 31 - 1,
            ..LIMITS
        };
        let memory = Limits {
            max_memory: plan.memory - 1,
            ..LIMITS
        };
        let exact = Limits {
            max_memory: plan.memory,
            ..LIMITS
        };
        for (limits, reason) in [
            (pixels, Some("too_many_pixels")),
            (memory, Some("too_much_memory")),
            (exact, None),
        ] {
            let inspected = inspect(&bytes, format, &limits, Detail::Whole).err();
            assert_eq!(inspected.map(|error| error.reason()), reason, "{name}");
            assert_eq!(refusal(&bytes, format, &limits), reason, "{name}");
        }
    }
    let memory = |name: &str| {
        let (bytes, format) = read(name);
        let plan = inspect(&bytes, format, &LIMITS, Detail::Whole).expect("a good file");
        plan.memory
    };
    // Two bytes for each value and chroma at a quarter, in whole blocks of 16 by 16.
    let coefficients = 48 * 32 * 3;
    assert!(memory("progressive.jpg") + 200 > memory("420.jpg") + coefficients);

    // One colour after the other: all coefficients are kept until the last has come.
    let (bytes, format) = read("420.jpg");
    let scan = bytes
        .windows(4)
        .position(|four| four == [0xFF, 0xDA, 0, 12]);
    let (before, after) = bytes.split_at(scan.expect("all three in one scan"));
    let first = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0];
    let one_by_one = [before, &first, &after[14..]].concat();
    let plan = inspect(&one_by_one, format, &LIMITS, Detail::Whole).expect("a good header");
    assert!(plan.memory + 10 > memory("420.jpg") + coefficients);
}

/// Where the frame's marker of a JPEG stands.
fn frame(bytes: &[u8]) -> usize {
    let at = bytes
        .windows(4)
        .position(|four| four == [0xFF, 0xC0, 0, 17]);
    at.expect("three components in one segment")
}

#[test]
fn what_of_jpeg_is_not_decoded_is_said() {
    let (bytes, format) = read("420.jpg");
    let at = frame(&bytes);
    let changed = |place: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[place] = value;
        decode(&bytes, format, &LIMITS, Detail::Whole).expect_err("it is not decoded")
    };
    for (place, value, cause) in [
        (at + 1, 0xC3, "lossless"),
        (at + 1, 0xC9, "arithmetic"),
        (at + 1, 0xCA, "arithmetic"),
        (at + 1, 0xC5, "hierarchical"),
        (at + 4, 12, "12 bits"),
    ] {
        let error = changed(place, value);
        assert_eq!(error.reason(), "unsupported");
        let source = std::error::Error::source(&error).expect("it has a cause");
        assert!(source.to_string().contains(cause), "{source}");
    }
}

/// A scan that says nothing new, again and again: each asks for a pass over all of the picture.
#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let (bytes, format) = read("progressive.jpg");
    let last = bytes
        .windows(2)
        .rposition(|two| two == [0xFF, 0xDA])
        .expect("it has scans");
    let (before, scan) = bytes[..bytes.len() - 2].split_at(last);
    let many = |count: usize| [before, &scan.repeat(count), &[0xFF, 0xD9]].concat();
    assert_eq!(refusal(&many(1), format, &LIMITS), None);
    assert_eq!(refusal(&many(60), format, &LIMITS), None);
    assert_eq!(refusal(&many(200), format, &LIMITS), Some("unsupported"));
}

/// As Pillow has it: what ends before its end marker is truncated.
#[test]
fn early_ends_of_jpegs_are_told_from_broken_bytes() {
    for name in ["420.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg"] {
        let (bytes, format) = read(name);
        for end in [3, 30, bytes.len() / 2, bytes.len() - 2, bytes.len() - 1] {
            let reason = refusal(&bytes[..end], format, &LIMITS);
            assert_eq!(reason, Some("truncated"), "{name} {end}");
        }
        let mut broken = bytes.clone();
        broken[..2].copy_from_slice(b"<h");
        assert_eq!(refusal(&broken, format, &LIMITS), Some("decode_failed"));
    }
}

/// Smooth, and large enough to be reduced to an eighth.
fn photograph(width: u32, height: u32) -> Vec<u8> {
    let pixels = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x / 3) as u8, (y / 2) as u8, ((x + y) / 5) as u8])
    });
    tusou_model::thumbnail::jpeg(&pixels)
}

fn cases() -> u32 {
    let told = std::env::var("TUSOU_FUZZ_CASES").ok();
    told.map_or(3_000, |cases| {
        cases.parse().expect("TUSOU_FUZZ_CASES is a number")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// An abort, as of C code that writes where it must not, would end the test itself.
    #[test]
    fn any_picture_is_decoded_or_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        cover in prop::option::of(1_u32..40),
    ) {
        let names = names();
        let (mut bytes, format) = read(&names[which.index(names.len())]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let detail = cover.map_or(Detail::Whole, |short| Detail::Cover { short, long: short });
        if let Ok(plan) = inspect(&bytes, format, &LIMITS, detail) {
            prop_assert!(plan.memory <= LIMITS.max_memory);
            if let Ok(pixels) = decode(&bytes, format, &LIMITS, detail) {
                let whole = [plan.width, plan.height];
                let made = [pixels.width(), pixels.height()];
                match cover {
                    None => prop_assert_eq!(whole, made),
                    Some(cover) => for (whole, made) in whole.iter().zip(made) {
                        prop_assert!(made >= cover.min(*whole) && made <= *whole);
                    }
                }
            }
        } else {
            prop_assert!(decode(&bytes, format, &LIMITS, detail).is_err());
        }
    }
}
