//! The elements of a page that show pictures.

use std::collections::HashSet;

use super::{MAX_ANNOUNCED, Page, Said, Shown};
use crate::extract::scan::{Attribute, StartTag};
use crate::extract::srcset::{Candidate, best, candidates};
use crate::extract::value::{Reference, can_decode, has_word, is_path, names_picture, suits};
use crate::extract::{FoundBy, MAX_VARIANTS};

/// The most bytes that are kept of the sources of one `picture`.
const MAX_SOURCES: usize = 1024 * 1024;

/// The `srcset`s of the `source`s of a `picture`.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Each with whether it is for screens like most and can be decoded.
    sets: Vec<(String, bool)>,
    bytes: usize,
}

impl Page<'_> {
    pub(super) fn source(&mut self, tag: &StartTag<'_>) {
        let Some(sources) = &mut self.sources else {
            return;
        };
        let is_usable = can_decode(tag.get(Attribute::Type)) && suits(tag.get(Attribute::Media));
        for name in [Attribute::LazySrcset, Attribute::Srcset] {
            if let Some(srcset) = tag.get(name) {
                let bytes = sources.bytes + srcset.len();
                // Many are as good as few: the bound is on the memory.
                if sources.sets.len() < MAX_ANNOUNCED && bytes <= MAX_SOURCES {
                    sources.bytes = bytes;
                    sources.sets.push((srcset.to_owned(), is_usable));
                }
            }
        }
    }

    /// `img`, with what scripts read to load it late: then `src`, which a browser shows until they
    /// have run, is a picture of its own.
    pub(super) fn img(&mut self, tag: &StartTag<'_>) {
        let sources = self.sources.as_mut().map(std::mem::take);
        let sources = sources.unwrap_or_default().sets;
        let usable = sources.iter().filter(|(_, is_usable)| *is_usable);
        let of_sources = usable.map(|(set, _)| (set.as_str(), FoundBy::Picture));
        let lazy_set = tag.get(Attribute::LazySrcset);
        let set = tag.get(Attribute::Srcset);
        let of_own = [(lazy_set, FoundBy::Lazy), (set, FoundBy::Srcset)];
        let of_own = of_own
            .into_iter()
            .filter_map(|(set, found_by)| Some((set?, found_by)));
        let sizes = tag.get(Attribute::Sizes);
        let best = self.best(of_sources.chain(of_own), sizes);
        let src = tag.get(Attribute::Src).unwrap_or_default();
        let lazy = tag.get(Attribute::LazySrc).filter(|path| is_path(path));
        let is_lazy = lazy.is_some() || lazy_set.is_some();
        let plain = lazy.map_or((src, FoundBy::Img), |lazy| (lazy, FoundBy::Lazy));
        let (reference, found_by) = match best {
            // A `srcset` may offer less than `src`, which has one pixel for each of CSS.
            Some((
                Candidate {
                    width: None,
                    density: Some(density),
                    ..
                },
                FoundBy::Srcset | FoundBy::Lazy,
            )) if density < 1.0 && matches!(Reference::of(plain.0), Reference::Kept(_)) => plain,
            Some((candidate, found_by)) => (candidate.url, found_by),
            None => plain,
        };
        let said = self.said(tag);
        if is_lazy && matches!(Reference::of(src), Reference::Kept(_)) {
            self.show(src, FoundBy::Img, said.clone(), []);
        }
        let sets = sources.iter().map(|(set, _)| set.as_str());
        let offered = sets.chain(lazy_set).chain(set).flat_map(candidates);
        // What stands there till scripts have run is no size of it.
        let plain = (lazy.is_some() || !is_lazy).then_some(plain.0);
        let variants = offered.map(|candidate| candidate.url).chain(plain);
        self.show(reference, found_by, said, variants);
    }

    /// A picture that the page asks for ahead of its use.
    pub(super) fn preload(&mut self, tag: &StartTag<'_>) {
        let set = tag.get(Attribute::ImageSrcset).unwrap_or_default();
        let best = self.best([(set, FoundBy::Preload)].into_iter(), None);
        let href = tag.get(Attribute::Href).unwrap_or_default();
        let reference = best.map_or(href, |(candidate, _)| candidate.url);
        let offered = candidates(set).map(|candidate| candidate.url);
        let variants = offered.chain([href]);
        // It has no place on the page yet.
        self.keep(reference, FoundBy::Preload, Said::default(), variants);
    }

    /// `video`: what it shows before it plays.
    pub(super) fn video(&mut self, tag: &StartTag<'_>) {
        if let Some(poster) = tag.get(Attribute::Poster) {
            self.show(poster, FoundBy::Poster, self.said(tag), []);
        }
    }

    /// `image` and `feImage` within SVG.
    pub(super) fn svg_image(&mut self, tag: &StartTag<'_>) {
        let href = tag.get(Attribute::Href).or(tag.get(Attribute::XlinkHref));
        if let Some(href) = href {
            self.show(href, FoundBy::Svg, self.said(tag), []);
        }
    }

    /// `object` and `embed`, where they hold a picture by their type, else by its name.
    pub(super) fn embedded(&mut self, tag: &StartTag<'_>, attribute: Attribute) {
        let Some(reference) = tag.get(attribute) else {
            return;
        };
        let kind = tag.get(Attribute::Type).unwrap_or_default();
        let is_picture = if kind.trim_ascii().is_empty() {
            names_picture(reference)
        } else {
            can_decode(Some(kind))
        };
        if is_picture {
            self.show(reference, FoundBy::Embedded, self.said(tag), []);
        }
    }

    /// `input type=image`: a button.
    pub(super) fn input(&mut self, tag: &StartTag<'_>) {
        let kind = tag.get(Attribute::Type).unwrap_or_default();
        if kind.trim_ascii().eq_ignore_ascii_case("image") {
            let src = tag.get(Attribute::Src).unwrap_or_default();
            self.show(src, FoundBy::Input, self.said(tag), []);
        }
    }

    /// A link begins; without an address it is none.
    pub(super) fn start_link(&mut self, tag: &StartTag<'_>) {
        self.end_link();
        if tag.get(Attribute::Href).is_some() {
            let label = tag.get(Attribute::AriaLabel).or(tag.get(Attribute::Title));
            self.link.start(self.line(label));
        }
    }

    /// A link straight to a picture's file; false where it leads to a page.
    pub(super) fn linked_picture(&mut self, tag: &StartTag<'_>) -> bool {
        let Some(href) = tag.get(Attribute::Href).filter(|href| names_picture(href)) else {
            return false;
        };
        let rel = tag.get(Attribute::Rel).unwrap_or_default();
        if !has_word(rel, &["nofollow"]) {
            self.show(href, FoundBy::Link, self.said(tag), []);
        }
        true
    }

    /// The best candidate of several sets; those that hold their data themselves are counted.
    fn best<'s>(
        &mut self,
        sets: impl Iterator<Item = (&'s str, FoundBy)>,
        sizes: Option<&str>,
    ) -> Option<(Candidate<'s>, FoundBy)> {
        let mut data_urls = 0_u32;
        let all = sets.flat_map(|(set, found_by)| candidates(set).map(move |it| (it, found_by)));
        let usable = all.filter(|(candidate, _)| {
            let is_data = matches!(Reference::of(candidate.url), Reference::Data);
            data_urls += u32::from(is_data);
            !is_data
        });
        let best = best(usable, sizes, u64::from(self.limits.max_srcset_width));
        self.found.data_urls += data_urls;
        best
    }

    /// Keeps a picture that stands here, with what its element says and what stands around it.
    pub(super) fn show<'s>(
        &mut self,
        reference: &str,
        found_by: FoundBy,
        said: Said,
        variants: impl IntoIterator<Item = &'s str>,
    ) {
        let Some(place) = self.keep(reference, found_by, said, variants) else {
            return;
        };
        self.link.picture(place);
        self.block.picture(place);
        let shown = &mut self.found.shown[place];
        if shown.heading.is_none() {
            shown.heading = self.headings.current();
        }
        if let Some(figure) = self.figures.last_mut()
            && shown.caption.is_none()
            && figure.pictures.len() < self.limits.max_pictures
        {
            figure.pictures.push(place);
        }
    }

    /// Keeps a picture; the answer is its place among those of the page.
    pub(super) fn keep<'s>(
        &mut self,
        reference: &str,
        found_by: FoundBy,
        said: Said,
        variants: impl IntoIterator<Item = &'s str>,
    ) -> Option<usize> {
        let reference = self.found.judge(reference)?;
        let found = &mut self.found;
        let place = match found.pictures.get(reference) {
            Some(&place) => {
                found.shown[place].said.complete(said);
                place
            }
            None if found.shown.len() < self.limits.max_pictures
                && found.room.take(reference.len() + said.len()) =>
            {
                let place = found.shown.len();
                found.pictures.insert(reference.to_owned(), place);
                found.shown.push(Shown {
                    said,
                    found_by,
                    ..Shown::default()
                });
                place
            }
            None => {
                found.left_out += 1;
                return None;
            }
        };
        let kept = &mut found.shown[place].variants;
        let mut seen: HashSet<&str> = HashSet::new();
        for variant in variants {
            if kept.len() >= MAX_VARIANTS {
                break;
            }
            if let Reference::Kept(variant) = Reference::of(variant)
                && variant != reference
                && seen.insert(variant)
                && !kept.iter().any(|known| known == variant)
                && found.room.take(variant.len())
            {
                kept.push(variant.to_owned());
            }
        }
        Some(place)
    }
}
