//! What a page's `rel=canonical` links name.

use tusou_ingest::Address;

/// The reference that they name.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Canonical {
    #[default]
    None,
    One(String),
    /// Several that differ: none of them is meant.
    Several,
}

impl Canonical {
    pub(super) fn add(&mut self, reference: &str) {
        match self {
            Self::None => *self = Self::One(reference.to_owned()),
            Self::One(known) if known == reference => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }

    /// The address that is meant, unless it is the page's own.
    pub(super) fn resolve(self, page: &Address, base: &Address) -> Option<Address> {
        let Self::One(reference) = self else {
            return None;
        };
        let canonical = base.join(&reference).ok()?;
        (canonical != *page).then_some(canonical)
    }
}
