//! What a form asks for, as the command that a person would type. So it is read, checked, tried and done by the
//! command itself.

use url::form_urlencoded;

/// A form as it was sent: names and values, the last of a name counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

/// The most fields that are read.
const FIELDS: usize = 32;

impl Form {
    pub(super) fn read(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body).into_owned();
        Self(pairs.take(FIELDS).collect())
    }

    /// A field without the spaces around it; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// What is to be asked again on the page that confirms it.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let kept = self.0.iter().filter(|(name, _)| name != "token");
        kept.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(fields.iter().map(owned).collect())
    }
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Seed,
    Pause,
    Resume,
    Retry,
    RetryReason,
    Drop,
}

impl Deed {
    /// By the field `do`.
    pub(super) fn of(form: &Form) -> Option<Self> {
        Some(match form.get("do") {
            "seed" => Self::Seed,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "retry" => Self::Retry,
            "retry-reason" => Self::RetryReason,
            "drop" => Self::Drop,
            _ => return None,
        })
    }

    /// Whether it concerns dead letters.
    pub(super) fn is_of_letters(self) -> bool {
        matches!(self, Self::Retry | Self::RetryReason | Self::Drop)
    }

    /// The command's words after `tusou`. What a person typed stands behind `=` or `--`, so that it is never taken for an
    /// option.
    pub(super) fn command(self, form: &Form, dry_run: bool) -> Vec<String> {
        let mut words: Vec<String> = match self {
            Self::Seed => vec!["seed".into()],
            Self::Pause => vec!["pause".into()],
            Self::Resume => vec!["resume".into()],
            Self::Retry | Self::RetryReason => vec!["dead".into(), "retry".into()],
            Self::Drop => vec!["dead".into(), "drop".into()],
        };
        let mut option = |name: &str, field: &str| {
            let value = form.get(field);
            if !value.is_empty() {
                words.push(format!("--{name}={value}"));
            }
        };
        match self {
            Self::Seed => {
                for (name, field) in [
                    ("scope", "scope"),
                    ("depth", "depth"),
                    ("limit", "limit"),
                    ("max-images", "images"),
                ] {
                    option(name, field);
                }
            }
            Self::Pause => option("why", "why"),
            Self::RetryReason => {
                option("reason", "reason");
                option("queue", "queue");
            }
            Self::Resume | Self::Retry | Self::Drop => {}
        }
        if dry_run {
            words.push("--dry-run".into());
        }
        match self {
            Self::Seed => {
                words.push("--".into());
                words.extend(form.get("url").split_whitespace().map(str::to_owned));
            }
            Self::Pause | Self::Resume => {
                let what = match form.get("what") {
                    what @ ("crawl" | "host" | "encoder" | "indexer") => what,
                    _ => "crawl",
                };
                words.push(what.into());
                if what == "host" {
                    words.extend(["--".into(), form.get("host").into()]);
                }
            }
            Self::Retry | Self::Drop => words.extend(["--".into(), form.get("id").into()]),
            Self::RetryReason => {}
        }
        words
    }
}

/// The command as a person would type it.
pub(super) fn typed(words: &[String]) -> String {
    let quoted = words.iter().filter(|word| *word != "--").map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
        match word.chars().all(plain) && !word.is_empty() {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        }
    });
    let quoted: Vec<String> = quoted.collect();
    format!("tusou {}", quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Args;

    fn command(fields: &[(&str, &str)]) -> String {
        let form = Form::of(fields);
        let deed = Deed::of(&form).expect("it is one");
        let words = deed.command(&form, false);
        let all = std::iter::once("tusou".to_owned()).chain(deed.command(&form, true));
        assert!(Args::try_parse_from(all).is_ok(), "{words:?}");
        typed(&words)
    }

    #[test]
    fn each_form_is_a_command() {
        let seed = [
            ("do", "seed"),
            ("url", " http://a.test/ \n http://b.test/ "),
            ("depth", "3"),
            ("scope", "prefix"),
        ];
        assert_eq!(
            command(&seed),
            "tusou seed --scope=prefix --depth=3 http://a.test/ http://b.test/"
        );
        let pause = [
            ("do", "pause"),
            ("what", "host"),
            ("host", "a.test"),
            ("why", "it's late"),
        ];
        assert_eq!(
            command(&pause),
            r"tusou pause '--why=it'\''s late' host a.test"
        );
        assert_eq!(
            command(&[("do", "resume"), ("what", "encoder")]),
            "tusou resume encoder"
        );
        assert_eq!(
            command(&[("do", "drop"), ("id", "0a1b2c3d4e5f")]),
            "tusou dead drop 0a1b2c3d4e5f"
        );
        let reason = [
            ("do", "retry-reason"),
            ("reason", "torn"),
            ("queue", "images.fetched"),
        ];
        assert_eq!(
            command(&reason),
            "tusou dead retry --reason=torn --queue=images.fetched"
        );
    }

    #[test]
    fn what_is_typed_is_never_an_option() {
        for hostile in ["--all", "-h", "--config=/etc/passwd", "--why=x"] {
            let form = Form::of(&[
                ("do", "pause"),
                ("what", "host"),
                ("host", hostile),
                ("why", hostile),
            ]);
            let words = Deed::Pause.command(&form, true);
            let at = words
                .iter()
                .position(|word| word == "--")
                .expect("it is there");
            assert_eq!(words[at + 1..], [hostile.to_owned()]);
            assert!(words[1].starts_with("--why="));
            let form = Form::of(&[("do", "drop"), ("id", hostile)]);
            let all = std::iter::once("tusou".to_owned()).chain(Deed::Drop.command(&form, false));
            assert!(Args::try_parse_from(all).is_err(), "{hostile} is no id");
        }
    }

    #[test]
    fn a_form_without_its_choice_changes_nothing() {
        for deed in ["retry", "drop", "retry-reason", "seed"] {
            let form = Form::of(&[("do", deed)]);
            let words = Deed::of(&form).expect("it is one").command(&form, false);
            let all = std::iter::once("tusou".to_owned()).chain(words);
            assert!(Args::try_parse_from(all).is_err(), "{deed}");
        }
        assert_eq!(Deed::of(&Form::of(&[("do", "forget")])), None);
    }
}
