use proptest::prelude::*;

use super::kernel::{Pixels, Plain};
use super::*;

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([
            (x * 37 + y * 101) as u8,
            (x * x * 29 + y * 7) as u8,
            255_u32.wrapping_sub(x * 11 * y) as u8,
        ])
    })
}

fn whole(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    let across = Side::whole(image.width(), width);
    resize(image, &across, &Side::whole(image.height(), height), filter)
}

/// What Pillow 13 gives for `picture(7, 5)` resized to 4 × 3 and to 11 × 6.
#[test]
fn the_bytes_are_those_of_pillow() {
    let source = picture(7, 5);
    for (filter, smaller, larger) in [
        (Filter::Bicubic, BICUBIC_SMALLER, BICUBIC_LARGER),
        (Filter::Bilinear, BILINEAR_SMALLER, BILINEAR_LARGER),
    ] {
        assert_eq!(whole(&source, 4, 3, filter).as_raw(), smaller, "{filter:?}");
        assert_eq!(whole(&source, 11, 6, filter).as_raw(), larger, "{filter:?}");
    }
}

#[test]
fn a_part_is_cut_from_the_whole() {
    let all = whole(&picture(40, 30), 64, 48, Filter::Bicubic);
    let part = |from, to, made| Side { from, to, made };
    let (across, down) = (part(40, 64, 10..30), part(30, 48, 7..20));
    assert_eq!(
        resize(&picture(40, 30), &across, &down, Filter::Bicubic),
        image::imageops::crop_imm(&all, 10, 7, 20, 13).to_image()
    );
}

#[test]
fn the_same_size_is_the_same_picture() {
    assert_eq!(whole(&picture(9, 4), 9, 4, Filter::Bicubic), picture(9, 4));
}

/// The same arithmetic along the columns, value by value.
fn lower(image: &RgbImage, height: u32, filter: Filter) -> RgbImage {
    let windows = filter.windows(&Side::whole(image.height(), height));
    RgbImage::from_fn(image.width(), height, |x, y| {
        let window = &windows[y as usize];
        let value = |channel: usize| {
            let weighted = window
                .weights
                .iter()
                .zip(window.start..)
                .map(|(weight, y)| {
                    i64::from(image.get_pixel(x, y as u32).0[channel]) * i64::from(*weight)
                });
            ((weighted.sum::<i64>() + i64::from(HALF)) >> POINT).clamp(0, 255) as u8
        };
        image::Rgb([value(0), value(1), value(2)])
    })
}

/// Along the rows first, as Pillow does.
fn slowly(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    use image::imageops::{flip_horizontal_in_place, rotate90};
    let transposed = |image: &RgbImage| {
        let mut turned = rotate90(image);
        flip_horizontal_in_place(&mut turned);
        turned
    };
    let narrowed = transposed(&lower(&transposed(image), width, filter));
    lower(&narrowed, height, filter)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn vectors_change_no_byte(
        (width, height) in (1_u32..90, 1_u32..90),
        (to_width, to_height) in (1_u32..70, 1_u32..70),
        bilinear in any::<bool>(),
        seed in any::<u32>(),
    ) {
        // Black and white beside each other: sums overshoot in both directions.
        let mut state = seed | 1;
        let image = RgbImage::from_fn(width, height, |_, _| {
            state = state.wrapping_mul(0x9e37_79b9).rotate_left(7) ^ 0x5bd1;
            let [a, b, c, kind] = state.to_le_bytes();
            image::Rgb(match kind {
                0..50 => [0; 3],
                50..100 => [255; 3],
                _ => [a, b, c],
            })
        });
        let filter = if bilinear { Filter::Bilinear } else { Filter::Bicubic };
        prop_assert_eq!(
            whole(&image, to_width, to_height, filter),
            slowly(&image, to_width, to_height, filter)
        );
    }

    #[test]
    fn every_kernel_gives_the_same(
        pixels in prop::collection::vec(any::<[[u8; 8]; 3]>(), 1..20),
        weights in prop::collection::vec(-400_000_i32..400_000, 20),
        block in any::<[[u8; 8]; 8]>(),
    ) {
        struct Steps<'a>(&'a [Pixels], &'a [i32], &'a [[u8; 8]; 8], &'a mut Vec<[u8; 8]>);
        impl WithKernel for Steps<'_> {
            fn with(self, kernel: impl Kernel) {
                let mut turned = [[0; 8]; 8];
                kernel.turn(self.2.each_ref(), &mut turned);
                self.3.extend(turned);
                self.3.extend(kernel.sum(self.0, self.1));
            }
        }
        let weights = &weights[..pixels.len()];
        let (mut best, mut plain) = (Vec::new(), Vec::new());
        dispatch(Steps(&pixels, weights, &block, &mut best));
        Steps(&pixels, weights, &block, &mut plain).with(Plain);
        prop_assert_eq!(&best, &plain);
        prop_assert!((0..64).all(|at| plain[at / 8][at % 8] == block[at % 8][at / 8]));
    }
}

const BICUBIC_SMALLER: &[u8] = &[
    59, 18, 254, 123, 65, 247, 169, 160, 240, 140, 116, 233, 164, 30, 246, 106, 77, 209, 143, 172,
    169, 118, 128, 127, 125, 42, 239, 140, 89, 171, 100, 184, 92, 107, 140, 113,
];
const BICUBIC_LARGER: &[u8] = &[
    0, 0, 255, 9, 7, 255, 36, 35, 255, 60, 105, 255, 83, 77, 255, 107, 5, 255, 131, 136, 255, 156,
    229, 255, 187, 221, 255, 215, 100, 255, 231, 6, 255, 69, 3, 255, 84, 12, 252, 113, 40, 246,
    149, 110, 242, 178, 82, 237, 200, 10, 232, 240, 141, 227, 198, 234, 222, 66, 226, 217, 70, 105,
    211, 97, 11, 207, 175, 9, 255, 201, 18, 249, 209, 46, 236, 109, 116, 225, 80, 88, 214, 116, 16,
    203, 148, 147, 192, 137, 240, 181, 79, 232, 170, 104, 111, 157, 135, 17, 149, 140, 15, 255,
    165, 24, 245, 173, 52, 226, 72, 122, 209, 49, 94, 192, 94, 22, 175, 117, 153, 158, 148, 246,
    142, 186, 238, 125, 144, 117, 98, 104, 23, 80, 56, 21, 255, 71, 30, 242, 100, 58, 216, 140,
    128, 192, 146, 100, 169, 131, 28, 146, 152, 159, 123, 184, 252, 99, 209, 244, 75, 102, 123, 84,
    14, 29, 95, 149, 26, 255, 165, 35, 239, 193, 63, 207, 234, 133, 178, 151, 105, 150, 0, 33, 122,
    10, 164, 94, 44, 255, 58, 68, 249, 27, 101, 128, 160, 121, 34, 255,
];
const BILINEAR_SMALLER: &[u8] = &[
    62, 21, 252, 120, 71, 245, 166, 155, 237, 142, 115, 229, 157, 32, 243, 108, 82, 209, 137, 166,
    169, 122, 126, 135, 124, 43, 235, 141, 93, 173, 103, 177, 101, 104, 137, 116,
];
const BILINEAR_LARGER: &[u8] = &[
    0, 0, 255, 17, 13, 255, 40, 37, 255, 64, 92, 255, 87, 76, 255, 111, 5, 255, 135, 134, 255, 158,
    209, 255, 182, 213, 255, 205, 108, 255, 222, 20, 255, 76, 5, 255, 93, 18, 251, 116, 42, 246,
    140, 97, 241, 163, 81, 236, 187, 10, 230, 211, 139, 225, 181, 214, 220, 83, 218, 215, 89, 113,
    209, 106, 25, 206, 160, 11, 255, 177, 24, 247, 186, 48, 236, 115, 103, 225, 98, 87, 214, 122,
    16, 203, 146, 145, 192, 139, 220, 181, 95, 224, 170, 109, 119, 158, 126, 31, 151, 137, 17, 255,
    154, 30, 243, 164, 54, 226, 93, 109, 209, 75, 93, 192, 99, 22, 175, 123, 151, 158, 146, 226,
    141, 170, 230, 124, 135, 125, 108, 103, 37, 95, 72, 23, 255, 89, 36, 239, 112, 60, 216, 136,
    115, 193, 136, 99, 171, 119, 28, 148, 143, 157, 125, 166, 232, 102, 190, 236, 80, 109, 131, 92,
    38, 43, 105, 148, 28, 255, 165, 41, 235, 188, 65, 207, 212, 120, 179, 142, 104, 151, 3, 33,
    123, 27, 162, 95, 50, 237, 67, 74, 241, 39, 97, 136, 151, 114, 48, 247,
];
