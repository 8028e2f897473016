//! The floor: bodies that are ready, sent by a bare HTTP client. What writing cannot be faster than.

use anyhow::ensure;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::{Value, json};
use tusou_contract::Document;
use tusou_platform::Config;

use super::client::measured;
use super::{AT_ONCE, BULK, Run};

/// What stands after each part of a SMILE body.
const SEPARATOR: u8 = 0xFF;

pub(super) async fn write(
    config: &Config,
    index: &str,
    documents: &[Document],
) -> anyhow::Result<Run> {
    let config = &config.elasticsearch;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = config.url.trim_end_matches('/');
    let url = format!("{url}/{index}/_bulk?filter_path=errors,items.*.error");
    let bodies: Vec<(usize, Bytes)> = documents
        .chunks(BULK)
        .map(|chunk| Ok((chunk.len(), body(chunk)?)))
        .collect::<anyhow::Result<_>>()?;
    // A connection is no part of the rate.
    client.get(&config.url).send().await?.bytes().await?;
    let send = |(count, body): (usize, Bytes)| {
        let mut request = client.post(&url).header(CONTENT_TYPE, "application/smile");
        request = request.header(reqwest::header::ACCEPT, "application/json");
        if !config.username.is_empty() {
            request = request.basic_auth(&config.username, Some(&config.password));
        }
        let request = request.body(body);
        async move {
            let answer = request.send().await?.error_for_status()?.bytes().await?;
            let answer: Value = serde_json::from_slice(&answer)?;
            ensure!(answer["errors"] == false, "not all was written: {answer}");
            Ok(count)
        }
    };
    let sending = stream::iter(bodies)
        .map(send)
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |sum, count| Ok(sum + count));
    measured(sending).await
}

fn body(documents: &[Document]) -> anyhow::Result<Bytes> {
    let mut body = Vec::new();
    for document in documents {
        let target = json!({
            "_id": document.image_id, "version": document.rev, "version_type": "external_gte",
        });
        append(&mut body, &json!({"index": target}))?;
        append(&mut body, document)?;
    }
    Ok(body.into())
}

fn append(body: &mut Vec<u8>, value: &impl Serialize) -> anyhow::Result<()> {
    let mut smile = serde_smile::Serializer::builder()
        .shared_properties(false)
        .build(&mut *body);
    value.serialize(&mut smile)?;
    body.push(SEPARATOR);
    Ok(())
}
