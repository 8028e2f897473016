//! What `pack.json` says of a pack.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The manifest's file name in the pack's folder.
pub use tusou_contract::pack::MANIFEST;

/// The layout of manifests that this build reads and writes.
pub const FORMAT: u32 = 1;

/// A pack's manifest. Keys that are not here (sources, description, languages, …) are for people.
///
/// Element types are not in it: f32, f16 or u8 pixels and i32 or i64 tokens are what the ONNX files say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The pack's name: `lite`. Lower-case ASCII letters, digits, `-`, `_`.
    pub name: String,
    /// The licence of the weights, as SPDX names it, or in words.
    pub licence: String,
    /// Where the weights come from: a URL or a package URL.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
    /// Numbers in a vector; 1 for a score.
    pub dimension: usize,
    /// The document's field where the pack is not the first one: `copy_embedding`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// The picture tower.
    pub visual: Visual,
    /// The text tower, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub textual: Option<Textual>,
    /// Below which cosine nothing is found, as measured for this pack (docs/search.md).
    #[serde(skip_serializing_if = "Relevance::is_unknown", default)]
    pub relevance: Relevance,
    /// Every file but the manifest, with its SHA-256 in hex, by its path below the pack's folder.
    pub files: BTreeMap<String, String>,
}

/// The least cosine at which a picture of the index is an answer, by what is asked. `None` where it was
/// not measured: then everything is an answer. No part of the pack's identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Relevance {
    /// Of a query in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<f32>,
    /// Of a query by a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<f32>,
}

impl Relevance {
    /// Whether nothing was measured.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// The picture tower: pixels `[batch, 3, height, width]`, or `[batch, height, width, 3]`, to f32 or f16
/// `[batch, dimension]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visual {
    /// The ONNX file.
    pub model: String,
    /// The preprocessing, as open_clip describes it: [`crate::Preprocess`].
    pub preprocess: String,
    /// The input's name.
    pub input: String,
    /// The output's name.
    pub output: String,
    /// How the input's axes are ordered.
    #[serde(skip_serializing_if = "is_default", default)]
    pub layout: Layout,
    /// How the input's channels are ordered.
    #[serde(skip_serializing_if = "is_default", default)]
    pub channels: Channels,
    /// Set where the output is a score, and no embedding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub score: Option<ScoreOf>,
}

/// The order of a picture tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[batch, channels, height, width]`
    #[default]
    Nchw,
    /// `[batch, height, width, channels]`
    Nhwc,
}

/// The order of a picture tensor's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// Which number of the output is a score, 0 to 1, and the document's field for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreOf {
    /// `nsfw`
    pub field: String,
    /// The position in the output's row.
    pub column: usize,
}

/// The text tower: tokens `[batch, tokens]` to f32 or f16 `[batch, dimension]`, or `[batch, tokens, width]`
/// where it is pooled here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Textual {
    /// The ONNX file.
    pub model: String,
    /// The tokenizer's file, as the `tokenizers` library has it.
    pub tokenizer: String,
    /// The name of the tokens' input.
    pub input_ids: String,
    /// The name of the mask's input, where there is one: 1 for a token, 0 for padding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attention_mask: Option<String>,
    /// The output's name.
    pub output: String,
    /// Longer texts are cut.
    pub max_tokens: usize,
    /// How short texts are filled up.
    #[serde(skip_serializing_if = "is_default", default)]
    pub padding: Padding,
    /// The token that fills up; the tokenizer's own where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pad_token: Option<String>,
    /// What is done to a text before it is cut into tokens.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clean: Option<Clean>,
    /// How the tokens' vectors become the text's, where the ONNX file does not do that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pooling: Option<Pooling>,
    /// A safetensors file with `linear.weight`, f32 `[dimension, width]`, and perhaps `linear.bias`, that is
    /// applied after pooling: the `Dense` module of sentence-transformers with the identity for its activation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dense: Option<String>,
}

/// How long a batch's rows of tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// As long as the longest of the batch.
    #[default]
    Longest,
    /// Always [`Textual::max_tokens`].
    MaxTokens,
}

/// What is done to a text first, by open_clip's names for it (`text_cfg.tokenizer_kwargs.clean`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clean {
    /// White space is collapsed.
    Whitespace,
    /// So it is, and letters become lower case.
    Lower,
    /// Underscores become spaces, ASCII punctuation is dropped, and the rest is as for [`Clean::Lower`].
    Canonicalize,
}

/// How tokens' vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over the tokens that the mask lets through.
    Mean,
}

impl Manifest {
    /// Whether the pack gives a score, and no embedding.
    pub fn is_score(&self) -> bool {
        self.visual.score.is_some()
    }

    /// What is wrong with the values, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!(
                "format {} is not {FORMAT}, which this build reads",
                self.format
            ));
        }
        let short = |text: &Textual| text.max_tokens < 3;
        if self.dimension == 0 || self.textual.as_ref().is_some_and(short) {
            return Err("dimension and max_tokens must be positive".into());
        }
        if self.is_score() && (self.dimension != 1 || self.textual.is_some()) {
            return Err("a pack with `visual.score` has dimension 1 and no `textual`".into());
        }
        let unmasked = |text: &Textual| text.pooling.is_some() && text.attention_mask.is_none();
        if self.textual.as_ref().is_some_and(unmasked) {
            return Err("`textual.pooling` needs `textual.attention_mask`".into());
        }
        for name in self.named_files() {
            if !self.files.contains_key(name) {
                return Err(format!(
                    "`{name}` is used, but has no checksum under `files`"
                ));
            }
        }
        let outside = |part: &str| part.is_empty() || part == "." || part == "..";
        match self.files.keys().find(|name| name.split('/').any(outside)) {
            Some(name) => Err(format!("`{name}` is not a path inside the pack")),
            None => Ok(()),
        }
    }

    fn named_files(&self) -> impl Iterator<Item = &str> {
        let visual = [&self.visual.model, &self.visual.preprocess];
        let textual = self.textual.iter().flat_map(|text| {
            [&text.model, &text.tokenizer]
                .into_iter()
                .chain(text.dense.as_ref())
        });
        visual.into_iter().chain(textual).map(String::as_str)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
