//! `/v1/openapi.json`: the API described for programs, made from the handlers and types themselves.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

use super::{images, search};
use crate::problem::{self, Problem};

/// The API of the search service.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tusou search",
        description = "Pictures by words, by a picture, or by both. What each part means: docs/api.md."
    ),
    paths(
        search::search,
        search::search_by_form,
        images::document,
        images::similar,
        images::sightings,
        images::thumbnail,
        openapi
    ),
    components(schemas(Problem)),
    modifiers(&Keys),
    security(("key" = []), ("bearer" = []))
)]
struct Api;

/// How an API key is sent, where the service asks for one.
struct Keys;

impl Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("key", SecurityScheme::ApiKey(header));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Errors, each with a [`Problem`] as its body.
fn problems(of: &[(u16, &str)]) -> BTreeMap<String, RefOr<Described>> {
    let content = || {
        ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build()
    };
    let described = |text: &str| {
        ResponseBuilder::new()
            .description(text)
            .content(problem::MEDIA_TYPE, content())
            .build()
    };
    of.iter()
        .map(|(status, text)| (status.to_string(), described(text).into()))
        .collect()
}

/// Errors of whatever asks the index.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[
            (400, "A parameter cannot be read; `field` names it"),
            (
                401,
                "An API key is needed, or nobody has the one that was sent",
            ),
            (404, "There is no such picture"),
            (
                429,
                "This client asks more often than it may; `Retry-After` says when it may again",
            ),
            (431, "The headers are too large"),
            (500, "Something went wrong here"),
            (
                503,
                "Too much is asked, or a part is away; `Retry-After` says when to ask again",
            ),
        ])
    }
}

/// Errors of what brings a picture.
pub(super) struct PictureRefused;

impl IntoResponses for PictureRefused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[
            (415, "These bytes are no picture that can be read"),
            (422, "The picture cannot be decoded, or has too many pixels"),
        ])
    }
}

/// Errors of an upload, besides.
pub(super) struct UploadRefused;

impl IntoResponses for UploadRefused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[
            (408, "The upload did not come to its end in time"),
            (413, "The picture has too many bytes"),
        ])
    }
}

/// A picture's bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described")]
pub(super) struct Jpeg(Vec<u8>);

/// Errors of a thumbnail.
pub(super) struct ThumbnailRefused;

impl IntoResponses for ThumbnailRefused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[
            (400, "That is no id"),
            (404, "There is no thumbnail of that picture"),
            (
                503,
                "Too much is asked, or the store is away; `Retry-After` says when to ask again",
            ),
        ])
    }
}

/// What is looked for.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described: `query` reads the parameters")]
pub(super) struct Subject {
    /// Words, in any language that the model knows.
    #[param(max_length = 500)]
    q: Option<String>,
    /// The id of an indexed picture.
    like: Option<String>,
    /// The address of a picture on the web.
    url: Option<String>,
    /// The share of the words where a picture is given too; 0.5 unless said.
    #[param(minimum = 0, maximum = 1)]
    weight: Option<f32>,
}

/// In which sense, among which pictures, in which order.
#[derive(IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described: `query` reads the parameters")]
pub(super) struct Choice {
    /// `same` (copies of the picture), `looks` (what looks like it) or `means` (captions speak too).
    mode: Option<String>,
    /// How many hits; 20 unless said.
    #[param(minimum = 1, maximum = 100)]
    k: Option<u32>,
    /// The next page: `next` of the answer before.
    cursor: Option<String>,
    /// `relevance`, `newest`, `oldest`, `largest` or `smallest`.
    sort: Option<String>,
    /// `on` or `off`: whether near-duplicates stand under the best of them.
    group: Option<String>,
    /// `on` or `off`: whether pictures below the cut-off are hits too.
    all: Option<String>,
    /// `off` (unless said) or `on`: whether the candidates are counted by their properties.
    facets: Option<String>,
    /// `on` or `off`: whether pictures that the safety model scores high are left out.
    safe: Option<String>,
    /// Hosts, separated by commas: `example.org`, or `*.example.org` for all below it.
    host: Option<String>,
    /// File formats, separated by commas: `jpeg`, `png`, `webp`, `gif`, `bmp`, `avif`.
    format: Option<String>,
    /// Main colours by name, separated by commas.
    color: Option<String>,
    /// `small`, `medium`, `large`, `huge`, separated by commas.
    size: Option<String>,
    /// `tall`, `square`, `wide`, `panorama`, separated by commas.
    shape: Option<String>,
    /// What the licence is or begins with.
    license: Option<String>,
    /// First seen at this date or later: `2026-11-01`, or with a time (RFC 3339).
    since: Option<String>,
    /// First seen before the end of this date.
    until: Option<String>,
    /// Pixels across, at least.
    min_width: Option<u32>,
    /// Pixels down, at least.
    min_height: Option<u32>,
}

/// A form with a picture. Every parameter may stand in it, or in the address.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: `upload` reads the form")]
pub(super) struct SearchForm {
    /// The picture: JPEG, PNG, WebP, GIF or BMP.
    #[schema(value_type = Option<String>, format = Binary)]
    image: Option<Vec<u8>>,
    #[serde(flatten)]
    subject: Subject,
    #[serde(flatten)]
    choice: Choice,
}

/// The API itself, as OpenAPI 3.1
///
/// It needs no key.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    security(()),
    responses((status = 200, description = "This document", body = Object)),
)]
pub(super) async fn openapi() -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| text().into());
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, TEXT.clone()).into_response()
}

/// The document, with an end of line.
fn text() -> String {
    let mut text = Api::openapi()
        .to_pretty_json()
        .expect("the document is JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::query::{SEARCH, SIMILAR};

    fn api() -> Value {
        serde_json::from_str(&text()).expect("JSON")
    }

    fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
        value.as_object().into_iter().flatten()
    }

    /// Every value of a document, with those within.
    fn within<'a>(value: &'a Value, all: &mut Vec<&'a Value>) {
        all.push(value);
        match value {
            Value::Object(object) => object.values().for_each(|value| within(value, all)),
            Value::Array(array) => array.iter().for_each(|value| within(value, all)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let api = api();
        let described: BTreeSet<&str> = object(&api["paths"])
            .map(|(path, _)| path.as_str())
            .collect();
        assert_eq!(described, super::super::paths().into_iter().collect());
    }

    #[test]
    fn the_document_is_whole() {
        let api = api();
        assert_eq!(api["openapi"], "3.1.0");
        let mut all = Vec::new();
        within(&api, &mut all);
        let references = all.iter().filter_map(|value| value.get("$ref")?.as_str());
        let mut count = 0;
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(api.pointer(pointer).is_some(), "{reference} leads nowhere");
            count += 1;
        }
        assert!(count > 20, "{count}");
        let mut names = BTreeSet::new();
        for (path, methods) in object(&api["paths"]) {
            for (method, operation) in object(methods) {
                let name = operation["operationId"].as_str().expect("a name");
                assert!(names.insert(name), "{name} twice");
                let responses = object(&operation["responses"]);
                for (status, response) in responses {
                    let text = response["description"].as_str().unwrap_or_default();
                    assert!(text.len() > 5, "{method} {path} {status}");
                }
                assert!(
                    operation["responses"].get("200").is_some(),
                    "{method} {path}"
                );
                let in_path = |parameter: &&Value| parameter["in"] == "path";
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let wanted = path.matches('{').count();
                assert_eq!(
                    parameters.filter(in_path).count(),
                    wanted,
                    "{method} {path}"
                );
            }
        }
        for scheme in all
            .iter()
            .filter_map(|value| value["security"].as_array())
            .flatten()
        {
            for (name, _) in object(scheme) {
                assert!(
                    !api["components"]["securitySchemes"][name].is_null(),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_parameters_are_those_that_are_read() {
        let api = api();
        for (path, read) in [("/v1/search", SEARCH), ("/v1/images/{id}/similar", SIMILAR)] {
            let parameters = api["paths"][path]["get"]["parameters"].as_array();
            let named: BTreeSet<&str> = parameters
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "query")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            // The page's own language is no part of the API.
            let read = read.iter().copied().filter(|name| *name != "lang");
            assert_eq!(named, read.collect(), "{path}");
        }
    }

    #[test]
    fn the_document_in_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        let text = text();
        if std::env::var_os("TUSOU_UPDATE_DOCS").is_some() {
            std::fs::write(path, &text).expect("docs can be written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == text,
            "docs/openapi.json is not of this build: \
             TUSOU_UPDATE_DOCS=1 cargo test --release --workspace --lib -- the_document_in_docs"
        );
    }
}
