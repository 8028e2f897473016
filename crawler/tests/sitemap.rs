//! Sitemaps of every kind, whole and broken, small and hostile.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use time::macros::datetime;
use tusou_crawler::sitemap::{Kind, Limits, Sitemap, SitemapImage, parse};
use tusou_ingest::address::Address;

fn read(body: impl AsRef<[u8]>) -> Sitemap {
    parse(body.as_ref(), &Limits::default())
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn locs(sitemap: &Sitemap) -> Vec<&str> {
    sitemap
        .entries
        .iter()
        .map(|entry| entry.loc.as_str())
        .collect()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

const PAGES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- the site's pages -->
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
        xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
        xmlns:video="http://www.google.com/schemas/sitemap-video/1.1">
  <url>
    <loc> http://example.org/a?b=1&amp;c=2 </loc>
    <lastmod>2024-02-29T13:05:07+01:00</lastmod>
    <changefreq>daily</changefreq>
    <priority>0.5</priority>
    <image:image>
      <image:loc>http://example.org/red.png</image:loc>
      <image:title>Red &#38; <![CDATA[<b>bold</b>]]>
        &quot;square&quot;</image:title>
      <image:caption>A caption</image:caption>
      <image:license>http://example.org/licence</image:license>
    </image:image>
    <image:image><image:loc>http://example.org/green.png</image:loc></image:image>
    <video:video><video:title>None of ours</video:title><video:loc>http://example.org/v</video:loc></video:video>
  </url>
  <url><loc><![CDATA[http://example.org/c?x&y]]></loc><lastmod>2024</lastmod><image:image/></url>
  <url><lastmod>2024-01-01</lastmod></url>
  <url><loc>/relative</loc></url>
</urlset>
"#;

fn check_pages(sitemap: &Sitemap) {
    assert_eq!(sitemap.kind, Kind::Pages);
    assert_eq!(
        locs(sitemap),
        ["http://example.org/a?b=1&c=2", "http://example.org/c?x&y"]
    );
    let [first, second] = &sitemap.entries[..] else {
        panic!("two pages");
    };
    assert_eq!(first.lastmod, Some(datetime!(2024-02-29 12:05:07 UTC)));
    assert_eq!(second.lastmod, Some(datetime!(2024-01-01 0:00 UTC)));
    let red = SitemapImage {
        loc: address("http://example.org/red.png"),
        title: Some("Red & <b>bold</b> \"square\"".to_owned()),
        caption: Some("A caption".to_owned()),
        license: Some(address("http://example.org/licence")),
    };
    let green = SitemapImage {
        loc: address("http://example.org/green.png"),
        title: None,
        caption: None,
        license: None,
    };
    assert_eq!(first.images, [red, green]);
    assert!(second.images.is_empty() && sitemap.sitemaps.is_empty());
    assert_eq!((sitemap.unparsable, sitemap.left_out), (1, 0));
    assert!(sitemap.whole);
}

#[test]
fn pages_come_with_their_dates_and_pictures() {
    check_pages(&read(PAGES));
    check_pages(&read(gzip(PAGES.as_bytes())));
    // Names count, whatever the prefix.
    let other = PAGES
        .replace("image:", "i:")
        .replace("<url>", "<s:url>")
        .replace("</url>", "</s:url>");
    check_pages(&read(other));
    // White space and a mark before the declaration do no harm.
    check_pages(&read(format!("\u{feff}{PAGES}")));
    check_pages(&read(format!("\n\n{PAGES}")));
}

#[test]
fn an_index_names_further_sitemaps() {
    let index = "<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>
        <sitemap><loc>http://example.org/1.xml.gz</loc><lastmod>2024-01-01</lastmod></sitemap>
        <sitemap><loc>http://example.org/2.xml?a=1&b=2</loc></sitemap>
        <sitemap><loc>ftp://example.org/3.xml</loc></sitemap>
        <url><loc>http://example.org/page</loc></url></sitemapindex>";
    let sitemap = read(index);
    assert_eq!(sitemap.kind, Kind::Index);
    assert_eq!(
        sitemap.sitemaps,
        [
            address("http://example.org/1.xml.gz"),
            address("http://example.org/2.xml?a=1&b=2")
        ]
    );
    assert!(sitemap.entries.is_empty() && sitemap.whole);
    assert_eq!(sitemap.unparsable, 1);
}

#[test]
fn plain_text_names_a_page_a_line() {
    let text = "\u{feff}http://example.org/a\r\n\r\nhttp://example.org/\u{e9}\rno address\n  https://example.org/c  ";
    let sitemap = read(text);
    assert_eq!(sitemap.kind, Kind::Text);
    assert_eq!(
        locs(&sitemap),
        [
            "http://example.org/a",
            "http://example.org/%C3%A9",
            "https://example.org/c"
        ]
    );
    assert_eq!(sitemap.unparsable, 1);
    assert_eq!(read(gzip(text.as_bytes())), sitemap);
}

#[test]
fn character_sets_are_read() {
    let page = |declared: &str| {
        format!(
            "<?xml version='1.0'{declared}?><urlset><url><loc>http://example.org/\u{e9}</loc></url></urlset>"
        )
    };
    let utf16: Vec<u8> = [0xfeff_u16]
        .into_iter()
        .chain(page(" encoding='utf-16'").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin: Vec<u8> = page(" encoding='iso-8859-1'")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).expect("Latin 1"))
        .collect();
    for body in [page("").into_bytes(), utf16, latin] {
        assert_eq!(
            locs(&read(&body)),
            ["http://example.org/%C3%A9"],
            "{}",
            body.escape_ascii()
        );
    }
}

#[test]
fn what_is_none_gives_nothing() {
    for body in [
        "",
        "  \n ",
        "<",
        "<!doctype html><title>404</title><a href=x>x</a>",
        "<rss><channel><link>http://example.org/</link></channel></rss>",
        "<html><urlset><url><loc>http://example.org/</loc></url></urlset></html>",
        "not found",
        "\u{1f}\u{8b}",
    ] {
        let sitemap = read(body);
        assert_eq!(sitemap.kind, Kind::Other, "{body:?}");
        assert!(
            sitemap.entries.is_empty() && sitemap.sitemaps.is_empty(),
            "{body:?}"
        );
    }
}

#[test]
fn what_is_broken_keeps_what_came_before() {
    let good = "<urlset><url><loc>http://example.org/a</loc></url>";
    for end in [
        "",
        "<url><loc>http://example.org/half",
        "<url></loc></url></urlset>",
        "<url><loc>http://example.org/b</urlset>",
        "<!-- no end",
        "<url <",
        "<![CDATA[",
        "<!>",
        "<?",
    ] {
        let sitemap = read(format!("{good}{end}"));
        assert_eq!(locs(&sitemap), ["http://example.org/a"], "{end:?}");
        assert!(!sitemap.whole, "{end:?}");
    }
    assert!(!read(&gzip(PAGES.as_bytes())[..200]).whole);
}

#[test]
fn no_entity_swells() {
    let mut laughs = String::from("<!DOCTYPE urlset [<!ENTITY a0 \"http://example.org/ha\">");
    for turn in 1..10 {
        let ten = format!("&a{};", turn - 1).repeat(10);
        write!(laughs, "<!ENTITY a{turn} \"{ten}\">").expect("a string grows");
    }
    laughs += "<!ENTITY file SYSTEM \"file:///etc/passwd\">]><urlset>\
        <url><loc>&a0;</loc></url><url><loc>&a9;</loc></url><url><loc>http://example.org/&file;</loc></url></urlset>";
    let sitemap = read(laughs);
    assert_eq!(locs(&sitemap), ["http://example.org/&file;"]);
    assert_eq!(sitemap.unparsable, 2);
}

#[test]
fn what_is_taken_is_bounded() {
    let limits = Limits {
        max_entries: 2,
        max_page_images: 2,
        max_images: 3,
        max_text: 5,
        ..Limits::default()
    };
    let image = "<image><loc>http://example.org/i</loc><title>0123456789</title></image>";
    let page = format!(
        "<url><loc>http://example.org/p</loc>{}</url>",
        image.repeat(3)
    );
    let sitemap = parse(
        format!("<urlset>{}</urlset>", page.repeat(3)).as_bytes(),
        &limits,
    );
    let counts: Vec<usize> = sitemap
        .entries
        .iter()
        .map(|entry| entry.images.len())
        .collect();
    assert_eq!(counts, [2, 1]);
    assert_eq!(sitemap.entries[0].images[0].title.as_deref(), Some("01234"));
    // A picture of the first page, two of the second, three of the third, and the third itself.
    assert_eq!(sitemap.left_out, 7);
    let index = "<sitemap><loc>http://example.org/s</loc></sitemap>".repeat(5);
    let index = parse(
        format!("<sitemapindex>{index}</sitemapindex>").as_bytes(),
        &limits,
    );
    assert_eq!((index.sitemaps.len(), index.left_out), (2, 3));
    let lines = parse("http://example.org/l\n".repeat(5).as_bytes(), &limits);
    assert_eq!((lines.entries.len(), lines.left_out), (2, 3));

    let many = "<url><loc>http://example.org/p</loc></url>".repeat(50_010);
    let sitemap = read(format!("<urlset>{many}</urlset>"));
    assert_eq!((sitemap.entries.len(), sitemap.left_out), (50_000, 10));

    let cut = parse(
        PAGES.as_bytes(),
        &Limits {
            max_bytes: 1_000,
            ..Limits::default()
        },
    );
    assert!(!cut.whole && !cut.entries.is_empty());
    let length = PAGES.len() as u64;
    assert!(
        parse(
            PAGES.as_bytes(),
            &Limits {
                max_bytes: length,
                ..Limits::default()
            }
        )
        .whole
    );
}

#[test]
fn hostile_files_end() {
    let long = "a".repeat(1 << 20);
    let hostile = [
        "<a>".repeat(1 << 20),
        format!("<urlset>{}", "<url>".repeat(1 << 20)),
        format!("<urlset><url><loc>http://example.org/{long}</loc></url></urlset>"),
        format!(
            "<urlset><url><loc>{}</loc></url></urlset>",
            "&amp;".repeat(1 << 18)
        ),
        format!("<urlset {}>", format!("{long}='{long}' ").repeat(4)),
        format!("<urlset><{long}>"),
        format!("<!--{}", "<!--".repeat(1 << 18)),
        format!("<!DOCTYPE {}", "<!ENTITY x [".repeat(1 << 17)),
        "&".repeat(1 << 20),
        format!("<urlset>{}", "&".repeat(1 << 20)),
        long.clone(),
        "\n".repeat(1 << 20),
    ];
    for body in hostile {
        let sitemap = read(&body);
        assert!(sitemap.entries.is_empty(), "{:.40}", body);
    }
    // 64 MiB of blanks in 64 KiB: no more than the limit comes out of it.
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let sitemap = read(&bomb);
    assert_eq!((sitemap.kind, sitemap.whole), (Kind::Other, false));
}
