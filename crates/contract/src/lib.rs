//! The words that the services of Tusou say to each other: identifiers, messages, queue names, the
//! search document and its mapping. Pure types: nothing here does I/O.

pub mod blob;
pub mod context;
pub mod device;
pub mod disposition;
pub mod document;
pub mod format;
pub mod id;
pub mod mapping;
pub mod message;
pub mod pack;
pub mod queue;

pub use blob::BlobKey;
pub use context::SightingContext;
pub use device::Device;
pub use disposition::{Disposition, Verdict};
pub use document::{Document, Rights, SightingRights};
pub use format::ImageFormat;
pub use id::{ImageId, InvalidImageId};
pub use message::{
    Embedding, Encoding, EncodingOutcome, ImageChanged, ImageEmbedded, ImageFetched, Message,
    MessageError, ModelFailure, Score,
};
pub use pack::{PackManifest, PackManifestError};
pub use queue::Queue;
