//! Queries by words: what people wrote below the stamps, in eight languages.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::ensure;

use super::sources::{files, sha256};

/// As Tux Paint names them; English is the first line.
pub(crate) const LANGUAGES: [&str; 8] = ["en", "de", "es", "fr", "ru", "ja", "zh_CN", "ar"];

/// So many captions, as many of each language, and no text twice.
pub(crate) fn some(stamps: &Path, count: usize) -> anyhow::Result<Vec<String>> {
    let files = files(stamps, "txt")?;
    let texts: Vec<String> = files
        .iter()
        .map(|file| Ok(String::from_utf8_lossy(&std::fs::read(file)?).into_owned()))
        .collect::<std::io::Result<_>>()?;
    let mut taken = BTreeSet::new();
    for (number, language) in LANGUAGES.iter().enumerate() {
        let captions: BTreeSet<&str> = texts
            .iter()
            .filter_map(|text| caption(text, language))
            .filter(|caption| !taken.contains(*caption))
            .collect();
        // In an order that has nothing to do with words.
        let mut captions: Vec<&str> = captions.into_iter().collect();
        captions.sort_by_cached_key(|caption| sha256(caption.as_bytes()));
        let wanted = count * (number + 1) / LANGUAGES.len() - taken.len();
        taken.extend(captions.into_iter().take(wanted).map(str::to_owned));
    }
    ensure!(
        taken.len() == count,
        "{} holds {} captions in {LANGUAGES:?}, and {count} are wanted",
        stamps.display(),
        taken.len()
    );
    Ok(taken.into_iter().collect())
}

/// The caption in a language, as Tux Paint names it. The first line is English, `=` before some; further ones are `LANGUAGE.utf8=CAPTION`.
pub(crate) fn caption<'a>(text: &'a str, language: &str) -> Option<&'a str> {
    let caption = match language {
        "en" => text.lines().next()?.trim_start_matches('='),
        _ => text.lines().find_map(|line| {
            let (name, caption) = line.split_once(".utf8=")?;
            (name == language).then_some(caption)
        })?,
    };
    Some(caption.trim()).filter(|caption| !caption.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_are_found_by_language() {
        let text = "=A cat.\nde.utf8=Eine Katze.\nzh_CN.utf8=一只猫\nfr.utf8=\n";
        assert_eq!(caption(text, "en"), Some("A cat."));
        assert_eq!(caption(text, "zh_CN"), Some("一只猫"));
        assert_eq!(caption(text, "fr"), None);
        assert_eq!(caption(text, "ja"), None);
    }
}
