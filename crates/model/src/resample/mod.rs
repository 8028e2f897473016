//! Resizing that gives the very bytes that Pillow gives.
//!
//! Models were trained, and reference embeddings are made, with Pillow's arithmetic: weights in
//! fixed point with 22 bits after the point, first along rows, then along columns, rounded to
//! bytes between (`Resample.c`). A resize that differs by one step of 255 here and there moves the
//! `lite` pack's embedding of a flat drawing to a cosine of 0.999, so none but the same will do.
//!
//! Eight rows are narrowed at once: their bytes are transposed, so that a weight meets the same
//! value of eight rows in one vector, and so is the result. The loops are plain, and compiled for
//! what the processor has.

mod kernel;

use std::ops::Range;

use image::RgbImage;
use kernel::{Column, Kernel, ROWS, WithKernel, dispatch};

/// Bits after the point: 32, less 8 for the byte and 2 for the weights that overshoot.
const POINT: u32 = 22;
const HALF: i32 = 1 << (POINT - 1);
/// Values of a row that are mixed at once.
const VALUES: usize = 32;

/// How near pixels count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Pillow's BILINEAR: a triangle.
    Bilinear,
    /// Pillow's BICUBIC: Keys, "Cubic Convolution Interpolation for Digital Image Processing"
    /// (1981), with a = -0.5, called Catmull-Rom.
    Bicubic,
}

/// One side of a resize of which only a part is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    /// Pixels of the source.
    pub(crate) from: u32,
    /// Pixels of the whole result.
    pub(crate) to: u64,
    /// Which of them are made.
    pub(crate) made: Range<u64>,
}

impl Side {
    /// The whole of the result.
    pub(crate) fn whole(from: u32, to: u32) -> Self {
        let to = u64::from(to);
        Self {
            from,
            to,
            made: 0..to,
        }
    }

    /// Whether the result is the source.
    fn is_same(&self) -> bool {
        self.made == (0..u64::from(self.from)) && self.to == self.made.end
    }
}

/// The source pixels that make one result pixel, and their weights.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

/// A part of the picture at another size. It takes the memory of the rows that are used, at the
/// result's width, and of the result.
pub(crate) fn resize(image: &RgbImage, across: &Side, down: &Side, filter: Filter) -> RgbImage {
    if across.is_same() && down.is_same() {
        return image.clone();
    }
    let (columns, rows) = (filter.windows(across), filter.windows(down));
    let used = span(&rows);
    let values = columns.len() * 3;
    // Whole vectors, so that mixing needs no end of its own.
    let stride = values.next_multiple_of(VALUES);
    let mut narrowed = vec![0; used.len() * stride];
    let mut result = vec![0; rows.len() * values];
    let source = image.width() as usize * 3;
    if across.is_same() {
        let lines = image.as_raw().chunks_exact(source).skip(used.start);
        for (line, into) in lines.zip(narrowed.chunks_exact_mut(stride)) {
            into[..values].copy_from_slice(line);
        }
    } else {
        let lines = &image.as_raw()[used.start * source..used.end * source];
        dispatch(Narrow {
            columns: &columns,
            used: span(&columns),
            source: (lines, source),
            into: (&mut narrowed, stride),
        });
    }
    dispatch(Mix {
        windows: &rows,
        first: used.start,
        lines: (&narrowed, stride),
        into: (&mut result, values),
    });
    RgbImage::from_raw(columns.len() as u32, rows.len() as u32, result)
        .expect("three bytes for each pixel")
}

/// The whole picture at another size, for what people look at and for hashes: a triangle reads half the
/// pixels that a cubic does.
pub(crate) fn resize_whole(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let across = Side::whole(image.width(), width);
    let down = Side::whole(image.height(), height);
    resize(image, &across, &down, Filter::Bilinear)
}

/// The source pixels that any of the windows uses.
fn span(windows: &[Window]) -> Range<usize> {
    let first = windows.iter().map(|window| window.start).min();
    let end = windows
        .iter()
        .map(|window| window.start + window.weights.len());
    first.unwrap_or(0)..end.max().unwrap_or(0)
}

/// Makes rows narrower or wider. Each buffer goes with the length of its rows.
struct Narrow<'a> {
    columns: &'a [Window],
    /// The pixels of a source row that are used.
    used: Range<usize>,
    source: (&'a [u8], usize),
    into: (&'a mut [u8], usize),
}

impl WithKernel for Narrow<'_> {
    #[inline(always)]
    fn with(self, kernel: impl Kernel) {
        let used = self.used.start * 3..self.used.end * 3;
        // Whole blocks of eight by eight, of which the last reach beyond what is there.
        let mut before = vec![[0; ROWS]; used.len().next_multiple_of(8)];
        let mut after = vec![[0; ROWS]; self.into.1];
        let blocks = self.source.0.chunks(self.source.1 * ROWS);
        for (lines, into) in blocks.zip(self.into.0.chunks_mut(self.into.1 * ROWS)) {
            let count = lines.len() / self.source.1;
            let line = |row: usize| {
                let row = row.min(count - 1) * self.source.1;
                &lines[row + used.start..row + used.end]
            };
            turn_in(kernel, &std::array::from_fn(line), &mut before);
            let (pixels, _) = before[..used.len()].as_chunks::<3>();
            let (results, _) = after.as_chunks_mut::<3>();
            for (window, result) in self.columns.iter().zip(results) {
                let pixels = &pixels[window.start - self.used.start..];
                *result = kernel.sum(pixels, &window.weights);
            }
            turn_out(kernel, &after, into, self.into.1);
        }
    }
}

/// Makes rows out of several.
struct Mix<'a> {
    windows: &'a [Window],
    /// The number of the first line.
    first: usize,
    lines: (&'a [u8], usize),
    into: (&'a mut [u8], usize),
}

impl WithKernel for Mix<'_> {
    #[inline(always)]
    fn with(self, _: impl Kernel) {
        let (lines, stride) = self.lines;
        let rows = self.into.0.chunks_exact_mut(self.into.1);
        for (window, into) in self.windows.iter().zip(rows) {
            let lines = &lines[(window.start - self.first) * stride..];
            mix(lines, stride, &window.weights, into);
        }
    }
}

/// Rows to columns; the last block is filled up with zeros.
#[inline(always)]
fn turn_in(kernel: impl Kernel, rows: &[&[u8]; ROWS], columns: &mut [Column]) {
    let (columns, _) = columns.as_chunks_mut::<8>();
    let mut blocks: [&[[u8; 8]]; ROWS] = [&[]; ROWS];
    let mut rests = [[0; 8]; ROWS];
    for ((row, blocks), last) in rows.iter().zip(&mut blocks).zip(&mut rests) {
        let (whole, rest) = row.as_chunks();
        *blocks = whole;
        last[..rest.len()].copy_from_slice(rest);
    }
    let [a, b, c, d, e, f, g, h] = blocks;
    let (whole, last) = columns.split_at_mut(a.len());
    let pairs = a.iter().zip(b).zip(c).zip(d).zip(e).zip(f).zip(g).zip(h);
    for (into, (((((((a, b), c), d), e), f), g), h)) in whole.iter_mut().zip(pairs) {
        kernel.turn([a, b, c, d, e, f, g, h], into);
    }
    if let [into] = last {
        kernel.turn(rests.each_ref(), into);
    }
}

/// Columns to rows, as many as there is room for.
#[inline(always)]
fn turn_out(kernel: impl Kernel, columns: &[Column], rows: &mut [u8], stride: usize) {
    let (columns, _) = columns.as_chunks::<8>();
    let mut lines = [[0; 8]; ROWS];
    for (block, [a, b, c, d, e, f, g, h]) in columns.iter().enumerate() {
        kernel.turn([a, b, c, d, e, f, g, h], &mut lines);
        for (row, line) in rows.chunks_exact_mut(stride).zip(&lines) {
            row[block * 8..][..8].copy_from_slice(line);
        }
    }
}

/// One row out of several.
#[inline(always)]
fn mix(rows: &[u8], stride: usize, weights: &[i32], into: &mut [u8]) {
    for (chunk, into) in into.chunks_mut(VALUES).enumerate() {
        let mut sums = [HALF; VALUES];
        for (row, weight) in rows.chunks_exact(stride).zip(weights) {
            let values: &[u8; VALUES] = row[chunk * VALUES..]
                .first_chunk()
                .expect("the stride is whole vectors");
            for (sum, value) in sums.iter_mut().zip(values) {
                add(sum, *value, *weight);
            }
        }
        let mut values = [0; VALUES];
        for (value, sum) in values.iter_mut().zip(sums) {
            *value = to_byte(sum);
        }
        into.copy_from_slice(&values[..into.len()]);
    }
}

/// The weights' magnitudes sum up to less than 2^23, so the sum stays within 31 bits; saying that
/// it wraps lets the compiler use vectors.
#[inline(always)]
fn add(sum: &mut i32, value: u8, weight: i32) {
    *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
}

#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> POINT).clamp(0, 255) as u8
}

impl Filter {
    fn windows(self, side: &Side) -> Vec<Window> {
        let scale = f64::from(side.from) / side.to as f64;
        // Shrinking widens the filter over all the pixels that a result covers.
        let widening = scale.max(1.0);
        let support = self.support() * widening;
        let window = |position: u64| {
            let centre = (position as f64 + 0.5) * scale;
            let start = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(side.from as usize);
            let weight =
                |pixel: usize| self.weight((pixel as f64 - centre + 0.5) * (1.0 / widening));
            let weights: Vec<f64> = (start..end).map(weight).collect();
            let total: f64 = weights.iter().sum();
            Window {
                start,
                weights: weights
                    .into_iter()
                    .map(|weight| fixed(weight / total))
                    .collect(),
            }
        };
        side.made.clone().map(window).collect()
    }

    /// How many pixels it reaches to each side.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

/// To fixed point, halves away from zero.
fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << POINT);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

#[cfg(test)]
mod tests;
