//! The picture tower.

use ort::session::Session;
use ort::value::Tensor as OrtTensor;

use crate::runtime::{check_names, unit_rows};
use crate::threads::Model;
use crate::{Device, ModelError, Pack, Runtime, Tensor};

/// A loaded picture tower. It runs one batch at a time.
#[derive(Debug)]
pub struct VisionModel {
    session: Session,
    name: String,
    input: String,
    output: String,
    side: usize,
    dimension: usize,
}

impl VisionModel {
    /// Loads the picture tower of a pack, with `threads` for one run.
    ///
    /// # Errors
    /// [`ModelError::NoCuda`], [`ModelError::Load`], or [`ModelError::Invalid`] where the model's
    /// inputs and outputs are not those that the manifest names.
    pub fn load(
        runtime: &Runtime,
        pack: &Pack,
        device: Device,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let visual = &pack.manifest().visual;
        let path = pack.path(&visual.model);
        let session = runtime.session(&path, device, threads)?;
        check_names(&session, &path, &[&visual.input], &visual.output)?;
        Ok(Self {
            session,
            name: pack.name().to_owned(),
            input: visual.input.clone(),
            output: visual.output.clone(),
            side: pack.preprocess().size as usize,
            dimension: pack.dimension(),
        })
    }

    /// One unit vector for each tensor, in order.
    ///
    /// # Errors
    /// [`ModelError::Run`], and [`ModelError::BadOutput`] where any vector is not finite or zero.
    pub fn embed(&mut self, tensors: &[Tensor]) -> Result<Vec<Vec<f32>>, ModelError> {
        if tensors.is_empty() {
            return Ok(Vec::new());
        }
        let values: Vec<f32> = tensors
            .iter()
            .flat_map(|tensor| tensor.values())
            .copied()
            .collect();
        let failed = |cause| ModelError::Run {
            model: self.name.clone(),
            cause,
        };
        let shape = [tensors.len(), 3, self.side, self.side];
        let input = OrtTensor::from_array((shape, values)).map_err(failed)?;
        let outputs = self
            .session
            .run(ort::inputs![self.input.as_str() => input])
            .map_err(failed)?;
        let (shape, values) = outputs[self.output.as_str()]
            .try_extract_tensor::<f32>()
            .map_err(failed)?;
        unit_rows(&self.name, shape, values, tensors.len(), self.dimension)
    }
}

impl Model for VisionModel {
    type Item = Tensor;

    fn name(&self) -> &str {
        &self.name
    }

    fn embed(&mut self, items: &[Tensor]) -> Result<Vec<Vec<f32>>, ModelError> {
        Self::embed(self, items)
    }
}
