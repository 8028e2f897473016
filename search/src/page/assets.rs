//! The page's own files, built in, and their addresses.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// How it looks.
pub(crate) const STYLE: &str = include_str!("../../assets/style.css");
/// What a script adds: drop, paste, and searching by picture without leaving the page.
pub(crate) const SCRIPT: &str = include_str!("../../assets/search.js");
/// The icon.
pub(crate) const ICON: &str = include_str!("../../assets/icon.svg");

/// The addresses, which change with the bytes.
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
}

/// The addresses of this build.
pub(super) static ADDRESSES: LazyLock<Addresses> = LazyLock::new(|| Addresses {
    style: address("style.css", STYLE),
    script: address("search.js", SCRIPT),
    icon: address("icon.svg", ICON),
});

fn address(name: &str, text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!(
        "/assets/{name}?{:02x}{:02x}{:02x}{:02x}",
        digest[0], digest[1], digest[2], digest[3]
    )
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
