//! What happens to the candidates of a search once the index has named them: lists are fused, sorted,
//! counted, grouped and kept for further pages. Nothing here does I/O.
//!
//! The order: [`fuse`], then [`facets`] over all, then [`group`], then [`sort`] by the groups' best copies,
//! then a page at the place of a [`cursor`]. The digest of a list is that of its candidates as fused.

pub(crate) mod cursor;
pub(crate) mod facets;
pub(crate) mod fuse;
pub(crate) mod group;
pub(crate) mod kept;
pub(crate) mod sort;

use std::collections::HashSet;
use std::sync::Arc;

use tusou_contract::ImageId;
use tusou_contract::document::aspect;

/// The most candidates of a search.
pub(crate) const MOST: usize = 1_000;

/// A text that many candidates share: a host, a colour, a format, a licence.
pub(crate) type Name = Arc<str>;

/// A picture that may be an answer, with what facets, order and groups need of it. A thousand of them are kept
/// for each search, so what is shown of a page's pictures is read anew for that page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// The picture.
    pub(crate) image_id: ImageId,
    /// Cosine similarity with the query, −1 to 1; none where only words found it.
    pub(crate) cosine: Option<f32>,
    /// What orders the list: more is better. Its scale is the list's own.
    pub(crate) relevance: f64,
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// Size of the original.
    pub(crate) bytes: u64,
    /// Format of the original.
    pub(crate) format: Name,
    /// Main colours by name.
    pub(crate) colors: Box<[Name]>,
    /// Host names of pages and pictures.
    pub(crate) hosts: Box<[Name]>,
    /// Address of the licence.
    pub(crate) license: Option<Name>,
    /// The first sighting, in milliseconds since 1970 (UTC).
    pub(crate) first_seen_ms: i64,
    /// The perceptual hash, as a number.
    pub(crate) phash: Option<u64>,
}

impl Candidate {
    /// How many pixels it has.
    pub(crate) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Pixels across over pixels down.
    pub(crate) fn aspect(&self) -> f32 {
        aspect(self.width, self.height)
    }

    /// Bytes that it takes in memory, without the texts that it shares.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + (self.colors.len() + self.hosts.len()) * size_of::<Name>()
    }

    /// The texts that it shares.
    fn names(&self) -> impl Iterator<Item = &Name> {
        let lists = self.colors.iter().chain(&self.hosts);
        lists.chain(&self.license).chain([&self.format])
    }
}

/// Bytes that a list takes in memory, each shared text counted once.
pub(crate) fn weight<'a>(list: impl IntoIterator<Item = &'a Candidate, IntoIter: Clone>) -> usize {
    let list = list.into_iter();
    // A text is shared together with its two counts.
    let counts = 2 * size_of::<usize>();
    let mut seen = HashSet::new();
    let shared: usize = list
        .clone()
        .flat_map(Candidate::names)
        .filter(|name| seen.insert(name.as_ptr()))
        .map(|name| name.len() + counts)
        .sum();
    list.map(Candidate::weight).sum::<usize>() + shared
}

/// Makes equal texts one: one of these is used for a list.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Name>);

impl Names {
    /// The shared text that equals this one.
    pub(crate) fn name(&mut self, text: &str) -> Name {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let name: Name = text.into();
        self.0.insert(Arc::clone(&name));
        name
    }

    /// Each of these texts, shared.
    pub(crate) fn all<T: AsRef<str>>(&mut self, texts: &[T]) -> Box<[Name]> {
        texts.iter().map(|text| self.name(text.as_ref())).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plain candidate whose id is made of its name.
    pub(crate) fn candidate(name: &str) -> Candidate {
        Candidate {
            image_id: ImageId::of(name.as_bytes()),
            cosine: None,
            relevance: 0.0,
            width: 640,
            height: 480,
            bytes: 50_000,
            format: "jpeg".into(),
            colors: Box::default(),
            hosts: Box::default(),
            license: None,
            first_seen_ms: 0,
            phash: None,
        }
    }

    #[test]
    fn equal_texts_are_kept_once_and_weigh_once() {
        let mut names = Names::default();
        let mut list = Vec::new();
        for number in 0..100 {
            let mut one = candidate(&number.to_string());
            one.format = names.name("jpeg");
            one.hosts = names.all(&["example.org", "images.example.org"]);
            list.push(one);
        }
        assert!(Arc::ptr_eq(&list[0].hosts[1], &list[99].hosts[1]));
        let plain: usize = list.iter().map(Candidate::weight).sum();
        let texts = "jpeg".len() + "example.org".len() + "images.example.org".len();
        assert_eq!(weight(&list), plain + texts + 3 * 16);
        // What 1,000 of them take: a search is to be kept in less than 512 KiB.
        assert!(plain < 100 * 300, "{plain}");
    }
}
