//! The text tower: words to tokens to a unit vector.

use std::ops::Range;
use std::path::PathBuf;

use ort::session::{Session, SessionInputValue};
use ort::value::{Tensor, TensorElementType};
use tokenizers::{PaddingParams, PaddingStrategy, Tokenizer, TruncationParams};

use crate::batcher::{Batch, Model};
use crate::clean::clean;
use crate::dense::Dense;
use crate::pack::{Padding, Pooling, Textual};
use crate::runtime::{check_names, choose, taken};
use crate::{Device, ModelError, Pack, Provider, Runtime, rows};

/// Characters of a text that are looked at: more than any tower takes, and few enough that a
/// hostile query costs little.
const MAX_CHARACTERS: usize = 8_192;

/// A loaded text tower. It runs one batch at a time.
#[derive(Debug)]
pub struct TextModel {
    session: Session,
    provider: Provider,
    tokenizer: Tokenizer,
    tokenizer_path: PathBuf,
    dense: Option<Dense>,
    name: String,
    textual: Textual,
    /// Whether tokens are i32: open_clip's exports; else they are i64.
    narrow: bool,
    one_by_one: bool,
    dimension: usize,
}

impl TextModel {
    /// Loads the text tower of a pack, with `threads` for one run, and runs a word through it; `None`
    /// where the pack has none.
    ///
    /// # Errors
    /// As [`crate::VisionModel::load`], and [`ModelError::Tokenizer`].
    pub fn load(
        runtime: &Runtime,
        pack: &Pack,
        device: Device,
        threads: usize,
    ) -> Result<Option<Self>, ModelError> {
        let Some(textual) = &pack.manifest().textual else {
            return Ok(None);
        };
        choose(device, pack.name(), |provider| {
            let mut model = Self::load_on(runtime, pack, textual.clone(), provider, threads)?;
            model.embed(&["a picture".to_owned()])?;
            Ok(Some(model))
        })
    }

    fn load_on(
        runtime: &Runtime,
        pack: &Pack,
        textual: Textual,
        provider: Provider,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let path = pack.path(&textual.model);
        let session = runtime.session(&path, provider, threads)?;
        let inputs: Vec<&str> = std::iter::once(&textual.input_ids)
            .chain(&textual.attention_mask)
            .map(String::as_str)
            .collect();
        check_names(&session, &path, &inputs, &textual.output)?;
        let taken = taken(&session, &path, &textual.input_ids)?;
        let element = taken.element;
        if !matches!(element, TensorElementType::Int32 | TensorElementType::Int64) {
            let reason = format!("its input holds {element}, and i32 or i64 is wanted");
            return Err(ModelError::Invalid { path, reason });
        }
        let tokenizer_path = pack.path(&textual.tokenizer);
        let tokenizer = tokenizer(&textual, &tokenizer_path)?;
        let dense = textual
            .dense
            .as_ref()
            .map(|file| Dense::load(&pack.path(file), pack.dimension()))
            .transpose()?;
        Ok(Self {
            session,
            provider,
            tokenizer,
            tokenizer_path,
            dense,
            name: pack.name().to_owned(),
            textual,
            narrow: element == TensorElementType::Int32,
            one_by_one: taken.one_by_one,
            dimension: pack.dimension(),
        })
    }

    /// What it runs on.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// One unit vector for each text, in order. A text beyond the tower's tokens is cut.
    ///
    /// # Errors
    /// [`ModelError::Tokenizer`], [`ModelError::Run`], [`ModelError::OutOfMemory`] and
    /// [`ModelError::BadOutput`].
    pub fn embed(&mut self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        if self.one_by_one && texts.len() > 1 {
            let each = texts.iter().map(std::slice::from_ref);
            return each
                .map(|one| Ok(self.embed(one)?.swap_remove(0)))
                .collect();
        }
        let Tokens { ids, mask, each } = self.tokens(texts)?;
        let count = texts.len();
        let name = self.name.clone();
        let failed = |cause| ModelError::of_run(&name, cause);
        let input = |values: &[i64]| tensor(values, [count, each], self.narrow).map_err(failed);
        let mut inputs = vec![(self.textual.input_ids.as_str(), input(&ids)?)];
        if let Some(mask_name) = &self.textual.attention_mask {
            inputs.push((mask_name, input(&mask)?));
        }
        let outputs = self.session.run(inputs).map_err(failed)?;
        let output = &outputs[self.textual.output.as_str()];
        let (mut shape, mut values) = rows::numbers(&self.name, output).map_err(failed)?;
        if let Some(Pooling::Mean) = self.textual.pooling {
            let (width, means) = rows::mean(&self.name, &shape, &values, &mask, count)?;
            (shape, values) = (vec![count as i64, width as i64], means);
        }
        if let Some(dense) = &self.dense {
            values = dense.apply(&self.name, &shape, &values)?;
            shape = vec![count as i64, self.dimension as i64];
        }
        rows::unit(&self.name, &shape, &values, count, self.dimension)
    }

    fn tokens(&self, texts: &[String]) -> Result<Tokens, ModelError> {
        let texts: Vec<String> = texts
            .iter()
            .map(|text| clean(cut(text), self.textual.clean))
            .collect();
        let encodings =
            self.tokenizer
                .encode_batch(texts, true)
                .map_err(|cause| ModelError::Tokenizer {
                    path: self.tokenizer_path.clone(),
                    cause,
                })?;
        let each = encodings.iter().map(tokenizers::Encoding::len).max();
        let joined = |part: fn(&tokenizers::Encoding) -> &[u32]| {
            let values = encodings.iter().flat_map(part);
            values.map(|value| i64::from(*value)).collect()
        };
        Ok(Tokens {
            ids: joined(tokenizers::Encoding::get_ids),
            mask: joined(tokenizers::Encoding::get_attention_mask),
            each: each.unwrap_or(0),
        })
    }
}

/// The tokens of some texts, as many for each.
struct Tokens {
    ids: Vec<i64>,
    mask: Vec<i64>,
    each: usize,
}

fn tensor(
    values: &[i64],
    shape: [usize; 2],
    narrow: bool,
) -> ort::Result<SessionInputValue<'static>> {
    Ok(if narrow {
        let narrowed: Vec<i32> = values.iter().map(|value| *value as i32).collect();
        Tensor::from_array((shape, narrowed))?.into()
    } else {
        Tensor::from_array((shape, values.to_vec()))?.into()
    })
}

fn tokenizer(textual: &Textual, path: &std::path::Path) -> Result<Tokenizer, ModelError> {
    let failed = |cause| ModelError::Tokenizer {
        path: path.into(),
        cause,
    };
    let mut tokenizer = Tokenizer::from_file(path).map_err(failed)?;
    let truncation = TruncationParams {
        max_length: textual.max_tokens,
        ..Default::default()
    };
    tokenizer
        .with_truncation(Some(truncation))
        .map_err(failed)?;
    let mut padding = tokenizer.get_padding().cloned().unwrap_or_default();
    if let Some(token) = &textual.pad_token {
        let known = tokenizer.token_to_id(token);
        padding.pad_id = known.ok_or_else(|| ModelError::Invalid {
            path: path.into(),
            reason: format!("it has no token `{token}`, which the manifest's `pad_token` names"),
        })?;
        padding.pad_token.clone_from(token);
    }
    padding.strategy = match textual.padding {
        Padding::Longest => PaddingStrategy::BatchLongest,
        Padding::MaxTokens => PaddingStrategy::Fixed(textual.max_tokens),
    };
    tokenizer.with_padding(Some(PaddingParams {
        pad_to_multiple_of: None,
        ..padding
    }));
    Ok(tokenizer)
}

fn cut(text: &str) -> &str {
    text.char_indices()
        .nth(MAX_CHARACTERS)
        .map_or(text, |(end, _)| &text[..end])
}

/// Texts that a model runs at once.
#[derive(Debug, Default)]
pub struct TextBatch(Vec<String>);

impl Batch for TextBatch {
    type Item = str;

    fn push(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }

    fn rows(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl Model for TextModel {
    type Batch = TextBatch;

    fn name(&self) -> &str {
        &self.name
    }

    fn batches(&self, most: usize) -> Box<dyn Fn() -> TextBatch + Send + Sync> {
        Box::new(move || TextBatch(Vec::with_capacity(most)))
    }

    fn run(&mut self, batch: &TextBatch, rows: Range<usize>) -> Result<Vec<Vec<f32>>, ModelError> {
        self.embed(&batch.0[rows])
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
