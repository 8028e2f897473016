//! References to addresses: once the whole page is known, and with it its base.

use std::collections::{HashMap, HashSet};

use tusou_contract::SightingRights;
use tusou_ingest::address::{Address, AddressError};

use super::page::{Findings, Shown};
use super::{Extracted, Limits, Picture};

/// Resolves what was found on the page at `page`.
pub(super) fn resolve(found: Findings, page: &Address, limits: &Limits) -> Extracted {
    let base = found
        .base
        .and_then(|base| page.join(&base).ok())
        .unwrap_or_else(|| page.clone());
    let mut resolver = Resolver {
        page,
        base: &base,
        unparsable: found.unparsable,
    };
    let mut seen = HashSet::new();
    let links: Vec<Address> = in_order(found.links)
        .filter_map(|(reference, _)| resolver.address(&reference))
        .filter(|address| seen.insert(address.clone()))
        .collect();
    let feeds = found.feeds.iter();
    let feeds = feeds
        .filter_map(|reference| resolver.address(reference))
        .filter(|address| seen.insert(address.clone()))
        .collect();
    let mut pictures = Pictures::default();
    let mut shown: Vec<Option<Shown>> = found.shown.into_iter().map(Some).collect();
    for (reference, place) in in_order(found.pictures) {
        let shown = shown[place]
            .take()
            .expect("each place belongs to one reference");
        if let Some(address) = resolver.address(&reference) {
            pictures.add(address, shown, usize::MAX);
        }
    }
    let mut left_out = found.left_out;
    for announced in found.announced {
        // What cannot be had by https may still be had.
        let secure = announced
            .secure
            .and_then(|secure| resolver.address(&secure));
        let address = secure.or_else(|| resolver.address(announced.reference.as_deref()?));
        let shown = Shown {
            alt: announced.alt,
            title: None,
            caption: None,
            license: None,
            found_by: announced.found_by,
        };
        if let Some(address) = address {
            left_out += u32::from(!pictures.add(address, shown, limits.max_pictures));
        }
    }
    let told = found.claims.resolve(&base);
    let pictures = pictures.list.into_iter().map(|(mut picture, license)| {
        picture.rights = told.of(&picture.address, license);
        picture
    });
    let pictures = pictures.collect();
    let canonical = found.canonical.resolve(page, &base);
    let unparsable_links = resolver.unparsable;
    Extracted {
        title: found.title,
        lang: found.lang,
        links,
        feeds,
        pictures,
        base,
        unparsable_links,
        data_urls: found.data_urls,
        left_out,
        directives: found.directives,
        canonical,
    }
}

/// References in the order of the page.
fn in_order(references: HashMap<String, usize>) -> impl Iterator<Item = (String, usize)> {
    let mut references: Vec<_> = references.into_iter().collect();
    references.sort_unstable_by_key(|(_, place)| *place);
    references.into_iter()
}

struct Resolver<'a> {
    page: &'a Address,
    base: &'a Address,
    unparsable: u32,
}

impl Resolver<'_> {
    /// The address, unless it is the page itself; what is no address is counted, and what is one
    /// of another scheme is not.
    fn address(&mut self, reference: &str) -> Option<Address> {
        match self.base.join(reference) {
            Ok(address) => Some(address).filter(|address| address != self.page),
            Err(AddressError::Scheme { .. }) => None,
            Err(_) => {
                self.unparsable += 1;
                None
            }
        }
    }
}

/// Pictures, each address once.
#[derive(Default)]
struct Pictures {
    /// Each with its figure's licence.
    list: Vec<(Picture, Option<String>)>,
    places: HashMap<Address, usize>,
}

impl Pictures {
    /// Adds one or completes the texts of the same; false where it would be one too many.
    fn add(&mut self, address: Address, shown: Shown, max: usize) -> bool {
        let Shown {
            alt,
            title,
            caption,
            license,
            found_by,
        } = shown;
        if let Some(&place) = self.places.get(&address) {
            let (known, of_figure) = &mut self.list[place];
            *of_figure = of_figure.take().or(license);
            known.alt = known.alt.take().or(alt);
            known.title = known.title.take().or(title);
            known.caption = known.caption.take().or(caption);
        } else if self.list.len() < max {
            self.places.insert(address.clone(), self.list.len());
            let picture = Picture {
                address,
                alt,
                title,
                caption,
                rights: SightingRights::default(),
                found_by,
            };
            self.list.push((picture, license));
        } else {
            return false;
        }
        true
    }
}
