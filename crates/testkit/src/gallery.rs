//! A site of a known shape, and what a crawl of it must show.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tusou_contract::ImageId;

use crate::{Reply, Shown, Site, pictures};

/// A site of `pages` pages in a chain and a tree, each with a picture of its own, one that it
/// shares with the next, and a logo that all show. `delay` slows every answer down.
#[derive(Debug)]
pub struct Gallery {
    /// The running site.
    pub site: Site,
    /// Every picture that it shows.
    pub pictures: BTreeMap<ImageId, Expected>,
}

/// What a crawl of the gallery must show of a picture.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The pages that show it.
    pub pages: BTreeSet<String>,
    /// All its words.
    pub captions: BTreeSet<String>,
}

impl Gallery {
    /// Opens a gallery of `pages` pages; every answer takes `delay`.
    pub async fn open(pages: u32, delay: Duration) -> Self {
        let site = Site::start().await;
        let mut gallery = Self {
            site,
            pictures: BTreeMap::new(),
        };
        let logo = pictures::png(0);
        gallery.site.put(
            "/logo.png",
            Reply::bytes("image/png", logo.clone()).after(delay),
        );
        for page in 0..pages {
            let own = pictures::jpeg(page + 1);
            gallery.site.put(
                &format!("/own/{page}.jpg"),
                Reply::bytes("image/jpeg", own.clone()).after(delay),
            );
            let path = if page == 0 {
                "/".to_owned()
            } else {
                format!("/page/{page}")
            };
            let next = (page + 1) % pages;
            let links: String = [page * 2 + 1, page * 2 + 2, next]
                .into_iter()
                .filter(|to| (1..pages).contains(to))
                .map(|to| format!("<a href=\"/page/{to}\">page {to}</a> "))
                .collect();
            let html = format!(
                "<!doctype html><html lang=en><title>Page {page}</title><body>{links}\
                 <img src=/logo.png alt=\"The logo\">\
                 <figure><img src=\"/own/{page}.jpg\" alt=\"Picture {page}\">\
                 <figcaption>Shown on page {page}</figcaption></figure>\
                 <img src=\"/own/{next}.jpg\" alt=\"A look ahead\">"
            );
            gallery.site.put(&path, Reply::html(html).after(delay));
            let url = gallery.site.url(&path);
            gallery.expect(&logo, &url, &["The logo"]);
            gallery.expect(
                &own,
                &url,
                &[&format!("Picture {page}"), &format!("Shown on page {page}")],
            );
            gallery.expect(&pictures::jpeg(next + 1), &url, &["A look ahead"]);
        }
        gallery
    }

    fn expect(&mut self, bytes: &[u8], page: &str, captions: &[&str]) {
        let expected = self.pictures.entry(ImageId::of(bytes)).or_default();
        expected.pages.insert(page.to_owned());
        expected
            .captions
            .extend(captions.iter().map(|caption| (*caption).to_owned()));
    }

    /// Panics where a document is missing, too many, or not what the pages say.
    pub fn check(&self, shown: &BTreeMap<ImageId, Shown>) {
        let ids = |keys: Vec<&ImageId>| keys.into_iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(
            ids(shown.keys().collect()),
            ids(self.pictures.keys().collect())
        );
        for (id, expected) in &self.pictures {
            let shown = &shown[id];
            assert_eq!(
                shown.sightings as usize,
                expected.pages.len(),
                "{}",
                shown.name
            );
            assert_eq!(shown.captions, expected.captions, "{}", shown.name);
            assert_eq!(shown.hosts, ["127.0.0.1"], "{}", shown.name);
        }
    }
}
