//! `tusou index list`

use std::io::Write;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tusou_contract::mapping::{IndexOptions, MAPPING_VERSION, ModelField};
use tusou_projection::{Generation, load_seen};

use super::args;
use super::context::Context;
use crate::error::Error;
use crate::format::{json, number, table};

/// An index, as a list shows it.
#[derive(Debug, Serialize)]
struct Listed {
    index: String,
    /// `building`, `live` or `retired`.
    state: &'static str,
    /// Whether searches ask it.
    searched: bool,
    models: Vec<ModelField>,
    mapping_version: u32,
    /// Since when a first load keeps it from being refreshed, where one is on.
    loading_since: Option<String>,
    /// How it was made, where that was recorded.
    settings: Option<IndexOptions>,
    created_at: String,
    verified_at: Option<String>,
    /// Documents in it; none where it is not there.
    documents: Option<u64>,
    /// Images that it was recorded to hold.
    held: u64,
    /// Images whose documents Elasticsearch refused.
    refused: u64,
}

pub(super) async fn run(
    context: &Context<'_>,
    args: &args::List,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut listed = Vec::new();
    for generation in &context.generations {
        listed.push(look(context, generation).await?);
    }
    if args.json {
        writeln!(out, "{}", json(&listed))?;
        return Ok(());
    }
    if listed.is_empty() {
        writeln!(
            out,
            "there is no index yet: an indexer that starts makes the first"
        )?;
        return Ok(());
    }
    write!(out, "{}", text(&listed))?;
    write!(out, "{}", remarks(&listed))?;
    Ok(())
}

/// From so many vectors in a shard on, comparing each takes longer than people wait for (ADR 10).
const MANY_COMPARED: u64 = 1_000_000;

/// What is to be known of an index and has no column.
fn remarks(listed: &[Listed]) -> String {
    let mut text = String::new();
    for index in listed.iter().filter(|index| index.state != "retired") {
        if let Some(settings) = &index.settings {
            text.push_str(&format!("{}: {settings}\n", index.index));
            let of_shard = index.documents.unwrap_or(0) / u64::from(settings.shards.max(1));
            if !settings.index_type.is_graph() && of_shard >= MANY_COMPARED {
                text.push_str(&format!(
                    "{}: each search compares every vector of a shard, of which there are {} or more; a graph \
                     answers sooner and misses some: see \"Which type\" in docs/operate.md\n",
                    index.index,
                    number(MANY_COMPARED)
                ));
            }
        }
        if let Some(since) = &index.loading_since {
            text.push_str(&format!(
                "{}: a first load is on since {since}: it is seldom searchable and without replicas until that ends\n",
                index.index
            ));
        }
        if index.mapping_version < MAPPING_VERSION {
            text.push_str(&format!(
                "{} has mapping {}, this build makes {MAPPING_VERSION}: it is searched and written as before, but filters \
                 by size and shape, and exact copies by hash, find nothing in it. `tusou index create`, then `tusou \
                 index migrate`, replaces it, with nothing encoded again\n",
                index.index, index.mapping_version
            ));
        }
    }
    text
}

async fn look(context: &Context<'_>, generation: &Generation) -> Result<Listed, Error> {
    let seen = if generation.is_written() {
        load_seen(&context.elastic, generation, context.alias()).await?
    } else {
        None
    };
    let documents = if seen.is_some() {
        context.elastic.refresh(&generation.index).await?;
        Some(context.elastic.count(&generation.index).await?)
    } else {
        None
    };
    let (held, refused) = tusou_projection::recorded(&context.pool, generation).await?;
    Ok(Listed {
        index: generation.index.clone(),
        state: generation.state.name(),
        searched: context.is_searched(generation),
        models: generation.models.clone(),
        mapping_version: generation.mapping_version,
        loading_since: seen
            .as_ref()
            .and_then(|seen| Some(rfc3339(seen.on()?.since))),
        settings: generation.options,
        created_at: rfc3339(generation.created_at),
        verified_at: generation.verified_at.map(rfc3339),
        documents,
        held,
        refused,
    })
}

fn text(listed: &[Listed]) -> String {
    let mut rows = vec![
        [
            "",
            "state",
            "documents",
            "refused",
            "type",
            "models",
            "verified",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for index in listed {
        let state = if index.searched {
            "live, searched".to_owned()
        } else {
            index.state.to_owned()
        };
        let documents = match (index.documents, index.state) {
            (Some(documents), _) => number(documents),
            (None, "retired") => "-".to_owned(),
            (None, _) => "LOST".to_owned(),
        };
        let models: Vec<String> = index
            .models
            .iter()
            .map(|model| {
                format!(
                    "{} {} in {}",
                    model.model,
                    short(&model.digest),
                    model.field
                )
            })
            .collect();
        rows.push(vec![
            index.index.clone(),
            state,
            documents,
            number(index.refused),
            index
                .settings
                .map_or("-".to_owned(), |settings| settings.index_type.to_string()),
            models.join(", "),
            index.verified_at.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table(&rows)
}

fn short(digest: &str) -> String {
    digest.chars().take(8).collect()
}

fn rfc3339(time: OffsetDateTime) -> String {
    let time = time.replace_nanosecond(0).unwrap_or(time);
    time.format(&Rfc3339)
        .expect("a year of this calendar has four digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_index_and_the_searched_one_are_seen_at_once() {
        let listed = |state, searched, documents| Listed {
            index: "pictures-1".into(),
            state,
            searched,
            models: Vec::new(),
            mapping_version: 1,
            loading_since: Some("2026-01-01T00:00:00Z".into()).filter(|_| state == "building"),
            settings: Some(IndexOptions::default()),
            created_at: String::new(),
            verified_at: None,
            documents,
            held: 0,
            refused: 0,
        };
        let indexes = [
            listed("live", true, Some(1_234)),
            listed("building", false, None),
            listed("retired", false, None),
        ];
        let remarks = remarks(&indexes);
        let costly = remarks.lines().filter(|line| line.contains("mapping 1"));
        assert_eq!(costly.count(), 2, "{remarks}");
        let settings = IndexOptions::default().to_string();
        assert!(remarks.contains(&settings) && remarks.contains("since 2026-01-01"));
        assert!(!remarks.contains("compares every vector"), "{remarks}");
        let text = text(&indexes);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("live, searched") && lines[1].contains("1,234"));
        assert!(lines[2].contains("LOST"), "{text}");
        assert!(!lines[3].contains("LOST"), "{text}");
        let grown = self::remarks(&[listed("live", true, Some(1_000_000))]);
        assert!(grown.contains("compares every vector"), "{grown}");
    }
}
