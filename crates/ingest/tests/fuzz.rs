//! Whatever bytes are called a picture: no panic, bounded results, the same answer for the same bytes.
//!
//! `TUSOU_FUZZ_CASES` says how many cases run, `TUSOU_CORPORA` where the hostile files are.

use std::path::Path;

use bytes::Bytes;
use tusou_contract::{ImageFormat, ImageId};
use tusou_ingest::wanted::Beginning;
use tusou_ingest::{Reject, VerifiedImage, Wanted, verify};
use tusou_testkit::{Fuzz, pictures};

const MAX_PIXELS: u64 = 1 << 20;

/// Larger files say nothing more in their headers.
const MAX_SEED: u64 = 64 * 1024;

/// The longest text of a picture's rights, in characters.
const MAX_TEXT: usize = 2_048;

/// Hostile pictures, by their folders.
fn corpora() -> Vec<Vec<u8>> {
    let root = std::env::var("TUSOU_CORPORA")
        .expect("TUSOU_CORPORA names the folder of hostile files: see `make corpora`");
    let mut found = Vec::new();
    for folder in [
        "image-bad",
        "jpeg-crash",
        "pillow-hostile",
        "pngsuite",
        "webp",
    ] {
        let folder = Path::new(&root).join(folder);
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|cause| panic!("{} cannot be read: {cause}", folder.display()));
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("a readable entry"))
            .filter(|entry| {
                entry
                    .metadata()
                    .is_ok_and(|data| data.is_file() && data.len() <= MAX_SEED)
            })
            .map(|entry| entry.path())
            .collect();
        // A case is the same input wherever the files lie.
        files.sort();
        found.extend(
            files
                .iter()
                .map(|file| std::fs::read(file).expect("a readable file")),
        );
    }
    assert!(
        found.len() > 200,
        "{root} holds only {} small files",
        found.len()
    );
    found
}

#[test]
fn any_picture_is_verified() {
    let mut seeds = corpora();
    let formats = [
        pictures::ImageFormat::Jpeg,
        pictures::ImageFormat::Png,
        pictures::ImageFormat::WebP,
        pictures::ImageFormat::Gif,
        pictures::ImageFormat::Bmp,
    ];
    for name in ["alpha", "turned-6", "grid", "animated"] {
        let file = format!("../model/tests/golden/avif/{name}.avif");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        seeds.push(std::fs::read(file).expect("a readable file"));
    }
    // Beside hundreds of broken ones, the good ones shall have their share.
    for number in 0..20 {
        let pixels = pictures::pixels(number, 24, 16);
        seeds.extend(formats.map(|format| pictures::compressed(&pixels, format)));
    }
    let fuzz = Fuzz {
        name: "picture",
        seeds,
        words: &[
            b"\xff\xd8\xff\xe1",
            b"\xff\xed",
            b"\xff\xc0",
            b"\xff\xda",
            b"Exif\0\0II*\0",
            b"Exif\0\0MM\0*",
            b"http://ns.adobe.com/xap/1.0/\0",
            b"Photoshop 3.0\x008BIM\x04\x04",
            b"<x:xmpmeta><rdf:RDF><rdf:Description dc:rights='r'>",
            b"\x89PNG\r\n\x1a\n",
            b"IHDR",
            b"iTXtXML:com.adobe.xmp\0\0\0\0\0",
            b"eXIf",
            b"IDAT",
            b"RIFF",
            b"WEBPVP8X",
            b"EXIF",
            b"XMP ",
            b"GIF89a",
            b"BM",
            b"\0\0\0\0",
            b"\xff\xff\xff\xff",
            b"\x7f\xff\xff\xff",
            b"\0\0\0\x01",
            b"\0\0\0\x1cftypavif",
            b"meta",
            b"iloc",
            b"ispe",
            b"irot",
            b"GIF89a\0\0\0\0\x80",
            b"ANMF",
            b"acTL",
            b"fcTL",
        ],
    };
    fuzz.run(|input| {
        let bytes = Bytes::copy_from_slice(input);
        let first = verify(bytes.clone(), MAX_PIXELS);
        assert_eq!(first, verify(bytes, MAX_PIXELS));
        the_beginning_is_no_other_picture(input, &first);
        match first {
            Ok(image) => {
                let pixels = u64::from(image.width) * u64::from(image.height);
                assert!((1..=MAX_PIXELS).contains(&pixels));
                assert_eq!(image.id, ImageId::of(input));
                assert_eq!(Some(image.format), ImageFormat::sniff(input));
                let acquire = image.rights.acquire;
                let rights = image.rights.rights;
                let texts = [
                    rights.license,
                    rights.creator,
                    rights.credit,
                    rights.copyright,
                    acquire,
                ];
                for text in texts.into_iter().flatten() {
                    assert!(
                        !text.is_empty() && text.chars().count() <= MAX_TEXT,
                        "{text:?}"
                    );
                    // Postgres takes no zero in a text.
                    assert!(!text.contains('\0'), "{text:?}");
                }
            }
            Err(Reject::Empty) => assert!(input.is_empty()),
            Err(Reject::NotAPicture) => assert_eq!(ImageFormat::sniff(input), None),
            Err(Reject::Pixels {
                width,
                height,
                limit,
            }) => {
                let pixels = u64::from(width) * u64::from(height);
                assert!(pixels == 0 || pixels > limit);
            }
            Err(Reject::BadHeader { .. }) => {}
        }
    });
}

/// No picture is turned away for its beginning that is wanted when it has come.
fn the_beginning_is_no_other_picture(input: &[u8], whole: &Result<VerifiedImage, Reject>) {
    let wanted = Wanted {
        max_pixels: MAX_PIXELS,
        ..Wanted::default()
    };
    for end in (0..input.len()).step_by(97).chain([input.len()]) {
        match wanted.beginning(&input[..end], None) {
            Beginning::More | Beginning::Count => {}
            Beginning::Take => return,
            Beginning::Leave(unwanted) => {
                assert!(whole.is_err(), "{unwanted:?} after {end} bytes");
                return;
            }
        }
    }
}
