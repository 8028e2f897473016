//! The picture tower.

use std::ops::Range;

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::DynValue;

use crate::batcher::{Batch as _, Model};
use crate::input::{Crop, PictureBatch, PictureInput, unknown_element};
use crate::pack::{Pack, ScoreOf};
use crate::runtime::{Provider, Runtime, check_names, choose, taken};
use crate::{Device, ModelError, RgbImage, rows};

/// A loaded picture tower. It runs one batch at a time.
#[derive(Debug)]
pub struct VisionModel {
    session: Session,
    /// On a GPU: inputs go there by this.
    binding: Option<IoBinding>,
    provider: Provider,
    name: String,
    input_name: String,
    output_name: String,
    input: PictureInput,
    one_by_one: bool,
    score: Option<ScoreOf>,
    dimension: usize,
}

impl VisionModel {
    /// Loads the picture tower of a pack, with `threads` for one run, and runs a grey picture through it:
    /// a device that is there and cannot run this model is found out now.
    ///
    /// # Errors
    /// [`ModelError::NoCuda`], [`ModelError::Load`], [`ModelError::Run`], [`ModelError::BadOutput`], or
    /// [`ModelError::Invalid`] where the model's inputs and outputs are not those that the manifest names.
    pub fn load(
        runtime: &Runtime,
        pack: &Pack,
        device: Device,
        threads: usize,
    ) -> Result<Self, ModelError> {
        choose(device, pack.name(), |provider| {
            let mut model = Self::load_on(runtime, pack, provider, threads)?;
            model.embed(&[RgbImage::from_pixel(8, 8, image::Rgb([128; 3]))])?;
            Ok(model)
        })
    }

    fn load_on(
        runtime: &Runtime,
        pack: &Pack,
        provider: Provider,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let visual = &pack.manifest().visual;
        let path = pack.path(&visual.model);
        let session = runtime.session(&path, provider, threads)?;
        check_names(&session, &path, &[&visual.input], &visual.output)?;
        let taken = taken(&session, &path, &visual.input)?;
        let input = PictureInput::new(pack, taken.element)
            .ok_or_else(|| unknown_element(&path, taken.element))?;
        let failed = |cause| ModelError::Load {
            path: path.clone(),
            cause,
        };
        let binding = match provider {
            Provider::Cpu => None,
            Provider::Cuda => Some(session.create_binding().map_err(failed)?),
        };
        Ok(Self {
            session,
            binding,
            provider,
            name: pack.name().to_owned(),
            input_name: visual.input.clone(),
            output_name: visual.output.clone(),
            input,
            one_by_one: taken.one_by_one,
            score: visual.score.clone(),
            dimension: pack.dimension(),
        })
    }

    /// What it runs on.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// How it takes its pictures.
    pub fn input(&self) -> &PictureInput {
        &self.input
    }

    /// One unit vector (or one score) for each picture, in order.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn embed(&mut self, pictures: &[RgbImage]) -> Result<Vec<Vec<f32>>, ModelError> {
        let crops: Vec<Crop> = pictures.iter().map(|one| self.input.crop(one)).collect();
        self.embed_crops(&crops)
    }

    /// One unit vector (or one score) for each picture of the model's size, in order.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn embed_crops(&mut self, crops: &[Crop]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut batch = self.input.batch(crops.len(), None);
        for crop in crops {
            batch.push(crop);
        }
        self.run(&batch, 0..crops.len())
    }

    fn failed(&self) -> impl Fn(ort::Error) -> ModelError + use<> {
        let model = self.name.clone();
        move |cause| ModelError::of_run(&model, cause)
    }

    /// An allocator of memory that a GPU reads by itself, where that is one.
    fn pinned(&self) -> Option<Allocator> {
        let Provider::Cuda = self.provider else {
            return None;
        };
        let memory = MemoryInfo::new(
            AllocationDevice::CUDA_PINNED,
            0,
            AllocatorType::Device,
            MemoryType::CPUInput,
        );
        let allocator = memory.and_then(|memory| Allocator::new(&self.session, memory));
        allocator
            .inspect_err(
                |error| tracing::warn!(%error, "no pinned memory; copies to the GPU are slower"),
            )
            .ok()
    }
}

impl Model for VisionModel {
    type Batch = PictureBatch;

    fn name(&self) -> &str {
        &self.name
    }

    fn batches(&self, most: usize) -> Box<dyn Fn() -> PictureBatch + Send + Sync> {
        let (input, pinned) = (self.input.clone(), std::sync::Mutex::new(self.pinned()));
        Box::new(move || {
            let pinned = pinned
                .lock()
                .expect("nothing panics while an allocator is held");
            input.batch(most, pinned.as_ref())
        })
    }

    /// One unit vector (or one score) for each row.
    ///
    /// # Errors
    /// [`ModelError::Run`] and [`ModelError::OutOfMemory`], and [`ModelError::BadOutput`] where any vector
    /// is not finite or zero, or a score not within 0 to 1.
    fn run(
        &mut self,
        batch: &PictureBatch,
        rows: Range<usize>,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        if self.one_by_one && rows.len() > 1 {
            let each = rows.map(|row| Ok(self.run(batch, row..row + 1)?.swap_remove(0)));
            return each.collect();
        }
        let failed = self.failed();
        let input = batch.view(rows.clone()).map_err(&failed)?;
        let outputs = match &mut self.binding {
            None => self
                .session
                .run(ort::inputs![self.input_name.as_str() => input]),
            Some(binding) => bind(binding, &self.input_name, &input, &self.output_name)
                .and_then(|()| self.session.run_binding(binding)),
        }
        .map_err(&failed)?;
        let output: &DynValue = &outputs[self.output_name.as_str()];
        let (shape, values) = rows::numbers(&self.name, output).map_err(&failed)?;
        match &self.score {
            None => rows::unit(&self.name, &shape, &values, rows.len(), self.dimension),
            Some(score) => rows::scores(&self.name, &shape, &values, rows.len(), score.column),
        }
    }
}

/// Sends the input to the device, and has the output come back from it.
fn bind(
    binding: &mut IoBinding,
    input_name: &str,
    input: &DynValue,
    output_name: &str,
) -> ort::Result<()> {
    binding.bind_input(input_name, input)?;
    let memory = MemoryInfo::new(
        AllocationDevice::CPU,
        0,
        AllocatorType::Device,
        MemoryType::CPUOutput,
    )?;
    binding.bind_output_to_device(output_name, &memory)
}
