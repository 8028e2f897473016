//! Canonical addresses (RFC 6596): which ones are believed, and what is left to them.
//!
//! A page that names another address as its canonical one shows the same pictures again; they are
//! left to the canonical page, so that a page with ten addresses is one sighting. What site owners
//! get wrong most often must not lose pictures: every page naming the start page, and canonical
//! addresses that lead back, fail, or show nothing.

use tusou_ingest::{Address, Scope};

use crate::frontier::KnownPage;

/// What comes of a page's canonical address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Preferred {
    /// To be reached in the page's stead.
    pub(super) canonical: Option<Address>,
    /// Whether the page's pictures are left to it.
    pub(super) left: bool,
}

/// Whether `canonical` can be another page that `page` stands aside for: one of the same host, and
/// neither the start page (unless `page` is that) nor the same but for a slash at the path's end.
pub(super) fn may_stand_for(canonical: &Address, page: &Address) -> bool {
    let is_start = canonical.path_and_query() == "/" && page.path() != "/";
    Scope::Host.contains(page, canonical)
        && !is_start
        && without_slash(canonical) != without_slash(page)
}

fn without_slash(address: &Address) -> (&str, &str, &str) {
    let (path, query) = address
        .path_and_query()
        .split_once('?')
        .unwrap_or((address.path_and_query(), ""));
    (address.origin(), path.trim_end_matches('/'), query)
}

impl KnownPage {
    /// Whether a page's pictures are left to this canonical one. `may_wait`: where it was not read
    /// yet, it is expected to show them. That is expected once, since it may never be read.
    pub(super) fn stands(self, may_wait: bool) -> bool {
        match self {
            Self::Shows => true,
            Self::Unread => may_wait,
            Self::ShowsNothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_no_canonical_addresses() {
        let stands = |canonical: &str, page: &str| {
            let address = |text| Address::parse(text).expect("an address");
            may_stand_for(&address(canonical), &address(page))
        };
        for (canonical, page) in [
            ("http://a.test/p", "http://a.test/p?sort=up"),
            ("http://a.test/p?id=1", "http://a.test/p?id=1&sort=up"),
            ("http://a.test/", "http://a.test/?sort=up"),
            ("http://a.test/en/", "http://a.test/en/index.html"),
            ("https://a.test/p", "http://a.test/p"),
        ] {
            assert!(stands(canonical, page), "{page} to {canonical}");
        }
        for (canonical, page) in [
            ("http://a.test/p", "http://a.test/p"),
            ("http://a.test/p/", "http://a.test/p"),
            ("http://a.test/p", "http://a.test/p//"),
            ("http://a.test/p/?id=1", "http://a.test/p?id=1"),
            ("http://a.test/", "http://a.test/p"),
            ("http://a.test/", "http://a.test/index.html?x"),
            ("http://b.test/p", "http://a.test/p?sort=up"),
            ("http://www.a.test/p", "http://a.test/p"),
            ("http://a.test:81/p", "http://a.test:82/p?sort=up"),
        ] {
            assert!(!stands(canonical, page), "{page} to {canonical}");
        }
    }
}
