//! Where a page leaves HTML for SVG or MathML, and where it comes back
//! (<https://html.spec.whatwg.org/multipage/parsing.html#parsing-main-inforeign>).
//!
//! It matters for reading on: in SVG, `<title>`, `<style>` and `<script>` are no raw text,
//! `<image>` is no `<img>`, and CDATA sections exist.

/// No page nests deeper with a meaning; beyond it the depth is not followed.
const MAX_DEPTH: usize = 256;

/// The open elements as far as they change the namespace.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    open: Vec<Open>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Open {
    Svg,
    Math,
    /// An element of SVG or MathML that holds HTML, by its name.
    Html(&'static [u8]),
}

/// The elements of SVG and MathML that hold HTML. (`annotation-xml` does so by an attribute only.)
const HOLDERS: [&[u8]; 8] = [
    b"foreignobject",
    b"desc",
    b"title",
    b"mi",
    b"mo",
    b"mn",
    b"ms",
    b"mtext",
];

impl Foreign {
    /// Whether text and tags that follow belong to SVG or MathML.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.open.last(), Some(Open::Svg | Open::Math))
    }

    /// Follows a start tag; the answer is whether its element belongs to SVG or MathML.
    pub(super) fn start(&mut self, name: &[u8], self_closing: bool) -> bool {
        let root = match name {
            b"svg" => Some(Open::Svg),
            b"math" => Some(Open::Math),
            _ => None,
        };
        if let Some(root) = root {
            self.push(root, self_closing);
            return true;
        }
        if !self.is_foreign() {
            return false;
        }
        if breaks_out(name) {
            self.leave();
            return false;
        }
        if let Some(holder) = HOLDERS.into_iter().find(|holder| *holder == name) {
            self.push(Open::Html(holder), self_closing);
        }
        true
    }

    /// Follows an end tag.
    pub(super) fn end(&mut self, name: &[u8]) {
        let Some(last) = self.open.last() else { return };
        let closes = |open: &Open| match open {
            Open::Svg => name == b"svg",
            Open::Math => name == b"math",
            Open::Html(holder) => name == *holder,
        };
        if closes(last) {
            self.open.pop();
        } else if self.is_foreign() && (breaks_out(name) || closes_html(name)) {
            self.leave();
        } else if let Some(at) = self.open.iter().rposition(closes) {
            self.open.truncate(at);
        }
    }

    fn push(&mut self, open: Open, self_closing: bool) {
        if !self_closing && self.open.len() < MAX_DEPTH {
            self.open.push(open);
        }
    }

    /// Back to the nearest HTML.
    fn leave(&mut self) {
        while self.is_foreign() {
            self.open.pop();
        }
    }
}

/// Start tags that end SVG and MathML, as the standard lists them (`font` only by its attributes, so it is left out).
fn breaks_out(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 44] = [
        b"b",
        b"big",
        b"blockquote",
        b"body",
        b"br",
        b"center",
        b"code",
        b"dd",
        b"div",
        b"dl",
        b"dt",
        b"em",
        b"embed",
        b"h1",
        b"h2",
        b"h3",
        b"h4",
        b"h5",
        b"h6",
        b"head",
        b"hr",
        b"i",
        b"img",
        b"li",
        b"listing",
        b"menu",
        b"meta",
        b"nobr",
        b"ol",
        b"p",
        b"pre",
        b"ruby",
        b"s",
        b"small",
        b"span",
        b"strike",
        b"strong",
        b"sub",
        b"sup",
        b"table",
        b"tt",
        b"u",
        b"ul",
        b"var",
    ];
    NAMES.binary_search(&name).is_ok()
}

/// Further end tags that can only mean an HTML element around the SVG or MathML.
fn closes_html(name: &[u8]) -> bool {
    let names: [&[u8]; 12] = [
        b"article",
        b"button",
        b"figcaption",
        b"figure",
        b"footer",
        b"header",
        b"html",
        b"main",
        b"nav",
        b"section",
        b"td",
        b"tr",
    ];
    names.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the text after these tags is foreign.
    fn after(tags: &str) -> bool {
        let mut foreign = Foreign::default();
        for tag in tags.split_whitespace() {
            match tag.strip_prefix('/') {
                Some(name) => foreign.end(name.as_bytes()),
                None => {
                    let name = tag.trim_end_matches('/');
                    foreign.start(name.as_bytes(), name != tag);
                }
            }
        }
        foreign.is_foreign()
    }

    #[test]
    fn namespaces_are_followed() {
        let table = [
            ("p", false),
            ("svg", true),
            ("svg/", false),
            ("svg g /g", true),
            ("svg /svg", false),
            ("svg svg /svg", true),
            ("svg title", false),
            ("svg title /title", true),
            ("svg foreignobject div /div", false),
            ("svg foreignobject svg /svg", false),
            ("svg foreignobject /svg", false),
            ("svg desc /desc /svg", false),
            ("svg g p", false),
            ("svg /p", false),
            ("div svg /div", false),
            ("svg foreignobject svg p /foreignobject", true),
            ("math mi", false),
            ("math mi /mi", true),
            ("math mrow", true),
            ("title", false),
            ("/svg", false),
            ("svg strong", false),
            ("svg var", false),
        ];
        for (given, wanted) in table {
            assert_eq!(after(given), wanted, "{given}");
        }
        assert!(!after(&("svg ".repeat(100_000) + "p")));
    }
}
