//! Feeds of every kind, whole and broken, small and hostile.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tusou_crawler::extract;
use tusou_crawler::feed::{Feed, Limits, Picture, Root, parse, root};
use tusou_ingest::address::Address;

fn read_with(body: impl AsRef<[u8]>, limits: &Limits) -> Feed {
    let base = Address::parse("http://example.org/feed/").expect("an address");
    parse(body.as_ref(), "tusoubot", &base, limits)
}

fn read(body: impl AsRef<[u8]>) -> Feed {
    read_with(body, &Limits::default())
}

fn links(feed: &Feed) -> Vec<&str> {
    feed.links.iter().map(Address::as_str).collect()
}

fn pictures(feed: &Feed) -> Vec<&str> {
    let pictures = feed.pictures.iter();
    pictures.map(|picture| picture.address.as_str()).collect()
}

/// What is said of a picture, without what is not.
fn said(picture: &Picture) -> Value {
    let mut said = json!({
        "address": picture.address.as_str(),
        "alt": picture.alt,
        "title": picture.title,
        "caption": picture.caption,
        "heading": picture.heading,
        "page": picture.page.as_ref().map(Address::as_str),
        "variants": picture.variants.iter().map(Address::as_str).collect::<Vec<_>>(),
        "rights": picture.rights,
    });
    let object = said.as_object_mut().expect("an object");
    object.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!({}));
    said
}

const RSS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/"
     xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/"
     xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd">
<channel>
  <title>Pictures &amp; more</title><link>http://example.org/</link><language>de-AT</language>
  <atom:link rel="self" href="http://example.org/feed/"/><atom:link rel="next" href="?page=2"/>
  <description>&lt;img src="/not-a-picture-of-the-feed.png"&gt;</description>
  <image><url>/logo.png</url><title>Logo</title><link>http://example.org/</link></image>
  <copyright>The house</copyright>
  <item>
    <title>One</title>
    <description>&lt;p&gt;&lt;img src="in/text.png" alt="In the text"&gt;&lt;/p&gt;</description>
    <content:encoded><![CDATA[<figure><img src="/encoded.jpg?a=1&amp;b=2"><figcaption>C</figcaption></figure>]]></content:encoded>
    <dc:creator>Ann</dc:creator>
    <media:content url="http://example.org/m.jpg" type="image/jpeg" medium="image" width="800">
      <media:title>A title</media:title><media:description>What it shows</media:description>
      <media:credit role="photographer">Eve</media:credit><media:copyright>2024 Eve</media:copyright>
      <media:license type="text/html" href="/licence">CC BY</media:license>
      <media:thumbnail url="/m-small.jpg"/>
    </media:content>
    <media:content url="http://example.org/m.mp4" type="video/mp4"/>
    <enclosure url="http://example.org/e.png" length="1" type="image/png"/>
    <enclosure url="http://example.org/e.mp3" length="1" type="audio/mpeg"/>
    <link>http://example.org/one?x=1&amp;y=2</link>
    <guid>http://example.org/guid/1</guid>
  </item>
  <item><title>Two</title><guid isPermaLink="true">http://example.org/two</guid>
    <itunes:image href="/cover.jpg"/><dc:rights>http://example.org/by</dc:rights></item>
  <item><guid isPermaLink="false">tag:x</guid><media:thumbnail url="/t.png" /></item>
  <item><link>/one?x=1&amp;y=2</link><media:group>
     <media:content url="/g-100.jpg" width="100"/><media:content url="/g-900.jpg" width="900"/>
     <media:content url="/g-500.jpg" width="500"/><media:title>In a group</media:title></media:group></item>
</channel></rss>"#;

#[test]
fn rss_names_pages_and_pictures_with_their_rights() {
    let feed = read(RSS);
    assert!(feed.is_feed && feed.whole, "{feed:?}");
    assert_eq!(feed.title.as_deref(), Some("Pictures & more"));
    assert_eq!(feed.lang.as_deref(), Some("de-AT"));
    assert_eq!(
        links(&feed),
        [
            "http://example.org/one?x=1&y=2",
            "http://example.org/two",
            "http://example.org/"
        ]
    );
    let next = feed.next.as_ref().map(Address::as_str);
    assert_eq!(next, Some("http://example.org/feed/?page=2"));
    let one = "http://example.org/one?x=1&y=2";
    let ann = json!({"creator": "Ann", "copyright": "The house"});
    let wanted = [
        json!({"address": "http://example.org/m.jpg", "title": "A title", "caption": "What it shows",
               "heading": "One", "page": one, "variants": ["http://example.org/m-small.jpg"],
               "rights": {"creator": "Ann", "credit": "Eve", "copyright": "2024 Eve",
                          "license": "http://example.org/licence"}}),
        json!({"address": "http://example.org/e.png", "heading": "One", "page": one, "rights": ann}),
        json!({"address": "http://example.org/in/text.png", "alt": "In the text", "heading": "One",
               "page": one, "rights": ann}),
        json!({"address": "http://example.org/encoded.jpg?a=1&b=2", "caption": "C", "heading": "One",
               "page": one, "rights": ann}),
        json!({"address": "http://example.org/cover.jpg", "heading": "Two", "page": "http://example.org/two",
               "rights": {"license": "http://example.org/by", "copyright": "The house"}}),
        json!({"address": "http://example.org/t.png", "rights": {"copyright": "The house"}}),
        json!({"address": "http://example.org/g-900.jpg", "title": "In a group", "page": one,
               "variants": ["http://example.org/g-100.jpg", "http://example.org/g-500.jpg"],
               "rights": {"copyright": "The house"}}),
        json!({"address": "http://example.org/logo.png", "page": "http://example.org/",
               "rights": {"copyright": "The house"}}),
    ];
    let found: Vec<Value> = feed.pictures.iter().map(said).collect();
    assert_eq!(found, wanted);
    assert_eq!((feed.unparsable, feed.left_out), (0, 0));
}

const ATOM: &str = r#"<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="ja" xml:base="http://example.org/blog/">
  <title type="text">Atom</title><link href="/"/><link rel="self" href="feed"/><rights>All of us</rights>
  <author><name>Ann</name><email>a@example.org</email></author><logo>logo.svg.png</logo>
  <entry xml:base="2024/"><title>E1</title><id>tag:1</id>
    <link rel="alternate" type="text/html" href="e1"/><link rel="enclosure" type="image/png" href="e1.png" title="Enclosed"/>
    <link rel="related" href="http://other.test/"/><link rel="license" href="/by-sa"/>
    <summary>No markup at all, 1 &lt; 2</summary>
    <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>A &lt; B &amp; <img src="x.png" alt="X &amp; Y"/></p></div></content>
  </entry>
  <entry><link href="e2"/><author><name>Eve</name></author><rights type="text">Eve alone</rights>
    <content type="html">&lt;img src="two.png"&gt;</content><source><title>Another</title><link href="/no"/></source></entry>
  <entry><link href="e3"/><content type="image/webp" src="http://example.org/three.webp"/></entry>
</feed>"#;

#[test]
fn atom_names_pages_and_pictures_with_their_rights() {
    let feed = read(ATOM);
    assert!(feed.is_feed && feed.whole, "{feed:?}");
    assert_eq!(feed.title.as_deref(), Some("Atom"));
    assert_eq!(feed.lang.as_deref(), Some("ja"));
    assert_eq!(
        links(&feed),
        [
            "http://example.org/blog/2024/e1",
            "http://example.org/blog/e2",
            "http://example.org/blog/e3",
            "http://example.org/"
        ]
    );
    let by_sa =
        json!({"creator": "Ann", "copyright": "All of us", "license": "http://example.org/by-sa"});
    let page = "http://example.org/blog/2024/e1";
    let wanted = [
        json!({"address": "http://example.org/blog/2024/e1.png", "title": "Enclosed", "heading": "E1",
               "page": page, "rights": by_sa}),
        json!({"address": "http://example.org/blog/2024/x.png", "alt": "X & Y", "heading": "E1",
               "page": page, "rights": by_sa}),
        json!({"address": "http://example.org/blog/two.png", "page": "http://example.org/blog/e2",
               "rights": {"creator": "Eve", "copyright": "Eve alone"}}),
        json!({"address": "http://example.org/three.webp", "page": "http://example.org/blog/e3",
               "rights": {"creator": "Ann", "copyright": "All of us"}}),
        json!({"address": "http://example.org/blog/logo.svg.png", "page": "http://example.org/",
               "rights": {"creator": "Ann", "copyright": "All of us"}}),
    ];
    let found: Vec<Value> = feed.pictures.iter().map(said).collect();
    assert_eq!(found, wanted);
}

#[test]
fn rss_1_0_has_its_items_beside_the_channel() {
    let feed = read(
        r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
                xmlns:cc="http://creativecommons.org/ns#">
           <channel rdf:about="http://example.org/"><title>Old</title><link>http://example.org/</link>
             <image rdf:resource="http://example.org/i.png"/></channel>
           <image rdf:about="http://example.org/i.png"><url>http://example.org/i.png</url></image>
           <item rdf:about="http://example.org/1"><title>T</title><link>http://example.org/1</link>
             <cc:license rdf:resource="http://example.org/cc"/><description>&lt;img src=p.png&gt;</description></item>
           </rdf:RDF>"#,
    );
    assert_eq!(feed.title.as_deref(), Some("Old"));
    assert_eq!(
        links(&feed),
        ["http://example.org/1", "http://example.org/"]
    );
    assert_eq!(
        pictures(&feed),
        ["http://example.org/p.png", "http://example.org/i.png"]
    );
    let license = feed.pictures[0].rights.rights.license.as_deref();
    assert_eq!(license, Some("http://example.org/cc"));
}

#[test]
fn pages_name_their_feeds_and_neighbours() {
    let html = r#"<base href=/b/><link rel="next" href="2"><link rel=prev href=0><a rel=next href=3>more</a>
        <link rel="alternate" type="application/rss+xml" href="feed">
        <link rel="Alternate home" type="Application/Atom+XML; charset=utf-8" href="/atom"><link rel=alternate href=/de>
        <link rel=alternate type="text/html" href=/mobile><link rel=alternate type="application/rss+xml">
        <link rel=stylesheet type="application/rss+xml" href=/no><link rel=alternate type="application/rss+xml" href=feed>"#;
    let page = Address::parse("http://example.org/page").expect("an address");
    let limits = extract::Limits::default();
    let found = extract::extract(html.as_bytes(), Some("text/html"), &page, &limits);
    let urls = |addresses: &[Address]| -> Vec<String> {
        addresses
            .iter()
            .map(|address| address.as_str().to_owned())
            .collect()
    };
    let wanted = ["2", "0", "3"].map(|path| format!("http://example.org/b/{path}"));
    assert_eq!(urls(&found.links), wanted);
    let wanted = ["http://example.org/b/feed", "http://example.org/atom"];
    assert_eq!(urls(&found.feeds), wanted);
    let many = "<link rel=alternate type=application/rss+xml href=/f>".repeat(17);
    let found = extract::extract(many.as_bytes(), Some("text/html"), &page, &limits);
    assert_eq!((found.feeds.len(), found.left_out), (1, 1));
}

#[test]
fn the_first_element_tells_what_a_file_is() {
    for (body, wanted) in [
        (RSS, Some(Root::Feed)),
        (ATOM, Some(Root::Feed)),
        ("<!-- c --><!DOCTYPE rdf:RDF><rdf:RDF/>", Some(Root::Feed)),
        ("\u{feff}\n<urlset>", Some(Root::Sitemap)),
        ("<s:sitemapindex xmlns:s='x'>", Some(Root::Sitemap)),
        ("<!DOCTYPE html><html><rss>", None),
        ("<html xmlns='x'>", None),
        ("rss", None),
        ("<", None),
        ("", None),
    ] {
        assert_eq!(root(body.as_bytes()), wanted, "{body}");
    }
    let late = format!("<!--{}--><rss/>", "x".repeat(100_000));
    assert_eq!(root(late.as_bytes()), None);
    for other in [
        "<html><item><link>http://example.org/1</link></item></html>",
        "",
        "{}",
    ] {
        assert_eq!(
            read(other),
            Feed {
                whole: true,
                ..Feed::default()
            },
            "{other}"
        );
    }
}

#[test]
fn what_was_read_before_a_break_is_kept() {
    let item = |number: u32| format!("<item><link>http://example.org/{number}</link></item>");
    let start = format!("<rss><channel>{}{}", item(1), item(2));
    for (rest, whole) in [
        ("</channel></rss>", true),
        ("", false),
        ("<item><link>http://example.org/3", false),
        ("</wrong>", false),
        (
            "<item><link>http://example.org/3</link></channel></rss>",
            false,
        ),
    ] {
        let feed = read(format!("{start}{rest}"));
        assert!(
            feed.links.len() >= 2 && feed.whole == whole,
            "{rest}: {feed:?}"
        );
        // Half of an address would be another.
        assert!(!links(&feed).contains(&"http://example.org/"), "{rest}");
    }
    // An item that another one begins within is none of it.
    let nested = format!(
        "<rss><channel><item><link>http://example.org/1</link>{}</item></channel></rss>",
        item(2)
    );
    assert_eq!(links(&read(nested)), ["http://example.org/1"]);
    // References that are none, and prefixes that nobody declared.
    let odd = "<rss><channel><item><link>http://example.org/a?b=1&c=2&nbsp;</link>\
        <media:content url='http://example.org/p.png?x=1&y=2' medium='image'/></item></channel></rss>";
    let feed = read(odd);
    assert_eq!(links(&feed), ["http://example.org/a?b=1&c=2&nbsp;"]);
    assert_eq!(pictures(&feed), ["http://example.org/p.png?x=1&y=2"]);
}

#[test]
fn hostile_feeds_end_bounded() {
    // Entities that would be 10^9 times as long: none is expanded.
    let mut laughs = "<!DOCTYPE rss [<!ENTITY a0 \"ha\">".to_owned();
    for n in 1..10 {
        let inner = format!("&a{};", n - 1).repeat(10);
        write!(laughs, "<!ENTITY a{n} \"{inner}\">").expect("a String takes all text");
    }
    laughs += "]><rss><channel><title>&a9;</title><item><link>http://example.org/&a9;</link></item></channel></rss>";
    let feed = read(&laughs);
    assert_eq!(feed.title.as_deref(), Some("&a9;"));
    // Nesting.
    let deep = format!("<rss><channel>{}", "<a>".repeat(100_000));
    assert!(!read(deep).whole);
    let deep = format!("<rss><channel><item><description>{}", "<a>".repeat(100_000));
    assert!(!read(deep).whole);
    // Texts and attributes of a megabyte.
    let long = "x".repeat(1 << 20);
    let feed = read(format!(
        "<rss><channel><title>{long}</title><item><title>{long}</title><link>http://example.org/{long}</link>\
         <description>&lt;img src=/a.png alt={long}&gt;</description><enclosure type='image/png' url='/{long}'/>\
         </item></channel></rss>"
    ));
    assert!(feed.whole && feed.links.is_empty());
    let title = feed.title.expect("a title");
    assert_eq!(title.chars().count(), 1_000);
    // Items and pictures without end.
    let limits = Limits {
        max_items: 10,
        max_pictures: 15,
        max_bytes: 1 << 20,
        ..Limits::default()
    };
    let mut endless = "<rss><channel>".to_owned();
    for n in 0..50 {
        write!(
            endless,
            "<item><link>/{n}</link><description>&lt;img src=/{n}a.png&gt;&lt;img src=/{n}b.png&gt;</description></item>"
        )
        .expect("a String takes all text");
    }
    let feed = read_with(&endless, &limits);
    assert_eq!((feed.links.len(), feed.pictures.len()), (10, 15));
    assert_eq!(feed.left_out, 45);
    // Bytes without end.
    let feed = read_with(endless.repeat(1_000), &limits);
    assert!(!feed.whole && feed.links.len() == 10);
}
