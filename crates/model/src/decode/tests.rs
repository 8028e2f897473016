use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, GrayImage, ImageEncoder as _, RgbaImage};
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    max_pixels: 1_000_000,
    max_memory: 16 << 20,
};

fn written(image: &DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, format)
        .expect("a picture is written to memory");
    bytes.into_inner()
}

/// 3 × 2: red, green, blue above white.
fn flag() -> DynamicImage {
    let mut image = RgbImage::from_pixel(3, 2, image::Rgb([255; 3]));
    for (x, colour) in [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
        .into_iter()
        .enumerate()
    {
        image.put_pixel(x as u32, 0, image::Rgb(colour));
    }
    DynamicImage::ImageRgb8(image)
}

/// A JPEG whose EXIF block holds nothing but this orientation (Exif 2.3, tag 0x0112).
fn oriented(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend([0, orientation, 0, 0, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
    encoder
        .set_exif_metadata(exif)
        .expect("the encoder takes EXIF");
    encoder
        .write_image(
            image,
            image.width(),
            image.height(),
            ExtendedColorType::Rgb8,
        )
        .expect("a picture is written to memory");
    bytes
}

#[test]
fn every_lossless_format_gives_its_pixels_back() {
    let formats = [
        (ImageFormat::Png, 0),
        (ImageFormat::Bmp, 0),
        (ImageFormat::Webp, 0),
        (ImageFormat::Gif, 0),
    ];
    for (format, _) in formats {
        let bytes = written(&flag(), codec(format).expect("the library writes it"));
        assert_eq!(ImageFormat::sniff(&bytes), Some(format));
        assert_eq!(
            decode(&bytes, format, &LIMITS, Detail::Whole).expect("it is whole"),
            flag().into_rgb8(),
            "{format}"
        );
    }
}

#[test]
fn transparency_is_laid_over_white() {
    let image = RgbaImage::from_raw(3, 1, vec![255, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 128])
        .expect("three pixels");
    let bytes = written(&DynamicImage::ImageRgba8(image), image::ImageFormat::Png);
    let pixels = decode(&bytes, ImageFormat::Png, &LIMITS, Detail::Whole)
        .expect("it is whole")
        .into_raw();
    assert_eq!(pixels, [255, 0, 0, 255, 255, 255, 127, 127, 127]);
}

#[test]
fn the_picture_is_turned_upright() {
    // Left half black, right half white, twice as wide as high.
    let image = RgbImage::from_fn(32, 16, |x, _| image::Rgb([if x < 16 { 0 } else { 255 }; 3]));
    let dark = |image: &RgbImage, x, y| image.get_pixel(x, y).0[0] < 64;
    let as_is = decode(
        &oriented(&image, 1),
        ImageFormat::Jpeg,
        &LIMITS,
        Detail::Whole,
    )
    .expect("it is whole");
    assert!(as_is.dimensions() == (32, 16) && dark(&as_is, 2, 8) && !dark(&as_is, 29, 8));
    // 6: the camera was held so that the top is to be found at the right.
    let bytes = oriented(&image, 6);
    let plan = inspect(&bytes, ImageFormat::Jpeg, &LIMITS, Detail::Whole).expect("it is whole");
    assert_eq!((plan.width, plan.height), (16, 32));
    let turned = decode(&bytes, ImageFormat::Jpeg, &LIMITS, Detail::Whole).expect("it is whole");
    assert!(turned.dimensions() == (16, 32) && dark(&turned, 8, 2) && !dark(&turned, 8, 29));
}

#[test]
fn early_ends_and_broken_bytes_are_told_apart() {
    let whole = written(
        &DynamicImage::ImageLuma8(GrayImage::from_fn(64, 64, |x, y| {
            image::Luma([(x * y) as u8])
        })),
        image::ImageFormat::Png,
    );
    let early = decode(
        &whole[..whole.len() / 2],
        ImageFormat::Png,
        &LIMITS,
        Detail::Whole,
    )
    .expect_err("half is missing");
    assert_eq!(early.reason(), "truncated", "{early:?}");
    let mut broken = whole.clone();
    broken[20] ^= 0xFF;
    let broken =
        decode(&broken, ImageFormat::Png, &LIMITS, Detail::Whole).expect_err("a checksum differs");
    assert_eq!(broken.reason(), "decode_failed", "{broken:?}");
    let html =
        decode(b"<html>", ImageFormat::Jpeg, &LIMITS, Detail::Whole).expect_err("it is no picture");
    assert_eq!(html.reason(), "decode_failed", "{html:?}");
}

/// A PNG that promises 30,000 × 30,000 pixels in a few bytes.
fn promises_too_much() -> Vec<u8> {
    let mut bytes = written(
        &DynamicImage::ImageLuma8(GrayImage::new(1, 1)),
        image::ImageFormat::Png,
    );
    bytes[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The PNG specification's CRC-32 (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    })
}

#[test]
fn what_costs_too_much_is_refused_by_its_header() {
    let bytes = promises_too_much();
    let pixels =
        inspect(&bytes, ImageFormat::Png, &LIMITS, Detail::Whole).expect_err("900 million pixels");
    assert_eq!(pixels.reason(), "too_many_pixels");
    let limits = Limits {
        max_pixels: u64::MAX,
        ..LIMITS
    };
    for error in [
        inspect(&bytes, ImageFormat::Png, &limits, Detail::Whole).err(),
        decode(&bytes, ImageFormat::Png, &limits, Detail::Whole).err(),
    ] {
        assert_eq!(error.expect("900 megabytes").reason(), "too_much_memory");
    }
}

#[test]
fn a_panic_is_an_error() {
    let error =
        guarded::<()>(ImageFormat::Gif, || panic!("odd frame {}", 7)).expect_err("it panicked");
    assert!(error.reason() == "decoder_panicked" && error.to_string().contains("odd frame 7"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_escape(tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let heads: [(&[u8], ImageFormat); 5] = [
            (&[0xFF, 0xD8, 0xFF], ImageFormat::Jpeg),
            (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
            (b"RIFF\x40\0\0\0WEBPVP8 ", ImageFormat::Webp),
            (b"GIF89a", ImageFormat::Gif),
            (b"BM", ImageFormat::Bmp),
        ];
        for (head, format) in heads {
            if let Ok(image) = decode(&[head, &tail].concat(), format, &LIMITS, Detail::Whole) {
                prop_assert!(u64::from(image.width()) * u64::from(image.height()) <= LIMITS.max_pixels);
            }
        }
    }

    #[test]
    fn no_mutation_escapes(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), which in 0usize..5) {
        let image = DynamicImage::ImageRgb8(RgbImage::from_fn(24, 24, |x, y| image::Rgb([(x * 9) as u8, (y * 9) as u8, 80])));
        let format = ImageFormat::ALL[which];
        let mut bytes = written(&image, codec(format).unwrap_or(image::ImageFormat::Jpeg));
        for (index, value) in at {
            let position = index.index(bytes.len());
            bytes[position] = value;
        }
        if let Ok(image) = decode(&bytes, format, &LIMITS, Detail::Whole) {
            prop_assert!(u64::from(image.width()) * u64::from(image.height()) <= LIMITS.max_pixels);
        }
    }
}
