//! What narrows a search or turns it: senses, filters with how many pictures have each value, and the order. A form
//! that is sent by GET, so that what was chosen stands in the address.

use maud::{Markup, html};
use tusou_contract::ImageFormat;
use tusou_model::colors;

use super::{Asked, Language, Subject};
use crate::answer::Answer;
use crate::candidates::facets::{Facet, Facets, NO_LICENSE, Shape, SizeClass};
use crate::candidates::sort::Sort;
use crate::query::{FROM, Mode};

/// The parameters that the form sets. It sends those that nobody chose as well, without a value.
pub(crate) const CHOICES: [&str; 8] = [
    "size", "shape", "color", "format", "license", "host", "since", "sort",
];

/// The names of values, in English and in Chinese.
const NAMES: [(&str, &str, &str); 30] = [
    ("means", "By meaning", "按含义"),
    ("looks", "By look", "按外观"),
    ("same", "The same picture", "同一张图"),
    ("small", "Small", "小图"),
    ("medium", "Medium", "中图"),
    ("large", "Large", "大图"),
    ("huge", "Huge", "超大图"),
    ("tall", "Tall", "竖图"),
    ("square", "Square", "方图"),
    ("wide", "Wide", "横图"),
    ("panorama", "Panorama", "全景"),
    ("black", "Black", "黑"),
    ("white", "White", "白"),
    ("gray", "Grey", "灰"),
    ("red", "Red", "红"),
    ("orange", "Orange", "橙"),
    ("yellow", "Yellow", "黄"),
    ("green", "Green", "绿"),
    ("cyan", "Cyan", "青"),
    ("blue", "Blue", "蓝"),
    ("purple", "Purple", "紫"),
    ("pink", "Pink", "粉"),
    ("brown", "Brown", "棕"),
    ("any", "With a licence", "有许可"),
    ("none", "None told", "未注明"),
    ("relevance", "Most relevant first", "最相关优先"),
    ("newest", "Newest first", "最新优先"),
    ("oldest", "Oldest first", "最早优先"),
    ("largest", "Largest first", "最大优先"),
    ("smallest", "Smallest first", "最小优先"),
];

/// A value's name; the value itself where it has none.
pub(super) fn name(language: Language, value: &str) -> &str {
    let named = NAMES.iter().find(|(known, ..)| *known == value);
    match (named, language) {
        (Some((_, english, _)), Language::English) => english,
        (Some((_, _, chinese)), Language::Chinese) => chinese,
        (None, _) => value.strip_prefix("https://").unwrap_or(value),
    }
}

/// A parameter with its label, its values, and how many pictures have which.
struct Choice<'a> {
    parameter: &'static str,
    label: &'static str,
    values: Vec<&'a str>,
    counts: &'a [Facet],
}

impl Choice<'_> {
    fn shown(&self, language: Language, value: &str) -> String {
        let name = name(language, value);
        match self.counts.iter().find(|facet| facet.value == value) {
            Some(facet) => format!("{name} ({})", facet.count),
            None => name.to_owned(),
        }
    }
}

/// What narrows it. An upload is not kept, so that no address asks for it again: there it is for the script alone,
/// which sends the picture along.
pub(super) fn refine(language: Language, asked: Asked<'_>, answer: &Answer) -> Markup {
    let texts = language.texts();
    let none = Facets::default();
    let facets = answer.facets.as_ref().unwrap_or(&none);
    let chosen = |parameter: &str| asked.parameters.get(parameter).unwrap_or_default();
    let active = CHOICES.iter().filter(|choice| !chosen(choice).is_empty());
    let active = active.count();
    html! {
        nav.refine.with-picture[!asked.has_address()] aria-label=(texts.refine) {
            (senses(language, asked, answer))
            details.filters open[active > 0] {
                summary { (texts.filters) @if active > 0 { " (" (active) ")" } }
                form action="/" method="get" {
                    @for (kept, value) in asked.parameters.pairs().filter(|(kept, _)| is_kept(kept)) {
                        input type="hidden" name=(kept) value=(value);
                    }
                    input type="hidden" name="lang" value=(language.name());
                    @for choice in choices(language, facets) {
                        label for={ "by-" (choice.parameter) } {
                            span { (choice.label) }
                            select id={ "by-" (choice.parameter) } name=(choice.parameter) {
                                (options(language, &choice, chosen(choice.parameter)))
                            }
                        }
                    }
                    label for="by-since" {
                        span { (texts.first_seen_since) }
                        input #by-since type="date" name="since" value=(chosen("since"));
                    }
                    button type="submit" { (texts.apply) }
                    @if active > 0 { a href=(asked.address_without(language, &CHOICES)) { (texts.clear) } }
                }
            }
        }
    }
}

/// What stays as it was when filters change; the place does not.
fn is_kept(parameter: &str) -> bool {
    !CHOICES.contains(&parameter) && !["lang", "cursor", FROM].contains(&parameter)
}

fn senses(language: Language, asked: Asked<'_>, answer: &Answer) -> Markup {
    let of_words = matches!(asked.subject, Subject::Words(_));
    let modes = [Mode::Means, Mode::Looks, Mode::Same];
    // Words have no copies.
    let modes = modes
        .into_iter()
        .filter(|mode| !of_words || *mode != Mode::Same);
    html! {
        ul.senses {
            @for mode in modes.map(Mode::name) {
                li {
                    @if mode == answer.mode {
                        a href=(asked.address(language, &[("mode", mode)])) aria-current="true" { (name(language, mode)) }
                    } @else {
                        a href=(asked.address(language, &[("mode", mode)])) { (name(language, mode)) }
                    }
                }
            }
        }
    }
}

fn choices<'a>(language: Language, facets: &'a Facets) -> Vec<Choice<'a>> {
    let texts = language.texts();
    let found = |facets: &'a [Facet]| facets.iter().map(|facet| facet.value.as_str());
    let choice = |parameter, label, values, counts| Choice {
        parameter,
        label,
        values,
        counts,
    };
    let licenses = ["any", NO_LICENSE].into_iter();
    let licenses = licenses.chain(found(&facets.license).filter(|value| *value != NO_LICENSE));
    vec![
        choice(
            "size",
            texts.size,
            SizeClass::ALL.map(SizeClass::name).to_vec(),
            &facets.size,
        ),
        choice(
            "shape",
            texts.shape,
            Shape::ALL.map(Shape::name).to_vec(),
            &facets.shape,
        ),
        choice("color", texts.color, colors::NAMES.to_vec(), &facets.color),
        choice(
            "format",
            texts.format,
            ImageFormat::ALL.map(ImageFormat::as_str).to_vec(),
            &facets.format,
        ),
        choice(
            "license",
            texts.license,
            licenses.collect(),
            &facets.license,
        ),
        choice(
            "host",
            texts.host,
            found(&facets.host).collect(),
            &facets.host,
        ),
        choice("sort", texts.order, Sort::ALL.map(Sort::name).to_vec(), &[]),
    ]
}

fn options(language: Language, choice: &Choice<'_>, chosen: &str) -> Markup {
    let is_order = choice.parameter == "sort";
    let unknown = !chosen.is_empty() && !choice.values.contains(&chosen);
    html! {
        @if !is_order { option value="" { (language.texts().all_of_them) } }
        // What was chosen by hand, as several values, stays.
        @if unknown { option value=(chosen) selected { (name(language, chosen)) } }
        @for value in &choice.values {
            @let value = *value;
            // The order that nobody has to choose is sent without a value, and so is no part of the address.
            option value=(if is_order && value == Sort::default().name() { "" } else { value })
                selected[value == chosen] { (choice.shown(language, value)) }
        }
    }
}
