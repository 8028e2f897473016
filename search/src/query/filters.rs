//! Which pictures may be found at all. Elasticsearch looks among these alone, so that as many are found as
//! are wanted.

use std::str::FromStr;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use tusou_contract::ImageFormat;
use tusou_model::colors;

use super::Parameters;
use super::parameters::invalid;
use crate::candidates::facets::{Shape, SizeClass};
use crate::config::Settings;
use crate::error::SearchError;

/// The longest value of a filter in characters.
const MAX_CHARS: usize = 256;

/// Which pictures may be found: all that every one of these lets through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters {
    clauses: Vec<Value>,
    /// The score from which a picture is left out; `None` where none is.
    unsafe_from: Option<f32>,
    /// Whether fields are asked that mapping version 1 has not.
    needs_shape: bool,
}

impl Filters {
    /// Reads those that are given, and safe search where it is on.
    pub(crate) fn read(parameters: &Parameters, settings: &Settings) -> Result<Self, SearchError> {
        let mut clauses = Vec::new();
        clauses.extend(hosts(parameters)?);
        let formats = ImageFormat::ALL.map(ImageFormat::as_str);
        clauses.extend(one_of(parameters, "format", "format", &formats)?);
        clauses.extend(one_of(parameters, "color", "colors", &colors::NAMES)?);
        clauses.extend(classes(
            parameters,
            "size",
            "takes small, medium, large or huge",
            |class: SizeClass| json!({"range": {"pixels": range(class.pixels())}}),
        )?);
        clauses.extend(classes(
            parameters,
            "shape",
            "takes tall, square, wide or panorama",
            |shape: Shape| json!({"range": {"aspect": range(shape.aspect())}}),
        )?);
        clauses.extend(license(parameters)?);
        clauses.extend(dates(parameters)?);
        for (name, field) in [("min_width", "width"), ("min_height", "height")] {
            if let Some(least) = pixels(parameters, name)? {
                clauses.push(json!({"range": {field: {"gte": least}}}));
            }
        }
        let needs_shape = !parameters.lacks(&["size", "shape"]);
        let safe = parameters.switch("safe", settings.safe)?;
        Ok(Self {
            clauses,
            unsafe_from: safe.then_some(settings.unsafe_from),
            needs_shape,
        })
    }

    /// Whether sizes and shapes are asked for, which an index of mapping version 1 does not know.
    pub(crate) fn need_shape(&self) -> bool {
        self.needs_shape
    }

    /// As Elasticsearch's own clauses, all of which must hold. `are_scored` says whether a safety model runs:
    /// without one a clause about its scores would only cost time.
    pub(crate) fn clauses(&self, are_scored: bool) -> Vec<Value> {
        let mut clauses = self.clauses.clone();
        if let Some(from) = self.unsafe_from.filter(|_| are_scored) {
            let range = json!({"range": {"nsfw": {"gte": from}}});
            clauses.push(json!({"bool": {"must_not": range}}));
        }
        clauses
    }
}

/// Any of the clauses.
fn any(clauses: Vec<Value>) -> Option<Value> {
    (!clauses.is_empty()).then(|| json!({"bool": {"should": clauses, "minimum_should_match": 1}}))
}

fn hosts(parameters: &Parameters) -> Result<Option<Value>, SearchError> {
    let hosts = parameters.list("host")?;
    let mut clauses = Vec::new();
    for host in hosts {
        let (wild, name) = match host.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, host),
        };
        // As the crawler writes them: lower case, and names beyond ASCII in Punycode.
        let name = url::Host::parse(name)
            .map_err(|_| {
                invalid(
                    "host",
                    "is no host name; give one like example.org, or *.example.org for all below it",
                )
            })?
            .to_string();
        clauses.push(if wild {
            json!({"wildcard": {"hosts": {"value": format!("*.{name}")}}})
        } else {
            json!({"term": {"hosts": name}})
        });
    }
    Ok(any(clauses))
}

/// Any of these words, each of which is known.
fn one_of(
    parameters: &Parameters,
    name: &str,
    field: &str,
    known: &[&str],
) -> Result<Option<Value>, SearchError> {
    let values = parameters.list(name)?;
    if values.iter().any(|value| !known.contains(value)) {
        return Err(invalid(name, &format!("takes {}", known.join(", "))));
    }
    Ok((!values.is_empty()).then(|| json!({"terms": {field: values}})))
}

/// Any of these classes, each of which is a range of the field.
fn classes<T: FromStr>(
    parameters: &Parameters,
    name: &str,
    wanted: &str,
    clause: impl Fn(T) -> Value,
) -> Result<Option<Value>, SearchError> {
    let names = parameters.list(name)?.into_iter();
    let read = |text: &str| text.parse().map_err(|_| invalid(name, wanted));
    let clauses: Result<Vec<Value>, SearchError> =
        names.map(|text| read(text).map(&clause)).collect();
    clauses.map(any)
}

/// From, and below.
fn range<T: serde::Serialize>((from, below): (T, Option<T>)) -> Value {
    let mut range = json!({"gte": from});
    if let Some(below) = below {
        range["lt"] = json!(below);
    }
    range
}

fn license(parameters: &Parameters) -> Result<Option<Value>, SearchError> {
    const FIELD: &str = "rights.license";
    let Some(text) = parameters.get("license").map(str::trim) else {
        return Ok(None);
    };
    let known = json!({"exists": {"field": FIELD}});
    Ok(Some(match text {
        "any" => known,
        "none" => json!({"bool": {"must_not": known}}),
        text if text.chars().count() <= MAX_CHARS && text.starts_with("http") => {
            json!({"prefix": {FIELD: {"value": text}}})
        }
        _ => {
            return Err(invalid(
                "license",
                "takes `any`, `none`, or how the address of a licence begins: \
                 https://creativecommons.org/licenses/by",
            ));
        }
    }))
}

fn dates(parameters: &Parameters) -> Result<Option<Value>, SearchError> {
    let mut range = json!({});
    for (name, bound) in [("since", "gte"), ("until", "lt")] {
        if let Some(text) = parameters.get(name) {
            let at = moment(text, name == "until").ok_or_else(|| {
                invalid(
                    name,
                    "is no date; give one like 2026-01-31, or 2026-01-31T12:00:00Z",
                )
            })?;
            range[bound] = json!(at.format(&Rfc3339).map_err(SearchError::internal)?);
        }
    }
    let given = range.as_object().is_some_and(|range| !range.is_empty());
    Ok(given.then(|| json!({"range": {"first_seen": range}})))
}

/// A date's first moment in UTC; where the day itself is to be within, the next one's.
fn moment(text: &str, whole_day: bool) -> Option<OffsetDateTime> {
    let text = text.trim();
    if let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) {
        // What is written beyond four digits of a year cannot be read back.
        return (0..=9999).contains(&at.year()).then_some(at);
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    let day = if whole_day { day.next_day()? } else { day };
    Some(day.midnight().assume_utc())
}

fn pixels(parameters: &Parameters, name: &str) -> Result<Option<u32>, SearchError> {
    let Some(text) = parameters.get(name) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(pixels) if (1..=1_000_000).contains(&pixels) => Ok(Some(pixels)),
        _ => Err(invalid(
            name,
            "is a number of pixels; it takes 1 to 1000000",
        )),
    }
}

#[cfg(test)]
mod tests {
    use tusou_platform::Config;

    use super::*;
    use crate::query::SEARCH;

    fn read(query: &str) -> Result<Filters, SearchError> {
        let settings = Settings::of(&Config::default()).expect("the defaults are usable");
        Filters::read(&Parameters::read(Some(query), SEARCH)?, &settings)
    }

    #[test]
    fn every_filter_is_as_recorded() {
        let query = "host=Example.org,*.bücher.example&format=png,webp&color=red&size=small,huge&shape=wide\
                     &license=any&since=2026-01-01&until=2026-01-31&min_width=640&min_height=480";
        insta::assert_json_snapshot!(read(query).expect("each is right").clauses(true));
    }

    #[test]
    fn safe_search_is_on_unless_it_is_said() {
        assert_eq!(read("").expect("nothing").clauses(true).len(), 1);
        assert!(read("safe=off").expect("said").clauses(true).is_empty());
        assert!(read("").expect("nothing").clauses(false).is_empty());
    }

    #[test]
    fn wrong_values_name_their_parameter_and_the_right_ones() {
        for (query, field, said) in [
            ("host=a+b", "host", "example.org"),
            ("format=tiff", "format", "jpeg"),
            ("color=ruby", "color", "red"),
            ("size=tiny", "size", "small"),
            ("shape=round", "shape", "square"),
            ("license=mine", "license", "any"),
            ("since=yesterday", "since", "2026-01-31"),
            ("until=2026-02-30", "until", "2026-01-31"),
            ("min_width=0", "min_width", "1 to"),
            ("safe=yes", "safe", "off"),
        ] {
            let error = read(query).expect_err(query);
            assert_eq!(error.field(), Some(field), "{query}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
