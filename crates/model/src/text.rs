//! The text tower: words to tokens to a unit vector.

use std::path::PathBuf;

use ort::session::Session;
use ort::value::Tensor as OrtTensor;
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

use crate::pack::Textual;
use crate::runtime::{check_names, unit_rows};
use crate::threads::Model;
use crate::{Device, ModelError, Pack, Runtime};

/// Characters of a text that are looked at: more than any tower takes, and few enough that a
/// hostile query costs little.
const MAX_CHARACTERS: usize = 8_192;

/// A loaded text tower. It runs one batch at a time.
#[derive(Debug)]
pub struct TextModel {
    session: Session,
    tokenizer: Tokenizer,
    tokenizer_path: PathBuf,
    name: String,
    textual: Textual,
    dimension: usize,
}

impl TextModel {
    /// Loads the text tower of a pack, with `threads` for one run; `None` where the pack has none.
    ///
    /// # Errors
    /// As [`crate::VisionModel::load`], and [`ModelError::Tokenizer`].
    pub fn load(
        runtime: &Runtime,
        pack: &Pack,
        device: Device,
        threads: usize,
    ) -> Result<Option<Self>, ModelError> {
        let Some(textual) = pack.manifest().textual.clone() else {
            return Ok(None);
        };
        let path = pack.path(&textual.model);
        let session = runtime.session(&path, device, threads)?;
        check_names(
            &session,
            &path,
            &[&textual.input_ids, &textual.attention_mask],
            &textual.output,
        )?;
        let tokenizer_path = pack.path(&textual.tokenizer);
        let failed = |cause| ModelError::Tokenizer {
            path: tokenizer_path.clone(),
            cause,
        };
        let mut tokenizer = Tokenizer::from_file(&tokenizer_path).map_err(failed)?;
        let truncation = TruncationParams {
            max_length: textual.max_tokens,
            ..Default::default()
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(failed)?;
        tokenizer.with_padding(Some(PaddingParams::default()));
        let (name, dimension) = (pack.name().to_owned(), pack.dimension());
        Ok(Some(Self {
            session,
            tokenizer,
            tokenizer_path,
            name,
            textual,
            dimension,
        }))
    }

    /// One unit vector for each text, in order. A text beyond the tower's tokens is cut.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`], [`ModelError::Run`] and [`ModelError::BadOutput`].
    pub fn embed(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let texts = texts.iter().map(|text| cut(text)).collect::<Vec<&str>>();
        let rows = texts.len();
        let encodings =
            self.tokenizer
                .encode_batch(texts, true)
                .map_err(|cause| ModelError::Tokenizer {
                    path: self.tokenizer_path.clone(),
                    cause,
                })?;
        let tokens = encodings
            .iter()
            .map(|encoding| encoding.get_ids().len())
            .max()
            .unwrap_or(0);
        let joined = |part: fn(&tokenizers::Encoding) -> &[u32]| {
            encodings
                .iter()
                .flat_map(part)
                .map(|value| i64::from(*value))
                .collect::<Vec<i64>>()
        };
        let (ids, mask) = (
            joined(|encoding| encoding.get_ids()),
            joined(|encoding| encoding.get_attention_mask()),
        );
        let failed = |cause| ModelError::Run {
            model: self.name.clone(),
            cause,
        };
        let inputs = ort::inputs![
            self.textual.input_ids.as_str() => OrtTensor::from_array(([rows, tokens], ids)).map_err(failed)?,
            self.textual.attention_mask.as_str() => OrtTensor::from_array(([rows, tokens], mask)).map_err(failed)?,
        ];
        let outputs = self.session.run(inputs).map_err(failed)?;
        let output = &outputs[self.textual.output.as_str()];
        let (shape, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
        unit_rows(&self.name, shape, values, rows, self.dimension)
    }
}

fn cut(text: &str) -> &str {
    text.char_indices()
        .nth(MAX_CHARACTERS)
        .map_or(text, |(end, _)| &text[..end])
}

impl Model for TextModel {
    type Item = String;

    fn name(&self) -> &str {
        &self.name
    }

    fn embed(&mut self, items: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        Self::embed(self, items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("一只猫"), "一只猫");
        assert_eq!(
            cut(&"猫".repeat(MAX_CHARACTERS + 5)).chars().count(),
            MAX_CHARACTERS
        );
    }
}
