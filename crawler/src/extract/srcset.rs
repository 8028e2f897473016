//! The `srcset` attribute, parsed as the HTML standard says
//! (<https://html.spec.whatwg.org/multipage/images.html#parsing-a-srcset-attribute>).

use std::cmp::Ordering;

use cssparser::{Parser, Token};

/// One picture that a `srcset` offers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate<'a> {
    /// The reference as it is written, never empty and without white space.
    pub(super) url: &'a str,
    /// Its width in pixels, from a `w` descriptor.
    pub(super) width: Option<u64>,
    /// Its pixels for one CSS pixel, from an `x` descriptor.
    pub(super) density: Option<f64>,
}

/// The candidates of an attribute in their order; those with broken descriptors are left out.
pub(super) fn candidates(attribute: &str) -> impl Iterator<Item = Candidate<'_>> {
    let mut rest = attribute;
    std::iter::from_fn(move || next_candidate(&mut rest))
}

/// Of several candidates, the first of the best for a picture of at most `max_width` pixels across.
///
/// A known width within the bound comes before a density, the largest of each first; where every
/// known width is above the bound, the smallest. What `sizes` says matters only to a density, whose
/// width is known by it: a browser takes as little as its window needs, here the most is wanted.
pub(super) fn best<'a, T>(
    candidates: impl Iterator<Item = (Candidate<'a>, T)>,
    sizes: Option<&str>,
    max_width: u64,
) -> Option<(Candidate<'a>, T)> {
    let size = sizes.and_then(size);
    let rank = |candidate: &Candidate<'_>| rank(candidate, size, max_width as f64);
    candidates.reduce(
        |best, next| match rank(&next.0).partial_cmp(&rank(&best.0)) {
            Some(Ordering::Greater) => next,
            _ => best,
        },
    )
}

fn rank(candidate: &Candidate<'_>, size: Option<f64>, max_width: f64) -> (u8, f64) {
    let density = candidate.density.unwrap_or(1.0);
    let width = candidate.width.map(|width| width as f64);
    match width.or(size.map(|size| size * density)) {
        Some(width) if width <= max_width => (2, width),
        Some(width) => (0, -width),
        None => (1, density),
    }
}

/// The width in CSS pixels that a `sizes` attribute gives whatever the window: none where it depends
/// on that.
fn size(sizes: &str) -> Option<f64> {
    let mut parser = Parser::new(sizes);
    let size = match parser.next().ok()? {
        Token::Dimension { value, unit, .. } if unit.eq_ignore_ascii_case("px") => {
            f64::from(*value)
        }
        _ => return None,
    };
    let is_alone = matches!(parser.next(), Err(_) | Ok(Token::Comma));
    (is_alone && size > 0.0).then_some(size)
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace()
}

/// Steps 4 to 16: one turn of the splitting loop, again where a candidate is in error.
fn next_candidate<'a>(rest: &mut &'a str) -> Option<Candidate<'a>> {
    loop {
        *rest = rest.trim_start_matches(|c| is_space(c) || c == ',');
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        *rest = after;
        let bare = url.trim_end_matches(',');
        // A comma at the URL's end closes the candidate, so it has no descriptors.
        let descriptors = if bare.len() < url.len() {
            ""
        } else {
            take_descriptors(rest)
        };
        if let Some((width, density)) = parse_descriptors(descriptors) {
            return Some(Candidate {
                url: bare,
                width,
                density,
            });
        }
    }
}

/// Cuts the text up to the next comma that stands outside parentheses; the comma goes as well.
fn take_descriptors<'a>(rest: &mut &'a str) -> &'a str {
    let mut in_parentheses = false;
    for (at, c) in rest.char_indices() {
        match c {
            '(' => in_parentheses = true,
            ')' => in_parentheses = false,
            ',' if !in_parentheses => {
                let found = &rest[..at];
                *rest = &rest[at + 1..];
                return found;
            }
            _ => {}
        }
    }
    std::mem::take(rest)
}

/// The "descriptor parser": width and density, or none where a descriptor is in error.
fn parse_descriptors(text: &str) -> Option<(Option<u64>, Option<f64>)> {
    let (mut width, mut density, mut height) = (None, None, None);
    for descriptor in split_descriptors(text) {
        let unit = descriptor.chars().next_back()?;
        let number = &descriptor[..descriptor.len() - unit.len_utf8()];
        match unit {
            'w' if width.is_none() && density.is_none() => width = Some(positive(number)?),
            'x' if width.is_none() && density.is_none() && height.is_none() => {
                density = Some(floating(number).filter(|density| *density >= 0.0)?);
            }
            'h' if height.is_none() && density.is_none() => height = Some(positive(number)?),
            _ => return None,
        }
    }
    // A height alone is in error.
    (height.is_none() || width.is_some()).then_some((width, density))
}

/// Descriptors between white space; white space inside parentheses does not divide.
fn split_descriptors(text: &str) -> impl Iterator<Item = &str> {
    let mut in_parentheses = false;
    text.split(move |c| {
        match c {
            '(' => in_parentheses = true,
            ')' => in_parentheses = false,
            _ => {}
        }
        is_space(c) && !in_parentheses
    })
    .filter(|descriptor| !descriptor.is_empty())
}

/// A "valid non-negative integer" above zero; beyond 64 bits it is the largest number.
fn positive(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().unwrap_or(u64::MAX))?;
    (number > 0).then_some(number)
}

/// A "valid floating-point number": `-`? digits? (`.` digits)? (`e` sign? digits)?, and finite.
fn floating(text: &str) -> Option<f64> {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (unsigned, None),
    };
    let valid = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole.is_empty() || is_digits(whole)) && is_digits(fraction),
        None => is_digits(mantissa),
    };
    let number: f64 = (valid && exponent.is_none_or(is_digits)).then(|| text.parse().ok())??;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    mod wpt;

    use super::*;

    /// Candidates as text: `url`, `url 100w`, `url 2x`.
    fn shown(attribute: &str) -> Vec<String> {
        let show = |candidate: Candidate<'_>| {
            let width = candidate
                .width
                .map(|width| format!(" {width}w"))
                .unwrap_or_default();
            let density = candidate
                .density
                .map(|density| format!(" {density}x"))
                .unwrap_or_default();
            format!("{}{width}{density}", candidate.url)
        };
        candidates(attribute).map(show).collect()
    }

    #[test]
    fn candidates_are_parsed_as_the_standard_says() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" , ,\t", &[]),
            ("a", &["a"]),
            (",a", &["a"]),
            ("a,b", &["a,b"]),
            ("a, b", &["a", "b"]),
            ("a,,, b", &["a", "b"]),
            ("a ,b", &["a", "b"]),
            ("a 1x,b 2x", &["a 1x", "b 2x"]),
            ("a 320w, b 640w", &["a 320w", "b 640w"]),
            ("a\n320w\n,\nb\n640w", &["a 320w", "b 640w"]),
            ("a 640w 480h", &["a 640w"]),
            ("a 480h 640w", &["a 640w"]),
            ("a 480h", &[]),
            ("a 1x 480h", &[]),
            ("a 1x 2x", &[]),
            ("a 1w 2w", &[]),
            ("a 1x 2w, b", &["b"]),
            ("a 0w, b 0x", &["b 0x"]),
            ("a -1w, b -1x, c -0x", &["c -0x"]),
            (
                "a +1w, b +1x, c 1.5x, d .5x, e 1.x, f 1e2x, g 1e+2x, h e2x",
                &["c 1.5x", "d 0.5x", "f 100x", "g 100x"],
            ),
            ("a infx, b nanx, c x, d w, e 1e999x, f 1.5w", &[]),
            ("a 1X", &[]),
            ("a foo, b", &["b"]),
            ("a (x, y), b", &["b"]),
            ("a (, b", &[]),
            ("a 1x (, b", &[]),
            ("a )1x, b", &["b"]),
            ("data:,a ( , data:,b 1x, ), data:,c", &["data:,c"]),
            (
                "data:image/gif;base64,AA== 2x, b",
                &["data:image/gif;base64,AA== 2x", "b"],
            ),
            ("a 1x\u{a0}, b", &["b"]),
            ("a 99999999999999999999w", &["a 18446744073709551615w"]),
            ("猫.jpg 2x, b 3猫", &["猫.jpg 2x"]),
        ];
        for (given, wanted) in table {
            assert_eq!(shown(given), *wanted, "{given:?}");
        }
    }

    #[test]
    fn the_best_within_the_bound_is_taken() {
        let table = [
            ("a 320w, b 2048w, c 4096w", "", "b"),
            ("a 4096w, b 3000w", "", "b"),
            ("a, b 2x, c 1.5x", "", "b"),
            ("a 1x, b 1x", "", "a"),
            ("a 2x, b 100w", "", "b"),
            ("a 1x, b 9000w", "", "a"),
            ("a 2x, b 100w", "100px", "a"),
            ("a 2x, b 100w", "(min-width: 1px) 100px, 100vw", "b"),
            ("a 2x, b 100w", "100px 1px", "b"),
            ("a 3x, b 100w", "1000px, 1px", "b"),
        ];
        for (given, sizes, wanted) in table {
            let offered = candidates(given).map(|candidate| (candidate, ()));
            let best = best(offered, Some(sizes), 2_048);
            assert_eq!(
                best.map(|(candidate, ())| candidate.url),
                Some(wanted),
                "{given}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn any_text_gives_candidates_of_it(attribute in "[ab,( )0-9wxh.e\\-\u{a0}\n猫]{0,60}") {
            for candidate in candidates(&attribute) {
                prop_assert!(attribute.contains(candidate.url) && !candidate.url.is_empty());
                prop_assert!(!candidate.url.contains(is_space) && !candidate.url.ends_with(','));
                prop_assert!(!candidate.url.starts_with(','));
                prop_assert!(candidate.width.is_none() || candidate.density.is_none());
            }
        }

        #[test]
        fn what_is_written_is_read(list in prop::collection::vec(("[a-z/.:]{1,9}", 1u64..9_999, any::<bool>()), 1..20)) {
            let entry = |(url, number, wide): &(String, u64, bool)| format!("{url} {number}{}", if *wide { 'w' } else { 'x' });
            let wanted: Vec<String> = list.iter().map(entry).collect();
            prop_assert_eq!(shown(&wanted.join(", ")), wanted.clone());
            prop_assert_eq!(shown(&wanted.join(",")), wanted);
        }
    }
}
