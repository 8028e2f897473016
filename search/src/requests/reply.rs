//! The parts of an answer that are read. Elasticsearch names them so.

use std::time::Instant;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tusou_platform::elastic::ElasticError;

use crate::access::deadline::Deadline;
use crate::app::App;
use crate::error::SearchError;

/// Asks the index for hits of this kind, for as long as the request has left.
pub(super) async fn ask<H: DeserializeOwned>(
    app: &App,
    body: &Value,
) -> Result<Vec<H>, SearchError> {
    let within = Deadline::current().left();
    let started = Instant::now();
    let reply = app
        .elastic
        .search_within::<Reply<H>>(&app.settings.alias, body, within);
    match reply.await {
        Ok(reply) => reply.hits(),
        // What the request had left is used up: that is how it ends, whoever says so first.
        Err(_) if started.elapsed() >= within => Err(SearchError::Timeout),
        Err(error) => Err(refused(error)),
    }
}

/// A search's answer with hits of this kind.
#[derive(Debug, Deserialize)]
struct Reply<H> {
    timed_out: bool,
    _shards: Shards,
    hits: Hits<H>,
}

#[derive(Debug, Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Debug, Deserialize)]
struct Hits<H> {
    hits: Vec<H>,
}

impl<H> Reply<H> {
    /// The hits; an answer that lacks the documents of a shard is none.
    fn hits(self) -> Result<Vec<H>, SearchError> {
        if self.timed_out || self._shards.failed > 0 {
            return Err(SearchError::Away {
                what: "a part of the index",
                cause: format!("{} shards failed", self._shards.failed).into(),
            });
        }
        Ok(self.hits.hits)
    }
}

/// What a search is told where Elasticsearch does not answer it.
fn refused(error: ElasticError) -> SearchError {
    match error {
        ElasticError::Refused { status: 404, .. } => {
            SearchError::IndexNotReady(crate::index::NOTHING_YET.into())
        }
        ElasticError::Away(_) | ElasticError::Overloaded(_) => SearchError::Away {
            what: "the index",
            cause: error.into(),
        },
        other => SearchError::internal(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_without_a_shard_is_none() {
        let reply = |timed_out: bool, failed: u64| -> Reply<Value> {
            let answer = json!({"timed_out": timed_out, "_shards": {"failed": failed}, "hits": {"hits": [{}]}});
            serde_json::from_value(answer).expect("an answer")
        };
        assert_eq!(reply(false, 0).hits().expect("whole").len(), 1);
        for partial in [reply(true, 0), reply(false, 1)] {
            assert_eq!(partial.hits().expect_err("partial").code(), "unavailable");
        }
    }
}
