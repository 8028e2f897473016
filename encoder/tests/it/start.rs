//! Models that cannot be used: the encoder ends at once, and its log says why and what helps.

use std::path::{Path, PathBuf};

use tusou_contract::ImageId;
use tusou_platform::config::Device;
use tusou_testkit::{Service, World, wait_until};

use crate::support::{LIMIT, ours};

/// What a person reads in the log of an encoder that does not start, without times and places.
async fn refused(world: &World) -> String {
    let mut encoder = Service::spawn_unready(world, "tusou-encoder").await;
    wait_until(LIMIT, "the encoder to end", async || !encoder.is_running()).await;
    let log = encoder.log();
    let words = "tusou-encoder ends with an error error=";
    let said: Vec<&str> = log
        .lines()
        .filter_map(|line| Some(line.split_once(words)?.1))
        .collect();
    let [said] = said.as_slice() else {
        panic!("it says once why it ends: {log}")
    };
    let folder = world.folder().display().to_string();
    said.replace(&folder, "FOLDER")
}

/// A copy of a small pack, to be spoiled.
fn small_pack(world: &World, name: &str) -> PathBuf {
    let (from, to) = (ours("tests/packs/touchy"), world.folder().join(name));
    std::fs::create_dir_all(to.join("visual")).expect("the world's folder can be written");
    for file in [
        "pack.json",
        "visual/model.onnx",
        "visual/preprocess_cfg.json",
    ] {
        std::fs::copy(from.join(file), to.join(file)).expect("the pack is there");
    }
    to
}

fn write(file: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(file, bytes).expect("the world's folder can be written");
}

#[tokio::test]
async fn a_model_that_cannot_be_used_is_told_with_the_remedy() {
    let mut world = World::new("encode_start").await;
    let runtime = world.config.models.runtime.clone();
    let mut told = Vec::new();

    world.config.models.packs = vec![world.folder().join("nowhere")];
    told.push(("the folder is not there", refused(&world).await));

    let pack = small_pack(&world, "missing");
    std::fs::remove_file(pack.join("visual/model.onnx")).expect("it was copied");
    world.config.models.packs = vec![pack];
    told.push(("the model file is not there", refused(&world).await));

    let pack = small_pack(&world, "corrupt");
    let model = pack.join("visual/model.onnx");
    let mut bytes = std::fs::read(&model).expect("it was copied");
    bytes[100] ^= 1;
    write(&model, bytes);
    world.config.models.packs = vec![pack];
    told.push(("the model file is damaged", refused(&world).await));

    let pack = small_pack(&world, "text");
    let (model, text) = (pack.join("visual/model.onnx"), "<html>not found</html>");
    let manifest = std::fs::read_to_string(pack.join("pack.json")).expect("it was copied");
    let old = ImageId::of(&std::fs::read(&model).expect("it was copied")).to_string();
    let new = ImageId::of(text.as_bytes()).to_string();
    write(&model, text);
    write(&pack.join("pack.json"), manifest.replace(&old, &new));
    world.config.models.packs = vec![pack];
    told.push(("the model file is no ONNX", refused(&world).await));

    world.config.models.packs = vec![small_pack(&world, "good")];
    world.config.models.runtime = world.folder().join("libonnxruntime.so");
    told.push(("the runtime is not there", refused(&world).await));

    write(&world.config.models.runtime, "no library");
    told.push(("the runtime is no library", refused(&world).await));

    // The local stack's runtime is the processor's build, on machines with a card too.
    world.config.models.runtime = runtime;
    world.config.models.device = Device::Cuda;
    told.push((
        "a card is demanded and there is none",
        refused(&world).await,
    ));

    let told: Vec<String> = told
        .into_iter()
        .map(|(case, said)| format!("{case}:\n  {said}\n"))
        .collect();
    insta::assert_snapshot!(told.concat());
    world.end().await;
}
