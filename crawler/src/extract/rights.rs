//! What a page says of its pictures' rights: `ImageObject`s that name a picture, and `rel=license`
//! (HTML standard, 4.6.7.8), which in a `figure` holds for its pictures, else for all of the page.
//! Microdata and RDFa are not read.

use std::collections::HashMap;

use tusou_contract::{Rights, SightingRights};
use tusou_ingest::address::Address;

use super::jsonld::{self, Structured};
use super::scan::{Attribute, StartTag};
use super::value::{Reference, has_word};

/// The most bytes of JSON-LD that are read of one page.
const MAX_SCRIPT: usize = 512 * 1024;
/// The most pictures whose rights one page tells by JSON-LD.
const MAX_CLAIMS: usize = 2_048;

/// The licence that a link names.
pub(super) fn license<'t>(tag: &StartTag<'t>) -> Option<&'t str> {
    let rel = tag.get(Attribute::Rel)?;
    let href = tag.get(Attribute::Href)?;
    match Reference::of(href) {
        Reference::Kept(href) if has_word(rel, &["license"]) => Some(href),
        _ => None,
    }
}

/// What an `ImageObject` says: references as they are written.
#[derive(Debug)]
pub(super) struct Claim {
    /// Where the picture is.
    pub(super) pictures: Vec<String>,
    /// `license` and `acquire` are references, too.
    pub(super) rights: SightingRights,
}

/// What a page claims, as it is read.
#[derive(Debug)]
pub(super) struct Claims {
    claims: Vec<Claim>,
    /// How many pictures JSON-LD has named.
    structured: usize,
    license: License,
    /// The script that is being read; none that would be too long.
    script: Option<Vec<u8>>,
    /// Bytes of scripts that may still be read.
    room: usize,
}

/// The licence of the page's pictures.
#[derive(Debug, Default)]
enum License {
    #[default]
    None,
    One(String),
    /// Several that differ: nobody can tell which holds for which picture.
    Several,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            claims: Vec::new(),
            structured: 0,
            license: License::None,
            script: None,
            room: MAX_SCRIPT,
        }
    }
}

impl Claims {
    /// A script begins.
    pub(super) fn start_script(&mut self, media_type: Option<&str>) {
        let media_type = media_type.unwrap_or_default().split(';').next();
        let is_wanted =
            media_type.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/ld+json"));
        self.script = is_wanted.then(Vec::new);
    }

    /// Some bytes of the script that is open, if it is wanted.
    pub(super) fn push_script(&mut self, bytes: &[u8]) {
        let Some(script) = &mut self.script else {
            return;
        };
        if bytes.len() <= self.room {
            self.room -= bytes.len();
            script.extend_from_slice(bytes);
        } else {
            // Half of it is no JSON.
            self.room += script.len();
            self.script = None;
        }
    }

    /// The script has ended; the answer is the pictures that it names.
    pub(super) fn end_script(&mut self, max_text: usize) -> Vec<Structured> {
        let Some(script) = self.script.take() else {
            return Vec::new();
        };
        let room = MAX_CLAIMS - self.claims.len().max(self.structured);
        let (claims, pictures) = jsonld::read(&script, room, max_text);
        self.claims.extend(claims);
        self.structured += pictures.len();
        pictures
    }

    /// A licence that the page names outside of figures.
    pub(super) fn license(&mut self, reference: &str) {
        self.license = match std::mem::take(&mut self.license) {
            License::None => License::One(reference.to_owned()),
            License::One(known) if known == reference => License::One(known),
            _ => License::Several,
        };
    }

    /// Resolves what was claimed against the page's base.
    pub(super) fn resolve(self, base: &Address) -> Told<'_> {
        let license = match self.license {
            License::One(reference) => address(base, reference),
            License::None | License::Several => None,
        };
        let mut told = Told {
            base,
            pictures: HashMap::new(),
            license,
        };
        for Claim { pictures, rights } in self.claims {
            let rights = SightingRights {
                acquire: rights.acquire.and_then(|acquire| address(base, acquire)),
                rights: Rights {
                    license: rights.rights.license.and_then(|url| address(base, url)),
                    ..rights.rights
                },
            };
            for picture in pictures {
                if let Some(picture) = address(base, picture) {
                    told.pictures
                        .entry(picture)
                        .or_default()
                        .complete(rights.clone());
                }
            }
        }
        told
    }
}

/// What a page told of rights, once all of it is known.
#[derive(Debug)]
pub(super) struct Told<'b> {
    base: &'b Address,
    pictures: HashMap<String, SightingRights>,
    license: Option<String>,
}

impl Told<'_> {
    /// The rights of one picture: what names it, then its figure's licence, then the page's.
    pub(super) fn of(&self, picture: &Address, figure: Option<String>) -> SightingRights {
        let mut rights = self
            .pictures
            .get(picture.as_str())
            .cloned()
            .unwrap_or_default();
        let near = figure.and_then(|license| address(self.base, license));
        let license = near.or_else(|| self.license.clone());
        rights.complete(SightingRights {
            rights: Rights {
                license,
                ..Rights::default()
            },
            acquire: None,
        });
        rights
    }
}

fn address(base: &Address, reference: String) -> Option<String> {
    match Reference::of(&reference) {
        Reference::Kept(reference) => Some(base.join(reference).ok()?.as_str().to_owned()),
        _ => None,
    }
}
