//! A delivery and the change that it tells of.

use tusou_contract::document::phash_bits;
use tusou_contract::mapping::ModelField;
use tusou_contract::pack::{MAX_DIMENSION, NSFW};
use tusou_contract::{
    Encoding, EncodingOutcome, ImageChanged, ImageEmbedded, ImageId, Message, ModelFailure, Queue,
    Score,
};
use tusou_platform::broker::Delivery;

use crate::error::Error;

/// More than any configuration names.
const MAX_MODELS: usize = 16;
const MAX_NAME: usize = 256;
const MAX_COLORS: usize = 5;
const MAX_WORD: usize = 64;
const MAX_DETAIL: usize = 2_000;

/// A delivery with what it says, or why that cannot be used.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) delivery: Delivery,
    pub(crate) change: Result<Change, Error>,
}

/// What a message says: an image has changed, and perhaps what the encoder made of it.
#[derive(Debug)]
pub(crate) enum Change {
    Embedded(ImageEmbedded),
    Changed(ImageId),
}

impl Work {
    pub(crate) fn of(delivery: Delivery, models: &[ModelField]) -> Self {
        // What may be killing the process is not even read.
        let change = match delivery.suspect() {
            Some(quarantined) => Err(quarantined.into()),
            None => Change::read(delivery.queue(), delivery.body(), models),
        };
        Self { delivery, change }
    }

    /// The image it is about, where it can be read.
    pub(crate) fn image_id(&self) -> Option<ImageId> {
        self.change.as_ref().ok().map(Change::image_id)
    }
}

impl Change {
    pub(crate) fn image_id(&self) -> ImageId {
        match self {
            Self::Embedded(message) => message.image_id,
            Self::Changed(image_id) => *image_id,
        }
    }

    fn read(queue: Queue, body: &[u8], models: &[ModelField]) -> Result<Self, Error> {
        if matches!(queue, Queue::ImagesChanged | Queue::ImagesReindex) {
            return Ok(Self::Changed(ImageChanged::from_body(body)?.image_id));
        }
        let mut message = ImageEmbedded::from_body(body)?;
        let problem = match &mut message.outcome {
            EncodingOutcome::Encoded(encoding) => check_encoding(encoding, models),
            EncodingOutcome::Failed { reason, detail } => {
                clean(detail);
                (!is_word(reason)).then(|| "`reason` is no short snake-case word".to_owned())
            }
        };
        let image_id = message.image_id;
        match problem {
            Some(problem) => Err(Error::Malformed { image_id, problem }),
            None => Ok(Self::Embedded(message)),
        }
    }
}

/// What is wrong with an encoding, if anything: what comes from a queue may come from anyone.
fn check_encoding(encoding: &mut Encoding, models: &[ModelField]) -> Option<String> {
    for failure in &mut encoding.failures {
        clean(&mut failure.detail);
    }
    if phash_bits(&encoding.phash).is_none() {
        return Some("`phash` is not 16 hexadecimal digits".to_owned());
    }
    if encoding.colors.len() > MAX_COLORS || !encoding.colors.iter().all(|color| is_word(color)) {
        return Some("`colors` are not at most 5 short words".to_owned());
    }
    let (made, failed) = (
        encoding.embeddings.len() + encoding.scores.len(),
        encoding.failures.len(),
    );
    if made.max(failed) > MAX_MODELS {
        return Some(format!("it is of more than {MAX_MODELS} models"));
    }
    let scores = encoding.scores.iter().find_map(check_score);
    let failures = encoding.failures.iter().find_map(check_failure);
    scores
        .or(failures)
        .or_else(|| check_embeddings(encoding, models))
}

fn check_score(score: &Score) -> Option<String> {
    if !is_name(&score.model) || !is_name(&score.digest) {
        return Some("a score does not name its model and digest".to_owned());
    }
    if score.field != NSFW {
        return Some(format!("a score of {} is not of {NSFW}", score.model));
    }
    (!(0.0..=1.0).contains(&score.value))
        .then(|| format!("a score of {} is not from 0 to 1", score.model))
}

fn check_failure(failure: &ModelFailure) -> Option<String> {
    if !is_name(&failure.model) || !is_name(&failure.digest) {
        return Some("a failure does not name its model and digest".to_owned());
    }
    (!is_word(&failure.reason)).then(|| {
        format!(
            "the reason of {} for failing is no short snake-case word",
            failure.model
        )
    })
}

fn check_embeddings(encoding: &Encoding, models: &[ModelField]) -> Option<String> {
    encoding.embeddings.iter().find_map(|embedding| {
        if !is_name(&embedding.model) || !is_name(&embedding.digest) {
            return Some("an embedding does not name its model and digest".to_owned());
        }
        let model = models.iter().find(|model| model.digest == embedding.digest);
        let (found, wanted) = (embedding.vector.len(), model.map(|model| model.dimension));
        match wanted {
            Some(wanted) if wanted != found => Some(format!(
                "a vector of {} has {found} numbers, not {wanted}",
                embedding.model
            )),
            None if !(1..=MAX_DIMENSION).contains(&found) => Some(format!(
                "a vector of {} has {found} numbers",
                embedding.model
            )),
            _ => None,
        }
    })
}

fn clean(detail: &mut String) {
    *detail = detail.replace('\0', " ").chars().take(MAX_DETAIL).collect();
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && !text.contains('\0')
}

fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.len() <= MAX_WORD && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use tusou_contract::{Disposition, Embedding, Verdict};

    use super::*;

    fn models() -> Vec<ModelField> {
        vec![ModelField {
            field: "image_embedding".into(),
            model: "lite".into(),
            digest: "d1".into(),
            dimension: 2,
        }]
    }

    fn body(change: impl FnOnce(&mut Encoding)) -> Vec<u8> {
        let mut encoding = Encoding {
            embeddings: vec![Embedding {
                model: "lite".into(),
                digest: "d1".into(),
                vector: vec![0.6, 0.8],
            }],
            scores: vec![Score {
                model: "nsfw".into(),
                digest: "d2".into(),
                field: "nsfw".into(),
                value: 0.25,
            }],
            failures: vec![ModelFailure {
                model: "sscd".into(),
                digest: "d3".into(),
                reason: "not_finite".into(),
                detail: "a \0".into(),
            }],
            phash: "00ff00ff00ff00ff".into(),
            colors: vec!["red".into()],
            thumbnail: None,
        };
        change(&mut encoding);
        let outcome = EncodingOutcome::Encoded(encoding);
        ImageEmbedded {
            image_id: ImageId::of(b"x"),
            outcome,
        }
        .to_body()
    }

    #[test]
    fn what_no_encoder_writes_is_malformed() {
        let read = |body: Vec<u8>| Change::read(Queue::ImagesEmbedded, &body, &models());
        assert!(read(body(|_| ())).is_ok());
        let wrong: [fn(&mut Encoding); 11] = [
            |encoding| encoding.phash = "xyz".into(),
            |encoding| encoding.colors = vec!["red\0".into()],
            |encoding| encoding.embeddings[0].model = "li\0te".into(),
            |encoding| encoding.embeddings[0].vector.push(0.0),
            |encoding| {
                encoding.embeddings[0].digest = "d2".into();
                encoding.embeddings[0].vector.clear();
            },
            |encoding| encoding.embeddings = vec![encoding.embeddings[0].clone(); 17],
            |encoding| encoding.failures = vec![encoding.failures[0].clone(); 17],
            |encoding| encoding.failures[0].reason = "no word".into(),
            |encoding| encoding.failures[0].digest.clear(),
            |encoding| encoding.scores[0].value = 1.5,
            |encoding| encoding.scores[0].field = "rev".into(),
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            let error = read(body(change)).expect_err("it is malformed");
            assert_eq!(error.reason(), "malformed_message", "{number}");
            assert_eq!(error.disposition(), Disposition::DeadLetter, "{number}");
        }
    }

    #[test]
    fn a_foreign_body_is_a_dead_letter_and_a_newer_version_waits() {
        for queue in [
            Queue::ImagesEmbedded,
            Queue::ImagesChanged,
            Queue::ImagesReindex,
        ] {
            let error = Change::read(queue, b"hello", &models()).expect_err("it is foreign");
            assert_eq!(
                (error.reason(), error.disposition()),
                ("foreign_message", Disposition::DeadLetter)
            );
            let error =
                Change::read(queue, br#"{"version":9}"#, &models()).expect_err("it is newer");
            assert_eq!(error.reason(), "newer_message");
            assert_eq!(error.disposition(), Disposition::Wait);
        }
    }

    #[test]
    fn a_failure_s_detail_is_made_fit_to_store() {
        let outcome = EncodingOutcome::Failed {
            reason: "decode_failed".into(),
            detail: format!("a\0b{}", "x".repeat(5_000)),
        };
        let body = ImageEmbedded {
            image_id: ImageId::of(b"x"),
            outcome,
        }
        .to_body();
        let read = Change::read(Queue::ImagesEmbedded, &body, &models());
        let Ok(Change::Embedded(message)) = read else {
            panic!("{read:?} is no embedded message")
        };
        let EncodingOutcome::Failed { detail, .. } = message.outcome else {
            panic!("it failed")
        };
        assert!(detail.starts_with("a bx") && detail.len() == MAX_DETAIL);
    }
}
