//! What a shell and `man` want to know of the command, made from its own definition.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::error::Error;

/// What a shell needs to complete the command
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Complete {
    /// The shell that is to read it
    #[arg(value_enum)]
    shell: Shell,
}

/// The command's manual
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Manual {
    /// Where its pages go, one for each command; the folder is made where there is none
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(crate) fn complete(complete: &Complete, out: &mut dyn Write) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(complete.shell, &mut Args::command(), "tusou", &mut script);
    Ok(out.write_all(&script)?)
}

pub(crate) fn manual(manual: &Manual, out: &mut dyn Write) -> Result<(), Error> {
    let Manual { folder } = manual;
    write(folder).map_err(|cause| Error::Manual {
        folder: folder.clone(),
        cause,
    })?;
    let first = folder.join("tusou.1");
    writeln!(
        out,
        "The manual begins with {0}; `man -l {0}` shows it.",
        first.display()
    )?;
    Ok(())
}

fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Args::command(), folder)
}
