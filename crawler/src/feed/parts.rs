//! The parts of an item or of the feed itself: what each element and its text say.

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
use tusou_ingest::address::Address;
use tusou_ingest::text::line;

use super::item::{Item, Media, Words};
use super::walk::{Field, Place, Walk};

/// How the names of pictures' files end.
const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "avif", "bmp", "jfif"];
/// The longest language tag, in characters.
const MAX_LANG: usize = 35;

impl Walk<'_, '_> {
    /// An element of a channel or item, or of the media within.
    pub(super) fn start_part(&mut self, prefix: &str, local: &str, tag: &BytesStart<'_>) -> Place {
        let is_media =
            prefix == "media" || matches!(self.open.last(), Some(Place::Group | Place::Media));
        match local {
            "title" if is_media => Place::Field(Field::MediaTitle),
            "title" => Place::Field(Field::Title),
            "link" if !is_media => match attribute(tag, "href") {
                Some(href) => {
                    self.atom_link(tag, &href);
                    Place::Elsewhere
                }
                None => Place::Field(Field::Link),
            },
            "guid" if attribute(tag, "isPermaLink").as_deref() != Some("false") => {
                Place::Field(Field::Guid)
            }
            "group" => {
                self.groups += 1;
                Place::Group
            }
            "content" if is_media || attribute(tag, "url").is_some() => {
                self.media = self.media_of(tag, "url", false);
                Place::Media
            }
            "content" if attribute(tag, "src").is_some() => {
                if attribute(tag, "type").is_some_and(|kind| kind.starts_with("image/")) {
                    let media = self.media_of(tag, "src", false);
                    self.add_media(media);
                }
                Place::Elsewhere
            }
            "description" if is_media => Place::Field(Field::Caption),
            "content" | "encoded" | "description" | "summary" => Place::Field(Field::Html),
            "thumbnail" => {
                let media = self.media_of(tag, "url", true);
                self.add_media(media);
                Place::Elsewhere
            }
            "enclosure" => {
                if attribute(tag, "type").is_some_and(|kind| kind.starts_with("image/")) {
                    let media = self.media_of(tag, "url", false);
                    self.add_media(media);
                }
                Place::Elsewhere
            }
            "image" => match attribute(tag, "href") {
                Some(_) => {
                    let media = self.media_of(tag, "href", false);
                    self.add_media(media);
                    Place::Elsewhere
                }
                None => Place::Image,
            },
            "credit" => Place::Field(Field::Credit),
            "copyright" | "rights" => Place::Field(Field::Copyright),
            "license" => {
                let href = attribute(tag, "href").or_else(|| attribute(tag, "rdf:resource"));
                match href {
                    Some(href) => {
                        self.license(&href);
                        Place::Elsewhere
                    }
                    None => Place::Field(Field::License),
                }
            }
            "creator" => Place::Field(Field::Creator),
            // That of RSS is a mail address.
            "author" => Place::Author,
            _ => Place::Elsewhere,
        }
    }

    /// Atom's `link`, which RSS has, too.
    fn atom_link(&mut self, tag: &BytesStart<'_>, href: &str) {
        let relation = attribute(tag, "rel").unwrap_or_else(|| "alternate".to_owned());
        match relation.trim().to_ascii_lowercase().as_str() {
            "alternate" => self.link(href),
            "next" if self.item.is_none() => {
                let next = self.address(href);
                self.found.feed.next = self.found.feed.next.take().or(next);
            }
            "license" => self.license(href),
            "enclosure"
                if attribute(tag, "type").is_some_and(|kind| kind.starts_with("image/")) =>
            {
                let media = self.media_of(tag, "href", false);
                self.add_media(media);
            }
            _ => {}
        }
    }

    fn link(&mut self, href: &str) {
        let link = self.address(href);
        let part = self.part();
        part.link = part.link.take().or(link);
    }

    fn license(&mut self, href: &str) {
        // Its name, where it is not an address.
        let license = self.base().join(href.trim()).ok();
        let license = license.map(|address| address.as_str().to_owned());
        let told = self.words().told();
        told.license = told.license.take().or(license);
    }

    pub(super) fn base(&self) -> &Address {
        let (_, base) = self
            .bases
            .last()
            .expect("the feed's own base is never taken");
        base
    }

    fn address(&mut self, reference: &str) -> Option<Address> {
        let base = self.base().clone();
        self.found.address(&base, reference)
    }

    /// The item that is being read, or the feed itself.
    pub(super) fn part(&mut self) -> &mut Item {
        self.item.as_mut().unwrap_or(&mut self.channel)
    }

    /// What is said of the picture that is being read, or of its item.
    fn words(&mut self) -> &mut Words {
        let in_media = self.open.contains(&Place::Media);
        if let Some(media) = self.media.as_mut().filter(|_| in_media) {
            return &mut media.words;
        }
        &mut self.item.as_mut().unwrap_or(&mut self.channel).words
    }

    /// The picture that a tag names, if it names one.
    fn media_of(&mut self, tag: &BytesStart<'_>, name: &str, is_thumbnail: bool) -> Option<Media> {
        let reference = attribute(tag, name)?;
        let kind = attribute(tag, "type");
        let medium = attribute(tag, "medium");
        let address = self.address(&reference)?;
        let is_picture = match (medium.as_deref(), kind.as_deref()) {
            (Some(medium), _) => medium.eq_ignore_ascii_case("image"),
            (None, Some(kind)) => kind.starts_with("image/"),
            (None, None) => name != "url" || is_thumbnail || is_file_of_picture(&address),
        };
        let width = attribute(tag, "width").and_then(|width| width.trim().parse().ok());
        let in_group = self.open.contains(&Place::Group);
        is_picture.then(|| Media {
            address,
            words: Words {
                title: attribute(tag, "title")
                    .and_then(|title| line(&title, self.found.limits.max_text)),
                ..Words::default()
            },
            width: width.unwrap_or(0),
            group: in_group.then_some(self.groups),
            is_thumbnail,
        })
    }

    pub(super) fn add_media(&mut self, media: Option<Media>) {
        if let Some(media) = media
            && !self.part().add_media(media)
        {
            self.found.leave_out();
        }
    }

    pub(super) fn end_field(&mut self, field: Field) {
        let text = std::mem::take(&mut self.text);
        let max = self.found.limits.max_text;
        // Half of an address would be another.
        let reference = if self.is_cut { "" } else { text.trim() };
        match field {
            Field::Title => {
                let part = self.part();
                part.title = part.title.take().or_else(|| line(&text, max));
            }
            Field::MediaTitle => {
                let words = self.words();
                words.title = words.title.take().or_else(|| line(&text, max));
            }
            Field::Caption => {
                let words = self.words();
                words.caption = words.caption.take().or_else(|| line(&text, max));
            }
            Field::Link if !reference.is_empty() => self.link(reference),
            Field::Guid => {
                let guid = Address::parse(reference).ok();
                let part = self.part();
                part.guid = part.guid.take().or(guid);
            }
            Field::Language => {
                let lang = &mut self.found.feed.lang;
                *lang = lang.take().or_else(|| line(&text, MAX_LANG));
            }
            Field::Html => self.part().add_html(&text),
            Field::Credit => {
                let told = self.words().told();
                told.credit = told.credit.take().or_else(|| line(&text, max));
            }
            Field::Creator => {
                let told = self.words().told();
                told.creator = told.creator.take().or_else(|| line(&text, max));
            }
            // Some say their rights by the address of a licence.
            Field::Copyright | Field::License if Address::parse(reference).is_ok() => {
                self.license(reference);
            }
            Field::Copyright => {
                let told = self.words().told();
                told.copyright = told.copyright.take().or_else(|| line(&text, max));
            }
            Field::Picture if !reference.is_empty() => {
                let media = self.address(reference).map(|address| Media {
                    address,
                    words: Words::default(),
                    width: 0,
                    group: None,
                    is_thumbnail: false,
                });
                self.add_media(media);
            }
            Field::Link | Field::License | Field::Picture => {}
        }
        // Its memory serves the next one.
        self.text = text;
        self.text.clear();
    }
}

fn is_file_of_picture(address: &Address) -> bool {
    let path = address.path();
    let ending = path
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| PICTURES.contains(&ending.as_str()))
}

/// An attribute's value; as it is written, where its references are none.
pub(super) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    Some(match value {
        Ok(value) => value.into_owned(),
        Err(_) => attribute.value.replace("&amp;", "&"),
    })
}
