//! A delivery and the change that it tells of.

use tusou_contract::mapping::ModelField;
use tusou_contract::pack::MAX_DIMENSION;
use tusou_contract::{
    Encoding, EncodingOutcome, ImageChanged, ImageEmbedded, ImageId, Message, Queue,
};
use tusou_platform::broker::Delivery;

use crate::error::Error;

const MAX_EMBEDDINGS: usize = 16;
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
                *detail = detail.replace('\0', " ").chars().take(MAX_DETAIL).collect();
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
fn check_encoding(encoding: &Encoding, models: &[ModelField]) -> Option<String> {
    if encoding.phash.len() != 16 || !encoding.phash.chars().all(|c| c.is_ascii_hexdigit()) {
        return Some("`phash` is not 16 hexadecimal digits".to_owned());
    }
    if encoding.colors.len() > MAX_COLORS || !encoding.colors.iter().all(|color| is_word(color)) {
        return Some("`colors` are not at most 5 short words".to_owned());
    }
    if encoding.embeddings.len() > MAX_EMBEDDINGS {
        return Some(format!("it brings more than {MAX_EMBEDDINGS} embeddings"));
    }
    encoding.embeddings.iter().find_map(|embedding| {
        let name = |text: &str| !text.is_empty() && text.len() <= MAX_NAME && !text.contains('\0');
        if !name(&embedding.model) || !name(&embedding.digest) {
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
            scores: Vec::new(),
            failures: Vec::new(),
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
        let wrong: [fn(&mut Encoding); 6] = [
            |encoding| encoding.phash = "xyz".into(),
            |encoding| encoding.colors = vec!["red\0".into()],
            |encoding| encoding.embeddings[0].model = "li\0te".into(),
            |encoding| encoding.embeddings[0].vector.push(0.0),
            |encoding| {
                encoding.embeddings[0].digest = "d2".into();
                encoding.embeddings[0].vector.clear();
            },
            |encoding| encoding.embeddings = vec![encoding.embeddings[0].clone(); 17],
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
