//! `tusou models check`

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tusou_model::pack::MANIFEST;
use tusou_model::{Pack, RgbImage, Runtime, TextModel, VisionModel};
use tusou_platform::config::Models;
use tusou_platform::telemetry::chain;

use super::args::Check;
use super::catalogue::find;
use super::error::ModelsError;
use super::{licence, say};
use crate::format::json;

/// The picture: its sides, as photographs have them.
const SIDES: (u32, u32) = (640, 480);

/// The text.
const WORDS: &str = "a red fox in the snow";

/// Runs that are measured; the middle one is told.
const RUNS: usize = 5;

/// What came of a pack.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    folder: String,
    identity: String,
    licence: String,
    files: usize,
    dimension: usize,
    pictures: Tower,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Tower>,
    /// The score of a plain picture, where that is what it makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
}

/// What came of a tower.
#[derive(Debug, Serialize)]
struct Tower {
    device: String,
    /// From pixels or words to a vector, one at a time.
    milliseconds: f64,
}

pub(super) fn run(models: &Models, check: &Check, out: &mut dyn Write) -> Result<(), ModelsError> {
    let named = match check.packs.is_empty() {
        true => models.packs.clone(),
        false => check.packs.iter().map(|pack| models.locate(pack)).collect(),
    };
    let runtime = Runtime::load(&models.runtime)?;
    let (mut failed, mut whole) = (Vec::new(), Vec::new());
    for folder in &named {
        match one(&runtime, models, folder) {
            Ok(report) if check.json => whole.push(report),
            Ok(report) => say(out, &text(&report))?,
            Err(error) => {
                if named.len() > 1 {
                    say(
                        out,
                        &format!(
                            "{}\n  cannot be used: {}\n",
                            folder.display(),
                            chain(&error)
                        ),
                    )?;
                }
                failed.push(error);
            }
        }
    }
    if check.json {
        say(out, &json(&whole))?;
    }
    match (failed.len(), named.len()) {
        (0, _) => Ok(()),
        (1, 1) => Err(failed.remove(0)),
        (failed, all) => Err(ModelsError::Unusable { failed, all }),
    }
}

fn one(runtime: &Runtime, models: &Models, folder: &Path) -> Result<Report, ModelsError> {
    if !folder.join(MANIFEST).is_file() {
        let name = folder.file_name().map(|name| name.to_string_lossy());
        let known = name.as_deref().and_then(find);
        let here = folder.parent() == Some(&models.folder);
        let remedy = match (known, here) {
            (Some(model), true) => format!("`tusou models fetch {}` gets it", model.name),
            _ => format!(
                "`tusou models add {}` makes one of a model's files",
                folder.display()
            ),
        };
        return Err(ModelsError::NoPack {
            folder: folder.to_owned(),
            remedy,
        });
    }
    let pack = Pack::open(folder)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut vision = VisionModel::load(runtime, &pack, models.device, threads)?;
    let picture = [picture()];
    let mut score = None;
    let milliseconds = middle(|| {
        let rows = vision.embed(&picture)?;
        score = rows.first().and_then(|row| row.first()).copied();
        Ok(())
    })?;
    let pictures = Tower {
        device: vision.provider().to_string(),
        milliseconds,
    };
    let words = match TextModel::load(runtime, &pack, models.device, threads)? {
        Some(mut text) => {
            let words = [WORDS.to_owned()];
            let milliseconds = middle(|| text.embed(&words).map(drop).map_err(Into::into))?;
            Some(Tower {
                device: text.provider().to_string(),
                milliseconds,
            })
        }
        None => None,
    };
    let manifest = pack.manifest();
    Ok(Report {
        name: pack.name().to_owned(),
        folder: folder.display().to_string(),
        identity: pack.digest().to_owned(),
        licence: manifest.licence.clone(),
        files: manifest.files.len(),
        dimension: pack.dimension(),
        pictures,
        words,
        score: score.filter(|_| manifest.is_score()),
    })
}

/// A slope of colours: no picture of anything, and none that a decoder would have to be there for.
fn picture() -> RgbImage {
    let (width, height) = SIDES;
    let byte = |part: u32, whole: u32| u8::try_from(part * 255 / whole).expect("a part of 255");
    RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (byte(x, width), byte(y, height));
        [across, down, 255 - across].into()
    })
}

/// The middle of several runs' milliseconds, behind one that is not counted.
fn middle(mut run: impl FnMut() -> Result<(), ModelsError>) -> Result<f64, ModelsError> {
    run()?;
    let mut took = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begun = Instant::now();
        run()?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok((took[RUNS / 2] * 10.0).round() / 10.0)
}

fn text(report: &Report) -> String {
    let tower = |tower: &Tower| format!("{} ms each on {}", tower.milliseconds, tower.device);
    let mut text = format!(
        "{}  {}\n  files     {} whole, identity {}\n  licence   {}\n",
        report.name,
        report.folder,
        report.files,
        &report.identity[..16],
        licence(&report.licence)
    );
    let makes = match report.score {
        Some(score) => format!("a score ({score:.3} for a plain picture)"),
        None => format!("{} numbers a vector", report.dimension),
    };
    text.push_str(&format!(
        "  pictures  {makes}, {}\n",
        tower(&report.pictures)
    ));
    if let Some(words) = &report.words {
        text.push_str(&format!(
            "  words     {} numbers a vector, {}\n",
            report.dimension,
            tower(words)
        ));
    }
    text
}
