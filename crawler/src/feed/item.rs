//! An item of a feed, until it ends: its page may be named last.

use tusou_contract::{Rights, SightingRights};
use tusou_ingest::address::Address;

use super::{Found, Picture};
use crate::extract::{self, Limits};

/// The most bytes of an item's texts that are looked through for pictures.
const MAX_HTML: usize = 512 * 1024;
/// The most pictures that an item names outside of its texts.
const MAX_MEDIA: usize = 1_000;
/// The most other sizes of a picture that are kept.
const MAX_VARIANTS: usize = 16;

/// What an item has said so far. The feed's own pictures are those of an item without a page.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) link: Option<Address>,
    /// Its identity, where that is an address that leads to it.
    pub(super) guid: Option<Address>,
    pub(super) title: Option<String>,
    /// What holds for its pictures that say nothing themselves.
    pub(super) words: Words,
    /// Its texts, as HTML.
    pub(super) html: Vec<String>,
    html_bytes: usize,
    media: Vec<Media>,
}

/// What is said of a picture, or of all those of an item.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) title: Option<String>,
    pub(super) caption: Option<String>,
    pub(super) rights: SightingRights,
}

/// A picture that an item names outside of its texts.
#[derive(Debug, Clone)]
pub(super) struct Media {
    pub(super) address: Address,
    pub(super) words: Words,
    /// In pixels; 0 where it is not told.
    pub(super) width: u32,
    /// The number of its `media:group`, whose pictures are one in several sizes.
    pub(super) group: Option<u32>,
    /// Whether it is only the preview of another one of its item, if there is another one.
    pub(super) is_thumbnail: bool,
}

impl Words {
    /// Takes over what is missing here.
    pub(super) fn complete(&mut self, other: &Self) {
        self.title = self.title.take().or_else(|| other.title.clone());
        self.caption = self.caption.take().or_else(|| other.caption.clone());
        self.rights.complete(other.rights.clone());
    }

    /// The rights that a document carries, too.
    pub(super) fn told(&mut self) -> &mut Rights {
        &mut self.rights.rights
    }
}

impl Item {
    /// Room for a further text, in bytes.
    pub(super) fn room(&self) -> usize {
        MAX_HTML.saturating_sub(self.html_bytes)
    }

    pub(super) fn add_html(&mut self, html: &str) {
        if html.contains('<') {
            self.html_bytes += html.len();
            self.html.push(html.to_owned());
        }
    }

    /// False where it would be one too many.
    pub(super) fn add_media(&mut self, media: Media) -> bool {
        let fits = self.media.len() < MAX_MEDIA;
        if fits {
            self.media.push(media);
        }
        fits
    }

    /// The item has ended: its pictures and its page go to the feed.
    pub(super) fn end(self, found: &mut Found<'_>, of_feed: &Words) {
        let page = self.link.or(self.guid);
        let mut of_item = self.words;
        of_item.rights.complete(of_feed.rights.clone());
        let to_picture = |media: Media, variants: Vec<Address>| {
            let mut words = media.words;
            words.complete(&of_item);
            Picture {
                address: media.address,
                alt: None,
                title: words.title,
                caption: words.caption,
                heading: self.title.clone(),
                page: page.clone(),
                variants,
                rights: words.rights,
            }
        };
        for (media, variants) in sizes(self.media) {
            found.add_picture(to_picture(media, variants));
        }
        let base = page.clone().unwrap_or_else(|| found.base.clone());
        for html in &self.html {
            let room = found.limits.max_pictures;
            let limits = Limits {
                max_pictures: room,
                max_text: found.limits.max_text,
                ..Limits::default()
            };
            let kind = Some("text/html; charset=utf-8");
            let said = extract::extract_as(found.agent, html.as_bytes(), kind, &base, &limits);
            found.feed.left_out = found.feed.left_out.saturating_add(said.left_out);
            for picture in said.pictures {
                let mut rights = picture.rights;
                rights.complete(of_item.rights.clone());
                found.add_picture(Picture {
                    address: picture.address,
                    alt: picture.alt,
                    title: picture.title,
                    caption: picture.caption,
                    heading: self.title.clone(),
                    page: page.clone(),
                    variants: Vec::new(),
                    rights,
                });
            }
        }
        if let Some(page) = page {
            found.add_link(page);
        }
    }
}

/// Pictures with their other sizes: of a group the widest one is taken, and a thumbnail only where there
/// is nothing larger.
fn sizes(media: Vec<Media>) -> Vec<(Media, Vec<Address>)> {
    let mut taken: Vec<(Media, Vec<Address>)> = Vec::new();
    let (thumbnails, pictures): (Vec<Media>, Vec<Media>) =
        media.into_iter().partition(|media| media.is_thumbnail);
    for picture in pictures {
        let same = |(known, _): &&mut (Media, Vec<Address>)| {
            picture.group.is_some() && known.group == picture.group
        };
        match taken.iter_mut().find(same) {
            Some((known, variants)) => {
                let (larger, smaller) = if picture.width > known.width {
                    (picture, known.clone())
                } else {
                    (known.clone(), picture)
                };
                *known = larger;
                known.words.complete(&smaller.words);
                add_variant(variants, &known.address, smaller.address);
            }
            None => taken.push((picture, Vec::new())),
        }
    }
    if taken.is_empty() {
        taken.extend(
            thumbnails
                .into_iter()
                .map(|thumbnail| (thumbnail, Vec::new())),
        );
        return taken;
    }
    for thumbnail in thumbnails {
        let of_group = taken
            .iter()
            .position(|(known, _)| known.group.is_some() && known.group == thumbnail.group);
        let (known, variants) = &mut taken[of_group.unwrap_or(0)];
        add_variant(variants, &known.address, thumbnail.address);
    }
    taken
}

fn add_variant(variants: &mut Vec<Address>, of: &Address, variant: Address) {
    if variant != *of && variants.len() < MAX_VARIANTS && !variants.contains(&variant) {
        variants.push(variant);
    }
}
