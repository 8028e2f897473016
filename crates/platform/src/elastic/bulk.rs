//! A bulk's body, and what became of each of its items.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ElasticError;
use super::encoding::{BulkEncoding, Source};
use super::error::{cut, in_words};

/// The types of errors of an index that somebody, or a full disk, has barred.
const BARRED: [&str; 2] = ["cluster_block_exception", "index_closed_exception"];

/// One document of a bulk.
#[derive(Debug, Clone)]
pub struct BulkItem {
    /// The index.
    pub index: String,
    /// `_id`.
    pub id: String,
    /// External version (`external_gte`).
    pub version: i64,
    /// The document; `None` deletes it.
    pub source: Option<Source>,
}

/// What became of one item, in the order of the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkOutcome {
    /// Written.
    Written,
    /// 409: a newer version is there, which is success; or a delete of what is not there.
    Superseded,
    /// 401, 403, 429 or 5xx, or an index that is blocked or closed: this item again, later. It
    /// concerns the server, not the document.
    Busy {
        /// whether it had too much to do (429): less at once helps
        overloaded: bool,
        /// its own words
        reason: String,
    },
    /// 400: documents of this shape do not fit the index's mapping: a field that it lacks, a vector of another
    /// dimension, another type. It concerns the index, which another build or other models made, not the document.
    Conflict {
        /// its own words, cut
        reason: String,
    },
    /// Any other 4xx: this document never; 404 where the index is not there.
    Refused {
        /// HTTP status
        status: u16,
        /// its own words, cut
        reason: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Action<'a> {
    Index(Target<'a>),
    Delete(Target<'a>),
}

#[derive(Serialize)]
struct Target<'a> {
    _index: &'a str,
    _id: &'a str,
    version: i64,
    version_type: &'static str,
}

/// The items as one body, and its encoding: that of the documents.
pub(super) fn body(items: &[BulkItem]) -> Result<(BulkEncoding, Bytes), ElasticError> {
    let encoding = encoding_of(items)?;
    let documents = items.iter().filter_map(|item| item.source.as_ref());
    let size: usize = documents.map(Source::len).sum();
    let mut body = Vec::with_capacity(size + items.len() * 256);
    for item in items {
        let target = Target {
            _index: &item.index,
            _id: &item.id,
            version: item.version,
            version_type: "external_gte",
        };
        let action = match item.source {
            Some(_) => Action::Index(target),
            None => Action::Delete(target),
        };
        encoding.append(&mut body, &action);
        body.push(encoding.separator());
        if let Some(source) = &item.source {
            body.extend_from_slice(source.bytes());
            body.push(encoding.separator());
        }
    }
    Ok((encoding, body.into()))
}

/// The encoding of the documents; JSON where there are deletes alone.
fn encoding_of(items: &[BulkItem]) -> Result<BulkEncoding, ElasticError> {
    let sources = items.iter().filter_map(|item| item.source.as_ref());
    let mut encodings = sources.map(Source::encoding);
    let first = encodings.next().unwrap_or(BulkEncoding::Json);
    match encodings.find(|encoding| *encoding != first) {
        Some(other) => Err(ElasticError::Mixed(first.name(), other.name())),
        None => Ok(first),
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    items: Vec<AnsweredItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnsweredItem {
    Index(Done),
    Delete(Done),
}

#[derive(Deserialize)]
struct Done {
    #[serde(rename = "_id", default)]
    id: String,
    status: u16,
    error: Option<Value>,
}

/// Reads the answer. An item's status stays matched to its item: by position, checked by id.
pub(super) fn outcomes(
    items: &[BulkItem],
    answer: &[u8],
) -> Result<Vec<BulkOutcome>, ElasticError> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| ElasticError::Answer(cut(&format!("of a bulk: {error}"))))?;
    if answer.items.len() != items.len() {
        return Err(ElasticError::Answer(format!(
            "a bulk of {} items was answered with {}",
            items.len(),
            answer.items.len()
        )));
    }
    items.iter().zip(answer.items).map(outcome).collect()
}

fn outcome((item, answered): (&BulkItem, AnsweredItem)) -> Result<BulkOutcome, ElasticError> {
    let (deleted, done) = match answered {
        AnsweredItem::Index(done) => (false, done),
        AnsweredItem::Delete(done) => (true, done),
    };
    if done.id != item.id || deleted != item.source.is_none() {
        return Err(ElasticError::Answer(cut(&format!(
            "a bulk's item {} was answered as {}",
            item.id, done.id
        ))));
    }
    let reason = || done.error.as_ref().map(in_words).unwrap_or_default();
    Ok(match done.status {
        200..=299 => BulkOutcome::Written,
        409 => BulkOutcome::Superseded,
        // Without an error, it is the document that was not there; with one, the index.
        404 if deleted && done.error.is_none() => BulkOutcome::Superseded,
        _ if done.error.as_ref().is_some_and(is_barred) => BulkOutcome::Busy {
            overloaded: false,
            reason: reason(),
        },
        401 | 403 | 429 | 500.. => BulkOutcome::Busy {
            overloaded: done.status == 429,
            reason: reason(),
        },
        400 if done.error.as_ref().is_some_and(is_conflict) => {
            BulkOutcome::Conflict { reason: reason() }
        }
        status => BulkOutcome::Refused {
            status,
            reason: reason(),
        },
    })
}

/// Whether the index takes no document at all for now, whatever the status: a closed one says 400.
fn is_barred(error: &Value) -> bool {
    let kind = error["type"].as_str();
    kind.is_some_and(|kind| BARRED.contains(&kind))
}

/// Whether the index's mapping takes no document of this shape. The server has hardly a type of error for it, so its
/// words are looked at: as they begin, since further on they may quote the document, which a web page wrote.
fn is_conflict(error: &Value) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let reason = error["reason"].as_str().unwrap_or_default();
        let of_dimensions = reason.starts_with("The [dense_vector] field [")
            && (reason.contains("] has a different number of dimensions [")
                || reason.contains("] has more dimensions than defined in the mapping ["));
        // Behind the place in the document: `[1:11] `.
        let behind = reason.split_once("] ").map_or(reason, |(_, rest)| rest);
        let of_objects = behind.starts_with("object mapping for [");
        if of_dimensions || of_objects || error["type"] == "strict_dynamic_mapping_exception" {
            return true;
        }
        cause = error.get("caused_by");
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, source: Option<&str>) -> BulkItem {
        BulkItem {
            index: "i".into(),
            id: id.into(),
            version: 7,
            source: source.map(|text| Source::from(text.as_bytes().to_vec())),
        }
    }

    #[test]
    fn a_body_has_an_action_and_a_document_a_line() {
        let items = [item("a", Some("{}")), item("b", None)];
        let expected = concat!(
            r#"{"index":{"_index":"i","_id":"a","version":7,"version_type":"external_gte"}}"#,
            "\n{}\n",
            r#"{"delete":{"_index":"i","_id":"b","version":7,"version_type":"external_gte"}}"#,
            "\n"
        );
        let (encoding, body) = body(&items).expect("one encoding");
        assert_eq!(encoding, BulkEncoding::Json);
        assert_eq!(body, expected.as_bytes());
    }

    #[test]
    fn every_status_has_its_outcome() {
        let items = ["ok", "old", "busy", "broken", "bad"].map(|id| item(id, Some("{}")));
        let answer = r#"{"errors":true,"items":[
            {"index":{"_id":"ok","status":201}},
            {"index":{"_id":"old","status":409,"error":{"type":"version_conflict"}}},
            {"index":{"_id":"busy","status":429,"error":{"type":"rejected","reason":"full"}}},
            {"index":{"_id":"broken","status":503,"error":{"type":"unavailable"}}},
            {"index":{"_id":"bad","status":400,"error":{"type":"strict","reason":"x"}}}]}"#;
        let expected = [
            BulkOutcome::Written,
            BulkOutcome::Superseded,
            BulkOutcome::Busy {
                overloaded: true,
                reason: "rejected: full".into(),
            },
            BulkOutcome::Busy {
                overloaded: false,
                reason: "unavailable".into(),
            },
            BulkOutcome::Refused {
                status: 400,
                reason: "strict: x".into(),
            },
        ];
        let outcomes = outcomes(&items, answer.as_bytes()).expect("the answer fits");
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn what_is_no_fault_of_the_document_is_tried_again() {
        for (status, kind) in [
            (401, "security_exception"),
            (403, "security_exception"),
            (403, "cluster_block_exception"),
            (429, "cluster_block_exception"),
            (400, "cluster_block_exception"),
            (400, "index_closed_exception"),
        ] {
            for (item, action) in [
                (item("a", Some("{}")), "index"),
                (item("a", None), "delete"),
            ] {
                let answer = format!(
                    r#"{{"items":[{{"{action}":{{"_id":"a","status":{status},"error":{{"type":"{kind}","reason":"x"}}}}}}]}}"#
                );
                let outcomes = outcomes(&[item], answer.as_bytes()).expect("the answer fits");
                let reason = format!("{kind}: x");
                let busy = BulkOutcome::Busy {
                    overloaded: false,
                    reason,
                };
                assert_eq!(outcomes, [busy], "{status}");
            }
        }
    }

    /// As 9.2.4 words them.
    #[test]
    fn what_does_not_fit_the_mapping_is_no_fault_of_the_document() {
        let outcome = |kind: &str, reason: &str, cause: &str| {
            let error = serde_json::json!({"type": kind, "reason": reason,
                "caused_by": {"type": "illegal_argument_exception", "reason": cause}});
            let answer = serde_json::json!({"items": [{"index":
                {"_id": "a", "status": 400, "error": error}}]});
            let items = [item("a", Some("{}"))];
            outcomes(&items, answer.to_string().as_bytes()).expect("the answer fits")[0].clone()
        };
        let fewer = "The [dense_vector] field [v] in doc [document with id 'a'] has a different number of \
                     dimensions [1] than defined in the mapping [3]";
        let more = "The [dense_vector] field [v] in doc [document with id 'a'] has more dimensions than defined \
                    in the mapping [3]";
        let parsing = "document_parsing_exception";
        for (kind, reason, cause) in [
            (
                "strict_dynamic_mapping_exception",
                "[1:13] mapping set to strict, dynamic introduction of [x] within [_doc] is not allowed",
                "",
            ),
            (parsing, "[1:10] failed to parse", fewer),
            (parsing, "[1:13] failed to parse", more),
            (
                parsing,
                "[1:11] object mapping for [rights] tried to parse field [rights] as object, but found a concrete \
                 value",
                "",
            ),
        ] {
            let outcome = outcome(kind, reason, cause);
            assert!(
                matches!(outcome, BulkOutcome::Conflict { .. }),
                "{outcome:?}"
            );
        }
        // The words of a page, quoted: it must not be able to stop the queue.
        let quoted = format!(
            "[1:9] failed to parse field [taken_at] of type [date] in document with id 'a'. Preview of field's \
             value: '{fewer}'"
        );
        for (reason, cause) in [
            (quoted.as_str(), quoted.as_str()),
            (
                "[1:12] failed to parse",
                "The [cosine] similarity does not support vectors with zero magnitude.",
            ),
        ] {
            let outcome = outcome(parsing, reason, cause);
            assert!(
                matches!(outcome, BulkOutcome::Refused { status: 400, .. }),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn documents_of_two_encodings_are_no_bulk() {
        let mut smile = Vec::new();
        BulkEncoding::Smile.append(&mut smile, &serde_json::json!({}));
        let of = |encoding| Source::of(smile.clone(), encoding);
        let mut items = ["a", "b", "c"].map(|id| item(id, Some("{}")));
        items[1].source = None;
        items[2].source = Some(of(BulkEncoding::Smile));
        assert!(matches!(
            body(&items),
            Err(ElasticError::Mixed("json", "smile"))
        ));
        items[0].source = Some(of(BulkEncoding::Smile));
        let (encoding, body) = body(&items).expect("one encoding");
        assert_eq!(encoding, BulkEncoding::Smile);
        // Action and document, the delete, action and document; nothing else has that byte.
        assert_eq!(body.iter().filter(|byte| **byte == 0xFF).count(), 5);
        assert_eq!(body.last(), Some(&0xFF));
    }

    #[test]
    fn an_answer_that_does_not_fit_its_items_is_an_error() {
        let items = [item("a", Some("{}"))];
        for answer in [
            r#"{"items":[]}"#,
            r#"{"items":[{"index":{"_id":"b","status":200}}]}"#,
            r#"{"items":[{"delete":{"_id":"a","status":200}}]}"#,
            r#"{"items":[{"index":{"_id":"a"}}]}"#,
            "<html>",
        ] {
            let outcome = outcomes(&items, answer.as_bytes());
            assert!(matches!(outcome, Err(ElasticError::Answer(_))), "{answer}");
        }
    }

    #[test]
    fn a_delete_of_nothing_is_superseded_and_one_of_a_missing_index_is_not() {
        let items = [item("a", None), item("b", None)];
        let answer = r#"{"items":[{"delete":{"_id":"a","status":404}},
            {"delete":{"_id":"b","status":404,"error":{"type":"index_not_found_exception"}}}]}"#;
        let outcomes = outcomes(&items, answer.as_bytes()).expect("the answer fits");
        assert_eq!(outcomes[0], BulkOutcome::Superseded);
        assert!(matches!(
            outcomes[1],
            BulkOutcome::Refused { status: 404, .. }
        ));
    }
}
