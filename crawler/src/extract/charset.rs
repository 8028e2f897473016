//! Bytes of a page to text: by byte order mark, then the header, then what the page itself
//! says, then UTF-8 where the bytes are that, else windows-1252.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use super::scan::{Attribute, Element, Sink, StartTag, scan};

/// How many bytes are looked through for a declaration. The standard asks for 1,024; pages that
/// open with a long comment or script need more.
const PRESCAN: usize = 4_096;

/// The page's text. What its encoding does not know becomes U+FFFD.
pub(super) fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        return encoding.decode_without_bom_handling(&body[mark..]).0;
    }
    let encoding = content_type
        .and_then(charset_parameter)
        .and_then(|label| Encoding::for_label(label.as_bytes()))
        .or_else(|| declared(&body[..body.len().min(PRESCAN)]))
        .unwrap_or_else(|| if is_utf8(body) { UTF_8 } else { WINDOWS_1252 });
    encoding.decode_without_bom_handling(body).0
}

/// The value of `charset` in a `Content-Type` or in the `content` of a `meta` element, unquoted.
pub(super) fn charset_parameter(content_type: &str) -> Option<&str> {
    let mut rest = content_type;
    loop {
        let at = rest
            .as_bytes()
            .windows(7)
            .position(|word| word.eq_ignore_ascii_case(b"charset"))?;
        rest = rest[at + 7..].trim_start();
        // Another word that holds `charset` is passed over.
        let Some(value) = rest.strip_prefix('=') else {
            continue;
        };
        let value = value.trim_start();
        let label = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value
                .split(|c: char| c.is_ascii_whitespace() || c == ';')
                .next()?,
        };
        return Some(label.trim());
    }
}

/// What the page's first bytes say of its encoding: the XML declaration, then `meta` elements.
fn declared(start: &[u8]) -> Option<&'static Encoding> {
    let declared = xml_encoding(start).or_else(|| {
        let mut meta = MetaCharset::default();
        scan(start, &mut meta, false);
        meta.found
    })?;
    // A page whose declaration could be read as ASCII is not UTF-16, whatever it says.
    if declared == UTF_16LE || declared == UTF_16BE {
        Some(UTF_8)
    } else if declared == X_USER_DEFINED {
        Some(WINDOWS_1252)
    } else {
        Some(declared)
    }
}

fn xml_encoding(start: &[u8]) -> Option<&'static Encoding> {
    let declaration = start.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memchr::memchr(b'>', declaration)?];
    let value = &declaration[memchr::memmem::find(declaration, b"encoding")? + b"encoding".len()..];
    let value = value
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    let (quote, value) = value.split_first()?;
    let label = &value[..memchr::memchr(*quote, value)?];
    Encoding::for_label(label)
}

/// Whether the bytes are UTF-8; a character that the page's end cuts is forgiven, since long pages are cut.
fn is_utf8(body: &[u8]) -> bool {
    std::str::from_utf8(body)
        .err()
        .is_none_or(|error| error.error_len().is_none())
}

/// Looks for the first `meta` element that names an encoding.
#[derive(Default)]
struct MetaCharset {
    found: Option<&'static Encoding>,
}

impl Sink for MetaCharset {
    fn start(&mut self, tag: &StartTag<'_>) {
        if self.found.is_some() || tag.element != Element::Meta {
            return;
        }
        let in_content = || {
            let is_type = tag
                .get(Attribute::HttpEquiv)?
                .eq_ignore_ascii_case("content-type");
            let content = tag.get(Attribute::Content).filter(|_| is_type)?;
            charset_parameter(content).map(str::to_owned)
        };
        let label = tag
            .get(Attribute::Charset)
            .map(str::to_owned)
            .or_else(in_content);
        self.found = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    }

    fn end(&mut self, _: Element) {}

    fn text(&mut self, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_of_a_header_is_read() {
        let table = [
            ("text/html", None),
            ("text/html; charset=utf-8", Some("utf-8")),
            ("text/html;Charset = \"GBK\" ; x=y", Some("GBK")),
            ("text/html; charset='big5'", Some("big5")),
            ("text/html; charset", None),
            ("text/html; charset=", None),
            ("text/html; charsetx charset=koi8-r", Some("koi8-r")),
            ("text/html; charset=\"", Some("")),
            ("猫猫猫charset=猫", Some("猫")),
        ];
        for (given, wanted) in table {
            assert_eq!(charset_parameter(given), wanted, "{given}");
        }
    }

    #[test]
    fn text_is_decoded_by_the_first_that_knows() {
        let mut marked = vec![0xFF, 0xFE];
        marked.extend("é猫".encode_utf16().flat_map(u16::to_le_bytes));
        let gbk: &[u8] = b"<meta charset=gbk>\xC3\xA8";
        let table: &[(&[u8], Option<&str>, &str)] = &[
            (&marked, Some("text/html; charset=windows-1252"), "é猫"),
            (
                b"\xEF\xBB\xBF\xC3\xA9",
                Some("text/html; charset=windows-1252"),
                "é",
            ),
            (b"\xE9", Some("text/html; charset=windows-1252"), "é"),
            (b"\xC3\xA9", Some("text/html; charset=unheard-of"), "é"),
            (b"\xC3\xA9", None, "é"),
            (b"\xE9t\xE9", None, "été"),
            (b"\xC3\xA9\xE7\x8C", None, "é\u{fffd}"),
            (gbk, None, "<meta charset=gbk>猫"),
            (
                b"<?xml version='1.0' encoding='iso-8859-1'?>\xE9",
                None,
                "<?xml version='1.0' encoding='iso-8859-1'?>é",
            ),
            (
                b"<meta charset=utf-16>\xC3\xA9",
                None,
                "<meta charset=utf-16>é",
            ),
            (
                b"<!--<meta charset=big5>-->\xC3\xA9",
                None,
                "<!--<meta charset=big5>-->é",
            ),
        ];
        for (body, content_type, wanted) in table {
            assert_eq!(
                decode(body, *content_type),
                *wanted,
                "{}",
                body.escape_ascii()
            );
        }
    }
}
