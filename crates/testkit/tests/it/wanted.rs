//! Taking only what is wanted: what is not is seen by its address, its headers or its first bytes, is
//! counted with its reason, and comes back when the operator wants it after all.

use image::codecs::gif::GifEncoder;
use image::{Delay, Frame, RgbaImage};
use serde_json::{Value, json};
use tusou_contract::{ImageFormat, ImageId};
use tusou_testkit::{Chain, Reply, Service, Site, World, pictures};

/// The length of a body of which only the beginning is wanted, if anything: half a second of it.
const LONG: usize = 4 << 20;

/// A picture that goes on behind its end.
fn long(mut picture: Vec<u8>) -> Vec<u8> {
    picture.resize(LONG, 0);
    picture
}

fn picture(width: u32, height: u32, format: pictures::ImageFormat) -> Vec<u8> {
    pictures::compressed(&pictures::pixels(width, width, height), format)
}

fn animated_gif(frames: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for number in 0..frames {
        let pixels = RgbaImage::from_pixel(80, 60, image::Rgba([40 * number as u8, 7, 90, 255]));
        let frame = Frame::from_parts(pixels, 0, 0, Delay::from_numer_denom_ms(50, 1));
        encoder.encode_frame(frame).expect("it compresses");
    }
    drop(encoder);
    bytes
}

/// 47 × 61, once it is turned upright.
const AVIF: &[u8] = include_bytes!("../../../model/tests/golden/avif/turned-6.avif");

/// Every kind of thing on one page.
async fn site() -> Site {
    use pictures::ImageFormat::{Bmp, Jpeg, Png};
    let site = Site::start().await;
    let tagged = |reply: Reply| reply.header("etag", "\"first\"");
    let narrow = Reply::trickling("image/jpeg", long(picture(30, 30, Jpeg)));
    site.put("/narrow.jpg", tagged(narrow));
    let banner = long(picture(900, 100, Png));
    site.put("/banner.png", Reply::trickling("image/png", banner));
    site.put(
        "/low.bmp",
        Reply::trickling("image/bmp", long(picture(60, 20, Bmp))),
    );
    site.put("/tiny.png", Reply::bytes("image/png", picture(1, 1, Png)));
    let page = long(b"<!doctype html><p>A page.".to_vec());
    site.put("/page.jpg", Reply::trickling("image/jpeg", page));
    let svg = format!("<svg xmlns='http://www.w3.org/2000/svg'>{:200}</svg>", "");
    site.put("/drawing.svg", Reply::bytes("image/svg+xml", svg));
    let tiff = long(b"II\x2A\0\x08\0\0\0".to_vec());
    site.put("/scan.tif", Reply::trickling("image/tiff", tiff));
    site.put("/moving.gif", Reply::bytes("image/gif", animated_gif(3)));
    site.put("/photo.avif", Reply::bytes("image/avif", AVIF));
    site.jpeg("/photo.jpg", picture(96, 64, Jpeg));
    site.png("/ads/one.png", picture(70, 70, Png));
    let names = [
        "narrow.jpg",
        "banner.png",
        "low.bmp",
        "tiny.png",
        "page.jpg",
        "drawing.svg",
        "scan.tif",
        "moving.gif",
        "photo.avif",
        "photo.jpg",
        "ads/one.png",
    ];
    let shown = names.map(|name| format!("<img src=/{name} alt=\"{name}\">"));
    site.html("/", shown.concat());
    site
}

#[tokio::test]
async fn what_is_not_wanted_is_not_fetched_and_comes_back_when_it_is() {
    let site = site().await;
    let mut world = World::new("wanted").await;
    let wanted = world.config.pictures.clone();
    let rules = &mut world.config.pictures;
    rules.min_bytes = 200;
    (rules.min_width, rules.min_height) = (40, 40);
    rules.max_aspect = 4.0;
    rules.exclude = vec!["*/ads/*".to_owned()];
    let mut chain = Chain::start(world).await;
    chain.seed(&site.url("/")).await;
    let status = chain.done().await;

    let skipped = json!({
        "too_narrow": 1, "too_long": 1, "too_low": 1, "too_few_bytes": 1, "svg": 1, "tiff": 1,
    });
    assert_eq!(status["image_urls"]["skipped"], skipped, "{status:#}");
    assert_eq!(status["image_urls"]["failed"], json!({"not_a_picture": 1}));
    assert_eq!(status["pictures_left"], json!({"pattern": 1}));
    assert_eq!(
        (&status["images"]["stored"], site.hits("/ads/one.png")),
        (&json!(3), 0)
    );
    // Of five bodies only the beginning was sent, and of one nothing.
    let saved = chain.crawler.metric("crawler_saved_bytes_total").await;
    assert!(saved > 4.0 * LONG as f64, "{saved} bytes were saved");
    for path in [
        "/narrow.jpg",
        "/banner.png",
        "/low.bmp",
        "/page.jpg",
        "/scan.tif",
    ] {
        let sent = site.trickled(path);
        assert!(
            sent < LONG as u64 / 2,
            "{sent} of {LONG} bytes of {path} were sent"
        );
    }
    // An AVIF and a GIF's first frame are found like others; how many frames there are is kept.
    let documents = chain.world.documents().await;
    let of = |format| documents.iter().find(|document| document.format == format);
    let avif = of(ImageFormat::Avif).expect("the AVIF is found");
    assert_eq!(
        (avif.image_id, avif.width, avif.height),
        (ImageId::of(AVIF), 47, 61)
    );
    assert!(avif.phash.is_some() && avif.embeddings.contains_key("image_embedding"));
    assert!(of(ImageFormat::Gif).is_some_and(|gif| (gif.width, gif.height) == (80, 60)));
    let frames: Vec<(String, Option<i32>)> =
        sqlx::query_as("SELECT format, frames FROM images ORDER BY format")
            .fetch_all(chain.world.pool())
            .await
            .expect("the column is there");
    let frames: Vec<_> = frames
        .iter()
        .map(|(format, frames)| (format.as_str(), *frames))
        .collect();
    assert_eq!(
        frames,
        [("avif", None), ("gif", Some(3)), ("jpeg", Some(1))]
    );

    // Without the rules: what was skipped is asked for as if for the first time, and taken.
    let Chain { world, crawler, .. } = &mut chain;
    world.config.pictures = wanted;
    *crawler = Service::spawn(world, "tusou-crawler").await;
    chain.tusou(&["recrawl", "1"]).await;
    let status = chain.done().await;
    assert_eq!(
        status["image_urls"]["skipped"],
        json!({"svg": 1, "tiff": 1}),
        "{status:#}"
    );
    assert_eq!(status["pictures_left"], json!({}));
    assert_eq!(status["images"]["indexed"], 8, "{status:#}");
    let mut asked = site.requests().into_iter();
    assert!(asked.all(|request| !request.headers.contains_key("if-none-match")));

    // And with them again, of an answer that would be 304 to whoever still had it: gone, and no sooner back.
    let Chain { world, crawler, .. } = &mut chain;
    world.config.pictures.min_width = 40;
    *crawler = Service::spawn(world, "tusou-crawler").await;
    chain.tusou(&["recrawl", &site.url("/narrow.jpg")]).await;
    let status = chain.done().await;
    assert_eq!(
        status["image_urls"]["skipped"]["too_narrow"], 1,
        "{status:#}"
    );
    let known: (Option<String>, Option<Vec<u8>>) =
        sqlx::query_as("SELECT etag, image_id FROM image_urls WHERE reason = 'too_narrow'")
            .fetch_one(chain.world.pool())
            .await
            .expect("the row is there");
    assert_eq!(known, (None, None));
    let narrow = ImageId::of(&long(picture(30, 30, pictures::ImageFormat::Jpeg)));
    assert_eq!(chain.shown().await[&narrow].sightings, 0);
    chain.end().await;
}

/// How many picture URLs are known, and what their pages leave out.
fn counts(status: &Value) -> (u64, Value) {
    let known = status["image_urls"]["done"].as_u64().expect("a count");
    (known, status["pictures_left"].clone())
}

#[tokio::test]
async fn a_page_a_host_and_a_seed_have_as_many_pictures_as_they_may() {
    let site = Site::start().await;
    for page in 0..3 {
        // The first is shown twice, and counts once.
        let numbers = [0].into_iter().chain(0..10).map(|n| page * 10 + n);
        let shown: String = numbers.map(|n| format!("<img src=/p/{n}.png>")).collect();
        let path = if page == 0 {
            "/".to_owned()
        } else {
            format!("/{page}")
        };
        site.html(&path, format!("{shown}<a href=/1>1</a><a href=/2>2</a>"));
    }
    for number in 0..30 {
        site.png(&format!("/p/{number}.png"), pictures::png(number));
    }
    let mut world = World::new("limits").await;
    world.config.pictures.max_per_page = 4;
    world.config.pictures.max_per_host = 9;
    let chain = Chain::start(world).await;
    let url = site.url("/");
    let said = chain.tusou(&["seed", &url, "--max-images", "6"]).await;
    assert!(said.contains("and 6 pictures"), "{said}");
    let left = json!({"page_limit": 18, "seed_limit": 6});
    assert_eq!(counts(&chain.done().await), (6, left));
    // The first pictures of the first page.
    for number in 0..4 {
        assert_eq!(site.hits(&format!("/p/{number}.png")), 1);
    }

    // A seed that may have more reads its pages again, until the host is full.
    let said = chain
        .tusou(&["seed", "edit", "1", "--max-images", "0"])
        .await;
    assert!(!said.contains("pictures"), "{said}");
    let left = json!({"page_limit": 18, "host_limit": 3});
    assert_eq!(counts(&chain.done().await), (9, left));
    // A limit that is set later counts what is there.
    chain
        .tusou(&["seed", "edit", "1", "--max-images", "9"])
        .await;
    let listed = chain.tusou(&["seed", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed[0]["max_images"], 9);
    let images: i64 = sqlx::query_scalar("SELECT images FROM seeds")
        .fetch_one(chain.world.pool())
        .await
        .expect("the column is there");
    assert_eq!(images, 9);
    let table = chain.tusou(&["seed", "list"]).await;
    assert!(table.contains("≤ 9"), "{table}");
    chain.end().await;
}
