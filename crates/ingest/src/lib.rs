//! The one way into the stores: addresses and bytes from outside become verified rows, blobs and
//! outbox messages. The crawler and `tusou` use the same code.

pub mod address;
pub mod folder;
mod frames;
pub mod header;
pub mod list;
pub mod rendering;
pub mod rights;
mod rows;
pub mod text;
pub mod tracking;
pub mod trap;
pub mod verify;
pub mod wanted;

pub use address::{Address, AddressError, Scope};
pub use rendering::Rendering;
pub use rows::again::{Again, DueAgain, recrawl, refetch};
pub use rows::budget::Budgets;
pub use rows::image::{
    FetchedUrl, ImageBatch, ImagesRecorded, PictureWritten, StoredImage, record_images,
};
pub use rows::limits::{PictureLimits, PicturesLeft, count_images_of_hosts};
pub use rows::lists;
pub use rows::outbox::{Owed, owe};
pub use rows::page::{PageBatch, PagePicture, PageRecord, PageSummary, Reading, record_pages};
pub use rows::pauses;
pub use rows::reach::{LeftOut, Reached, Seedling, reach_pages, wake_hosts};
pub use rows::removals;
pub use rows::seeds::{self, NewSeed, SeedAdded};
pub use rows::settle::{End, Ended, Terms};
pub use rows::sitemaps::{NamedSitemaps, SitemapsReached, reach_sitemaps, renew_pages};
pub use rows::walk::{SeedOf, seeds_of};
pub use rows::{Validators, is_collision};
pub use verify::{Reject, VerifiedImage, verify};
pub use wanted::Wanted;
