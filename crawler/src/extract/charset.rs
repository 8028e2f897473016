//! Bytes of a page to text, as browsers have it: by byte order mark, then the header, then what the
//! page itself says, then UTF-8 where the bytes are that, else what its bytes and its host's country
//! look like (`chardetng`, Firefox's detector).

use std::borrow::Cow;

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use tusou_ingest::address::Address;

use super::scan::{Attribute, Element, Sink, StartTag, scan};

/// How many bytes are looked through for a declaration. The standard asks for 1,024; pages that
/// open with a long comment or script need more.
const PRESCAN: usize = 4_096;
/// How many bytes are looked at where nothing says the encoding.
const DETECTED: usize = 256 * 1024;

/// The page's text. What its encoding does not know becomes U+FFFD.
pub(super) fn decode<'a>(
    body: &'a [u8],
    content_type: Option<&str>,
    page: &Address,
) -> Cow<'a, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        return encoding.decode_without_bom_handling(&body[mark..]).0;
    }
    let encoding = content_type
        .and_then(charset_parameter)
        .and_then(|label| Encoding::for_label(label.as_bytes()))
        .or_else(|| declared(&body[..body.len().min(PRESCAN)]))
        .unwrap_or_else(|| {
            if is_utf8(body) {
                UTF_8
            } else {
                detected(body, page)
            }
        });
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

/// What bytes that are no UTF-8 look like.
fn detected(body: &[u8], page: &Address) -> &'static Encoding {
    let mut detector = EncodingDetector::new();
    detector.feed(&body[..body.len().min(DETECTED)], body.len() <= DETECTED);
    // The detector takes the country's part of a name only: lower-case letters, as addresses have them.
    let country = page.host_name().rsplit('.').next();
    let country = country.filter(|part| part.bytes().all(|byte| byte.is_ascii_lowercase()));
    detector.guess(country.map(str::as_bytes), false)
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

    fn page(url: &str) -> Address {
        Address::parse(url).expect("an address")
    }

    #[test]
    fn what_nothing_says_is_detected() {
        let table: &[(&'static Encoding, &str, &str)] = &[
            (
                encoding_rs::SHIFT_JIS,
                "http://site.test/",
                "日本語のページです。猫の写真があります。",
            ),
            (
                encoding_rs::EUC_KR,
                "http://site.test/",
                "고양이 사진이 있는 한국어 페이지입니다.",
            ),
            (
                encoding_rs::GBK,
                "http://site.test/",
                "这是一个有猫的照片的中文网页。",
            ),
            (
                encoding_rs::WINDOWS_1251,
                "http://site.test/",
                "Это страница с фотографиями кошек.",
            ),
            (
                encoding_rs::WINDOWS_1252,
                "http://site.test/",
                "Une page d'été à l'étranger, déjà",
            ),
            (
                encoding_rs::ISO_8859_2,
                "http://strona.pl/",
                "Źródło: zdjęcia kotów, łąka, gęś",
            ),
        ];
        for (encoding, url, text) in table {
            let html = format!("<title>{text}</title>");
            let (bytes, _, unknown) = encoding.encode(&html);
            assert!(!unknown, "{text}");
            assert_eq!(decode(&bytes, Some("text/html"), &page(url)), html);
        }
    }

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
                decode(body, *content_type, &page("http://site.test/")),
                *wanted,
                "{}",
                body.escape_ascii()
            );
        }
    }
}
