//! Documents as a crawl gives them, and vectors that lie as a model's do; the same in every run.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use tusou_contract::document::phash_bands;
use tusou_contract::mapping::IMAGE_EMBEDDING;
use tusou_contract::{BlobKey, Document, ImageFormat, ImageId, Rights};

use crate::dice::{Dice, normalize};

/// Numbers in a vector.
pub(crate) const DIMENSION: usize = 512;
const CENTRES: u64 = 200;
const WORDS: [&str; 24] = [
    "river",
    "stone",
    "harbour",
    "autumn",
    "mountain",
    "kitchen",
    "bicycle",
    "window",
    "Garten",
    "Markt",
    "Laterne",
    "forêt",
    "pont",
    "hiver",
    "café",
    "утро",
    "улица",
    "скрипка",
    "猫",
    "一只猫",
    "公园",
    "ネコ",
    "قطة",
    "señal",
];
const COLORS: [&str; 8] = [
    "red", "white", "black", "blue", "green", "grey", "brown", "yellow",
];
const FORMATS: [ImageFormat; 3] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Webp];

/// The id of document `number`.
pub(crate) fn id(number: u64) -> ImageId {
    ImageId::of(&number.to_le_bytes())
}

/// Document `number` with this vector: some captions and hosts, rights for one in three.
pub(crate) fn document(number: u64, vector: Vec<f32>) -> Document {
    let mut dice = Dice::new(number);
    let image_id = id(number);
    let format = FORMATS[dice.below(FORMATS.len())];
    let (width, height) = (
        400 + dice.below(1_600) as u32,
        300 + dice.below(1_200) as u32,
    );
    let phash = hex::encode(&image_id.as_bytes()[..8]);
    let captions = (0..1 + dice.below(5))
        .map(|_| sentence(&mut dice))
        .collect();
    let host = dice.below(500);
    let rights = match dice.below(3) {
        0 => Rights {
            license: Some("https://creativecommons.org/licenses/by/4.0/".into()),
            creator: Some(sentence(&mut dice)),
            ..Rights::default()
        },
        _ => Rights::default(),
    };
    let first_seen =
        OffsetDateTime::UNIX_EPOCH + Duration::hours(490_000 + dice.below(5_000) as i64);
    Document {
        image_id,
        image_name: format!("{}-{number}.jpg", WORDS[dice.below(WORDS.len())]),
        relative_path: BlobKey::original(&image_id, format).to_string(),
        width,
        height,
        pixels: Some(width * height),
        aspect: Some(width as f32 / height as f32),
        bytes: 20_000 + dice.below(2_000_000) as u64,
        format,
        phash_bands: phash_bands(&phash),
        phash: Some(phash),
        colors: (0..1 + dice.below(4))
            .map(|_| COLORS[dice.below(COLORS.len())].into())
            .collect(),
        nsfw: None,
        captions,
        hosts: vec![
            format!("host-{host}.example"),
            format!("images.host-{host}.example"),
        ],
        rights,
        taken_at: None,
        first_seen,
        last_seen: first_seen + Duration::hours(dice.below(900) as i64),
        sightings: 1 + dice.below(20) as u32,
        rev: 3,
        embeddings: BTreeMap::from([(IMAGE_EMBEDDING.to_owned(), vector)]),
    }
}

/// Unit vector `number`, as a model of pictures and words makes them: all lie to one side, around centres that
/// some share.
pub(crate) fn vector(number: u64) -> Vec<f32> {
    let mut dice = Dice::new(number ^ 1 << 40);
    // Small centres are many, as in any collection.
    let centre = (dice.unit().powi(3) * CENTRES as f32) as u64;
    let (mut common, mut own) = (Dice::new(1 << 41), Dice::new(1 << 42 | centre));
    let deviation = 1.0 / (DIMENSION as f32).sqrt();
    let mut vector: Vec<f32> = (0..DIMENSION)
        .map(|_| (0.8 * common.normal() + own.normal() + 0.7 * dice.normal()) * deviation)
        .collect();
    normalize(&mut vector);
    vector
}

fn sentence(dice: &mut Dice) -> String {
    let words: Vec<&str> = (0..3 + dice.below(8))
        .map(|_| WORDS[dice.below(WORDS.len())])
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_differ_and_are_the_same_in_every_run() {
        let one = document(7, vector(7));
        assert_eq!(one, document(7, vector(7)));
        assert_ne!(one.image_id, document(8, vector(8)).image_id);
        let length: f32 = vector(9).iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}
