//! The encoder's peers, as `bench/peers/encoder/install` gets them, and the model that all of them run.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::peer::{self, root};

/// What gets them.
const INSTALLER: &str = "bench/peers/encoder/install";

/// What a peer says that it did.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Report {
    pub(crate) images: usize,
    pub(crate) images_per_second: f64,
    /// Processor seconds outside the model.
    #[serde(default)]
    overhead_cpu: f64,
}

impl Report {
    /// Milliseconds of processor time that a picture takes outside the model.
    pub(crate) fn overhead(&self) -> f64 {
        self.overhead_cpu * 1_000.0 / self.images as f64
    }
}

/// The pack in the shape of ViT-B/32 of that kind: `f32` or `int8`. It is made when it is not there.
pub(crate) async fn vit(kind: &str) -> anyhow::Result<PathBuf> {
    let folder = root().join(".stack/peers/encoder/vit");
    let mut command = python("make_vit.py");
    let made = command.arg(&folder).arg(kind);
    peer::output(made, INSTALLER).await?;
    Ok(folder.join(kind))
}

/// Pillow, numpy and ONNX Runtime over the first so many pictures of a folder, on that many threads.
pub(crate) async fn pillow(
    pack: &Path,
    pictures: &Path,
    count: usize,
    threads: usize,
) -> anyhow::Result<Report> {
    report(
        &mut python("pillow_peer.py"),
        pack,
        pictures,
        count,
        threads,
    )
    .await
}

/// fastembed over the first so many pictures of a folder, on that many threads; the embeddings go to
/// `save`.
pub(crate) async fn fastembed(
    pack: &Path,
    pictures: &Path,
    count: usize,
    threads: usize,
    save: &Path,
) -> anyhow::Result<Report> {
    let mut command = python("fastembed_peer.py");
    command.arg("--save").arg(save);
    report(&mut command, pack, pictures, count, threads).await
}

fn python(script: &str) -> Command {
    let mut command = Command::new(root().join(".stack/peers/encoder/bin/python"));
    command.arg(root().join("bench/peers/encoder").join(script));
    command
}

/// Runs a peer to its end. The report is its last line.
async fn report(
    command: &mut Command,
    pack: &Path,
    pictures: &Path,
    count: usize,
    threads: usize,
) -> anyhow::Result<Report> {
    command.args([pack, pictures]);
    command.args(["--count", &count.to_string()]);
    command.args(["--threads", &threads.to_string()]);
    let report: Report = peer::report(command, INSTALLER).await?;
    ensure!(
        report.images == count,
        "{command:?} encoded {} of {count} pictures",
        report.images
    );
    Ok(report)
}

/// Rows of f32 as numpy's `save` writes them: a header that says how long it is, then the numbers
/// (numpy's `lib/format.py`).
pub(crate) fn rows(file: &Path, width: usize) -> anyhow::Result<Vec<Vec<f32>>> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    let unlike = || format!("{} is not what numpy.save writes", file.display());
    let length = bytes.get(8..10).with_context(unlike)?;
    let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
    let header = bytes.get(10..10 + length).with_context(unlike)?;
    ensure!(
        bytes.starts_with(b"\x93NUMPY\x01") && String::from_utf8_lossy(header).contains("'<f4'"),
        unlike()
    );
    let (numbers, _) = bytes[10 + length..].as_chunks::<4>();
    let numbers: Vec<f32> = numbers
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect();
    Ok(numbers.chunks(width).map(<[f32]>::to_vec).collect())
}
