//! ONNX Runtime, loaded once in a process from the library that the configuration names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider as _};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{TensorElementType, ValueType};
use tusou_contract::Device;

use crate::ModelError;

/// The environment lives as long as the process: ONNX Runtime makes no second one.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime, ready to load models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
}

/// Loads something on the device that is meant. `load` is to run what it loaded: that a provider is
/// registered says little.
///
/// # Errors
/// Those of `load`; [`ModelError::NoCuda`] where a card is demanded and cannot be used.
pub(crate) fn choose<T>(
    device: Device,
    model: &str,
    load: impl Fn(Provider) -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    if device == Device::Cpu {
        return load(Provider::Cpu);
    }
    let tried = match CUDA::is_available() {
        Ok(true) => load(Provider::Cuda).map_err(|error| in_words(&error)),
        _ => Err("this libonnxruntime.so is built without CUDA".to_owned()),
    };
    match (device, tried) {
        (_, Ok(loaded)) => Ok(loaded),
        (Device::Cuda, Err(reason)) => Err(ModelError::NoCuda { reason }),
        (_, Err(reason)) => {
            tracing::info!(model, reason, "no CUDA: the model runs on the processor");
            load(Provider::Cpu)
        }
    }
}

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The processor.
    Cpu,
    /// An NVIDIA card.
    Cuda,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

impl Runtime {
    /// Loads the shared library at `path`. Once loaded it stays; the same path again is cheap.
    ///
    /// # Errors
    /// [`ModelError::Runtime`] where it is not there, is too old, or another was loaded before.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let failed = |reason: String| ModelError::Runtime {
            path: path.into(),
            reason,
        };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((from, environment)) = &*loaded {
            return if from == path {
                Ok(Self {
                    environment: environment.clone(),
                })
            } else {
                Err(failed(format!("{} is loaded already", from.display())))
            };
        }
        // ONNX Runtime's own search would look beside the executable and in the system's folders.
        let library = path
            .canonicalize()
            .map_err(|cause| failed(cause.to_string()))?;
        let environment = ort::init_from(&library)
            .map_err(|cause| failed(cause.to_string()))?
            .with_name("tusou")
            .with_telemetry(false)
            .build()
            .map_err(|cause| failed(cause.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        *loaded = Some((path.into(), environment.clone()));
        Ok(Self { environment })
    }

    /// A session of the ONNX file, with that many threads for one run on the processor.
    pub(crate) fn session(
        &self,
        path: &Path,
        provider: Provider,
        threads: usize,
    ) -> Result<Session, ModelError> {
        let build = || -> ort::Result<Session> {
            let builder = Session::builder(&self.environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                // It saves a few bytes, and version 1.32 ends the process in it on CLIP's text tower in f16.
                .with_config_entry(
                    "optimization.disable_specified_optimizers",
                    "ConstantSharing",
                )?
                .with_intra_threads(threads.max(1))?
                // Threads that spin between runs would take the cores that decode pictures.
                .with_intra_op_spinning(false)?;
            let mut builder = match provider {
                Provider::Cpu => builder,
                // Without this a card that cannot be used would be replaced by the processor, silently.
                Provider::Cuda => builder
                    .with_execution_providers([CUDA::default().build().error_on_failure()])?,
            };
            builder.commit_from_file(path)
        };
        build().map_err(|cause| ModelError::Load {
            path: path.into(),
            cause,
        })
    }
}

/// What a tower says of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The type of its numbers; `Undefined` where it is no tensor.
    pub(crate) element: TensorElementType,
    /// Whether it takes one row at a time, as many exports on the model hub do; else it takes any number.
    pub(crate) one_by_one: bool,
}

/// What the session's input takes.
///
/// # Errors
/// [`ModelError::Invalid`] where it takes exactly so many rows, and more than one.
pub(crate) fn taken(session: &Session, path: &Path, input: &str) -> Result<Taken, ModelError> {
    let found = session.inputs().iter().find(|found| found.name() == input);
    let Some(ValueType::Tensor { ty, shape, .. }) = found.map(|found| found.dtype()) else {
        return Ok(Taken {
            element: TensorElementType::Undefined,
            one_by_one: false,
        });
    };
    let rows = shape.first().copied().unwrap_or(-1);
    if rows > 1 {
        return Err(ModelError::Invalid {
            path: path.into(),
            reason: format!(
                "`{input}` takes batches of exactly {rows}, and 1 or any number is wanted"
            ),
        });
    }
    Ok(Taken {
        element: *ty,
        one_by_one: rows == 1,
    })
}

/// The error where a session lacks an input or output that the manifest names.
pub(crate) fn check_names(
    session: &Session,
    path: &Path,
    inputs: &[&str],
    output: &str,
) -> Result<(), ModelError> {
    let invalid = |reason| ModelError::Invalid {
        path: path.into(),
        reason,
    };
    for input in inputs {
        if !session.inputs().iter().any(|found| found.name() == *input) {
            return Err(invalid(format!("it has no input `{input}`")));
        }
    }
    if session.inputs().len() != inputs.len() {
        return Err(invalid(format!(
            "it has {} inputs, not {}",
            session.inputs().len(),
            inputs.len()
        )));
    }
    if !session.outputs().iter().any(|found| found.name() == output) {
        return Err(invalid(format!("it has no output `{output}`")));
    }
    Ok(())
}

/// An error with its causes in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<String> = causes.map(ToString::to_string).collect();
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_library_is_named_with_the_remedy() {
        let error =
            Runtime::load(Path::new("/nowhere/libonnxruntime.so")).expect_err("nothing is there");
        let text = error.to_string();
        assert!(
            text.contains("/nowhere/libonnxruntime.so") && text.contains("models.runtime"),
            "{text}"
        );
    }
}
