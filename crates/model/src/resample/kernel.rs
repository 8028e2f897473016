//! The two steps in which narrowing spends its time: by vectors where the processor has them.

use pulp::Arch;

use super::{HALF, POINT};

/// Rows that are narrowed at once.
pub(super) const ROWS: usize = 8;

/// The same value of [`ROWS`] rows.
pub(super) type Column = [u8; ROWS];

/// The same pixel of [`ROWS`] rows: their reds, greens and blues.
pub(super) type Pixels = [Column; 3];

/// What a processor does in its own way. The results are the same.
pub(super) trait Kernel: Copy {
    /// Eight by eight bytes, their rows and columns exchanged.
    fn turn(self, from: [&[u8; 8]; 8], into: &mut [[u8; 8]; 8]);

    /// The weighted sum of as many pixels as there are weights.
    fn sum(self, pixels: &[Pixels], weights: &[i32]) -> Pixels;
}

/// Work that is done with a kernel.
pub(super) trait WithKernel {
    /// Must be inlined, so that it is compiled for the processor that the kernel is for.
    fn with(self, kernel: impl Kernel);
}

/// Runs the work on the best kernel that this processor has.
pub(super) fn dispatch(work: impl WithKernel) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        return pulp::Simd::vectorize(v3, Bound(work, v3));
    }
    Arch::new().dispatch(Bound(work, Plain));
}

struct Bound<W, K>(W, K);

// A type, since a closure's body may be left out of the function that has the vectors.
impl<W: WithKernel, K: Kernel> pulp::NullaryFnOnce for Bound<W, K> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.0.with(self.1);
    }
}

/// For every processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain;

impl Kernel for Plain {
    // Loops, since the library's `map` of an array is a call.
    /// Halves, quarters, single bytes (Warren, "Hacker's Delight", 7-3).
    #[inline(always)]
    fn turn(self, from: [&[u8; 8]; 8], into: &mut [[u8; 8]; 8]) {
        let mut rows = [0; 8];
        for (row, from) in rows.iter_mut().zip(from) {
            *row = u64::from_le_bytes(*from);
        }
        for (distance, mask) in [
            (4, 0x0000_0000_FFFF_FFFF),
            (2, 0x0000_FFFF_0000_FFFF),
            (1, 0x00FF_00FF_00FF_00FF),
        ] {
            for row in (0..8).filter(|row| row & distance == 0) {
                let moved = (rows[row] >> (distance * 8) ^ rows[row + distance]) & mask;
                rows[row + distance] ^= moved;
                rows[row] ^= moved << (distance * 8);
            }
        }
        for (into, row) in into.iter_mut().zip(rows) {
            *into = row.to_le_bytes();
        }
    }

    #[inline(always)]
    fn sum(self, pixels: &[Pixels], weights: &[i32]) -> Pixels {
        let mut sums = [[HALF; ROWS]; 3];
        for (pixel, weight) in pixels.iter().zip(weights) {
            for (sums, values) in sums.iter_mut().zip(pixel) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    super::add(sum, *value, *weight);
                }
            }
        }
        let mut pixels = [[0; ROWS]; 3];
        for (values, sums) in pixels.iter_mut().zip(sums) {
            for (value, sum) in values.iter_mut().zip(sums) {
                *value = super::to_byte(sum);
            }
        }
        pixels
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::__m256i;

    use pulp::x86::V3;

    use super::{Column, HALF, Kernel, POINT, Pixels};

    /// AVX2.
    impl Kernel for V3 {
        #[inline(always)]
        fn turn(self, from: [&[u8; 8]; 8], into: &mut [[u8; 8]; 8]) {
            let sse = self.sse2;
            let row = |row: usize| sse._mm_set_epi64x(0, i64::from_le_bytes(*from[row]));
            let a = sse._mm_unpacklo_epi8(row(0), row(1));
            let b = sse._mm_unpacklo_epi8(row(2), row(3));
            let c = sse._mm_unpacklo_epi8(row(4), row(5));
            let d = sse._mm_unpacklo_epi8(row(6), row(7));
            let (low, high) = (
                [sse._mm_unpacklo_epi16(a, b), sse._mm_unpacklo_epi16(c, d)],
                [sse._mm_unpackhi_epi16(a, b), sse._mm_unpackhi_epi16(c, d)],
            );
            let columns = [
                sse._mm_unpacklo_epi32(low[0], low[1]),
                sse._mm_unpackhi_epi32(low[0], low[1]),
                sse._mm_unpacklo_epi32(high[0], high[1]),
                sse._mm_unpackhi_epi32(high[0], high[1]),
            ];
            *into = pulp::cast(columns);
        }

        #[inline(always)]
        fn sum(self, pixels: &[Pixels], weights: &[i32]) -> Pixels {
            let (sse, avx) = (self.sse2, self.avx2);
            let half = self.avx._mm256_set1_epi32(HALF);
            let mut sums = [half; 3];
            for (pixel, weight) in pixels.iter().zip(weights) {
                let weight = self.avx._mm256_set1_epi32(*weight);
                for (sum, values) in sums.iter_mut().zip(pixel) {
                    let values = sse._mm_set_epi64x(0, i64::from_le_bytes(*values));
                    let product = avx._mm256_mullo_epi32(avx._mm256_cvtepu8_epi32(values), weight);
                    *sum = avx._mm256_add_epi32(*sum, product);
                }
            }
            let shifted = |sum| avx._mm256_srai_epi32::<{ POINT as i32 }>(sum);
            let (red, green, blue) = (shifted(sums[0]), shifted(sums[1]), shifted(sums[2]));
            // Saturates: to 16 bits, and to bytes. Each half of the vector holds four rows of each.
            let halves = avx._mm256_packus_epi16(
                avx._mm256_packs_epi32(red, green),
                avx._mm256_packs_epi32(blue, blue),
            );
            let order: __m256i = pulp::cast([0_i32, 4, 1, 5, 2, 6, 3, 7]);
            let [red, green, blue, _]: [Column; 4] =
                pulp::cast(avx._mm256_permutevar8x32_epi32(halves, order));
            [red, green, blue]
        }
    }
}
