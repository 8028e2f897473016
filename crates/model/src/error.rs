//! What can go wrong with a model.

use std::path::PathBuf;
use std::time::Duration;

use tusou_contract::{Disposition, Verdict};

/// A model that cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no pack.
    #[error(
        "no model is in {folder}: `tusou models fetch {name}` gets it where that is a known name (`tusou models list`), and \
         `tusou models add {folder}` makes one of a model's files"
    )]
    Absent {
        /// Where it should be.
        folder: PathBuf,
        /// Its name, by the folder's.
        name: String,
    },
    /// A file of the pack cannot be read.
    #[error("{path} cannot be read: build or fetch the model pack again")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// A file of the pack is not what it should be.
    #[error("{path}: {reason}; build or fetch the model pack again")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// ONNX Runtime is not there or does not fit.
    #[error(
        "ONNX Runtime cannot be loaded from {path}: {reason}; set models.runtime to a libonnxruntime.so of version 1.24 or newer"
    )]
    Runtime {
        /// The library.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A card is demanded and cannot be used.
    #[error(
        "device `cuda` is demanded and cannot be used: {reason}; install ONNX Runtime's GPU build with its CUDA and \
         cuDNN, and set models.runtime to its libonnxruntime.so, or set models.device to `auto` or `cpu`"
    )]
    NoCuda {
        /// Why not.
        reason: String,
    },
    /// ONNX Runtime refused the model file.
    #[error("{path} cannot be loaded as a model: build or fetch the model pack again")]
    Load {
        /// The ONNX file.
        path: PathBuf,
        /// The runtime's words.
        #[source]
        cause: ort::Error,
    },
    /// The tokenizer cannot be loaded or refused a text.
    #[error("the tokenizer {path} failed")]
    Tokenizer {
        /// The tokenizer's file.
        path: PathBuf,
        /// Its words.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A run failed.
    #[error("model {model} failed")]
    Run {
        /// The pack's name.
        model: String,
        /// The runtime's words.
        #[source]
        cause: ort::Error,
    },
    /// The device has no memory for such a run.
    #[error("the device has no memory for a run of model {model}")]
    OutOfMemory {
        /// The pack's name.
        model: String,
    },
    /// A run gave something that is not a unit vector for each input.
    #[error("model {model} gave {what}")]
    BadOutput {
        /// The pack's name.
        model: String,
        /// What it gave.
        what: String,
    },
}

impl ModelError {
    /// The error of a run. ONNX Runtime has no code for a lack of memory, only words.
    pub(crate) fn of_run(model: &str, cause: ort::Error) -> Self {
        const LACKS: [&str; 4] = [
            "Failed to allocate memory",
            "out of memory",
            "CUDNN_STATUS_ALLOC_FAILED",
            "CUBLAS_STATUS_ALLOC_FAILED",
        ];
        let (model, words) = (model.to_owned(), cause.to_string());
        if LACKS.iter().any(|lack| words.contains(lack)) {
            Self::OutOfMemory { model }
        } else {
            Self::Run { model, cause }
        }
    }
}

impl Verdict for ModelError {
    fn disposition(&self) -> Disposition {
        match self {
            // Whoever else uses the device may be done by then.
            Self::OutOfMemory { .. } => Disposition::Retry {
                after: Duration::from_secs(10),
            },
            Self::Run { .. } | Self::BadOutput { .. } => Disposition::DeadLetter,
            _ => Disposition::Fatal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Run { .. } | Self::Tokenizer { .. } => "model_failed",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::BadOutput { .. } => "bad_embedding",
            _ => "model_unusable",
        }
    }
}
