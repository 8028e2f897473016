//! Values of attributes: references, words, media types.

/// The longest reference that is looked at, in bytes; a longer one is no address.
pub(super) const MAX_REFERENCE: usize = 4_096;

/// A reference that could be an address.
pub(super) enum Reference<'a> {
    Kept(&'a str),
    Data,
    /// Too long for an address.
    Unparsable,
    /// Empty, within the page, or of a scheme that leads to no page (`mailto:`).
    Elsewhere,
}

impl<'a> Reference<'a> {
    /// Judges a reference as it is written.
    pub(super) fn of(text: &'a str) -> Self {
        let text = text.trim_matches(|c: char| c <= ' ');
        if text.is_empty() || text.starts_with('#') {
            return Self::Elsewhere;
        }
        let is_scheme_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let scheme = match text.find(is_scheme_end) {
            Some(end) if text[end..].starts_with(':') => &text[..end],
            _ => "",
        };
        if scheme.eq_ignore_ascii_case("data") {
            Self::Data
        } else if !["", "http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            Self::Elsewhere
        } else if text.len() > MAX_REFERENCE {
            Self::Unparsable
        } else {
            Self::Kept(text)
        }
    }
}

/// Whether a list of words holds one of `words`.
pub(super) fn has_word(list: &str, words: &[&str]) -> bool {
    list.split_ascii_whitespace()
        .any(|word| words.iter().any(|wanted| word.eq_ignore_ascii_case(wanted)))
}

/// Whether a value that scripts read is a reference and no flag (`data-lazy="true"`).
pub(super) fn is_path(value: &str) -> bool {
    value.contains(['/', '.'])
}

/// Whether the path ends as the file of a picture that can be decoded. A name with a colon is that of a
/// page about a file, in wikis.
pub(super) fn names_picture(reference: &str) -> bool {
    const EXTENSIONS: [&str; 9] = [
        "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "avif",
    ];
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_host = folder.ends_with(":/") || folder == "/";
    let Some((stem, extension)) = name.trim_ascii_end().rsplit_once('.') else {
        return false;
    };
    let is_page = stem.contains(':') || stem.to_ascii_lowercase().contains("%3a");
    let is_known = EXTENSIONS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known));
    is_known && !is_host && !is_page
}

/// Whether a `source` of this type can be decoded.
pub(super) fn can_decode(media_type: Option<&str>) -> bool {
    const TYPES: [&str; 10] = [
        "",
        "image/jpeg",
        "image/jpg",
        "image/pjpeg",
        "image/png",
        "image/apng",
        "image/webp",
        "image/gif",
        "image/bmp",
        "image/avif",
    ];
    let media_type = media_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    TYPES
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
}

/// Whether one of these media is a screen with a light scheme, as most visitors' is.
pub(super) fn suits(media: Option<&str>) -> bool {
    const OTHERS: [&str; 2] = ["print", "speech"];
    let media = media.unwrap_or_default().to_ascii_lowercase();
    media.split(',').any(|query| {
        let mut words = query.split(|c: char| c.is_ascii_whitespace() || "();{".contains(c));
        let is_negated = query.trim_start().starts_with("not");
        let is_other = !is_negated && words.any(|word| OTHERS.contains(&word));
        let compact: String = query.split_ascii_whitespace().collect();
        !is_other && !compact.contains("prefers-color-scheme:dark")
    })
}

/// The target of a `refresh`, as `5; url='next.html'`.
pub(super) fn refresh(content: &str) -> Option<&str> {
    let (_, target) = content.split_once([';', ','])?;
    let target = target.trim_start();
    let value = match target.get(..3) {
        Some(word) if word.eq_ignore_ascii_case("url") => {
            target[3..].trim_start().strip_prefix('=')?.trim_start()
        }
        _ => target,
    };
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    quote.map_or(Some(value), |quote| value[1..].split(quote).next())
}

/// A language tag that looks like one.
pub(super) fn language(tag: Option<&str>) -> Option<String> {
    let tag = tag?.trim();
    let is_tag = !tag.is_empty()
        && tag.len() <= 35
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_tag.then(|| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_of_light_screens_are_told() {
        let table = [
            ("", true),
            ("all", true),
            ("screen and (min-width: 30em)", true),
            ("print", false),
            ("only print and (color)", false),
            ("print, screen", true),
            ("not print", true),
            ("layer(base) print", false),
            ("(prefers-color-scheme:  dark)", false),
            ("(prefers-color-scheme: light)", true),
            ("Speech", false),
            ("print;", false),
        ];
        for (given, wanted) in table {
            assert_eq!(suits(Some(given)), wanted, "{given}");
        }
        assert!(suits(None));
    }

    #[test]
    fn links_to_pictures_are_known_by_their_names() {
        let table = [
            ("a.jpg", true),
            ("/x/A.JPEG?width=3#top", true),
            ("https://host.example/a.b.png ", true),
            ("//host.example/a.webp", true),
            ("a.svg", false),
            ("a.jpg/", false),
            ("jpg", false),
            ("page?file=a.jpg", false),
            ("https://host.gif", false),
            ("//host.gif", false),
            ("/wiki/File:Cat.jpg", false),
            ("/wiki/Datei%3ACat.jpg", false),
        ];
        for (given, wanted) in table {
            assert_eq!(names_picture(given), wanted, "{given}");
        }
    }
}
