//! Fetching against servers that speak the paths of the model hub and of a package index.

mod hub;
mod index;
mod packs;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tusou_platform::config::Models;
use tusou_platform::telemetry::chain;

use super::args::Fetch;
use super::error::ModelsError;
use super::fetch;

/// A machine's folder for models.
struct Machine {
    folder: TempDir,
    models: Models,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        let models = Models {
            folder: folder.path().join("models"),
            // Nobody listens there: what a test does not serve is not asked of the world.
            hub_url: "http://127.0.0.1:9".into(),
            pypi_url: "http://127.0.0.1:7/simple".into(),
            ..Models::default()
        };
        Self { folder, models }
    }

    async fn fetch(&self, name: &str, revision: Option<&str>) -> Result<String, ModelsError> {
        let fetch = Fetch {
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
            again: false,
        };
        let mut out = Vec::new();
        fetch::run(&self.models, &fetch, &mut out).await?;
        Ok(self.plain(&String::from_utf8(out).expect("it is text")))
    }

    async fn refusal(&self, name: &str) -> String {
        let error = self.fetch(name, None).await.expect_err("it is refused");
        self.plain(&chain(&error))
    }

    /// Without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let mut text = text.replace(&folder, "");
        for (url, name) in [
            (&self.models.hub_url, "HUB"),
            (&self.models.pypi_url, "INDEX"),
        ] {
            text = text.replace(url.as_str(), name);
        }
        text
    }

    /// What lies in the folder, below it.
    fn holds(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.models.folder, &self.models.folder, &mut found);
        found.retain(|name| !name.ends_with(".lock"));
        found.sort();
        found
    }

    fn pack(&self, name: &str) -> PathBuf {
        self.models.folder.join(name)
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder is readable").path();
        match path.is_dir() {
            true => walk(root, &path, found),
            false => {
                let below = path.strip_prefix(root).expect("it is below its root");
                found.push(below.display().to_string());
            }
        }
    }
}

/// Files by their paths.
type Files = BTreeMap<String, Vec<u8>>;

fn files<const N: usize>(files: [(&str, Vec<u8>); N]) -> Files {
    files
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect()
}

/// A length-delimited field of a protocol buffer.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(value);
    bytes
}

/// An ONNX file of no nodes: inputs and an output, f32, and so many bytes of weights.
fn onnx(inputs: &[(&str, &[u8])], output: (&str, &[u8]), weights: usize) -> Vec<u8> {
    let port = |(name, axes): (&str, &[u8])| {
        let axis = |length: &u8| match length {
            0 => field(1, &field(2, b"n")),
            // All that is needed here fits in two bytes of a number.
            length => {
                let length = u16::from(*length) * 4;
                field(1, &[8, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8])
            }
        };
        let shape: Vec<u8> = axes.iter().flat_map(axis).collect();
        let tensor = [vec![8, 1], field(2, &shape)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let noise = |position: usize| (position.wrapping_mul(2_654_435_761) >> 7) as u8;
    let weights: Vec<u8> = (0..weights).map(noise).collect();
    let weights = [field(8, b"w"), field(9, &weights)].concat();
    let inputs = inputs.iter().flat_map(|input| field(11, &port(*input)));
    let output = field(12, &port(output));
    let graph: Vec<u8> = field(5, &weights)
        .into_iter()
        .chain(inputs)
        .chain(output)
        .collect();
    [vec![8, 8], field(7, &graph)].concat()
}

/// `[n, 512]`, in the quarters that [`onnx`] takes.
const VECTORS: &[u8] = &[0, 128];

/// Immich's repository of CLIP ViT-B/32 with weights of so many bytes, and files that are not wanted.
fn immich(weights: usize) -> Files {
    let preprocess = br#"{"size":224,"mean":[0,0,0],"std":[1,1,1],"interpolation":"bicubic","resize_mode":"shortest"}"#;
    files([
        (
            "config.json",
            br#"{"embed_dim":512,"text_cfg":{}}"#.to_vec(),
        ),
        (
            "visual/model.onnx",
            onnx(
                &[("image", &[0, 0, 56, 56])],
                ("embedding", VECTORS),
                weights,
            ),
        ),
        ("visual/preprocess_cfg.json", preprocess.to_vec()),
        (
            "textual/model.onnx",
            onnx(&[("text", &[0, 0])], ("embedding", VECTORS), 10),
        ),
        ("textual/tokenizer.json", b"{}".to_vec()),
        (
            "textual/tokenizer_config.json",
            br#"{"pad_token":"!"}"#.to_vec(),
        ),
        ("textual/vocab.json", b"{}".to_vec()),
        ("visual/rknpu/rk3588/model.rknn", b"not wanted".to_vec()),
        ("README.md", b"not wanted".to_vec()),
    ])
}
