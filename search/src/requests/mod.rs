//! The requests to Elasticsearch: candidates by a vector, by words in captions or by a hash, and documents
//! by their ids.

mod candidates;
mod documents;
mod reply;

pub(crate) use candidates::{Candidates, by_captions, by_hash, by_vector};
pub(crate) use documents::{Shown, asked, document, shown};
