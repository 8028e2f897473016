//! One dead letter, whole.

use serde_json::Value;
use tusou_platform::broker::DeadLetter;

use super::report::Row;
use crate::format::{number, one_line};
use crate::rows::dead::Known;

/// The longest text of a body that is shown whole: a vector is longer.
const LONGEST: usize = 300;
/// Characters that are shown of a longer one.
const SHOWN: usize = 60;
/// Characters of a body that is no JSON.
const RAW: usize = 2_000;
/// Characters of a line.
const LINE: usize = 1_000;

/// The letter with its headers and its body.
pub(super) fn letter(letter: &DeadLetter, row: &Row) -> String {
    let mut text = format!("dead letter {} of {}\n", row.id, row.queue);
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("  {name:<8}  {}\n", one_line(value, LINE)));
    };
    line("reason", &row.reason);
    line("detail", &row.detail);
    line(
        "died",
        row.died_at.as_deref().unwrap_or("at an unknown time"),
    );
    line("attempt", &row.attempt.to_string());
    for (name, value) in letter.headers() {
        text.push_str(&format!("  {}: {}\n", one_line(&name, LINE), shown(&value)));
    }
    text.push_str(&format!(
        "  body, {} bytes:\n",
        number(letter.body().len() as u64)
    ));
    for line in body(letter.body()).lines() {
        text.push_str(&format!("    {}\n", printable(line)));
    }
    text
}

/// What is known of its image.
pub(super) fn image(row: &Row, known: Option<&Known>) -> String {
    let Some(id) = row.image_id else {
        return "  it names no image\n".into();
    };
    let Some(known) = known else {
        return format!("  image {id}: the database has no such image\n");
    };
    let mut text = format!("  image {id}\n");
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("    {name:<10}  {}\n", one_line(value, LINE)));
    };
    let Known {
        format,
        width,
        height,
        stored_at,
        ..
    } = known;
    let bytes = number(known.bytes.unsigned_abs());
    line(
        "stored",
        &format!("{format}, {width} × {height}, {bytes} bytes, {stored_at}"),
    );
    let kept = if known.dropped {
        " (no longer kept)"
    } else {
        ""
    };
    line("blob", &format!("{}{kept}", known.blob_key));
    line("rev", &known.rev.to_string());
    let encoded = match (&known.failure, known.tried) {
        (Some(failure), _) => {
            format!("{failure}: {}", known.detail.as_deref().unwrap_or_default())
        }
        (None, true) => "yes".into(),
        (None, false) => "not yet".into(),
    };
    line("encoded", &encoded);
    line("embeddings", &listed(&known.embeddings));
    if !known.model_failures.is_empty() {
        line("failed", &listed(&known.model_failures));
    }
    line("sightings", &number(known.sightings.unsigned_abs()));
    line("hosts", &listed(&row.hosts));
    line("indexed", &listed(&known.indexed));
    text
}

fn listed(values: &[String]) -> String {
    if values.is_empty() {
        return "none".into();
    }
    values.join(", ")
}

/// JSON with its long texts cut; else the text, as far as it is one.
fn body(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(mut value) => {
            cut(&mut value);
            serde_json::to_string_pretty(&value).expect("what was JSON is JSON")
        }
        Err(_) => {
            let text = String::from_utf8_lossy(body);
            text.chars().take(RAW).collect()
        }
    }
}

fn cut(value: &mut Value) {
    match value {
        Value::String(text) => {
            let length = text.chars().count();
            if length > LONGEST {
                let start: String = text.chars().take(SHOWN).collect();
                *text = format!("{start}… ({length} characters)");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(cut),
        Value::Object(values) => values.values_mut().for_each(cut),
        _ => {}
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text, LINE),
        other => one_line(&other.to_string(), LINE),
    }
}

/// What comes from a queue may hold anything; indents stay.
fn printable(line: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    line.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_without_its_vectors_and_cannot_steer_the_terminal() {
        let vector = "A".repeat(2_732);
        let json = format!(r#"{{"outcome":{{"vector":["{vector}"]}},"model":"lite"}}"#);
        let said = body(json.as_bytes());
        assert!(
            said.contains("… (2732 characters)") && said.contains("\"lite\""),
            "{said}"
        );
        assert!(said.len() < 300, "{said}");
        assert_eq!(body(b"hello\xff"), "hello\u{fffd}");
        assert_eq!(printable("  a\x1b[2Jb\u{9b}"), "  a [2Jb ");
    }
}
