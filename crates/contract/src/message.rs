//! The messages, as JSON. Each carries its version; a reader takes every version it knows.
//!
//! Whichever queue it comes by, a message to the indexer means "image X has changed": what the
//! document shows is read from Postgres, so neither order nor repetition matters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{BlobKey, Disposition, ImageFormat, ImageId, Queue, Verdict};

/// A message of one queue.
pub trait Message: Serialize + DeserializeOwned {
    /// The queue it travels by.
    const QUEUE: Queue;
    /// The version that this build writes.
    const VERSION: u32;

    /// The image it is about, which is the message's key.
    fn image_id(&self) -> ImageId;

    /// The body to publish.
    fn to_body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a, M> {
            version: u32,
            #[serde(flatten)]
            message: &'a M,
        }
        serde_json::to_vec(&Envelope {
            version: Self::VERSION,
            message: self,
        })
        .expect("a message holds only strings, numbers and lists")
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`MessageError::Foreign`] where it is not such a message, [`MessageError::Newer`] where a
    /// later build wrote it.
    fn from_body(body: &[u8]) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Header {
            version: u32,
        }
        let foreign = |cause| MessageError::Foreign {
            queue: Self::QUEUE,
            cause,
        };
        let header: Header = serde_json::from_slice(body).map_err(foreign)?;
        if header.version > Self::VERSION {
            return Err(MessageError::Newer {
                queue: Self::QUEUE,
                version: header.version,
            });
        }
        serde_json::from_slice(body).map_err(foreign)
    }
}

/// The image that a body names, whatever else the body is or lacks: so that a message that cannot be
/// read can still be told to belong to an image.
pub fn image_of(body: &[u8]) -> Option<ImageId> {
    #[derive(Deserialize)]
    struct Named {
        image_id: ImageId,
    }
    let named: Named = serde_json::from_slice(body).ok()?;
    Some(named.image_id)
}

/// A body that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not a message of this queue.
    #[error("not a message of {queue}")]
    Foreign {
        /// The queue that it came by.
        queue: Queue,
        /// What serde could not read.
        #[source]
        cause: serde_json::Error,
    },
    /// Written by a later build.
    #[error("a message of {queue} in version {version}, which is newer than this build")]
    Newer {
        /// The queue that it came by.
        queue: Queue,
        /// The version it claims.
        version: u32,
    },
}

impl Verdict for MessageError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Foreign { .. } => Disposition::DeadLetter,
            // A later build's consumer takes it from the retry queue, whenever it comes.
            Self::Newer { .. } => Disposition::Wait,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "foreign_message",
            Self::Newer { .. } => "newer_message",
        }
    }
}

/// A picture's bytes are stored and its rows are written: encode it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFetched {
    /// The image.
    pub image_id: ImageId,
    /// Its bytes.
    pub blob_key: BlobKey,
    /// What the bytes are.
    pub format: ImageFormat,
}

impl Message for ImageFetched {
    const QUEUE: Queue = Queue::ImagesFetched;
    const VERSION: u32 = 1;

    fn image_id(&self) -> ImageId {
        self.image_id
    }
}

/// Something that the image's document shows has changed: index it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageChanged {
    /// The image.
    pub image_id: ImageId,
}

impl Message for ImageChanged {
    const QUEUE: Queue = Queue::ImagesChanged;
    const VERSION: u32 = 1;

    fn image_id(&self) -> ImageId {
        self.image_id
    }
}

/// The encoder has done what it can for an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageEmbedded {
    /// The image.
    pub image_id: ImageId,
    /// What came of it.
    pub outcome: EncodingOutcome,
}

impl Message for ImageEmbedded {
    const QUEUE: Queue = Queue::ImagesEmbedded;
    /// 2 brought scores, and models that failed for an image beside others that did not.
    const VERSION: u32 = 2;

    fn image_id(&self) -> ImageId {
        self.image_id
    }
}

/// What came of encoding an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncodingOutcome {
    /// Its embeddings and what else the pixels told.
    Encoded(Encoding),
    /// It cannot be encoded; its message is a dead letter with the same reason.
    Failed {
        /// A short snake-case word: `decode_failed`.
        reason: String,
        /// The error in words.
        detail: String,
    },
}

/// What an image's pixels told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// One for each model that makes vectors and did not fail.
    pub embeddings: Vec<Embedding>,
    /// One for each model that makes scores and did not fail.
    #[serde(default)]
    pub scores: Vec<Score>,
    /// The models that made nothing of this image, while it was decoded and others may have worked.
    #[serde(default)]
    pub failures: Vec<ModelFailure>,
    /// The 64-bit perceptual hash, 16 hex digits.
    pub phash: String,
    /// Main colours by name, the largest first, at most 5.
    pub colors: Vec<String>,
    /// The thumbnail, where one was made.
    pub thumbnail: Option<BlobKey>,
}

/// An L2-normalised vector with the model that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// The model pack's name: `lite`.
    pub model: String,
    /// The model pack's digest, which is its identity.
    pub digest: String,
    /// The unit vector, as base64 of little-endian f32.
    #[serde(
        serialize_with = "vector_to_base64",
        deserialize_with = "vector_from_base64"
    )]
    pub vector: Vec<f32>,
}

/// A number that a model gives an image, for one field of the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The model pack's name: `nsfw`.
    pub model: String,
    /// The model pack's digest, which is its identity.
    pub digest: String,
    /// The document's field: `nsfw`.
    pub field: String,
    /// 0 to 1.
    pub value: f32,
}

/// A model that made nothing of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFailure {
    /// The model pack's name.
    pub model: String,
    /// The model pack's digest, which is its identity.
    pub digest: String,
    /// A short snake-case word: `not_finite`.
    pub reason: String,
    /// The error in words.
    pub detail: String,
}

fn vector_to_base64<S: Serializer>(vector: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(vector_to_bytes(vector)))
}

fn vector_from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    use serde::de::Error as _;
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
    vector_from_bytes(&bytes).ok_or_else(|| D::Error::custom("a vector of finite f32 is wanted"))
}

/// A vector as little-endian f32, as messages and Postgres hold it.
pub fn vector_to_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The vector that [`vector_to_bytes`] wrote; `None` where the length is no multiple of 4 or a
/// value is not finite.
pub fn vector_from_bytes(bytes: &[u8]) -> Option<Vec<f32>> {
    let (values, rest) = bytes.as_chunks::<4>();
    let vector: Vec<f32> = values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    (rest.is_empty() && vector.iter().all(|value| value.is_finite())).then_some(vector)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn embedded(vector: Vec<f32>) -> ImageEmbedded {
        ImageEmbedded {
            image_id: ImageId::of(b"picture"),
            outcome: EncodingOutcome::Encoded(Encoding {
                embeddings: vec![Embedding {
                    model: "lite".into(),
                    digest: "d1".into(),
                    vector,
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
                    detail: "…".into(),
                }],
                phash: "00ff00ff00ff00ff".into(),
                colors: vec!["red".into()],
                thumbnail: Some(BlobKey::thumbnail(&ImageId::of(b"picture"))),
            }),
        }
    }

    #[test]
    fn bodies_are_as_recorded() {
        let text = |body: Vec<u8>| String::from_utf8(body).expect("JSON is UTF-8");
        let id = ImageId::of(b"picture");
        let fetched = ImageFetched {
            image_id: id,
            blob_key: BlobKey::original(&id, ImageFormat::Jpeg),
            format: ImageFormat::Jpeg,
        };
        let failed = ImageEmbedded {
            image_id: id,
            outcome: EncodingOutcome::Failed {
                reason: "decode_failed".into(),
                detail: "…".into(),
            },
        };
        insta::assert_snapshot!(text(fetched.to_body()));
        insta::assert_snapshot!(text(ImageChanged { image_id: id }.to_body()));
        insta::assert_snapshot!(text(embedded(vec![0.6, -0.8]).to_body()));
        insta::assert_snapshot!(text(failed.to_body()));
    }

    #[test]
    fn a_foreign_body_and_a_newer_version_are_told_apart() {
        for body in [
            &b""[..],
            b"hello",
            b"{}",
            br#"{"version":1}"#,
            br#"{"version":1,"image_id":"x"}"#,
        ] {
            assert!(matches!(
                ImageChanged::from_body(body),
                Err(MessageError::Foreign { .. })
            ));
        }
        let newer = ImageChanged::from_body(br#"{"version":2,"whatever":true}"#);
        let newer = newer.expect_err("a later build wrote it");
        assert!(matches!(newer, MessageError::Newer { version: 2, .. }));
        assert_eq!(newer.disposition(), Disposition::Wait);
        assert_eq!(newer.reason(), "newer_message");
    }

    /// A body of every version that ever was, as it went over the wire: never edit one, add the next.
    #[test]
    fn every_version_so_far_is_read() {
        let id = ImageId::of(b"picture");
        let v1 = |rest: &str| format!(r#"{{"version":1,"image_id":"{id}"{rest}}}"#).into_bytes();

        let read = ImageFetched::from_body(&v1(&format!(
            r#","blob_key":"{}","format":"jpeg""#,
            BlobKey::original(&id, ImageFormat::Jpeg)
        )));
        let read = read.expect("version 1");
        assert_eq!((read.image_id, read.format), (id, ImageFormat::Jpeg));
        assert_eq!(read.blob_key, BlobKey::original(&id, ImageFormat::Jpeg));

        let read = ImageChanged::from_body(&v1("")).expect("version 1");
        assert_eq!(read, ImageChanged { image_id: id });

        // 0.6 and -0.8; no scores and no failures of single models yet.
        let read = ImageEmbedded::from_body(&v1(&format!(
            r#","outcome":{{"encoded":{{"embeddings":[{{"model":"lite","digest":"d1","vector":"mpkZP83MTL8="}}],"phash":"00ff00ff00ff00ff","colors":["red"],"thumbnail":"{}"}}}}"#,
            BlobKey::thumbnail(&id)
        )));
        let mut first = embedded(vec![0.6, -0.8]);
        if let EncodingOutcome::Encoded(encoding) = &mut first.outcome {
            encoding.scores.clear();
            encoding.failures.clear();
        }
        assert_eq!(read.expect("version 1"), first);

        let read = ImageEmbedded::from_body(
            format!(r#"{{"version":2,"image_id":"{id}","outcome":{{"encoded":{{"embeddings":[{{"model":"lite","digest":"d1","vector":"mpkZP83MTL8="}}],"scores":[{{"model":"nsfw","digest":"d2","field":"nsfw","value":0.25}}],"failures":[{{"model":"sscd","digest":"d3","reason":"not_finite","detail":"…"}}],"phash":"00ff00ff00ff00ff","colors":["red"],"thumbnail":"{}"}}}}}}"#,
            BlobKey::thumbnail(&id)
        ).as_bytes());
        assert_eq!(read.expect("version 2"), embedded(vec![0.6, -0.8]));

        let read = ImageEmbedded::from_body(&v1(
            r#","outcome":{"failed":{"reason":"decode_failed","detail":"…"}}"#,
        ));
        let outcome = read.expect("version 1").outcome;
        assert!(
            matches!(outcome, EncodingOutcome::Failed { reason, .. } if reason == "decode_failed")
        );
    }

    #[test]
    fn an_image_is_known_by_whatever_body_names_it() {
        let id = ImageId::of(b"picture");
        for (body, expected) in [
            (
                format!(r#"{{"version":9,"image_id":"{id}","new":[1]}}"#),
                Some(id),
            ),
            (format!(r#"{{"image_id":"{id}"}}"#), Some(id)),
            (r#"{"version":1,"image_id":"x"}"#.to_owned(), None),
            ("hello".to_owned(), None),
        ] {
            assert_eq!(image_of(body.as_bytes()), expected, "{body}");
        }
    }

    proptest! {
        #[test]
        fn embeddings_survive_the_wire_bit_for_bit(vector in prop::collection::vec(-1f32..1.0, 0..600)) {
            let message = embedded(vector);
            prop_assert_eq!(ImageEmbedded::from_body(&message.to_body()).unwrap(), message);
        }

        #[test]
        fn no_bytes_panic_the_reader(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = ImageEmbedded::from_body(&body);
            let _ = vector_from_bytes(&body);
        }
    }
}
