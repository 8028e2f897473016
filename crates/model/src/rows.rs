//! A model's output as a row for each of its inputs.

use half::f16;
use ort::value::{DynValue, TensorElementType};

use crate::ModelError;

/// A tensor of f32 or f16: its shape, and its numbers as f32.
pub(crate) fn numbers(model: &str, output: &DynValue) -> ort::Result<(Vec<i64>, Vec<f32>)> {
    if output.dtype().tensor_type() == Some(TensorElementType::Float16) {
        let (shape, values) = output.try_extract_tensor::<f16>()?;
        return Ok((shape.to_vec(), values.iter().map(|v| v.to_f32()).collect()));
    }
    let (shape, values) = output
        .try_extract_tensor::<f32>()
        .inspect_err(|_| tracing::debug!(model, "an output that is neither f32 nor f16"))?;
    Ok((shape.to_vec(), values.to_vec()))
}

/// `rows` unit vectors of `dimension` numbers each.
pub(crate) fn unit(
    model: &str,
    shape: &[i64],
    values: &[f32],
    rows: usize,
    dimension: usize,
) -> Result<Vec<Vec<f32>>, ModelError> {
    expect_shape(model, shape, rows, dimension)?;
    let unit = |row: &[f32]| {
        let length = row
            .iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt();
        // A length that is not finite tells of a value that is not.
        if !length.is_finite() || length < 1e-6 {
            return Err(bad(model, format!("a vector of length {length}")));
        }
        Ok(row
            .iter()
            .map(|v| (f64::from(*v) / length) as f32)
            .collect())
    };
    values.chunks_exact(dimension).map(unit).collect()
}

/// The numbers of one column, each a row by itself: 0 to 1.
pub(crate) fn scores(
    model: &str,
    shape: &[i64],
    values: &[f32],
    rows: usize,
    column: usize,
) -> Result<Vec<Vec<f32>>, ModelError> {
    let width = match shape {
        [_, width] => usize::try_from(*width).unwrap_or_default(),
        _ => 1,
    };
    if column >= width || values.len() != rows * width {
        let what =
            format!("an output of shape {shape:?}, which has no column {column} for {rows} rows");
        return Err(bad(model, what));
    }
    // What rounding leaves beyond the ends is no fault.
    let near = -0.001..=1.001;
    values
        .chunks_exact(width)
        .map(|row| match row[column] {
            score if near.contains(&score) => Ok(vec![score.clamp(0.0, 1.0)]),
            score => Err(bad(model, format!("a score of {score}"))),
        })
        .collect()
}

/// The mean of each row's vectors over the tokens that its mask lets through: `values` is `[rows, tokens,
/// width]`, `mask` is `[rows, tokens]`. As sentence-transformers' `Pooling` does it.
pub(crate) fn mean(
    model: &str,
    shape: &[i64],
    values: &[f32],
    mask: &[i64],
    rows: usize,
) -> Result<(usize, Vec<f32>), ModelError> {
    let tokens = mask.len() / rows.max(1);
    let width = match shape {
        [r, t, width] if (*r, *t) == (rows as i64, tokens as i64) => *width as usize,
        _ => {
            let what = format!("an output of shape {shape:?}, not [{rows}, {tokens}, width]");
            return Err(bad(model, what));
        }
    };
    let mut means = vec![0.0; rows * width];
    let row_means = means.chunks_exact_mut(width.max(1));
    let row_values = values.chunks_exact((tokens * width).max(1));
    for ((mean, vectors), mask) in row_means
        .zip(row_values)
        .zip(mask.chunks_exact(tokens.max(1)))
    {
        let seen = mask.iter().filter(|seen| **seen != 0).count();
        for (vector, _) in vectors
            .chunks_exact(width)
            .zip(mask)
            .filter(|(_, seen)| **seen != 0)
        {
            for (sum, value) in mean.iter_mut().zip(vector) {
                *sum += value;
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= seen.max(1) as f32);
    }
    Ok((width, means))
}

fn expect_shape(
    model: &str,
    shape: &[i64],
    rows: usize,
    dimension: usize,
) -> Result<(), ModelError> {
    if shape == [rows as i64, dimension as i64] {
        return Ok(());
    }
    let what = format!("an output of shape {shape:?}, not [{rows}, {dimension}]");
    Err(bad(model, what))
}

fn bad(model: &str, what: String) -> ModelError {
    ModelError::BadOutput {
        model: model.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_unit_vectors_and_others_are_refused() {
        let rows = unit("m", &[2, 2], &[3.0, 4.0, 0.0, -2.0], 2, 2).expect("both have a direction");
        assert_eq!(rows, [vec![0.6, 0.8], vec![0.0, -1.0]]);
        for values in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            assert!(unit("m", &[1, 2], &values, 1, 2).is_err(), "{values:?}");
        }
        assert!(unit("m", &[2, 1], &[1.0, 1.0], 1, 2).is_err());
    }

    #[test]
    fn a_column_becomes_scores() {
        let values = [0.9, 0.1, -0.000_1, 1.000_1];
        let found = scores("m", &[2, 2], &values, 2, 1).expect("they are scores");
        assert_eq!(found, [vec![0.1], vec![1.0]]);
        let found = scores("m", &[4], &values, 4, 0).expect("they are scores");
        assert_eq!(found.concat(), [0.9, 0.1, 0.0, 1.0]);
        for (values, column) in [([0.0, 1.5], 1), ([0.0, f32::NAN], 1), ([0.0, 1.0], 2)] {
            assert!(
                scores("m", &[1, 2], &values, 1, column).is_err(),
                "{values:?}"
            );
        }
    }

    #[test]
    fn padding_does_not_count_in_a_mean() {
        let values = [1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 5.0, 6.0, 9.0, 9.0, 9.0, 9.0];
        let mask = [1, 1, 0, 1, 0, 0];
        let (width, means) = mean("m", &[2, 3, 2], &values, &mask, 2).expect("the shape fits");
        assert_eq!((width, means), (2, vec![2.0, 3.0, 5.0, 6.0]));
        assert!(mean("m", &[2, 2, 2], &values[..8], &mask, 2).is_err());
    }
}
