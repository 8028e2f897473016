//! A page as it is read: what its tags and texts say, references as they are written.

use std::collections::HashMap;

use super::canonical::Canonical;
use super::rights::{Claims, license};
use super::scan::{Attribute, Element, Sink, StartTag};
use super::srcset::{Candidate, best, candidates};
use super::text::{Text, line};
use super::value::{MAX_REFERENCE, Reference, can_decode, has_word, language, refresh, suits};
use super::{FoundBy, Limits};
use crate::directives::Directives;

/// Figures nested deeper are not told apart.
const MAX_FIGURES: usize = 32;
/// A page announces few `og:image`s.
const MAX_ANNOUNCED: usize = 64;

/// What the page said, before references are resolved.
#[derive(Debug, Default)]
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
    pub(super) directives: Directives,
    pub(super) canonical: Canonical,
    pub(super) claims: Claims,
    pub(super) unparsable: u32,
    pub(super) data_urls: u32,
    pub(super) left_out: u32,
}

/// A picture without its reference.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) alt: Option<String>,
    pub(super) title: Option<String>,
    pub(super) caption: Option<String>,
    /// The licence that its figure names.
    pub(super) license: Option<String>,
    pub(super) found_by: FoundBy,
}

/// A picture of the page's metadata.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) reference: Option<String>,
    /// The same picture by https.
    pub(super) secure: Option<String>,
    pub(super) alt: Option<String>,
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
    /// The sources of the open `picture` that can be decoded: their `srcset`s.
    sources: Option<Vec<String>>,
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
            found: Findings::default(),
            title: Text::default(),
            in_title: false,
            has_base: false,
            in_raw: false,
            templates: 0,
            sources: None,
            figures: Vec::new(),
            uncounted_figures: 0,
        }
    }

    /// The page has ended, and with it whatever is still open.
    pub(super) fn finish(mut self) -> Findings {
        self.end_title();
        while !self.figures.is_empty() {
            self.end_figure();
        }
        self.found
    }

    fn line(&self, text: Option<&str>) -> Option<String> {
        line(text?, self.limits.max_text)
    }

    fn link(&mut self, tag: &StartTag<'_>, attribute: Attribute) {
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

    fn link_element(&mut self, tag: &StartTag<'_>) {
        let rel = tag.get(Attribute::Rel).unwrap_or_default();
        if has_word(rel, &["next", "prev"]) {
            self.link(tag, Attribute::Href);
        }
        if has_word(rel, &["canonical"])
            && let Some(href) = tag.get(Attribute::Href)
            && let Reference::Kept(href) = Reference::of(href)
        {
            self.found.canonical.add(href);
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
        if place < self.limits.max_links {
            self.found.links.insert(reference.to_owned(), place);
        } else {
            self.found.left_out += 1;
        }
    }

    fn meta(&mut self, tag: &StartTag<'_>) {
        let Some(content) = tag.get(Attribute::Content) else {
            return;
        };
        if let Some(name) = tag.get(Attribute::Name) {
            let name = name.trim();
            if name.eq_ignore_ascii_case("robots") || name.eq_ignore_ascii_case(self.agent) {
                self.found.directives.add(content, self.agent);
            } else if name.eq_ignore_ascii_case("tdm-reservation") {
                self.found.directives.reserve(content);
            }
        }
        if tag
            .get(Attribute::HttpEquiv)
            .is_some_and(|of| of.eq_ignore_ascii_case("refresh"))
            && let Some(reference) = refresh(content)
        {
            self.add_link(reference);
        }
        let property = tag
            .get(Attribute::Property)
            .or(tag.get(Attribute::Name))
            .unwrap_or_default();
        match property.trim().to_ascii_lowercase().as_str() {
            "og:image" | "og:image:url" => {
                // The first of the two opens a picture, the other only repeats it.
                let same = |last: &Announced| last.reference.as_deref() == Some(content.trim());
                if !self.found.announced.last().is_some_and(same) {
                    let reference = self.found.judge(content).map(str::to_owned);
                    self.announce(Announced {
                        reference,
                        ..Announced::default()
                    });
                }
            }
            "og:image:secure_url" => {
                let secure = self.found.judge(content).map(str::to_owned);
                match self
                    .found
                    .announced
                    .last_mut()
                    .filter(|last| last.secure.is_none())
                {
                    Some(last) => last.secure = secure,
                    None => self.announce(Announced {
                        secure,
                        ..Announced::default()
                    }),
                }
            }
            "og:image:alt" => {
                let alt = self.line(Some(content));
                if let Some(last) = self.found.announced.last_mut() {
                    last.alt = last.alt.take().or(alt);
                }
            }
            _ => {}
        }
    }

    fn announce(&mut self, announced: Announced) {
        if self.found.announced.len() < MAX_ANNOUNCED {
            self.found.announced.push(announced);
        } else {
            self.found.left_out += 1;
        }
    }

    fn source(&mut self, tag: &StartTag<'_>) {
        let Some(sources) = &mut self.sources else {
            return;
        };
        let is_for_us = can_decode(tag.get(Attribute::Type)) && suits(tag.get(Attribute::Media));
        if let Some(srcset) = tag.get(Attribute::Srcset).filter(|_| is_for_us) {
            // Many are as good as few: the bound is on the memory.
            if sources.len() < MAX_ANNOUNCED {
                sources.push(srcset.to_owned());
            }
        }
    }

    fn img(&mut self, tag: &StartTag<'_>) {
        let sources = self
            .sources
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        let own = tag.get(Attribute::Srcset).unwrap_or_default();
        let of_sources = sources
            .iter()
            .flat_map(|set| candidates(set).map(|it| (it, FoundBy::Picture)));
        let of_own = candidates(own).map(|it| (it, FoundBy::Srcset));
        let mut data_urls = 0_u32;
        let usable = of_sources.chain(of_own).filter(|(candidate, _)| {
            let is_data = matches!(Reference::of(candidate.url), Reference::Data);
            data_urls += u32::from(is_data);
            !is_data
        });
        let best = best(usable, u64::from(self.limits.max_srcset_width));
        self.found.data_urls += data_urls;
        let src = tag.get(Attribute::Src).unwrap_or_default();
        let (reference, found_by) = match best {
            // A `srcset` may offer less than `src`, which has one pixel for each of CSS.
            Some((
                Candidate {
                    width: None,
                    density: Some(density),
                    ..
                },
                FoundBy::Srcset,
            )) if density < 1.0 && matches!(Reference::of(src), Reference::Kept(_)) => {
                (src, FoundBy::Img)
            }
            Some((candidate, found_by)) => (candidate.url, found_by),
            None => (src, FoundBy::Img),
        };
        self.show(
            reference,
            found_by,
            self.line(tag.get(Attribute::Alt)),
            self.line(tag.get(Attribute::Title)),
        );
    }

    fn show(
        &mut self,
        reference: &str,
        found_by: FoundBy,
        alt: Option<String>,
        title: Option<String>,
    ) {
        let Some(reference) = self.found.judge(reference) else {
            return;
        };
        let found = &mut self.found;
        let place = match found.pictures.get(reference) {
            Some(&place) => {
                let shown = &mut found.shown[place];
                shown.alt = shown.alt.take().or(alt);
                shown.title = shown.title.take().or(title);
                place
            }
            None if found.shown.len() < self.limits.max_pictures => {
                let place = found.shown.len();
                found.pictures.insert(reference.to_owned(), place);
                found.shown.push(Shown {
                    alt,
                    title,
                    caption: None,
                    license: None,
                    found_by,
                });
                place
            }
            None => {
                found.left_out += 1;
                return;
            }
        };
        if let Some(figure) = self.figures.last_mut()
            && found.shown[place].caption.is_none()
            && figure.pictures.len() < self.limits.max_pictures
        {
            figure.pictures.push(place);
        }
    }

    fn end_figure(&mut self) {
        let Some(figure) = self.figures.pop() else {
            return;
        };
        if let Some(license) = figure.license {
            for shown in &mut self.found.shown[figure.before..] {
                shown.license.get_or_insert_with(|| license.clone());
            }
        }
        let max_pictures = self.limits.max_pictures;
        match figure.caption.finish(self.limits.max_text) {
            Some(caption) => {
                for place in figure.pictures {
                    self.found.shown[place]
                        .caption
                        .get_or_insert_with(|| caption.clone());
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

    /// A tag that begins or ends a block keeps the words around it apart.
    fn divide(&mut self, element: Element) {
        let is_inline = matches!(
            element,
            Element::Inline | Element::A | Element::Raw | Element::Script
        );
        if let Some(figure) = self
            .figures
            .last_mut()
            .filter(|figure| figure.in_caption && !is_inline)
        {
            figure.caption.space();
        }
    }
}

impl Findings {
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

impl Sink for Page<'_> {
    fn start(&mut self, tag: &StartTag<'_>) {
        self.divide(tag.element);
        self.in_raw = matches!(
            tag.element,
            Element::Raw | Element::Script | Element::Iframe
        );
        if tag.element == Element::Template {
            // A shadow root is shown, other templates are not.
            let is_inert = tag.get(Attribute::ShadowRootMode).is_none();
            self.templates += u32::from(is_inert || self.templates > 0);
        }
        if self.templates > 0 {
            return;
        }
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
                self.link(tag, Attribute::Href);
            }
            Element::Iframe | Element::Frame => self.link(tag, Attribute::Src),
            Element::Link => {
                self.license(tag);
                self.link_element(tag);
            }
            Element::Script => self.found.claims.start_script(tag.get(Attribute::Type)),
            Element::Picture => self.sources = Some(Vec::new()),
            Element::Source => self.source(tag),
            Element::Img => self.img(tag),
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
        self.in_raw = false;
        match element {
            Element::Template => self.templates = self.templates.saturating_sub(1),
            _ if self.templates > 0 => {}
            Element::Title => self.end_title(),
            Element::Picture => self.sources = None,
            Element::Script => self.found.claims.end_script(self.limits.max_text),
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
        } else if let Some(figure) = self.figures.last_mut()
            && figure.in_caption
            && !self.in_raw
            && self.templates == 0
        {
            figure.caption.push(bytes, self.limits.max_text);
        }
    }
}
