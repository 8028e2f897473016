//! The page's own files, built in; their addresses change with their bytes, so that they can be kept for ever.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

/// How it looks.
pub(super) const STYLE: &str = include_str!("../../assets/operate.css");
/// What a script adds: fresh figures without leaving the page.
pub(super) const SCRIPT: &str = include_str!("../../assets/operate.js");
/// The icon.
pub(super) const ICON: &str = include_str!("../../assets/icon.svg");

const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// The addresses of this build.
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
}

pub(super) static ADDRESSES: LazyLock<Addresses> = LazyLock::new(|| Addresses {
    style: address("operate.css", STYLE),
    script: address("operate.js", SCRIPT),
    icon: address("icon.svg", ICON),
});

fn address(name: &str, text: &str) -> String {
    let digest = hex::encode(Sha256::digest(text));
    format!("/assets/{name}?{}", &digest[..8])
}

/// One of them.
pub(super) fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, FOR_EVER)];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_stays_small_and_nothing_names_another_host() {
        assert!(SCRIPT.len() < 10_000, "{} bytes", SCRIPT.len());
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("//cdn") && !text.contains("http:") && !text.contains("https:"));
        }
    }
}
