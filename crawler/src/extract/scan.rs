//! One pass over a page's markup, in memory that does not grow with it.
//!
//! The tokenizer is the HTML standard's (`html5gum`); no tree is built. A tree builder's work
//! grows with the square of the nesting depth and of the attributes of a tag, which hostile pages
//! use; here each byte costs the same, and only named attributes of named elements are kept.
//! What the tree would have told the tokenizer is followed as far as the way a page is read
//! depends on it: raw text elements, and SVG and MathML with their ways back to HTML.

use std::convert::Infallible;

use html5gum::{Emitter, Error, State, Tokenizer};

use super::foreign::Foreign;

/// The most bytes kept of an attribute; a set of candidates may have [`MAX_SRCSET`].
const MAX_VALUE: usize = 64 * 1024;
const MAX_SRCSET: usize = 1024 * 1024;
/// No name that matters is longer.
const MAX_NAME: usize = 32;

/// What is told of a page, in its order.
pub(super) trait Sink {
    /// A start tag. An element in a foreign namespace is [`Element::Foreign`], unless it is a link, a
    /// picture or a style sheet.
    fn start(&mut self, tag: &StartTag<'_>);
    /// An end tag, whether or not its element is open.
    fn end(&mut self, element: Element);
    /// Some bytes of text, which may end within a character. Of SVG's and MathML's only style sheets.
    fn text(&mut self, bytes: &[u8]);
}

/// The elements that extraction knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    A,
    Area,
    Base,
    /// A line's end.
    Break,
    Embed,
    Figcaption,
    Figure,
    /// Of SVG or MathML.
    Foreign,
    Frame,
    /// `h1` to `h6`.
    Heading,
    Html,
    Iframe,
    Img,
    Input,
    Link,
    Meta,
    Object,
    Picture,
    Script,
    Source,
    Style,
    /// A picture in SVG.
    SvgImage,
    /// The page's body, tables and their parts, which may have a `background`.
    Table,
    Template,
    Title,
    Video,
    /// Its content is text that is no text of the page: `noframes` and the like.
    Raw,
    /// Part of a line of text.
    Inline,
    Other,
}

impl Element {
    fn named(name: &[u8]) -> Self {
        match name {
            b"a" => Self::A,
            b"area" => Self::Area,
            b"base" => Self::Base,
            b"body" | b"table" | b"thead" | b"tbody" | b"tfoot" | b"tr" | b"td" | b"th" => {
                Self::Table
            }
            b"br" => Self::Break,
            b"embed" => Self::Embed,
            b"figcaption" => Self::Figcaption,
            b"figure" => Self::Figure,
            b"feimage" => Self::SvgImage,
            b"frame" => Self::Frame,
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => Self::Heading,
            b"html" => Self::Html,
            b"iframe" => Self::Iframe,
            // The tree builder's rule for `image`: "Don't ask."
            b"img" | b"image" | b"amp-img" | b"amp-anim" => Self::Img,
            b"input" => Self::Input,
            b"link" => Self::Link,
            b"meta" => Self::Meta,
            b"object" => Self::Object,
            b"picture" => Self::Picture,
            b"script" => Self::Script,
            b"source" => Self::Source,
            b"svg" | b"math" => Self::Foreign,
            b"style" => Self::Style,
            b"template" => Self::Template,
            b"title" => Self::Title,
            b"video" => Self::Video,
            b"xmp" | b"noembed" | b"noframes" | b"plaintext" | b"textarea" => Self::Raw,
            b"abbr" | b"acronym" | b"b" | b"bdi" | b"bdo" | b"big" | b"cite" | b"code"
            | b"data" | b"del" | b"dfn" | b"em" | b"font" | b"i" | b"ins" | b"kbd" | b"label"
            | b"mark" | b"nobr" | b"noscript" | b"q" | b"rb" | b"ruby" | b"s" | b"samp"
            | b"small" | b"span" | b"strike" | b"strong" | b"sub" | b"sup" | b"time" | b"tt"
            | b"u" | b"var" | b"wbr" => Self::Inline,
            _ => Self::Other,
        }
    }

    /// Whether the attribute means something on it.
    fn has(self, attribute: Attribute) -> bool {
        use Attribute::{AriaLabel, Background, LazyBackground, Style, Title};
        match attribute {
            Style | LazyBackground | AriaLabel | Title => true,
            Background => self == Self::Table,
            _ => !matches!(
                self,
                Self::Inline | Self::Other | Self::Table | Self::Heading | Self::Break
            ),
        }
    }

    /// Whether it stands within a line of text.
    pub(super) fn is_inline(self) -> bool {
        use Element::{A, Inline, Raw, Script, Style};
        matches!(self, Inline | A | Raw | Script | Style)
    }

    /// Whether a block of text ends where it begins and ends.
    pub(super) fn is_block(self) -> bool {
        use Element::{Figcaption, Figure, Heading, Html, Other, Table};
        matches!(self, Other | Figure | Figcaption | Heading | Html | Table)
    }
}

/// The attributes that extraction knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Alt,
    AriaLabel,
    As,
    Background,
    Charset,
    Content,
    Data,
    Href,
    HttpEquiv,
    ImageSrcset,
    Lang,
    /// What the common libraries read a background's picture from.
    LazyBackground,
    /// What the common libraries that load pictures late read instead of `src`.
    LazySrc,
    /// The same for `srcset`.
    LazySrcset,
    Media,
    Name,
    Poster,
    Property,
    Rel,
    ShadowRootMode,
    Sizes,
    Src,
    Srcset,
    Style,
    Title,
    Type,
    XlinkHref,
}

/// How many kinds of [`Attribute`] there are.
const ATTRIBUTES: usize = Attribute::XlinkHref as usize + 1;

impl Attribute {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"alt" => Self::Alt,
            b"aria-label" => Self::AriaLabel,
            b"as" => Self::As,
            b"background" => Self::Background,
            b"charset" => Self::Charset,
            b"content" => Self::Content,
            b"data" => Self::Data,
            b"href" => Self::Href,
            b"http-equiv" => Self::HttpEquiv,
            b"imagesrcset" => Self::ImageSrcset,
            b"lang" | b"xml:lang" => Self::Lang,
            b"media" => Self::Media,
            b"name" => Self::Name,
            b"poster" => Self::Poster,
            b"property" => Self::Property,
            b"rel" => Self::Rel,
            b"shadowrootmode" => Self::ShadowRootMode,
            b"sizes" => Self::Sizes,
            b"src" => Self::Src,
            b"srcset" => Self::Srcset,
            b"style" => Self::Style,
            b"title" => Self::Title,
            b"type" => Self::Type,
            b"xlink:href" => Self::XlinkHref,
            // lazysizes, vanilla-lazyload; lozad; Elementor, WP Rocket.
            b"data-bg"
            | b"data-background-image"
            | b"data-bg-src"
            | b"data-lazy-bg"
            | b"data-background" => Self::LazyBackground,
            // lazysizes, vanilla-lazyload, lozad; WP Rocket; slick; lazyload by Tuupola; Echo;
            // a3, Avada, Zhihu, Cloudflare, PageSpeed.
            b"data-src"
            | b"data-lazy-src"
            | b"data-lazy"
            | b"data-original"
            | b"data-original-src"
            | b"data-echo"
            | b"data-lazyload"
            | b"data-ll-src"
            | b"data-orig-src"
            | b"data-actualsrc"
            | b"data-cfsrc"
            | b"data-pagespeed-lazy-src"
            | b"data-defer-src" => Self::LazySrc,
            b"data-srcset" | b"data-lazy-srcset" | b"data-original-set" | b"data-ll-srcset"
            | b"data-cfsrcset" => Self::LazySrcset,
            _ => return None,
        })
    }

    /// Whether it holds candidates by the rules of `srcset`.
    fn is_set(self) -> bool {
        matches!(self, Self::Srcset | Self::LazySrcset | Self::ImageSrcset)
    }

    fn max_length(self) -> usize {
        if self.is_set() { MAX_SRCSET } else { MAX_VALUE }
    }
}

/// A start tag with those of its attributes that are known; of two of one name, the first.
#[derive(Debug)]
pub(super) struct StartTag<'a> {
    pub(super) element: Element,
    values: &'a [Option<String>; ATTRIBUTES],
}

impl<'a> StartTag<'a> {
    /// The attribute's value, character references resolved, cut where it is very long.
    pub(super) fn get(&self, attribute: Attribute) -> Option<&'a str> {
        self.values[attribute as usize].as_deref()
    }
}

/// Tells `sink` of the page. In `xml`, `<script/>` is a whole element.
pub(super) fn scan<S: Sink>(page: &[u8], sink: &mut S, xml: bool) {
    let Ok(()) = Tokenizer::new_with_emitter(page, Scanner::new(sink, xml)).finish();
}

/// The tokenizer's listener.
struct Scanner<'s, S> {
    sink: &'s mut S,
    xml: bool,
    foreign: Foreign,
    /// The name of the tag that is being read, cut.
    name: Vec<u8>,
    is_start: bool,
    self_closing: bool,
    /// The last start tag's name: only its end tag ends raw text.
    last_start: Vec<u8>,
    element: Element,
    values: [Option<String>; ATTRIBUTES],
    /// Whether any of them is there.
    has_values: bool,
    /// The attribute that is being read: its name, cut, and its value.
    attribute: Vec<u8>,
    value: Vec<u8>,
    /// Which one it is, once its name is whole, where it is wanted.
    wanted: Option<Attribute>,
}

impl<'s, S: Sink> Scanner<'s, S> {
    fn new(sink: &'s mut S, xml: bool) -> Self {
        Self {
            sink,
            xml,
            foreign: Foreign::default(),
            name: Vec::new(),
            is_start: false,
            self_closing: false,
            last_start: Vec::new(),
            element: Element::Other,
            values: [const { None }; ATTRIBUTES],
            has_values: false,
            attribute: Vec::new(),
            value: Vec::new(),
            wanted: None,
        }
    }

    fn init_tag(&mut self, is_start: bool) {
        self.name.clear();
        self.attribute.clear();
        self.value.clear();
        self.wanted = None;
        self.is_start = is_start;
        self.self_closing = false;
    }

    /// The attribute's name is whole: is its value wanted?
    fn settle_attribute_name(&mut self) {
        if !self.is_start {
            return;
        }
        let wanted = Attribute::named(&self.attribute).filter(|named| self.element.has(*named));
        self.wanted = wanted.filter(|wanted| self.values[*wanted as usize].is_none());
    }

    fn finish_attribute(&mut self) {
        if self.wanted.is_none() && self.value.is_empty() {
            // An attribute without a value has not been settled.
            self.settle_attribute_name();
        }
        if let Some(wanted) = self.wanted.take() {
            // Half a candidate would be a URL that nobody wrote.
            if wanted.is_set() && self.value.len() == MAX_SRCSET {
                self.value
                    .truncate(memchr::memrchr(b',', &self.value).unwrap_or(0));
            }
            self.values[wanted as usize] = Some(String::from_utf8_lossy(&self.value).into_owned());
            self.has_values = true;
        }
        self.attribute.clear();
        self.value.clear();
    }

    fn start_tag(&mut self) -> Option<State> {
        self.last_start.clone_from(&self.name);
        let is_foreign = self.foreign.start(&self.name, self.self_closing);
        let element = match self.element {
            element @ (Element::A | Element::Style) => element,
            Element::SvgImage if !is_foreign => Element::Other,
            Element::Img if is_foreign && self.name == b"image" => Element::SvgImage,
            element @ Element::SvgImage => element,
            _ if is_foreign => Element::Foreign,
            element => element,
        };
        self.sink.start(&StartTag {
            element,
            values: &self.values,
        });
        if std::mem::take(&mut self.has_values) {
            self.values.fill(None);
        }
        if self.xml && self.self_closing {
            self.sink.end(element);
            return None;
        }
        if is_foreign {
            None
        } else {
            text_state(&self.name)
        }
    }
}

/// The tokenizer's state within an HTML element. `noscript` holds markup, since no script runs here.
fn text_state(name: &[u8]) -> Option<State> {
    match name {
        b"title" | b"textarea" => Some(State::RcData),
        b"style" | b"xmp" | b"iframe" | b"noembed" | b"noframes" => Some(State::RawText),
        b"script" => Some(State::ScriptData),
        b"plaintext" => Some(State::PlainText),
        _ => None,
    }
}

/// Adds to `text` what fits.
fn extend(text: &mut Vec<u8>, more: &[u8], max: usize) {
    let room = max.saturating_sub(text.len());
    text.extend_from_slice(&more[..more.len().min(room)]);
}

impl<S: Sink> Emitter for Scanner<'_, S> {
    type Token = Infallible;

    fn pop_token(&mut self) -> Option<Infallible> {
        None
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn emit_string(&mut self, text: &[u8]) {
        let is_style = self.is_start && self.element == Element::Style;
        if is_style || !self.foreign.is_foreign() {
            self.sink.text(text);
        }
    }

    fn init_start_tag(&mut self) {
        self.init_tag(true);
    }

    fn init_end_tag(&mut self) {
        self.init_tag(false);
    }

    fn push_tag_name(&mut self, name: &[u8]) {
        extend(&mut self.name, name, MAX_NAME);
    }

    fn set_self_closing(&mut self) {
        self.self_closing = true;
    }

    fn init_attribute(&mut self) {
        if self.attribute.is_empty() {
            self.element = Element::named(&self.name);
        } else {
            self.finish_attribute();
        }
    }

    fn push_attribute_name(&mut self, name: &[u8]) {
        extend(&mut self.attribute, name, MAX_NAME);
    }

    fn push_attribute_value(&mut self, value: &[u8]) {
        if self.value.is_empty() && self.wanted.is_none() {
            self.settle_attribute_name();
        }
        if let Some(wanted) = self.wanted {
            extend(&mut self.value, value, wanted.max_length());
        }
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        if self.attribute.is_empty() {
            self.element = Element::named(&self.name);
        } else {
            self.finish_attribute();
        }
        if self.is_start {
            self.start_tag()
        } else {
            self.foreign.end(&self.name);
            let element = match self.element {
                Element::Other if self.foreign.is_foreign() => Element::Foreign,
                element => element,
            };
            self.sink.end(element);
            None
        }
    }

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        !self.is_start && !self.last_start.is_empty() && self.last_start == self.name
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&mut self) -> bool {
        self.xml || self.foreign.is_foreign()
    }

    fn set_last_start_tag(&mut self, name: Option<&[u8]>) {
        self.last_start = name.unwrap_or_default().to_vec();
    }

    // What follows says nothing that is wanted here.
    fn emit_eof(&mut self) {}
    fn emit_error(&mut self, _: Error) {}
    fn init_comment(&mut self) {}
    fn push_comment(&mut self, _: &[u8]) {}
    fn emit_current_comment(&mut self) {}
    fn init_doctype(&mut self) {}
    fn push_doctype_name(&mut self, _: &[u8]) {}
    fn set_force_quirks(&mut self) {}
    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}
    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}
    fn emit_current_doctype(&mut self) {}
}
