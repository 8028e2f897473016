//! A small file system for the blobs, which can be filled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// A mounted tmpfs. It is unmounted when dropped.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    kept: bool,
}

impl Disk {
    /// Mounts one of so many MiB at `folder`, which is made.
    ///
    /// # Errors
    /// Where this user may not mount, with the remedy.
    pub(super) fn mount(folder: &Path, mib: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let remedy =
            "filling a disk takes the right to mount one: run it as root, or with --no-disk";
        if !rustix::process::geteuid().is_root() {
            bail!(remedy);
        }
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tusou-chaos"])
            .arg(folder)
            .output()
            .context("`mount` cannot be run")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("mount: {}; {remedy}", said.trim());
        }
        Ok(Self {
            folder: folder.to_owned(),
            kept: false,
        })
    }

    /// Takes all the space that is left.
    pub(super) fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::options()
            .create(true)
            .append(true)
            .open(self.ballast())?;
        let mut block = vec![0x5a; 1 << 20];
        while !block.is_empty() {
            if ballast.write_all(&block).is_err() {
                // Smaller and smaller, so that not even a thumbnail finds room.
                block.truncate(block.len() / 2);
            }
        }
        Ok(())
    }

    /// Gives the space back.
    pub(super) fn free(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Leaves it mounted, to be looked at.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !self.kept {
            // Lazily: a killed service's last write may still be on its way out.
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}
