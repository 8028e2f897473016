//! Folders of pictures: every file below a folder, in one order, with its bounds.
//!
//! Files come in the order of their [addresses](FolderFile::url), so that two lists of them, that of
//! the disk and that of the rows, can be held against each other in little memory.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use crate::address::MAX_LENGTH;

/// What the addresses of imported files begin with.
pub const SCHEME: &str = "folder:";

/// The most names that one folder may hold: they are sorted in memory.
pub const MAX_NAMES: usize = 4_000_000;

/// What is escaped in an address, beside all that is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Folders below the first: 0 takes its own files alone.
    pub depth: usize,
    /// Whether symbolic links are followed.
    pub follow_links: bool,
    /// Whether names that begin with a dot are taken.
    pub hidden: bool,
}

/// What a walk comes across.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A plain file.
    File(FolderFile),
    /// A file or folder that is left.
    Left(Left),
}

/// A plain file below the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Its address: `folder:NAME/path`, ASCII.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// What changes when it does, or what is said of it: sizes and times.
    pub stamp: String,
    /// The text beside it that has its name (`a.jpg`, `a.txt`), where there is one.
    pub words: Option<PathBuf>,
}

/// What is not looked into, or not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its address. Of a folder's the rows below it stay as they are.
    pub url: String,
    /// A short word: `hidden`, `link`, `link_loop`, `depth`, `name_too_long`, `no_file`, `unreadable`,
    /// `too_many_names`.
    pub reason: &'static str,
}

/// The address of a folder by the name that it is imported by.
pub fn address(name: &str) -> String {
    format!("{SCHEME}{}", escaped(name.as_bytes()))
}

/// A name as one segment of an address.
pub(crate) fn escaped(name: &[u8]) -> String {
    percent_encode(name, ESCAPED).to_string()
}

/// The path below its folder that an imported file's address stands for. Control characters, and
/// octets that are no UTF-8, stay escaped: `caf%E9.jpg`.
pub fn relative_path(url: &str) -> Option<String> {
    let (_, path) = url.strip_prefix(SCHEME)?.split_once('/')?;
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    let mut relative = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).as_bytes();
                relative.push_str(&escaped(bytes));
            } else {
                relative.push(character);
            }
        }
        relative.push_str(&escaped(chunk.invalid()));
    }
    Some(relative)
}

/// A walk over a folder.
#[derive(Debug)]
pub struct Walk {
    bounds: Bounds,
    /// Folders that are open, the innermost last.
    open: Vec<Folder>,
    /// Folders that links led to: none is entered twice by a link.
    linked: HashSet<(u64, u64)>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    url: String,
    /// Device and number, by which a link back is known.
    id: (u64, u64),
    /// Names still to come, the next one last.
    names: Vec<Name>,
    /// The texts among them.
    texts: HashSet<OsString>,
}

#[derive(Debug)]
struct Name {
    name: OsString,
    escaped: String,
    is_folder: bool,
    is_link: bool,
}

/// Why a folder's names are not had.
enum Unread {
    Io(io::Error),
    TooManyNames,
}

impl From<io::Error> for Unread {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

impl Walk {
    /// Opens the folder, whose address is [`address`]'s.
    ///
    /// # Errors
    /// Where it cannot be read, or holds too many names.
    pub fn open(path: &Path, address: &str, bounds: Bounds) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let folder = Folder::read(path.to_owned(), address.to_owned(), &metadata);
        let folder = folder.map_err(|unread| match unread {
            Unread::Io(cause) => cause,
            Unread::TooManyNames => {
                io::Error::other(format!("it holds more than {MAX_NAMES} names; divide it"))
            }
        })?;
        Ok(Self {
            bounds,
            open: vec![folder],
            linked: HashSet::new(),
        })
    }

    /// What becomes of a name; `None` where it is a folder that was entered.
    fn look(&mut self, name: Name) -> Option<Found> {
        let folder = self.open.last().expect("the name is of an open folder");
        let url = format!("{}/{}", folder.url, name.escaped);
        let left = |url, reason| Some(Found::Left(Left { url, reason }));
        if url.len() > MAX_LENGTH {
            return left(url, "name_too_long");
        }
        if !self.bounds.hidden && name.name.as_bytes().starts_with(b".") {
            return left(url, "hidden");
        }
        if name.is_link && !self.bounds.follow_links {
            return left(url, "link");
        }
        let path = folder.path.join(&name.name);
        let Ok(metadata) = fs::metadata(&path) else {
            return left(url, "unreadable");
        };
        if metadata.is_dir() {
            if let Err(reason) = self.enter(path, &url, &metadata, name.is_link) {
                return left(url, reason);
            }
            return None;
        }
        if !metadata.is_file() {
            return left(url, "no_file");
        }
        let words = folder.words(&name.name);
        let mut stamp = stamp(&metadata);
        let beside = words.as_ref().and_then(|words| fs::metadata(words).ok());
        if let Some(words) = beside {
            stamp.push(' ');
            stamp.push_str(&self::stamp(&words));
        }
        Some(Found::File(FolderFile {
            path,
            url,
            bytes: metadata.len(),
            stamp,
            words,
        }))
    }

    fn enter(
        &mut self,
        path: PathBuf,
        url: &str,
        metadata: &Metadata,
        is_link: bool,
    ) -> Result<(), &'static str> {
        if self.open.len() > self.bounds.depth {
            return Err("depth");
        }
        let id = (metadata.dev(), metadata.ino());
        let is_open = self.open.iter().any(|folder| folder.id == id);
        if is_open || (is_link && !self.linked.insert(id)) {
            return Err("link_loop");
        }
        match Folder::read(path, url.to_owned(), metadata) {
            Ok(folder) => {
                self.open.push(folder);
                Ok(())
            }
            Err(Unread::TooManyNames) => Err("too_many_names"),
            Err(Unread::Io(_)) => Err("unreadable"),
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            match self.open.last_mut()?.names.pop() {
                None => {
                    self.open.pop();
                }
                Some(name) => {
                    if let Some(found) = self.look(name) {
                        return Some(found);
                    }
                }
            }
        }
    }
}

impl Folder {
    fn read(path: PathBuf, url: String, metadata: &Metadata) -> Result<Self, Unread> {
        let (mut names, mut texts) = (Vec::new(), HashSet::new());
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if names.len() == MAX_NAMES {
                return Err(Unread::TooManyNames);
            }
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            if is_text(&name) {
                texts.insert(name.clone());
            }
            names.push(Name {
                escaped: escaped(name.as_bytes()),
                is_link: kind.is_symlink(),
                // A link that leads to a folder is sorted as one.
                is_folder: kind.is_dir() || (kind.is_symlink() && path.join(&name).is_dir()),
                name,
            });
        }
        // As whole addresses sort: a folder's files stand where its name with a slash does.
        let key = |name: &Name| {
            let mut key = name.escaped.clone();
            if name.is_folder {
                key.push('/');
            }
            key
        };
        names.sort_by_cached_key(|name| std::cmp::Reverse(key(name)));
        Ok(Self {
            path,
            url,
            id: (metadata.dev(), metadata.ino()),
            names,
            texts,
        })
    }

    /// The text beside a file that has its name.
    fn words(&self, name: &OsStr) -> Option<PathBuf> {
        if self.texts.is_empty() || is_text(name) {
            return None;
        }
        let stem = Path::new(name).file_stem()?.as_bytes();
        let text = OsString::from_vec([stem, b".txt"].concat());
        self.texts.contains(&text).then(|| self.path.join(text))
    }
}

fn is_text(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b".txt")
}

fn stamp(metadata: &Metadata) -> String {
    format!(
        "{}-{}.{:09}",
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_from_its_address() {
        let base = address("my pictures: 2024");
        assert_eq!(base, "folder:my%20pictures%3A%202024");
        for (name, shown) in [
            (&b"kite.png"[..], "kite.png"),
            ("图 1.png".as_bytes(), "图 1.png"),
            (b"caf\xE9.jpg", "caf%E9.jpg"),
            (b"a\nb%E9?.png", "a%0Ab%E9?.png"),
        ] {
            let url = format!("{base}/sub/{}", escaped(name));
            assert!(url.is_ascii());
            assert_eq!(relative_path(&url), Some(format!("sub/{shown}")));
        }
        assert_eq!(relative_path("http://a.test/b"), None);
        assert_eq!(relative_path(&base), None);
    }
}
