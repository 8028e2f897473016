//! Every picture that a browser shows is found: what a real Chromium asks for as it loads and scrolls
//! pages, beside what extraction finds in the same files.
//!
//! What it asks for must all be found. What is found and not asked for is excused by these rules alone:
//!
//! - another candidate of the same element was asked for: the browser chose for its window;
//! - the page's head, its structured data, or a link names it: no browser shows those;
//! - a style sheet names it for an element that is not there (the browser's computed styles say so).

mod chromium;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chromium::{Chromium, Seen};
use tusou_crawler::extract::{Extracted, FoundBy, Limits, css, extract};
use tusou_ingest::Address;
use tusou_testkit::{Reply, Site, pictures, ways};

/// A site's files by path, as it serves them.
struct Files {
    site: Site,
    files: BTreeMap<String, (String, Vec<u8>)>,
}

impl Files {
    async fn start() -> Self {
        Self {
            site: Site::start().await,
            files: BTreeMap::new(),
        }
    }

    fn put(&mut self, path: &str, content_type: &str, body: Vec<u8>) {
        let reply = Reply::bytes(content_type, body.clone());
        self.site.put(path, reply);
        self.files
            .insert(path.to_owned(), (content_type.to_owned(), body));
    }

    /// What our extraction finds on a page and in its style sheets.
    fn extract(&self, path: &str) -> Extracted {
        let limits = Limits {
            icons: true,
            ..Limits::default()
        };
        let page = Address::parse(&self.site.url(path)).expect("an address");
        let (content_type, body) = &self.files[path];
        let mut found = extract(body, Some(content_type), &page, &limits);
        let mut sheets = found.sheets.clone();
        let mut read = BTreeSet::new();
        while let Some(address) = sheets.pop() {
            let Some((content_type, body)) = self.files.get(address.path()) else {
                continue;
            };
            if read.insert(address.as_str().to_owned()) {
                let sheet = css::pictures(&css::decode(body, Some(content_type)), &address);
                found.add_sheet(&sheet, &limits);
                sheets.extend(sheet.imports);
            }
        }
        found
    }

    /// The paths of pictures that were asked for since so many requests.
    fn asked_since(&self, before: usize) -> BTreeSet<String> {
        let requests = self.site.requests();
        let new = requests[before..].iter().map(|it| it.path.as_str());
        let is_picture = |path: &&str| {
            let file = self.files.get(*path);
            file.is_some_and(|(content_type, _)| content_type.starts_with("image/"))
        };
        new.filter(is_picture)
            .map(|path| self.site.url(path))
            .collect()
    }

    /// Compares both for one page; every difference without an excuse is added to `differences`.
    async fn compare(&self, browser: &mut Chromium, path: &str, differences: &mut Vec<String>) {
        let before = self.site.requests().len();
        let Seen { pictures, styled } = browser
            .look(&self.site.url(path), path != "/noscript.html")
            .await;
        // Two independent counts: the browser's own, and the site's log.
        let mut asked = self.asked_since(before);
        let own = format!("http://{}/", self.site.address());
        let unseen = pictures.difference(&asked).filter(|url| {
            let path = url.strip_prefix(&own);
            path.is_some_and(|path| self.files.contains_key(&format!("/{path}")))
        });
        differences.extend(unseen.map(|url| format!("{path}: the site did not see {url}")));
        asked.extend(pictures);
        let found = self.extract(path);
        let mut known = BTreeSet::new();
        for picture in &found.pictures {
            let candidates = [&picture.address].into_iter().chain(&picture.variants);
            let candidates: Vec<&str> = candidates.map(Address::as_str).collect();
            let is_asked = candidates.iter().any(|url| asked.contains(*url));
            let is_excused = match picture.found_by {
                FoundBy::OgImage
                | FoundBy::TwitterImage
                | FoundBy::ImageSrc
                | FoundBy::Icon
                | FoundBy::JsonLd
                | FoundBy::Link => true,
                FoundBy::Css => !candidates.iter().any(|url| styled.contains(*url)),
                _ => false,
            };
            if !is_asked && !is_excused {
                let (by, url) = (picture.found_by, &picture.address);
                differences.push(format!("{path}: no browser asks for {url} ({by})"));
            }
            known.extend(candidates);
        }
        let missed = asked.iter().filter(|url| !known.contains(url.as_str()));
        differences.extend(missed.map(|url| format!("{path}: not found: {url}")));
    }
}

#[tokio::test]
async fn a_browser_asks_for_nothing_that_is_not_found() {
    let mut files = Files::start().await;
    for file in ways::files() {
        files.put(&file.path, file.content_type, file.body);
    }
    // Whatever is found is there, so that no browser gives up on it.
    let pages: Vec<String> = files
        .files
        .keys()
        .filter(|path| path.ends_with(".html"))
        .cloned()
        .collect();
    let mut number = 0;
    for page in &pages {
        for picture in files.extract(page).pictures {
            for address in [&picture.address].into_iter().chain(&picture.variants) {
                let path = address.path_and_query().to_owned();
                if !files.files.contains_key(&path) {
                    number += 1;
                    files.put(&path, "image/png", pictures::png(number));
                }
            }
        }
    }
    let handbook = handbook();
    let mut browser = Chromium::start().await;
    let mut differences = Vec::new();
    for page in &pages {
        files.compare(&mut browser, page, &mut differences).await;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));

    let mut book = Files::start().await;
    let mut pages = Vec::new();
    for language in ["en-US", "zh-CN"] {
        let folder = handbook.join(language);
        put_folder(&mut book, &folder, &format!("/{language}"));
        let html =
            |path: &&String| path.starts_with(&format!("/{language}/")) && path.ends_with(".html");
        let all: Vec<&String> = book.files.keys().filter(html).collect();
        // Each sixth of them, in their order: of all parts of the book.
        pages.extend(all.into_iter().step_by(6).cloned());
    }
    assert!(pages.len() >= 40, "{} pages", pages.len());
    let before = book.site.requests().len();
    for page in &pages {
        book.compare(&mut browser, page, &mut differences).await;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(
        book.asked_since(before).len() > 20,
        "the pages show pictures"
    );
}

fn handbook() -> PathBuf {
    let folder = std::env::var_os("TUSOU_HANDBOOK").map(PathBuf::from);
    let folder = folder.expect("TUSOU_HANDBOOK names the handbook's folder: see `make env`");
    assert!(
        folder.join("en-US").is_dir(),
        "the handbook is not in {}: `make ready` gets it",
        folder.display()
    );
    folder
}

fn put_folder(files: &mut Files, folder: &Path, path: &str) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read").path();
        let name = entry
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a plain name");
        let path = format!("{path}/{name}");
        if entry.is_dir() {
            put_folder(files, &entry, &path);
            continue;
        }
        let content_type = match entry.extension().and_then(|it| it.to_str()) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css",
            Some("png") => "image/png",
            Some("jpg") => "image/jpeg",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        };
        files.put(
            &path,
            content_type,
            std::fs::read(&entry).expect("the file can be read"),
        );
    }
}
