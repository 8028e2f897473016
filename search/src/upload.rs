//! Uploaded pictures: read within bounds, decoded on bounded threads, never stored.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tusou_contract::ImageFormat;
use tusou_model::{
    Crop, DecodeError, Limits, Needed, PictureInput, RgbImage, decode, phash, thumbnail,
};

use crate::config::{Settings, UPLOADS_IN_MEMORY};
use crate::error::SearchError;
use crate::metrics::{Step, timed};
use crate::query::{Parameters, unknown};

/// The field of a form that holds the picture.
const IMAGE: &str = "image";
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

/// A picture made ready for what it is asked of.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// As each of the wanted models takes it, in their order.
    pub(crate) crops: Vec<Crop>,
    /// Itself, as small as a thumbnail, and the perceptual hash of that, made as the encoder makes it: 16 hex
    /// digits. Where they were wanted.
    pub(crate) small: Option<(RgbImage, String)>,
}

/// Memory that is held for a picture which is still to come.
#[derive(Debug)]
pub(crate) struct Room(OwnedSemaphorePermit);

impl Room {
    /// The picture that came, at most as large as there is room for; what it does not need is given back.
    pub(crate) fn take(mut self, bytes: Bytes) -> Upload {
        let needed = kibibytes(bytes.len()) as usize;
        drop(self.0.split(self.0.num_permits().saturating_sub(needed)));
        Upload {
            bytes,
            _memory: Some(Arc::new(self.0)),
        }
    }
}

/// Memory is counted in KiB.
fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX)
}

impl Upload {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
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

    /// Reads the form: its picture, where it has one, and its other fields into `parameters`; `known` names
    /// these.
    pub(crate) async fn read(
        &self,
        form: Multipart,
        parameters: &mut Parameters,
        known: &'static [&'static str],
    ) -> Result<Option<Upload>, SearchError> {
        tokio::time::timeout(self.patience, self.collect(form, parameters, known))
            .await
            .map_err(|_| SearchError::TooSlow)?
    }

    async fn collect(
        &self,
        mut form: Multipart,
        parameters: &mut Parameters,
        known: &'static [&'static str],
    ) -> Result<Option<Upload>, SearchError> {
        let mut image = None;
        while let Some(mut field) = form
            .next_field()
            .await
            .map_err(|error| self.unreadable(&error))?
        {
            let name = field.name().unwrap_or_default().to_owned();
            if name != IMAGE {
                if !known.contains(&name.as_str()) {
                    let mut all = vec![IMAGE];
                    all.extend(known);
                    return Err(unknown(&name, &all));
                }
                let text = self.text(&name, &mut field).await?;
                parameters.add(&name, text, known)?;
                continue;
            }
            if image.is_some() {
                return Err(SearchError::parameter(
                    "repeated_parameter",
                    IMAGE,
                    "`image` is given twice; send one picture",
                ));
            }
            let received = self.receive(&mut field).await?;
            if received.bytes.is_empty() {
                return Err(SearchError::parameter(
                    "empty_picture",
                    IMAGE,
                    "`image` has no bytes; choose a picture",
                ));
            }
            image = Some(received);
        }
        Ok(image)
    }

    /// Memory for the largest picture, before it is known how large the one is that comes.
    pub(crate) fn room(&self) -> Result<Room, SearchError> {
        Ok(Room(self.memory_of(self.max_bytes)?))
    }

    fn memory_of(&self, bytes: usize) -> Result<OwnedSemaphorePermit, SearchError> {
        let memory = Arc::clone(&self.memory).try_acquire_many_owned(kibibytes(bytes));
        memory.map_err(|_| SearchError::Busy)
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
            let permit = self.memory_of(chunk.len())?;
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

    /// The picture as each of these models takes it, and `small` where that is wanted.
    pub(crate) async fn prepare(
        &self,
        upload: Upload,
        inputs: &[&PictureInput],
        small: bool,
    ) -> Result<Prepared, SearchError> {
        let format = ImageFormat::sniff(&upload.bytes).ok_or(SearchError::NotAPicture)?;
        let limits = self.limits;
        let needed = inputs.iter().map(|input| input.preprocess().needed());
        let detail = needed.fold(thumbnail::NEEDED, Needed::and).into();
        decode::inspect(&upload.bytes, format, &limits, detail).map_err(|error| refused(&error))?;
        let inputs: Vec<PictureInput> = inputs.iter().copied().cloned().collect();
        let work = move || {
            let pixels = decode::decode(&upload.bytes, format, &limits, detail)?;
            Ok(Prepared {
                crops: inputs.iter().map(|input| input.crop(&pixels)).collect(),
                small: small.then(|| {
                    let small = thumbnail::reduced(&pixels, thumbnail::LONGER_SIDE);
                    let phash = phash::phash(&small);
                    (small, phash)
                }),
            })
        };
        let prepared: Result<_, DecodeError> = timed(Step::Decode, self.work(work)).await?;
        prepared.map_err(|error| refused(&error))
    }

    /// Runs what takes a core on one of the bounded threads.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SearchError> {
        let permit = Arc::clone(&self.decoders)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        // The permit goes with the work: a request that gives up does not free its thread.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(SearchError::internal)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_held_for_what_is_to_come_and_what_it_does_not_need_is_free_again() {
        let config = tusou_platform::Config::default();
        let mut settings = Settings::of(&config).expect("the defaults are usable");
        settings.max_upload_bytes = 10 << 10;
        let uploads = Uploads::new(&settings);
        let rooms: Vec<Room> = std::iter::from_fn(|| uploads.room().ok()).collect();
        assert_eq!(rooms.len(), UPLOADS_IN_MEMORY);
        let mut rooms = rooms.into_iter();
        let room = rooms.next().expect("there are some");
        let small = room.take(Bytes::from_static(b"a small picture"));
        assert!(uploads.room().is_err(), "nine tenths of one are free");
        let held: Vec<_> = std::iter::from_fn(|| uploads.memory_of(1 << 10).ok()).collect();
        assert_eq!(held.len(), 9);
        drop((small, held, rooms));
        let rooms: Vec<Room> = std::iter::from_fn(|| uploads.room().ok()).collect();
        assert_eq!(rooms.len(), UPLOADS_IN_MEMORY);
    }
}
