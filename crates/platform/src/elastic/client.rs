//! The client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use elasticsearch::http::Method;
use elasticsearch::http::headers::{
    ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::bulk::{self, BulkItem, BulkOutcome};
use super::connect;
use super::encoding::BulkEncoding;
use super::error::{ElasticError, cut, in_words, words_of};
use super::nodes::{Nodes, Request};
use super::versions;
use crate::config::{self, Elasticsearch};

/// Only these parts of a bulk's answer are asked for: what was written without trouble is not told
/// at length.
const BULK_ANSWER: [(&str, &str); 1] =
    [("filter_path", "items.*._id,items.*.status,items.*.error")];

/// Has the answer come as it is: to pack a thousand candidates, or outcomes, takes the server longer than to send them.
const UNPACKED: (HeaderName, HeaderValue) = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));

/// A client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Elastic {
    nodes: Nodes,
    /// For one request, whichever nodes it goes to.
    within: Duration,
    /// What to look at when it answers 401, and 403.
    denied: [&'static str; 2],
    wanted: config::BulkEncoding,
    encoding: Arc<OnceCell<BulkEncoding>>,
}

/// An answer below 400, or one that the caller asked to see.
struct Answered {
    status: u16,
    body: Bytes,
}

impl Elastic {
    /// Makes a client; asks nothing yet.
    ///
    /// # Errors
    /// [`ElasticError::Config`] where a URL is none of a server, `elasticsearch.ca_file` cannot be read or holds no
    /// certificates, or the credentials cannot be sent.
    pub fn new(config: &Elasticsearch) -> Result<Self, ElasticError> {
        Ok(Self {
            nodes: Nodes::new(connect::transports(config)?),
            within: Duration::from_millis(config.timeout_ms),
            denied: [401, 403].map(|status| connect::remedy(config, status)),
            wanted: config.bulk_encoding,
            encoding: Arc::default(),
        })
    }

    /// Whether it answers (`/_cluster/health`, since `GET /` is not there in every distribution).
    pub async fn ping(&self) -> Result<(), ElasticError> {
        self.ask("its health", Method::Get, "/_cluster/health", None, &[])
            .await?;
        Ok(())
    }

    /// How documents are to be written: by `elasticsearch.bulk_encoding`, and where that is `auto`, the most
    /// compact way that every node takes. The nodes are asked for their versions once, by this client and all its
    /// clones.
    pub async fn bulk_encoding(&self) -> Result<BulkEncoding, ElasticError> {
        let resolved = self.encoding.get_or_try_init(|| self.resolve_encoding());
        resolved.await.copied()
    }

    async fn resolve_encoding(&self) -> Result<BulkEncoding, ElasticError> {
        let encoding = match self.wanted {
            config::BulkEncoding::Json => BulkEncoding::Json,
            config::BulkEncoding::Smile => BulkEncoding::Smile,
            config::BulkEncoding::Auto => self.most_compact().await?,
        };
        tracing::info!(encoding = encoding.name(), "how bulks are written");
        Ok(encoding)
    }

    /// `GET /`, which tells a version too, is not there in every distribution.
    async fn most_compact(&self) -> Result<BulkEncoding, ElasticError> {
        let path = "/_nodes?filter_path=nodes.*.version";
        match self.request(Method::Get, path, None).await {
            Ok(answer) => {
                let nodes = answer["nodes"].as_object().into_iter().flatten();
                let versions = nodes.map(|(_, node)| node["version"].as_str().unwrap_or_default());
                Ok(BulkEncoding::of_versions(versions))
            }
            // The user may write, but not look at nodes: what every version takes.
            Err(ElasticError::Refused {
                status: 403,
                reason,
                ..
            }) => {
                tracing::warn!(
                    reason,
                    "the server's version is not told, bulks are written as SMILE"
                );
                Ok(BulkEncoding::Smile)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the items; one outcome for each, matched by position and checked by id.
    ///
    /// # Errors
    /// `Err` means that nothing is known of any item: write all again, later; in smaller bulks where it is
    /// [`ElasticError::TooLarge`]. [`ElasticError::Mixed`] where documents are not of one encoding.
    pub async fn bulk(&self, items: &[BulkItem]) -> Result<Vec<BulkOutcome>, ElasticError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let (encoding, body) = bulk::body(items)?;
        let mut headers = HeaderMap::new();
        let media_type = HeaderValue::from_static(encoding.media_type());
        headers.insert(CONTENT_TYPE, media_type);
        let (name, plain) = UNPACKED;
        headers.insert(name, plain);
        let request = Request {
            what: "a bulk",
            method: Method::Post,
            path: "/_bulk",
            headers,
            query: &BULK_ANSWER,
            body: Some(body),
            tell_time: false,
        };
        let answered = self.send(request, self.within, &[]).await?;
        bulk::outcomes(items, &answered.body)
    }

    /// `_search` with a body; the whole answer.
    pub async fn search(&self, index: &str, body: &Value) -> Result<Value, ElasticError> {
        let path = format!("/{index}/_search");
        let answered = self
            .ask("a search", Method::Post, &path, Some(body), &[])
            .await?;
        read("a search", &answered.body)
    }

    /// `_search` with a body that is answered as a whole within that time, or not at all. The server is told the
    /// time and stops by then; it stops at once, too, when this future is dropped, since its connection is closed.
    ///
    /// # Errors
    /// [`ElasticError::Overloaded`] where the server stopped because the time was up (it says 429 then),
    /// [`ElasticError::Away`] where none answered in time or a part of the index is away,
    /// [`ElasticError::Answer`] where the answer is no `T`.
    pub async fn search_within<T: DeserializeOwned>(
        &self,
        index: &str,
        body: &(impl Serialize + ?Sized),
        within: Duration,
    ) -> Result<T, ElasticError> {
        let what = "a search";
        let body = serde_json::to_vec(body).map_err(|error| {
            ElasticError::Answer(format!("{what} that was to be asked is no JSON: {error}"))
        })?;
        let request = Request {
            what,
            method: Method::Post,
            path: &format!("/{index}/_search"),
            headers: HeaderMap::from_iter([UNPACKED]),
            query: &[("allow_partial_search_results", "false")],
            body: Some(body.into()),
            tell_time: true,
        };
        let answered = self.send(request, within, &[]).await?;
        read(what, &answered.body)
    }

    /// Creates an index; `false` where it was there.
    pub async fn create_index(&self, index: &str, body: &Value) -> Result<bool, ElasticError> {
        let what = format!("the new index `{index}`");
        let path = format!("/{index}");
        let answered = self
            .ask(&what, Method::Put, &path, Some(body), &[400])
            .await?;
        if answered.status != 400 {
            return Ok(true);
        }
        let answer: Value = read(&what, &answered.body)?;
        if answer["error"]["type"] == "resource_already_exists_exception" {
            return Ok(false);
        }
        Err(ElasticError::Refused {
            what,
            status: answered.status,
            reason: in_words(&answer["error"]),
        })
    }

    /// Removes an index; `false` where there was none.
    pub async fn delete_index(&self, index: &str) -> Result<bool, ElasticError> {
        let what = format!("to remove the index `{index}`");
        let path = format!("/{index}");
        let answered = self.ask(&what, Method::Delete, &path, None, &[404]).await?;
        Ok(answered.status != 404)
    }

    /// The mapping of an index or alias (`{index: {"mappings": …}}`); `None` where there is none.
    pub async fn mapping(&self, index: &str) -> Result<Option<Value>, ElasticError> {
        let what = format!("the mapping of `{index}`");
        let path = format!("/{index}/_mapping");
        let answered = self.ask(&what, Method::Get, &path, None, &[404]).await?;
        match answered.status {
            404 => Ok(None),
            _ => read(&what, &answered.body).map(Some),
        }
    }

    /// Indexes behind an alias, by name.
    pub async fn alias(&self, alias: &str) -> Result<Vec<String>, ElasticError> {
        let what = format!("the alias `{alias}`");
        let path = format!("/_alias/{alias}");
        let answered = self.ask(&what, Method::Get, &path, None, &[404]).await?;
        if answered.status == 404 {
            return Ok(Vec::new());
        }
        let indexes: serde_json::Map<String, Value> = read(&what, &answered.body)?;
        Ok(indexes.into_iter().map(|(index, _)| index).collect())
    }

    /// Points the alias at this index alone, in one step.
    pub async fn point_alias(&self, alias: &str, index: &str) -> Result<(), ElasticError> {
        let mut actions: Vec<Value> = self
            .alias(alias)
            .await?
            .iter()
            .filter(|other| *other != index)
            .map(|other| json!({"remove": {"index": other, "alias": alias}}))
            .collect();
        actions.push(json!({"add": {"index": index, "alias": alias}}));
        let what = format!("to point the alias `{alias}` at `{index}`");
        let body = json!({"actions": actions});
        self.ask(&what, Method::Post, "/_aliases", Some(&body), &[])
            .await?;
        Ok(())
    }

    /// Makes what was written searchable.
    pub async fn refresh(&self, index: &str) -> Result<(), ElasticError> {
        let what = format!("to refresh `{index}`");
        let path = format!("/{index}/_refresh");
        self.ask(&what, Method::Post, &path, None, &[]).await?;
        Ok(())
    }

    /// Documents in an index.
    pub async fn count(&self, index: &str) -> Result<u64, ElasticError> {
        let what = format!("a count of `{index}`");
        let path = format!("/{index}/_count");
        let answered = self.ask(&what, Method::Get, &path, None, &[]).await?;
        let answer: Value = read(&what, &answered.body)?;
        answer["count"]
            .as_u64()
            .ok_or_else(|| ElasticError::Answer(format!("{what}: there is no count in it")))
    }

    /// The version of each of these documents that the index holds, written a moment ago or not, by
    /// id.
    pub async fn versions(
        &self,
        index: &str,
        ids: &[String],
    ) -> Result<BTreeMap<String, i64>, ElasticError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let what = format!("a look at documents of `{index}`");
        let path = format!("/{index}/_mget");
        let docs = ids.iter().map(|id| json!({"_id": id, "_source": false}));
        let body = json!({"docs": docs.collect::<Vec<_>>()});
        let answered = self
            .ask(&what, Method::Post, &path, Some(&body), &[])
            .await?;
        versions::of_documents(&what, &read(&what, &answered.body)?)
    }

    /// The next `size` documents of an index after the id `after`, in the order of their `image_id`:
    /// id and version. Those that were searchable at the last refresh. And where the next page begins:
    /// documents without an `image_id` come last, and nothing is asked for after them.
    pub async fn page(
        &self,
        index: &str,
        after: Option<&str>,
        size: usize,
    ) -> Result<(Vec<(String, i64)>, Option<String>), ElasticError> {
        let mut body = json!({
            "size": size, "query": {"match_all": {}}, "sort": ["image_id"], "version": true,
            "_source": false, "track_total_hits": false,
        });
        if let Some(after) = after {
            body["search_after"] = json!([after]);
        }
        let answer = self.search(index, &body).await?;
        let documents = versions::of_hits(&answer)?;
        let last = documents.len().checked_sub(1);
        let next = last.and_then(|last| answer["hits"]["hits"][last]["sort"][0].as_str());
        Ok((documents, next.map(str::to_owned)))
    }

    /// Any other request, with a JSON body; the whole answer.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ElasticError> {
        let answered = self.ask(path, method, path, body, &[]).await?;
        read(path, &answered.body)
    }

    /// A request with a JSON body; statuses in `seen` are answers, not errors.
    async fn ask(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        seen: &[u16],
    ) -> Result<Answered, ElasticError> {
        let request = Request {
            what,
            method,
            path,
            headers: HeaderMap::new(),
            query: &[],
            body: body.map(|body| Bytes::from(body.to_string())),
            tell_time: false,
        };
        self.send(request, self.within, seen).await
    }

    async fn send(
        &self,
        request: Request<'_>,
        within: Duration,
        seen: &[u16],
    ) -> Result<Answered, ElasticError> {
        let what = request.what;
        let (status, body) = self.nodes.send(request, within).await?;
        if status < 400 || seen.contains(&status) {
            return Ok(Answered { status, body });
        }
        let words = words_of(&body);
        let reason = match status {
            413 => return Err(ElasticError::TooLarge(words)),
            429 => return Err(ElasticError::Overloaded(words)),
            401 => format!("{}: {words}", self.denied[0]),
            // It is the answer of an index that is barred, too.
            403 if words.contains("security_exception") => format!("{}: {words}", self.denied[1]),
            _ => words,
        };
        Err(ElasticError::Refused {
            what: what.to_owned(),
            status,
            reason: cut(&reason),
        })
    }
}

fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, ElasticError> {
    serde_json::from_slice(body)
        .map_err(|error| ElasticError::Answer(cut(&format!("{what}: {error}"))))
}
