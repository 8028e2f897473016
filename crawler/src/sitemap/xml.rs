//! A sitemap of XML, read event by event: what has been read is kept whatever follows.

use quick_xml::Reader;
use quick_xml::events::Event;
use time::OffsetDateTime;
use tusou_ingest::address::Address;

use super::input::Input;
use super::{Entry, Kind, Limits, Sitemap, SitemapImage, date};
use tusou_ingest::text::line;

/// Elements nested deeper end the file: what is wanted lies four deep.
const MAX_DEPTH: usize = 64;

/// The most bytes kept of a text: no address is longer, with room for white space around it.
const MAX_FIELD: usize = 8 * 1024;

/// Where in the file an element is. Names count without their namespaces, which many sites get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Pages,
    Page,
    Image,
    Index,
    Sitemap,
    Field(Field),
    Elsewhere,
}

/// An element whose text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Loc,
    LastMod,
    Title,
    Caption,
    License,
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

struct Walk<'s> {
    sitemap: &'s mut Sitemap,
    limits: &'s Limits,
    open: Vec<Place>,
    text: String,
    /// Whether `text` lacks something of its end.
    is_cut: bool,
    /// The page, or the further sitemap, that is being read.
    loc: Option<Address>,
    lastmod: Option<OffsetDateTime>,
    images: Vec<SitemapImage>,
    /// The picture that is being read.
    image_loc: Option<Address>,
    title: Option<String>,
    caption: Option<String>,
    license: Option<Address>,
    /// Pictures of all pages.
    all_images: usize,
}

/// Reads to the end, or to what is malformed; the answer is whether it was the end.
pub(super) fn read(input: &mut Input<'_>, sitemap: &mut Sitemap, limits: &Limits) -> bool {
    let mut reader = Reader::from_reader(input);
    // An address with a bare `&` is the commonest slip of all.
    reader.config_mut().allow_dangling_amp = true;
    let mut walk = Walk {
        sitemap,
        limits,
        open: Vec::new(),
        text: String::new(),
        is_cut: false,
        loc: None,
        lastmod: None,
        images: Vec::new(),
        image_loc: None,
        title: None,
        caption: None,
        license: None,
        all_images: 0,
    };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let go = match reader.read_event_into(&mut buffer) {
            Ok(event) => walk.take(event),
            Err(_) => Go::Broken,
        };
        match go {
            Go::On => {}
            Go::End => return true,
            Go::Broken => return false,
        }
    }
}

impl Walk<'_> {
    fn take(&mut self, event: Event<'_>) -> Go {
        match event {
            Event::Start(tag) => return self.start(tag.local_name().as_ref()),
            Event::Empty(tag) => {
                let go = self.start(tag.local_name().as_ref());
                if go == Go::On {
                    self.end();
                }
                return go;
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.push(&text.xml10_content()),
            Event::CData(text) => self.push(&text.xml10_content()),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(character)) => self.push(character.encode_utf8(&mut [0; 4])),
                Ok(None) | Err(_) => self.push_named(&name),
            },
            // Without its last end tag it is cut.
            Event::Eof if self.open.is_empty() => return Go::End,
            Event::Eof => return Go::Broken,
            // No entity is ever defined here, so none can swell.
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        Go::On
    }

    fn start(&mut self, name: &str) -> Go {
        if self.open.len() >= MAX_DEPTH {
            return Go::Broken;
        }
        let place = match (self.open.last(), name) {
            (None, _) if self.sitemap.kind != Kind::Other => return Go::End,
            (None, "urlset") => {
                self.sitemap.kind = Kind::Pages;
                Place::Pages
            }
            (None, "sitemapindex") => {
                self.sitemap.kind = Kind::Index;
                Place::Index
            }
            (None, _) => return Go::End,
            (Some(Place::Pages), "url") => Place::Page,
            (Some(Place::Index), "sitemap") => Place::Sitemap,
            (Some(Place::Page | Place::Image | Place::Sitemap), "loc") => Place::Field(Field::Loc),
            (Some(Place::Page), "lastmod") => Place::Field(Field::LastMod),
            (Some(Place::Page), "image") => Place::Image,
            (Some(Place::Image), "title") => Place::Field(Field::Title),
            (Some(Place::Image), "caption") => Place::Field(Field::Caption),
            (Some(Place::Image), "license") => Place::Field(Field::License),
            (Some(_), _) => Place::Elsewhere,
        };
        if let Place::Field(_) = place {
            self.text.clear();
            self.is_cut = false;
        }
        self.open.push(place);
        Go::On
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Place::Field(field)) => self.end_field(field),
            Some(Place::Image) => self.end_image(),
            Some(Place::Page) => self.end_page(),
            Some(Place::Sitemap) => {
                if let Some(loc) = self.loc.take() {
                    self.sitemap.add_sitemap(loc, self.limits);
                }
            }
            Some(Place::Pages | Place::Index | Place::Elsewhere) | None => {}
        }
    }

    /// Adds to the text of the field that is open, if one is.
    fn push(&mut self, text: &str) {
        if !matches!(self.open.last(), Some(Place::Field(_))) {
            return;
        }
        let room = MAX_FIELD.saturating_sub(self.text.len());
        let fits = text.floor_char_boundary(room);
        self.is_cut |= fits < text.len();
        self.text.push_str(&text[..fits]);
    }

    /// The five entities that XML knows; any other reference stands for itself.
    fn push_named(&mut self, name: &str) {
        match name {
            "lt" => self.push("<"),
            "gt" => self.push(">"),
            "amp" => self.push("&"),
            "apos" => self.push("'"),
            "quot" => self.push("\""),
            other => {
                self.push("&");
                self.push(other);
                self.push(";");
            }
        }
    }

    fn end_field(&mut self, field: Field) {
        let text = std::mem::take(&mut self.text);
        let max = self.limits.max_text;
        match field {
            Field::Loc => {
                let address = self.address(&text);
                let of_image = self.open.last() == Some(&Place::Image);
                let slot = if of_image {
                    &mut self.image_loc
                } else {
                    &mut self.loc
                };
                *slot = slot.take().or(address);
            }
            Field::License => self.license = self.license.take().or(self.address(&text)),
            Field::LastMod => self.lastmod = self.lastmod.or(date::parse(&text)),
            Field::Title => self.title = self.title.take().or(line(&text, max)),
            Field::Caption => self.caption = self.caption.take().or(line(&text, max)),
        }
        // Its memory serves the next one.
        self.text = text;
    }

    fn address(&mut self, text: &str) -> Option<Address> {
        // Half of an address would be another.
        self.sitemap.address(if self.is_cut { "" } else { text })
    }

    fn end_image(&mut self) {
        let (title, caption) = (self.title.take(), self.caption.take());
        let license = self.license.take();
        let Some(loc) = self.image_loc.take() else {
            return;
        };
        let is_full = self.images.len() >= self.limits.max_page_images;
        if is_full || self.all_images >= self.limits.max_images {
            return self.sitemap.leave_out();
        }
        self.all_images += 1;
        self.images.push(SitemapImage {
            loc,
            title,
            caption,
            license,
        });
    }

    fn end_page(&mut self) {
        let images = std::mem::take(&mut self.images);
        let lastmod = self.lastmod.take();
        let Some(loc) = self.loc.take() else { return };
        let entry = Entry {
            loc,
            lastmod,
            images,
        };
        self.sitemap.add_page(entry, self.limits);
    }
}
