//! Feeds, RSS 0.9 to 2.0 and Atom (RFC 4287): the pages that a site names as new, with the pictures
//! that they come with.
//!
//! Pictures are those of Media RSS (<https://www.rssboard.org/media-rss>), enclosures, iTunes images, and
//! those within an item's text. Read event by event, as sitemaps are, bounded in depth, and no entity
//! is ever expanded: a tree of a hostile feed would be many times its size. Everything here is pure.

mod item;
mod parts;
mod walk;

use std::collections::{HashMap, HashSet};

use quick_xml::Reader;
use quick_xml::events::Event;
use tusou_contract::SightingRights;
use tusou_ingest::address::Address;

use crate::sitemap::input::Input;

/// The most bytes before a file's first element.
const MAX_PROLOGUE: u64 = 64 * 1024;

/// How much is taken from one feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes read, after decoding.
    pub max_bytes: u64,
    /// Items; those beyond it are left out.
    pub max_items: usize,
    /// Pictures, each counted once.
    pub max_pictures: usize,
    /// The longest text kept, in characters.
    pub max_text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 50 << 20,
            max_items: 10_000,
            max_pictures: 5_000,
            max_text: 1_000,
        }
    }
}

/// What a file of XML is, by its first element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// A feed.
    Feed,
    /// A sitemap.
    Sitemap,
}

/// What a feed says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feed {
    /// Whether it is one.
    pub is_feed: bool,
    /// Its title.
    pub title: Option<String>,
    /// Its language: a BCP 47 tag in its spelling.
    pub lang: Option<String>,
    /// The pages of its items, in its order, each once.
    pub links: Vec<Address>,
    /// Where its older items are (RFC 5005).
    pub next: Option<Address>,
    /// The pictures of its items and its own, in its order, each once.
    pub pictures: Vec<Picture>,
    /// Links and pictures that are no URLs.
    pub unparsable: u32,
    /// Items and pictures that were left out because of [`Limits`].
    pub left_out: u32,
    /// Whether it was read to its end: neither cut by a limit nor broken.
    pub whole: bool,
}

/// A picture as a feed names it. Its texts are single lines, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Where its bytes are.
    pub address: Address,
    /// The alternative text, where it stands in an item's text.
    pub alt: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What describes it.
    pub caption: Option<String>,
    /// The title of the item that it comes with.
    pub heading: Option<String>,
    /// The page of that item.
    pub page: Option<Address>,
    /// The same picture in other sizes.
    pub variants: Vec<Address>,
    /// What the feed says of its rights; addresses are resolved.
    pub rights: SightingRights,
}

/// What a file is by its first element; `None` where that is neither of the two, or does not come.
pub fn root(body: &[u8]) -> Option<Root> {
    let mut reader = Reader::from_reader(Input::new(body, MAX_PROLOGUE));
    reader.config_mut().allow_dangling_amp = true;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Start(tag) | Event::Empty(tag) => {
                return match tag.local_name().as_ref() {
                    "rss" | "RDF" | "feed" => Some(Root::Feed),
                    "urlset" | "sitemapindex" => Some(Root::Sitemap),
                    _ => None,
                };
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// Reads the feed at `base`; any bytes are one. What is malformed ends it: what was read before is
/// kept.
///
/// `agent` is what pages' `meta` elements call this crawler. CPU-bound: call it where blocking is
/// allowed.
pub fn parse(body: &[u8], agent: &str, base: &Address, limits: &Limits) -> Feed {
    let mut input = Input::new(body, limits.max_bytes);
    let mut feed = Found::new(base, agent, limits);
    let ended = walk::read(&mut input, &mut feed);
    let mut feed = feed.feed;
    feed.whole = ended && !input.is_cut();
    feed
}

/// A feed as it is read, each link and picture once.
struct Found<'a> {
    feed: Feed,
    base: &'a Address,
    agent: &'a str,
    limits: &'a Limits,
    links: HashSet<Address>,
    places: HashMap<Address, usize>,
}

impl<'a> Found<'a> {
    fn new(base: &'a Address, agent: &'a str, limits: &'a Limits) -> Self {
        Self {
            feed: Feed::default(),
            base,
            agent,
            limits,
            links: HashSet::new(),
            places: HashMap::new(),
        }
    }

    /// An address as it is written, where it is one.
    fn address(&mut self, base: &Address, reference: &str) -> Option<Address> {
        let address = base.join(reference.trim()).ok();
        if address.is_none() {
            self.feed.unparsable = self.feed.unparsable.saturating_add(1);
        }
        address
    }

    fn leave_out(&mut self) {
        self.feed.left_out = self.feed.left_out.saturating_add(1);
    }

    fn add_link(&mut self, link: Address) {
        if link != *self.base && self.links.insert(link.clone()) {
            self.feed.links.push(link);
        }
    }

    /// Adds a picture, or completes the texts of the same.
    fn add_picture(&mut self, picture: Picture) {
        if let Some(&place) = self.places.get(&picture.address) {
            let known = &mut self.feed.pictures[place];
            known.alt = known.alt.take().or(picture.alt);
            known.title = known.title.take().or(picture.title);
            known.caption = known.caption.take().or(picture.caption);
            // Another item's rights and page are not this picture's.
            if known.page == picture.page {
                known.rights.complete(picture.rights);
            }
        } else if self.feed.pictures.len() < self.limits.max_pictures {
            let place = self.feed.pictures.len();
            self.places.insert(picture.address.clone(), place);
            self.feed.pictures.push(picture);
        } else {
            self.leave_out();
        }
    }
}
