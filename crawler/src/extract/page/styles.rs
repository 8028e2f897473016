//! What a page's own style sheets and `style` attributes show, and which sheets it links.

use super::{Page, Said};
use crate::extract::FoundBy;
use crate::extract::css::{self, Named};
use crate::extract::scan::{Attribute, StartTag};
use crate::extract::value::{Reference, has_word, is_path, suits};

/// The most bytes of `style` elements that are read of one page.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

impl Page<'_> {
    pub(super) fn start_style(&mut self, tag: &StartTag<'_>) {
        let is_css = is_css(tag.get(Attribute::Type)) && suits(tag.get(Attribute::Media));
        self.style = is_css.then(Vec::new);
    }

    /// Some bytes of the sheet that is open, if one is.
    pub(super) fn push_style(&mut self, bytes: &[u8]) {
        if let Some(style) = &mut self.style {
            let room = bytes.len().min(self.style_room);
            self.style_room -= room;
            style.extend_from_slice(&bytes[..room]);
            self.found.left_out += u32::from(room < bytes.len());
        }
    }

    pub(super) fn end_style(&mut self) {
        if let Some(style) = self.style.take() {
            let text = String::from_utf8_lossy(&style);
            css::read(&text, &mut |named| match named {
                Named::Import(reference) => self.add_sheet(reference),
                Named::Picture(reference, others) => {
                    let others = others.iter().map(AsRef::as_ref);
                    // What it stands for, and where, only a browser knows.
                    self.keep(reference, FoundBy::Css, Said::default(), others);
                }
            });
        }
    }

    /// `style`, and what scripts make one of.
    pub(super) fn style_attributes(&mut self, tag: &StartTag<'_>) {
        let style = tag
            .get(Attribute::Style)
            .filter(|style| style.contains('('));
        let lazy = tag.get(Attribute::LazyBackground);
        if style.is_none() && lazy.is_none() {
            return;
        }
        let said = Said {
            alt: None,
            ..self.said(tag)
        };
        if let Some(style) = style {
            self.declarations(style, FoundBy::Css, &said);
        }
        match lazy {
            Some(lazy) if lazy.contains('(') => {
                self.declarations(&format!("background:{lazy}"), FoundBy::Lazy, &said);
            }
            Some(lazy) if is_path(lazy) => self.show(lazy, FoundBy::Lazy, said, []),
            _ => {}
        }
    }

    /// `background` of the body, of tables and of their parts: as old as pictures on pages.
    pub(super) fn background(&mut self, tag: &StartTag<'_>) {
        if let Some(background) = tag.get(Attribute::Background) {
            self.show(background, FoundBy::Css, Said::default(), []);
        }
    }

    /// `link[rel=stylesheet]`.
    pub(super) fn style_sheet(&mut self, tag: &StartTag<'_>, rel: &str) {
        // An alternate one is not shown unless it is asked for.
        if has_word(rel, &["stylesheet"])
            && !has_word(rel, &["alternate"])
            && is_css(tag.get(Attribute::Type))
            && suits(tag.get(Attribute::Media))
            && let Some(href) = tag.get(Attribute::Href)
        {
            self.add_sheet(href);
        }
    }

    fn add_sheet(&mut self, reference: &str) {
        let Reference::Kept(reference) = Reference::of(reference) else {
            return;
        };
        if self.found.sheets.iter().any(|known| known == reference) {
            return;
        }
        if self.found.sheets.len() < self.limits.max_sheets {
            self.found.sheets.push(reference.to_owned());
        } else {
            self.found.left_out += 1;
        }
    }

    /// Declarations that hold for an element that stands here.
    fn declarations(&mut self, text: &str, found_by: FoundBy, said: &Said) {
        css::read(text, &mut |named| {
            if let Named::Picture(reference, others) = named {
                let others = others.iter().map(AsRef::as_ref);
                self.show(reference, found_by, said.clone(), others);
            }
        });
    }
}

fn is_css(media_type: Option<&str>) -> bool {
    let media_type = media_type.unwrap_or_default().split(';').next();
    let media_type = media_type.unwrap_or_default().trim();
    media_type.is_empty() || media_type.eq_ignore_ascii_case("text/css")
}
