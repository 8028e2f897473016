//! `tusou migrate`

use std::io::Write;

use tusou_platform::{Config, database};

use crate::args::Migrate;
use crate::error::Error;

/// What a schema below this version no longer has.
const EMPTIED: [(i64, &str); 10] = [
    (10, "where pictures and messages are in their traces"),
    (
        9,
        "which models failed for which pictures, and of which model scores are; the scores stay",
    ),
    (
        8,
        "lists and folders, and where their pictures were seen; the pictures stay",
    ),
    (
        7,
        "seeds' limits of pictures, which pictures pages leave out, and how many frames files have",
    ),
    (6, "which seeds are rendered"),
    (5, "sitemaps, and what was found by them and by feeds"),
    (
        4,
        "what stands around pictures (headings, links, nearby text), and the languages of pages",
    ),
    (
        3,
        "paces and revisit times, tdmrep.json files, rights of files, and what removals took out; the removals stay",
    ),
    (
        2,
        "pauses, which originals were dropped, and the settings of indexes; indexes that are being built are let go",
    ),
    (1, "every table: the whole crawl with its embeddings"),
];

/// Brings the schema forward, or back where that is asked for.
pub(crate) async fn run(config: &Config, args: &Migrate, out: &mut dyn Write) -> Result<(), Error> {
    let pool = database::connect_unchecked(&config.database).await?;
    if args.dry_run {
        let found = database::version(&pool).await?;
        write!(out, "{}", would(found, args.back_to))?;
        return Ok(());
    }
    if let Some(version) = args.back_to {
        database::migrate_back(&pool, version).await?;
        writeln!(out, "the schema is back at version {version}")?;
        return Ok(());
    }
    let applied = database::migrate(&pool).await?;
    if applied.is_empty() {
        writeln!(
            out,
            "the schema was at version {} already",
            database::wanted_version()
        )?;
    }
    for version in applied {
        writeln!(out, "migration {version} applied")?;
    }
    Ok(())
}

fn would(found: i64, back_to: Option<i64>) -> String {
    let target = match back_to {
        Some(version) => version.min(found),
        None => database::wanted_version().max(found),
    };
    if target == found {
        return format!("the schema is at version {found}, and would stay there\n");
    }
    let mut text = format!("the schema would go from version {found} to {target}\n");
    for (version, what) in EMPTIED {
        if target < version && version <= found {
            text.push_str(&format!("  emptied: {what}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_says_what_it_empties() {
        assert!(would(2, Some(2)).contains("would stay"));
        let one = would(2, Some(1));
        assert!(
            one.contains("from version 2 to 1") && one.contains("pauses"),
            "{one}"
        );
        assert!(!one.contains("every table"), "{one}");
        assert!(would(2, Some(0)).contains("every table"));
        let forward = would(0, None);
        assert!(forward.contains("from version 0 to"), "{forward}");
        assert!(!forward.contains("emptied"), "{forward}");
        // Each version that this build knows has its words.
        let newest = EMPTIED.iter().map(|(version, _)| *version).max();
        assert_eq!(newest, Some(database::wanted_version()));
    }
}
