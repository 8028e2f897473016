//! Pictures that style sheets name: `url()` and `image-set()` of any property, as CSS Syntax Level 3
//! tokenizes them (`cssparser`). Fonts, what only printers or dark schemes show, and references to
//! filters and paths are left out; `@import`s are told apart.
//!
//! Which rules match an element only a browser's layout knows: here every rule counts.

use std::borrow::Cow;
use std::collections::HashSet;

use cssparser::{
    CowRcStr, EncodingSupport, ParseError, Parser, SourcePosition, Token, stylesheet_encoding,
};
use encoding_rs::{Encoding, UTF_8};
use tusou_ingest::address::{Address, AddressError};

use super::charset::charset_parameter;
use super::value::{Reference, can_decode, suits};

/// The most pictures that are taken from one sheet.
const MAX_PICTURES: usize = 1_000;
/// The most sheets that one sheet's `@import`s name.
const MAX_IMPORTS: usize = 16;
/// The most pictures that one `image-set()` offers.
const MAX_SET: usize = 16;
/// Blocks and functions nested deeper are passed over.
const MAX_DEPTH: usize = 32;

/// What a style sheet names. Addresses are resolved, each picture once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Its pictures, in its order.
    pub pictures: Vec<SheetPicture>,
    /// The sheets that it imports for a light screen, in its order.
    pub imports: Vec<Address>,
    /// References that hold their data themselves (`data:`).
    pub data_urls: u32,
    /// References that are no URL.
    pub unparsable: u32,
    /// References beyond the bounds of one sheet.
    pub left_out: u32,
}

/// A picture of a style sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetPicture {
    /// Where its bytes are: of an `image-set()`, those with the most pixels.
    pub address: Address,
    /// What else the `image-set()` offers.
    pub variants: Vec<Address>,
}

/// Reads the sheet at `base`. Any text is a sheet, and every sheet gives a result.
pub fn pictures(text: &str, base: &Address) -> Sheet {
    let mut sheet = Sheet::default();
    let mut seen = HashSet::new();
    read(text, &mut |named| match named {
        Named::Import(reference) => {
            if let Some(address) = sheet.resolve(reference, base) {
                if sheet.imports.len() >= MAX_IMPORTS {
                    sheet.left_out += 1;
                } else if !sheet.imports.contains(&address) {
                    sheet.imports.push(address);
                }
            }
        }
        Named::Picture(reference, others) => {
            let Some(address) = sheet.resolve(reference, base) else {
                return;
            };
            if seen.contains(&address) {
                return;
            }
            if sheet.pictures.len() >= MAX_PICTURES {
                sheet.left_out += 1;
                return;
            }
            let others = others.iter().filter_map(|other| base.join(other).ok());
            let variants = others.filter(|other| *other != address).collect();
            seen.insert(address.clone());
            sheet.pictures.push(SheetPicture { address, variants });
        }
    });
    sheet
}

/// The text of a sheet as it was sent: by byte order mark, then the header, then `@charset`, else UTF-8.
pub fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    struct Labels;
    impl EncodingSupport for Labels {
        type Encoding = &'static Encoding;
        fn from_label(label: &[u8]) -> Option<Self::Encoding> {
            Encoding::for_label(label)
        }
        fn utf8() -> Self::Encoding {
            UTF_8
        }
        fn is_utf16_be_or_le(encoding: &Self::Encoding) -> bool {
            !encoding.is_ascii_compatible()
        }
    }
    let label = content_type.and_then(charset_parameter);
    let label = label.map(str::as_bytes);
    stylesheet_encoding::<Labels>(body, label, None)
        .decode(body)
        .0
}

impl Sheet {
    fn resolve(&mut self, reference: &str, base: &Address) -> Option<Address> {
        match Reference::of(reference) {
            Reference::Kept(reference) => match base.join(reference) {
                Ok(address) => return Some(address),
                Err(AddressError::Scheme { .. }) => {}
                Err(_) => self.unparsable += 1,
            },
            Reference::Data => self.data_urls += 1,
            Reference::Unparsable => self.unparsable += 1,
            Reference::Elsewhere => {}
        }
        None
    }
}

/// What CSS names, as it is written.
pub(super) enum Named<'a> {
    /// A picture, and others that an `image-set()` offers in its place.
    Picture(&'a str, &'a [CowRcStr<'a>]),
    /// A sheet.
    Import(&'a str),
}

/// Tells what a sheet, or the declarations of a `style` attribute, name.
pub(super) fn read(text: &str, tell: &mut dyn FnMut(Named<'_>)) {
    statements(&mut Parser::new(text), 0, tell);
}

/// The rule or declaration that is being read.
#[derive(Default)]
enum Statement<'i> {
    #[default]
    None,
    /// A property's name, or a selector's first word.
    Word(CowRcStr<'i>),
    /// A property's value; or what follows a selector's first colon, which names no picture.
    Value(CowRcStr<'i>),
    /// An at-rule, and where what it is for begins.
    At(CowRcStr<'i>, SourcePosition),
    /// An `@import` of a sheet, and where its media begin.
    Import(CowRcStr<'i>, SourcePosition),
    /// It names no picture.
    Passed,
}

/// Rules and declarations, which may be mixed: of a sheet, of a block, of an attribute.
fn statements(parser: &mut Parser<'_>, depth: usize, tell: &mut dyn FnMut(Named<'_>)) {
    let mut statement = Statement::None;
    // Imports stand before all rules.
    let mut may_import = depth == 0;
    loop {
        let token = parser.next().cloned();
        // With the token itself, which no query minds.
        let end = parser.position();
        if let (Statement::Import(reference, media), Ok(Token::Semicolon) | Err(_)) =
            (&statement, &token)
            && may_import
            && suits(Some(parser.slice(*media..end)))
        {
            tell(Named::Import(reference));
        }
        let Ok(token) = token else { return };
        statement = match (statement, token) {
            (Statement::At(name, _), Token::Semicolon) => {
                may_import &= is_one_of(&name, &["charset", "layer"]);
                Statement::None
            }
            (Statement::Import(..), Token::Semicolon) => Statement::None,
            (_, Token::Semicolon) => {
                may_import = false;
                Statement::None
            }
            (of, Token::CurlyBracketBlock) => {
                may_import = false;
                let is_shown = match of {
                    Statement::At(name, prelude) => {
                        is_for_screens(&name, parser.slice(prelude..end))
                    }
                    _ => true,
                };
                if is_shown && depth < MAX_DEPTH {
                    inside(parser, |parser| statements(parser, depth + 1, tell));
                }
                Statement::None
            }
            (Statement::None, Token::AtKeyword(name)) => Statement::At(name, parser.position()),
            (Statement::None, Token::Ident(name)) => Statement::Word(name),
            (Statement::None, Token::CDO | Token::CDC) => Statement::None,
            (Statement::None, _) => Statement::Passed,
            (Statement::Word(name), Token::Colon) => Statement::Value(name),
            (Statement::Word(_), _) => Statement::Passed,
            (Statement::Value(name), token) => {
                let may_be_one = matches!(token, Token::UnquotedUrl(_) | Token::Function(_));
                if may_be_one && shows_pictures(&name) {
                    value(parser, token, depth, tell);
                }
                Statement::Value(name)
            }
            (Statement::At(name, prelude), token) if is_one_of(&name, &["import"]) => {
                match reference(parser, token, true) {
                    Some(sheet) => Statement::Import(sheet, parser.position()),
                    None => Statement::At(name, prelude),
                }
            }
            (statement, _) => statement,
        };
    }
}

/// A part of a property's value.
fn value<'i>(
    parser: &mut Parser<'i>,
    token: Token<'i>,
    depth: usize,
    tell: &mut dyn FnMut(Named<'_>),
) {
    if let Token::Function(name) = &token
        && !is_one_of(name, &["url"])
    {
        if is_one_of(name, &["image-set", "-webkit-image-set"]) {
            inside(parser, |parser| image_set(parser, tell));
        } else if depth < MAX_DEPTH {
            inside(parser, |parser| values(parser, depth + 1, tell));
        }
    } else if let Some(picture) = reference(parser, token, false) {
        tell(Named::Picture(&picture, &[]));
    }
}

/// What stands in a function: `linear-gradient()`, `cross-fade()`, `var()`.
fn values(parser: &mut Parser<'_>, depth: usize, tell: &mut dyn FnMut(Named<'_>)) {
    while let Ok(token) = parser.next().cloned() {
        value(parser, token, depth, tell);
    }
}

/// The reference that a token is: `url(a)`, `url("a")`, and, where it may be one, `"a"`.
fn reference<'i>(parser: &mut Parser<'i>, token: Token<'i>, strings: bool) -> Option<CowRcStr<'i>> {
    match token {
        Token::UnquotedUrl(reference) => Some(reference),
        Token::QuotedString(reference) if strings => Some(reference),
        Token::Function(name) if is_one_of(&name, &["url"]) => {
            inside(parser, |parser| parser.expect_string_cloned().ok())
        }
        _ => None,
    }
}

/// `image-set()` (CSS Images Level 4): the picture with the most pixels that can be decoded, and the others.
fn image_set(parser: &mut Parser<'_>, tell: &mut dyn FnMut(Named<'_>)) {
    let mut offers: Vec<(CowRcStr<'_>, f32)> = Vec::new();
    let mut is_open = false;
    while let Ok(token) = parser.next().cloned() {
        match (token, offers.last_mut().filter(|_| is_open)) {
            (Token::Comma, _) => is_open = false,
            (Token::Dimension { value, unit, .. }, Some((_, density))) => {
                let scale = if is_one_of(&unit, &["dpi"]) {
                    1.0 / 96.0
                } else if is_one_of(&unit, &["dpcm"]) {
                    2.54 / 96.0
                } else {
                    1.0
                };
                *density = density.min(value * scale);
            }
            (Token::Function(name), Some((_, density))) if is_one_of(&name, &["type"]) => {
                let kind = inside(parser, |parser| parser.expect_string_cloned().ok());
                if !can_decode(kind.as_deref()) {
                    *density = -1.0;
                }
            }
            (token, None) => {
                if let Some(reference) = reference(parser, token, true)
                    && offers.len() < MAX_SET
                {
                    offers.push((reference, f32::INFINITY));
                    is_open = true;
                }
            }
            _ => {}
        }
    }
    // Without a resolution it is one pixel for each of CSS.
    let density =
        |(_, density): &(CowRcStr<'_>, f32)| if density.is_finite() { *density } else { 1.0 };
    let best = offers.iter().enumerate().reduce(|best, next| {
        if density(next.1) > density(best.1) {
            next
        } else {
            best
        }
    });
    let Some((best, _)) = best.filter(|(_, best)| density(best) >= 0.0) else {
        return;
    };
    let (picture, _) = offers.swap_remove(best);
    let others: Vec<CowRcStr<'_>> = offers.into_iter().map(|(other, _)| other).collect();
    tell(Named::Picture(&picture, &others));
}

/// Reads the block or function that has just begun to its end.
fn inside<'i, T>(parser: &mut Parser<'i>, read: impl FnOnce(&mut Parser<'i>) -> T) -> T
where
    T: Default,
{
    let mut found = T::default();
    // What is left of the block is no error here.
    let _: Result<(), ParseError<()>> = parser.parse_nested_block(|parser| {
        found = read(parser);
        Ok(())
    });
    found
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether what stands in an at-rule's block may be shown on a screen with a light scheme.
fn is_for_screens(name: &str, prelude: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "font-face",
        "font-feature-values",
        "font-palette-values",
        "color-profile",
        "namespace",
        "page",
        "-moz-document",
    ];
    if is_one_of(name, &["media"]) {
        suits(Some(prelude))
    } else {
        !is_one_of(name, &OTHERS)
    }
}

/// Whether a `url()` of this property may be a picture: others lead to scripts, filters and paths.
fn shows_pictures(property: &str) -> bool {
    const OTHERS: [&str; 16] = [
        "behavior",
        "-ms-behavior",
        "-moz-binding",
        "src",
        "filter",
        "-webkit-filter",
        "backdrop-filter",
        "clip-path",
        "-webkit-clip-path",
        "offset-path",
        "fill",
        "stroke",
        "marker",
        "marker-start",
        "marker-mid",
        "marker-end",
    ];
    !is_one_of(property, &OTHERS)
}
