//! What a page's `meta` and `link` elements say.

use super::{Announced, MAX_ANNOUNCED, MAX_FEEDS, Page};
use crate::extract::FoundBy;
use crate::extract::scan::{Attribute, StartTag};
use crate::extract::value::{Reference, can_decode, has_word, refresh, suits};

impl Page<'_> {
    pub(super) fn link_element(&mut self, tag: &StartTag<'_>) {
        let rel = tag.get(Attribute::Rel).unwrap_or_default();
        if has_word(rel, &["next", "prev"]) {
            self.leads(tag, Attribute::Href);
        }
        if has_word(rel, &["canonical"])
            && let Some(href) = tag.get(Attribute::Href)
            && let Reference::Kept(href) = Reference::of(href)
        {
            self.found.canonical.add(href);
        }
        if has_word(rel, &["alternate"]) {
            self.feed(tag);
        }
        if has_word(rel, &["image_src"]) {
            let reference = tag.get(Attribute::Href).unwrap_or_default();
            self.announce_as(FoundBy::ImageSrc, reference);
        }
        self.style_sheet(tag, rel);
        let icons = ["icon", "apple-touch-icon", "apple-touch-icon-precomposed"];
        if self.limits.icons && has_word(rel, &icons) {
            let reference = tag.get(Attribute::Href).unwrap_or_default();
            self.announce_as(FoundBy::Icon, reference);
        }
        if has_word(rel, &["preload"])
            && tag
                .get(Attribute::As)
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("image"))
            && can_decode(tag.get(Attribute::Type))
            && suits(tag.get(Attribute::Media))
        {
            self.preload(tag);
        }
    }

    /// A link to a feed, which says so by its type.
    fn feed(&mut self, tag: &StartTag<'_>) {
        let kind = tag.get(Attribute::Type).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is_feed = [
            "application/rss+xml",
            "application/atom+xml",
            "application/rdf+xml",
        ]
        .into_iter()
        .any(|feed| kind.eq_ignore_ascii_case(feed));
        let Some(href) = tag.get(Attribute::Href).filter(|_| is_feed) else {
            return;
        };
        let Some(href) = self.found.judge(href).map(str::to_owned) else {
            return;
        };
        if self.found.feeds.len() < MAX_FEEDS {
            self.found.feeds.push(href);
        } else {
            self.found.left_out += 1;
        }
    }

    pub(super) fn meta(&mut self, tag: &StartTag<'_>) {
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
            "og:image" | "og:image:url" => self.announce_as(FoundBy::OgImage, content),
            "twitter:image" | "twitter:image:src" => {
                self.announce_as(FoundBy::TwitterImage, content);
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
            "og:image:alt" | "twitter:image:alt" => {
                let alt = self.line(Some(content));
                if let Some(last) = self.found.announced.last_mut() {
                    last.alt = last.alt.take().or(alt);
                }
            }
            _ => {}
        }
    }

    /// A picture of the page's metadata. The first of several names opens it, the next only repeat it.
    fn announce_as(&mut self, found_by: FoundBy, reference: &str) {
        let is_same = |last: &Announced| last.reference.as_deref() == Some(reference.trim_ascii());
        if self.found.announced.last().is_some_and(is_same) {
            return;
        }
        if let Some(reference) = self.found.judge(reference) {
            self.announce(Announced {
                reference: Some(reference.to_owned()),
                found_by,
                ..Announced::default()
            });
        }
    }

    fn announce(&mut self, announced: Announced) {
        if self.found.announced.len() < MAX_ANNOUNCED {
            self.found.announced.push(announced);
        } else {
            self.found.left_out += 1;
        }
    }
}
