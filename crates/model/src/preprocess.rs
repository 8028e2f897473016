//! Pixels to a model's own size.

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::decode::Detail;
use crate::resample::{Filter, Side, resize};

/// How a pack wants its pictures: open_clip's keys, `resize` and `crop`. Keys of open_clip's that do not change
/// the result here (`mode`, `fill_color`) are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// The model's input: one number, or height and width.
    pub size: Size,
    /// The side before the centre crop; `size` where it is not said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resize: Option<u32>,
    /// How the sides are fitted.
    pub resize_mode: ResizeMode,
    /// How the odd pixel of a centre crop falls.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub crop: Option<Cropping>,
    /// The filter.
    pub interpolation: Interpolation,
    /// Taken off each of red, green and blue, which run from 0 to 1. Of no effect where the model takes
    /// bytes.
    pub mean: [f32; 3],
    /// What they are then divided by.
    pub std: [f32; 3],
}

/// Height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sides", into = "Sides")]
pub struct Size {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Sides {
    Both(u32),
    Each([u32; 2]),
}

impl From<Sides> for Size {
    fn from(sides: Sides) -> Self {
        let [height, width] = match sides {
            Sides::Both(side) => [side; 2],
            Sides::Each(sides) => sides,
        };
        Self { height, width }
    }
}

impl From<Size> for Sides {
    fn from(Size { height, width }: Size) -> Self {
        if height == width {
            Self::Both(width)
        } else {
            Self::Each([height, width])
        }
    }
}

/// How a picture's sides are fitted to the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The short side is resized, and the centre is cut out.
    Shortest,
    /// Both sides are resized, whatever becomes of the proportions. With `resize` to a square of that
    /// side, and the centre is cut out.
    Squash,
}

/// How the odd pixel of a centre crop falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cropping {
    /// As torchvision's `CenterCrop` has it, with Python's `round`: a half goes to the even number. It is
    /// meant where nothing is said, but for packs that say `resize`.
    Round,
    /// As transformers has it: a half goes down.
    Floor,
}

/// The filter of the resize, widened when shrinking, as Pillow has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Catmull-Rom.
    Bicubic,
    /// A triangle.
    Bilinear,
}

/// What a decoded picture must still have, for a pack to see nearly all that it would see of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// Pixels of the short side.
    pub short: u32,
    /// Pixels of the longer side.
    pub long: u32,
}

/// With 1, an embedding moves to a cosine of 0.88 at worst (SSCD, a noisy picture); with 2, those of
/// photographs keep 0.999 (`docs/parity.md`). Pillow names the same number for `reducing_gap`.
const SPARE: u32 = 2;

impl Needed {
    /// What serves both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            short: self.short.max(other.short),
            long: self.long.max(other.long),
        }
    }
}

impl From<Needed> for Detail {
    fn from(Needed { short, long }: Needed) -> Self {
        Self::Cover { short, long }
    }
}

impl Preprocess {
    /// What is wrong with the numbers, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Size { height, width } = self.size;
        if !(1..=4_096).contains(&height) || !(1..=4_096).contains(&width) {
            return Err(format!(
                "`size` is {height} × {width}, and 1 to 4096 is wanted"
            ));
        }
        if self.resize_mode == ResizeMode::Shortest && height != width {
            return Err(format!(
                "`resize_mode` shortest goes with a square, and `size` is {height} × {width}"
            ));
        }
        let least = height.max(width);
        if let Some(resize) = self.resize
            && !(least..=8_192).contains(&resize)
        {
            return Err(format!(
                "`resize` is {resize}, and `size` ({least}) to 8192 is wanted"
            ));
        }
        if self.std.iter().any(|value| !value.is_normal())
            || self.mean.iter().any(|value| !value.is_finite())
        {
            return Err("`mean` and `std` must be finite, and `std` not zero".into());
        }
        Ok(())
    }

    /// What a picture must still have when it is decoded at a reduced size: twice what the model sees,
    /// so that the last reduction is by the model's own filter.
    pub fn needed(&self) -> Needed {
        let side = SPARE * self.resize.unwrap_or(self.size.height.max(self.size.width));
        Needed {
            short: side,
            long: side,
        }
    }

    /// The picture at the model's size. The cost depends on that size and one pass over the pixels
    /// that are used, however long and thin the picture is.
    pub fn crop(&self, image: &RgbImage) -> RgbImage {
        let (width, height) = image.dimensions();
        let (across, down) = match self.resize_mode {
            ResizeMode::Squash => (
                self.squashed(width, self.size.width),
                self.squashed(height, self.size.height),
            ),
            ResizeMode::Shortest => {
                let short = width.min(height);
                (self.fitted(width, short), self.fitted(height, short))
            }
        };
        let filter = match self.interpolation {
            Interpolation::Bicubic => Filter::Bicubic,
            Interpolation::Bilinear => Filter::Bilinear,
        };
        resize(image, &across, &down, filter)
    }

    fn squashed(&self, side: u32, size: u32) -> Side {
        let to = u64::from(self.resize.unwrap_or(size));
        centre(side, to, size, self.cropping())
    }

    fn cropping(&self) -> Cropping {
        let otherwise = match self.resize {
            Some(_) => Cropping::Floor,
            None => Cropping::Round,
        };
        self.crop.unwrap_or(otherwise)
    }

    /// A side of a resize by the short side, of which only the centre is made: the same pixels as
    /// resizing the whole and cutting then, and the whole may be too long to be made.
    ///
    /// Where the pack says `resize` (as `lite` does) sides are rounded, ties to even; otherwise they are
    /// cut, as torchvision's `Resize` and transformers do.
    fn fitted(&self, side: u32, short: u32) -> Side {
        let size = self.size.width;
        let Some(resize) = self.resize else {
            let to = u64::from(side) * u64::from(size) / u64::from(short);
            return centre(side, to, size, self.cropping());
        };
        let scaled = f64::from(side) * (f64::from(resize) / f64::from(short));
        let to = (scaled.round_ties_even() as u64).max(size.into());
        centre(side, to, size, self.cropping())
    }
}

fn centre(from: u32, to: u64, size: u32, cropping: Cropping) -> Side {
    let surplus = to - u64::from(size);
    let start = match cropping {
        Cropping::Floor => surplus / 2,
        Cropping::Round => surplus / 2 + u64::from(surplus % 4 == 3),
    };
    Side {
        from,
        to,
        made: start..start + u64::from(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lite() -> Preprocess {
        Preprocess {
            size: Sides::Both(224).into(),
            resize: Some(256),
            resize_mode: ResizeMode::Shortest,
            crop: None,
            interpolation: Interpolation::Bicubic,
            mean: [127.0 / 255.0; 3],
            std: [128.0 / 255.0; 3],
        }
    }

    #[test]
    fn open_clip_s_file_is_read() {
        let text = r#"{"size":[224,224],"mode":"RGB","mean":[0.48145466,0.4578275,0.40821073],
            "std":[0.26862954,0.26130258,0.27577711],"interpolation":"bicubic","resize_mode":"shortest","fill_color":0}"#;
        let read: Preprocess = serde_json::from_str(text).expect("it is open_clip's");
        assert_eq!(read.check(), Ok(()));
        assert_eq!((read.size, read.resize), (Sides::Both(224).into(), None));
        let plain = serde_json::to_string(&read).expect("it can be written");
        assert!(
            plain.starts_with(r#"{"size":224,"resize_mode":"shortest""#),
            "{plain}"
        );
    }

    #[test]
    fn the_centre_is_used() {
        // 512 × 256 keeps its size: columns 144 to 368 of rows 16 to 240 are used.
        let side = lite().fitted(512, 256);
        assert_eq!((side.to, side.made), (512, 144..368));
        let image = RgbImage::from_fn(512, 256, |x, _| {
            image::Rgb([if (144..368).contains(&x) { 255 } else { 0 }; 3])
        });
        let crop = lite().crop(&image);
        assert!(
            crop.as_raw().iter().all(|value| *value == 255),
            "nothing dark is within"
        );
    }

    /// What Python gives: `int(224 * long / short)` and `int(round((long - 224) / 2.0))`.
    #[test]
    fn sides_are_cut_and_crops_rounded_as_torchvision_does() {
        let clip = Preprocess {
            resize: None,
            ..lite()
        };
        for (long, short, to, start) in [
            (640, 480, 298, 37),
            (481, 480, 224, 0),
            (483, 480, 225, 0),
            (487, 480, 227, 2),
            (491, 480, 229, 2),
            (495, 480, 231, 4),
            (1_000_000, 1, 224_000_000, 111_999_888),
        ] {
            let side = clip.fitted(long, short);
            assert_eq!((side.to, side.made.start), (to, start), "{long} to {short}");
        }
    }

    #[test]
    fn squashing_keeps_no_proportions_and_may_be_cut_then() {
        let sscd = Preprocess {
            resize: None,
            resize_mode: ResizeMode::Squash,
            interpolation: Interpolation::Bilinear,
            ..lite()
        };
        let left_dark = RgbImage::from_fn(400, 10, |x, _| {
            image::Rgb([if x < 200 { 0 } else { 255 }; 3])
        });
        let crop = sscd.crop(&left_dark);
        assert_eq!(crop.dimensions(), (224, 224));
        assert_eq!(
            (crop.get_pixel(10, 100).0[0], crop.get_pixel(213, 3).0[0]),
            (0, 255)
        );
        let nsfw = Preprocess {
            resize: Some(256),
            ..sscd
        };
        assert_eq!(nsfw.squashed(400, 224).made, 16..240);
    }

    #[test]
    fn extreme_pictures_cost_no_more() {
        for (width, height) in [(1, 1), (1, 200_000), (200_000, 1), (3, 5), (224, 225)] {
            let plain = RgbImage::from_pixel(width, height, image::Rgb([200; 3]));
            for mode in [ResizeMode::Shortest, ResizeMode::Squash] {
                let preprocess = Preprocess {
                    resize_mode: mode,
                    ..lite()
                };
                let crop = preprocess.crop(&plain);
                assert_eq!(crop.dimensions(), (224, 224));
                assert!(
                    crop.as_raw().iter().all(|value| *value == 200),
                    "{width} × {height}"
                );
            }
        }
    }

    #[test]
    fn bad_numbers_are_refused() {
        assert_eq!(lite().check(), Ok(()));
        let bad = [
            Preprocess {
                size: Sides::Both(0).into(),
                ..lite()
            },
            Preprocess {
                size: Sides::Each([224, 336]).into(),
                ..lite()
            },
            Preprocess {
                resize: Some(100),
                ..lite()
            },
            Preprocess {
                std: [0.5, 0.0, 0.5],
                ..lite()
            },
            Preprocess {
                mean: [f32::NAN; 3],
                ..lite()
            },
        ];
        assert!(bad.iter().all(|preprocess| preprocess.check().is_err()));
    }
}
