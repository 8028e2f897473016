//! The `lite` pack against the reference build in Python: Pillow, numpy, ONNX Runtime.
//!
//! `golden/lite.json` holds what the reference gave, to five decimals. Measured: texts differ by
//! 2.4e-9 and pictures by 2.3e-9 from a cosine of 1, which is what five decimals leave.

mod common;

use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<GoldenText>,
    images: Vec<GoldenImage>,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct GoldenImage {
    path: String,
    embedding: Vec<f32>,
}

#[test]
fn embeddings_agree_with_the_reference() {
    let golden: Golden =
        serde_json::from_str(include_str!("golden/lite.json")).expect("the golden file is JSON");
    let (_, mut vision, mut text) = common::lite();
    assert_eq!((golden.texts.len(), golden.images.len()), (8, 8));

    let texts: Vec<String> = golden
        .texts
        .iter()
        .map(|golden| golden.text.clone())
        .collect();
    let vectors = text.embed(&texts).expect("texts are encoded");
    let mut worst: f64 = 1.0;
    for (golden, vector) in golden.texts.iter().zip(&vectors) {
        let cosine = common::cosine(&golden.embedding, vector);
        worst = worst.min(cosine);
        assert!(cosine >= 0.999_99, "{}: {cosine}", golden.text);
    }
    println!("texts: 1 - cosine at most {:.1e}", 1.0 - worst);

    let stamps = common::stamps();
    let pictures: Vec<_> = golden
        .images
        .iter()
        .map(|golden| common::read_stamp(&stamps.join(&golden.path)))
        .collect();
    let vectors = vision.embed(&pictures).expect("pictures are encoded");
    let mut worst: f64 = 1.0;
    for (golden, vector) in golden.images.iter().zip(&vectors) {
        let cosine = common::cosine(&golden.embedding, vector);
        worst = worst.min(cosine);
        assert!(cosine >= 0.9999, "{}: {cosine}", golden.path);
    }
    println!("pictures: 1 - cosine at most {:.1e}", 1.0 - worst);

    // A batch is as good as its items alone.
    for (picture, together) in pictures.iter().zip(&vectors) {
        let alone = vision
            .embed(std::slice::from_ref(picture))
            .expect("a picture is encoded");
        assert!(common::cosine(&alone[0], together) >= 0.999_999);
    }
    for (text_alone, together) in texts
        .iter()
        .zip(&text.embed(&texts).expect("texts are encoded"))
    {
        let alone = text
            .embed(std::slice::from_ref(text_alone))
            .expect("a text is encoded");
        assert!(
            common::cosine(&alone[0], together) >= 0.999_999,
            "{text_alone}"
        );
    }
}

#[test]
fn empty_and_endless_texts_have_a_vector() {
    let (pack, _, mut text) = common::lite();
    let texts = [
        String::new(),
        "cat ".repeat(100_000),
        "\0\u{feff}".to_owned(),
    ];
    for vector in text.embed(&texts).expect("every text is encoded") {
        assert_eq!(vector.len(), pack.dimension());
    }
}
