//! An index of pictures in many shapes, with real thumbnails, pages and rights: enough for several pages of results.

use std::sync::OnceLock;

use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use tusou_contract::document::{aspect, phash_bands, pixels};
use tusou_contract::mapping::IMAGE_EMBEDDING;
use tusou_contract::{BlobKey, Document, ImageFormat, ImageId, Rights};
use tusou_model::{Device, Limits, Pack, RgbImage, Runtime, VisionModel, decode, phash, thumbnail};
use tusou_platform::Config;
use tusou_testkit::{SplitMix64, World, pictures};

use crate::support::{index_of_own, vectors};

/// Pictures without those that have names.
pub(crate) const COUNT: u32 = 160;

/// Pixels of the files, whose documents say eight times as much.
const SHAPES: [(u32, u32); 8] = [
    (240, 160),
    (160, 240),
    (300, 100),
    (200, 200),
    (256, 144),
    (120, 280),
    (180, 135),
    (320, 128),
];
const COLORS: [&str; 5] = ["red", "blue", "green", "yellow", "white"];
const FORMATS: [ImageFormat; 3] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Webp];

/// A picture that stands in the index by a name.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) png: Vec<u8>,
    pub(crate) pixels: RgbImage,
    vector: Vec<f32>,
}

impl Named {
    pub(crate) fn id(&self) -> String {
        ImageId::of(&self.png).to_string()
    }
}

/// The pictures that tests search for.
#[derive(Debug)]
pub(crate) struct Pictures {
    /// Light blobs: one in the file of a bird.
    pub(crate) bird: Named,
    /// The same at half its size.
    pub(crate) small_bird: Named,
    /// The left and the right half of what [`Pictures::pair`] shows.
    pub(crate) left: Named,
    pub(crate) right: Named,
    /// Both beside each other; in no index.
    pub(crate) pair: Vec<u8>,
}

/// Made once a process: loading the model takes seconds.
pub(crate) fn the_pictures(config: &Config) -> &'static Pictures {
    static MADE: OnceLock<Pictures> = OnceLock::new();
    MADE.get_or_init(|| {
        let pack = Pack::open(&config.models.packs[0]).expect("the pack is whole");
        let runtime = Runtime::load(&config.models.runtime).expect("the runtime is there");
        let mut vision =
            VisionModel::load(&runtime, &pack, Device::Auto, 1).expect("the picture tower loads");
        let mut named = |pixels: RgbImage| {
            let png = pictures::compressed(&pixels, pictures::ImageFormat::Png);
            let limits = Limits {
                max_pixels: 1 << 20,
                max_memory: 64 << 20,
            };
            let read = decode::decode(&png, ImageFormat::Png, &limits, decode::Detail::Whole);
            let mut vectors = vision
                .embed(&[read.expect("a whole PNG")])
                .expect("pictures are encoded");
            let vector = vectors.remove(0);
            Named {
                png,
                pixels,
                vector,
            }
        };
        let left = blobs(200, 200, [40, 90, 200], &[(0.3, 0.3), (0.7, 0.6)]);
        let right = pictures::pixels(77, 200, 200);
        let pair = RgbImage::from_fn(400, 200, |x, y| match x {
            0..200 => *left.get_pixel(x, y),
            _ => *right.get_pixel(x - 200, y),
        });
        let bird = blobs(
            320,
            240,
            [200, 90, 40],
            &[(0.2, 0.3), (0.45, 0.62), (0.7, 0.25), (0.85, 0.8)],
        );
        let small = thumbnail::reduced(&bird, 160);
        Pictures {
            bird: named(bird),
            small_bird: named(small),
            left: named(left),
            right: named(right),
            pair: pictures::compressed(&pair, pictures::ImageFormat::Png),
        }
    })
}

/// Light on a dark ground.
fn blobs(width: u32, height: u32, colour: [u8; 3], centres: &[(f64, f64)]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (
            f64::from(x) / f64::from(width),
            f64::from(y) / f64::from(height),
        );
        let light: f64 = centres
            .iter()
            .map(|(cx, cy)| (-((x - cx).powi(2) + (y - cy).powi(2)) * 60.0).exp())
            .sum();
        colour
            .map(|part| ((0.15 + light).min(1.0) * f64::from(part)) as u8)
            .into()
    })
}

/// Everything of the gallery that is the same in every world.
struct Made {
    documents: Vec<Document>,
    thumbnails: Vec<Vec<u8>>,
}

fn made(config: &Config) -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let (named, vectors) = (the_pictures(config), vectors(config));
        let mut made = Made {
            documents: Vec::new(),
            thumbnails: Vec::new(),
        };
        let mut random = SplitMix64::new(7);
        // Half of its vector is that of a small bird, less and less: so every search has an order.
        let mut near = |share: f32| -> Vec<f32> {
            let noise = vectors
                .bird
                .iter()
                .map(|_| random.bits() as f32 / u64::MAX as f32 - 0.5);
            let mixed = vectors.bird.iter().zip(noise);
            unit(
                mixed
                    .map(|(bird, noise)| share * bird + 0.05 * noise)
                    .collect(),
            )
        };
        made.add(
            "a small bird.png",
            &named.bird.pixels,
            &named.bird.png,
            vectors.bird.clone(),
            "A small bird · 一只小鸟",
        );
        // Asked with as pictures, these two are copies by their hashes.
        made.add(
            "the bird once more.png",
            &named.small_bird.pixels,
            &named.small_bird.png,
            near(0.9),
            "A small bird, smaller · 小一些的小鸟",
        );
        made.add(
            "left.png",
            &named.left.pixels,
            &named.left.png,
            named.left.vector.clone(),
            "The left half · 左边",
        );
        made.add(
            "right.png",
            &named.right.pixels,
            &named.right.png,
            named.right.vector.clone(),
            "The right half · 右边",
        );
        for number in 0..COUNT {
            let (width, height) = SHAPES[number as usize % SHAPES.len()];
            let pixels = pictures::pixels(number + 1_000, width, height);
            let png = pictures::compressed(&pixels, pictures::ImageFormat::Png);
            let caption = format!("Picture {number} of the gallery · 图片{number}");
            let vector = near(0.8 - number as f32 / 400.0);
            made.add(
                &format!("picture-{number}.jpg"),
                &pixels,
                &png,
                vector,
                &caption,
            );
        }
        made
    })
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.into_iter().map(|value| value / length).collect()
}

impl Made {
    fn add(&mut self, name: &str, image: &RgbImage, bytes: &[u8], vector: Vec<f32>, caption: &str) {
        let number = self.documents.len();
        let small = thumbnail::reduced(image, thumbnail::LONGER_SIDE);
        let hash = phash::phash(&small);
        let image_id = ImageId::of(bytes);
        let (width, height) = (image.width() * 8, image.height() * 8);
        let format = FORMATS[number % FORMATS.len()];
        let seen = first_seen(number);
        self.documents.push(Document {
            image_id,
            image_name: name.to_owned(),
            relative_path: BlobKey::original(&image_id, format).to_string(),
            width,
            height,
            pixels: Some(u32::try_from(pixels(width, height)).expect("small pictures")),
            aspect: Some(aspect(width, height)),
            bytes: 120_000,
            format,
            phash_bands: phash_bands(&hash),
            phash: Some(hash),
            colors: vec![COLORS[number % COLORS.len()].into()],
            nsfw: None,
            captions: vec![caption.to_owned()],
            hosts: vec!["gallery.example".into()],
            rights: rights(number),
            taken_at: None,
            first_seen: seen,
            last_seen: datetime!(2026-11-01 12:00 UTC),
            sightings: 1,
            rev: 1,
            embeddings: [(IMAGE_EMBEDDING.to_owned(), vector)].into(),
        });
        self.thumbnails.push(thumbnail::jpeg(&small));
    }
}

fn first_seen(number: usize) -> OffsetDateTime {
    let days = i64::try_from(number).expect("few pictures") * 3;
    datetime!(2026-10-01 12:00 UTC) - Duration::days(days)
}

fn rights(number: usize) -> Rights {
    match number % 3 {
        0 => Rights {
            license: Some("https://creativecommons.org/licenses/by/4.0/".into()),
            creator: Some("Ann Example".into()),
            ..Rights::default()
        },
        _ => Rights::default(),
    }
}

/// Fills a world: index, thumbnails and the pages that show each picture. The bird is on seven, the oldest gone.
pub(crate) async fn hang(world: &World) {
    let made = made(&world.config);
    index_of_own(world, &made.documents).await;
    let blobs = world.blobs();
    for (document, jpeg) in made.documents.iter().zip(&made.thumbnails) {
        let key = BlobKey::thumbnail(&document.image_id);
        blobs.put(&key, jpeg.clone().into()).await.expect("a blob");
    }
    rows(world, &made.documents).await;
}

async fn rows(world: &World, documents: &[Document]) {
    sqlx::raw_sql("INSERT INTO hosts (origin) VALUES ('https://gallery.example')")
        .execute(world.pool())
        .await
        .expect("a new host");
    let ids: Vec<Vec<u8>> = documents
        .iter()
        .map(|document| document.image_id.as_bytes().to_vec())
        .collect();
    let rights: Vec<String> = documents
        .iter()
        .map(|document| serde_json::to_string(&document.rights).expect("rights are JSON"))
        .collect();
    let seen: Vec<OffsetDateTime> = documents
        .iter()
        .map(|document| document.first_seen)
        .collect();
    let captions: Vec<String> = documents
        .iter()
        .map(|document| document.captions[0].clone())
        .collect();
    for (statement, what) in [
        (
            "INSERT INTO images (image_id, format, width, height, bytes, blob_key, rights) \
             SELECT id, 'png', 8, 8, 1000, 'originals/' || n, rights::jsonb \
             FROM UNNEST($1::bytea[], $2::text[], $3::timestamptz[], $4::text[]) \
             WITH ORDINALITY AS t(id, rights, seen, caption, n)",
            "images",
        ),
        (
            "INSERT INTO image_urls (host_id, url) SELECT host_id, 'https://gallery.example/' || n || '.png' \
             FROM hosts, UNNEST($1::bytea[], $2::text[], $3::timestamptz[], $4::text[]) \
             WITH ORDINALITY AS t(id, rights, seen, caption, n)",
            "addresses of pictures",
        ),
        (
            "INSERT INTO pages (host_id, url, depth, title) \
             SELECT host_id, 'https://gallery.example/page/' || n, 0, 'Gallery, page ' || n \
             FROM hosts, UNNEST($1::bytea[], $2::text[], $3::timestamptz[], $4::text[]) \
             WITH ORDINALITY AS t(id, rights, seen, caption, n)",
            "pages",
        ),
        (
            // The first picture is the bird: the first seven pages show it, each a year before the one before it.
            "INSERT INTO sightings (image_id, page_id, image_url_id, alt, caption, rights, first_seen, gone_since) \
             SELECT id, page_id, image_url_id, caption, caption, rights::jsonb, seen, NULL \
             FROM UNNEST($1::bytea[], $2::text[], $3::timestamptz[], $4::text[]) \
                  WITH ORDINALITY AS t(id, rights, seen, caption, n) \
             JOIN pages ON pages.url = 'https://gallery.example/page/' || n \
             JOIN image_urls ON image_urls.url = 'https://gallery.example/' || n || '.png' \
             UNION ALL \
             SELECT id, page_id, image_url_id, caption, caption, '{}', seen - p * interval '1 year', \
                    CASE WHEN p = 6 THEN timestamptz '2025-01-01' END \
             FROM UNNEST($1::bytea[], $2::text[], $3::timestamptz[], $4::text[]) \
                  WITH ORDINALITY AS t(id, rights, seen, caption, n), generate_series(1, 6) p \
             JOIN pages ON pages.url = 'https://gallery.example/page/' || p + 1 \
             JOIN image_urls ON image_urls.url = 'https://gallery.example/1.png' \
             WHERE n = 1",
            "sightings",
        ),
    ] {
        let done = sqlx::query(statement)
            .bind(&ids)
            .bind(&rights)
            .bind(&seen)
            .bind(&captions)
            .execute(world.pool())
            .await;
        done.unwrap_or_else(|cause| panic!("no {what}: {cause}"));
    }
}
