//! The page's own files, built in, and their addresses.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// How it looks.
pub(crate) const STYLE: &str = include_str!("../../assets/style.css");
/// What scripts add. The first runs before anything is drawn. The others: drop, paste, a camera and a part of the picture, and searching with them without leaving the
/// page; further pictures as one scrolls.
pub(crate) const SCRIPTS: [(&str, &str); 3] = [
    ("begin.js", include_str!("../../assets/begin.js")),
    ("picture.js", include_str!("../../assets/picture.js")),
    ("scroll.js", include_str!("../../assets/scroll.js")),
];
/// The icon.
pub(crate) const ICON: &str = include_str!("../../assets/icon.svg");

/// The addresses, which change with the bytes.
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) scripts: [String; SCRIPTS.len()],
    pub(super) icon: String,
}

/// The addresses of this build.
pub(super) static ADDRESSES: LazyLock<Addresses> = LazyLock::new(|| Addresses {
    style: address("style.css", STYLE),
    scripts: SCRIPTS.map(|(name, text)| address(name, text)),
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
        let scripts = SCRIPTS.map(|(_, text)| text);
        let bytes = scripts.concat().len();
        assert!(bytes < 30_000, "{bytes} bytes");
        for text in [&[STYLE], &scripts[..]].concat() {
            assert!(!text.contains("//cdn") && !text.contains("http:") && !text.contains("https:"));
        }
    }
}
