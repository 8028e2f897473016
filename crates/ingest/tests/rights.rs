//! What files say of their rights: every format, every kind of block, and any bytes.

use std::io::Cursor;

use bytes::Bytes;
use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;
use time::macros::datetime;
use tusou_contract::{Rights, SightingRights};
use tusou_ingest::rights::{MAX_BLOCK, MAX_TEXT};
use tusou_ingest::{VerifiedImage, verify};

const XMP_MARK: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(8, 5)
        .write_to(&mut out, format)
        .expect("it compresses");
    out.into_inner()
}

fn read(bytes: Vec<u8>) -> VerifiedImage {
    let verified = verify(Bytes::from(bytes), 40).expect("a good picture");
    assert_eq!(verified.width * verified.height, 40);
    verified
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A TIFF of one directory and its EXIF directory, each entry a text or a number.
fn exif(big_endian: bool, first: &[(u16, &[u8])], second: &[(u16, &[u8])]) -> Vec<u8> {
    let short = |n: u16| {
        if big_endian {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let long = |n: usize| {
        let n = u32::try_from(n).expect("a small block");
        if big_endian {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut out = if big_endian {
        b"MM".to_vec()
    } else {
        b"II".to_vec()
    };
    out.extend(short(42));
    out.extend(long(8));
    let entries = first.len() + 1;
    let second_at = 8 + 2 + 12 * entries + 4;
    let mut texts_at = second_at + 2 + 12 * second.len() + 4;
    let mut texts = Vec::new();
    let mut directory = |out: &mut Vec<u8>, entries: &[(u16, &[u8])], pointer: bool| {
        let count = entries.len() + usize::from(pointer);
        out.extend(short(u16::try_from(count).expect("few entries")));
        for (tag, text) in entries {
            out.extend(short(*tag));
            if *tag == 0x0112 {
                out.extend(short(3));
                out.extend(long(1));
                out.extend(short(text[0].into()));
                out.extend([0, 0]);
                continue;
            }
            assert!(text.len() > 4, "short texts lie in the entry itself");
            out.extend(short(2));
            out.extend(long(text.len()));
            out.extend(long(texts_at));
            texts.extend_from_slice(text);
            texts_at += text.len();
        }
        if pointer {
            out.extend(short(0x8769));
            out.extend(short(4));
            out.extend(long(1));
            out.extend(long(second_at));
        }
        out.extend(long(0));
    };
    directory(&mut out, first, true);
    directory(&mut out, second, false);
    out.extend(texts);
    out
}

fn xmp(properties: &str) -> Vec<u8> {
    format!(
        "<?xpacket begin='\u{FEFF}' id='W5M0MpCehiHzreSzNTczkc9d'?>\
         <x:xmpmeta xmlns:x='adobe:ns:meta/'>\
         <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' \
           xmlns:d='http://purl.org/dc/elements/1.1/' xmlns:ps='http://ns.adobe.com/photoshop/1.0/' \
           xmlns:xmpRights='http://ns.adobe.com/xap/1.0/rights/' xmlns:cc='http://creativecommons.org/ns#' \
           xmlns:plus='http://ns.useplus.org/ldf/xmp/1.0/'>\
         {properties}</rdf:RDF></x:xmpmeta>{}<?xpacket end='w'?>",
        " ".repeat(50)
    )
    .into_bytes()
}

fn data_set(record: u8, number: u8, value: &[u8]) -> Vec<u8> {
    let size = u16::try_from(value.len()).expect("a short value");
    [&[0x1C, record, number][..], &size.to_be_bytes(), value].concat()
}

/// Photoshop's resources: one of no interest, with a name, then the records.
fn resources(records: &[u8]) -> Vec<u8> {
    let size = u32::try_from(records.len()).expect("a short record");
    [
        &b"8BIM\x04\x25\x03abc\0\0\0\x03xyz\0"[..],
        b"8BIM\x04\x04\0\0",
        &size.to_be_bytes(),
        records,
    ]
    .concat()
}

fn segment(marker: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let size = u16::try_from(content.len() + 2).expect("a segment is short");
    [&[0xFF, marker][..], &size.to_be_bytes(), &content].concat()
}

/// A JPEG with segments after its first two bytes.
fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    let plain = picture(ImageFormat::Jpeg);
    [&plain[..2], &segments.concat(), &plain[2..]].concat()
}

fn jpeg_with_iptc(records: &[u8]) -> Vec<u8> {
    let resources = resources(records);
    jpeg(&[segment(0xED, &[b"Photoshop 3.0\0", &resources])])
}

fn jpeg_with_xmp(packet: &[u8]) -> Vec<u8> {
    jpeg(&[segment(0xE1, &[XMP_MARK, packet])])
}

/// A PNG with chunks after its header.
fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let plain = picture(ImageFormat::Png);
    let mut out = plain[..33].to_vec();
    for (name, content) in chunks {
        let checked = [&name[..], content].concat();
        let size = u32::try_from(content.len()).expect("a short chunk");
        out.extend(size.to_be_bytes());
        out.extend(&checked);
        out.extend(crc32(&checked).to_be_bytes());
    }
    [out, plain[33..].to_vec()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// A WebP in its extended form, with chunks after the picture.
fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let plain = picture(ImageFormat::WebP);
    let flags = chunks.iter().fold(0, |flags, (name, _)| {
        flags | if *name == b"EXIF" { 8 } else { 4 }
    });
    let mut body = b"WEBPVP8X\x0A\0\0\0".to_vec();
    body.extend([flags, 0, 0, 0, 7, 0, 0, 4, 0, 0]);
    body.extend(&plain[12..]);
    for (name, content) in chunks {
        let size = u32::try_from(content.len()).expect("a short chunk");
        body.extend_from_slice(&name[..]);
        body.extend(size.to_le_bytes());
        body.extend(content);
        body.extend(vec![0; content.len() % 2]);
    }
    let size = u32::try_from(body.len()).expect("a short file");
    [&b"RIFF"[..], &size.to_le_bytes(), &body].concat()
}

/// A GIF with a packet before its first frame, as Adobe writes it.
fn gif(packet: &[u8]) -> Vec<u8> {
    let plain = picture(ImageFormat::Gif);
    let colors = match plain[10] {
        flags if flags & 0x80 != 0 => 3 << ((flags & 7) + 1),
        _ => 0,
    };
    let (head, rest) = plain.split_at(13 + colors);
    let ramp: Vec<u8> = std::iter::once(1).chain((0..=255).rev()).collect();
    [head, b"\x21\xFF\x0BXMP DataXMP", packet, &ramp, b"\0", rest].concat()
}

#[test]
fn exif_tells_artist_copyright_and_the_moment() {
    let block = |big_endian| {
        exif(
            big_endian,
            &[
                (0x0112, &[6]),
                (0x013B, "Ann  Ström\n\0".as_bytes()),
                (0x8298, b" \0An editor\0"),
            ],
            &[(0x9003, b"2024:02:29 23:30:00\0"), (0x9011, b"-02:00\0")],
        )
    };
    for big_endian in [false, true] {
        let block = block(big_endian);
        let files = [
            jpeg(&[segment(0xE1, &[b"Exif\0\0", &block])]),
            png(&[(b"eXIf", block.clone())]),
            webp(&[(b"EXIF", block.clone())]),
        ];
        for file in files {
            let read = read(file);
            let rights = Rights {
                creator: some("Ann Ström"),
                copyright: some("An editor"),
                ..Rights::default()
            };
            assert_eq!(read.rights.rights, rights, "{:?}", read.format);
            let taken = datetime!(2024-03-01 01:30 UTC);
            assert_eq!(read.taken_at, Some(taken), "{:?}", read.format);
            // The block turns the picture, too.
            assert_eq!((read.width, read.height), (5, 8), "{:?}", read.format);
        }
    }
}

#[test]
fn a_clock_that_was_never_set_tells_no_moment() {
    for (told, taken) in [
        (
            "2024:02:29 23:30:00\0",
            Some(datetime!(2024-02-29 23:30 UTC)),
        ),
        ("0000:00:00 00:00:00\0", None),
        ("0001:01:01 00:00:00\0", None),
        ("2024:02:30 10:00:00\0", None),
        ("2024:02:28 25:00:00\0", None),
        ("    :  :     :  :  \0", None),
        ("yesterday, at noon.\0", None),
    ] {
        let block = exif(true, &[], &[(0x9003, told.as_bytes())]);
        let read = read(jpeg(&[segment(0xE1, &[b"Exif\0\0", &block])]));
        assert_eq!(read.taken_at, taken, "{told}");
    }
}

#[test]
fn iptc_is_read_in_its_character_sets() {
    let records = |mark: &[u8], name: &[u8]| {
        [
            mark,
            &data_set(2, 80, name),
            &data_set(2, 80, b"Bob"),
            &data_set(2, 80, b"Bob"),
            &data_set(2, 110, b""),
            &data_set(2, 110, b"An agency\0"),
            &data_set(2, 116, b"(c) 2026"),
        ]
        .concat()
    };
    let marked = data_set(1, 90, b"\x1B%G");
    for records in [
        records(&marked, "Ström".as_bytes()),
        records(b"", "Ström".as_bytes()),
        records(b"", b"Str\xF6m"),
    ] {
        let rights = Rights {
            license: None,
            creator: some("Ström; Bob"),
            credit: some("An agency"),
            copyright: some("(c) 2026"),
        };
        assert_eq!(read(jpeg_with_iptc(&records)).rights.rights, rights);
        let digits: String = resources(&records)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let profile = format!(
            "Raw profile type iptc\0\niptc\n{:8}\n{digits}\n",
            digits.len() / 2
        );
        let read = read(png(&[(b"tEXt", profile.into_bytes())]));
        assert_eq!(read.rights.rights, rights);
    }
    // Resources that go on in a second segment.
    let resources = resources(&data_set(2, 80, b"Ann of two segments"));
    let (one, two) = resources.split_at(resources.len() - 8);
    let file = jpeg(&[
        segment(0xED, &[b"Photoshop 3.0\0", one]),
        segment(0xED, &[b"Photoshop 3.0\0", two]),
    ]);
    assert_eq!(
        read(file).rights.rights.creator,
        some("Ann of two segments")
    );
}

#[test]
fn xmp_is_read_in_all_its_forms_and_from_every_format() {
    let whole = SightingRights {
        rights: Rights {
            license: some("https://a.example/by"),
            creator: some("Ann & Co; Bob"),
            credit: some("An agency"),
            copyright: some("© 2026 Ann"),
        },
        acquire: some("https://a.example/buy"),
    };
    let elements = "<rdf:Description rdf:about=''>\
        <d:creator><rdf:Seq><rdf:li>Ann &amp; Co</rdf:li> <rdf:li><![CDATA[Bob]]></rdf:li></rdf:Seq></d:creator>\
        <d:rights><rdf:Alt><rdf:li xml:lang='x-default'>&#169; 2026 <!-- and --> Ann</rdf:li>\
          <rdf:li xml:lang='de'>Von Ann</rdf:li></rdf:Alt></d:rights>\
        <ps:Credit>An agency</ps:Credit>\
        <xmpRights:WebStatement>https://a.example/terms</xmpRights:WebStatement>\
        <cc:license rdf:resource='https://a.example/by'/>\
        <plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'><plus:LicensorName>Ann</plus:LicensorName>\
          <plus:LicensorURL> https://a.example/buy </plus:LicensorURL></rdf:li></rdf:Seq></plus:Licensor>\
        </rdf:Description>";
    let attributes = "<rdf:Description ps:Credit='An agency' \
          xmpRights:WebStatement='https://a.example/by'/>\
        <rdf:Description d:rights='&#xA9; 2026 Ann'><d:creator><rdf:Bag><rdf:li>Ann &amp; Co</rdf:li>\
          <rdf:li>Bob</rdf:li></rdf:Bag></d:creator>\
        <plus:Licensor><rdf:Bag><rdf:li plus:LicensorURL='https://a.example/buy'/></rdf:Bag></plus:Licensor>\
        </rdf:Description>";
    for properties in [elements, attributes] {
        let packet = xmp(properties);
        let text = [&b"XML:com.adobe.xmp\0\0\0\0\0"[..], &packet].concat();
        for file in [
            jpeg_with_xmp(&packet),
            png(&[(b"iTXt", text)]),
            webp(&[(b"XMP ", packet.clone())]),
            gif(&packet),
        ] {
            let read = read(file);
            assert_eq!(read.rights, whole, "{:?}", read.format);
        }
    }
}

#[test]
fn xmp_of_other_pictures_and_addresses_of_no_web_are_left_out() {
    let packet = xmp(
        "<rdf:Description><m:Pantry xmlns:m='http://ns.adobe.com/xap/1.0/mm/'><rdf:Bag>\
         <rdf:li rdf:parseType='Resource'><d:creator><rdf:Seq><rdf:li>Another</rdf:li></rdf:Seq></d:creator>\
         <ps:Credit>Another</ps:Credit></rdf:li></rdf:Bag></m:Pantry>\
         <other:creator xmlns:other='http://other.example/'>Nobody</other:creator>\
         <xmpRights:WebStatement>javascript:alert(1)</xmpRights:WebStatement>\
         <cc:license rdf:resource='by-sa'/></rdf:Description>",
    );
    assert_eq!(
        read(jpeg_with_xmp(&packet)).rights,
        SightingRights::default()
    );
}

#[test]
fn the_kinds_complete_each_other_field_by_field() {
    let packet = xmp("<rdf:Description ps:Credit='by XMP'/>");
    let resources =
        resources(&[data_set(2, 110, b"by IPTC"), data_set(2, 80, b"by IPTC")].concat());
    let block = exif(
        false,
        &[(0x013B, b"by EXIF\0"), (0x8298, b"by EXIF\0")],
        &[(0x9011, b"+00:00\0")],
    );
    let read = read(jpeg(&[
        segment(0xE1, &[b"Exif\0\0", &block]),
        segment(0xED, &[b"Photoshop 3.0\0", &resources]),
        segment(0xE1, &[XMP_MARK, &packet]),
    ]));
    let rights = Rights {
        license: None,
        credit: some("by XMP"),
        creator: some("by IPTC"),
        copyright: some("by EXIF"),
    };
    assert_eq!(read.rights.rights, rights);
}

#[test]
fn texts_are_bounded_lines_and_a_long_block_is_cut() {
    let long = format!("A\u{7}nn\r\n{}", "é".repeat(5_000));
    let file = jpeg_with_xmp(&xmp(&format!("<rdf:Description ps:Credit='{long}'/>")));
    let credit = read(file).rights.rights.credit.expect("a credit");
    assert_eq!(credit.chars().count(), MAX_TEXT);
    assert!(credit.starts_with("Ann éé"), "{credit}");

    let history = "<ps:History>x</ps:History>".repeat(MAX_BLOCK / 20);
    let packet = xmp(&format!(
        "<rdf:Description ps:Credit='early'>{history}<d:creator>late</d:creator></rdf:Description>"
    ));
    assert!(packet.len() > MAX_BLOCK);
    let rights = read(webp(&[(b"XMP ", packet)])).rights.rights;
    assert_eq!((rights.credit, rights.creator), (some("early"), None));

    let deep = "<a>".repeat(100_000);
    let packet = xmp(&format!("<rdf:Description ps:Credit='above'>{deep}"));
    assert_eq!(
        read(webp(&[(b"XMP ", packet)])).rights.rights.credit,
        some("above")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A picture is taken whatever its blocks hold.
    #[test]
    fn no_block_spoils_its_picture(
        kind in 0..6,
        head in 0..40usize,
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let block = exif(true, &[(0x013B, b"Ann Example\0")], &[(0x9003, b"2024:02:29 23:30:00\0")]);
        let packet = xmp("<rdf:Description ps:Credit='x'/>");
        let resources = resources(&data_set(2, 80, b"Ann"));
        let mixed = |good: &[u8], keep: usize| [&good[..keep.min(good.len())], &noise].concat();
        let file = match kind {
            0 => jpeg(&[segment(0xE1, &[b"Exif\0\0", &mixed(&block, head)])]),
            1 => jpeg(&[segment(0xE1, &[XMP_MARK, &mixed(&packet, 20 * head)])]),
            2 => jpeg(&[segment(0xED, &[b"Photoshop 3.0\0", &mixed(&resources, head)])]),
            3 => png(&[(b"eXIf", mixed(&block, head))]),
            4 => webp(&[(b"EXIF", mixed(&block, head)), (b"XMP ", mixed(&packet, 20 * head))]),
            _ => png(&[(b"tEXt", mixed(b"Raw profile type iptc\0\niptc\n 9\n", head.max(22)))]),
        };
        let verified = verify(Bytes::from(file), 40).expect("a good picture");
        for text in [&verified.rights.rights.creator, &verified.rights.rights.credit].into_iter().flatten() {
            prop_assert!(text.chars().count() <= MAX_TEXT && !text.contains(char::is_control));
        }
    }
}
