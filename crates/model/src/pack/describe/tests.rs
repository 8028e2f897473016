use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::pack::{Clean, Padding, Pooling};

const F32: u64 = 1;
const I32: u64 = 6;
const I64: u64 = 7;

/// A length-delimited field of a protocol buffer.
fn field(number: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = varint(number << 3 | 2);
    bytes.extend(varint(value.len() as u64));
    bytes.extend(value);
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// An input or output; an axis of 0 is one of any length.
fn port((name, element, shape): (&str, u64, &[u64])) -> Vec<u8> {
    let axis = |length: &u64| match length {
        0 => field(1, &field(2, b"n")),
        length => field(1, &[varint(1 << 3), varint(*length)].concat()),
    };
    let shape: Vec<u8> = shape.iter().flat_map(axis).collect();
    let tensor = [varint(1 << 3), varint(element), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

type Ports<'a> = &'a [(&'a str, u64, &'a [u64])];

/// A model of no nodes, with a weight of its own and those that lie in other files.
fn onnx(inputs: Ports<'_>, outputs: Ports<'_>, external: &[&str]) -> Vec<u8> {
    let weight = field(5, &[field(8, b"w"), field(9, &[0; 300])].concat());
    let outside = external.iter().flat_map(|file| {
        let location = [field(1, b"location"), field(2, file.as_bytes())].concat();
        let offset = [field(1, b"offset"), field(2, b"0")].concat();
        let tensor = [field(8, b"x"), field(13, &location), field(13, &offset)].concat();
        field(5, &tensor)
    });
    let ports = inputs.iter().map(|one| field(11, &port(*one)));
    let ports = ports.chain(outputs.iter().map(|one| field(12, &port(*one))));
    let graph: Vec<u8> = outside.chain(weight).chain(ports.flatten()).collect();
    [vec![1 << 3, 8], field(7, &graph)].concat()
}

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder is made"));
        for (name, bytes) in files {
            folder.write(name, bytes);
        }
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("it is made");
        fs::write(path, bytes).expect("a temporary file is written");
    }

    fn drop(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).expect("it was there");
    }

    fn describe(&self) -> Result<Manifest, DescribeError> {
        let about = About {
            name: "tiny".into(),
            licence: "MIT".into(),
            ..About::default()
        };
        describe(self.0.path(), &about)
    }

    /// What is said of a folder that is refused, without the folder's own path.
    fn refusal(&self) -> String {
        let error = self.describe().expect_err("it is refused");
        error
            .to_string()
            .replace(&self.0.path().display().to_string(), "DIR")
    }
}

fn words(value: serde_json::Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn preprocess(size: u32) -> Vec<u8> {
    words(
        json!({"size": size, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "shortest"}),
    )
}

fn open_clip() -> Folder {
    let visual = onnx(
        &[("image", F32, &[0, 3, 224, 224]), ("w", F32, &[75])],
        &[
            ("hidden", F32, &[0, 50, 768]),
            ("image_embedding", F32, &[0, 512]),
        ],
        &[],
    );
    let textual = onnx(
        &[("text", I32, &[0, 77])],
        &[("text_embedding", F32, &[0, 512])],
        &["weights.bin"],
    );
    Folder::new(&[
        ("visual/model.onnx", visual),
        ("visual/preprocess_cfg.json", preprocess(224)),
        ("textual/model.onnx", textual),
        ("textual/weights.bin", b"weights".to_vec()),
        ("textual/tokenizer.json", b"{}".to_vec()),
        (
            "textual/tokenizer_config.json",
            words(json!({"pad_token": "!"})),
        ),
        (
            "config.json",
            words(
                json!({"embed_dim": 512, "text_cfg": {"context_length": 77, "tokenizer_kwargs": {"clean": "canonicalize"}}}),
            ),
        ),
        ("README.md", b"read me".to_vec()),
        ("LICENSE", b"do as you like".to_vec()),
    ])
}

fn sentence_transformers() -> Folder {
    let modules = json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
    ]);
    let pooling = json!({"word_embedding_dimension": 768, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true});
    let dense = json!({"in_features": 768, "out_features": 512, "bias": false, "activation_function": "torch.nn.modules.linear.Identity"});
    let textual = onnx(
        &[
            ("input_ids", I64, &[0, 0]),
            ("attention_mask", I64, &[0, 0]),
        ],
        &[("last_hidden_state", F32, &[0, 0, 768])],
        &[],
    );
    let visual = onnx(
        &[("pixel_values", F32, &[0, 3, 224, 224])],
        &[
            ("image_embeds", F32, &[0, 512]),
            ("last_hidden_state", F32, &[0, 50, 768]),
        ],
        &[],
    );
    let processor = json!({"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "size": {"shortest_edge": 224},
        "resample": 3, "image_mean": [0.48, 0.45, 0.4], "image_std": [0.26, 0.26, 0.27]});
    Folder::new(&[
        ("textual/modules.json", words(modules)),
        ("textual/1_Pooling/config.json", words(pooling)),
        ("textual/2_Dense/config.json", words(dense)),
        ("textual/2_Dense/model.safetensors", b"weights".to_vec()),
        (
            "textual/sentence_bert_config.json",
            words(json!({"max_seq_length": 128})),
        ),
        ("textual/tokenizer.json", b"{}".to_vec()),
        ("textual/onnx/model.onnx", textual),
        ("visual/model.onnx", visual),
        ("visual/preprocessor_config.json", words(processor)),
    ])
}

#[test]
fn open_clips_layout_is_read_from_its_files() {
    let folder = open_clip();
    let manifest = folder.describe().expect("the folder is whole");
    assert_eq!(manifest.dimension, 512);
    assert_eq!(
        (
            manifest.visual.input.as_str(),
            manifest.visual.output.as_str()
        ),
        ("image", "image_embedding")
    );
    assert_eq!(manifest.visual.layout, Layout::Nchw);
    let text = manifest.textual.as_ref().expect("there is a text tower");
    assert_eq!(
        (text.input_ids.as_str(), text.attention_mask.as_deref()),
        ("text", None)
    );
    assert_eq!(
        (text.output.as_str(), text.max_tokens, text.padding),
        ("text_embedding", 77, Padding::MaxTokens)
    );
    assert_eq!(
        (text.pad_token.as_deref(), text.clean),
        (Some("!"), Some(Clean::Canonicalize))
    );
    let files: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
    let wanted = [
        "LICENSE",
        "textual/model.onnx",
        "textual/tokenizer.json",
        "textual/weights.bin",
        "visual/model.onnx",
        "visual/preprocess_cfg.json",
    ];
    assert_eq!(files, wanted);
    assert_eq!(
        manifest.files["textual/weights.bin"],
        hex::encode(Sha256::digest(b"weights"))
    );
}

#[test]
fn sentence_transformers_layout_is_read_from_its_files() {
    let folder = sentence_transformers();
    let manifest = folder.describe().expect("the folder is whole");
    assert_eq!(manifest.dimension, 512);
    assert_eq!(manifest.visual.output, "image_embeds");
    let text = manifest.textual.as_ref().expect("there is a text tower");
    assert_eq!(
        (text.output.as_str(), text.pooling),
        ("last_hidden_state", Some(Pooling::Mean))
    );
    assert_eq!(
        text.dense.as_deref(),
        Some("textual/2_Dense/model.safetensors")
    );
    assert_eq!((text.max_tokens, text.padding), (128, Padding::Longest));
    assert_eq!(text.attention_mask.as_deref(), Some("attention_mask"));
    let written =
        fs::read(folder.0.path().join("visual/preprocess_cfg.json")).expect("it is written");
    let written: Value = serde_json::from_slice(&written).expect("it is JSON");
    let wanted = json!({"size": 224, "mean": [0.48, 0.45, 0.4], "std": [0.26, 0.26, 0.27], "interpolation": "bicubic", "resize_mode": "shortest", "crop": "floor"});
    assert_eq!(written, wanted);
}

#[test]
fn a_picture_tower_alone_is_a_pack() {
    let model = onnx(
        &[("image", U8, &[0, 0, 0, 3])],
        &[("embedding", F32, &[0, 512])],
        &[],
    );
    let folder = Folder::new(&[
        ("model.onnx", model),
        ("preprocess_cfg.json", preprocess(288)),
    ]);
    let manifest = folder.describe().expect("the folder is whole");
    assert_eq!(
        (manifest.visual.layout, manifest.dimension),
        (Layout::Nhwc, 512)
    );
    assert_eq!(manifest.textual, None);
    let unknown = onnx(
        &[("image", U8, &[0, 0, 0, 3])],
        &[("embedding", F32, &[0, 0])],
        &[],
    );
    folder.write("model.onnx", &unknown);
    assert_eq!(
        folder.refusal(),
        "DIR/model.onnx: how many numbers its vectors have is not in it; say it with --dimension"
    );
    let about = About {
        dimension: Some(64),
        ..About::default()
    };
    assert_eq!(
        describe(folder.0.path(), &about)
            .expect("it is told")
            .dimension,
        64
    );
}

#[test]
fn what_is_missing_is_named() {
    let mut told = vec![Folder::new(&[]).refusal()];
    let folder = open_clip();
    for file in [
        "textual/weights.bin",
        "textual/tokenizer.json",
        "visual/preprocess_cfg.json",
        "visual/model.onnx",
    ] {
        folder.drop(file);
        told.push(folder.refusal());
    }
    let folder = sentence_transformers();
    for file in [
        "textual/2_Dense/model.safetensors",
        "textual/onnx/model.onnx",
        "visual/model.onnx",
    ] {
        folder.drop(file);
        told.push(folder.refusal());
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_cannot_be_run_is_refused_with_the_reason() {
    let mut told = Vec::new();
    let folder = open_clip();
    let model = fs::read(folder.0.path().join("visual/model.onnx")).expect("it is there");
    folder.write("visual/model.onnx", &model[..model.len() - 40]);
    told.push(folder.refusal());
    folder.write(
        "visual/model.onnx",
        b"version https://git-lfs.github.com/spec/v1",
    );
    told.push(folder.refusal());
    folder.write("visual/model.onnx", &model);
    folder.write("visual/preprocess_cfg.json", &preprocess(256));
    told.push(folder.refusal());
    folder.write("visual/preprocess_cfg.json", b"{");
    told.push(folder.refusal());

    let folder = open_clip();
    let narrow = onnx(
        &[("text", I32, &[0, 77])],
        &[("text_embedding", F32, &[0, 384])],
        &[],
    );
    folder.write("textual/model.onnx", &narrow);
    told.push(folder.refusal());
    let types = onnx(
        &[
            ("input_ids", I64, &[0, 0]),
            ("token_type_ids", I64, &[0, 0]),
        ],
        &[("text_embedding", F32, &[0, 512])],
        &[],
    );
    folder.write("textual/model.onnx", &types);
    told.push(folder.refusal());

    let folder = sentence_transformers();
    folder.write(
        "textual/1_Pooling/config.json",
        &words(json!({"pooling_mode_cls_token": true})),
    );
    told.push(folder.refusal());
    folder.write(
        "textual/1_Pooling/config.json",
        &words(json!({"pooling_mode": "mean"})),
    );
    folder.write(
        "textual/2_Dense/config.json",
        &words(
            json!({"out_features": 512, "activation_function": "torch.nn.modules.activation.Tanh"}),
        ),
    );
    told.push(folder.refusal());
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_processor_is_put_into_open_clips_words() {
    let with = |size: Value, crop: bool| {
        let processor = json!({"size": size, "do_center_crop": crop, "crop_size": 224, "resample": 2,
            "image_mean": [0, 0, 0], "image_std": [1, 1, 1]});
        let words = open_clip_words(&processor).expect("it is understood");
        let words: Value = serde_json::from_str(&words).expect("it is JSON");
        (
            words["size"].clone(),
            words["resize"].clone(),
            words["resize_mode"].clone(),
        )
    };
    assert_eq!(
        with(json!(256), true),
        (json!(224), json!(256), json!("shortest"))
    );
    assert_eq!(
        with(json!({"shortest_edge": 224}), true),
        (json!(224), Value::Null, json!("shortest"))
    );
    assert_eq!(
        with(json!({"height": 384, "width": 384}), false),
        (json!(384), Value::Null, json!("squash"))
    );
    let lanczos =
        json!({"size": 224, "resample": 1, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]});
    let error = open_clip_words(&lanczos).expect_err("it is refused");
    assert!(error.contains("`resample` is 1"), "{error}");
}

/// The packs that Python made, in the layouts of the model hub, and what it knows of them.
#[test]
fn golden_packs_are_read_as_python_knows_them() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/packs");
    let mut seen = 0;
    for entry in fs::read_dir(golden).expect("they are there") {
        let from = entry.expect("the folder is readable").path();
        let Ok(expected) = fs::read(from.join("expected.json")) else {
            continue;
        };
        let expected: Value = serde_json::from_slice(&expected).expect("it is JSON");
        let folder = Folder::new(&[]);
        copy(&from, folder.0.path());
        let manifest = folder
            .describe()
            .unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        let found = serde_json::to_value(&manifest).expect("a manifest has plain values");
        assert_eq!(
            found["dimension"],
            expected["dimension"],
            "{}",
            from.display()
        );
        let textual: Option<Textual> =
            serde_json::from_value(expected["textual"].clone()).expect("it is a tower");
        assert_eq!(manifest.textual, textual, "{}", from.display());
        let wanted = expected["visual"].as_object().expect("it is an object");
        for (key, value) in wanted {
            assert_eq!(&found["visual"][key], value, "{}: {key}", from.display());
        }
        if !expected["preprocess"].is_null() {
            let written = fs::read(folder.0.path().join(&manifest.visual.preprocess));
            let written: Value =
                serde_json::from_slice(&written.expect("it is written")).expect("it is JSON");
            assert_eq!(written, expected["preprocess"], "{}", from.display());
        }
        seen += 1;
    }
    assert_eq!(seen, 7);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a temporary folder is made");
    for entry in fs::read_dir(from).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        let to = to.join(path.file_name().expect("it has a name"));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).expect("it can be copied")),
        }
    }
}
