use std::io::Cursor;

use super::*;
use crate::verify::{library_format, verify};

fn picture(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let library = library_format(format).expect("a format that the library writes");
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(width, height)
        .write_to(&mut bytes, library)
        .expect("it compresses");
    bytes.into_inner()
}

fn whole(wanted: &Wanted, bytes: Vec<u8>) -> Result<(), &'static str> {
    let image = verify(bytes.into(), u64::MAX).expect("a good picture");
    wanted.whole(&image).map_err(Unwanted::reason)
}

fn beginning(wanted: &Wanted, bytes: &[u8]) -> Result<Beginning, &'static str> {
    match wanted.beginning(bytes, None) {
        Beginning::Leave(unwanted) => Err(unwanted.reason()),
        other => Ok(other),
    }
}

#[test]
fn everything_that_is_decoded_is_wanted_by_default() {
    for format in ImageFormat::ALL {
        if library_format(format).is_some() {
            let bytes = picture(format, 300, 2);
            assert_eq!(
                beginning(&Wanted::default(), &bytes),
                Ok(Beginning::Take),
                "{format}"
            );
            assert_eq!(whole(&Wanted::default(), bytes), Ok(()), "{format}");
        }
    }
}

#[test]
fn each_rule_turns_away_by_the_beginning_and_by_the_whole() {
    let all = Wanted::default;
    type Case = (Wanted, ImageFormat, (u32, u32), Option<&'static str>);
    let table: [Case; 12] = [
        (
            Wanted {
                min_width: 100,
                ..all()
            },
            ImageFormat::Gif,
            (99, 200),
            Some("too_narrow"),
        ),
        (
            Wanted {
                min_width: 100,
                ..all()
            },
            ImageFormat::Gif,
            (100, 1),
            None,
        ),
        (
            Wanted {
                min_height: 100,
                ..all()
            },
            ImageFormat::Bmp,
            (200, 99),
            Some("too_low"),
        ),
        (
            Wanted {
                min_height: 100,
                ..all()
            },
            ImageFormat::Bmp,
            (1, 100),
            None,
        ),
        (
            Wanted {
                max_aspect: 3.0,
                ..all()
            },
            ImageFormat::Png,
            (301, 100),
            Some("too_long"),
        ),
        (
            Wanted {
                max_aspect: 3.0,
                ..all()
            },
            ImageFormat::Png,
            (100, 301),
            Some("too_long"),
        ),
        (
            Wanted {
                max_aspect: 3.0,
                ..all()
            },
            ImageFormat::Webp,
            (300, 100),
            None,
        ),
        (
            Wanted {
                max_pixels: 5_000,
                ..all()
            },
            ImageFormat::Webp,
            (50, 101),
            Some("too_many_pixels"),
        ),
        (
            Wanted {
                types: vec![ImageFormat::Png],
                ..all()
            },
            ImageFormat::Gif,
            (9, 9),
            Some("type_gif"),
        ),
        (
            Wanted {
                types: vec![ImageFormat::Png],
                ..all()
            },
            ImageFormat::Png,
            (9, 9),
            None,
        ),
        // Both ways round it is too narrow, or only as it stands.
        (
            Wanted {
                min_width: 100,
                ..all()
            },
            ImageFormat::Jpeg,
            (99, 99),
            Some("too_narrow"),
        ),
        (
            Wanted {
                min_width: 100,
                ..all()
            },
            ImageFormat::Jpeg,
            (100, 9),
            None,
        ),
    ];
    for (wanted, format, (width, height), reason) in table {
        let bytes = picture(format, width, height);
        let said = beginning(&wanted, &bytes);
        assert_eq!(said.err(), reason, "{wanted:?} {format} {width} × {height}");
        assert_eq!(
            whole(&wanted, bytes).err(),
            reason,
            "{wanted:?} {format} {width} × {height}"
        );
    }
}

#[test]
fn a_picture_that_may_be_turned_is_judged_when_it_is_whole() {
    let wanted = Wanted {
        min_width: 100,
        ..Wanted::default()
    };
    let bytes = picture(ImageFormat::Jpeg, 50, 200);
    assert_eq!(beginning(&wanted, &bytes), Ok(Beginning::Take));
    assert_eq!(whole(&wanted, bytes), Err("too_narrow"));
}

#[test]
fn bytes_are_counted() {
    let wanted = Wanted {
        min_bytes: 10,
        max_bytes: 2_000,
        ..Wanted::default()
    };
    let told = |bytes| wanted.bytes(bytes).map_err(Unwanted::reason);
    assert_eq!(told(9), Err("too_few_bytes"));
    assert_eq!((told(10), told(2_000)), (Ok(()), Ok(())));
    assert_eq!(told(2_001), Err("too_many_bytes"));
    // Where the server does not say how many come, they are seen.
    let bytes = picture(ImageFormat::Bmp, 40, 40);
    assert_eq!(beginning(&wanted, &bytes[..2_000]), Ok(Beginning::Count));
    assert_eq!(beginning(&wanted, &bytes[..2_001]), Err("too_many_bytes"));
    assert_eq!(Wanted::default().bytes(0), Ok(()));
}

#[test]
fn what_is_not_decoded_is_told_by_its_bytes() {
    let svg =
        "<?xml version='1.0'?>\n<!-- a drawing -->\n<svg xmlns='http://www.w3.org/2000/svg'/>";
    let page = "<!doctype html><p>text<svg width=1></svg>";
    let table: [(&[u8], Option<&str>, &str); 10] = [
        (svg.as_bytes(), None, "svg"),
        (svg.as_bytes(), Some("image/svg+xml; charset=utf-8"), "svg"),
        (b"<drawing/>", Some("image/svg+xml"), "svg"),
        (page.as_bytes(), Some("text/html"), "not_a_picture"),
        (b"<svgs>", None, "not_a_picture"),
        (b"II\x2A\0\x08\0\0\0", None, "tiff"),
        (b"MM\0\x2A\0\0\0\x08", Some("image/jpeg"), "tiff"),
        (b"nothing", Some("image/tiff"), "not_a_picture"),
        (b"nothing", Some("image/svg+xml"), "not_a_picture"),
        (b"", None, "not_a_picture"),
    ];
    for (bytes, media_type, reason) in table {
        assert_eq!(
            no_picture(bytes, media_type).reason(),
            reason,
            "{media_type:?}"
        );
        let mut longer = bytes.to_vec();
        longer.resize(TELLING, b' ');
        let said = Wanted::default().beginning(&longer, media_type);
        assert_eq!(said, Beginning::Leave(no_picture(bytes, media_type)));
    }
    // A PNG stays one whatever it is called.
    let png = picture(ImageFormat::Png, 4, 4);
    let said = Wanted::default().beginning(&png, Some("image/svg+xml"));
    assert_eq!(said, Beginning::Take);
}

#[test]
fn what_begins_as_nothing_is_waited_for_and_then_let_go() {
    let wanted = Wanted::default();
    assert_eq!(beginning(&wanted, b""), Ok(Beginning::More));
    assert_eq!(
        beginning(&wanted, &[b'x'; TELLING - 1]),
        Ok(Beginning::More)
    );
    assert_eq!(beginning(&wanted, &[b'x'; TELLING]), Err("not_a_picture"));
    // A JPEG whose frame does not come is looked at whole.
    let mut jpeg = vec![0xFF, 0xD8];
    while jpeg.len() < MAX_HEADER {
        assert_eq!(
            beginning(&wanted, &[&jpeg[..], &[0xFF]].concat()),
            Ok(Beginning::More)
        );
        jpeg.extend([0xFF, 0xFE, 0xFF, 0xFF]);
        jpeg.resize(jpeg.len() + 0xFFFF - 2, 0);
    }
    jpeg.push(0xFF);
    assert_eq!(beginning(&wanted, &jpeg), Ok(Beginning::Take));
}
