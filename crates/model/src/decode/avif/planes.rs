//! AV1 bytes to planes of luma and chroma.

use re_rav1d::dav1d::{
    Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Plane, Settings,
};

use super::{broken, early_end, unsupported};
use crate::decode::DecodeError;

/// Calls of a decoder for a picture, at most; each takes it further through its bytes.
const MAX_CALLS: usize = 64;

/// A decoded frame. Values of more than eight bits take two bytes.
pub(super) struct Planes {
    pub(super) width: u32,
    pub(super) height: u32,
    /// 8, 10 or 12.
    pub(super) bits: u8,
    /// How many times narrower and lower chroma is; `None` where there is none.
    pub(super) subsampling: Option<(u32, u32)>,
    pub(super) picture: Picture,
    planes: Vec<(Plane, usize)>,
}

/// The range of values of a plane, to eight bits.
pub(super) struct Scale {
    black: f32,
    factor: f32,
}

impl Scale {
    pub(super) fn of(&self, value: u16) -> u8 {
        // Saturates.
        ((f32::from(value) - self.black) * self.factor + 0.5) as u8
    }
}

impl Planes {
    /// Decodes the first picture that is shown, of at most so many pixels.
    pub(super) fn decode(bytes: Vec<u8>, max_pixels: u32) -> Result<Self, DecodeError> {
        let mut settings = Settings::new();
        // Pictures are decoded one a thread as it is; a decoder's own threads would outlive its panic.
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_all_layers(false);
        settings.set_frame_size_limit(max_pixels);
        let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
        let mut sent = decoder.send_data(bytes, None, None, None);
        for _ in 0..MAX_CALLS {
            let pending = match sent {
                Ok(()) => false,
                Err(Error::Again) => true,
                Err(cause) => return Err(failed(cause)),
            };
            match decoder.get_picture() {
                Ok(picture) => return Self::of(picture),
                Err(Error::Again) if pending => sent = decoder.send_pending_data(),
                // Once more: a lower layer is given only where no further one comes.
                Err(Error::Again) => {
                    return match decoder.get_picture() {
                        Ok(picture) => Self::of(picture),
                        Err(Error::Again) => Err(early_end()),
                        Err(cause) => Err(failed(cause)),
                    };
                }
                Err(cause) => return Err(failed(cause)),
            }
        }
        Err(broken("no frame is shown"))
    }

    fn of(picture: Picture) -> Result<Self, DecodeError> {
        let bits = picture.bits_per_component().map(|bits| bits.0);
        let bits = bits.and_then(|bits| u8::try_from(bits).ok());
        let bits = bits.ok_or_else(|| unsupported("a frame of that many bits"))?;
        let subsampling = match picture.pixel_layout() {
            PixelLayout::I400 => None,
            PixelLayout::I420 => Some((2, 2)),
            PixelLayout::I422 => Some((2, 1)),
            PixelLayout::I444 => Some((1, 1)),
        };
        use PlanarImageComponent::{U, V, Y};
        let wanted: &[PlanarImageComponent] = match subsampling {
            None => &[Y],
            Some(_) => &[Y, U, V],
        };
        let plane = |component: &PlanarImageComponent| {
            let stride = picture.stride(*component) as usize;
            (picture.plane(*component), stride)
        };
        Ok(Self {
            width: picture.width(),
            height: picture.height(),
            bits,
            subsampling,
            planes: wanted.iter().map(plane).collect(),
            picture,
        })
    }

    /// A row of a plane: of luma (0), or of chroma (1 and 2).
    pub(super) fn row(&self, plane: usize, y: u32) -> Row<'_> {
        let (bytes, stride) = &self.planes[plane];
        let begin = y as usize * stride;
        Row {
            bytes: &bytes[begin..begin + stride],
            wide: self.bits > 8,
        }
    }

    /// Luma's range, as the frame itself tells it: of an alpha the whole one.
    pub(super) fn full(&self) -> Scale {
        let limited = matches!(
            self.picture.color_range(),
            re_rav1d::dav1d::pixel::YUVRange::Limited
        );
        let one = f32::from(1_u16 << (self.bits - 8));
        if limited {
            Scale {
                black: 16.0 * one,
                factor: 255.0 / (219.0 * one),
            }
        } else {
            Scale {
                black: 0.0,
                factor: 255.0 / (256.0 * one - 1.0),
            }
        }
    }
}

/// A row of values.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl Row<'_> {
    pub(super) fn get(&self, x: usize) -> u16 {
        if self.wide {
            u16::from_ne_bytes([self.bytes[2 * x], self.bytes[2 * x + 1]])
        } else {
            self.bytes[x].into()
        }
    }
}

fn failed(cause: Error) -> DecodeError {
    match cause {
        Error::UnsupportedBitstream => unsupported("this AV1"),
        cause => broken(&format!("AV1: {cause}")),
    }
}
