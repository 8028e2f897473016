//! The requests to Elasticsearch: candidates by a vector, by words in captions or by a hash, and by their ids
//! documents and what is counted of them.

mod candidates;
mod documents;
mod reply;

pub(crate) use candidates::{Candidates, by_captions, by_hash, by_vector, traits};
pub(crate) use documents::{Shown, asked, document, shown};
