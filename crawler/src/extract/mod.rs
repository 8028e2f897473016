//! What a page says: its links, its pictures with their texts, and what its owner asks of crawlers.
//!
//! One pass over the markup, no tree, no recursion: the work grows with the page's length only,
//! and the memory with what is found, which [`Limits`] bounds. The work is the CPU's, so call
//! [`extract`] where blocking is allowed.

mod canonical;
mod charset;
pub mod css;
mod foreign;
mod jsonld;
mod page;
mod resolve;
mod rights;
mod room;
mod scan;
mod srcset;
mod text;
mod value;

use std::collections::HashSet;
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
    /// Style sheets that it links or imports, each counted once.
    pub max_sheets: usize,
    /// Addresses, references and texts kept, all together, in bytes.
    pub max_bytes: usize,
    /// Whether the icons of its site are taken (`link rel=icon`, `apple-touch-icon`).
    pub icons: bool,
}

/// The most other candidates that are kept of one picture.
pub const MAX_VARIANTS: usize = 16;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_links: 10_000,
            max_pictures: 5_000,
            max_srcset_width: 2_048,
            max_text: 1_000,
            max_sheets: 8,
            max_bytes: 16 << 20,
            icons: false,
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
    /// The style sheets that it links or imports for a light screen, in its order, each once: their
    /// pictures are the page's, too ([`Extracted::add_sheet`]).
    pub sheets: Vec<Address>,
    /// What references are resolved against: the page's address, or its `base`.
    pub base: Address,
    /// References to links and pictures that are no URL (or too long for one).
    pub unparsable_links: u32,
    /// References that hold their data themselves (`data:`), as often as they occur. They are counted and
    /// left: a picture is known by the address that its bytes come from, and these have none.
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
    /// What assistive technology calls it (`aria-label`).
    pub label: Option<String>,
    /// The text of the link that it stands in, or that leads to it.
    pub link_text: Option<String>,
    /// The nearest heading before it.
    pub heading: Option<String>,
    /// The words around it: those of its block of text or, where that has none, of the next one; at most 300 characters.
    pub nearby: Option<String>,
    /// The other candidates of its `srcset`s, at most [`MAX_VARIANTS`], which are not to be fetched.
    pub variants: Vec<Address>,
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
    /// `url()` or `image-set()` of a style sheet or a `style` attribute, or an old `background`.
    Css,
    /// `image` in SVG.
    Svg,
    /// `link[rel=icon]` and its like.
    Icon,
    /// Structured data of schema.org.
    JsonLd,
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
            Self::Css => "css",
            Self::Svg => "svg",
            Self::Icon => "icon",
            Self::JsonLd => "json-ld",
            Self::OgImage => "og:image",
            Self::TwitterImage => "twitter:image",
            Self::ImageSrc => "image_src",
        })
    }
}

impl Extracted {
    /// Adds the pictures of one of its style sheets, as far as `limits` has room for them.
    pub fn add_sheet(&mut self, sheet: &css::Sheet, limits: &Limits) {
        self.data_urls += sheet.data_urls;
        self.unparsable_links += sheet.unparsable;
        self.left_out += sheet.left_out;
        let known: HashSet<Address> = self.pictures.iter().map(|it| it.address.clone()).collect();
        for picture in &sheet.pictures {
            if known.contains(&picture.address) {
                continue;
            }
            if self.pictures.len() >= limits.max_pictures {
                self.left_out += 1;
                continue;
            }
            self.pictures.push(Picture {
                address: picture.address.clone(),
                alt: None,
                title: None,
                caption: None,
                label: None,
                link_text: None,
                heading: None,
                nearby: None,
                variants: picture.variants.clone(),
                rights: SightingRights::default(),
                found_by: FoundBy::Css,
            });
        }
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
    let text = charset::decode(body, content_type, page);
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
