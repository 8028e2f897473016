//! Which documents an index holds, and in which version.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ElasticError;
use super::error::{cut, in_words};

/// Reads the answer of `_mget`; documents that are not there are not in it.
pub(super) fn of_documents(
    what: &str,
    answer: &Value,
) -> Result<BTreeMap<String, i64>, ElasticError> {
    let documents = answer["docs"].as_array().ok_or_else(|| unread(answer))?;
    let mut versions = BTreeMap::new();
    for document in documents {
        if let Some(error) = document.get("error") {
            return Err(ElasticError::Refused {
                what: what.to_owned(),
                status: 404,
                reason: in_words(error),
            });
        }
        if document["found"] == true {
            let (id, version) = read(document).ok_or_else(|| unread(document))?;
            versions.insert(id, version);
        }
    }
    Ok(versions)
}

/// Reads the hits of a search that asked for versions; one that lacks the documents of a shard is
/// none.
pub(super) fn of_hits(answer: &Value) -> Result<Vec<(String, i64)>, ElasticError> {
    if answer["timed_out"] == true || answer["_shards"]["failed"].as_u64() != Some(0) {
        return Err(ElasticError::Away("a part of the index".into()));
    }
    let hits = answer["hits"]["hits"]
        .as_array()
        .ok_or_else(|| unread(answer))?;
    hits.iter()
        .map(|hit| read(hit).ok_or_else(|| unread(hit)))
        .collect()
}

fn read(document: &Value) -> Option<(String, i64)> {
    let id = document["_id"].as_str()?;
    Some((id.to_owned(), document["_version"].as_i64()?))
}

fn unread(answer: &Value) -> ElasticError {
    ElasticError::Answer(cut(&format!("of documents' versions: {answer}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_that_are_there_have_their_version() {
        let answer = json!({"docs": [
            {"_id": "a", "_version": 7, "found": true}, {"_id": "b", "found": false}]});
        let versions = of_documents("x", &answer).expect("it can be read");
        assert_eq!(versions, BTreeMap::from([("a".to_owned(), 7)]));
        let gone = json!({"docs": [{"_id": "a", "error": {"type": "index_not_found_exception"}}]});
        assert!(matches!(
            of_documents("x", &gone),
            Err(ElasticError::Refused { status: 404, .. })
        ));
    }

    #[test]
    fn hits_without_a_shard_are_none() {
        let answer = |failed: u64| {
            json!({"timed_out": false, "_shards": {"failed": failed},
                   "hits": {"hits": [{"_id": "a", "_version": 3}]}})
        };
        assert_eq!(of_hits(&answer(0)).expect("whole"), [("a".to_owned(), 3)]);
        assert!(of_hits(&answer(1)).is_err());
    }
}
