//! XMP (ISO 16684-1): properties of the picture itself, by namespace, in their attribute and
//! element forms. What lies deeper describes pictures that it was made of.

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use tusou_contract::{Rights, SightingRights};

use super::{joined, text, web_url};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const DC: &str = "http://purl.org/dc/elements/1.1/";
const PHOTOSHOP: &str = "http://ns.adobe.com/photoshop/1.0/";
const XMP_RIGHTS: &str = "http://ns.adobe.com/xap/1.0/rights/";
const CC: &str = "http://creativecommons.org/ns#";
const PLUS: &str = "http://ns.useplus.org/ldf/xmp/1.0/";

/// Elements nested deeper end the reading: what is wanted lies seven deep.
const MAX_DEPTH: usize = 64;
/// The most bytes kept of one value.
const MAX_VALUE: usize = 8 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    Creator,
    Copyright,
    Credit,
    License,
    WebStatement,
    /// A structure with an address in it.
    Licensor,
    LicensorUrl,
}

impl Property {
    fn named(namespace: &ResolveResult<'_>, name: &str) -> Option<Self> {
        let ResolveResult::Bound(Namespace(namespace)) = namespace else {
            return None;
        };
        Some(match (*namespace, name) {
            (DC, "creator") => Self::Creator,
            (DC, "rights") => Self::Copyright,
            (PHOTOSHOP, "Credit") => Self::Credit,
            (CC, "license") => Self::License,
            (XMP_RIGHTS, "WebStatement") => Self::WebStatement,
            (PLUS, "Licensor") => Self::Licensor,
            (PLUS, "LicensorURL") => Self::LicensorUrl,
            _ => return None,
        })
    }
}

/// Reads a packet; what comes before something malformed counts.
pub(super) fn read(packet: &[u8]) -> SightingRights {
    let packet = String::from_utf8_lossy(packet);
    let mut reader = NsReader::from_str(packet.trim_start_matches('\u{FEFF}'));
    reader.config_mut().allow_dangling_amp = true;
    let mut walk = Walk::default();
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(tag) => {
                if !walk.start(&reader, &tag) {
                    break;
                }
            }
            Event::Empty(tag) => {
                if !walk.start(&reader, &tag) {
                    break;
                }
                walk.end(is_item(&reader, &tag));
            }
            Event::End(tag) => {
                let (namespace, name) = reader.resolver().resolve_element(tag.name());
                walk.end(is_rdf(&namespace) && name.as_ref() == "li");
            }
            Event::Text(words) => walk.push(&words.xml10_content()),
            Event::CData(words) => walk.push(&words.xml10_content()),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(character)) => walk.push(character.encode_utf8(&mut [0; 4])),
                _ => walk.push(quick_xml::escape::resolve_predefined_entity(&name).unwrap_or("")),
            },
            Event::Eof => break,
            // No entity is ever defined here, so none can swell.
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    walk.found.rights()
}

fn is_rdf(namespace: &ResolveResult<'_>) -> bool {
    *namespace == ResolveResult::Bound(Namespace(RDF))
}

fn is_item(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>) -> bool {
    let (namespace, name) = reader.resolver().resolve_element(tag.name());
    is_rdf(&namespace) && name.as_ref() == "li"
}

/// Values as they were found.
#[derive(Default)]
struct Found {
    creators: Vec<String>,
    copyright: Option<String>,
    credit: Option<String>,
    license: Option<String>,
    web_statement: Option<String>,
    acquire: Option<String>,
}

impl Found {
    fn add(&mut self, property: Property, value: &str) {
        match property {
            Property::Creator => self.creators.extend(text(value)),
            Property::Copyright => self.copyright = self.copyright.take().or_else(|| text(value)),
            Property::Credit => self.credit = self.credit.take().or_else(|| text(value)),
            Property::License => self.license = self.license.take().or_else(|| web_url(value)),
            Property::WebStatement => {
                self.web_statement = self.web_statement.take().or_else(|| web_url(value));
            }
            Property::LicensorUrl => self.acquire = self.acquire.take().or_else(|| web_url(value)),
            Property::Licensor => {}
        }
    }

    fn rights(self) -> SightingRights {
        SightingRights {
            rights: Rights {
                license: self.license.or(self.web_statement),
                creator: joined(self.creators),
                credit: self.credit,
                copyright: self.copyright,
            },
            acquire: self.acquire,
        }
    }
}

#[derive(Default)]
struct Walk {
    found: Found,
    /// Open elements.
    depth: usize,
    /// The depth of `rdf:RDF`, once it is open.
    rdf: Option<usize>,
    /// The open property that is wanted, with its depth.
    property: Option<(Property, usize)>,
    /// Whether a licensor is open, and at which depth.
    licensor: Option<usize>,
    value: String,
}

impl Walk {
    /// False where nothing more is to be read.
    fn start(&mut self, reader: &NsReader<&[u8]>, tag: &BytesStart<'_>) -> bool {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return false;
        }
        let (namespace, name) = reader.resolver().resolve_element(tag.name());
        if self.rdf.is_none() {
            if is_rdf(&namespace) && name.as_ref() == "RDF" {
                self.rdf = Some(self.depth);
            }
            return true;
        }
        let below = self.depth - self.rdf.unwrap_or_default();
        let own = below == 2;
        let in_licensor = self.licensor.is_some();
        if let Some(property) = Property::named(&namespace, name.as_ref()) {
            if own && property == Property::Licensor {
                self.licensor = Some(self.depth);
            } else if (own || in_licensor && property == Property::LicensorUrl)
                && self.property.is_none()
            {
                self.property = Some((property, self.depth));
                self.value.clear();
            }
        }
        if below == 1 || own || in_licensor {
            self.attributes(reader, tag, below == 1);
        }
        true
    }

    /// A property as an attribute of the description (or of the licensor), and the address that a
    /// property refers to.
    fn attributes(&mut self, reader: &NsReader<&[u8]>, tag: &BytesStart<'_>, is_description: bool) {
        for attribute in tag.attributes().with_checks(false).flatten() {
            let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
            let refers = is_rdf(&namespace) && name.as_ref() == "resource";
            let property = if refers {
                self.property.map(|(property, _)| property)
            } else {
                Property::named(&namespace, name.as_ref()).filter(|property| {
                    is_description || self.licensor.is_some() && *property == Property::LicensorUrl
                })
            };
            if let Some(property) = property
                && let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0)
            {
                self.found.add(property, &value);
            }
        }
    }

    fn push(&mut self, words: &str) {
        if self.property.is_some() {
            let room = MAX_VALUE.saturating_sub(self.value.len());
            self.value
                .push_str(&words[..words.floor_char_boundary(room)]);
        }
    }

    fn end(&mut self, is_item: bool) {
        if let Some((property, depth)) = self.property
            && (is_item || depth == self.depth)
        {
            self.found.add(property, &self.value);
            self.value.clear();
            if depth == self.depth {
                self.property = None;
            }
        }
        if self.licensor == Some(self.depth) {
            self.licensor = None;
        }
        self.depth = self.depth.saturating_sub(1);
        if self.rdf.is_some_and(|rdf| rdf > self.depth) {
            self.rdf = None;
        }
    }
}
