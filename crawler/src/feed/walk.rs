//! A feed of XML, read event by event: what has been read is kept whatever follows.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use tusou_ingest::address::Address;
use tusou_ingest::text::line;

use super::Found;
use super::item::{Item, Media, Words};
use super::parts::attribute;
use crate::sitemap::input::Input;

/// Elements nested deeper end the file.
const MAX_DEPTH: usize = 256;
/// The most bytes kept of a text that is no HTML.
const MAX_FIELD: usize = 8 * 1024;

/// Where in the file an element is. Namespaces count by their usual prefixes, where a name alone does not
/// tell: many feeds get their addresses wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `rss` or `rdf:RDF`.
    Root,
    /// `channel`, or Atom's `feed`.
    Channel,
    Item,
    /// `image` of a channel or item.
    Image,
    Group,
    /// `media:content`.
    Media,
    Author,
    Field(Field),
    /// An element within a text of HTML.
    Markup,
    Elsewhere,
}

/// An element whose text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Title,
    MediaTitle,
    Link,
    Guid,
    Language,
    Html,
    Caption,
    Credit,
    Copyright,
    License,
    Creator,
    /// The address of a picture.
    Picture,
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    /// The file has ended, or is of another kind.
    End,
    /// It is broken from here on.
    Broken,
}

pub(super) struct Walk<'w, 'a> {
    pub(super) found: &'w mut Found<'a>,
    pub(super) open: Vec<Place>,
    /// What references are resolved against, with the depth where that began.
    pub(super) bases: Vec<(usize, Address)>,
    pub(super) text: String,
    /// Whether `text` lacks something of its end.
    pub(super) is_cut: bool,
    /// What the feed says of itself.
    pub(super) channel: Item,
    pub(super) item: Option<Item>,
    pub(super) items: usize,
    pub(super) groups: u32,
    /// The picture of the open `media:content`, if it is one, and what is said within it.
    pub(super) media: Option<Media>,
}

/// Reads to the end, or to what is malformed; the answer is whether it was the end.
pub(super) fn read(input: &mut Input<'_>, found: &mut Found<'_>) -> bool {
    let mut reader = Reader::from_reader(input);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    let base = found.base.clone();
    let mut walk = Walk {
        found,
        open: Vec::new(),
        bases: vec![(0, base)],
        text: String::new(),
        is_cut: false,
        channel: Item::default(),
        item: None,
        items: 0,
        groups: 0,
        media: None,
    };
    let mut buffer = Vec::new();
    let ended = loop {
        buffer.clear();
        let go = match reader.read_event_into(&mut buffer) {
            Ok(event) => walk.take(event),
            Err(_) => Go::Broken,
        };
        match go {
            Go::On => {}
            Go::End => break true,
            Go::Broken => break false,
        }
    };
    walk.finish();
    ended
}

impl Walk<'_, '_> {
    fn take(&mut self, event: Event<'_>) -> Go {
        match event {
            Event::Start(tag) => return self.start(&tag),
            Event::Empty(tag) => {
                let go = self.start(&tag);
                if go == Go::On {
                    self.end(tag.name().as_ref());
                }
                return go;
            }
            Event::End(tag) => self.end(tag.name().as_ref()),
            Event::Text(text) => self.push(&text.xml10_content()),
            Event::CData(text) => self.push(&text.xml10_content()),
            Event::GeneralRef(name) => self.push_reference(&name),
            Event::Eof if self.open.is_empty() => return Go::End,
            Event::Eof => return Go::Broken,
            // No entity is ever defined here, so none can swell.
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        Go::On
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Go {
        if self.open.len() >= MAX_DEPTH {
            return Go::Broken;
        }
        if matches!(
            self.open.last(),
            Some(Place::Field(Field::Html) | Place::Markup)
        ) {
            self.push(&format!(
                "<{}{}>",
                tag.name().as_ref(),
                tag.attributes_raw()
            ));
            self.open.push(Place::Markup);
            return Go::On;
        }
        if let Some(base) = attribute(tag, "xml:base")
            && let Ok(base) = self.base().join(&base)
        {
            self.bases.push((self.open.len(), base));
        }
        let name = tag.name();
        let (prefix, local) = name.as_ref().split_once(':').unwrap_or(("", name.as_ref()));
        let place = match self.open.last() {
            None if self.found.feed.is_feed => return Go::End,
            None => match local {
                "rss" | "RDF" => Place::Root,
                "feed" => Place::Channel,
                _ => return Go::End,
            },
            Some(Place::Root) => match local {
                "channel" => Place::Channel,
                "item" => self.start_item(),
                "image" => Place::Image,
                _ => Place::Elsewhere,
            },
            Some(Place::Channel) => match local {
                "item" | "entry" => self.start_item(),
                "language" => Place::Field(Field::Language),
                "logo" => Place::Field(Field::Picture),
                "description" | "subtitle" | "summary" => Place::Elsewhere,
                _ => self.start_part(prefix, local, tag),
            },
            Some(Place::Item | Place::Group | Place::Media) => self.start_part(prefix, local, tag),
            Some(Place::Image) if local == "url" => Place::Field(Field::Picture),
            Some(Place::Author) if local == "name" => Place::Field(Field::Creator),
            Some(_) => Place::Elsewhere,
        };
        if self.open.is_empty() {
            self.found.feed.is_feed = true;
            self.found.feed.lang = attribute(tag, "xml:lang").and_then(|lang| line(&lang, 35));
        }
        if matches!(place, Place::Field(_) | Place::Image) {
            self.text.clear();
            self.is_cut = false;
        }
        self.open.push(place);
        Go::On
    }

    fn start_item(&mut self) -> Place {
        // One that never ended ends here.
        self.end_item();
        if self.items >= self.found.limits.max_items {
            self.found.leave_out();
            return Place::Elsewhere;
        }
        self.items += 1;
        self.item = Some(Item::default());
        Place::Item
    }

    /// Adds to the text of the field that is open, if one is.
    fn push(&mut self, text: &str) {
        let room = match self.open.last() {
            Some(Place::Field(Field::Html) | Place::Markup) => self.part().room(),
            Some(Place::Field(_) | Place::Image) => MAX_FIELD,
            _ => return,
        };
        let fits = text.floor_char_boundary(room.saturating_sub(self.text.len()));
        self.is_cut |= fits < text.len();
        self.text.push_str(&text[..fits]);
    }

    /// Characters by number and the five entities that XML knows; any other stands for itself. Within
    /// markup all of them do: it is read once more.
    fn push_reference(&mut self, name: &quick_xml::events::BytesRef<'_>) {
        let known = quick_xml::escape::resolve_predefined_entity(name);
        match (self.open.last(), name.resolve_char_ref(), known) {
            (Some(Place::Markup), ..) | (_, Err(_), _) | (_, Ok(None), None) => {
                self.push(&format!("&{}", &**name));
                self.push(";");
            }
            (_, Ok(Some(character)), _) => self.push(character.encode_utf8(&mut [0; 4])),
            (_, Ok(None), Some(known)) => self.push(known),
        }
    }

    fn end(&mut self, name: &str) {
        let place = self.open.pop();
        while self.bases.len() > 1
            && self
                .bases
                .last()
                .is_some_and(|(depth, _)| *depth >= self.open.len())
        {
            self.bases.pop();
        }
        match place {
            Some(Place::Markup) => self.push(&format!("</{name}>")),
            Some(Place::Field(field)) => self.end_field(field),
            Some(Place::Image) => self.end_field(Field::Picture),
            Some(Place::Media) => {
                let media = self.media.take();
                self.add_media(media);
            }
            Some(Place::Item) => self.end_item(),
            _ => {}
        }
    }

    fn end_item(&mut self) {
        if let Some(item) = self.item.take() {
            item.end(self.found, &self.channel.words);
        }
    }

    /// The feed has ended, and with it whatever is still open.
    fn finish(mut self) {
        self.end_item();
        let mut channel = self.channel;
        self.found.feed.title = channel.title.take();
        channel.guid = None;
        channel.end(self.found, &Words::default());
    }
}
