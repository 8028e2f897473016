//! The elements of a page that show pictures.

use super::{MAX_ANNOUNCED, Page, Shown};
use crate::extract::FoundBy;
use crate::extract::scan::{Attribute, StartTag};
use crate::extract::srcset::{Candidate, best, candidates};
use crate::extract::value::{Reference, can_decode, has_word, is_path, names_picture, suits};

impl Page<'_> {
    pub(super) fn source(&mut self, tag: &StartTag<'_>) {
        let Some(sources) = &mut self.sources else {
            return;
        };
        if !can_decode(tag.get(Attribute::Type)) || !suits(tag.get(Attribute::Media)) {
            return;
        }
        for name in [Attribute::LazySrcset, Attribute::Srcset] {
            if let Some(srcset) = tag.get(name) {
                // Many are as good as few: the bound is on the memory.
                if sources.len() < MAX_ANNOUNCED {
                    sources.push(srcset.to_owned());
                }
            }
        }
    }

    /// `img`, with what scripts read to load it late: then `src`, which a browser shows until they
    /// have run, is a picture of its own.
    pub(super) fn img(&mut self, tag: &StartTag<'_>) {
        let sources = self
            .sources
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        let of_sources = sources.iter().map(|set| (set.as_str(), FoundBy::Picture));
        let lazy_set = tag.get(Attribute::LazySrcset);
        let of_own = [
            (lazy_set, FoundBy::Lazy),
            (tag.get(Attribute::Srcset), FoundBy::Srcset),
        ];
        let of_own = of_own
            .into_iter()
            .filter_map(|(set, found_by)| Some((set?, found_by)));
        let best = self.best(of_sources.chain(of_own));
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
        let alt = self.line(tag.get(Attribute::Alt));
        let title = self.line(tag.get(Attribute::Title));
        if is_lazy && matches!(Reference::of(src), Reference::Kept(_)) {
            self.show(src, FoundBy::Img, alt.clone(), title.clone());
        }
        self.show(reference, found_by, alt, title);
    }

    /// A picture that the page asks for ahead of its use.
    pub(super) fn preload(&mut self, tag: &StartTag<'_>) {
        let set = tag.get(Attribute::ImageSrcset).unwrap_or_default();
        let best = self.best([(set, FoundBy::Preload)].into_iter());
        let href = tag.get(Attribute::Href).unwrap_or_default();
        let reference = best.map_or(href, |(candidate, _)| candidate.url);
        self.show(reference, FoundBy::Preload, None, None);
    }

    /// `video`: what it shows before it plays.
    pub(super) fn video(&mut self, tag: &StartTag<'_>) {
        if let Some(poster) = tag.get(Attribute::Poster) {
            let title = self.line(tag.get(Attribute::Title));
            self.show(poster, FoundBy::Poster, None, title);
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
            let title = self.line(tag.get(Attribute::Title));
            self.show(reference, FoundBy::Embedded, None, title);
        }
    }

    /// `input type=image`: a button.
    pub(super) fn input(&mut self, tag: &StartTag<'_>) {
        let kind = tag.get(Attribute::Type).unwrap_or_default();
        if kind.trim_ascii().eq_ignore_ascii_case("image") {
            let alt = self.line(tag.get(Attribute::Alt));
            let title = self.line(tag.get(Attribute::Title));
            let src = tag.get(Attribute::Src).unwrap_or_default();
            self.show(src, FoundBy::Input, alt, title);
        }
    }

    /// A link straight to a picture's file; false where it leads to a page.
    pub(super) fn linked_picture(&mut self, tag: &StartTag<'_>) -> bool {
        let Some(href) = tag.get(Attribute::Href).filter(|href| names_picture(href)) else {
            return false;
        };
        let rel = tag.get(Attribute::Rel).unwrap_or_default();
        if !has_word(rel, &["nofollow"]) {
            let title = self.line(tag.get(Attribute::Title));
            self.show(href, FoundBy::Link, None, title);
        }
        true
    }

    /// The best candidate of several sets; those that hold their data themselves are counted.
    fn best<'s>(
        &mut self,
        sets: impl Iterator<Item = (&'s str, FoundBy)>,
    ) -> Option<(Candidate<'s>, FoundBy)> {
        let mut data_urls = 0_u32;
        let all = sets.flat_map(|(set, found_by)| candidates(set).map(move |it| (it, found_by)));
        let usable = all.filter(|(candidate, _)| {
            let is_data = matches!(Reference::of(candidate.url), Reference::Data);
            data_urls += u32::from(is_data);
            !is_data
        });
        let best = best(usable, u64::from(self.limits.max_srcset_width));
        self.found.data_urls += data_urls;
        best
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
}
