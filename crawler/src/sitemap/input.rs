//! A sitemap's or feed's bytes as UTF-8, decompressed and decoded as they are asked for, and bounded.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, Encoding, UTF_8};
use flate2::read::MultiGzDecoder;

/// Bytes decompressed and decoded at once.
const CHUNK: usize = 16 * 1024;

/// How much of a file can hold its XML declaration.
const DECLARATION: usize = 256;

/// The bytes, always good UTF-8: what cannot be decoded becomes U+FFFD. The end of what can be
/// decompressed, or the limit, is the end.
pub(crate) struct Input<'b> {
    source: Source<'b>,
    /// How many more bytes may come from the source.
    left: u64,
    decoder: Option<Decoder>,
    /// What has come from the source and is not decoded yet.
    raw: Vec<u8>,
    text: String,
    /// How much of `text` has been read.
    read: usize,
    ended: bool,
    is_cut: bool,
}

enum Source<'b> {
    Plain(&'b [u8]),
    Gzip(Box<MultiGzDecoder<&'b [u8]>>),
}

impl<'b> Input<'b> {
    pub(crate) fn new(body: &'b [u8], max_bytes: u64) -> Self {
        let source = if body.starts_with(&[0x1f, 0x8b]) {
            Source::Gzip(Box::new(MultiGzDecoder::new(body)))
        } else {
            Source::Plain(body)
        };
        Self {
            source,
            left: max_bytes,
            decoder: None,
            raw: Vec::new(),
            text: String::new(),
            read: 0,
            ended: false,
            is_cut: false,
        }
    }

    /// Whether more was there than was read: beyond the limit, or behind broken compression.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Gets the next bytes from the source into `raw`.
    fn get(&mut self) {
        let mut chunk = [0; CHUNK];
        let mut filled = 0;
        while filled < CHUNK {
            let got = match &mut self.source {
                Source::Plain(body) => body.read(&mut chunk[filled..]),
                Source::Gzip(decoder) => decoder.read(&mut chunk[filled..]),
            };
            match got {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(more) => filled += more,
                Err(_) => {
                    (self.ended, self.is_cut) = (true, true);
                    break;
                }
            }
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        if filled > most {
            (self.ended, self.is_cut) = (true, true);
            filled = most;
        }
        self.left -= filled as u64;
        self.raw.clear();
        self.raw.extend_from_slice(&chunk[..filled]);
    }

    /// Decodes what comes next into `text`, until there is some or the source has ended.
    fn refill(&mut self) {
        self.text.clear();
        self.read = 0;
        while self.text.is_empty() && !self.ended {
            self.get();
            let raw = &self.raw;
            let decoder = self
                .decoder
                .get_or_insert_with(|| declared(raw).new_decoder());
            let room = decoder.max_utf8_buffer_length(raw.len());
            self.text.reserve(room.unwrap_or(4 * CHUNK));
            let _ = decoder.decode_to_string(raw, &mut self.text, self.ended);
        }
    }
}

/// The declared encoding; a byte order mark is before it, which the decoder sees by itself.
fn declared(start: &[u8]) -> &'static Encoding {
    let start = &start[..start.len().min(DECLARATION)];
    let declaration = || {
        let end = memchr::memmem::find(start, b"?>")?;
        let start = start.trim_ascii_start().strip_prefix(b"<?xml")?;
        let at = memchr::memmem::find(&start[..end.min(start.len())], b"encoding")?;
        let value = start[at + b"encoding".len()..].trim_ascii_start();
        let value = value.strip_prefix(b"=")?.trim_ascii_start();
        let (quote, value) = value.split_first()?;
        let end = memchr::memchr(*quote, value)?;
        Encoding::for_label(&value[..end])
    };
    // Whoever can be read as ASCII so far is no UTF-16.
    declaration().map_or(UTF_8, Encoding::output_encoding)
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read == self.text.len() {
            self.refill();
        }
        Ok(&self.text.as_bytes()[self.read..])
    }

    fn consume(&mut self, amount: usize) {
        self.read = (self.read + amount).min(self.text.len());
    }
}

impl Read for Input<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let amount = ready.len().min(into.len());
        into[..amount].copy_from_slice(&ready[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}
