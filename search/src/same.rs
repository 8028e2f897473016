//! Which candidates are the same picture: another size, a crop, with a watermark, mirrored.
//!
//! Two witnesses speak: the copy model's vectors, which see through crops and captions, and the perceptual
//! hashes, which tell drawings apart that the model takes for one another. The rule and its figures are in
//! `docs/search.md`.

use tusou_model::phash::mirrored;

use crate::candidates::Candidate;

/// Below this cosine of the copy model nothing is a copy, whatever the hashes say of it.
pub(crate) const LEAST_COSINE: f32 = 0.5;
/// From this cosine on the copy model alone is believed.
const SURE_COSINE: f32 = 0.75;
/// Between the two, so many bits of the hashes may differ.
const BITS_BESIDE: u32 = 24;
/// Without a copy vector, so many.
const BITS_ALONE: u32 = 8;

/// The copies among the candidates, the surest first; with `all` every candidate, in that order. `hash` is
/// that of the picture that is asked with.
pub(crate) fn copies(
    mut candidates: Vec<Candidate>,
    hash: Option<u64>,
    all: bool,
) -> Vec<Candidate> {
    for candidate in &mut candidates {
        let bits = bits(hash, candidate.phash);
        candidate.relevance = sureness(candidate.cosine, bits);
    }
    candidates.retain(|candidate| all || is_copy(candidate.cosine, bits(hash, candidate.phash)));
    candidates.sort_by(|a, b| {
        let by_id = || a.image_id.cmp(&b.image_id);
        b.relevance.total_cmp(&a.relevance).then_with(by_id)
    });
    candidates
}

fn is_copy(cosine: Option<f32>, bits: Option<u32>) -> bool {
    match (cosine, bits) {
        (Some(cosine), _) if cosine >= SURE_COSINE => true,
        (Some(cosine), Some(bits)) if cosine >= LEAST_COSINE => bits <= BITS_BESIDE,
        (Some(cosine), None) => cosine >= LEAST_COSINE,
        (Some(_), Some(_)) => false,
        (None, Some(bits)) => bits <= BITS_ALONE,
        (None, None) => false,
    }
}

/// In how many bits the hashes differ, of the picture or of its mirror image.
fn bits(one: Option<u64>, other: Option<u64>) -> Option<u32> {
    let (one, other) = (one?, other?);
    Some(
        (one ^ other)
            .count_ones()
            .min((mirrored(one) ^ other).count_ones()),
    )
}

/// 0 to 1: the mean of what both witnesses say, or what one alone does.
fn sureness(cosine: Option<f32>, bits: Option<u32>) -> f64 {
    let likeness = bits.map(|bits| 1.0 - f64::from(bits) / 64.0);
    match (cosine.map(f64::from), likeness) {
        (Some(cosine), Some(likeness)) => f64::midpoint(cosine, likeness),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_witnesses_make_a_copy_of_what_one_doubts() {
        assert!(is_copy(Some(0.8), Some(40)));
        assert!(is_copy(Some(0.6), Some(10)));
        assert!(!is_copy(Some(0.6), Some(40)));
        assert!(!is_copy(Some(0.3), Some(0)));
        assert!(is_copy(None, Some(3)));
        assert!(!is_copy(None, Some(20)));
        assert!(!is_copy(None, None));
    }

    #[test]
    fn a_mirror_image_has_the_same_hash_but_for_few_bits() {
        let hash = 0x0123_4567_89ab_cdef;
        assert_eq!(bits(Some(hash), Some(mirrored(hash) ^ 0b101)), Some(2));
        assert_eq!(bits(Some(hash), None), None);
    }
}
