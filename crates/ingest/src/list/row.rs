//! What a row says of a picture.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tusou_contract::{Rights, SightingContext, SightingRights};

use super::{BadRow, Columns};
use crate::address::Address;
use crate::text::line;

/// The most further columns that are kept of a row.
pub const MAX_KEPT: usize = 32;
/// The longest value of a further column, in characters.
const MAX_VALUE: usize = 1_000;
/// The longest name of a column, in characters.
const MAX_NAME: usize = 100;
/// The longest caption, in characters.
const MAX_CAPTION: usize = 2_000;
/// The longest text of a licence or creator, in characters.
const MAX_RIGHT: usize = 500;

/// A picture as a list names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Where its bytes are.
    pub address: Address,
    /// What it shows, in words; empty where the list says nothing.
    pub caption: String,
    /// The page that shows it, and what else the row says.
    pub context: SightingContext,
    /// Licence and creator.
    pub rights: SightingRights,
}

/// A field: its column's name and what stands there.
pub(super) type Cell<'a> = (Cow<'a, str>, Cow<'a, str>);

impl ListRow {
    /// A URL by itself.
    pub(super) fn of_url(url: &str) -> Result<Self, BadRow> {
        Ok(Self {
            address: Address::parse(url)?,
            caption: String::new(),
            context: found(),
            rights: SightingRights::default(),
        })
    }

    /// A row by its fields. One that is not there is as an empty one.
    pub(super) fn of(cells: &[Cell<'_>], columns: &Columns) -> Result<Self, BadRow> {
        let text = |name: &str, most: usize| {
            let cell = cells.iter().find(|(column, _)| column == name);
            cell.and_then(|(_, value)| line(value, most))
        };
        let url = cells.iter().find(|(column, _)| *column == columns.url);
        let url = url.map_or("", |(_, value)| value.trim());
        if url.is_empty() {
            return Err(BadRow::NoUrl);
        }
        let mut row = Self::of_url(url)?;
        let caption = columns
            .captions
            .iter()
            .find_map(|name| Some((name, text(name, MAX_CAPTION)?)));
        // An address of a page that is none is no reason to leave the picture: it is kept as it stands.
        let page = columns
            .page
            .as_ref()
            .and_then(|name| Some((name, Address::parse(&text(name, usize::MAX)?).ok()?)));
        let license = columns
            .license
            .as_ref()
            .and_then(|name| Some((name, text(name, MAX_RIGHT)?)));
        let creator = columns.creators.iter().find_map(|parts| {
            let parts = parts.iter().filter_map(|name| text(name, MAX_RIGHT));
            let parts: Vec<String> = parts.collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        });
        let used = |name: &str| {
            let used = [
                Some(&columns.url),
                caption.as_ref().map(|(name, _)| *name),
                page.as_ref().map(|(name, _)| *name),
                license.as_ref().map(|(name, _)| *name),
            ];
            used.into_iter().flatten().any(|used| used == name)
        };
        let further = cells.iter().filter(|(name, _)| !used(name));
        let further = further
            .filter_map(|(name, value)| Some((line(name, MAX_NAME)?, line(value, MAX_VALUE)?)));
        let further: BTreeMap<String, String> = further.take(MAX_KEPT).collect();
        row.context.columns = further;
        row.context.page = page.as_ref().map(|(_, page)| page.to_string());
        row.rights.rights = Rights {
            license: license.as_ref().map(|(_, text)| text.clone()),
            creator,
            ..Rights::default()
        };
        row.caption = caption.map(|(_, text)| text).unwrap_or_default();
        Ok(row)
    }
}

fn found() -> SightingContext {
    SightingContext {
        found_by: Some("list".to_owned()),
        ..SightingContext::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::ColumnNames;
    use super::*;

    fn read(cells: &[(&str, &str)]) -> Result<ListRow, BadRow> {
        let there: Vec<String> = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
        let columns = Columns::choose(Path::new("x.csv"), &ColumnNames::default(), &there);
        let cells: Vec<Cell<'_>> = cells
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value)))
            .collect();
        ListRow::of(&cells, &columns.expect("it has a URL's column"))
    }

    #[test]
    fn a_row_has_its_words_its_page_its_rights_and_all_else() {
        let row = read(&[
            ("photo_id", "x1"),
            ("photo_image_url", " https://images.example/x1 "),
            ("photo_url", "https://example.org/photos/x1"),
            ("photo_description", " \n"),
            ("ai_description", "a  red\tkite"),
            ("photographer_username", "ann"),
            ("photographer_first_name", "Ann"),
            ("photographer_last_name", "Lee"),
            ("stats_views", "7"),
        ]);
        let row = row.expect("a good row");
        assert_eq!(row.address.as_str(), "https://images.example/x1");
        assert_eq!(row.caption, "a red kite");
        assert_eq!(
            row.context.page.as_deref(),
            Some("https://example.org/photos/x1")
        );
        assert_eq!(row.context.found_by.as_deref(), Some("list"));
        assert_eq!(row.rights.rights.creator.as_deref(), Some("Ann Lee"));
        let further: Vec<&str> = row.context.columns.keys().map(String::as_str).collect();
        assert_eq!(
            further,
            [
                "photo_id",
                "photographer_first_name",
                "photographer_last_name",
                "photographer_username",
                "stats_views"
            ]
        );
    }

    #[test]
    fn what_stands_in_a_page_s_column_and_is_no_address_stays_a_column() {
        let row = read(&[
            ("url", "http://a.test/x"),
            ("page_url", "javascript:alert(1)"),
        ]);
        let row = row.expect("a good row");
        assert_eq!(row.context.page, None);
        assert_eq!(row.context.columns["page_url"], "javascript:alert(1)");
    }

    #[test]
    fn a_row_is_bounded() {
        let names: Vec<String> = (0..100).map(|n| format!("c{n:02}")).collect();
        let long = "x".repeat(5_000);
        let mut cells = vec![("url", "http://a.test/x"), ("caption", long.as_str())];
        cells.extend(names.iter().map(|name| (name.as_str(), long.as_str())));
        let row = read(&cells).expect("a good row");
        assert_eq!(row.caption.len(), MAX_CAPTION);
        assert_eq!(row.context.columns.len(), MAX_KEPT);
        assert!(
            row.context
                .columns
                .values()
                .all(|value| value.len() == MAX_VALUE)
        );
        assert_eq!(read(&[("url", " ")]), Err(BadRow::NoUrl));
        assert_eq!(
            read(&[("url", "ftp://a.test/x")]).unwrap_err().reason(),
            "scheme"
        );
    }
}
