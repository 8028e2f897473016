//! Writing the manifest of a folder with a model's files, from what the files say of themselves.
//!
//! Three layouts are known:
//!
//! - **open_clip**, as Immich publishes it: `visual/model.onnx`, `visual/preprocess_cfg.json`,
//!   `textual/model.onnx`, `textual/tokenizer.json`, `textual/tokenizer_config.json`, `config.json`.
//! - **sentence-transformers** for the text tower, in the folder itself or in `textual/`: `modules.json`,
//!   `onnx/model.onnx`, `tokenizer.json`, the pooling's and the dense module's folders; and the picture
//!   tower in `visual/`, with `preprocessor_config.json` as transformers writes it.
//! - **vision only**: `visual/model.onnx` or `model.onnx`, and `preprocess_cfg.json` beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::signature::{self, Port, Signature, U8};
use super::{FORMAT, Layout, Manifest, Relevance, Textual, Visual};

mod text;

/// What is wanted before anything else.
const MODEL: &str = "model.onnx";
const PREPROCESS: &str = "preprocess_cfg.json";
/// The same in the words of transformers.
const PROCESSOR: &str = "preprocessor_config.json";

/// What the files do not say.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The pack's name.
    pub name: String,
    /// The licence of the weights.
    pub licence: String,
    /// Where they come from.
    pub source: Option<String>,
    /// The document's field where the pack is not the first one.
    pub field: Option<String>,
    /// Numbers in a vector, where the model's file does not say it.
    pub dimension: Option<usize>,
}

/// A folder that is no pack of a known layout.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// No layout begins so.
    #[error(
        "{folder} is no folder of a model: neither visual/model.onnx nor model.onnx is in it; put the picture tower there, with \
         preprocess_cfg.json beside it"
    )]
    NoModel {
        /// The folder.
        folder: PathBuf,
    },
    /// A layout is there in part.
    #[error("{folder} is of the layout {layout}, and lacks {}; put {} there and repeat this command", files.join(", "), them(files))]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The layout's name.
        layout: &'static str,
        /// What is missing, by paths below the folder.
        files: Vec<String>,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read; see its permissions and the disk")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// A file says something that this build cannot run.
    #[error("{path}: {reason}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the remedy.
        reason: String,
    },
}

fn them(files: &[String]) -> &'static str {
    if files.len() == 1 { "it" } else { "them" }
}

/// The manifest of a folder. A preprocessing in transformers' words is written anew in open_clip's, as
/// `preprocess_cfg.json` beside it; nothing else is written.
///
/// # Errors
/// [`DescribeError`], which names what is missing or unfit.
pub fn describe(folder: &Path, about: &About) -> Result<Manifest, DescribeError> {
    let place = Place { folder };
    let tower = match (place.has("visual/model.onnx"), place.has(MODEL)) {
        (true, _) => "visual/",
        (false, true) => "",
        (false, false) if place.has("modules.json") || place.has("textual/modules.json") => {
            return Err(place.missing(
                text::SENTENCE_TRANSFORMERS,
                &["visual/model.onnx", "visual/preprocessor_config.json"],
            ));
        }
        (false, false) => {
            return Err(DescribeError::NoModel {
                folder: folder.to_owned(),
            });
        }
    };
    let model = format!("{tower}{MODEL}");
    let seen = place.signature(&model)?;
    let preprocess = preprocess(&place, tower)?;
    let (visual, width) = visual(&place, model, preprocess, &seen)?;
    let textual = text::find(&place)?;

    let widths = [width, textual.as_ref().and_then(|found| found.dimension)];
    let dimension = dimension(&place, &visual.model, widths, about.dimension)?;
    let mut files = external(&visual.model, &seen);
    files.extend([visual.model.clone(), visual.preprocess.clone()]);
    if let Some(found) = &textual {
        files.extend(external(&found.textual.model, &found.signature));
        files.extend([found.textual.model.clone(), found.textual.tokenizer.clone()]);
        files.extend(found.textual.dense.clone());
    }
    files.extend(place.licences()?);
    let lacking = files.iter().filter(|file| !place.has(file));
    let lacking: Vec<&str> = lacking.map(String::as_str).collect();
    if !lacking.is_empty() {
        return Err(place.missing("ONNX with its weights in files of their own", &lacking));
    }
    Ok(Manifest {
        relevance: Relevance::default(),
        format: FORMAT,
        name: about.name.clone(),
        licence: about.licence.clone(),
        source: about.source.clone(),
        dimension,
        field: about.field.clone(),
        visual,
        textual: textual.map(|found| found.textual),
        files: checksums(folder, &files)?,
    })
}

/// The SHA-256 of files below a folder, by their paths.
///
/// # Errors
/// [`DescribeError::Read`]
pub fn checksums<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = &'a String>,
) -> Result<BTreeMap<String, String>, DescribeError> {
    let sum = |file: &'a String| {
        let path = folder.join(file);
        match sha256(&path) {
            Ok(sum) => Ok((file.clone(), sum)),
            Err(cause) => Err(DescribeError::Read { path, cause }),
        }
    };
    files.into_iter().map(sum).collect()
}

/// The SHA-256 of a file, in hex.
///
/// # Errors
/// The file cannot be read.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// A text tower that was found.
struct Found {
    textual: Textual,
    signature: Signature,
    dimension: Option<u64>,
}

/// The folder that is described.
struct Place<'a> {
    folder: &'a Path,
}

impl Place<'_> {
    fn has(&self, file: &str) -> bool {
        self.folder.join(file).is_file()
    }

    fn missing(&self, layout: &'static str, files: &[&str]) -> DescribeError {
        DescribeError::Missing {
            folder: self.folder.to_owned(),
            layout,
            files: files.iter().map(|file| (*file).to_owned()).collect(),
        }
    }

    /// Says which of these are missing, if any is.
    fn want(&self, layout: &'static str, files: &[&str]) -> Result<(), DescribeError> {
        let lacking = files.iter().copied().filter(|file| !self.has(file));
        let lacking: Vec<&str> = lacking.collect();
        match lacking.is_empty() {
            true => Ok(()),
            false => Err(self.missing(layout, &lacking)),
        }
    }

    fn unfit(&self, file: &str, reason: impl Into<String>) -> DescribeError {
        DescribeError::Unfit {
            path: self.folder.join(file),
            reason: reason.into(),
        }
    }

    fn json<T: DeserializeOwned>(&self, file: &str) -> Result<T, DescribeError> {
        let path = self.folder.join(file);
        let bytes = std::fs::read(&path).map_err(|cause| DescribeError::Read { path, cause })?;
        serde_json::from_slice(&bytes).map_err(|cause| self.unfit(file, cause.to_string()))
    }

    fn json_if_there(&self, file: &str) -> Result<Value, DescribeError> {
        match self.has(file) {
            true => self.json(file),
            false => Ok(Value::Null),
        }
    }

    fn signature(&self, file: &str) -> Result<Signature, DescribeError> {
        let path = self.folder.join(file);
        signature::read(&path).map_err(|cause| match cause.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => self.unfit(
                file,
                format!("it is no whole ONNX model ({cause}); get it again"),
            ),
            _ => DescribeError::Read { path, cause },
        })
    }

    /// Texts of licences beside the pack's folders: they go where the weights go.
    fn licences(&self) -> Result<Vec<String>, DescribeError> {
        let unread = |cause| DescribeError::Read {
            path: self.folder.to_owned(),
            cause,
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let upper = name.to_uppercase();
            let licence = ["LICENSE", "LICENCE", "NOTICE"];
            if licence.iter().any(|word| upper.starts_with(word)) && entry.path().is_file() {
                found.push(name);
            }
        }
        Ok(found)
    }
}

fn external(model: &str, signature: &Signature) -> BTreeSet<String> {
    let folder = model.rsplit_once('/').map_or("", |(folder, _)| folder);
    let below = |file: &String| match folder {
        "" => file.clone(),
        folder => format!("{folder}/{}", file.trim_start_matches("./")),
    };
    signature.external.iter().map(below).collect()
}

/// The preprocessing's file, in open_clip's words.
fn preprocess(place: &Place<'_>, tower: &str) -> Result<String, DescribeError> {
    let file = format!("{tower}{PREPROCESS}");
    let processor = format!("{tower}{PROCESSOR}");
    if place.has(&file) {
        return Ok(file);
    }
    if !place.has(&processor) {
        return Err(place.missing(
            "open_clip (or preprocessor_config.json, as transformers writes it)",
            &[&file],
        ));
    }
    let text = open_clip_words(&place.json(&processor)?)
        .map_err(|reason| place.unfit(&processor, reason))?;
    let path = place.folder.join(&file);
    std::fs::write(&path, text).map_err(|cause| DescribeError::Read { path, cause })?;
    Ok(file)
}

/// The configuration of a transformers image processor in open_clip's words.
fn open_clip_words(processor: &Value) -> Result<String, String> {
    let side = |value: &Value| {
        let parts = ["shortest_edge", "height", "width"];
        let part = parts.iter().find_map(|part| value[part].as_u64());
        value.as_u64().or(part)
    };
    let resized = side(&processor["size"]).ok_or("`size` names no number of pixels")?;
    let cropped = processor["do_center_crop"].as_bool() == Some(true);
    let squashed = processor["size"]["height"].is_u64() && !cropped;
    let size = match cropped {
        true => side(&processor["crop_size"]).ok_or("`crop_size` names no number of pixels")?,
        false => resized,
    };
    // Pillow's numbers.
    let interpolation = match processor["resample"].as_u64() {
        Some(2) => "bilinear",
        Some(3) | None => "bicubic",
        Some(other) => return Err(format!("`resample` is {other}, and 2 or 3 can be run")),
    };
    let triple = |key: &str| match processor[key].as_array().map(Vec::len) {
        Some(3) => Ok(processor[key].clone()),
        _ => Err(format!("`{key}` is not three numbers")),
    };
    let mut words = serde_json::json!({
        "size": size,
        "mean": triple("image_mean")?,
        "std": triple("image_std")?,
        "interpolation": interpolation,
        "resize_mode": if squashed { "squash" } else { "shortest" },
    });
    if resized != size {
        words["resize"] = resized.into();
    }
    if cropped {
        // Where the crop begins is cut down to a whole pixel there, and rounded in open_clip.
        words["crop"] = "floor".into();
    }
    Ok(format!("{words:#}\n"))
}

fn visual(
    place: &Place<'_>,
    model: String,
    preprocess: String,
    seen: &Signature,
) -> Result<(Visual, Option<u64>), DescribeError> {
    let [input] = seen.inputs.as_slice() else {
        let names = names(&seen.inputs);
        let reason = format!("a picture tower has one input, and this has {names}");
        return Err(place.unfit(&model, reason));
    };
    let layout = match (input.shape.len(), input.axis(1), input.axis(-1)) {
        (4, _, Some(3)) => Layout::Nhwc,
        (4, Some(3), _) => Layout::Nchw,
        // Nothing is said of the channels: pictures of bytes come row by row, tensors channel by channel.
        (4, None, None) if input.element == U8 => Layout::Nhwc,
        (4, None, _) => Layout::Nchw,
        _ => {
            let reason = format!("its input `{}` is no batch of pictures", input.name);
            return Err(place.unfit(&model, reason));
        }
    };
    let wanted: Value = place.json(&preprocess)?;
    let wanted = side_of(&wanted);
    let taken = input.axis(-2);
    if let (Some(wanted), Some(taken)) = (wanted, taken)
        && wanted != taken
    {
        let reason = format!("`size` is {wanted}, and {model} takes pictures of {taken}");
        return Err(place.unfit(&preprocess, reason));
    }
    let output = embedding(place, &model, &seen.outputs, "image")?;
    let visual = Visual {
        input: input.name.clone(),
        output: output.name.clone(),
        model,
        preprocess,
        layout,
        channels: Default::default(),
        score: None,
    };
    Ok((visual, output.axis(-1)))
}

fn side_of(preprocess: &Value) -> Option<u64> {
    let size = &preprocess["size"];
    size.as_u64().or(size[0].as_u64())
}

/// The output that is a vector for each row: `<what>_embeds`, `<what>_embedding`, any that is called an
/// embedding, or the only one.
fn embedding<'a>(
    place: &Place<'_>,
    model: &str,
    outputs: &'a [Port],
    what: &str,
) -> Result<&'a Port, DescribeError> {
    // An output of unknown axes may be one.
    let rows: Vec<&Port> = outputs
        .iter()
        .filter(|output| matches!(output.shape.len(), 0 | 2))
        .collect();
    let called = |test: &dyn Fn(&str) -> bool| rows.iter().copied().find(|port| test(&port.name));
    let own = called(&|name: &str| name.starts_with(what) && name.contains("embed"));
    let any = || called(&|name: &str| name.contains("embed"));
    let only = || rows.first().copied().filter(|_| rows.len() == 1);
    own.or_else(any).or_else(only).ok_or_else(|| {
        let names = names(outputs);
        place.unfit(
            model,
            format!("which of its outputs is the embedding cannot be seen: {names}"),
        )
    })
}

fn names(ports: &[Port]) -> String {
    let names: Vec<String> = ports
        .iter()
        .map(|port| format!("`{}`", port.name))
        .collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn dimension(
    place: &Place<'_>,
    model: &str,
    widths: [Option<u64>; 2],
    told: Option<usize>,
) -> Result<usize, DescribeError> {
    let [pictures, texts] = widths;
    if let (Some(pictures), Some(texts)) = (pictures, texts)
        && pictures != texts
    {
        let reason = format!(
            "pictures become {pictures} numbers and texts {texts}: these towers do not belong together"
        );
        return Err(place.unfit(model, reason));
    }
    let config = place.json_if_there("config.json")?;
    let named = || config["embed_dim"].as_u64();
    let seen = pictures.or(texts).or_else(named);
    match (seen.and_then(|seen| usize::try_from(seen).ok()), told) {
        (Some(seen), Some(told)) if seen != told => {
            let reason = format!("its vectors have {seen} numbers, and not {told}");
            Err(place.unfit(model, reason))
        }
        (Some(dimension), _) | (None, Some(dimension)) => Ok(dimension),
        (None, None) => {
            let reason = "how many numbers its vectors have is not in it; say it with --dimension";
            Err(place.unfit(model, reason))
        }
    }
}

#[cfg(test)]
mod tests;
