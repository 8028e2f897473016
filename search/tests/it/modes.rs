//! The kinds of questions, and the senses in which they are answered.

use serde_json::json;
use tusou_contract::document::phash_bands;
use tusou_contract::mapping::ModelField;
use tusou_contract::pack::COPY_EMBEDDING;
use tusou_contract::{BlobKey, Document};
use tusou_model::{RgbImage, phash, thumbnail};
use tusou_testkit::{Reply, Site, World, pictures};

use crate::support::{
    Search, document, id, index, index_of, index_of_own, names, told, upload, vectors,
};

fn hashed(document: Document, hash: &str) -> Document {
    Document {
        phash: Some(hash.to_owned()),
        phash_bands: phash_bands(hash),
        ..document
    }
}

/// As the encoder makes it.
fn hash_of(picture: &RgbImage) -> String {
    phash::phash(&thumbnail::reduced(picture, thumbnail::LONGER_SIDE))
}

/// Blobs of light, 320 × 240.
fn scene() -> RgbImage {
    RgbImage::from_fn(320, 240, |x, y| {
        let (x, y) = (f64::from(x) / 320.0, f64::from(y) / 240.0);
        let blobs = [
            (0.2, 0.3),
            (0.45, 0.62),
            (0.7, 0.25),
            (0.55, 0.4),
            (0.85, 0.8),
        ];
        let light: f64 = blobs
            .iter()
            .map(|(cx, cy)| (-((x - cx).powi(2) + (y - cy).powi(2)) * 90.0).exp())
            .sum();
        [(light * 200.0).min(255.0) as u8, (x * 90.0) as u8, 40].into()
    })
}

fn flipped(picture: &RgbImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        *picture.get_pixel(picture.width() - 1 - x, y)
    })
}

#[tokio::test]
async fn words_and_a_picture_count_by_their_weights() {
    let world = World::new("search_both").await;
    index(&world, "1", &vectors(&world.config).field).await;
    let search = Search::ready(&world).await;
    let first = async |weight: &str| {
        let path = format!(
            "/v1/search?q=a+sailing+ship&like={}&mode=looks&weight={weight}&all=on",
            id("second")
        );
        let (status, answer) = search.json(&path).await;
        assert_eq!(status, 200, "{answer}");
        assert!(!names(&answer).contains(&"second.png"), "{answer}");
        names(&answer)[0].to_owned()
    };
    assert_eq!(first("1").await, "ship.png");
    assert_eq!(first("0.9").await, "ship.png");
    // By the picture alone another picture of the same making is nearest.
    assert_eq!(first("0").await, "first.png");

    // A picture by its address, and by its bytes with words beside it.
    let site = Site::start().await;
    site.png("/1.png", pictures::png(1));
    site.put("/moved", Reply::redirect("/1.png"));
    let address = site.url("/moved");
    let (status, answer) = search
        .json(&format!("/v1/search?url={address}&k=1&all=on"))
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(names(&answer), ["first.png"]);
    assert_eq!(answer["mode"], "looks");
    let form = upload(pictures::png(1)).text("q", "ship").text("k", "2");
    let (status, answer) = told(search.post("/v1/search", form).await).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["mode"], "means");

    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn captions_speak_where_meaning_counts_and_nothing_found_is_an_answer() {
    let mut world = World::new("search_means").await;
    // Only what was indexed with these very words is near enough.
    world.config.search.words_cut_off = 0.99;
    let vectors = vectors(&world.config);
    let spoken = Document {
        captions: vec!["Ein Walross im Schnee".into(), "海象在雪地里".into()],
        ..document("walrus", &vectors.first)
    };
    let documents = [
        document("bird", &vectors.bird),
        document("ship", &vectors.ship),
        spoken,
    ];
    index_of_own(&world, &documents).await;
    let search = Search::ready(&world).await;

    let (_, answer) = search.json("/v1/search?q=a+small+bird").await;
    assert_eq!(names(&answer), ["bird.png"]);
    let cut_off = answer["considered"]["cut_off"].as_f64();
    assert!(
        cut_off.is_some_and(|cosine| (cosine - 0.99).abs() < 1e-6),
        "{answer}"
    );
    for words in ["Walross", "walross schnee", "雪地", "海象"] {
        let (status, answer) = search.json(&format!("/v1/search?q={words}")).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(names(&answer), ["walrus.png"], "{words}: {answer}");
        // What found it was its caption; how near it is by its looks is told all the same, or not at all.
        assert!(
            answer["hits"][0]["score"]
                .as_f64()
                .is_none_or(|score| score < 0.99)
        );
    }
    let (status, answer) = search.json("/v1/search?q=Walross&mode=looks").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(names(&answer), Vec::<&str>::new());
    let considered = &answer["considered"];
    assert_eq!(
        (&considered["found"], &considered["below"]),
        (&json!(0), &json!(3))
    );
    let (_, answer) = search.json("/v1/search?q=Walross&mode=looks&all=on").await;
    assert_eq!(names(&answer).len(), 3);

    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn copies_are_told_by_their_vectors_and_hashes_and_mirrors_are_copies() {
    let world = World::new("search_same").await;
    let vectors = vectors(&world.config);
    // A copy model that this service does not run: what is indexed can be asked with all the same.
    let copies = ModelField {
        field: COPY_EMBEDDING.into(),
        model: "copies".into(),
        digest: "c".repeat(64),
        dimension: 4,
    };
    let picture = scene();
    let (hash, mirror) = (hash_of(&picture), hash_of(&flipped(&picture)));
    let foreign = format!("{:016x}", !u64::from_str_radix(&hash, 16).expect("a hash"));
    let with = |name: &str, hash: &str, copy: [f32; 4]| {
        let mut made = hashed(document(name, &vectors.bird), hash);
        made.embeddings.insert(COPY_EMBEDDING.into(), copy.to_vec());
        made
    };
    let documents = [
        with("original", &hash, [1.0, 0.0, 0.0, 0.0]),
        with("crop", &foreign, [0.9, 0.1, 0.0, 0.0]),
        with("mirrored", &mirror, [0.6, 0.8, 0.0, 0.0]),
        with("part", &foreign, [0.6, 0.8, 0.0, 0.0]),
        with("alike", &foreign, [0.6, 0.0, 0.8, 0.0]),
        with("doubtful", &foreign, [0.52, 0.0, 0.0, 0.854]),
        with("other", &foreign, [0.0, 0.0, 1.0, 0.0]),
    ];
    index_of(&world, "1", &[vectors.field.clone(), copies], &documents).await;
    let part = RgbImage::from_fn(240, 160, |x, y| *picture.get_pixel(x + 40, y + 30));
    let stripes = RgbImage::from_fn(320, 240, |x, _| {
        [if x / 20 % 2 == 0 { 255 } else { 0 }; 3].into()
    });
    let blobs = world.blobs();
    for (name, pixels) in [("original", &picture), ("part", &part), ("alike", &stripes)] {
        let small = thumbnail::jpeg(&thumbnail::reduced(pixels, thumbnail::LONGER_SIDE));
        let key = BlobKey::thumbnail(&id(name));
        blobs.put(&key, small.into()).await.expect("a blob");
    }
    let search = Search::ready(&world).await;

    let (status, answer) = search
        .json(&format!(
            "/v1/images/{}/similar?mode=same&group=off",
            id("original")
        ))
        .await;
    assert_eq!(status, 200, "{answer}");
    // The model is sure of the crop, and doubts four: the hash speaks for the mirror image, what is seen for the part.
    let mut found = names(&answer);
    found.sort_unstable();
    assert_eq!(found, ["crop.png", "mirrored.png", "part.png"], "{answer}");
    assert_eq!(answer["considered"]["below"], 3);

    // An upload has its hash alone here, and finds the picture and its mirror image by it.
    let bytes = pictures::compressed(&picture, pictures::ImageFormat::Png);
    let (status, answer) = told(
        search
            .post("/v1/search?mode=same&group=off", upload(bytes))
            .await,
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    let mut found = names(&answer);
    found.sort_unstable();
    assert_eq!(found, ["mirrored.png", "original.png"], "{answer}");

    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn what_a_picture_shows_is_said_in_the_words_of_its_like() {
    let world = World::new("search_guess").await;
    let vectors = vectors(&world.config);
    let said = |name: &str, caption: &str, vector: &[f32]| Document {
        captions: vec![caption.to_owned()],
        ..document(name, vector)
    };
    let documents = [
        said("one", "A red kite over the hills", &vectors.bird),
        said("two", "red kite", &vectors.bird),
        said("three", "Red Kite (Milvus milvus)", &vectors.bird),
        said("asked", "", &vectors.bird),
    ];
    index_of_own(&world, &documents).await;
    let search = Search::ready(&world).await;
    let (status, answer) = search
        .json(&format!("/v1/images/{}/similar", id("asked")))
        .await;
    assert_eq!(status, 200, "{answer}");
    let guess = &answer["best_guess"];
    assert_eq!(
        guess["words"].as_str().map(str::to_lowercase).as_deref(),
        Some("red kite"),
        "{answer}"
    );
    assert_eq!(guess["votes"][0]["pictures"], 3, "{guess}");

    // Where its like are meant and not seen, these words are looked for too.
    let (status, answer) = search
        .json(&format!("/v1/images/{}/similar?mode=means", id("asked")))
        .await;
    assert_eq!(
        (status, &answer["mode"]),
        (200, &json!("means")),
        "{answer}"
    );
    assert_eq!(answer["best_guess"]["votes"][0]["pictures"], 3, "{answer}");

    search.stop().await;
    world.end().await;
}
