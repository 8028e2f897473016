//! The site that all crawl: several hosts on loopback addresses, the same for the same [`Spec`].

use std::collections::HashMap;
use std::fmt::Write as _;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Links on a page.
const LINKS: u32 = 10;
/// Texts with a picture, or with none, on a page.
const FIGURES: u32 = 20;

const WORDS: [&str; 32] = [
    "river",
    "stone",
    "harbour",
    "autumn",
    "mountain",
    "kitchen",
    "bicycle",
    "window",
    "garden",
    "market",
    "lantern",
    "forest",
    "bridge",
    "winter",
    "coffee",
    "morning",
    "street",
    "violin",
    "desert",
    "meadow",
    "station",
    "orchard",
    "library",
    "copper",
    "velvet",
    "marble",
    "canyon",
    "island",
    "festival",
    "portrait",
    "landscape",
    "sunrise",
];

/// What a site is made from.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) hosts: u8,
    /// Of one host.
    pub(crate) pages: u32,
    /// Of one page, 0 to 20.
    pub(crate) pictures: u32,
    /// Files behind all the pictures' URLs.
    pub(crate) distinct: u32,
}

/// What a path answers.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) content_type: &'static str,
    pub(crate) etag: String,
    pub(crate) body: Bytes,
}

impl Spec {
    pub(crate) fn all_pages(self) -> u64 {
        u64::from(self.hosts) * u64::from(self.pages)
    }

    /// URLs of pictures.
    pub(crate) fn all_pictures(self) -> u64 {
        self.all_pages() * u64::from(self.pictures)
    }

    /// The URL of each picture of the hosts that begin at these addresses, one host after another.
    pub(crate) fn picture_urls(self, seeds: &[String]) -> Vec<String> {
        let paths = (0..self.pages)
            .flat_map(|page| (0..self.pictures).map(move |place| picture_path(page, place)));
        let paths: Vec<String> = paths.collect();
        let origins = seeds.iter().map(|seed| seed.trim_end_matches('/'));
        origins
            .flat_map(|origin| paths.iter().map(move |path| format!("{origin}{path}")))
            .collect()
    }

    /// All paths of a host, with the picture files' bytes by their numbers.
    pub(crate) fn host(self, host: u8, photos: &[Bytes]) -> HashMap<String, Item> {
        let mut items = HashMap::new();
        let robots = "User-agent: *\nDisallow: /private/\n";
        let robots = item("text/plain", "robots".to_owned(), robots.into());
        items.insert("/robots.txt".to_owned(), robots);
        for page in 0..self.pages {
            let html = Bytes::from(self.html(host, page));
            let etag = format!("page-{host}-{page}");
            items.insert(
                page_path(page),
                item("text/html; charset=utf-8", etag, html),
            );
            for place in 0..self.pictures {
                let number = self.file(host, page, place);
                let Some(bytes) = photos.get(number as usize) else {
                    continue;
                };
                let jpeg = item("image/jpeg", format!("photo-{number}"), bytes.clone());
                items.insert(picture_path(page, place), jpeg);
            }
        }
        items
    }

    /// Which file a picture's URL answers with: each in turn, so that a page has no file twice.
    fn file(self, host: u8, page: u32, place: u32) -> u32 {
        let number = (u32::from(host) * self.pages + page) * self.pictures + place;
        number % self.distinct.max(1)
    }

    fn html(self, host: u8, page: u32) -> String {
        let mut words = Words(u32::from(host) * self.pages + page + 1);
        let mut html = format!(
            "<!doctype html><html lang=en><head><meta charset=utf-8><title>{}</title></head><body><nav><ul>",
            words.sentence(5)
        );
        for target in self.links(page, &mut words) {
            let (path, text) = (page_path(target), words.sentence(3));
            let _ = write!(html, "<li><a href=\"{path}\">{text}</a></li>");
        }
        html.push_str("</ul></nav><main><article>\n");
        for place in 0..FIGURES {
            let (alt, text) = (words.sentence(8), words.sentence(30));
            html.push_str("<figure>");
            if place < self.pictures {
                let path = picture_path(page, place);
                let _ = write!(
                    html,
                    "<img src=\"{path}\" alt=\"{alt}\" width=800 height=600 loading=lazy>"
                );
            }
            let _ = writeln!(html, "<figcaption>{alt}</figcaption></figure><p>{text}</p>");
        }
        html.push_str("</article></main></body></html>");
        html
    }

    /// Three children in a tree, so that every page is reached within few steps; the neighbours;
    /// and others anywhere.
    fn links(self, page: u32, words: &mut Words) -> Vec<u32> {
        let mut targets: Vec<u32> = (1..=3)
            .map(|child| page.saturating_mul(3) + child)
            .collect();
        targets.extend([page.saturating_sub(1), page + 1]);
        targets.retain(|target| *target < self.pages);
        while (targets.len() as u32) < LINKS {
            targets.push(words.next() % self.pages);
        }
        targets
    }
}

fn page_path(page: u32) -> String {
    match page {
        0 => "/".to_owned(),
        page => format!("/p/{page}.html"),
    }
}

fn picture_path(page: u32, place: u32) -> String {
    format!("/media/{page}/{place}.jpg")
}

fn item(content_type: &'static str, etag: String, body: Bytes) -> Item {
    let etag = format!("\"{etag}\"");
    Item {
        content_type,
        etag,
        body,
    }
}

/// Words by number: the same for the same beginning, by xorshift32 (Marsaglia 2003).
struct Words(u32);

impl Words {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn sentence(&mut self, length: u32) -> String {
        let mut words = Vec::new();
        for _ in 0..length {
            words.push(WORDS[(self.next() >> 8) as usize % WORDS.len()]);
        }
        words.join(" ")
    }
}
