//! The known keys, taken from the default configuration itself, and what is secret among them.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Config;

/// `section.key` of every key, with its default.
pub(super) type Keys = BTreeMap<String, Value>;

/// Values that no message and no listing shows.
const SECRETS: [&str; 12] = [
    "database.url",
    "amqp.url",
    "amqp.further_urls",
    "rabbitmq.api_url",
    "rabbitmq.further_api_urls",
    "elasticsearch.password",
    "elasticsearch.api_key",
    "blobs.secret_access_key",
    "models.hub_token",
    "search.api_keys",
    "search.client_key",
    "operator.password",
];

/// The most characters of a value that a message shows.
const SHOWN: usize = 80;

/// The configuration as tables of values.
pub(super) fn table(config: &Config) -> Table {
    Table::try_from(config).expect("every key of the configuration has a form in TOML")
}

/// Every leaf of the configuration by `section.key`.
pub(super) fn leaves(config: &Config) -> Keys {
    let mut keys = Keys::new();
    for (section, values) in table(config) {
        if let Value::Table(values) = values {
            for (key, value) in values {
                keys.insert(format!("{section}.{key}"), value);
            }
        }
    }
    keys
}

/// Whether the value must not be shown: a secret's, or a URL with credentials within.
pub(super) fn is_secret(key: &str, value: &Value) -> bool {
    let of_urls = ["url", "_urls", "_endpoint"];
    let of_urls = of_urls.iter().any(|end| key.ends_with(end));
    let credentials = || of_urls && value.to_string().contains('@');
    SECRETS.contains(&key) || credentials()
}

/// `crawler.hosts` as `TUSOU_CRAWLER_HOSTS`.
pub(super) fn variable(key: &str) -> String {
    format!("TUSOU_{}", key.replace('.', "_").to_uppercase())
}

/// An example of a good value for a message.
pub(super) fn example(key: &str, default: &Value) -> String {
    match key {
        "network.allow" => r#"["127.0.0.0/8"]"#.to_owned(),
        _ => default.to_string(),
    }
}

/// A value short enough for a line.
pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(SHOWN).collect();
    short.push('…');
    short
}

/// What to say to somebody who wrote an unknown key or section.
pub(super) fn suggestion<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    // Two keys of different sections are often alike but for the section, and then that is the
    // likely slip; a transposed or missing letter is the other.
    let name = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let wrong_name = name(wrong);
    let close = known
        .map(|key| {
            let distance = if key.contains('.') && name(key) == wrong_name {
                1
            } else {
                strsim::damerau_levenshtein(wrong, key)
            };
            (distance, key)
        })
        .min()
        .filter(|(distance, key)| *distance <= (key.len() / 4).max(2));
    match close {
        Some((_, key)) => format!("did you mean `{key}`?"),
        None => "see the list of keys in the guide, or remove it".to_owned(),
    }
}
