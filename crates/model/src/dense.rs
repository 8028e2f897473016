//! A linear layer after the ONNX file: the `Dense` module of sentence-transformers.

use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use crate::ModelError;

/// `y = W x + b`, with the identity for its activation.
#[derive(Debug)]
pub(crate) struct Dense {
    /// `[dimension, width]`
    weight: Vec<f32>,
    width: usize,
    bias: Option<Vec<f32>>,
}

impl Dense {
    /// Reads `linear.weight`, and `linear.bias` where there is one.
    ///
    /// # Errors
    /// [`ModelError::Read`], and [`ModelError::Invalid`] where the layer does not give `dimension` numbers.
    pub(crate) fn load(path: &Path, dimension: usize) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|cause| ModelError::Read {
            path: path.into(),
            cause,
        })?;
        let invalid = |reason: String| ModelError::Invalid {
            path: path.into(),
            reason,
        };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| invalid(error.to_string()))?;
        let (shape, weight) = read(&file, "linear.weight").map_err(invalid)?;
        let width = match shape[..] {
            [rows, width] if rows == dimension && width > 0 => width,
            _ => {
                let reason = format!("`linear.weight` is {shape:?}, not [{dimension}, width]");
                return Err(invalid(reason));
            }
        };
        let bias = match file.names().contains(&"linear.bias") {
            true => Some(read(&file, "linear.bias").map_err(invalid)?),
            false => None,
        };
        if let Some((shape, _)) = &bias
            && shape[..] != [dimension]
        {
            return Err(invalid(format!(
                "`linear.bias` is {shape:?}, not [{dimension}]"
            )));
        }
        let bias = bias.map(|(_, values)| values);
        Ok(Self {
            weight,
            width,
            bias,
        })
    }

    /// Rows `[count, width]` to rows `[count, dimension]`.
    pub(crate) fn apply(
        &self,
        model: &str,
        shape: &[i64],
        values: &[f32],
    ) -> Result<Vec<f32>, ModelError> {
        if !matches!(shape, [_, width] if *width == self.width as i64) {
            let what = format!("an output of shape {shape:?}, not [rows, {}]", self.width);
            let model = model.to_owned();
            return Err(ModelError::BadOutput { model, what });
        }
        let outputs = values.chunks_exact(self.width).flat_map(|row| {
            let products = self.weight.chunks_exact(self.width).map(move |weights| {
                let terms = weights.iter().zip(row);
                terms.map(|(weight, value)| weight * value).sum::<f32>()
            });
            let bias = self.bias.iter().flatten().chain(std::iter::repeat(&0.0));
            products.zip(bias).map(|(product, bias)| product + bias)
        });
        Ok(outputs.collect())
    }
}

fn read(file: &SafeTensors<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>), String> {
    let tensor = file
        .tensor(name)
        .map_err(|error| format!("`{name}`: {error}"))?;
    let bytes = tensor.data();
    let pairs = || bytes.as_chunks::<2>().0.iter();
    let values = match tensor.dtype() {
        Dtype::F32 => {
            let quads = bytes.as_chunks::<4>().0.iter();
            quads.map(|four| f32::from_le_bytes(*four)).collect()
        }
        Dtype::F16 => pairs()
            .map(|two| f16::from_le_bytes(*two).to_f32())
            .collect(),
        Dtype::BF16 => pairs()
            .map(|two| bf16::from_le_bytes(*two).to_f32())
            .collect(),
        other => {
            return Err(format!(
                "`{name}` holds {other:?}, and F32, F16 or BF16 is wanted"
            ));
        }
    };
    Ok((tensor.shape().to_vec(), values))
}

#[cfg(test)]
mod tests {
    use safetensors::serialize_to_file;
    use safetensors::tensor::TensorView;

    use super::*;

    fn write(folder: &Path, tensors: &[(&str, &[usize], &[f32])]) -> std::path::PathBuf {
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
            (*name, view.expect("as many bytes as the shape says"))
        });
        let path = folder.join("model.safetensors");
        serialize_to_file(views, None, &path).expect("a temporary file is written");
        path
    }

    #[test]
    fn a_row_is_multiplied_and_moved() {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        let weight: &[f32] = &[1.0, 0.0, 2.0, 0.0, 1.0, 0.0];
        let plain = write(folder.path(), &[("linear.weight", &[2, 3], weight)]);
        let dense = Dense::load(&plain, 2).expect("it fits");
        let rows = dense.apply("m", &[2, 3], &[1.0, 2.0, 3.0, 0.0, 0.0, 1.0]);
        assert_eq!(rows.expect("it fits"), [7.0, 2.0, 2.0, 0.0]);
        assert!(dense.apply("m", &[1, 2], &[1.0, 2.0]).is_err());
        let both: [(&str, &[usize], &[f32]); 2] = [
            ("linear.weight", &[2, 3], weight),
            ("linear.bias", &[2], &[10.0, 20.0]),
        ];
        let dense = Dense::load(&write(folder.path(), &both), 2).expect("it fits");
        let rows = dense.apply("m", &[1, 3], &[1.0, 2.0, 3.0]);
        assert_eq!(rows.expect("it fits"), [17.0, 22.0]);
    }

    #[test]
    fn a_layer_of_another_shape_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        let path = write(folder.path(), &[("linear.weight", &[2, 2], &[1.0; 4])]);
        let error = Dense::load(&path, 3).expect_err("it gives two numbers");
        assert!(error.to_string().contains("linear.weight"), "{error}");
        let path = write(folder.path(), &[("other", &[2, 2], &[1.0; 4])]);
        let error = Dense::load(&path, 2).expect_err("there is no such layer");
        assert!(error.to_string().contains("linear.weight"), "{error}");
    }
}
