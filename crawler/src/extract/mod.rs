//! What a page says: its links, its pictures with their texts, and what its owner asks of crawlers.
//!
//! One pass over the markup, no tree, no recursion: the work grows with the page's length only,
//! and the memory with what is found, which [`Limits`] bounds. The work is the CPU's, so call
//! [`extract`] where blocking is allowed.

mod canonical;
mod charset;
mod foreign;
mod jsonld;
mod page;
mod resolve;
mod rights;
mod scan;
mod srcset;
mod text;
mod value;

use std::fmt;

use tusou_contract::SightingRights;
use tusou_ingest::address::Address;

use crate::directives::Directives;
use crate::robots::PRODUCT_TOKEN;

/// How much is taken from one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Links, each counted once.
    pub max_links: usize,
    /// Pictures, each counted once.
    pub max_pictures: usize,
    /// The widest candidate of a `srcset` that is taken, in pixels, where its width is told and a smaller one exists.
    pub max_srcset_width: u32,
    /// The longest text kept, in characters.
    pub max_text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_links: 10_000,
            max_pictures: 5_000,
            max_srcset_width: 2_048,
            max_text: 1_000,
        }
    }
}

/// What was found on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// The page's title.
    pub title: Option<String>,
    /// The page's language, as `html` declares it: a BCP 47 tag in the page's spelling.
    pub lang: Option<String>,
    /// Where the page leads, in its order, each once: `a` and `area` to what is no picture's file, `iframe`, `frame`, `link` to the next or
    /// previous page, and a refresh. Links marked `rel=nofollow` are left out; the page's own
    /// [`Directives::nofollow`] is not applied here.
    pub links: Vec<Address>,
    /// The feeds that it names (`rel=alternate` with a feed's type), each once.
    pub feeds: Vec<Address>,
    /// The pictures it shows, in its order, each once, those of its metadata last. The page's own
    /// [`Directives`] are not applied here.
    pub pictures: Vec<Picture>,
    /// What references are resolved against: the page's address, or its `base`.
    pub base: Address,
    /// References to links and pictures that are no URL (or too long for one).
    pub unparsable_links: u32,
    /// References that hold their data themselves (`data:`), as often as they occur.
    pub data_urls: u32,
    /// References that were left out because of [`Limits`], as often as they occur.
    pub left_out: u32,
    /// What the owner asks of crawlers, by `<meta name=robots>` or under this crawler's name.
    pub directives: Directives,
    /// The one address that `rel=canonical` prefers to the page's own; none where it names several.
    pub canonical: Option<Address>,
}

/// A picture as a page shows it. Its texts are single lines, never empty; where a page shows a
/// picture several times, each text is the first that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Where its bytes are.
    pub address: Address,
    /// The alternative text.
    pub alt: Option<String>,
    /// The `title` attribute.
    pub title: Option<String>,
    /// The `figcaption` of the nearest `figure` around it that has one.
    pub caption: Option<String>,
    /// What the page says of its rights, by JSON-LD and `rel=license`; addresses are resolved.
    pub rights: SightingRights,
    /// How it was found first.
    pub found_by: FoundBy,
}

/// The way a page names a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum FoundBy {
    /// `img[src]`.
    Img,
    /// `img[srcset]`.
    Srcset,
    /// A `source` of a `picture`.
    Picture,
    /// An attribute of `img` that scripts read (`data-src`, `data-srcset` and their like).
    Lazy,
    /// `link[rel=preload][as=image]`.
    Preload,
    /// `video[poster]`.
    Poster,
    /// `object` or `embed`.
    Embedded,
    /// `input[type=image]`.
    Input,
    /// A link straight to a picture's file.
    Link,
    /// `og:image` and its like.
    #[default]
    OgImage,
    /// `twitter:image`.
    TwitterImage,
    /// `link[rel=image_src]`.
    ImageSrc,
}

impl fmt::Display for FoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Img => "img",
            Self::Srcset => "srcset",
            Self::Picture => "picture",
            Self::Lazy => "lazy",
            Self::Preload => "preload",
            Self::Poster => "poster",
            Self::Embedded => "embedded",
            Self::Input => "input",
            Self::Link => "link",
            Self::OgImage => "og:image",
            Self::TwitterImage => "twitter:image",
            Self::ImageSrc => "image_src",
        })
    }
}

/// Reads the page at `page`. Any bytes are a page, and every page gives a result.
///
/// `content_type` is the header's value; it tells the character set, and XHTML from HTML.
pub fn extract(
    body: &[u8],
    content_type: Option<&str>,
    page: &Address,
    limits: &Limits,
) -> Extracted {
    extract_as(PRODUCT_TOKEN, body, content_type, page, limits)
}

/// As [`extract`], for a crawler of another name: `agent` is what `meta` elements call it.
pub fn extract_as(
    agent: &str,
    body: &[u8],
    content_type: Option<&str>,
    page: &Address,
    limits: &Limits,
) -> Extracted {
    let text = charset::decode(body, content_type);
    let media_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    let xml = media_type
        .trim()
        .eq_ignore_ascii_case("application/xhtml+xml");
    let mut found = page::Page::new(limits, agent);
    scan::scan(text.as_bytes(), &mut found, xml);
    resolve::resolve(found.finish(), page, limits)
}
