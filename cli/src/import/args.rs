//! What can be typed after `tusou import`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// A folder of pictures
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// What the folder is called from now on; without it, as on the disk
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Folders in folders, this many; 0 takes the folder's own files alone
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub(crate) depth: u16,
    /// Goes where symbolic links lead; without it they are left
    #[arg(long)]
    pub(crate) follow_links: bool,
    /// Takes files and folders too whose names begin with a dot
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Files looked at at once; without it, as many as there are processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// The folder lies elsewhere than when it was imported, and is the same
    #[arg(long)]
    pub(crate) moved: bool,
    /// The folder is empty on purpose
    #[arg(long)]
    pub(crate) empty: bool,
    /// Looks at every file, whether it has changed or not
    #[arg(long)]
    pub(crate) again: bool,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}
