//! References to addresses: once the whole page is known, and with it its base.

use std::collections::{HashMap, HashSet};

use tusou_contract::SightingRights;
use tusou_ingest::address::{Address, AddressError};

use super::page::{Findings, Shown};
use super::room::Room;
use super::{Extracted, FoundBy, Limits, MAX_VARIANTS, Picture};

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
    let mut room = Room::new(limits.max_bytes);
    let mut left_out = found.left_out;
    let mut has_room = |bytes| {
        let has_room = room.take(bytes);
        left_out += u32::from(!has_room);
        has_room
    };
    let mut seen = HashSet::new();
    let links: Vec<Address> = in_order(found.links)
        .filter_map(|(reference, _)| resolver.address(&reference))
        .filter(|address| seen.insert(address.clone()))
        .filter(|address| has_room(address.as_str().len()))
        .collect();
    let mut seen = HashSet::new();
    let sheets = found.sheets.iter();
    let sheets: Vec<Address> = sheets
        .filter_map(|reference| resolver.address(reference))
        .filter(|address| seen.insert(address.clone()))
        .filter(|address| has_room(address.as_str().len()))
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
    for announced in found.announced {
        // What cannot be had by https may still be had.
        let secure = announced
            .secure
            .and_then(|secure| resolver.address(&secure));
        let address = secure.or_else(|| resolver.address(announced.reference.as_deref()?));
        let mut shown = Shown {
            found_by: announced.found_by,
            ..Shown::default()
        };
        shown.said.alt = announced.alt;
        if let Some(address) = address {
            left_out += u32::from(!pictures.add(address, shown, limits.max_pictures));
        }
    }
    for structured in found.structured {
        let shown = Shown {
            caption: structured.caption,
            found_by: FoundBy::JsonLd,
            ..Shown::default()
        };
        let references = structured.references.iter();
        let addresses = references.filter_map(|reference| resolver.address(reference));
        let addresses: Vec<Address> = addresses.collect();
        // Of several addresses of one picture, the one by which the page shows it.
        let known = addresses.iter().find(|it| pictures.places.contains_key(it));
        if let Some(address) = known.or(addresses.first()).cloned() {
            left_out += u32::from(!pictures.add(address, shown, limits.max_pictures));
        }
    }
    let told = found.claims.resolve(&base);
    let mut list = Vec::with_capacity(pictures.list.len());
    for (address, shown) in pictures.list {
        let rights = told.of(&address, shown.license);
        if !room.take(address.as_str().len() + bytes(&rights)) {
            left_out += 1;
            continue;
        }
        let heading = shown.heading.map(|place| found.headings[place].clone());
        let mut variants = Vec::new();
        for variant in shown.variants {
            if let Ok(variant) = base.join(&variant)
                && variant != address
                && !variants.contains(&variant)
                && room.take(variant.as_str().len())
            {
                variants.push(variant);
            }
        }
        list.push(Picture {
            address,
            alt: room.text(shown.said.alt),
            title: room.text(shown.said.title),
            caption: room.text(shown.caption),
            label: room.text(shown.said.label),
            link_text: room.text(shown.link_text),
            heading: room.text(heading),
            nearby: room.text(shown.nearby),
            variants,
            rights,
            found_by: shown.found_by,
        });
    }
    let canonical = found.canonical.resolve(page, &base);
    let unparsable_links = resolver.unparsable;
    Extracted {
        title: found.title,
        lang: found.lang,
        links,
        feeds,
        pictures: list,
        sheets,
        base,
        unparsable_links,
        data_urls: found.data_urls,
        left_out,
        directives: found.directives,
        canonical,
    }
}

/// How many bytes of texts and addresses a picture's rights have.
fn bytes(rights: &SightingRights) -> usize {
    let of = &rights.rights;
    let texts = [
        &of.license,
        &of.creator,
        &of.credit,
        &of.copyright,
        &rights.acquire,
    ];
    texts.into_iter().flatten().map(String::len).sum()
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
    list: Vec<(Address, Shown)>,
    places: HashMap<Address, usize>,
}

impl Pictures {
    /// Adds one or completes the texts of the same; false where it would be one too many.
    fn add(&mut self, address: Address, shown: Shown, max: usize) -> bool {
        if let Some(&place) = self.places.get(&address) {
            let (_, known) = &mut self.list[place];
            known.said.complete(shown.said);
            known.license = known.license.take().or(shown.license);
            known.caption = known.caption.take().or(shown.caption);
            known.link_text = known.link_text.take().or(shown.link_text);
            known.heading = known.heading.or(shown.heading);
            known.nearby = known.nearby.take().or(shown.nearby);
            let room = MAX_VARIANTS.saturating_sub(known.variants.len());
            known.variants.extend(shown.variants.into_iter().take(room));
        } else if self.list.len() < max {
            self.places.insert(address.clone(), self.list.len());
            self.list.push((address, shown));
        } else {
            return false;
        }
        true
    }
}
