//! Whose a picture is, in one line.

use maud::{Markup, html};
use tusou_contract::SightingRights;

use super::Language;
use super::hits::link;

/// Words that say what the sign says.
const SIGNS: [&str; 3] = ["©", "(c)", "copyright"];

/// The line; nothing where nothing is known. Only addresses of the web become links.
pub(super) fn rights(language: Language, rights: &SightingRights) -> Markup {
    let texts = language.texts();
    let told = &rights.rights;
    let copyright = told.copyright.as_ref().map(|copyright| {
        html! { @if !has_sign(copyright) { "© " } (copyright) }
    });
    let named =
        |word: &str, name: &Option<String>| name.as_ref().map(|name| html! { (word) " " (name) });
    let license = told.license.as_deref().and_then(link).map(|url| {
        html! { a href=(url) rel="nofollow noopener license" { (texts.license) } }
    });
    let acquire = rights.acquire.as_deref().and_then(link).map(|url| {
        html! { a href=(url) rel="nofollow noopener" { (texts.acquire) } }
    });
    let parts = [
        copyright,
        named(texts.by, &told.creator),
        named(texts.credit, &told.credit),
        license,
        acquire,
    ];
    let parts: Vec<Markup> = parts.into_iter().flatten().collect();
    html! {
        @if !parts.is_empty() {
            p.rights dir="auto" {
                @for (position, part) in parts.iter().enumerate() {
                    @if position > 0 { " · " }
                    (part)
                }
            }
        }
    }
}

/// Whether the text begins with the sign, or a word for it, itself.
fn has_sign(copyright: &str) -> bool {
    let start: String = copyright.chars().take(9).collect();
    let start = start.to_lowercase();
    SIGNS.iter().any(|sign| start.starts_with(sign))
}

#[cfg(test)]
mod tests {
    use tusou_contract::Rights;

    use super::*;

    #[test]
    fn the_line_says_what_is_known_and_links_to_the_web_only() {
        let told = SightingRights {
            rights: Rights {
                license: Some("https://a.example/by?a=1&b=2".into()),
                creator: Some("<b>Ann</b>".into()),
                credit: Some("News \"desk\"".into()),
                copyright: Some("2026 Ann".into()),
            },
            acquire: Some("javascript:alert(1)".into()),
        };
        let line = rights(Language::English, &told).into_string();
        assert_eq!(
            line,
            "<p class=\"rights\" dir=\"auto\">© 2026 Ann · by &lt;b&gt;Ann&lt;/b&gt; · \
             credit News &quot;desk&quot; · <a href=\"https://a.example/by?a=1&amp;b=2\" \
             rel=\"nofollow noopener license\">licence</a></p>"
        );
        let nothing = rights(Language::English, &SightingRights::default());
        assert_eq!(nothing.into_string(), "");
    }

    #[test]
    fn the_sign_is_not_said_twice() {
        for (copyright, shown) in [
            ("© Ann", "© Ann"),
            ("(C) Ann", "(C) Ann"),
            ("Copyright 2026", "Copyright 2026"),
            ("Ann", "© Ann"),
        ] {
            let told = SightingRights {
                rights: Rights {
                    copyright: Some(copyright.into()),
                    ..Rights::default()
                },
                acquire: None,
            };
            let line = rights(Language::Chinese, &told).into_string();
            assert_eq!(
                line,
                format!("<p class=\"rights\" dir=\"auto\">{shown}</p>")
            );
        }
    }
}
