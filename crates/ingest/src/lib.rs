//! The one way into the stores: addresses and bytes from outside become verified rows, blobs and
//! outbox messages. The crawler and `tusou` use the same code.

pub mod address;
mod rows;
pub mod verify;

pub use address::{Address, AddressError, Scope};
pub use rows::again::{Again, DueAgain, recrawl, refetch};
pub use rows::gone::{image_url_gone, page_gone};
pub use rows::image::{FetchedUrl, StoredImage, record_image};
pub use rows::outbox::{Owed, owe};
pub use rows::page::{PagePicture, PageRecord, PageSummary, record_page};
pub use rows::pauses;
pub use rows::reach::{Reached, Seedling, reach_pages, wake_hosts};
pub use rows::seeds::{self, NewSeed, SeedAdded};
pub use verify::{Reject, VerifiedImage, verify};
