//! What stands around a picture where it is seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a page, feed, sitemap or list says around a picture, beside its alt text, title and caption.
/// Texts are single lines, never empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SightingContext {
    /// `aria-label`: the name that assistive technology reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The text of the link that it stands in or that leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_text: Option<String>,
    /// The nearest heading before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<String>,
    /// The way it was found, as the crawler's counts name it: `img`, `srcset`, `css`, `sitemap`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
    /// The page that shows it, where a sitemap, feed or list says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Addresses of the same picture in other sizes, which are not fetched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<String>,
    /// Further columns of its row in a list, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

impl SightingContext {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
