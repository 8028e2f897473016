//! What can be typed after `tusou seed`.

use std::path::PathBuf;

use clap::Subcommand;
use tusou_ingest::list::{ColumnNames, Format, Options};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Seed {
    #[command(subcommand)]
    pub(crate) command: Option<SeedCommand>,
    /// Pages to begin at, written whole: https://example.org/gallery/
    #[arg(required_unless_present = "files", value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Which links are followed: those on the same host, within its domain, or below the URL's folder
    #[arg(long, default_value = "host", value_parser = ["host", "domain", "prefix"])]
    pub(crate) scope: String,
    /// Links followed in a row from the first page; 0 reads that page alone
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) depth: u32,
    /// The most pages
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// The most pictures: addresses of pictures that become known by this seed; 0 for no limit
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) max_images: u64,
    /// Whether a browser renders its pages: those that show nothing without their scripts, all, or none
    #[arg(long, default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub(crate) render: String,
    #[command(flatten)]
    pub(crate) list: Lists,
}

/// Lists of pictures, and how they are read.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Lists of pictures")]
pub(crate) struct Lists {
    /// Files that name pictures: txt, csv, tsv, jsonl, parquet; also gzip'd
    #[arg(
        long = "list", value_name = "FILE", num_args = 1..,
        conflicts_with_all = ["urls", "scope", "depth", "limit", "max_images", "render"]
    )]
    pub(crate) files: Vec<PathBuf>,
    /// What the list is called from now on; without it, as its file
    #[arg(long, requires = "files", conflicts_with = "urls", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// txt, csv, tsv, jsonl or parquet; without it, by the file's name
    #[arg(
        long,
        requires = "files",
        conflicts_with = "urls",
        value_name = "FORMAT"
    )]
    pub(crate) format: Option<Format>,
    /// As browsers call it: utf-16le, windows-1252, gbk; without it, UTF-8 or what a byte order mark says
    #[arg(long, requires = "files", conflicts_with = "urls", value_name = "NAME")]
    pub(crate) encoding: Option<String>,
    /// In csv and tsv a quotation mark is no more than a character
    #[arg(long, requires = "files", conflicts_with = "urls")]
    pub(crate) no_quotes: bool,
    /// The column of pictures' URLs; without it, one that is called url, image_url, photo_image_url, …
    #[arg(
        long,
        requires = "files",
        conflicts_with = "urls",
        value_name = "COLUMN"
    )]
    pub(crate) url_column: Option<String>,
    /// The column of words for them; without it, caption, text, alt, photo_description, …
    #[arg(
        long,
        requires = "files",
        conflicts_with = "urls",
        value_name = "COLUMN"
    )]
    pub(crate) caption_column: Option<String>,
    /// The column of pages that show them; without it, page_url, photo_url, …
    #[arg(
        long,
        requires = "files",
        conflicts_with = "urls",
        value_name = "COLUMN"
    )]
    pub(crate) page_column: Option<String>,
    /// The column of licences; without it, license_url, license
    #[arg(
        long,
        requires = "files",
        conflicts_with = "urls",
        value_name = "COLUMN"
    )]
    pub(crate) license_column: Option<String>,
    /// The column of who made them; without it, creator, author, photographer, …
    #[arg(
        long,
        requires = "files",
        conflicts_with = "urls",
        value_name = "COLUMN"
    )]
    pub(crate) creator_column: Option<String>,
    /// Reads a list from its beginning that was read before; what it no longer names is gone then
    #[arg(long, requires = "files", conflicts_with = "urls")]
    pub(crate) again: bool,
    /// Writes every bad row there: line, reason, words
    #[arg(long, requires = "files", conflicts_with = "urls", value_name = "FILE")]
    pub(crate) bad: Option<PathBuf>,
    /// Says what would be done, or what is in the list, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// For programs
    #[arg(long, requires = "files", conflicts_with = "urls")]
    pub(crate) json: bool,
}

impl Lists {
    /// How the lists are to be read.
    pub(crate) fn options(&self) -> Options {
        Options {
            format: self.format,
            encoding: self.encoding.clone(),
            no_quotes: self.no_quotes,
            columns: ColumnNames {
                url: self.url_column.clone(),
                caption: self.caption_column.clone(),
                page: self.page_column.clone(),
                license: self.license_column.clone(),
                creator: self.creator_column.clone(),
            },
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SeedCommand {
    /// Shows every seed with its bounds
    List(List),
    /// Shows every list and imported folder, and how far its reading is
    Lists(List),
    /// Changes a seed's bounds
    Edit(Edit),
    /// Removes a seed; what was found by it stays
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("bounds").required(true).multiple(true)
    .args(["scope", "depth", "limit", "max_images", "render"])))]
pub(crate) struct Edit {
    /// The seed's number, as `tusou seed list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: i64,
    /// Which links are followed: those on the same host, within its domain, or below the URL's folder
    #[arg(long, value_parser = ["host", "domain", "prefix"])]
    pub(crate) scope: Option<String>,
    /// Links followed in a row from the first page; 0 reads that page alone
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<u32>,
    /// The most pages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// The most pictures: addresses of pictures that become known by this seed; 0 for no limit
    #[arg(long, value_name = "N")]
    pub(crate) max_images: Option<u64>,
    /// Whether a browser renders its pages: those that show nothing without their scripts, all, or none
    #[arg(long, value_parser = ["auto", "always", "never"])]
    pub(crate) render: Option<String>,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// The seed's number, as `tusou seed list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: i64,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
