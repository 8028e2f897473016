//! Which of a list's columns is what.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ListError;

/// Columns that a person names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnNames {
    /// The picture's URL.
    pub url: Option<String>,
    /// What it shows, in words.
    pub caption: Option<String>,
    /// The page that shows it.
    pub page: Option<String>,
    /// Its licence: an address, or words.
    pub license: Option<String>,
    /// Who made it.
    pub creator: Option<String>,
}

impl ColumnNames {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// What columns are called in lists that are published: those that img2dataset takes, Unsplash, LAION,
// Open Images, Openverse. In the order of preference, compared without regard to case.
const URL: [&str; 10] = [
    "url",
    "image_url",
    "photo_image_url",
    "img_url",
    "contenturl",
    "content_url",
    "originalurl",
    "image",
    "src",
    "link",
];
const CAPTION: [&str; 10] = [
    "caption",
    "text",
    "top_caption",
    "alt",
    "alt_text",
    "photo_description",
    "ai_description",
    "description",
    "title",
    "name",
];
const PAGE: [&str; 6] = [
    "page_url",
    "photo_url",
    "page",
    "foreign_landing_url",
    "originallandingurl",
    "source_url",
];
const LICENSE: [&str; 3] = ["license_url", "license", "licence"];
const CREATOR: [&str; 4] = ["creator", "author", "photographer", "photographer_username"];
/// A name in two columns is said before a name to log in by.
const FIRST_NAME: &str = "photographer_first_name";
const LAST_NAME: &str = "photographer_last_name";

/// The columns of a list, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) url: String,
    /// The first that says something.
    pub(super) captions: Vec<String>,
    pub(super) page: Option<String>,
    pub(super) license: Option<String>,
    /// The first that says something; a name in two parts is one entry.
    pub(super) creators: Vec<Vec<String>>,
}

impl Columns {
    /// Chooses among the columns that are there.
    pub(super) fn choose(
        path: &Path,
        names: &ColumnNames,
        there: &[String],
    ) -> Result<Self, ListError> {
        let find = |wanted: &str| {
            let same = there.iter().find(|name| *name == wanted);
            same.or_else(|| there.iter().find(|name| name.eq_ignore_ascii_case(wanted)))
                .cloned()
        };
        let named = |name: &Option<String>| match name {
            None => Ok(None),
            Some(wanted) => match find(wanted) {
                Some(found) => Ok(Some(found)),
                None => Err(ListError::NoColumn {
                    path: path.to_owned(),
                    wanted: wanted.clone(),
                    columns: there.to_vec(),
                }),
            },
        };
        let known = |names: &[&str]| -> Vec<String> {
            names.iter().filter_map(|name| find(name)).collect()
        };
        let url = match named(&names.url)? {
            Some(url) => url,
            None => known(&URL)
                .into_iter()
                .next()
                .ok_or_else(|| ListError::NoUrlColumn {
                    path: path.to_owned(),
                    columns: there.to_vec(),
                })?,
        };
        let not_url = |name: &String| *name != url;
        let captions = match named(&names.caption)? {
            Some(caption) => vec![caption],
            None => known(&CAPTION).into_iter().filter(not_url).collect(),
        };
        let page = named(&names.page)?.or_else(|| known(&PAGE).into_iter().find(not_url));
        let license = named(&names.license)?.or_else(|| known(&LICENSE).into_iter().next());
        let creators = match named(&names.creator)? {
            Some(creator) => vec![vec![creator]],
            None => {
                let whole = [FIRST_NAME, LAST_NAME].map(find);
                let whole: Vec<String> = whole.into_iter().flatten().collect();
                let mut creators: Vec<Vec<String>> = known(&CREATOR[..3])
                    .into_iter()
                    .map(|name| vec![name])
                    .collect();
                if !whole.is_empty() {
                    creators.push(whole);
                }
                creators.extend(known(&CREATOR[3..]).into_iter().map(|name| vec![name]));
                creators
            }
        };
        Ok(Self {
            url,
            captions,
            page,
            license,
            creators,
        })
    }

    /// Whether a column is one of these.
    pub(super) fn uses(&self, name: &str) -> bool {
        let one = [Some(&self.url), self.page.as_ref(), self.license.as_ref()];
        let one = one.into_iter().flatten();
        let mut used = one
            .chain(&self.captions)
            .chain(self.creators.iter().flatten());
        used.any(|used| used == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(names: &ColumnNames, there: &[&str]) -> Result<Columns, ListError> {
        let there: Vec<String> = there.iter().map(|&name| name.to_owned()).collect();
        Columns::choose(Path::new("x.csv"), names, &there)
    }

    #[test]
    fn columns_are_known_by_what_published_lists_call_them() {
        let unsplash = [
            "photo_id",
            "photo_url",
            "photo_image_url",
            "photo_description",
            "photographer_username",
            "photographer_first_name",
            "photographer_last_name",
            "ai_description",
        ];
        let chosen = choose(&ColumnNames::default(), &unsplash).expect("Unsplash's");
        assert_eq!(chosen.url, "photo_image_url");
        assert_eq!(chosen.captions, ["photo_description", "ai_description"]);
        assert_eq!(chosen.page.as_deref(), Some("photo_url"));
        assert_eq!(
            chosen.creators,
            [
                vec!["photographer_first_name", "photographer_last_name"],
                vec!["photographer_username"]
            ]
        );
        let laion = choose(
            &ColumnNames::default(),
            &["SAMPLE_ID", "URL", "TEXT", "LICENSE"],
        );
        let laion = laion.expect("LAION's");
        assert_eq!(
            (laion.url.as_str(), laion.captions),
            ("URL", vec!["TEXT".to_owned()])
        );
        assert_eq!(laion.license.as_deref(), Some("LICENSE"));
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_those_that_are() {
        let names = ColumnNames {
            caption: Some("words".into()),
            ..ColumnNames::default()
        };
        let said = choose(&names, &["url", "text"]).unwrap_err().to_string();
        assert_eq!(said, "x.csv has no column \"words\"; it has url, text");
        let said = choose(&ColumnNames::default(), &["a", "b"])
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("--url-column") && said.ends_with("a, b"),
            "{said}"
        );
        let many: Vec<String> = (0..1_000).map(|n| format!("c{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let said = choose(&ColumnNames::default(), &many)
            .unwrap_err()
            .to_string();
        assert!(
            said.ends_with("and 960 more") && said.len() < 1_000,
            "{said}"
        );
    }
}
