use std::fs;

use tusou_model::Pack;

use super::server::{COMMIT, Server};
use super::{Files, Machine, VECTORS, files, immich, onnx};

const IMMICH: &str = "immich-app/ViT-B-32__openai";

/// More than two of the pieces that are asked for.
const LONG: usize = 20 << 20;

async fn machine(server: &Server) -> Machine {
    let mut machine = Machine::new();
    machine.models.hub_url = server.start().await;
    machine
}

/// The two repositories of the article's model.
fn article() -> [Files; 2] {
    let pooling = br#"{"pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":false}"#;
    let dense = br#"{"in_features":768,"out_features":512,"activation_function":"torch.nn.modules.linear.Identity"}"#;
    let modules = br#"[{"path":"","type":"sentence_transformers.models.Transformer"},
        {"path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
        {"path":"2_Dense","type":"sentence_transformers.models.Dense"}]"#;
    let processor = br#"{"crop_size":{"height":224,"width":224},"do_center_crop":true,"size":{"shortest_edge":224},
        "resample":3,"image_mean":[0.1,0.2,0.3],"image_std":[1,1,1]}"#;
    let text = onnx(
        &[("input_ids", &[0, 0]), ("attention_mask", &[0, 0])],
        ("last_hidden_state", &[0, 0, 192]),
        5_000,
    );
    let text = files([
        ("modules.json", modules.to_vec()),
        ("1_Pooling/config.json", pooling.to_vec()),
        ("2_Dense/config.json", dense.to_vec()),
        ("2_Dense/model.safetensors", vec![7; 2_000]),
        ("2_Dense/pytorch_model.bin", vec![8; 2_000]),
        ("onnx/model.onnx", text),
        ("onnx/model_O3.onnx", vec![9; 2_000]),
        ("tokenizer.json", b"{}".to_vec()),
        ("vocab.txt", b"".to_vec()),
    ]);
    let pictures = files([
        (
            "model.onnx",
            onnx(
                &[("pixel_values", &[0, 0, 56, 56])],
                ("image_embeds", VECTORS),
                5_000,
            ),
        ),
        ("preprocessor_config.json", processor.to_vec()),
        ("README.md", b"read me".to_vec()),
    ]);
    [text, pictures]
}

#[tokio::test]
async fn a_repository_becomes_a_pack() {
    let server = Server::default();
    let machine = machine(&server).await;
    server.put(IMMICH, immich(50_000));
    let told = machine
        .fetch("clip-vit-b-32", None)
        .await
        .expect("it is fetched");
    insta::assert_snapshot!(told);
    let pack = Pack::open(machine.pack("clip-vit-b-32")).expect("the pack is whole");
    assert_eq!(pack.manifest().dimension, 512);
    let source = format!("https://huggingface.co/{IMMICH}@{COMMIT}");
    assert_eq!(pack.manifest().source.as_deref(), Some(source.as_str()));
    let holds = machine.holds();
    assert!(
        holds.iter().all(|file| file.starts_with("clip-vit-b-32/")),
        "{holds:?}"
    );
    assert!(
        !holds
            .iter()
            .any(|file| file.contains("vocab") || file.contains("rknn")),
        "{holds:?}"
    );

    let again = machine
        .fetch("clip-vit-b-32", None)
        .await
        .expect("it is here");
    insta::assert_snapshot!(again);
}

#[tokio::test]
async fn two_repositories_become_the_articles_model() {
    let server = Server::default();
    let machine = machine(&server).await;
    let [text, pictures] = article();
    server.put("sentence-transformers/clip-ViT-B-32-multilingual-v1", text);
    server.put("Qdrant/clip-ViT-B-32-vision", pictures);
    let name = "clip-vit-b-32-multilingual-v1";
    machine
        .fetch(name, Some("v1"))
        .await
        .expect("it is fetched");
    let pack = Pack::open(machine.pack(name)).expect("the pack is whole");
    let mut manifest = pack.manifest().clone();
    for sum in manifest.files.values_mut() {
        sum.truncate(8);
    }
    insta::assert_json_snapshot!(manifest);
}

#[tokio::test]
async fn a_cut_connection_is_gone_on_with_where_it_was_cut() {
    let server = Server::default();
    let machine = machine(&server).await;
    server.put(IMMICH, immich(LONG));
    server.cut(3);
    machine
        .fetch("clip-vit-b-32", None)
        .await
        .expect("it is fetched in the end");
    let fetched = fs::read(machine.pack("clip-vit-b-32/visual/model.onnx")).expect("it is there");
    assert!(
        fetched == immich(LONG)["visual/model.onnx"],
        "it is as it was served"
    );
}

#[tokio::test]
async fn what_was_got_before_a_failure_is_not_asked_for_again() {
    let server = Server::default();
    let machine = machine(&server).await;
    server.put(IMMICH, immich(LONG));
    // The first piece comes through, and nothing behind it.
    let piece = 8 << 20;
    server.cut_behind(Some(piece));
    let told = machine.refusal("clip-vit-b-32").await;
    assert!(told.contains("the same command goes on"), "{told}");
    let holds = machine.holds();
    let kept = |file: &String| file.starts_with(".clip-vit-b-32.fetching/");
    assert!(holds.iter().all(kept), "{holds:?}");
    assert!(!machine.pack("clip-vit-b-32").exists());
    server.ranges();

    server.cut_behind(None);
    machine
        .fetch("clip-vit-b-32", None)
        .await
        .expect("it goes on");
    let mut ranges = server.ranges();
    ranges.sort();
    let second = format!("bytes={piece}-{}", 2 * piece - 1);
    assert!(ranges.contains(&second), "{ranges:?}");
    assert!(
        !ranges.iter().any(|range| range.starts_with("bytes=0-")),
        "{ranges:?}"
    );
    let fetched = fs::read(machine.pack("clip-vit-b-32/visual/model.onnx")).expect("it is there");
    assert!(
        fetched == immich(LONG)["visual/model.onnx"],
        "it is as it was served"
    );
}

#[tokio::test]
async fn a_wrong_checksum_is_refused_and_nothing_is_left() {
    let server = Server::default();
    let machine = machine(&server).await;
    server.put(IMMICH, immich(50_000));
    server.lie(true);
    let told = machine.refusal("clip-vit-b-32").await;
    insta::assert_snapshot!(told);
    assert_eq!(machine.holds(), Vec::<String>::new());
    server.lie(false);
    machine
        .fetch("clip-vit-b-32", None)
        .await
        .expect("it is fetched");
}

#[tokio::test]
async fn what_is_for_members_wants_a_token() {
    let server = Server::default();
    let mut machine = machine(&server).await;
    server.put(IMMICH, immich(10));
    server.want_token("hf_sesame");
    let told = machine.refusal("clip-vit-b-32").await;
    insta::assert_snapshot!(told);
    machine.models.hub_token = "hf_sesame".into();
    machine
        .fetch("clip-vit-b-32", None)
        .await
        .expect("it is fetched");
}

#[tokio::test]
async fn a_hub_that_does_not_have_it_is_told() {
    let server = Server::default();
    let machine = machine(&server).await;
    let mut told = vec![machine.refusal("clip-vit-b-32").await];
    let mut lacking = immich(10);
    lacking.remove("config.json");
    server.put(IMMICH, lacking);
    told.push(machine.refusal("clip-vit-b-32").await);
    let mut narrow = immich(10);
    let other = onnx(&[("image", &[0, 0, 56, 56])], ("embedding", &[0, 96]), 10);
    narrow.insert("visual/model.onnx".into(), other);
    server.put(IMMICH, narrow);
    told.push(machine.refusal("clip-vit-b-32").await);
    insta::assert_snapshot!(told.join("\n"));
    assert!(!machine.pack("clip-vit-b-32").exists());
}

#[tokio::test]
async fn a_hub_that_cannot_be_reached_is_told_with_what_helps() {
    let machine = Machine::new();
    let told = machine.refusal("clip-vit-b-32").await;
    assert!(
        told.contains("models.hub_url") && told.contains("tusou models add"),
        "{told}"
    );
    assert!(
        told.contains("HUB/api/models/immich-app/ViT-B-32__openai/revision/main"),
        "{told}"
    );
}

#[tokio::test]
async fn the_hubs_own_cache_in_a_folder_is_enough() {
    let mut machine = Machine::new();
    let cache = machine.folder.path().join("cache");
    machine.models.offline.clone_from(&cache);
    let mut told = vec![machine.refusal("clip-vit-b-32").await];
    let repository = cache.join("models--immich-app--ViT-B-32__openai");
    for (name, bytes) in immich(3_000) {
        let blob = [
            format!("blob {}\0", bytes.len()).into_bytes(),
            bytes.clone(),
        ]
        .concat();
        let blob = repository
            .join("blobs")
            .join(hex::encode(<sha1::Sha1 as sha1::Digest>::digest(blob)));
        let link = repository.join("snapshots").join(COMMIT).join(name);
        for path in [&blob, &link] {
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is made");
        }
        fs::write(&blob, bytes).expect("it is writable");
        std::os::unix::fs::symlink(&blob, &link).expect("it is writable");
    }
    fs::create_dir_all(repository.join("refs")).expect("it is made");
    fs::write(repository.join("refs/main"), COMMIT).expect("it is writable");
    told.push(
        machine
            .fetch("clip-vit-b-32", None)
            .await
            .expect("it is put together"),
    );
    insta::assert_snapshot!(told.join("\n"));
    Pack::open(machine.pack("clip-vit-b-32")).expect("the pack is whole");
    assert!(
        repository.join("refs/main").exists(),
        "what somebody else keeps stays theirs"
    );

    machine.models.folder.push("other");
    let model = repository
        .join("snapshots")
        .join(COMMIT)
        .join("visual/model.onnx");
    fs::write(model, b"changed").expect("it is writable");
    let told = machine.refusal("clip-vit-b-32").await;
    assert!(
        told.contains("visual/model.onnx") && told.contains("checksum"),
        "{told}"
    );
    assert!(
        repository.join("refs/main").exists(),
        "what somebody else keeps stays theirs"
    );
}
