//! Which candidates are the same picture: another size, a crop, with a watermark, mirrored.
//!
//! Three witnesses speak. The copy model's vectors see through crops and captions, and take some drawings for
//! one another. Perceptual hashes know every copy that was not cropped. Where the model doubts and the hash does
//! not know, the two pictures are laid over each other: few are in doubt, and their thumbnails are at hand. The
//! rule and its figures are in `docs/search.md`.

use futures::{StreamExt as _, TryStreamExt as _};
use tusou_contract::{BlobKey, ImageFormat, ImageId};
use tusou_model::phash::mirrored;
use tusou_model::{Limits, RgbImage, decode, overlap};

use crate::app::App;
use crate::candidates::Candidate;
use crate::config::MAX_THUMBNAIL_BYTES;
use crate::error::SearchError;

/// Below this cosine of the copy model nothing is a copy, whatever else is said of it.
pub(crate) const LEAST_COSINE: f32 = 0.5;
/// From this cosine on the copy model alone is believed.
const SURE_COSINE: f32 = 0.7;
/// From this one, where neither hash nor thumbnail can be asked.
const LIKELY_COSINE: f32 = 0.55;
/// Between the two, so many bits of the hashes may differ.
const BITS_BESIDE: u32 = 16;
/// Without a copy vector, so many.
const BITS_ALONE: u32 = 8;
/// From this overlap on one picture is a part of the other.
const LEAST_OVERLAP: f32 = 0.88;
/// So many pictures in doubt are laid over the one that is asked with: a few milliseconds each.
const LAID_OVER: usize = 32;
/// Thumbnails read at once.
const READS: usize = 8;
/// What a thumbnail may decode to.
const THUMBNAIL: Limits = Limits {
    max_pixels: 1 << 20,
    max_memory: 64 << 20,
};

/// The picture that is asked with.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Its perceptual hash.
    pub(crate) hash: Option<u64>,
    /// Its id, where it is one of the index.
    pub(crate) itself: Option<ImageId>,
    /// Itself, as small as a thumbnail, where it was sent.
    pub(crate) small: Option<RgbImage>,
}

/// What is thought of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Copy,
    Doubt,
    Other,
}

/// The copies among the candidates, the surest first; with `all` every candidate, in that order.
pub(crate) async fn copies(
    app: &App,
    candidates: Vec<Candidate>,
    asked: Asked,
    all: bool,
) -> Result<Vec<Candidate>, SearchError> {
    let (mut copies, mut doubted) = (Vec::new(), Vec::new());
    for mut candidate in candidates {
        let bits = bits(asked.hash, candidate.phash);
        candidate.relevance = sureness(candidate.cosine, bits);
        match judge(candidate.cosine, bits) {
            _ if all => copies.push(candidate),
            Verdict::Copy => copies.push(candidate),
            Verdict::Doubt => doubted.push(candidate),
            Verdict::Other => {}
        }
    }
    copies.extend(laid_over(app, doubted, asked).await?);
    copies.sort_by(|a, b| {
        let by_id = || a.image_id.cmp(&b.image_id);
        b.relevance.total_cmp(&a.relevance).then_with(by_id)
    });
    Ok(copies)
}

/// Those in doubt that are a part of the picture that is asked with, or it of them.
async fn laid_over(
    app: &App,
    mut doubted: Vec<Candidate>,
    asked: Asked,
) -> Result<Vec<Candidate>, SearchError> {
    if doubted.is_empty() {
        return Ok(doubted);
    }
    let small = match (asked.small, &asked.itself) {
        (Some(small), _) => Some(small),
        (None, Some(id)) => thumbnail(app, id).await?,
        (None, None) => None,
    };
    doubted.sort_by(|a, b| {
        let nearest_first = b
            .cosine
            .unwrap_or_default()
            .total_cmp(&a.cosine.unwrap_or_default());
        nearest_first.then_with(|| a.image_id.cmp(&b.image_id))
    });
    let small = small.map(std::sync::Arc::new);
    let looks = doubted.into_iter().enumerate().map(|(place, candidate)| {
        let small = small.clone().filter(|_| place < LAID_OVER);
        async move {
            let fits = match small {
                Some(small) => fits(app, small, &candidate.image_id).await?,
                None => None,
            };
            let likely = || {
                candidate
                    .cosine
                    .is_some_and(|cosine| cosine >= LIKELY_COSINE)
            };
            Ok::<_, SearchError>(fits.unwrap_or_else(likely).then_some(candidate))
        }
    });
    let looked: Vec<Option<Candidate>> = futures::stream::iter(looks)
        .buffered(READS)
        .try_collect()
        .await?;
    Ok(looked.into_iter().flatten().collect())
}

/// Whether the indexed picture is a part of this one, or this one of it; `None` where its thumbnail is not there.
async fn fits(
    app: &App,
    small: std::sync::Arc<RgbImage>,
    id: &ImageId,
) -> Result<Option<bool>, SearchError> {
    let Some(other) = thumbnail(app, id).await? else {
        return Ok(None);
    };
    let look = move || overlap::overlap(&small, &other) >= LEAST_OVERLAP;
    app.uploads.work(look).await.map(Some)
}

/// A thumbnail's pixels; `None` where it is not there, or no picture any more.
async fn thumbnail(app: &App, id: &ImageId) -> Result<Option<RgbImage>, SearchError> {
    let key = BlobKey::thumbnail(id);
    let bytes = match app.blobs.get(&key, MAX_THUMBNAIL_BYTES).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) => {
            tracing::debug!(image_id = %id, %error, "a thumbnail cannot be read");
            return Ok(None);
        }
    };
    let decode =
        move || decode::decode(&bytes, ImageFormat::Jpeg, &THUMBNAIL, decode::Detail::Whole);
    Ok(app.uploads.work(decode).await?.ok())
}

fn judge(cosine: Option<f32>, bits: Option<u32>) -> Verdict {
    let alike = |most: u32| bits.is_some_and(|bits| bits <= most);
    match cosine {
        Some(cosine) if cosine >= SURE_COSINE => Verdict::Copy,
        Some(cosine) if cosine >= LEAST_COSINE && alike(BITS_BESIDE) => Verdict::Copy,
        Some(cosine) if cosine >= LEAST_COSINE => Verdict::Doubt,
        Some(_) => Verdict::Other,
        None if alike(BITS_ALONE) => Verdict::Copy,
        None => Verdict::Other,
    }
}

/// In how many bits the hashes differ, of the picture or of its mirror image.
fn bits(one: Option<u64>, other: Option<u64>) -> Option<u32> {
    let (one, other) = (one?, other?);
    let mirrored = (mirrored(one) ^ other).count_ones();
    Some((one ^ other).count_ones().min(mirrored))
}

/// 0 to 1: the mean of what vector and hash say, or what one alone does.
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
        for (cosine, bits, verdict) in [
            (Some(0.8), Some(40), Verdict::Copy),
            (Some(0.6), Some(10), Verdict::Copy),
            (Some(0.6), Some(30), Verdict::Doubt),
            (Some(0.6), None, Verdict::Doubt),
            (Some(0.3), Some(0), Verdict::Other),
            (None, Some(3), Verdict::Copy),
            (None, Some(20), Verdict::Other),
            (None, None, Verdict::Other),
        ] {
            assert_eq!(judge(cosine, bits), verdict, "{cosine:?}, {bits:?}");
        }
    }

    #[test]
    fn a_mirror_image_has_the_same_hash_but_for_few_bits() {
        let hash = 0x0123_4567_89ab_cdef;
        assert_eq!(bits(Some(hash), Some(mirrored(hash) ^ 0b101)), Some(2));
        assert_eq!(bits(Some(hash), None), None);
    }
}
