//! Pixels to a batch's tensor, in the types and orders that a model takes.

use half::f16;
use image::RgbImage;
use ort::memory::Allocator;
use ort::session::SessionInputValue;
use ort::value::{PrimitiveTensorElementType, Tensor, TensorElementType, TensorRef};

use crate::batcher::Batch;
use crate::pack::{Channels, Layout};
use crate::{ModelError, Pack, Preprocess};

/// How a pack's model takes its pictures. Cheap to clone: a few kilobytes.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureInput {
    preprocess: Preprocess,
    layout: Layout,
    values: Values,
}

/// A picture at its model's size: RGB bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crop(RgbImage);

/// For each of the tensor's channels: which of red, green and blue it takes, and what becomes of each
/// byte. So a byte costs one look-up, whatever the type is.
#[derive(Debug, Clone, PartialEq)]
struct Tables<T>([(usize, Box<[T; 256]>); 3]);

#[derive(Debug, Clone, PartialEq)]
enum Values {
    F32(Tables<f32>),
    F16(Tables<f16>),
    U8(Tables<u8>),
}

impl PictureInput {
    pub(crate) fn new(pack: &Pack, element: TensorElementType) -> Option<Self> {
        let visual = &pack.manifest().visual;
        let (preprocess, channels) = (pack.preprocess().clone(), visual.channels);
        // The order of operations is that of the references, in their f32.
        let normalized = |channel: usize, byte: u8| {
            (f32::from(byte) / 255.0 - preprocess.mean[channel]) / preprocess.std[channel]
        };
        let values = match element {
            TensorElementType::Float32 => Values::F32(Tables::new(channels, normalized)),
            TensorElementType::Float16 => {
                let half = |channel, byte| f16::from_f32(normalized(channel, byte));
                Values::F16(Tables::new(channels, half))
            }
            TensorElementType::Uint8 => Values::U8(Tables::new(channels, |_, byte| byte)),
            _ => return None,
        };
        let layout = visual.layout;
        Some(Self {
            preprocess,
            layout,
            values,
        })
    }

    /// How pictures are fitted.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The picture at the model's size.
    pub fn crop(&self, image: &RgbImage) -> Crop {
        Crop(self.preprocess.crop(image))
    }

    /// Bytes that one picture takes in a batch.
    pub fn bytes(&self) -> usize {
        let size = match self.values {
            Values::F32(_) => 4,
            Values::F16(_) => 2,
            Values::U8(_) => 1,
        };
        self.numbers() * size
    }

    /// An empty batch with room for that many pictures; in pinned memory where an allocator of such is
    /// given and has any left.
    pub(crate) fn batch(&self, most: usize, pinned: Option<&Allocator>) -> PictureBatch {
        let numbers = most * self.numbers();
        let tensor = match self.values {
            Values::F32(_) => AnyBuffer::F32(Buffer::new(numbers, pinned)),
            Values::F16(_) => AnyBuffer::F16(Buffer::new(numbers, pinned)),
            Values::U8(_) => AnyBuffer::U8(Buffer::new(numbers, pinned)),
        };
        PictureBatch {
            input: self.clone(),
            tensor,
            rows: 0,
        }
    }

    /// Numbers of one picture.
    fn numbers(&self) -> usize {
        3 * self.preprocess.size.width as usize * self.preprocess.size.height as usize
    }

    fn shape(&self, rows: usize) -> [usize; 4] {
        let size = self.preprocess.size;
        let (height, width) = (size.height as usize, size.width as usize);
        match self.layout {
            Layout::Nchw => [rows, 3, height, width],
            Layout::Nhwc => [rows, height, width, 3],
        }
    }
}

impl<T: Copy + Default> Tables<T> {
    fn new(channels: Channels, value: impl Fn(usize, u8) -> T) -> Self {
        let of = |channel: usize| {
            let mut table = Box::new([T::default(); 256]);
            for (byte, entry) in (0..=u8::MAX).zip(table.iter_mut()) {
                *entry = value(channel, byte);
            }
            (channel, table)
        };
        Self(match channels {
            Channels::Rgb => [0, 1, 2].map(of),
            Channels::Bgr => [2, 1, 0].map(of),
        })
    }

    fn write(&self, crop: &Crop, layout: Layout, into: &mut [T]) {
        let (pixels, _) = crop.0.as_raw().as_chunks::<3>();
        match layout {
            Layout::Nchw => {
                let planes = into.chunks_exact_mut(pixels.len());
                for (plane, (channel, table)) in planes.zip(&self.0) {
                    for (value, pixel) in plane.iter_mut().zip(pixels) {
                        *value = table[usize::from(pixel[*channel])];
                    }
                }
            }
            Layout::Nhwc => {
                let (triples, _) = into.as_chunks_mut::<3>();
                for (triple, pixel) in triples.iter_mut().zip(pixels) {
                    for (value, (channel, table)) in triple.iter_mut().zip(&self.0) {
                        *value = table[usize::from(pixel[*channel])];
                    }
                }
            }
        }
    }
}

/// Pictures that a model runs at once, in one tensor.
#[derive(Debug)]
pub struct PictureBatch {
    input: PictureInput,
    tensor: AnyBuffer,
    rows: usize,
}

#[derive(Debug)]
enum AnyBuffer {
    F32(Buffer<f32>),
    F16(Buffer<f16>),
    U8(Buffer<u8>),
}

/// Numbers in memory of ours, or in memory that a GPU reads by itself.
#[derive(Debug)]
enum Buffer<T: PrimitiveTensorElementType + std::fmt::Debug> {
    Plain(Vec<T>),
    Pinned(Tensor<T>),
}

impl<T: PrimitiveTensorElementType + Copy + Default + std::fmt::Debug + 'static> Buffer<T> {
    fn new(numbers: usize, pinned: Option<&Allocator>) -> Self {
        let tensor = pinned.and_then(|allocator| Tensor::new(allocator, [numbers]).ok());
        tensor.map_or_else(|| Self::Plain(vec![T::default(); numbers]), Self::Pinned)
    }

    fn as_slice(&self) -> &[T] {
        match self {
            Self::Plain(values) => values,
            Self::Pinned(tensor) => tensor.extract_tensor().1,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::Plain(values) => values,
            Self::Pinned(tensor) => tensor.extract_tensor_mut().1,
        }
    }

    fn view(
        &self,
        shape: [usize; 4],
        numbers: std::ops::Range<usize>,
    ) -> ort::Result<TensorRef<'_, T>> {
        TensorRef::from_array_view((shape, &self.as_slice()[numbers]))
    }
}

impl Batch for PictureBatch {
    type Item = Crop;

    fn push(&mut self, crop: &Crop) {
        let (input, numbers) = (&self.input, self.input.numbers());
        let row = self.rows * numbers..(self.rows + 1) * numbers;
        match (&input.values, &mut self.tensor) {
            (Values::F32(tables), AnyBuffer::F32(buffer)) => {
                tables.write(crop, input.layout, &mut buffer.as_mut_slice()[row]);
            }
            (Values::F16(tables), AnyBuffer::F16(buffer)) => {
                tables.write(crop, input.layout, &mut buffer.as_mut_slice()[row]);
            }
            (Values::U8(tables), AnyBuffer::U8(buffer)) => {
                tables.write(crop, input.layout, &mut buffer.as_mut_slice()[row]);
            }
            _ => unreachable!("a batch's buffer is made from its input's values"),
        }
        self.rows += 1;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) {
        self.rows = 0;
    }
}

impl PictureBatch {
    /// These rows as the model's input.
    pub(crate) fn view(&self, rows: std::ops::Range<usize>) -> ort::Result<SessionInputValue<'_>> {
        let (shape, numbers) = (self.input.shape(rows.len()), self.input.numbers());
        let range = rows.start * numbers..rows.end * numbers;
        Ok(match &self.tensor {
            AnyBuffer::F32(buffer) => buffer.view(shape, range)?.into(),
            AnyBuffer::F16(buffer) => buffer.view(shape, range)?.into(),
            AnyBuffer::U8(buffer) => buffer.view(shape, range)?.into(),
        })
    }
}

/// The error where a model takes pictures of a type that none is made of here.
pub(crate) fn unknown_element(path: &std::path::Path, element: TensorElementType) -> ModelError {
    ModelError::Invalid {
        path: path.into(),
        reason: format!("its input holds {element}, and f32, f16 or u8 is wanted"),
    }
}
