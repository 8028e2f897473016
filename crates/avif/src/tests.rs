use super::*;

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 8)
        .expect("a small box")
        .to_be_bytes()
        .to_vec();
    bytes.extend(kind);
    bytes.extend(body);
    bytes
}

fn full(kind: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], body].concat())
}

fn infe(id: u16, kind: &[u8; 4]) -> Vec<u8> {
    full(
        b"infe",
        2,
        &[&id.to_be_bytes(), &[0, 0], &kind[..], &[0]].concat(),
    )
}

/// A file whose first item is 40 × 20 and has these properties besides; its bytes are `av1`.
fn file(properties: &[(Vec<u8>, bool)]) -> Vec<u8> {
    let ispe = full(b"ispe", 0, &[0, 0, 0, 40, 0, 0, 0, 20]);
    let ipco = properties.iter().flat_map(|(property, _)| property.clone());
    let ipco = boxed(
        b"ipco",
        &ispe.iter().copied().chain(ipco).collect::<Vec<_>>(),
    );
    let mut ipma = vec![0, 0, 0, 1, 0, 1, properties.len() as u8 + 1, 0x81];
    for (position, (_, essential)) in properties.iter().enumerate() {
        ipma.push((position as u8 + 2) | if *essential { 0x80 } else { 0 });
    }
    let iprp = boxed(b"iprp", &[ipco, full(b"ipma", 0, &ipma)].concat());
    let hdlr = full(b"hdlr", 0, b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let iinf = full(b"iinf", 0, &[&[0, 1][..], &infe(1, b"av01")].concat());
    let pitm = full(b"pitm", 0, &[0, 1]);
    // Version 1, in the `idat` box: no offsets of the file to reckon.
    let iloc = full(
        b"iloc",
        1,
        &[
            0x44, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3,
        ],
    );
    let idat = boxed(b"idat", b"av1");
    let meta = [hdlr, pitm, iloc, iinf, iprp, idat].concat();
    [
        boxed(b"ftyp", b"avif\0\0\0\0avifmif1"),
        full(b"meta", 0, &meta),
    ]
    .concat()
}

#[test]
fn size_turns_and_bytes_are_read() {
    let irot = |quarters| (boxed(b"irot", &[quarters]), true);
    let imir = |axis| (boxed(b"imir", &[axis]), true);
    // (ISO/IEC 23008-12, 6.5.10 and 6.5.12; EXIF 2.3, tag 0x0112.)
    for (properties, orientation) in [
        (vec![], 1),
        (vec![imir(1)], 2),
        (vec![irot(2)], 3),
        (vec![imir(0)], 4),
        (vec![irot(1), imir(0)], 5),
        (vec![irot(3)], 6),
        (vec![irot(1), imir(1)], 7),
        (vec![irot(1)], 8),
        (vec![irot(3), imir(1)], 5),
        (vec![irot(3), imir(0)], 7),
    ] {
        let file = file(&properties);
        let avif = Avif::read(&file).expect("a good file");
        assert_eq!((avif.width, avif.height), (40, 20));
        assert_eq!(avif.orientation, orientation);
        let upright = if orientation < 5 { (40, 20) } else { (20, 40) };
        assert_eq!(avif.upright(), upright);
        let layer = avif.colour().expect("its bytes are there");
        assert_eq!(
            (layer.columns, layer.tiles),
            (1, vec![Cow::Borrowed(&b"av1"[..])])
        );
        assert_eq!(avif.alpha(), Ok(None));
    }
}

#[test]
fn what_is_not_known_and_essential_is_not_shown() {
    let unknown = |essential| file(&[(boxed(b"wxyz", b""), essential)]);
    assert!(Avif::read(&unknown(false)).is_ok());
    assert!(matches!(
        Avif::read(&unknown(true)),
        Err(Fault::Unsupported(_))
    ));
}

#[test]
fn a_beginning_is_short_and_never_another_picture() {
    let whole = file(&[]);
    for end in 0..whole.len() {
        assert_eq!(Avif::read(&whole[..end]).err(), Some(Fault::Short), "{end}");
    }
    for (bytes, fault) in [
        (&b"\0\0\0\x04ftyp"[..], "a box is shorter than its head"),
        (b"<!doctype html>", "the file begins with no `ftyp` box"),
    ] {
        assert_eq!(Avif::read(bytes).err(), Some(Fault::Broken(fault)));
    }
}

#[test]
fn colours_as_numbers_are_told_from_profiles() {
    let nclx = boxed(b"colr", b"nclx\0\x09\0\x10\0\x09\x80");
    let icc = boxed(b"colr", b"prof....");
    let both = file(&[(icc.clone(), false), (nclx, false)]);
    let told = Avif::read(&both).expect("a good file").nclx();
    assert_eq!(
        told,
        Some(Nclx {
            primaries: 9,
            matrix: 9,
            full_range: true
        })
    );
    let file = file(&[(icc, false)]);
    assert_eq!(Avif::read(&file).expect("a good file").nclx(), None);
}

/// A sequence header of a still picture, by the bits that are asked for, and a frame.
fn stream(profile: u8, colour: &str) -> Vec<u8> {
    // A reduced header, sizes of 6 bits each, 40 and 20, no tools.
    let bits = format!(
        "{profile:03b}1100000{}{}{}{}000000{colour}",
        "0101", "0101", "100111", "010011"
    );
    let mut bytes = vec![0x0A, 0];
    let padded: Vec<char> = bits.chars().collect();
    for eight in padded.chunks(8) {
        let byte = eight.iter().enumerate().fold(0, |byte, (at, bit)| {
            byte | u8::from(*bit == '1') << (7 - at)
        });
        bytes.push(byte);
    }
    bytes[1] = bytes.len() as u8 - 2;
    // A frame of no bytes, and a sequence header said again.
    let header = bytes.clone();
    bytes.extend([0x32, 0]);
    bytes.extend(header);
    bytes
}

#[test]
fn a_stream_tells_what_it_costs() {
    let read = |profile, colour| Stream::read(&stream(profile, colour)).expect("a good stream");
    let usual = read(0, "00000");
    assert_eq!((usual.width, usual.height, usual.frames), (40, 20, 1));
    assert_eq!(
        (usual.bits, usual.monochrome, usual.subsampling),
        (8, false, (2, 2))
    );
    assert_eq!(usual.frame_bytes(), 192 * 192 * 3 / 2);
    let grey = read(0, "01000");
    assert_eq!((grey.monochrome, grey.frame_bytes()), (true, 192 * 192));
    let ten = read(1, "10000");
    assert_eq!((ten.bits, ten.subsampling), (10, (1, 1)));
    assert_eq!(ten.frame_bytes(), 192 * 192 * 6);
    let wide = read(2, "000000");
    assert_eq!((wide.bits, wide.subsampling), (8, (2, 1)));
    let twelve = read(2, "11000110");
    assert_eq!((twelve.bits, twelve.subsampling), (12, (2, 2)));
    assert_eq!(
        Stream::read(b"\x12\0"),
        Err(Fault::Broken("there is no sequence header"))
    );
    assert_eq!(Stream::read(b"\x0A\x7F"), Err(Fault::Short));
}
