//! Luma and chroma to RGB (ITU-T H.273, 8.3), chroma between its samples by its neighbours.

use image::RgbImage;
use re_rav1d::dav1d::pixel::{MatrixCoefficients, YUVRange};
use tusou_avif::Nclx;

use super::planes::{Planes, Row};

/// How values become colours.
pub(super) struct Colours {
    matrix: Matrix,
    black: f32,
    luma: f32,
    middle: f32,
    chroma: f32,
}

enum Matrix {
    /// Green, blue and red as they are.
    None,
    /// Luma's weights of red and blue.
    Weights(f32, f32),
    /// Green and orange differences.
    YCgCo,
}

impl Colours {
    /// As the container says, or else the frame.
    pub(super) fn of(planes: &Planes, told: Option<Nclx>) -> Result<Self, &'static str> {
        let (matrix, full) = match told {
            Some(told) => (told.matrix, told.full_range),
            None => (
                own_matrix(planes.picture.matrix_coefficients()),
                matches!(planes.picture.color_range(), YUVRange::Full),
            ),
        };
        let primaries = told.map_or(2, |told| told.primaries);
        let matrix = match (matrix, primaries) {
            (0, _) => Matrix::None,
            (1, _) | (12, 1) => Matrix::Weights(0.2126, 0.0722),
            (4, _) => Matrix::Weights(0.30, 0.11),
            // Nothing said: as JPEG has it, and other decoders.
            (2 | 5 | 6, _) | (12, 2 | 5 | 6) => Matrix::Weights(0.299, 0.114),
            (7, _) => Matrix::Weights(0.212, 0.087),
            (8, _) => Matrix::YCgCo,
            (9, _) | (12, 9) => Matrix::Weights(0.2627, 0.0593),
            // Display P3's, from its primaries (H.273, equations 32 to 37).
            (12, 12) => Matrix::Weights(0.228_974_6, 0.079_286_9),
            _ => return Err("a matrix of that kind"),
        };
        if matches!(matrix, Matrix::None) && planes.subsampling.is_some_and(|by| by != (1, 1)) {
            return Err("chroma that is colour, in another size");
        }
        let one = f32::from(1_u16 << (planes.bits - 8));
        let most = 256.0 * one - 1.0;
        let (black, luma, chroma) = match full {
            true => (0.0, most, most),
            false => (16.0 * one, 219.0 * one, 224.0 * one),
        };
        Ok(Self {
            matrix,
            black,
            luma: 255.0 / luma,
            middle: 128.0 * one,
            chroma: 255.0 / chroma,
        })
    }

    fn rgb(&self, y: f32, u: f32, v: f32) -> [u8; 3] {
        let y = (y - self.black) * self.luma;
        let (cb, cr) = (
            (u - self.middle) * self.chroma,
            (v - self.middle) * self.chroma,
        );
        let [red, green, blue] = match self.matrix {
            Matrix::None => [
                (v - self.black) * self.luma,
                y,
                (u - self.black) * self.luma,
            ],
            Matrix::Weights(kr, kb) => {
                let red = y + 2.0 * (1.0 - kr) * cr;
                let blue = y + 2.0 * (1.0 - kb) * cb;
                let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
                [red, green, blue]
            }
            Matrix::YCgCo => [y - cb + cr, y + cb, y - cb - cr],
        };
        // Saturates.
        [red, green, blue].map(|value| (value + 0.5) as u8)
    }
}

fn own_matrix(matrix: MatrixCoefficients) -> u16 {
    match matrix {
        MatrixCoefficients::Identity => 0,
        MatrixCoefficients::BT709 => 1,
        MatrixCoefficients::BT470M => 4,
        MatrixCoefficients::BT470BG | MatrixCoefficients::ST170M => 5,
        MatrixCoefficients::ST240M => 7,
        MatrixCoefficients::YCgCo => 8,
        MatrixCoefficients::BT2020NonConstantLuminance => 9,
        MatrixCoefficients::Unspecified => 2,
        _ => u16::MAX,
    }
}

/// Paints a frame with its left upper corner at a place; what reaches beyond the picture is left out.
pub(super) fn paint(
    planes: &Planes,
    colours: &Colours,
    (left, top): (u32, u32),
    picture: &mut RgbImage,
) {
    let across = planes.width.min(picture.width().saturating_sub(left)) as usize;
    let down = planes.height.min(picture.height().saturating_sub(top));
    let mut chroma = [vec![colours.middle; across], vec![colours.middle; across]];
    let width = picture.width() as usize;
    let values: &mut [u8] = picture;
    for y in 0..down {
        let luma = planes.row(0, y);
        if let Some(by) = planes.subsampling {
            for (position, line) in chroma.iter_mut().enumerate() {
                interpolate(planes, position + 1, by, y, line);
            }
        }
        let begin = ((top + y) as usize * width + left as usize) * 3;
        let row = values[begin..begin + across * 3].chunks_exact_mut(3);
        let monochrome = planes.subsampling.is_none();
        for (x, pixel) in row.enumerate() {
            let y = f32::from(luma.get(x));
            let rgb = if monochrome {
                [((y - colours.black) * colours.luma + 0.5) as u8; 3]
            } else {
                colours.rgb(y, chroma[0][x], chroma[1][x])
            };
            pixel.copy_from_slice(&rgb);
        }
    }
}

/// A row of chroma at luma's size. Where it is smaller, a sample stands in the middle of its two or four
/// pixels: each takes three quarters of the near and a quarter of the far one, in both directions.
fn interpolate(planes: &Planes, plane: usize, by: (u32, u32), y: u32, line: &mut [f32]) {
    let (near, far) = if by.1 == 2 {
        let last = planes.height.div_ceil(2) - 1;
        let near = y / 2;
        let far = if y.is_multiple_of(2) {
            near.saturating_sub(1)
        } else {
            (near + 1).min(last)
        };
        (near, far)
    } else {
        (y, y)
    };
    let (near, far): (Row<'_>, Row<'_>) = (planes.row(plane, near), planes.row(plane, far));
    let vertical = |x: usize| {
        if by.1 == 2 {
            f32::from(near.get(x)) * 0.75 + f32::from(far.get(x)) * 0.25
        } else {
            f32::from(near.get(x))
        }
    };
    if by.0 == 1 {
        for (x, value) in line.iter_mut().enumerate() {
            *value = vertical(x);
        }
        return;
    }
    let last = planes.width.div_ceil(2) as usize - 1;
    let (mut before, mut here) = (vertical(0), vertical(0));
    for (x, pair) in line.chunks_mut(2).enumerate() {
        let after = vertical((x + 1).min(last));
        pair[0] = here * 0.75 + before * 0.25;
        if let Some(second) = pair.get_mut(1) {
            *second = here * 0.75 + after * 0.25;
        }
        (before, here) = (here, after);
    }
}
