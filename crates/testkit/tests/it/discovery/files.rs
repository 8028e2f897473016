//! The files by which the sites of these tests name their pages.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tusou_testkit::{Reply, Site};

const IMAGES: &str = "http://www.google.com/schemas/sitemap-image/1.1";

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

/// A sitemap of pages, given as the elements of each.
pub(crate) fn urlset(pages: &[String]) -> String {
    let pages: String = pages
        .iter()
        .map(|page| format!("<url>{page}</url>"))
        .collect();
    format!("<?xml version='1.0'?><urlset xmlns:image='{IMAGES}'>{pages}</urlset>")
}

pub(crate) fn locs<'a>(site: &Site, paths: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let paths = paths.into_iter();
    paths
        .map(|path| format!("<loc>{}</loc>", site.url(path)))
        .collect()
}

pub(crate) fn index(site: &Site, paths: &[&str]) -> Reply {
    let sitemaps = locs(site, paths.iter().copied());
    let sitemaps: String = sitemaps
        .iter()
        .map(|loc| format!("<sitemap>{loc}</sitemap>"))
        .collect();
    let body = format!("<sitemapindex>{sitemaps}</sitemapindex>");
    Reply::bytes("application/xml", body)
}

pub(crate) fn xml(body: impl Into<Vec<u8>>) -> Reply {
    Reply::bytes("application/xml", body)
}

/// A site whose start page shows nothing, with its robots.txt naming these.
pub(crate) async fn naming(paths: &[&str]) -> Site {
    let site = Site::start().await;
    let lines = paths
        .iter()
        .map(|path| format!("Sitemap: {}\n", site.url(path)));
    site.robots(&lines.collect::<String>());
    site.html("/", "<p>start</p>");
    for path in ["/a", "/b", "/c"] {
        site.html(path, "<p>a page</p>");
    }
    site
}
