//! A sitemap of plain text: a URL a line.

use std::io::BufRead;

use super::input::Input;
use super::{Entry, Kind, Limits, Sitemap};

/// No address is longer, with room for white space around it. Half of one would be another.
const MAX_LINE: usize = 8 * 1024;

/// Reads to the end. A file without a single URL is none of this kind.
pub(super) fn read(input: &mut Input<'_>, sitemap: &mut Sitemap, limits: &Limits) -> bool {
    let mut line = Vec::new();
    loop {
        let Ok(chunk) = input.fill_buf() else {
            return false;
        };
        if chunk.is_empty() {
            // Half of an address would be another.
            if !input.is_cut() {
                take(&line, sitemap, limits);
            }
            return true;
        }
        let end = memchr::memchr2(b'\n', b'\r', chunk);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            take(&line, sitemap, limits);
            line.clear();
        }
    }
}

fn take(line: &[u8], sitemap: &mut Sitemap, limits: &Limits) {
    let line = String::from_utf8_lossy(line);
    if line.trim().is_empty() {
        return;
    }
    if line.len() >= MAX_LINE {
        sitemap.unparsable = sitemap.unparsable.saturating_add(1);
    } else if sitemap.entries.len() >= limits.max_entries {
        sitemap.leave_out();
    } else if let Some(loc) = sitemap.address(&line) {
        sitemap.kind = Kind::Text;
        sitemap.entries.push(Entry {
            loc,
            lastmod: None,
            images: Vec::new(),
        });
    }
}
