//! A pack's towers, for what is measured beside the services.

use std::path::PathBuf;

use anyhow::Context as _;
use image::RgbImage;
use tusou_model::{Device, Pack, Runtime, TextModel, VisionModel};

use crate::peer::root;

/// Pictures that a model embeds at once.
const BATCH: usize = 16;

/// Both towers of a pack.
#[derive(Debug)]
pub(crate) struct Towers {
    pub(crate) vision: VisionModel,
    text: Option<TextModel>,
}

impl Towers {
    /// Loads a pack of the models' folder by its name.
    pub(crate) fn load(runtime: &Runtime, name: &str) -> anyhow::Result<Self> {
        let named = std::env::var_os("TUSOU_MODELS_FOLDER").map(PathBuf::from);
        let folder = named.unwrap_or_else(|| root().join(".stack/models"));
        let pack = Pack::open(folder.join(name))
            .with_context(|| format!("get it with `make ready` or `tusou models fetch {name}`"))?;
        Ok(Self {
            vision: VisionModel::load(runtime, &pack, Device::Cpu, 2)?,
            text: TextModel::load(runtime, &pack, Device::Cpu, 2)?,
        })
    }

    /// Unit vectors of pictures that are made one after another, and forgotten.
    pub(crate) fn pictures(
        &mut self,
        pictures: impl Iterator<Item = anyhow::Result<RgbImage>>,
    ) -> anyhow::Result<Vec<Vec<f32>>> {
        let (mut vectors, mut crops) = (Vec::new(), Vec::new());
        for picture in pictures {
            crops.push(self.vision.input().crop(&picture?));
            if crops.len() == BATCH {
                vectors.extend(self.vision.embed_crops(&crops)?);
                crops.clear();
            }
        }
        if !crops.is_empty() {
            vectors.extend(self.vision.embed_crops(&crops)?);
        }
        Ok(vectors)
    }

    /// Unit vectors of words.
    pub(crate) fn words(&mut self, words: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        let text = self.text.as_mut().context("the pack has no words")?;
        let mut vectors = Vec::with_capacity(words.len());
        for some in words.chunks(64) {
            vectors.extend(text.embed(some)?);
        }
        Ok(vectors)
    }
}

/// Of unit vectors.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
