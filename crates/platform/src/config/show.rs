//! Showing a configuration without its secrets.

use std::fmt;

use serde::Serialize;

use super::{
    Amqp, Blobs, Config, Database, Elasticsearch, Models, Operator, Rabbitmq, Search, keys,
};

/// What stands where a secret was.
const MASK: &str = "***";

impl Config {
    /// A copy to be shown: passwords and API keys are masked, hosts and user names are not.
    pub fn redacted(&self) -> Self {
        let mut shown = self.clone();
        for url in [
            &mut shown.database.url,
            &mut shown.models.hub_url,
            &mut shown.models.pypi_url,
        ] {
            *url = mask_url(url);
        }
        shown.models.hub_token = mask(&shown.models.hub_token);
        shown.amqp = shown.amqp.redacted();
        shown.rabbitmq = shown.rabbitmq.redacted();
        shown.elasticsearch = shown.elasticsearch.redacted();
        shown.blobs = shown.blobs.redacted();
        shown.search = shown.search.redacted();
        shown.operator = shown.operator.redacted();
        shown
    }

    /// Every key whose value is not the default's, as `section.key` and its value in TOML, masked
    /// as [`Config::redacted`] masks it.
    pub fn differences(&self) -> Vec<(String, String)> {
        let mut defaults = Self::default();
        defaults.models.locate_packs();
        let defaults = keys::leaves(&defaults);
        let values = keys::leaves(self);
        let shown = keys::leaves(&self.redacted());
        shown
            .into_iter()
            .filter(|(key, _)| defaults.get(key) != values.get(key))
            .map(|(key, value)| (key, value.to_string()))
            .collect()
    }
}

fn mask(secret: &str) -> String {
    if secret.is_empty() {
        String::new()
    } else {
        MASK.to_owned()
    }
}

/// The name of an API key, without the key.
fn mask_key(entry: &str) -> String {
    match entry.split_once(':') {
        Some((name, _)) => format!("{name}:{MASK}"),
        None => mask(entry),
    }
}

/// The URL without its password; wholly masked where it cannot be read. Drivers take passwords from
/// a query too, so a query that could hold one is masked whole.
pub(crate) fn mask_url(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else {
        return mask(text);
    };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return mask(text);
    }
    if url.query().is_some_and(|query| query.contains("pass")) {
        url.set_query(Some(MASK));
    }
    url.to_string()
}

// Sections with secrets show themselves masked even in a log's `{:?}`.

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &mask_url(&self.url))
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

impl Amqp {
    fn redacted(&self) -> Self {
        Self {
            url: mask_url(&self.url),
            further_urls: self.further_urls.iter().map(|url| mask_url(url)).collect(),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Amqp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        by_table(&self.redacted(), f)
    }
}

impl Rabbitmq {
    fn redacted(&self) -> Self {
        let further = self.further_api_urls.iter();
        Self {
            api_url: mask_url(&self.api_url),
            further_api_urls: further.map(|url| mask_url(url)).collect(),
        }
    }
}

impl fmt::Debug for Rabbitmq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        by_table(&self.redacted(), f)
    }
}

impl Elasticsearch {
    fn redacted(&self) -> Self {
        Self {
            url: mask_url(&self.url),
            further_urls: self.further_urls.iter().map(|url| mask_url(url)).collect(),
            password: mask(&self.password),
            api_key: mask(&self.api_key),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Elasticsearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        by_table(&self.redacted(), f)
    }
}

impl Blobs {
    fn redacted(&self) -> Self {
        Self {
            url: mask_url(&self.url),
            s3_endpoint: match self.s3_endpoint.as_str() {
                "" => String::new(),
                endpoint => mask_url(endpoint),
            },
            secret_access_key: mask(&self.secret_access_key),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        by_table(&self.redacted(), f)
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models")
            .field("runtime", &self.runtime)
            .field("device", &self.device)
            .field("packs", &self.packs)
            .field("folder", &self.folder)
            .field("hub_url", &mask_url(&self.hub_url))
            .field("hub_token", &mask(&self.hub_token))
            .field("pypi_url", &mask_url(&self.pypi_url))
            .field("offline", &self.offline)
            .finish()
    }
}

impl Search {
    fn redacted(&self) -> Self {
        Self {
            api_keys: self.api_keys.iter().map(|key| mask_key(key)).collect(),
            client_key: mask(&self.client_key),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        by_table(&self.redacted(), f)
    }
}

impl Operator {
    fn redacted(&self) -> Self {
        Self {
            password: mask(&self.password),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        by_table(&self.redacted(), f)
    }
}

/// A section of many fields: one more must not be forgotten here.
fn by_table(redacted: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match toml::Table::try_from(redacted) {
        Ok(table) => f.debug_map().entries(table).finish(),
        Err(_) => f.write_str(MASK),
    }
}
