//! Structured data of a page in JSON-LD 1.1: the pictures that schema.org's `image`, `thumbnailUrl` and
//! `ImageObject` name, and what an `ImageObject` tells of rights.
//!
//! No context is fetched or applied: names count as schema.org writes them, wherever in the data
//! an object stands.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tusou_contract::{Rights, SightingRights};
use tusou_ingest::text::line;

use super::rights::Claim;

/// The most addresses by which one object names its picture.
const MAX_NAMES: usize = 8;
/// The most values that are looked at where a list may stand for one.
const MAX_LIST: usize = 32;

/// A picture that structured data name.
#[derive(Debug)]
pub(super) struct Structured {
    /// Where it is: references as they are written, at least one, for the same picture.
    pub(super) references: Vec<String>,
    pub(super) caption: Option<String>,
}

/// What the objects of a script say of rights, and the pictures that they name, in its order, at most
/// `room` of each; nothing where it is no JSON. serde_json bounds the depth.
pub(super) fn read(script: &[u8], room: usize, max_text: usize) -> (Vec<Claim>, Vec<Structured>) {
    let Ok(data) = serde_json::from_slice::<Value>(script.trim_ascii()) else {
        return (Vec::new(), Vec::new());
    };
    let mut names = HashMap::new();
    each(&data, &mut |object| {
        if let (Some(Value::String(id)), Some(Value::String(name))) =
            (object.get("@id"), object.get("name"))
        {
            names.entry(id.as_str()).or_insert(name.as_str());
        }
    });
    let (mut claims, mut pictures) = (Vec::new(), Vec::new());
    each(&data, &mut |object| {
        let left = room - pictures.len();
        pictures.extend(shown(object, max_text).take(left));
        if claims.len() < room && is_image(object) {
            claims.extend(claim(object, &names, max_text));
        }
    });
    (claims, pictures)
}

/// The pictures that an object names: itself, where it is one, and those that belong to it.
fn shown(object: &Map<String, Value>, max_text: usize) -> impl Iterator<Item = Structured> {
    let own = is_image(object).then(|| {
        let caption = object.get("caption").and_then(literal);
        Structured {
            references: files(object),
            caption: caption.and_then(|caption| line(caption, max_text)),
        }
    });
    let of_others = ["image", "thumbnailUrl", "thumbnail"]
        .into_iter()
        .filter_map(|key| object.get(key))
        .flat_map(list)
        .filter_map(|value| match value {
            // It is an object of the data itself, and comes by itself.
            Value::Object(object) if is_image(object) => None,
            Value::Object(object) => Some(files(object)),
            value => Some(vec![value.as_str()?.to_owned()]),
        });
    let of_others = of_others.map(|references| Structured {
        references,
        caption: None,
    });
    let all = own.into_iter().chain(of_others);
    all.filter(|picture| !picture.references.is_empty())
}

/// Where the bytes of an object's picture are, by one or several addresses.
fn files(object: &Map<String, Value>) -> Vec<String> {
    let values = ["contentUrl", "url"]
        .into_iter()
        .filter_map(|key| object.get(key));
    let files = values.flat_map(list).filter_map(reference);
    files.map(str::to_owned).take(MAX_NAMES).collect()
}

/// Calls `visit` with every object, the outer before the inner.
fn each<'v>(value: &'v Value, visit: &mut impl FnMut(&'v Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| each(value, visit));
        }
        Value::Array(list) => list.iter().for_each(|value| each(value, visit)),
        _ => {}
    }
}

fn is_image(object: &Map<String, Value>) -> bool {
    let Some(kinds) = object.get("@type") else {
        return false;
    };
    list(kinds).any(|kind| {
        let kind = kind.as_str().unwrap_or_default();
        kind.rsplit(['/', ':', '#']).next() == Some("ImageObject")
    })
}

/// The rights with the picture's addresses; none where either is missing. The addresses are
/// references as they are written.
fn claim(
    object: &Map<String, Value>,
    names: &HashMap<&str, &str>,
    max_text: usize,
) -> Option<Claim> {
    let values = |key: &str| object.get(key).into_iter().flat_map(list);
    let text = |key: &str| values(key).find_map(|value| line(literal(value)?, max_text));
    let address = |key: &str| values(key).find_map(reference).map(str::to_owned);
    let creators: Vec<&str> = values("creator")
        .filter_map(|creator| named(creator, names))
        .collect();
    let rights = SightingRights {
        rights: Rights {
            license: address("license"),
            creator: line(&creators.join("; "), max_text),
            credit: text("creditText"),
            copyright: text("copyrightNotice"),
        },
        acquire: address("acquireLicensePage"),
    };
    let pictures = files(object);
    (!rights.is_empty() && !pictures.is_empty()).then_some(Claim { pictures, rights })
}

/// JSON-LD lets a list stand wherever one value may.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(list) => list.as_slice(),
        value => std::slice::from_ref(value),
    }
    .iter()
    .take(MAX_LIST)
}

/// A text, alone or as a value object.
fn literal(value: &Value) -> Option<&str> {
    match value {
        Value::Object(object) => object.get("@value")?.as_str(),
        value => value.as_str(),
    }
}

/// An address, alone or as the object at that address.
fn reference(value: &Value) -> Option<&str> {
    match value {
        Value::Object(object) => ["@id", "url", "@value"]
            .into_iter()
            .find_map(|key| object.get(key)?.as_str()),
        value => value.as_str(),
    }
}

/// A name, alone, in its object, or in the object that is referred to.
fn named<'v>(value: &'v Value, names: &HashMap<&str, &'v str>) -> Option<&'v str> {
    match value {
        Value::Object(object) => {
            let own = object
                .get("name")
                .and_then(|name| list(name).find_map(literal));
            own.or_else(|| names.get(object.get("@id")?.as_str()?).copied())
                .or_else(|| literal(value))
        }
        value => value.as_str(),
    }
}
