//! Postgres as documents: the registry of indexes, whole images read in one snapshot, the documents
//! made of them, and what an index should hold beside what it does hold.
//!
//! The indexer writes with it; `tusou index` and `tusou reconcile` build, check and mend with the
//! same code.

mod compare;
mod document;
mod error;
mod generation;
mod loading;
mod packs;
mod rows;

pub use compare::{Compared, compare_images, compare_index, compare_registry};
pub use document::document;
pub use error::Error;
pub use generation::{Wanted, create, drop_index, in_words, is_there, mend, open, point};
pub use loading::{Load, LoadChange, LoadSeen, change_load, load_seen};
pub use packs::{ScoreModel, models, packs};
pub use rows::generations::{
    Generation, Holding, Outcome, Registry, State, all, record, set_backfilled, set_verified,
};
pub use rows::images::{ImageRow, Originals, Snapshot, originals, snapshot};
pub use rows::sightings::Seen;
pub use rows::walk::{Walked, forget, look, missing, of_models, recorded, unfilled, walk};
