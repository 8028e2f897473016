mod one;

use axum::body::to_bytes;
use proptest::prelude::*;
use scraper::{Html, Selector};
use time::OffsetDateTime;
use time::macros::datetime;
use tusou_contract::{ImageId, Rights, SightingContext, SightingRights};
use tusou_platform::Config;

use self::one::picture;
use super::*;
use crate::answer::{Considered, Hit, Sighting, thumbnail_path};
use crate::candidates::cursor::Cursor;
use crate::candidates::facets::{Facet, Facets};
use crate::config::Settings;
use crate::guess::Guess;
use crate::query::{Ask, PAGE, SEARCH};

fn select<'a>(page: &'a Html, selector: &str) -> Vec<scraper::ElementRef<'a>> {
    let selector = Selector::parse(selector).expect("a selector");
    page.select(&selector).collect()
}

fn sighting(page_url: &str, text: &str) -> Sighting {
    let seen: OffsetDateTime = datetime!(2026-11-01 12:00 UTC);
    Sighting {
        page_url: page_url.into(),
        image_url: "http://example.org/i.png".into(),
        alt: text.into(),
        title: text.into(),
        caption: text.into(),
        nearby: text.into(),
        context: SightingContext::default(),
        page_title: Some(text.into()),
        page_lang: None,
        rights: SightingRights {
            rights: rights(page_url, text),
            acquire: Some(page_url.into()),
        },
        first_seen: seen,
        last_seen: seen,
        gone_since: None,
    }
}

fn rights(license: &str, text: &str) -> Rights {
    Rights {
        license: Some(license.into()),
        creator: Some(text.into()),
        credit: Some(text.into()),
        copyright: Some(text.into()),
    }
}

fn answer(page_url: &str, text: &str) -> Answer {
    let image_id = ImageId::of(b"picture");
    Answer {
        took_ms: 12,
        mode: "looks",
        considered: Considered {
            limit: 1_000,
            found: 1,
            hits: 1,
            below: 0,
            cut_off: None,
        },
        facets: None,
        best_guess: None,
        next: None,
        hits: vec![Hit {
            image_id,
            score: Some(0.5),
            relevance: 0.5,
            copies: Vec::new(),
            copies_total: 0,
            image_name: text.into(),
            width: 400,
            height: 300,
            format: "png".into(),
            sightings: 2,
            thumbnail: thumbnail_path(&image_id),
            captions: vec![text.into()],
            rights: rights(page_url, text),
            pages: vec![sighting(page_url, text), sighting(page_url, text)],
        }],
    }
}

const PICTURE: Asked<'static> = Asked {
    subject: Subject::Picture,
    parameters: &Parameters::NONE,
};

/// The parameters of a search for these words, as an address has them.
fn asking(words: &str) -> Parameters {
    let query = Parameters::NONE.again(&[], &[("q", words), ("format", "png")]);
    Parameters::read(Some(&query), SEARCH).expect("both are known")
}

fn by_words(parameters: &Parameters) -> Asked<'_> {
    Asked {
        subject: Subject::Words(parameters.get("q").expect("there are words")),
        parameters,
    }
}

fn render(language: Language, view: &View<'_>) -> String {
    document(language, view, "").into_string()
}

/// Elements in a page, and those that could run or load something.
fn shape_of(page: &str) -> (usize, usize) {
    let page = Html::parse_document(page);
    let risky = select(
        &page,
        "script, iframe, object, embed, base, svg, [onerror], [onload], [onclick], [style]",
    );
    (select(&page, "*").len(), risky.len())
}

proptest! {
    /// Whatever foreign text says, it adds no element and no handler, and reads as it was written.
    #[test]
    fn foreign_text_stays_text(text in "[ -~éß中\"'<>&/=]{1,60}", tail in any::<String>()) {
        let text = format!("<script>alert(1)</script>{text}\"><img onerror=x>{tail}");
        let plain = answer("http://example.org/", "plain");
        let hostile = answer("http://example.org/", &text);
        let harmless = render(Language::English, &View::Found(by_words(&asking("plain")), &plain));
        let page = render(Language::English, &View::Found(by_words(&asking(&text)), &hostile));
        prop_assert_eq!(shape_of(&page), shape_of(&harmless));
        let view = |picture: &Picture| render(Language::Chinese, &View::Picture(picture));
        let own = |text: &str| shape_of(&view(&picture("http://example.org/", text)));
        prop_assert_eq!(own(&text), own("plain"));
        let page = Html::parse_document(&page);
        let input = select(&page, "input[name=q]")[0].value().attr("value").expect("shown back");
        // HTML turns NUL and carriage returns into other characters as it is read.
        let readable = |text: &str| text.replace(['\0', '\r', '\n', '\u{FFFD}'], "");
        prop_assert_eq!(readable(input), readable(cut(&text)));
    }

    /// Only addresses of the web become links.
    #[test]
    fn no_foreign_address_becomes_a_script(scheme in "(?i)(javascript|data|vbscript|file|blob)", rest in "[ -~]{0,40}") {
        let found = answer(&format!("{scheme}:{rest}"), "text");
        let mut page = render(Language::English, &View::Found(PICTURE, &found));
        page += &render(Language::English, &View::Picture(&picture(&format!("{scheme}:{rest}"), "text")));
        for link in select(&Html::parse_document(&page), "a[href]") {
            let href = link.value().attr("href").expect("selected by it");
            prop_assert!(href.starts_with(['/', '#']) || href.starts_with("http"), "{}", href);
        }
    }
}

#[test]
fn a_hit_shows_its_picture_its_page_and_its_likes() {
    let found = answer("http://example.org/page", "a red bird");
    let page = render(
        Language::English,
        &View::Found(by_words(&asking("bird")), &found),
    );
    let page = Html::parse_document(&page);
    let image = select(&page, ".hit img")[0].value();
    assert_eq!(image.attr("width"), Some("400"));
    assert_eq!(image.attr("alt"), Some("a red bird"));
    assert!(
        image
            .attr("src")
            .is_some_and(|src| src.ends_with("/thumbnail"))
    );
    assert_eq!(
        select(&page, ".hit a[href='http://example.org/page']").len(),
        4
    );
    let own = format!("/image/{}?lang=en", found.hits[0].image_id);
    assert_eq!(
        select(&page, ".hit a.frame")[0].value().attr("href"),
        Some(own.as_str())
    );
    let licenses = select(
        &page,
        ".rights a[rel~=license][rel~=nofollow][rel~=noopener]",
    );
    assert_eq!(licenses.len(), 1);
    assert_eq!(
        licenses[0].value().attr("href"),
        Some("http://example.org/page")
    );
    assert_eq!(select(&page, ".hit a[href^='/?like=']").len(), 1);
    assert_eq!(select(&page, "details li").len(), 1);
}

#[test]
fn every_control_has_a_label_and_both_languages_have_the_same_shape() {
    let shapes = [Language::English, Language::Chinese].map(|language| {
        let page = render(language, &View::Home);
        let parsed = Html::parse_document(&page);
        for input in select(&parsed, "input:not([type=hidden])") {
            let id = input.value().attr("id").expect("an id");
            assert!(
                !select(&parsed, &format!("label[for={id}]")).is_empty(),
                "{id}"
            );
        }
        shape_of(&page)
    });
    assert_eq!(shapes[0], shapes[1]);
}

#[tokio::test]
async fn an_error_s_page_has_its_status_and_says_what_to_do() {
    for (language, text) in [
        (Language::English, "Try again"),
        (Language::Chinese, "再试一次"),
    ] {
        let response = respond(
            language,
            View::Failed(by_words(&asking("bird")), &SearchError::Busy),
        );
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key("retry-after"));
        let body = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a page");
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        assert!(body.contains(text), "{body}");
        assert!(body.contains("/?q=bird"), "{body}");
    }
}

#[test]
fn the_policy_names_the_style_block_by_its_digest_and_no_other_host() {
    let found = answer("http://example.org/", "text");
    let style = hits::shapes("h", 40, &found.hits);
    assert_eq!(style, "#h40{--a:1.3333}");
    let policy = policy(&style);
    let policy = policy.to_str().expect("ASCII");
    let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
    assert!(policy.contains(&format!("'sha256-{digest}'")), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
}

#[test]
fn nothing_like_enough_says_how_many_were_looked_at_and_shows_the_way_to_them() {
    let mut none = answer("http://example.org/", "a bird");
    none.hits.clear();
    let ways = |answer: &Answer, asked: Asked<'_>| {
        let page = render(Language::English, &View::Found(asked, answer));
        let page = Html::parse_document(&page);
        let texts = select(&page, ".message p");
        let told = texts[0].text().collect::<String>();
        let links = select(&page, ".message a");
        let ways = links.iter().filter_map(|link| link.value().attr("href"));
        (told, ways.map(str::to_owned).collect::<Vec<_>>())
    };
    let (told, links) = ways(&none, by_words(&asking("submarine & co")));
    assert!(told.starts_with("Nothing is indexed"), "{told}");
    assert_eq!(links, ["/?lang=en"]);
    none.considered.below = 812;
    let (told, links) = ways(&none, by_words(&asking("submarine & co")));
    assert_eq!(
        told,
        "812 pictures were looked at, and none is like enough."
    );
    assert_eq!(links[0], "/?q=submarine+%26+co&format=png&lang=en&all=on");
    // An upload is not kept: a script sends it along.
    let page = render(Language::English, &View::Found(PICTURE, &none));
    let page = Html::parse_document(&page);
    let way = select(&page, ".message .with-picture a");
    assert_eq!(way[0].value().attr("href"), Some("/?lang=en&all=on"));
}

#[test]
fn more_pictures_are_the_next_page_of_the_same_search() {
    let mut found = answer("http://example.org/", "a bird");
    found.considered.hits = 31;
    let cursor = Cursor {
        fingerprint: 1,
        digest: 2,
        place: 20,
    };
    let cursor = cursor.encode();
    found.next = Some(cursor.clone());
    // By words it says where the page begins too, for when the cursor is stale.
    for (asked, next) in [
        (
            by_words(&asking("red bird")),
            format!("/?q=red+bird&format=png&lang=zh&cursor={cursor}&from=20"),
        ),
        (PICTURE, format!("/?lang=zh&cursor={cursor}")),
    ] {
        let page = render(Language::Chinese, &View::Found(asked, &found));
        let page = Html::parse_document(&page);
        assert_eq!(
            select(&page, "a[rel=next]")[0].value().attr("href"),
            Some(next.as_str())
        );
        let count = select(&page, ".count strong")[0].text().collect::<String>();
        assert_eq!(count, "31 张图片");
    }
}

#[test]
fn filters_stand_in_the_address_with_what_was_asked_and_their_counts() {
    let mut found = answer("http://example.org/", "a bird");
    let counted = |value: &str, count| Facet {
        value: value.into(),
        count,
    };
    found.facets = Some(Facets {
        format: vec![counted("png", 12), counted("jpeg", 3)],
        host: vec![counted("example.org", 9)],
        license: vec![counted("https://l.example/by", 2), counted("none", 13)],
        ..Facets::default()
    });
    let page = render(
        Language::English,
        &View::Found(by_words(&asking("red bird")), &found),
    );
    let page = Html::parse_document(&page);
    let said = |selector: &str| -> Vec<String> {
        let options = select(&page, selector);
        let texts = options.iter().map(|option| option.text().collect());
        texts.collect()
    };
    assert_eq!(said("#by-format option[selected]"), ["png (12)"]);
    assert_eq!(
        said("#by-format option")[..3],
        ["All", "jpeg (3)", "png (12)"]
    );
    assert_eq!(
        said("#by-license option"),
        [
            "All",
            "With a licence",
            "None told (13)",
            "l.example/by (2)"
        ]
    );
    assert_eq!(said("#by-host option"), ["All", "example.org (9)"]);
    assert_eq!(said(".filters[open] summary"), ["Filters (1)"]);
    let hidden: Vec<_> = select(&page, ".filters input[type=hidden]")
        .iter()
        .filter_map(|input| input.value().attr("name"))
        .collect();
    assert_eq!(hidden, ["q", "lang"]);
    let clear = select(&page, ".filters a")[0].value().attr("href");
    assert_eq!(clear, Some("/?q=red+bird&lang=en"));
    let senses: Vec<_> = select(&page, ".senses a")
        .iter()
        .filter_map(|sense| sense.value().attr("href"))
        .collect();
    assert_eq!(senses.len(), 2, "words have no copies");
    assert_eq!(senses[0], "/?q=red+bird&format=png&lang=en&mode=means");
    // An upload is not kept, so nothing narrows it by an address: a script sends the picture along.
    let page = render(Language::English, &View::Found(PICTURE, &found));
    assert_eq!(
        select(&Html::parse_document(&page), ".refine").len(),
        select(&Html::parse_document(&page), ".refine.with-picture").len()
    );
}

#[test]
fn a_further_page_says_where_it_begins_and_numbers_on() {
    let found = answer("http://example.org/", "a bird");
    let query = "q=bird&from=40&cursor=abc";
    let parameters = Parameters::read(Some(query), PAGE).expect("all are known");
    let page = render(
        Language::English,
        &View::Found(by_words(&parameters), &found),
    );
    let page = Html::parse_document(&page);
    let begins = select(&page, ".from")[0];
    assert_eq!(
        begins.text().collect::<String>(),
        "From picture 41 on. From the start"
    );
    let start = select(&page, ".from a")[0].value().attr("href");
    assert_eq!(start, Some("/?q=bird&lang=en"));
    assert_eq!(select(&page, ".hit")[0].value().attr("id"), Some("h40"));
    let kept = select(&page, ".filters input[type=hidden]");
    let kept: Vec<_> = kept
        .iter()
        .filter_map(|input| input.value().attr("name"))
        .collect();
    assert_eq!(kept, ["q", "lang"], "filters begin at the first picture");
}

#[test]
fn every_value_that_can_be_chosen_is_taken() {
    let found = answer("http://example.org/", "a bird");
    let settings = Settings::of(&Config::default()).expect("the defaults are usable");
    let page = render(
        Language::Chinese,
        &View::Found(by_words(&asking("bird")), &found),
    );
    let page = Html::parse_document(&page);
    let mut tried = 0;
    for choice in CHOICES {
        for option in select(&page, &format!("select[name={choice}] option")) {
            let value = option.value().attr("value").expect("each has one");
            let query = Parameters::NONE.again(&[], &[("q", "bird"), (choice, value)]);
            let parameters = Parameters::read(Some(&query), SEARCH).expect("it is known");
            let parameters = parameters.chosen(&CHOICES);
            Ask::read(&parameters, None, &settings).expect("it is taken");
            tried += 1;
        }
    }
    assert!(tried > 35, "{tried}");
}

#[test]
fn a_guess_leads_to_a_search_by_its_words() {
    let mut found = answer("http://example.org/", "a bird");
    found.best_guess = Some(Guess {
        words: "red & blue".into(),
        votes: Vec::new(),
    });
    let page = render(Language::English, &View::Found(PICTURE, &found));
    let page = Html::parse_document(&page);
    let link = select(&page, ".guess a")[0].value().attr("href");
    assert_eq!(link, Some("/?q=red+%26+blue&lang=en"));
}
