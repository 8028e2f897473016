//! An answer for people.

use super::{Answer, Hit};
use crate::format::{number, one_line};

const MAX_CAPTION: usize = 100;
const MAX_PAGES: usize = 3;
const MAX_URL: usize = 200;

pub(super) fn answer(answer: &Answer) -> String {
    let mut text = String::new();
    if let Some(guess) = &answer.best_guess {
        text.push_str(&format!("shows: {}\n", one_line(&guess.words, MAX_CAPTION)));
    }
    if answer.hits.is_empty() {
        text.push_str(&match answer.considered.below {
            0 => "nothing found: no such picture is indexed yet (`tusou status` shows how far the crawl is)\n".to_owned(),
            below => format!(
                "nothing found: {} looked at are too unlike (`--with all=on` shows them)\n",
                plural(below, "picture")
            ),
        });
        return text;
    }
    for (position, hit) in answer.hits.iter().enumerate() {
        text.push_str(&lines(position + 1, hit));
    }
    let found = answer.considered.found;
    let more = if found >= answer.considered.limit {
        " or more"
    } else {
        ""
    };
    text.push_str(&format!(
        "{} of {}{more} in {} ms\n",
        number(answer.hits.len() as u64),
        plural(found, "picture"),
        answer.took_ms
    ));
    text
}

fn lines(position: usize, hit: &Hit) -> String {
    let name = one_line(&hit.image_name, MAX_CAPTION);
    let score = hit
        .score
        .map_or("-".to_owned(), |score| format!("{score:.3}"));
    let copies = match hit.copies_total {
        0 => String::new(),
        1 => ", and a copy".to_owned(),
        more => format!(", and {} copies", number(more)),
    };
    let mut text = format!(
        "{position:>3}  {score:>6}  {name}  {}×{} {}, {}{copies}\n",
        hit.width,
        hit.height,
        hit.format,
        plural(hit.sightings, "sighting"),
    );
    let mut line = |content: String| text.push_str(&format!("             {content}\n"));
    if let Some(caption) = hit.captions.first() {
        line(format!("“{}”", one_line(caption, MAX_CAPTION)));
    }
    for page in hit.pages.iter().take(MAX_PAGES) {
        let gone = page.gone_since.as_ref().map_or("", |_| "  (gone)");
        let title = page
            .page_title
            .as_deref()
            .map(|title| one_line(title, MAX_CAPTION));
        let title = title
            .filter(|title| !title.is_empty())
            .map(|title| format!("  {title}"));
        line(format!(
            "{}{}{gone}",
            one_line(&page.page_url, MAX_URL),
            title.unwrap_or_default()
        ));
    }
    if hit.pages.is_empty() {
        line(hit.image_id.clone());
    }
    text
}

fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", number(count))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn hits_are_as_recorded() {
        let answer = json!({"took_ms": 12, "considered": {"limit": 1000, "found": 2, "below": 7, "cut_off": 0.2},
            "best_guess": {"words": "red kite", "votes": []}, "hits": [
            {"image_id": "e3b0", "score": 0.91234, "image_name": "kite.png", "width": 640, "height": 480,
             "format": "png", "sightings": 1234, "copies_total": 3, "thumbnail": "/v1/images/e3b0/thumbnail",
             "captions": ["a red\nkite \u{1b}[31m", "another"],
             "pages": [
                {"page_url": "http://a.test/1", "image_url": "http://a.test/kite.png", "alt": "", "title": "", "caption": "",
                 "page_title": "Kites", "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z", "gone_since": null},
                {"page_url": "http://a.test/2", "image_url": "http://a.test/kite.png", "alt": "", "title": "", "caption": "",
                 "page_title": null, "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
                 "gone_since": "2026-02-01T00:00:00Z"}]},
            {"image_id": "ab12", "score": null, "image_name": "b.jpg", "width": 1, "height": 1, "format": "jpeg",
             "sightings": 1, "captions": [], "pages": []}]});
        let answer = serde_json::from_value(answer).expect("it is an answer");
        insta::assert_snapshot!(super::answer(&answer));
    }

    #[test]
    fn an_empty_answer_says_what_to_look_at() {
        let answer = |below: u64| {
            let answer = json!({"took_ms": 1, "hits": [], "considered": {"limit": 1000, "found": 0, "below": below}});
            super::answer(&serde_json::from_value(answer).expect("it is an answer"))
        };
        assert!(answer(0).contains("tusou status"));
        assert!(answer(9).contains("all=on"));
    }
}
