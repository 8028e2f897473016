//! Sitemaps (<https://www.sitemaps.org/protocol.html>): the pages that a site names by itself, with
//! the pictures on them.
//!
//! XML files of pages (`urlset`) or of further sitemaps (`sitemapindex`), and plain text with a URL
//! a line, each compressed with gzip or not. Everything here is pure: which hosts a sitemap may
//! speak for, and asking for its addresses, is the caller's.

mod date;
pub(crate) mod input;
mod lines;
mod xml;

use std::io::BufRead;

use time::OffsetDateTime;
use tusou_ingest::address::Address;

use self::input::Input;

/// How much is taken from one sitemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes read, after decompression; the protocol lets a file have 50 MB.
    pub max_bytes: u64,
    /// Pages, or further sitemaps; the protocol lets a file have 50,000.
    pub max_entries: usize,
    /// Pictures of one page; the image extension lets it have 1,000.
    pub max_page_images: usize,
    /// Pictures of the whole file.
    pub max_images: usize,
    /// The longest text kept, in characters.
    pub max_text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 50 << 20,
            max_entries: 50_000,
            max_page_images: 1_000,
            max_images: 100_000,
            max_text: 1_000,
        }
    }
}

/// What a sitemap says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sitemap {
    /// What kind of file it is.
    pub kind: Kind,
    /// The pages it names, in its order.
    pub entries: Vec<Entry>,
    /// The further sitemaps it names, in its order.
    pub sitemaps: Vec<Address>,
    /// Pages, pictures and sitemaps named by what is no URL.
    pub unparsable: u32,
    /// Pages, pictures and sitemaps that were left out because of [`Limits`].
    pub left_out: u32,
    /// Whether it was read to its end: neither cut by a limit nor broken.
    pub whole: bool,
}

/// What kind of file a sitemap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// XML that names pages.
    Pages,
    /// XML that names further sitemaps.
    Index,
    /// A URL a line.
    Text,
    /// No sitemap: a feed, a web page, nothing.
    #[default]
    Other,
}

/// A page that a sitemap names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub loc: Address,
    /// When it changed last, by its own account.
    pub lastmod: Option<OffsetDateTime>,
    /// The pictures it shows, in its order.
    pub images: Vec<SitemapImage>,
}

/// A picture of a page, by the image extension
/// (<https://www.google.com/schemas/sitemap-image/1.1/>). Its texts are single lines, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitemapImage {
    /// Where its bytes are.
    pub loc: Address,
    /// Its title.
    pub title: Option<String>,
    /// Its caption.
    pub caption: Option<String>,
    /// The page of its licence.
    pub license: Option<Address>,
}

/// Reads a sitemap; any bytes are one. What is malformed ends it: what was read before is kept.
///
/// The character set is told by a byte order mark or the XML declaration, and is UTF-8 otherwise.
/// Entities are not defined by a file: the five of XML and numbers are known, others stand for
/// themselves. CPU-bound: call it where blocking is allowed.
pub fn parse(body: &[u8], limits: &Limits) -> Sitemap {
    let mut input = Input::new(body, limits.max_bytes);
    let mut sitemap = Sitemap::default();
    let is_xml = match first_byte(&mut input) {
        Some(byte) => byte == b'<',
        None => return sitemap,
    };
    let ended = if is_xml {
        xml::read(&mut input, &mut sitemap, limits)
    } else {
        lines::read(&mut input, &mut sitemap, limits)
    };
    sitemap.whole = ended && !input.is_cut();
    sitemap
}

/// The first byte that is no white space.
fn first_byte(input: &mut Input<'_>) -> Option<u8> {
    loop {
        let chunk = input.fill_buf().ok()?;
        let blank = chunk
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        if let Some(byte) = chunk.get(blank) {
            let byte = *byte;
            input.consume(blank);
            return Some(byte);
        }
        if blank == 0 {
            return None;
        }
        input.consume(blank);
    }
}

impl Sitemap {
    /// Takes a URL as it is written, where it is one.
    fn address(&mut self, text: &str) -> Option<Address> {
        let parsed = Address::parse(text.trim()).ok();
        if parsed.is_none() {
            self.unparsable = self.unparsable.saturating_add(1);
        }
        parsed
    }

    fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    fn add_page(&mut self, entry: Entry, limits: &Limits) {
        if self.entries.len() < limits.max_entries {
            self.entries.push(entry);
        } else {
            self.leave_out();
        }
    }

    fn add_sitemap(&mut self, address: Address, limits: &Limits) {
        if self.sitemaps.len() < limits.max_entries {
            self.sitemaps.push(address);
        } else {
            self.leave_out();
        }
    }
}
