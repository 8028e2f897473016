//! An image's rows as its document.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use tusou_contract::Document;
use tusou_contract::document::{aspect, phash_bands};
use tusou_contract::mapping::{ModelField, since};

use crate::rows::generations::Generation;
use crate::rows::images::ImageRow;

/// The longest `image_name`, in characters.
const MAX_NAME: usize = 255;

/// The document of an image for an index: of its models, with the fields of its mapping's version.
///
/// `None` where there is nothing to find it by yet: no embedding of the first model (it is still
/// to be encoded, or cannot be), or neither a sighting nor an imported path.
pub fn document(row: &ImageRow, generation: &Generation) -> Option<Document> {
    let mut document = whole(row, &generation.models)?;
    if generation.is_older() {
        leave_out(&mut document, generation.mapping_version);
    }
    Some(document)
}

/// Takes out what an older mapping does not know: it is strict, and would refuse the document.
fn leave_out(document: &mut Document, version: u32) {
    if since("pixels") > version {
        document.pixels = None;
    }
    if since("aspect") > version {
        document.aspect = None;
    }
    if since("phash_bands") > version {
        document.phash_bands = Vec::new();
    }
}

fn whole(row: &ImageRow, models: &[ModelField]) -> Option<Document> {
    let embeddings: BTreeMap<String, Vec<f32>> = models
        .iter()
        .filter_map(|model| {
            let vector = row.embeddings.get(&model.digest)?;
            Some((model.field.clone(), vector.clone()))
        })
        .collect();
    if !embeddings.contains_key(&models.first()?.field) {
        return None;
    }
    let seen = row.seen.as_ref();
    let image_name = match (seen, &row.relative_path) {
        (Some(seen), _) => file_name(&seen.earliest_url),
        (None, Some(path)) => last_segment(path),
        (None, None) => return None,
    };
    let mut rights = seen.map(|seen| seen.rights.clone()).unwrap_or_default();
    rights.complete(row.rights.clone());
    Some(Document {
        image_id: row.image_id,
        image_name,
        relative_path: row
            .relative_path
            .clone()
            .unwrap_or_else(|| row.blob_key.clone()),
        width: row.width,
        height: row.height,
        pixels: Some(row.width.saturating_mul(row.height)),
        aspect: Some(aspect(row.width, row.height)),
        bytes: row.bytes,
        format: row.format,
        phash_bands: row.phash.as_deref().map(phash_bands).unwrap_or_default(),
        phash: row.phash.clone(),
        colors: row.colors.clone(),
        nsfw: row.nsfw,
        captions: seen.map(|seen| seen.captions.clone()).unwrap_or_default(),
        hosts: seen.map(|seen| seen.hosts.clone()).unwrap_or_default(),
        rights,
        taken_at: row.taken_at,
        first_seen: seen.map_or(row.stored_at, |seen| seen.first_seen),
        last_seen: seen.map_or(row.stored_at, |seen| seen.last_seen),
        sightings: seen.map_or(0, |seen| seen.live),
        rev: row.rev,
        embeddings,
    })
}

/// The last segment of a URL's path, percent-decoded; its host where the path ends in `/`.
fn file_name(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = path.split_once('/').unwrap_or((path, ""));
    let segment = path.rsplit('/').next().unwrap_or_default();
    let name = clean(&percent_decode_str(segment).decode_utf8_lossy());
    if name.is_empty() { clean(host) } else { name }
}

fn last_segment(path: &str) -> String {
    clean(path.rsplit('/').next().unwrap_or_default())
}

/// A name that people read: no control characters, no separators that were escaped, bounded.
fn clean(name: &str) -> String {
    let separators = |c| if matches!(c, '/' | '\\') { '_' } else { c };
    let plain = name.chars().filter(|c| !c.is_control()).map(separators);
    plain.take(MAX_NAME).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use tusou_contract::mapping::{IndexOptions, index_body_of};
    use tusou_contract::{ImageFormat, ImageId, Rights};

    use tusou_contract::mapping::MAPPING_VERSION;

    use super::*;
    use crate::rows::sightings::Seen;

    fn model(field: &str, digest: &str) -> ModelField {
        ModelField {
            field: field.into(),
            model: "m".into(),
            digest: digest.into(),
            dimension: 2,
        }
    }

    fn row() -> ImageRow {
        ImageRow {
            image_id: ImageId::of(b"picture"),
            rev: 7,
            format: ImageFormat::Png,
            width: 640,
            height: 480,
            bytes: 12_345,
            blob_key: "originals/ab/ab.png".into(),
            relative_path: None,
            rights: Rights::default(),
            taken_at: None,
            stored_at: datetime!(2026-01-01 00:00 UTC),
            phash: Some("00ff00ff00ff00ff".into()),
            colors: vec!["red".into(), "white".into()],
            nsfw: None,
            seen: Some(Seen {
                live: 2,
                first_seen: datetime!(2026-01-01 00:00 UTC),
                last_seen: datetime!(2026-02-01 12:30:15.5 UTC),
                earliest_url: "https://pics.example/a/%E5%9B%BE%20one.png?size=2".into(),
                captions: vec!["a red kite".into(), "图".into()],
                hosts: vec!["example.org".into(), "pics.example".into()],
                rights: Rights {
                    creator: Some("Ann".into()),
                    ..Rights::default()
                },
            }),
            embeddings: BTreeMap::from([
                ("d1".into(), vec![0.6, 0.8]),
                ("d2".into(), vec![1.0, 0.0]),
                ("of another model".into(), vec![0.0, 1.0]),
            ]),
        }
    }

    #[test]
    fn the_document_is_as_recorded() {
        let models = [
            model("image_embedding", "d1"),
            model("image_embedding_sscd", "d2"),
        ];
        insta::assert_json_snapshot!(whole(&row(), &models).expect("it can be found"));
    }

    #[test]
    fn a_document_has_no_field_that_an_older_mapping_would_refuse() {
        let models = [model("image_embedding", "d1")];
        for version in 1..=MAPPING_VERSION {
            let mut document = whole(&row(), &models).expect("it can be found");
            leave_out(&mut document, version);
            let body = index_body_of(version, &models, &IndexOptions::default());
            let document = serde_json::to_value(document).expect("a document is JSON");
            for field in document.as_object().expect("it is an object").keys() {
                let known = &body["mappings"]["properties"][field];
                assert!(known.is_object(), "{field} in version {version}");
            }
            assert_eq!(document.get("aspect").is_some(), version >= 2);
        }
    }

    #[test]
    fn pages_speak_of_rights_before_the_file_does() {
        let mut row = row();
        row.rights = Rights {
            creator: Some("A camera".into()),
            license: Some("https://a.example/by".into()),
            ..Rights::default()
        };
        let models = [model("image_embedding", "d1")];
        let rights = whole(&row, &models).expect("it can be found").rights;
        assert_eq!(rights.creator.as_deref(), Some("Ann"));
        assert_eq!(rights.license.as_deref(), Some("https://a.example/by"));
        row.seen = None;
        row.relative_path = Some("holidays/kite.png".into());
        let rights = whole(&row, &models).expect("it has a path").rights;
        assert_eq!(rights, row.rights);
    }

    #[test]
    fn an_imported_image_needs_no_sighting() {
        let mut row = row();
        row.seen = None;
        assert_eq!(whole(&row, &[model("image_embedding", "d1")]), None);
        row.relative_path = Some("holidays/2019/kite.png".into());
        let document = whole(&row, &[model("image_embedding", "d1")]).expect("it has a path");
        assert_eq!(document.image_name, "kite.png");
        assert_eq!(document.relative_path, "holidays/2019/kite.png");
        assert_eq!(
            (document.sightings, document.first_seen),
            (0, row.stored_at)
        );
    }

    #[test]
    fn an_image_without_the_first_model_s_embedding_waits() {
        let models = [
            model("image_embedding", "d9"),
            model("image_embedding_sscd", "d2"),
        ];
        assert_eq!(whole(&row(), &models), None);
        assert_eq!(whole(&row(), &[]), None);
    }

    #[test]
    fn names_come_from_the_path() {
        for (url, name) in [
            ("http://a.example/b/c.png", "c.png"),
            ("http://a.example/b/c.png?x=/y.png#z", "c.png"),
            ("http://a.example/%2e%2e%2Fetc%2Fpasswd", ".._etc_passwd"),
            ("http://a.example/a%00b%0a.png", "ab.png"),
            ("http://a.example/folder/", "a.example"),
            ("http://a.example", "a.example"),
            ("http://a.example/%FF.png", "\u{FFFD}.png"),
        ] {
            assert_eq!(file_name(url), name, "{url}");
        }
        assert_eq!(
            file_name(&format!("http://a/{}", "x".repeat(4_000))).len(),
            MAX_NAME
        );
    }
}
