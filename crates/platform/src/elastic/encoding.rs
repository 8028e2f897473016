//! How documents are written in a bulk: text, text with packed vectors, or binary JSON.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use tusou_contract::Document;

/// From this version on a vector may stand as base64 of its big-endian f32.
const PACKED_VECTORS: (u64, u64) = (9, 3);

/// How the documents of a bulk are written on the wire. Every one carries an f32 bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkEncoding {
    /// Newline-delimited JSON.
    Json,
    /// Binary JSON, a float in six bytes: <https://github.com/FasterXML/smile-format-specification>.
    Smile,
    /// Newline-delimited JSON, in which a vector is a text: base64 of its big-endian f32. Elasticsearch takes it
    /// from 9.3 on.
    Base64,
}

/// A document as it stands in a bulk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    bytes: Bytes,
    encoding: BulkEncoding,
}

impl BulkEncoding {
    /// The most compact one that every node of these versions takes; SMILE where a version cannot be read, since all
    /// take it.
    pub(super) fn of_versions<'a>(versions: impl IntoIterator<Item = &'a str>) -> Self {
        let mut versions = versions.into_iter().peekable();
        let any = versions.peek().is_some();
        let packs = |text: &str| version(text).is_some_and(|version| version >= PACKED_VECTORS);
        if any && versions.all(packs) {
            Self::Base64
        } else {
            Self::Smile
        }
    }

    /// What it is called in a log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Smile => "smile",
            Self::Base64 => "base64",
        }
    }

    /// The media type of a bulk's body.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json | Self::Base64 => "application/x-ndjson",
            Self::Smile => "application/smile",
        }
    }

    /// What stands after each part of a bulk's body.
    pub(super) fn separator(self) -> u8 {
        match self {
            Self::Json | Self::Base64 => b'\n',
            // It begins no character of UTF-8, and all else has seven bits.
            Self::Smile => 0xFF,
        }
    }

    /// Writes a value behind what is there.
    pub(super) fn append(self, bytes: &mut Vec<u8>, value: &impl Serialize) {
        let plain = "plain values go into a Vec";
        match self {
            Self::Json => serde_json::to_writer(bytes, value).expect(plain),
            Self::Base64 => {
                let mut packed = serde_json::Serializer::with_formatter(bytes, Packed::default());
                value.serialize(&mut packed).expect(plain);
            }
            Self::Smile => {
                // Names are not shared: a document hardly repeats one, and the table of them costs time.
                let mut smile = serde_smile::Serializer::builder()
                    .shared_properties(false)
                    .build(bytes);
                value.serialize(&mut smile).expect(plain);
            }
        }
    }

    /// The document in this encoding.
    pub fn document(self, document: &Document) -> Source {
        let numbers: usize = document.embeddings.values().map(Vec::len).sum();
        let number = match self {
            Self::Json => 13,
            Self::Smile | Self::Base64 => 6,
        };
        let mut bytes = Vec::with_capacity(1024 + numbers * number);
        self.append(&mut bytes, document);
        Source::of(bytes, self)
    }
}

impl Source {
    pub(super) fn of(bytes: Vec<u8>, encoding: BulkEncoding) -> Self {
        Self {
            bytes: bytes.into(),
            encoding,
        }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing, which is no document.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How it is written.
    pub fn encoding(&self) -> BulkEncoding {
        self.encoding
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Vec<u8>> for Source {
    /// A document as JSON on one line.
    fn from(json: Vec<u8>) -> Self {
        Self::of(json, BulkEncoding::Json)
    }
}

/// Major and minor number of `9.2.4`, `10.0.0-SNAPSHOT` and the like.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Writes a list of f32 as base64 of its big-endian bytes, and everything else as it is. A list holds f32 or texts
/// alone, as those of a document do.
#[derive(Debug, Default)]
struct Packed {
    /// A list was begun whose first element is not known yet.
    begun: bool,
    vector: Vec<u8>,
}

impl Packed {
    fn in_vector(&self) -> bool {
        self.begun || !self.vector.is_empty()
    }

    fn push(&mut self, number: f32) {
        self.begun = false;
        self.vector.extend_from_slice(&number.to_be_bytes());
    }

    /// The list that was begun, if one was, is none of f32.
    fn no_vector<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if std::mem::take(&mut self.begun) {
            writer.write_all(b"[")?;
        }
        Ok(())
    }
}

impl Formatter for Packed {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.no_vector(writer)?;
        self.begun = true;
        Ok(())
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first || !self.vector.is_empty() {
            return Ok(());
        }
        writer.write_all(b",")
    }

    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        if self.in_vector() {
            self.push(value);
            return Ok(());
        }
        CompactFormatter.write_f32(writer, value)
    }

    fn write_null<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.in_vector() {
            // What is no number: the server is to refuse this document, not to stumble over the whole bulk.
            self.push(f32::NAN);
            return Ok(());
        }
        CompactFormatter.write_null(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.vector.is_empty() {
            self.no_vector(writer)?;
            return writer.write_all(b"]");
        }
        writer.write_all(b"\"")?;
        writer.write_all(STANDARD.encode(&self.vector).as_bytes())?;
        self.vector.clear();
        writer.write_all(b"\"")
    }

    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.no_vector(writer)?;
        writer.write_all(b"\"")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use time::macros::datetime;
    use tusou_contract::{ImageFormat, ImageId, Rights};

    use super::*;

    fn document(captions: Vec<String>, embeddings: BTreeMap<String, Vec<f32>>) -> Document {
        Document {
            image_id: ImageId::of(b"x"),
            image_name: "x.png".into(),
            relative_path: "originals/x.png".into(),
            width: 3,
            height: 2,
            pixels: Some(6),
            aspect: Some(1.5),
            bytes: u64::MAX >> 1,
            format: ImageFormat::Png,
            phash: None,
            phash_bands: Vec::new(),
            colors: vec!["red".into()],
            nsfw: Some(0.25),
            captions,
            hosts: Vec::new(),
            rights: Rights::default(),
            taken_at: None,
            first_seen: datetime!(2026-11-01 12:00 UTC),
            last_seen: datetime!(2026-11-02 12:00 UTC),
            sightings: 1,
            rev: i64::MAX,
            embeddings,
        }
    }

    fn vector(name: &str, numbers: &[f32]) -> BTreeMap<String, Vec<f32>> {
        BTreeMap::from([(name.to_owned(), numbers.to_vec())])
    }

    fn unpacked(value: &Value) -> Vec<u32> {
        let bytes = STANDARD
            .decode(value.as_str().expect("a text"))
            .expect("base64");
        let numbers = bytes
            .chunks_exact(4)
            .map(|four| u32::from_be_bytes(four.try_into().expect("four bytes")));
        numbers.collect()
    }

    #[test]
    fn the_encoding_is_what_every_node_takes() {
        for (versions, expected) in [
            (vec!["9.2.4"], BulkEncoding::Smile),
            (vec!["9.3.0"], BulkEncoding::Base64),
            (vec!["10.0.0-SNAPSHOT", "9.12.1"], BulkEncoding::Base64),
            (vec!["9.3.0", "9.2.9"], BulkEncoding::Smile),
            (vec!["9.3.0", ""], BulkEncoding::Smile),
            (vec!["8.19.1"], BulkEncoding::Smile),
            (vec![], BulkEncoding::Smile),
        ] {
            let encoding = BulkEncoding::of_versions(versions.iter().copied());
            assert_eq!(encoding, expected, "{versions:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_left_to_the_server_to_refuse() {
        let source = BulkEncoding::Base64.document(&document(
            vec!["a".into()],
            vector("v", &[f32::INFINITY, 1.0]),
        ));
        let read: Value = serde_json::from_slice(source.bytes()).expect("JSON");
        assert!(
            unpacked(&read["v"])
                .into_iter()
                .map(f32::from_bits)
                .any(f32::is_nan)
        );
        assert_eq!(read["phash"], Value::Null);
        assert_eq!(read["captions"], json!(["a"]));
    }

    proptest! {
        #[test]
        fn a_version_is_read_from_any_text_and_from_its_own(text: String, major: u32, minor: u32, patch: u32) {
            let _ = version(&text);
            let expected = Some((u64::from(major), u64::from(minor)));
            prop_assert_eq!(version(&format!("{major}.{minor}.{patch}")), expected);
        }

        #[test]
        fn every_encoding_carries_a_document_bit_for_bit(
            captions in proptest::collection::vec(".*", 0..4),
            numbers in proptest::collection::vec(proptest::num::f32::NORMAL | proptest::num::f32::ZERO
                | proptest::num::f32::SUBNORMAL, 1..40),
        ) {
            let document = document(captions, vector("image_embedding", &numbers));
            let plain = serde_json::to_value(&document).expect("JSON");
            let bits: Vec<_> = numbers.iter().map(|number| number.to_bits()).collect();

            let json = BulkEncoding::Json.document(&document);
            let read: Document = serde_json::from_slice(json.bytes()).expect("JSON");
            prop_assert_eq!(&read, &document);
            prop_assert!(!json.bytes().contains(&b'\n'));

            let smile = BulkEncoding::Smile.document(&document);
            prop_assert!(!smile.bytes().contains(&0xFF), "the separator");
            let read: Document = serde_smile::from_slice(smile.bytes()).expect("SMILE");
            let of_smile: Vec<_> = read.embeddings["image_embedding"].iter().map(|number| number.to_bits()).collect();
            prop_assert_eq!(&of_smile, &bits);
            prop_assert_eq!(&read, &document);

            let packed = BulkEncoding::Base64.document(&document);
            prop_assert!(!packed.bytes().contains(&b'\n'));
            let mut read: Value = serde_json::from_slice(packed.bytes()).expect("JSON");
            prop_assert_eq!(unpacked(&read["image_embedding"]), bits);
            read["image_embedding"] = plain["image_embedding"].clone();
            prop_assert_eq!(read, plain);
        }
    }
}
