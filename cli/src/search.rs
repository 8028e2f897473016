//! `tusou search`

mod text;

use std::io::Write;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Url};
use serde::Deserialize;
use tusou_platform::Config;

use crate::args::Search;
use crate::error::Error;
use crate::format::one_line;

/// The most of an error's answer that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// The search service's answer, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Answer {
    took_ms: u64,
    hits: Vec<Hit>,
    considered: Considered,
    #[serde(default)]
    best_guess: Option<Guess>,
}

#[derive(Debug, Deserialize)]
struct Considered {
    limit: u64,
    found: u64,
    below: u64,
}

#[derive(Debug, Deserialize)]
struct Guess {
    words: String,
}

#[derive(Debug, Deserialize)]
struct Hit {
    image_id: String,
    score: Option<f64>,
    image_name: String,
    width: u32,
    height: u32,
    format: String,
    sightings: u64,
    captions: Vec<String>,
    pages: Vec<Page>,
    #[serde(default)]
    copies_total: u64,
}

#[derive(Debug, Deserialize)]
struct Page {
    page_url: String,
    page_title: Option<String>,
    gone_since: Option<String>,
}

/// Asks the search service, so that a search here is the search that everybody has.
pub(crate) async fn run(config: &Config, args: &Search, out: &mut dyn Write) -> Result<(), Error> {
    let url = endpoint(config)?;
    let body = ask(config, args, url.clone()).await?;
    let unread = |cause| Error::SearchAnswer {
        url: url.to_string(),
        cause,
    };
    if args.json {
        let answer: serde_json::Value = serde_json::from_slice(&body).map_err(unread)?;
        writeln!(out, "{answer:#}")?;
    } else {
        let answer: Answer = serde_json::from_slice(&body).map_err(unread)?;
        write!(out, "{}", text::answer(&answer))?;
    }
    Ok(())
}

fn endpoint(config: &Config) -> Result<Url, Error> {
    let unusable = || Error::SearchUrl {
        url: config.search.url.clone(),
    };
    let mut url = Url::parse(&config.search.url).map_err(|_| unusable())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable());
    }
    let mut segments = url.path_segments_mut().map_err(|()| unusable())?;
    segments.pop_if_empty().extend(["v1", "search"]);
    drop(segments);
    Ok(url)
}

async fn ask(config: &Config, args: &Search, mut url: Url) -> Result<Vec<u8>, Error> {
    let shown = url.to_string();
    let away = |cause: reqwest::Error| Error::SearchAway {
        url: shown.clone(),
        cause: cause.without_url(),
    };
    // The service ends a request by itself; this ends one that it never took.
    let wait = std::time::Duration::from_millis(config.search.timeout_ms.saturating_mul(2));
    let client = Client::builder()
        .no_proxy()
        .timeout(wait)
        .build()
        .map_err(away)?;
    url.query_pairs_mut().append_pair("k", &args.k.to_string());
    let given = [
        ("q", &args.text),
        ("url", &args.url),
        ("like", &args.like),
        ("mode", &args.mode),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url.query_pairs_mut().extend_pairs(&args.with);
    let request = match &args.image {
        Some(path) => {
            let unread = |cause| Error::Picture {
                path: path.clone(),
                cause,
            };
            let bytes = tokio::fs::read(path).await.map_err(unread)?;
            let part = Part::bytes(bytes).file_name("picture");
            client.post(url).multipart(Form::new().part("image", part))
        }
        None => client.get(url),
    };
    let request = match config.search.client_key.as_str() {
        "" => request,
        key => request.bearer_auth(key),
    };
    let answer = request.send().await.map_err(away)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(away)?;
    if status.is_success() {
        return Ok(body.into());
    }
    let problem: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let detail = problem
        .as_ref()
        .and_then(|problem| problem["detail"].as_str());
    let detail = detail.map_or_else(
        || String::from_utf8_lossy(&body).into_owned(),
        str::to_owned,
    );
    Err(Error::SearchRefused {
        status: status.as_u16(),
        message: one_line(&detail, MAX_MESSAGE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_stands_below_the_url() {
        let endpoint = |url: &str| {
            let mut config = Config::default();
            config.search.url = url.into();
            endpoint(&config).map(|url| url.to_string())
        };
        assert_eq!(
            endpoint("http://h:1").expect("a URL"),
            "http://h:1/v1/search"
        );
        assert_eq!(
            endpoint("https://h/find/").expect("a URL"),
            "https://h/find/v1/search"
        );
        for url in ["h:1", "mailto:a@b", ""] {
            assert!(
                matches!(endpoint(url), Err(Error::SearchUrl { .. })),
                "{url}"
            );
        }
    }
}
