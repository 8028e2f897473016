//! A picture's main colours, by name.
//!
//! The names are the eleven basic colour terms of English (Berlin and Kay, "Basic Color Terms",
//! 1969) and cyan. Each pixel of a small copy takes the name of the nearest example in CIELAB
//! (CIE 1976, D65), where distance is close to how different colours look.

use std::sync::LazyLock;

use image::RgbImage;

use crate::resample::resize_whole;

/// The most names that a picture gets.
pub const MOST: usize = 5;
/// The small copy's longer side, in pixels.
const SIDE: u32 = 64;
/// A colour of less than this share of the pixels is not a main colour.
const LEAST_SHARE: f64 = 0.05;

/// Every name.
pub const NAMES: [&str; 12] = [
    "black", "white", "gray", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink",
    "brown",
];

/// Examples of each name in sRGB: light, plain and dark ones, since the names' regions are not round.
const EXAMPLES: [(&str, [u8; 3]); 47] = [
    ("black", [0, 0, 0]),
    ("black", [30, 30, 30]),
    ("white", [255, 255, 255]),
    ("white", [236, 236, 236]),
    ("gray", [205, 205, 205]),
    ("gray", [165, 165, 165]),
    ("gray", [125, 125, 125]),
    ("gray", [85, 85, 85]),
    ("gray", [60, 60, 60]),
    ("red", [255, 0, 0]),
    ("red", [220, 40, 45]),
    ("red", [160, 20, 25]),
    ("red", [110, 10, 15]),
    ("orange", [255, 140, 0]),
    ("orange", [245, 110, 30]),
    ("orange", [255, 175, 90]),
    ("yellow", [255, 255, 0]),
    ("yellow", [250, 215, 50]),
    ("yellow", [255, 245, 150]),
    ("yellow", [200, 180, 30]),
    ("green", [0, 255, 0]),
    ("green", [40, 160, 60]),
    ("green", [0, 90, 30]),
    ("green", [150, 205, 100]),
    ("green", [115, 130, 50]),
    ("green", [165, 225, 165]),
    ("cyan", [0, 255, 255]),
    ("cyan", [0, 170, 180]),
    ("cyan", [160, 225, 230]),
    ("cyan", [0, 110, 115]),
    ("blue", [0, 0, 255]),
    ("blue", [40, 100, 220]),
    ("blue", [10, 15, 140]),
    ("blue", [20, 30, 100]),
    ("blue", [110, 165, 235]),
    ("blue", [140, 205, 240]),
    ("blue", [70, 110, 160]),
    ("purple", [130, 40, 170]),
    ("purple", [75, 20, 110]),
    ("purple", [180, 140, 215]),
    ("purple", [200, 0, 220]),
    ("pink", [255, 105, 180]),
    ("pink", [250, 185, 200]),
    ("pink", [230, 50, 130]),
    ("brown", [120, 72, 35]),
    ("brown", [75, 45, 25]),
    ("brown", [165, 115, 75]),
];

/// The name's number of each colour, of which five bits a channel are told apart.
static NEAREST: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let widened = |five: usize| (five << 3 | five >> 2) as u8;
    (0..1 << 15)
        .map(|packed| {
            let rgb = [packed >> 10, packed >> 5 & 31, packed & 31].map(widened);
            nearest(rgb) as u8
        })
        .collect()
});

static LAB_EXAMPLES: LazyLock<Vec<(usize, [f64; 3])>> = LazyLock::new(|| {
    let index = |name| {
        NAMES
            .iter()
            .position(|known| *known == name)
            .expect("examples are of known names")
    };
    EXAMPLES
        .iter()
        .map(|(name, rgb)| (index(*name), lab(*rgb)))
        .collect()
});

/// The names of the main colours, the largest first, at most [`MOST`].
pub fn main_colors(image: &RgbImage) -> Vec<String> {
    let longer = image.width().max(image.height());
    let fit = |side: u32| {
        (u64::from(side) * u64::from(SIDE))
            .div_ceil(u64::from(longer))
            .max(1) as u32
    };
    let small = resize_whole(image, fit(image.width()), fit(image.height()));
    let mut counts = [0_u32; NAMES.len()];
    for pixel in small.pixels() {
        counts[name_of(pixel.0)] += 1;
    }
    let least = f64::from(small.width() * small.height()) * LEAST_SHARE;
    let mut found: Vec<usize> = (0..NAMES.len())
        .filter(|name| f64::from(counts[*name]) >= least)
        .collect();
    found.sort_by_key(|name| std::cmp::Reverse(counts[*name]));
    found.truncate(MOST);
    found
        .into_iter()
        .map(|name| NAMES[name].to_owned())
        .collect()
}

/// By a table: a power, a root and 47 distances for each pixel would cost more than all else here.
fn name_of(rgb: [u8; 3]) -> usize {
    let [red, green, blue] = rgb.map(|value| usize::from(value >> 3));
    NEAREST[red << 10 | green << 5 | blue].into()
}

fn nearest(rgb: [u8; 3]) -> usize {
    let here = lab(rgb);
    let distance = |there: &[f64; 3]| {
        here.iter()
            .zip(there)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
    };
    let (name, _) = LAB_EXAMPLES
        .iter()
        .min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))
        .expect("there are examples");
    *name
}

/// sRGB (IEC 61966-2-1) to CIELAB under D65.
fn lab(rgb: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|value| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    });
    let xyz = [
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    ];
    let [x, y, z] = xyz.map(|t| {
        if t > 216.0 / 24389.0 {
            t.cbrt()
        } else {
            (24389.0 / 27.0 * t + 16.0) / 116.0
        }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_the_names_that_people_give_them() {
        let cases = [
            ([250, 10, 20], "red"),
            ([139, 69, 19], "brown"),
            ([255, 165, 0], "orange"),
            ([34, 139, 34], "green"),
            ([0, 0, 128], "blue"),
            ([135, 206, 235], "blue"),
            ([128, 0, 128], "purple"),
            ([255, 192, 203], "pink"),
            ([64, 224, 208], "cyan"),
            ([248, 248, 248], "white"),
            ([128, 128, 128], "gray"),
            ([12, 10, 14], "black"),
            ([255, 255, 102], "yellow"),
        ];
        for (rgb, expected) in cases {
            assert_eq!(NAMES[name_of(rgb)], expected, "{rgb:?}");
        }
    }

    #[test]
    fn the_largest_comes_first_and_specks_are_left_out() {
        let image = RgbImage::from_fn(200, 100, |x, y| {
            image::Rgb(match (x, y) {
                (0..4, 0..4) => [0, 255, 0],
                (0..140, _) => [220, 30, 40],
                _ => [30, 60, 200],
            })
        });
        assert_eq!(main_colors(&image), ["red", "blue"]);
    }

    #[test]
    fn there_are_at_most_five_and_always_one() {
        let many = RgbImage::from_fn(120, 10, |x, _| {
            image::Rgb(EXAMPLES[(x / 10) as usize * 3 + 1].1)
        });
        assert_eq!(main_colors(&many).len(), MOST);
        assert_eq!(main_colors(&RgbImage::new(1, 1)), ["black"]);
        assert_eq!(main_colors(&RgbImage::new(100_000, 1)), ["black"]);
    }
}
