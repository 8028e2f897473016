//! A list's bytes as UTF-8 text: decompressed, decoded, from any place on.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::{ListError, Position};

/// Bytes read at once.
const BUFFER: usize = 256 << 10;
/// How far into a text is looked for NUL, which no list has unless it is of UTF-16 or no text.
const LOOKED_AT: usize = 512;
/// What is hashed at either end of a file, to tell it from others.
const HASHED: u64 = 1 << 20;

/// What other compressions begin with.
const OTHERS: [(&[u8], &str); 4] = [
    (&[0x28, 0xB5, 0x2F, 0xFD], "zstd"),
    (&[0xFD, b'7', b'z', b'X', b'Z'], "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
];

/// Tells a file from others, and from itself once it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its size, its first MiB and its last.
    pub digest: [u8; 32],
}

/// Looks at both ends of a file.
///
/// # Errors
/// [`ListError::Open`], or [`ListError::NoFile`] where it is no plain file.
pub fn fingerprint(path: &Path) -> Result<Fingerprint, ListError> {
    let failed = |cause| ListError::Open {
        path: path.to_owned(),
        cause,
    };
    let (mut file, bytes) = open(path)?;
    let mut hash = Sha256::new();
    hash.update(bytes.to_le_bytes());
    let mut end = Vec::new();
    file.by_ref()
        .take(HASHED)
        .read_to_end(&mut end)
        .map_err(failed)?;
    hash.update(&end);
    end.clear();
    file.seek(SeekFrom::Start(bytes.saturating_sub(HASHED)))
        .and_then(|_| file.take(HASHED).read_to_end(&mut end))
        .map_err(failed)?;
    hash.update(&end);
    Ok(Fingerprint {
        bytes,
        digest: hash.finalize().into(),
    })
}

/// Opens a plain file: a pipe or a device could not be read twice.
pub(super) fn open(path: &Path) -> Result<(File, u64), ListError> {
    let failed = |cause| ListError::Open {
        path: path.to_owned(),
        cause,
    };
    // Before it is opened, which waits where it is a pipe.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(ListError::NoFile(path.to_owned()));
    }
    let file = File::open(path).map_err(failed)?;
    Ok((file, metadata.len()))
}

/// The text of a list.
pub(super) struct Source {
    path: PathBuf,
    bytes: u64,
    layers: Layers,
    /// Bytes of the file that were read.
    read: Arc<AtomicU64>,
    reader: BufReader<Box<dyn Read + Send>>,
    /// Where the reader is.
    position: Position,
}

/// What lies between the file and its text.
#[derive(Clone, Copy)]
struct Layers {
    gzip: bool,
    /// None: UTF-8 as it stands, after a mark of so many bytes.
    encoding: Option<&'static Encoding>,
    mark: u64,
}

impl Source {
    pub(super) fn open(path: &Path, label: Option<&str>) -> Result<Self, ListError> {
        let asked = label.map(|label| {
            Encoding::for_label(label.as_bytes()).ok_or_else(|| ListError::NoEncoding {
                label: label.to_owned(),
            })
        });
        let asked = asked.transpose()?;
        let (mut file, bytes) = open(path)?;
        let begins = begin(&mut file).map_err(|cause| ListError::Open {
            path: path.to_owned(),
            cause,
        })?;
        if let Some((_, by)) = OTHERS.iter().find(|(magic, _)| begins.starts_with(magic)) {
            return Err(ListError::Compressed {
                path: path.to_owned(),
                by,
            });
        }
        let mut source = Self {
            path: path.to_owned(),
            bytes,
            layers: Layers {
                gzip: begins.starts_with(&[0x1F, 0x8B]),
                encoding: None,
                mark: 0,
            },
            read: Arc::default(),
            reader: BufReader::new(Box::new(io::empty())),
            position: Position::default(),
        };
        source.go_to(Position::default())?;
        let text = source.fill()?;
        if text.is_empty() {
            return Err(ListError::Empty(path.to_owned()));
        }
        let marked = Encoding::for_bom(text);
        let has_nul = text.iter().take(LOOKED_AT).any(|byte| *byte == 0);
        if let Some((encoding, mark)) = marked
            && encoding == UTF_8
        {
            source.layers.mark = mark as u64;
        }
        source.layers.encoding = asked
            .or(marked.map(|(encoding, _)| encoding))
            .filter(|encoding| *encoding != UTF_8);
        if has_nul && source.layers.encoding.is_none() {
            return Err(source.undecodable(1));
        }
        source.go_to(Position::default())?;
        Ok(source)
    }

    /// Goes to a place where the text was left. A plain file is not read for it; of a compressed or
    /// decoded one all that comes before is.
    pub(super) fn go_to(&mut self, to: Position) -> Result<(), ListError> {
        let Layers {
            gzip,
            encoding,
            mark,
        } = self.layers;
        let (mut file, _) = open(&self.path)?;
        let is_plain = !gzip && encoding.is_none();
        let mut skip = mark + to.at;
        let mut start = 0;
        if is_plain {
            start = skip;
            skip = 0;
        } else if encoding.is_some() {
            // The decoder takes the mark away.
            skip = to.at;
        }
        file.seek(SeekFrom::Start(start))
            .map_err(|cause| self.failed(cause))?;
        self.read.store(0, Ordering::Relaxed);
        let counted = Counted(file, Arc::clone(&self.read));
        let mut reader: Box<dyn Read + Send> = Box::new(counted);
        if gzip {
            reader = Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                BUFFER, reader,
            )));
        }
        if let Some(encoding) = encoding {
            reader = Box::new(Decoded::new(reader, encoding));
        }
        self.reader = BufReader::with_capacity(BUFFER, reader);
        self.position = to;
        let skipped = io::copy(&mut (&mut self.reader).take(skip), &mut io::sink());
        match skipped {
            Ok(skipped) if skipped == skip => Ok(()),
            Ok(_) => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
            Err(cause) => Err(self.failed(cause)),
        }
    }

    /// What comes next; nothing at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8], ListError> {
        // Asked twice, since the borrow of the first answer would outlive the error's making.
        if let Err(cause) = self.reader.fill_buf() {
            return Err(self.failed(cause));
        }
        Ok(self.reader.buffer())
    }

    /// Goes on by so many bytes of what [`Source::fill`] gave.
    pub(super) fn take(&mut self, bytes: usize) {
        let taken = &self.reader.buffer()[..bytes];
        self.position.lines += memchr::memchr_iter(b'\n', taken).count() as u64;
        self.position.at += bytes as u64;
        self.reader.consume(bytes);
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Of a compressed or decoded text what was read ahead counts too: nobody knows how much of the
    /// file that is.
    pub(super) fn share(&self) -> f64 {
        let Layers {
            gzip,
            encoding,
            mark,
        } = self.layers;
        let read = if gzip || encoding.is_some() {
            self.read.load(Ordering::Relaxed)
        } else {
            mark + self.position.at
        };
        (read as f64 / self.bytes.max(1) as f64).min(1.0)
    }

    /// The text at this line is not of the encoding that it is read as.
    pub(super) fn undecodable(&self, line: u64) -> ListError {
        ListError::Undecodable {
            path: self.path.clone(),
            line,
            encoding: self.layers.encoding.unwrap_or(UTF_8).name(),
        }
    }

    fn failed(&self, cause: io::Error) -> ListError {
        let (path, line) = (self.path.clone(), self.position.lines);
        let broken = matches!(
            cause.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        );
        if broken {
            ListError::CutShort { path, line, cause }
        } else {
            ListError::Read { path, line, cause }
        }
    }
}

/// The first bytes of a file.
fn begin(file: &mut File) -> io::Result<Vec<u8>> {
    let mut begins = Vec::new();
    file.take(8).read_to_end(&mut begins)?;
    Ok(begins)
}

struct Counted<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(out)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Text of another encoding as UTF-8; what is none of it becomes U+FFFD, as browsers have it.
struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    /// What of `raw` is still to be decoded.
    start: usize,
    end: usize,
    ended: bool,
    finished: bool,
}

impl<R: Read> Decoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            raw: vec![0; BUFFER],
            start: 0,
            end: 0,
            ended: false,
            finished: false,
        }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.finished {
            if self.start == self.end && !self.ended {
                self.start = 0;
                self.end = self.inner.read(&mut self.raw)?;
                self.ended = self.end == 0;
            }
            let raw = &self.raw[self.start..self.end];
            let (result, read, written, _) = self.decoder.decode_to_utf8(raw, out, self.ended);
            self.start += read;
            self.finished = self.ended && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}
