//! A pack's folder comes into being beside its place, and takes it whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::ModelsError;

/// Where a model is put together: `.<name>.fetching` in `models.folder`. What was downloaded stays there after a
/// failure, so that the next run goes on.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    place: PathBuf,
    /// Held as long as this is: one run at a time puts a model together.
    lock: File,
}

impl Staging {
    /// Begins, or goes on where the last run was cut off.
    ///
    /// # Errors
    /// [`ModelsError::Folder`] and [`ModelsError::Busy`].
    pub(super) fn begin(models: &Path, name: &str) -> Result<Self, ModelsError> {
        fs::create_dir_all(models).map_err(ModelsError::folder("make the folder", models))?;
        let path = models.join(format!(".{name}.lock"));
        let lock = File::create(&path).map_err(ModelsError::folder("write", &path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| ModelsError::Busy {
            name: name.to_owned(),
        })?;
        let staging = Self {
            folder: models.join(format!(".{name}.fetching")),
            place: models.join(name),
            lock,
        };
        empty(&staging.pack())?;
        Ok(staging)
    }

    /// Where the pack's files are put.
    pub(super) fn pack(&self) -> PathBuf {
        self.folder.join("pack")
    }

    /// Where downloads are kept.
    pub(super) fn downloads(&self) -> PathBuf {
        self.folder.join("downloads")
    }

    /// A file of the pack, whose folder is there.
    pub(super) fn file(&self, name: &str) -> Result<PathBuf, ModelsError> {
        let path = self.pack().join(name);
        let folder = path
            .parent()
            .expect("a file of the pack is below its folder");
        fs::create_dir_all(folder).map_err(ModelsError::folder("make the folder", folder))?;
        Ok(path)
    }

    /// Where the pack will be.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Throws away what was downloaded.
    pub(super) fn abandon(&self) -> Result<(), ModelsError> {
        remove(&self.folder)
    }

    /// Has everything downloaded anew.
    pub(super) fn abandon_downloads(&self) -> Result<(), ModelsError> {
        remove(&self.downloads())
    }

    /// Puts the pack into its place; one that was there goes.
    pub(super) fn finish(self) -> Result<(), ModelsError> {
        let former = self.folder.join("former");
        remove(&former)?;
        if self.place.exists() {
            rename(&self.place, &former)?;
        }
        rename(&self.pack(), &self.place)?;
        remove(&self.folder)
    }
}

/// Nothing is left of what came to nothing, but for what was downloaded.
impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed is emptied by the next run.
        let _ = fs::remove_dir_all(self.pack());
        let _ = fs::remove_dir(self.downloads());
        let _ = fs::remove_dir(&self.folder);
        // Closing is not enough: a process that is just being started may have a copy of the file until it runs.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), ModelsError> {
    fs::rename(from, to).map_err(ModelsError::folder("put into its place", from))
}

fn empty(folder: &Path) -> Result<(), ModelsError> {
    remove(folder)?;
    fs::create_dir_all(folder).map_err(ModelsError::folder("make the folder", folder))
}

fn remove(folder: &Path) -> Result<(), ModelsError> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(ModelsError::folder("remove", folder)(cause))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_takes_its_place_whole_and_one_run_at_a_time() {
        let models = tempfile::tempdir().expect("a temporary folder is made");
        let place = models.path().join("m");
        for content in ["one", "two"] {
            let staging = Staging::begin(models.path(), "m").expect("nobody else is at work");
            let file = staging.file("visual/model.onnx").expect("it is writable");
            fs::write(file, content).expect("it is writable");
            let busy = Staging::begin(models.path(), "m").expect_err("it is held");
            assert!(matches!(busy, ModelsError::Busy { .. }), "{busy}");
            staging.finish().expect("it is put into its place");
            let found = fs::read_to_string(place.join("visual/model.onnx")).expect("it is there");
            assert_eq!(found, content);
        }
        assert!(!models.path().join(".m.fetching").exists());
    }

    #[test]
    fn downloads_outlive_a_failure_and_half_a_pack_does_not() {
        let models = tempfile::tempdir().expect("a temporary folder is made");
        let staging = Staging::begin(models.path(), "m").expect("nobody else is at work");
        let half = staging.file("half").expect("it is writable");
        fs::create_dir_all(staging.downloads()).expect("it is writable");
        let kept = staging.downloads().join("kept");
        fs::write(&half, "")
            .and_then(|()| fs::write(&kept, ""))
            .expect("it is writable");
        drop(staging);
        let staging = Staging::begin(models.path(), "m").expect("the lock is free again");
        assert!(kept.exists() && !half.exists());
        staging.abandon().expect("it can be removed");
        assert!(!kept.exists() && !models.path().join("m").exists());
    }
}
