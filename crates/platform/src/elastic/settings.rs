//! What an index is set to, and changes of that.

use elasticsearch::http::Method;
use serde_json::{Value, json};

use super::{Elastic, ElasticError};

/// An index as Elasticsearch has it now.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexNow {
    /// The aliases that point at it.
    pub aliases: Vec<String>,
    /// `refresh_interval`, where somebody set it.
    pub refresh_interval: Option<String>,
    /// `number_of_replicas`
    pub replicas: u32,
    /// `_meta` of its mapping; null where there is none.
    pub meta: Value,
}

impl Elastic {
    /// The index's aliases, settings and `_meta`; `None` where it is not there.
    ///
    /// # Errors
    /// Whatever is away.
    pub async fn index_now(&self, index: &str) -> Result<Option<IndexNow>, ElasticError> {
        let path = format!("/{index}?flat_settings=true");
        match self.request(Method::Get, &path, None).await {
            Ok(answer) => Ok(Some(read(&answer[index]))),
            Err(ElasticError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes settings of an index: `{"refresh_interval": "30s"}`; null is the default.
    ///
    /// # Errors
    /// Whatever is away; [`ElasticError::Refused`] where the index is not there.
    pub async fn change_settings(&self, index: &str, settings: &Value) -> Result<(), ElasticError> {
        let path = format!("/{index}/_settings");
        let body = json!({"index": settings});
        self.request(Method::Put, &path, Some(&body)).await?;
        Ok(())
    }

    /// Replaces `_meta` of an index's mapping.
    ///
    /// # Errors
    /// Whatever is away; [`ElasticError::Refused`] where the index is not there.
    pub async fn change_meta(&self, index: &str, meta: &Value) -> Result<(), ElasticError> {
        let path = format!("/{index}/_mapping");
        let body = json!({"_meta": meta});
        self.request(Method::Put, &path, Some(&body)).await?;
        Ok(())
    }
}

fn read(index: &Value) -> IndexNow {
    let settings = &index["settings"];
    let aliases = index["aliases"].as_object();
    let replicas = settings["index.number_of_replicas"].as_str();
    IndexNow {
        aliases: aliases.map_or_else(Vec::new, |all| all.keys().cloned().collect()),
        refresh_interval: settings["index.refresh_interval"]
            .as_str()
            .map(str::to_owned),
        replicas: replicas
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
        meta: index["mappings"]["_meta"].clone(),
    }
}
