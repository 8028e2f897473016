//! What can be typed after `tusou index`.

use std::path::PathBuf;

use clap::Subcommand;
use tusou_contract::mapping::{IndexType, is_oversample};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows every index: its state, models, type and contents
    List(List),
    /// Begins a new index beside the one that is searched
    Create(Create),
    /// Fills the new index from stored embeddings, checks it, then has searches ask it
    Migrate(Migrate),
    /// Checks an index against Postgres, document by document, and asks it for its own vectors
    Verify(Verify),
    /// Has searches ask the index before again
    Rollback(Rollback),
    /// Lets an index go that is not searched
    Drop(Drop),
    /// Makes a lost index again and fills what an index lacks, with nothing encoded again
    Rebuild(Rebuild),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// How vectors are kept: int8_hnsw, hnsw, int4_hnsw, bbq_hnsw, flat, int8_flat or bbq_flat
    /// [default: `elasticsearch.index_type`]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) index_type: Option<IndexType>,
    /// Primary shards [default: `elasticsearch.shards`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) shards: Option<u32>,
    /// Replicas of each [default: `elasticsearch.replicas`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub(crate) replicas: Option<u32>,
    /// Of a graph: the neighbours of each vector [default: `elasticsearch.hnsw_m`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=512))]
    pub(crate) m: Option<u32>,
    /// Of a graph: the candidates looked at while a vector is put into it
    /// [default: `elasticsearch.hnsw_ef_construction`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=3200))]
    pub(crate) ef_construction: Option<u32>,
    /// Of quantised vectors: how many times the wanted ones are compared again by their whole vectors; 0 for none
    /// [default: `elasticsearch.rescore_oversample`]
    #[arg(long, value_name = "FACTOR", value_parser = oversample)]
    pub(crate) oversample: Option<f32>,
    /// Whether graph and quantised vectors are read into memory when the index is opened
    /// [default: `elasticsearch.preload`]
    #[arg(long, value_name = "true|false")]
    pub(crate) preload: Option<bool>,
    /// Model packs, the first of which searches ask [default: `models.packs`, those that make vectors]
    #[arg(long, value_name = "PACK", num_args = 1..)]
    pub(crate) packs: Vec<PathBuf>,
    /// Says what would be made, and makes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What Elasticsearch takes.
fn oversample(text: &str) -> Result<f32, String> {
    let factor: f32 = text
        .parse()
        .map_err(|_| "it is no number; give one like 3".to_owned())?;
    if is_oversample(factor) {
        Ok(factor)
    } else {
        Err("it is out of range; give 1 to 10, or 0 for none".to_owned())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// Which index [default: the newest that is being built]
    pub(crate) name: Option<String>,
    /// Goes on although the new index will lack pictures, or vectors of further models, that cannot be encoded for it
    #[arg(long)]
    pub(crate) allow_missing: bool,
    /// Counts what would be sent, and sends nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Which index [default: the one that is searched]
    pub(crate) name: Option<String>,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rollback {
    /// Says where the alias would point, and leaves it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Drop {
    /// Which index
    pub(crate) name: String,
    /// Says what would go, and leaves it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rebuild {
    /// Which index [default: the one that is searched]
    pub(crate) name: Option<String>,
    /// Counts what is lacking, and sends nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::Args;

    fn read(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["tusou", "index"].iter().chain(args))
    }

    #[test]
    fn only_the_types_of_elasticsearch_are_taken() {
        for kind in IndexType::ALL {
            assert!(read(&["create", "--type", kind.name()]).is_ok(), "{kind}");
        }
        assert!(read(&["create", "--type", "ivf"]).is_err());
        assert!(read(&["create", "--shards", "0"]).is_err());
        assert!(read(&["create", "--m", "1"]).is_err());
        for (factor, taken) in [
            ("0", true),
            ("2.5", true),
            ("10", true),
            ("0.5", false),
            ("10.5", false),
            ("ten", false),
        ] {
            assert_eq!(read(&["create", "--oversample", factor]).is_ok(), taken);
        }
        assert!(read(&["create", "--preload", "false", "--ef-construction", "200"]).is_ok());
        assert!(read(&["create", "--packs", "a", "b", "--dry-run"]).is_ok());
        // An index is never let go without its name.
        assert!(read(&["drop"]).is_err());
    }
}
