//! A page as it is read: what its tags and texts say, references as they are written.

mod context;
mod metadata;
mod pictures;
mod styles;

use std::collections::HashMap;

use context::{Block, Headings, Link};

use super::canonical::Canonical;
use super::jsonld::Structured;
use super::rights::{Claims, license};
use super::room::Room;
use super::scan::{Attribute, Element, Sink, StartTag};
use super::text::{Text, line};
use super::value::{MAX_REFERENCE, Reference, has_word, language};
use super::{FoundBy, Limits};
use crate::directives::Directives;

/// Figures nested deeper are not told apart.
const MAX_FIGURES: usize = 32;
/// A page names few feeds.
const MAX_FEEDS: usize = 16;
/// A page announces few `og:image`s.
const MAX_ANNOUNCED: usize = 64;

/// What the page said, before references are resolved.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) title: Option<String>,
    pub(super) lang: Option<String>,
    pub(super) base: Option<String>,
    /// Each reference once, with its place among them.
    pub(super) links: HashMap<String, usize>,
    /// Each reference once, with its place in `shown`.
    pub(super) pictures: HashMap<String, usize>,
    pub(super) shown: Vec<Shown>,
    pub(super) announced: Vec<Announced>,
    pub(super) structured: Vec<Structured>,
    /// The headings that pictures stand under.
    pub(super) headings: Vec<String>,
    /// Style sheets, each once.
    pub(super) sheets: Vec<String>,
    pub(super) feeds: Vec<String>,
    pub(super) directives: Directives,
    pub(super) canonical: Canonical,
    pub(super) claims: Claims,
    pub(super) unparsable: u32,
    pub(super) data_urls: u32,
    pub(super) left_out: u32,
    /// What may still be kept.
    pub(super) room: Room,
}

/// A picture without its reference.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) said: Said,
    pub(super) caption: Option<String>,
    pub(super) link_text: Option<String>,
    /// The place of the heading before it.
    pub(super) heading: Option<usize>,
    pub(super) nearby: Option<String>,
    /// References to others of its candidates.
    pub(super) variants: Vec<String>,
    /// The licence that its figure names.
    pub(super) license: Option<String>,
    pub(super) found_by: FoundBy,
}

/// What an element says of its picture.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) alt: Option<String>,
    pub(super) title: Option<String>,
    pub(super) label: Option<String>,
}

impl Said {
    /// How many bytes it has.
    fn len(&self) -> usize {
        let texts = [&self.alt, &self.title, &self.label];
        texts.into_iter().flatten().map(String::len).sum()
    }

    /// Fills in what is missing.
    pub(super) fn complete(&mut self, other: Self) {
        self.alt = self.alt.take().or(other.alt);
        self.title = self.title.take().or(other.title);
        self.label = self.label.take().or(other.label);
    }
}

/// A picture of the page's metadata.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) reference: Option<String>,
    /// The same picture by https.
    pub(super) secure: Option<String>,
    pub(super) alt: Option<String>,
    pub(super) found_by: FoundBy,
}

/// The reader's state.
pub(super) struct Page<'l> {
    limits: &'l Limits,
    /// What `meta` elements call this crawler.
    agent: &'l str,
    found: Findings,
    title: Text,
    in_title: bool,
    has_base: bool,
    /// The text that follows is none of the page's.
    in_raw: bool,
    /// Open inert `template`s.
    templates: u32,
    /// The `source`s of the open `picture`.
    sources: Option<pictures::Sources>,
    /// The style sheet that is being read.
    style: Option<Vec<u8>>,
    /// Bytes of style sheets that may still be read.
    style_room: usize,
    headings: Headings,
    link: Link,
    block: Block,
    figures: Vec<Figure>,
    /// Open figures beyond [`MAX_FIGURES`].
    uncounted_figures: u32,
}

#[derive(Default)]
struct Figure {
    /// Places in `shown` of the pictures in it that have no caption yet.
    pictures: Vec<usize>,
    caption: Text,
    in_caption: bool,
    /// How many pictures the page had shown before.
    before: usize,
    license: Option<String>,
}

impl<'l> Page<'l> {
    pub(super) fn new(limits: &'l Limits, agent: &'l str) -> Self {
        Self {
            limits,
            agent,
            found: Findings::new(limits.max_bytes),
            title: Text::default(),
            in_title: false,
            has_base: false,
            in_raw: false,
            templates: 0,
            sources: None,
            style: None,
            style_room: styles::MAX_BYTES,
            headings: Headings::default(),
            link: Link::default(),
            block: Block::default(),
            figures: Vec::new(),
            uncounted_figures: 0,
        }
    }

    fn end_script(&mut self) {
        let told = self.found.claims.end_script(self.limits.max_text);
        for mut picture in told {
            let references = &mut picture.references;
            references.retain(|reference| self.found.judge(reference).is_some());
            let length = references.iter().map(String::len).sum();
            if self.found.room.take(length) {
                self.found.structured.push(picture);
            } else {
                self.found.left_out += 1;
            }
        }
    }

    /// The page has ended, and with it whatever is still open.
    pub(super) fn finish(mut self) -> Findings {
        self.end_title();
        self.end_style();
        self.end_block();
        self.end_link();
        while !self.figures.is_empty() {
            self.end_figure();
        }
        self.found.headings = self.headings.finish();
        self.found
    }

    fn line(&self, text: Option<&str>) -> Option<String> {
        line(text?, self.limits.max_text)
    }

    fn said(&self, tag: &StartTag<'_>) -> Said {
        Said {
            alt: self.line(tag.get(Attribute::Alt)),
            title: self.line(tag.get(Attribute::Title)),
            label: self.line(tag.get(Attribute::AriaLabel)),
        }
    }

    fn leads(&mut self, tag: &StartTag<'_>, attribute: Attribute) {
        let nofollow = tag
            .get(Attribute::Rel)
            .is_some_and(|rel| has_word(rel, &["nofollow"]));
        if let Some(reference) = tag.get(attribute).filter(|_| !nofollow) {
            self.add_link(reference);
        }
    }

    /// `rel=license` holds for the pictures of the figure that it stands in, else for all.
    fn license(&mut self, tag: &StartTag<'_>) {
        match (license(tag), self.figures.last_mut()) {
            (Some(href), Some(figure)) => _ = figure.license.get_or_insert_with(|| href.to_owned()),
            (Some(href), None) => self.found.claims.license(href),
            (None, _) => {}
        }
    }

    fn add_link(&mut self, reference: &str) {
        let Some(reference) = self.found.judge(reference) else {
            return;
        };
        if self.found.links.contains_key(reference) {
            return;
        }
        let place = self.found.links.len();
        if place < self.limits.max_links && self.found.room.take(reference.len()) {
            self.found.links.insert(reference.to_owned(), place);
        } else {
            self.found.left_out += 1;
        }
    }

    fn end_figure(&mut self) {
        let Some(figure) = self.figures.pop() else {
            return;
        };
        if let Some(license) = figure.license {
            for shown in &mut self.found.shown[figure.before..] {
                keep(&mut shown.license, &license, &mut self.found.room);
            }
        }
        let max_pictures = self.limits.max_pictures;
        match figure.caption.finish(self.limits.max_text) {
            Some(caption) => {
                for place in figure.pictures {
                    let kept = &mut self.found.shown[place].caption;
                    keep(kept, &caption, &mut self.found.room);
                }
            }
            // Then the figure around it speaks for its pictures.
            None => {
                if let Some(outer) = self.figures.last_mut() {
                    let room = max_pictures.saturating_sub(outer.pictures.len());
                    outer
                        .pictures
                        .extend(figure.pictures.into_iter().take(room));
                }
            }
        }
    }

    fn end_title(&mut self) {
        if std::mem::take(&mut self.in_title) {
            let title = std::mem::take(&mut self.title).finish(self.limits.max_text);
            self.found.title = self.found.title.take().or(title);
        }
    }

    fn end_link(&mut self) {
        if let Some((text, pictures)) = self.link.end(self.limits.max_text) {
            for place in pictures {
                let kept = &mut self.found.shown[place].link_text;
                keep(kept, &text, &mut self.found.room);
            }
        }
    }

    fn end_block(&mut self) {
        let words = self.block.end();
        self.found.stand_near(words);
    }

    /// A tag that begins or ends a block keeps the words around it apart.
    fn divide(&mut self, element: Element) {
        if element.is_inline() {
            return;
        }
        self.link.space();
        self.headings.space();
        if let Some(figure) = self.figures.last_mut().filter(|figure| figure.in_caption) {
            figure.caption.space();
        }
        if element.is_block() {
            self.end_block();
        } else {
            self.block.space();
        }
    }
}

impl Findings {
    fn new(max_bytes: usize) -> Self {
        Self {
            title: None,
            lang: None,
            base: None,
            links: HashMap::new(),
            pictures: HashMap::new(),
            shown: Vec::new(),
            announced: Vec::new(),
            structured: Vec::new(),
            headings: Vec::new(),
            sheets: Vec::new(),
            feeds: Vec::new(),
            directives: Directives::default(),
            canonical: Canonical::default(),
            claims: Claims::default(),
            unparsable: 0,
            data_urls: 0,
            left_out: 0,
            room: Room::new(max_bytes),
        }
    }

    /// Some pictures, and the words around them.
    fn stand_near(&mut self, words: Option<(String, Vec<usize>)>) {
        let Some((words, pictures)) = words else {
            return;
        };
        for place in pictures {
            keep(&mut self.shown[place].nearby, &words, &mut self.room);
        }
    }

    /// Counts what is no address; gives back, trimmed, what may be one.
    fn judge<'a>(&mut self, reference: &'a str) -> Option<&'a str> {
        match Reference::of(reference) {
            Reference::Kept(reference) => return Some(reference),
            Reference::Data => self.data_urls += 1,
            Reference::Unparsable => self.unparsable += 1,
            Reference::Elsewhere => {}
        }
        None
    }
}

/// Fills in a text that is missing, where it has room.
fn keep(kept: &mut Option<String>, text: &str, room: &mut Room) {
    if kept.is_none() && room.take(text.len()) {
        *kept = Some(text.to_owned());
    }
}

impl Sink for Page<'_> {
    fn start(&mut self, tag: &StartTag<'_>) {
        self.divide(tag.element);
        self.end_style();
        self.in_raw = matches!(
            tag.element,
            Element::Raw | Element::Script | Element::Style | Element::Iframe
        );
        if tag.element == Element::Template {
            // A shadow root is shown, other templates are not.
            let is_inert = tag.get(Attribute::ShadowRootMode).is_none();
            self.templates += u32::from(is_inert || self.templates > 0);
        }
        if self.templates > 0 {
            return;
        }
        self.style_attributes(tag);
        match tag.element {
            Element::Html => {
                self.found.lang = self
                    .found
                    .lang
                    .take()
                    .or(language(tag.get(Attribute::Lang)))
            }
            Element::Title => self.in_title = self.found.title.is_none(),
            Element::Base if !self.has_base => {
                let href = tag.get(Attribute::Href);
                self.has_base = href.is_some();
                self.found.base = href.map(|href| href.chars().take(MAX_REFERENCE).collect());
            }
            Element::Meta => self.meta(tag),
            Element::A | Element::Area => {
                self.license(tag);
                if tag.element == Element::A {
                    self.start_link(tag);
                }
                if !self.linked_picture(tag) {
                    self.leads(tag, Attribute::Href);
                }
            }
            Element::Heading => self.headings.start(),
            Element::Style => self.start_style(tag),
            Element::Iframe | Element::Frame => self.leads(tag, Attribute::Src),
            Element::Link => {
                self.license(tag);
                self.link_element(tag);
            }
            Element::Script => self.found.claims.start_script(tag.get(Attribute::Type)),
            Element::Picture => self.sources = Some(pictures::Sources::default()),
            Element::Source => self.source(tag),
            Element::Img => self.img(tag),
            Element::SvgImage => self.svg_image(tag),
            Element::Table => self.background(tag),
            Element::Input => self.input(tag),
            Element::Video => self.video(tag),
            Element::Object => self.embedded(tag, Attribute::Data),
            Element::Embed => self.embedded(tag, Attribute::Src),
            Element::Figure if self.figures.len() < MAX_FIGURES => self.figures.push(Figure {
                before: self.found.shown.len(),
                ..Figure::default()
            }),
            Element::Figure => self.uncounted_figures += 1,
            Element::Figcaption => {
                if let Some(figure) = self.figures.last_mut() {
                    figure.in_caption = true;
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, element: Element) {
        self.divide(element);
        self.end_style();
        self.in_raw = false;
        match element {
            Element::Template => self.templates = self.templates.saturating_sub(1),
            _ if self.templates > 0 => {}
            Element::Title => self.end_title(),
            Element::Picture => self.sources = None,
            Element::A => self.end_link(),
            Element::Heading => self.headings.end(self.limits.max_text),
            Element::Script => self.end_script(),
            Element::Figcaption => {
                if let Some(figure) = self.figures.last_mut() {
                    figure.in_caption = false;
                }
            }
            Element::Figure if self.uncounted_figures > 0 => self.uncounted_figures -= 1,
            Element::Figure => self.end_figure(),
            _ => {}
        }
    }

    fn text(&mut self, bytes: &[u8]) {
        self.found.claims.push_script(bytes);
        if self.in_title {
            self.title.push(bytes, self.limits.max_text);
        } else if self.in_raw {
            self.push_style(bytes);
        } else if self.templates == 0 {
            if let Some(figure) = self.figures.last_mut().filter(|figure| figure.in_caption) {
                figure.caption.push(bytes, self.limits.max_text);
            }
            self.headings.push(bytes, self.limits.max_text);
            self.link.push(bytes, self.limits.max_text);
            let words = self.block.push(bytes);
            self.found.stand_near(words);
        }
    }
}
