//! `[discovery]`: which ways into a site are taken beside its links.

use serde::{Deserialize, Serialize};

/// `[discovery]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Discovery {
    /// Whether sitemaps are asked for: those that robots.txt names, else `/sitemap.xml`.
    pub sitemaps: bool,
    /// Whether feeds (RSS, Atom) that pages name are asked for and read.
    pub feeds: bool,
    /// Sitemaps of one seed, at most; further ones are left out.
    pub max_sitemaps: u64,
    /// The most bytes of a sitemap that are read, decompressed; the protocol lets it have 50 MiB.
    pub max_sitemap_bytes: u64,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            sitemaps: true,
            feeds: true,
            max_sitemaps: 1_000,
            max_sitemap_bytes: 50 << 20,
        }
    }
}
