//! Uploaded pictures: read within bounds, decoded on bounded threads, never stored.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tusou_contract::ImageFormat;
use tusou_model::{Crop, DecodeError, Limits, PictureInput, decode};

use crate::config::{Settings, UPLOADS_IN_MEMORY};
use crate::error::SearchError;
use crate::metrics::{Step, timed};
use crate::query::unknown;

/// The most bytes of a field that is no file.
const MAX_TEXT_BYTES: usize = 4 << 10;
/// The most memory that decoding one upload takes.
const MAX_DECODE_MEMORY: u64 = 512 << 20;

/// The bounds of all uploads together.
#[derive(Debug)]
pub(crate) struct Uploads {
    max_bytes: usize,
    limits: Limits,
    /// The longest wait for a form; the rest of a request's time is for its answer.
    patience: Duration,
    /// Memory for bytes on their way in, in KiB.
    memory: Arc<Semaphore>,
    /// Threads that decode.
    decoders: Arc<Semaphore>,
}

/// An uploaded picture's bytes. They count against the memory for uploads until they are dropped.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    bytes: Bytes,
    _memory: Option<Arc<OwnedSemaphorePermit>>,
}

/// A form with a picture.
#[derive(Debug)]
pub(crate) struct Form {
    /// The field `image`.
    pub(crate) image: Upload,
    /// The field `k`, as it was written.
    pub(crate) k: Option<String>,
    /// The field `lang`, as it was written.
    pub(crate) lang: Option<String>,
}

impl Uploads {
    /// Bounds by the settings, and a decoder for each core.
    pub(crate) fn new(settings: &Settings) -> Self {
        let memory = UPLOADS_IN_MEMORY * settings.max_upload_bytes.div_ceil(1 << 10);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            max_bytes: settings.max_upload_bytes,
            patience: settings.timeout.mul_f32(0.75),
            limits: Limits {
                max_pixels: settings.max_pixels,
                max_memory: MAX_DECODE_MEMORY,
            },
            memory: Arc::new(Semaphore::new(memory)),
            decoders: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Reads the form; `known` names the fields that it may have, of `image`, `k` and `lang`.
    pub(crate) async fn read(&self, form: Multipart, known: &[&str]) -> Result<Form, SearchError> {
        tokio::time::timeout(self.patience, self.collect(form, known))
            .await
            .map_err(|_| SearchError::TooSlow)?
    }

    async fn collect(&self, mut form: Multipart, known: &[&str]) -> Result<Form, SearchError> {
        let mut image = None;
        let (mut k, mut lang) = (None, None);
        while let Some(mut field) = form
            .next_field()
            .await
            .map_err(|error| self.unreadable(&error))?
        {
            let name = field.name().unwrap_or_default().to_owned();
            if !known.contains(&name.as_str()) {
                return Err(unknown(&name, known));
            }
            if name == "image" {
                if image.is_some() {
                    return Err(SearchError::parameter(
                        "repeated_parameter",
                        "image",
                        "`image` is given twice; send one picture",
                    ));
                }
                image = Some(self.receive(&mut field).await?);
            } else {
                let text = self.text(&name, &mut field).await?;
                match name.as_str() {
                    "k" => k = Some(text),
                    _ => lang = Some(text),
                }
            }
        }
        match image {
            Some(image) if !image.bytes.is_empty() => Ok(Form { image, k, lang }),
            Some(_) => Err(SearchError::parameter(
                "empty_picture",
                "image",
                "`image` has no bytes; choose a picture",
            )),
            None => Err(SearchError::parameter(
                "no_picture",
                "image",
                "there is no `image` in the form; send a picture as multipart/form-data",
            )),
        }
    }

    /// A file's bytes. What is beyond the limit is read and thrown away, so that the sender comes
    /// to the answer.
    async fn receive(&self, field: &mut Field<'_>) -> Result<Upload, SearchError> {
        let mut bytes = BytesMut::new();
        let mut memory: Option<OwnedSemaphorePermit> = None;
        let mut too_large = false;
        while let Some(chunk) = field
            .chunk()
            .await
            .map_err(|error| self.unreadable(&error))?
        {
            too_large = too_large || bytes.len() + chunk.len() > self.max_bytes;
            if too_large {
                bytes = BytesMut::new();
                memory = None;
                continue;
            }
            let kibibytes = u32::try_from(chunk.len().div_ceil(1 << 10)).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.memory)
                .try_acquire_many_owned(kibibytes)
                .map_err(|_| SearchError::Busy)?;
            match &mut memory {
                Some(held) => held.merge(permit),
                None => memory = Some(permit),
            }
            bytes.extend_from_slice(&chunk);
        }
        if too_large {
            return Err(SearchError::TooLarge {
                limit: self.max_bytes,
            });
        }
        Ok(Upload {
            bytes: bytes.freeze(),
            _memory: memory.map(Arc::new),
        })
    }

    /// The picture as the model takes it.
    pub(crate) async fn crop(
        &self,
        upload: Upload,
        input: &PictureInput,
    ) -> Result<Crop, SearchError> {
        let format = ImageFormat::sniff(&upload.bytes).ok_or(SearchError::NotAPicture)?;
        let limits = self.limits;
        let detail = input.preprocess().needed().into();
        decode::inspect(&upload.bytes, format, &limits, detail).map_err(|error| refused(&error))?;
        let input = input.clone();
        timed(Step::Decode, async {
            let permit = Arc::clone(&self.decoders)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            // The permit goes with the work: a request that gives up does not free its thread.
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                decode::decode(&upload.bytes, format, &limits, detail)
                    .map(|pixels| input.crop(&pixels))
            })
            .await
            .map_err(SearchError::internal)?
            .map_err(|error| refused(&error))
        })
        .await
    }

    /// A field that is no file.
    async fn text(&self, name: &str, field: &mut Field<'_>) -> Result<String, SearchError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = field
            .chunk()
            .await
            .map_err(|error| self.unreadable(&error))?
        {
            if bytes.len() + chunk.len() > MAX_TEXT_BYTES {
                let detail =
                    format!("`{name}` is too long; it takes at most {MAX_TEXT_BYTES} bytes");
                return Err(SearchError::parameter("field_too_long", name, detail));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| {
            let detail = format!("`{name}` is no text in UTF-8");
            SearchError::parameter("not_text", name, detail)
        })
    }

    /// A form that breaks off or is none; one beyond what is read to its end is too large.
    fn unreadable(&self, error: &MultipartError) -> SearchError {
        match error.status().as_u16() {
            413 => SearchError::TooLarge {
                limit: self.max_bytes,
            },
            _ => SearchError::Form(format!("the form cannot be read: {}", error.body_text())),
        }
    }
}

fn refused(error: &DecodeError) -> SearchError {
    match error {
        DecodeError::TooManyPixels { limit, .. } => SearchError::TooManyPixels { limit: *limit },
        other => SearchError::Undecodable(other.to_string()),
    }
}
