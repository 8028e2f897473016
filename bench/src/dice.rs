//! Numbers without a pattern, the same in every run.

use tusou_testkit::SplitMix64;

/// What benchmarks draw from.
#[derive(Debug, Clone)]
pub(crate) struct Dice(SplitMix64);

impl Dice {
    /// Another row of numbers for every seed.
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds are small and lie close together: their first numbers must not.
        Self(SplitMix64::new(SplitMix64::new(seed).bits()))
    }

    /// From 0, below 1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.bits() >> 40) as f32 / (1 << 24) as f32
    }

    /// Between two numbers.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// From 0, below `end`, which is small.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.0.bits() % end.max(1) as u64) as usize
    }

    /// Around 0 with a deviation of 1, nearly normal: the sum of twelve (Irwin–Hall).
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

/// The vector at a length of 1.
pub(crate) fn normalize(vector: &mut [f32]) {
    let square: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    let length = square.sqrt().max(f64::MIN_POSITIVE);
    for value in vector {
        *value = (f64::from(*value) / length) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_fall_alike_for_a_seed_and_otherwise_for_another() {
        let row = |seed| {
            let mut dice = Dice::new(seed);
            (0..50).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(row(1), row(1));
        assert_ne!(row(1), row(2));
        assert!((0..6).all(|side| row(3).contains(&side)));
        let mut dice = Dice::new(4);
        let sum: f32 = (0..10_000).map(|_| dice.normal().powi(2)).sum();
        assert!((sum / 10_000.0 - 1.0).abs() < 0.1, "{sum}");
        let mut vector = [3.0, 4.0];
        normalize(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
    }
}
