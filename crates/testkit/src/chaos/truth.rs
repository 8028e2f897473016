//! The site's pages and pictures as they are now, and what must become of each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tusou_contract::ImageId;

use super::expected::Expected;
use super::plan::Mutation;
use super::rng::Rng;
use crate::pictures::{self, ImageFormat};

/// Pages that an index page lists.
const LISTED: usize = 20;
const FORMATS: [(ImageFormat, &str, &str); 4] = [
    (ImageFormat::Jpeg, "jpg", "image/jpeg"),
    (ImageFormat::Png, "png", "image/png"),
    (ImageFormat::WebP, "webp", "image/webp"),
    (ImageFormat::Gif, "gif", "image/gif"),
];

/// What a path is answered with, when nothing is broken.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A page.
    Html(String),
    /// A picture's bytes with their type; `None` for the id of what is no picture.
    Bytes(Arc<Vec<u8>>, &'static str, Option<ImageId>),
    /// A status alone.
    Status(u16),
    /// 301 to there.
    Moved(String),
}

#[derive(Debug, Clone)]
struct Page {
    host: usize,
    path: String,
    state: PageState,
    /// Pictures by number, with their words.
    shown: Vec<(usize, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageState {
    Live,
    Gone(u16),
    Moved(usize),
}

#[derive(Debug, Clone)]
struct File {
    host: usize,
    path: String,
    state: FileState,
}

#[derive(Debug, Clone)]
enum FileState {
    Picture(Picture),
    /// A page under a picture's name.
    NoPicture,
    Gone(u16),
}

#[derive(Debug, Clone)]
struct Picture {
    id: ImageId,
    bytes: Arc<Vec<u8>>,
    kind: &'static str,
    /// Cut off: a picture by its header, and not to be decoded.
    broken: bool,
}

/// Everything that the site serves.
#[derive(Debug)]
pub(super) struct Truth {
    origins: Vec<String>,
    pages: Vec<Page>,
    files: Vec<File>,
    /// Pictures made so far.
    made: u32,
    routes: HashMap<(usize, String), Route>,
    /// Images that were served whole, ever.
    pub(super) served: HashSet<ImageId>,
    /// All that cannot be decoded, ever.
    broken: HashSet<ImageId>,
}

#[derive(Debug, Clone, Copy)]
enum Route {
    Page(usize),
    File(usize),
}

impl Truth {
    /// A site on these origins, with so many pages.
    pub(super) fn new(origins: Vec<String>, pages: usize, rng: &mut Rng) -> Self {
        let mut truth = Self {
            origins,
            pages: Vec::new(),
            files: Vec::new(),
            made: 0,
            routes: HashMap::new(),
            served: HashSet::new(),
            broken: HashSet::new(),
        };
        let logo = truth.picture(ImageFormat::Png, "image/png", false);
        truth.file(0, "/logo.png".into(), FileState::Picture(logo));
        truth.grow(pages, rng);
        truth
    }

    /// Where each host's crawl begins.
    pub(super) fn seeds(&self) -> Vec<String> {
        self.origins
            .iter()
            .map(|origin| format!("{origin}/"))
            .collect()
    }

    /// Whether the picture cannot be decoded, now or in an earlier state of the site.
    pub(super) fn is_broken(&self, id: &ImageId) -> bool {
        self.broken.contains(id)
    }

    /// What a host answers for a path.
    pub(super) fn content(&self, host: usize, path: &str) -> Content {
        if let Some(route) = self.routes.get(&(host, path.to_owned())) {
            return match *route {
                Route::Page(page) => self.page_content(page),
                Route::File(file) => match &self.files[file].state {
                    FileState::Picture(picture) => {
                        Content::Bytes(picture.bytes.clone(), picture.kind, Some(picture.id))
                    }
                    FileState::NoPicture => Content::Bytes(
                        Arc::new(b"<!doctype html><title>Not found</title>".to_vec()),
                        "image/jpeg",
                        None,
                    ),
                    FileState::Gone(status) => Content::Status(*status),
                },
            };
        }
        let own: Vec<&Page> = self.pages.iter().filter(|page| page.host == host).collect();
        if path == "/" {
            let links = (0..own.len().div_ceil(LISTED)).map(|list| format!("/list/{list}"));
            return Content::Html(self.html("Home", links, &[]));
        }
        let list = path
            .strip_prefix("/list/")
            .and_then(|number| number.parse::<usize>().ok());
        match list.and_then(|list| own.chunks(LISTED).nth(list)) {
            Some(pages) => {
                // Also pages that are gone: links rot.
                let links = pages.iter().map(|page| page.path.clone());
                Content::Html(self.html("A list", links, &[]))
            }
            None => Content::Status(404),
        }
    }

    fn page_content(&self, number: usize) -> Content {
        let page = &self.pages[number];
        match page.state {
            PageState::Live => {
                Content::Html(self.html(&page.path, std::iter::empty(), &page.shown))
            }
            PageState::Gone(status) => Content::Status(status),
            PageState::Moved(to) => Content::Moved(self.page_url(to)),
        }
    }

    fn html(
        &self,
        title: &str,
        links: impl Iterator<Item = String>,
        shown: &[(usize, String)],
    ) -> String {
        let links: String = links
            .map(|to| format!("<a href=\"{to}\">on</a> "))
            .collect();
        let pictures: String = shown
            .iter()
            .map(|(file, alt)| {
                format!(
                    "<p><img src=\"{}\" alt=\"{alt}\"></p>",
                    self.file_url(*file)
                )
            })
            .collect();
        format!("<!doctype html><html lang=en><title>{title}</title><body>{links}{pictures}")
    }

    fn page_url(&self, page: usize) -> String {
        let page = &self.pages[page];
        format!("{}{}", self.origins[page.host], page.path)
    }

    fn file_url(&self, file: usize) -> String {
        let file = &self.files[file];
        format!("{}{}", self.origins[file.host], file.path)
    }

    /// Changes the site; the addresses that answer otherwise now, or lead to something new.
    pub(super) fn change(&mut self, change: Mutation, rng: &mut Rng) -> BTreeSet<String> {
        let count = 2 + rng.index(5);
        let before = self.pages.len();
        let mut changed = self.strike(change, count, rng);
        for page in before..self.pages.len() {
            let host = self.pages[page].host;
            let own = self.pages[..page].iter().filter(|page| page.host == host);
            let list = own.count() / LISTED;
            changed.insert(format!("{}/list/{list}", self.origins[host]));
            changed.insert(format!("{}/", self.origins[host]));
        }
        changed
    }

    fn strike(&mut self, change: Mutation, count: usize, rng: &mut Rng) -> BTreeSet<String> {
        match change {
            Mutation::Grow => {
                self.grow(6 + rng.index(14), rng);
                BTreeSet::new()
            }
            Mutation::EditPages => {
                let chosen = self.live_pages(count, rng);
                for page in &chosen {
                    let shown = self.some_pictures(*page, rng);
                    self.pages[*page].shown = shown;
                }
                self.page_urls(&chosen)
            }
            Mutation::DropPages => {
                let chosen = self.live_pages(count, rng);
                for page in &chosen {
                    let status = *rng.pick(&[404, 410]);
                    self.pages[*page].state = PageState::Gone(status);
                }
                self.page_urls(&chosen)
            }
            Mutation::MovePages => {
                let chosen = self.live_pages(count, rng);
                for page in &chosen {
                    let old = self.pages[*page].clone();
                    let target = self.page(old.host, old.shown);
                    self.pages[*page].state = PageState::Moved(target);
                }
                self.page_urls(&chosen)
            }
            Mutation::SwapPictures | Mutation::DropPictures => {
                let chosen: BTreeSet<usize> = (0..count)
                    .map(|_| rng.index(self.files.len()))
                    .filter(|file| *file != 0)
                    .collect();
                for file in &chosen {
                    self.files[*file].state = if change == Mutation::SwapPictures {
                        self.some_state(rng)
                    } else {
                        FileState::Gone(*rng.pick(&[404, 410]))
                    };
                }
                chosen.iter().map(|file| self.file_url(*file)).collect()
            }
        }
    }

    fn page_urls(&self, pages: &BTreeSet<usize>) -> BTreeSet<String> {
        pages.iter().map(|page| self.page_url(*page)).collect()
    }

    fn live_pages(&self, count: usize, rng: &mut Rng) -> BTreeSet<usize> {
        let live: Vec<usize> = (0..self.pages.len())
            .filter(|page| self.pages[*page].state == PageState::Live)
            .collect();
        if live.len() < 20 {
            return BTreeSet::new();
        }
        (0..count).map(|_| *rng.pick(&live)).collect()
    }

    fn grow(&mut self, pages: usize, rng: &mut Rng) {
        for _ in 0..pages {
            let host = rng.index(self.origins.len());
            let page = self.page(host, Vec::new());
            let shown = self.some_pictures(page, rng);
            self.pages[page].shown = shown;
        }
    }

    fn page(&mut self, host: usize, shown: Vec<(usize, String)>) -> usize {
        let number = self.pages.len();
        let path = format!("/page/{number}");
        self.routes
            .insert((host, path.clone()), Route::Page(number));
        self.pages.push(Page {
            host,
            path,
            state: PageState::Live,
            shown,
        });
        number
    }

    fn file(&mut self, host: usize, path: String, state: FileState) -> usize {
        let number = self.files.len();
        self.routes
            .insert((host, path.clone()), Route::File(number));
        self.files.push(File { host, path, state });
        number
    }

    /// The logo, new pictures, and some that other pages show as well.
    fn some_pictures(&mut self, page: usize, rng: &mut Rng) -> Vec<(usize, String)> {
        let mut files = BTreeSet::from([0]);
        for _ in 0..1 + rng.index(2) {
            let host = rng.index(self.origins.len());
            let state = self.some_state(rng);
            let path = format!("/picture/{}", self.files.len());
            files.insert(self.file(host, path, state));
        }
        for _ in 0..rng.index(3) {
            files.insert(rng.index(self.files.len()));
        }
        let words = rng.below(1_000_000);
        let alt = |file| match file {
            0 => "The logo".to_owned(),
            file => format!("Picture {file} on page {page}, {words}"),
        };
        files.into_iter().map(|file| (file, alt(file))).collect()
    }

    fn some_state(&mut self, rng: &mut Rng) -> FileState {
        match rng.below(100) {
            0..6 => FileState::NoPicture,
            6..12 => FileState::Gone(404),
            12..18 => FileState::Picture(self.picture(ImageFormat::Png, "image/png", true)),
            // The same bytes as another address has.
            18..30 => self.files[rng.index(self.files.len())].state.clone(),
            _ => {
                let (format, _, kind) = *rng.pick(&FORMATS);
                FileState::Picture(self.picture(format, kind, false))
            }
        }
    }

    fn picture(&mut self, format: ImageFormat, kind: &'static str, broken: bool) -> Picture {
        self.made += 1;
        let pixels = pictures::pixels(self.made, 96, 64);
        let mut bytes = pictures::compressed(&pixels, format);
        let id = if broken {
            bytes.truncate(bytes.len() / 2);
            let id = ImageId::of(&bytes);
            self.broken.insert(id);
            id
        } else {
            ImageId::of(&bytes)
        };
        Picture {
            id,
            bytes: Arc::new(bytes),
            kind,
            broken,
        }
    }

    /// What must be found when everything was read as it is now.
    pub(super) fn expected(&self) -> Expected {
        let mut expected = Expected::default();
        for seed in self.seeds() {
            expected.live_pages.insert(seed);
        }
        for (number, page) in self.pages.iter().enumerate() {
            let url = self.page_url(number);
            match page.state {
                PageState::Live => {
                    for (file, alt) in &page.shown {
                        self.expect(&mut expected, &url, *file, alt);
                    }
                    expected.live_pages.insert(url);
                }
                PageState::Gone(status) => {
                    expected.pages.insert(url, format!("http_{status}"));
                }
                PageState::Moved(_) => {
                    expected.pages.insert(url, "redirected".into());
                }
            }
        }
        for host in 0..self.origins.len() {
            let pages = self.pages.iter().filter(|page| page.host == host).count();
            for list in 0..pages.div_ceil(LISTED) {
                let url = format!("{}/list/{list}", self.origins[host]);
                expected.live_pages.insert(url);
            }
        }
        for (number, file) in self.files.iter().enumerate() {
            let reason = match file.state {
                FileState::Picture(_) => continue,
                FileState::NoPicture => "not_a_picture".to_owned(),
                FileState::Gone(status) => format!("http_{status}"),
            };
            expected.files.insert(self.file_url(number), reason);
        }
        expected
    }

    fn expect(&self, expected: &mut Expected, page: &str, file: usize, alt: &str) {
        let url = self.file_url(file);
        expected.shown.insert(url.clone());
        let FileState::Picture(picture) = &self.files[file].state else {
            return;
        };
        let key = (picture.id, page.to_owned(), url);
        expected.sightings.insert(key, alt.to_owned());
        if picture.broken {
            expected.undecodable.insert(picture.id);
        } else {
            let document = expected.documents.entry(picture.id).or_default();
            document.sightings += 1;
            document.captions.insert(alt.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(seed: u64) -> Truth {
        let origins = vec!["http://127.0.0.1:1".into(), "http://127.0.0.2:1".into()];
        let mut rng = Rng::new(seed);
        let mut truth = Truth::new(origins, 60, &mut rng);
        for change in [
            Mutation::Grow,
            Mutation::EditPages,
            Mutation::DropPages,
            Mutation::MovePages,
            Mutation::SwapPictures,
            Mutation::DropPictures,
        ] {
            assert!(!truth.change(change, &mut rng).is_empty(), "{change:?}");
        }
        truth
    }

    #[test]
    fn a_seed_gives_one_site() {
        let (one, same) = (site(1).expected(), site(1).expected());
        assert_eq!(one.sightings, same.sightings);
        assert_ne!(one.sightings, site(2).expected().sightings);
    }

    #[test]
    fn what_is_expected_is_what_is_served() {
        let truth = site(3);
        let expected = truth.expected();
        assert!(!expected.undecodable.is_empty() && !expected.files.is_empty());
        let content = |url: &str| {
            let (origin, path) = url.split_at(18);
            let host = truth.origins.iter().position(|known| known == origin);
            truth.content(host.expect("a known origin"), path)
        };
        for ((id, page, url), alt) in &expected.sightings {
            let Content::Html(html) = content(page) else {
                panic!("{page} is no page");
            };
            assert!(html.contains(url) && html.contains(alt));
            assert!(matches!(content(url), Content::Bytes(.., Some(served)) if served == *id));
        }
        for (url, reason) in &expected.pages {
            match content(url) {
                Content::Status(status) => assert_eq!(*reason, format!("http_{status}")),
                Content::Moved(_) => assert_eq!(reason, "redirected"),
                other => panic!("{url} is {other:?}"),
            }
        }
        for url in &expected.live_pages {
            assert!(matches!(content(url), Content::Html(_)), "{url}");
        }
    }
}
