//! ONNX Runtime, loaded once in a process from the library that the configuration names.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use crate::ModelError;

/// The environment lives as long as the process: ONNX Runtime makes no second one.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime, ready to load models. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
}

/// Where models run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The best that is there; this build has the CPU only.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA card, or an error: this build cannot use one yet.
    Cuda,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            other => Err(format!(
                "`{other}` is no device: `auto`, `cpu` and `cuda` are"
            )),
        }
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

    /// A session of the ONNX file, with that many threads for one run.
    pub(crate) fn session(
        &self,
        path: &Path,
        device: Device,
        threads: usize,
    ) -> Result<Session, ModelError> {
        if device == Device::Cuda {
            return Err(ModelError::NoCuda);
        }
        let build = || -> ort::Result<Session> {
            Session::builder(&self.environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(threads.max(1))?
                // Threads that spin between runs would take the cores that decode pictures.
                .with_intra_op_spinning(false)?
                .commit_from_file(path)
        };
        build().map_err(|cause| ModelError::Load {
            path: path.into(),
            cause,
        })
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runtime")
    }
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

/// The rows of a run's output as unit vectors: `rows` of them, each of `dimension` numbers.
pub(crate) fn unit_rows(
    model: &str,
    shape: &[i64],
    values: &[f32],
    rows: usize,
    dimension: usize,
) -> Result<Vec<Vec<f32>>, ModelError> {
    let bad = |what: String| ModelError::BadOutput {
        model: model.to_owned(),
        what,
    };
    if shape != [rows as i64, dimension as i64] {
        return Err(bad(format!(
            "an output of shape {shape:?}, not [{rows}, {dimension}]"
        )));
    }
    let unit = |row: &[f32]| {
        let length = row
            .iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt();
        // A length that is not finite tells of a value that is not.
        if !length.is_finite() || length < 1e-6 {
            return Err(bad(format!("a vector of length {length}")));
        }
        Ok(row
            .iter()
            .map(|v| (f64::from(*v) / length) as f32)
            .collect())
    };
    values.chunks_exact(dimension).map(unit).collect()
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

    #[test]
    fn rows_become_unit_vectors_and_others_are_refused() {
        let rows =
            unit_rows("m", &[2, 2], &[3.0, 4.0, 0.0, -2.0], 2, 2).expect("both have a direction");
        assert_eq!(rows, [vec![0.6, 0.8], vec![0.0, -1.0]]);
        for values in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            assert!(
                unit_rows("m", &[1, 2], &values, 1, 2).is_err(),
                "{values:?}"
            );
        }
        assert!(unit_rows("m", &[2, 1], &[1.0, 1.0], 1, 2).is_err());
    }

    #[test]
    fn devices_have_names() {
        assert_eq!("auto".parse(), Ok(Device::Auto));
        assert_eq!("cuda".parse(), Ok(Device::Cuda));
        assert!(
            "gpu"
                .parse::<Device>()
                .expect_err("no such name")
                .contains("gpu")
        );
    }
}
