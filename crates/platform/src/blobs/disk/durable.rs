//! Files that are there whole or not at all, whenever the machine stops.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a folder is made again that another process tidied away, and a name tried that a
/// broken-off write left.
const ATTEMPTS: usize = 5;

/// Writes a file below `root`: first beside its place and synced, then put there in one step, whose
/// folder is synced in turn. A file that was there is replaced.
pub(super) fn write(root: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, part) = begin(root, path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    let placed = written.and_then(|()| fs::rename(&part, path));
    if let Err(cause) = placed {
        // Else `tusou gc` finds it.
        let _ = fs::remove_file(&part);
        return Err(cause);
    }
    sync_folder(folder(path)?)
}

/// An empty file beside `path`, by a name that is no blob's key, and its path.
fn begin(root: &Path, path: &Path) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    for _ in 0..ATTEMPTS {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{}-{count}", std::process::id()));
        let part = PathBuf::from(name);
        match File::create_new(&part) {
            Ok(file) => return Ok((file, part)),
            Err(error) if error.kind() == ErrorKind::NotFound => make_folder(root, folder(path)?)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its folder goes away again and again"))
}

/// Makes a folder below `root`, and syncs those that it was entered into.
fn make_folder(root: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let above = folder.ancestors().skip(1);
    for folder in above.take_while(|above| above.starts_with(root)) {
        sync_folder(folder)?;
    }
    Ok(())
}

fn folder(path: &Path) -> io::Result<&Path> {
    path.parent()
        .ok_or_else(|| io::Error::other("it lies in no folder"))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
