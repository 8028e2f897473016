//! What a host says beside its pages: robots.txt, sitemaps, headers, tdmrep.json.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, RETRY_AFTER,
};
use tusou_crawler::directives::from_headers;
use tusou_crawler::directives::tdm::Reservations;
use tusou_crawler::extract::{self, extract};
use tusou_crawler::feed;
use tusou_crawler::link_header::HeaderLinks;
use tusou_crawler::robots::{PRODUCT_TOKEN, Robots};
use tusou_crawler::sitemap::{self, Kind};
use tusou_ingest::Address;
use tusou_platform::door::Answer;
use tusou_testkit::Fuzz;
use url::Url;

use super::{check_address, check_text, page, seeds};

#[test]
fn any_robots_txt_is_read() {
    let fuzz = Fuzz {
        name: "robots.txt",
        seeds: seeds(&[
            "User-agent: *\nDisallow: /private/\nAllow: /private/open$\nCrawl-delay: 2.5\nSitemap: http://site.test/s.xml\n",
            "user-agent:tusoubot\r\nuser-agent : other # comment\rdisallow: /*.png$\r\n\r\nallow: /%7Euser/\n",
            "\u{feff}User-agent: tusoubot\nDisallow: /a%2fb\nDisallow:\nUser-agent: *\nDisallow: /\n",
            "# nothing\nAllow: /\nDisalow: /typo\nUser-agent: tusoubot/1.0 (x)\nDisallow: /\u{e9}*\u{e9}$\n",
        ]),
        words: &[
            b"User-agent: ",
            b"User-agent: *\n",
            b"User-agent: tusoubot\n",
            b"Disallow: ",
            b"Disallow: /\n",
            b"Allow: /",
            b"Crawl-delay: ",
            b"1e99",
            b"-1",
            b"Sitemap: http://",
            b"*",
            b"$",
            b"%2F",
            b"%7e",
            b"%",
            b"#",
            b":",
            b"\n",
            b"\r",
            b"\r\n",
            b"\xef\xbb\xbf",
            b"\0",
        ],
    };
    let paths = [
        "/",
        "/private/x",
        "/private/open",
        "/a%2Fb?c=d",
        "/%C3%A9/%7Euser/x.png",
        "/robots.txt",
    ];
    fuzz.run(|input| {
        let robots = Robots::parse(input);
        assert_eq!(robots, Robots::parse(input));
        assert!(!robots.is_unreachable());
        for agent in [PRODUCT_TOKEN, "other", ""] {
            for path in paths {
                let allowed = robots.allows_path(agent, path);
                assert!(allowed || path != "/robots.txt");
            }
            let delay = robots.crawl_delay(agent).unwrap_or_default();
            assert!(delay <= Duration::from_secs(24 * 3600));
        }
        robots.sitemaps().iter().for_each(check_address);
        // Neither a mark at its beginning nor an empty line at its end says anything. (A mark, or what is
        // left of a broken one, is passed over once.)
        if !input.starts_with(b"\xef") {
            assert_eq!(robots, Robots::parse(&[b"\xef\xbb\xbf", input].concat()));
        }
        assert_eq!(robots, Robots::parse(&[input, b"\n"].concat()));
    });
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn any_sitemap_is_read() {
    let pages = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
        xmlns:image=\"http://www.google.com/schemas/sitemap-image/1.1\"><url><loc>http://site.test/a?b&amp;c</loc>\
        <lastmod>2024-02-29T01:02:03+01:00</lastmod><image:image><image:loc>http://site.test/i.png</image:loc>\
        <image:title>T &#38; <![CDATA[<u>]]></image:title><image:caption>C</image:caption>\
        <image:license>http://site.test/l</image:license></image:image></url>\
        <url><loc>http://site.test/b</loc><lastmod>2024-02</lastmod></url></urlset>";
    let index = "<sitemapindex><sitemap><loc>http://site.test/1.xml</loc></sitemap>\
        <sitemap><loc>http://site.test/2.xml?a&b</loc></sitemap></sitemapindex>";
    let text = "http://site.test/a\r\nhttp://site.test/b\n\nno address\n";
    let mut bred = seeds(&[
        pages,
        index,
        text,
        "<!DOCTYPE urlset [<!ENTITY a \"b\">]><urlset><url><loc>http://site.test/&a;</loc></url></urlset>",
        "<?xml version='1.0' encoding='iso-8859-1'?><urlset><!-- c --><?pi?><url><loc>http://site.test/</loc></url></urlset>",
    ]);
    bred.push(gzip(pages.as_bytes()));
    let fuzz = Fuzz {
        name: "sitemap",
        seeds: bred,
        words: &[
            b"<url>",
            b"</url>",
            b"<loc>",
            b"</loc>",
            b"<image:image>",
            b"</image:image>",
            b"<sitemap>",
            b"</sitemap>",
            b"<urlset>",
            b"</urlset>",
            b"<lastmod>9999-12-31T23:59:59-23:59</lastmod>",
            b"<lastmod>",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b"<!DOCTYPE x [",
            b"<!ENTITY",
            b"]>",
            b"<?xml",
            b"?>",
            b"&amp;",
            b"&#0;",
            b"&#x10ffff;",
            b"&x;",
            b"&",
            b";",
            b"http://",
            b"\n",
            b"\0",
            b"\xff\xfe",
            b"\x1f\x8b\x08",
            b"'",
            b"\"",
            b"=",
            b"/>",
            b"<",
            b">",
        ],
    };
    let limits = sitemap::Limits {
        max_bytes: 1 << 20,
        max_entries: 20,
        max_page_images: 5,
        max_images: 10,
        max_text: 50,
    };
    fuzz.run(|input| {
        let found = sitemap::parse(input, &limits);
        assert!(
            found.entries.len() <= limits.max_entries && found.sitemaps.len() <= limits.max_entries
        );
        let images = found.entries.iter().flat_map(|entry| &entry.images);
        assert!(images.clone().count() <= limits.max_images);
        for entry in &found.entries {
            check_address(&entry.loc);
            assert!(entry.images.len() <= limits.max_page_images);
        }
        for image in images {
            check_address(&image.loc);
            check_text(image.title.as_ref(), limits.max_text);
            check_text(image.caption.as_ref(), limits.max_text);
        }
        found.sitemaps.iter().for_each(check_address);
        if input.starts_with(b"\x1f\x8b") {
            return;
        }
        assert_eq!(found, sitemap::parse(&gzip(input), &limits));
        // What was read before a cut is what was read without it. (The start names the character set.)
        let cut = input.len() / 2;
        if cut > 300 && matches!(found.kind, Kind::Pages | Kind::Index) {
            let start = sitemap::parse(&input[..cut], &limits);
            assert!(found.entries.starts_with(&start.entries));
            assert!(found.sitemaps.starts_with(&start.sitemaps));
        }
    });
}

#[test]
fn any_feed_is_read() {
    let rss = "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:media=\"http://search.yahoo.com/mrss/\"><channel>\
        <title>T &#38; U</title><link>http://site.test/</link><atom:link rel=\"next\" href=\"?p=2\"/>\
        <image><url>/logo.png</url></image><item><title>I</title><link>http://site.test/a?b&amp;c</link>\
        <description>&lt;img src=\"/d.png\" alt=\"D\"&gt;</description><content:encoded><![CDATA[<img src=/e.png>]]></content:encoded>\
        <media:group><media:content url=\"/m.png\" width=\"9\" medium=\"image\"><media:credit>C</media:credit></media:content>\
        <media:thumbnail url=\"/t.png\"/></media:group><enclosure type=\"image/png\" url=\"/f.png\"/></item></channel></rss>";
    let atom = "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:base=\"/b/\" xml:lang=\"de\"><title>A</title>\
        <entry xml:base=\"c/\"><link href=\"e\"/><author><name>N</name></author><rights>R</rights>\
        <content type=\"xhtml\"><div><img src=\"x.png\" alt=\"&amp;\"/></div></content></entry></feed>";
    let rdf = "<rdf:RDF><channel><title>O</title></channel><item><link>/1</link><cc:license rdf:resource=\"/l\"/></item></rdf:RDF>";
    let fuzz = Fuzz {
        name: "feed",
        seeds: seeds(&[
            rss,
            atom,
            rdf,
            "<!DOCTYPE rss [<!ENTITY a \"b\">]><rss><channel><title>&a;</title>",
        ]),
        words: &[
            b"<item>",
            b"</item>",
            b"<entry>",
            b"</entry>",
            b"<link>",
            b"</link>",
            b"<link rel=\"enclosure\" type=\"image/png\" href=\"/x\"/>",
            b"<channel>",
            b"<media:group>",
            b"</media:group>",
            b"<media:content url=\"/x.png\">",
            b"</media:content>",
            b"<media:thumbnail url=\"/y.png\"/>",
            b"<description>",
            b"</description>",
            b"<content type=\"xhtml\">",
            b"<image>",
            b"<img src=/z>",
            b"&lt;img src=/z&gt;",
            b" xml:base=\"http://site.test/q/\"",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"<!DOCTYPE x [",
            b"&amp;",
            b"&#0;",
            b"&x;",
            b"&",
            b"http://",
            b"\0",
            b"\xff\xfe",
            b"'",
            b"\"",
            b"/>",
            b"<",
            b">",
        ],
    };
    let limits = feed::Limits {
        max_bytes: 1 << 20,
        max_items: 10,
        max_pictures: 12,
        max_text: 50,
    };
    fuzz.run(|input| {
        let found = feed::parse(input, "tusoubot", &page(), &limits);
        assert_eq!(found, feed::parse(input, "tusoubot", &page(), &limits));
        assert!(found.is_feed || found.links.is_empty() && found.pictures.is_empty());
        assert!(found.links.len() <= limits.max_items + 1);
        assert!(found.pictures.len() <= limits.max_pictures);
        check_text(found.title.as_ref(), limits.max_text);
        found
            .links
            .iter()
            .chain(&found.next)
            .for_each(check_address);
        for picture in &found.pictures {
            check_address(&picture.address);
            picture
                .page
                .iter()
                .chain(&picture.variants)
                .for_each(check_address);
            for text in [
                &picture.alt,
                &picture.title,
                &picture.caption,
                &picture.heading,
            ] {
                check_text(text.as_ref(), limits.max_text);
            }
        }
        // A feed is one by its first element.
        if found.is_feed {
            assert_eq!(feed::root(input), Some(feed::Root::Feed));
        }
    });
}

#[test]
fn any_header_is_read() {
    let fuzz = Fuzz {
        name: "headers",
        seeds: seeds(&[
            "noindex, nofollow",
            "tusoubot: noindex, noimageindex\nother: none\nunavailable_after: 25 Jun 2010 15:00:00 PST",
            "noai, noimageai, max-image-preview: large, unavailable_after: Friday, 25-Jun-10 15:00:00 UTC",
            "120",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "text/html; charset=\"windows-1252\"; x=y",
            "http://[::ffff:127.0.0.1]:80/../%2e%2e/\u{e9}?q#f",
            "</2>; rel=\"next\"; title=\"a\\\"b\", </c>;rel=canonical",
            "1",
        ]),
        words: &[
            b"</x>; rel=next",
            b"rel=",
            b"<",
            b">",
            b"noindex",
            b"none",
            b"all",
            b"tusoubot:",
            b"*:",
            b"unavailable_after:",
            b"2024-02-30",
            b"99999999999999999999",
            b",",
            b":",
            b";",
            b"=",
            b"\"",
            b"\n",
            b" ",
            b"\t",
            b"GMT",
            b"Fri, 31 Dec 9999 23:59:59 GMT",
            b"charset=",
            b"utf-16",
            b"//",
            b"\\",
            b"@",
            b"%",
        ],
    };
    let base = Url::parse("http://site.test/a/b").expect("a URL");
    let robots_tag = HeaderName::from_static("x-robots-tag");
    let reservation = HeaderName::from_static("tdm-reservation");
    fuzz.run(|input| {
        let mut headers = HeaderMap::new();
        headers.append(robots_tag.clone(), HeaderValue::from_static("noindex"));
        for line in input.split(|byte| *byte == b'\n') {
            let Ok(value) = HeaderValue::from_bytes(line) else {
                continue;
            };
            headers.append(robots_tag.clone(), value.clone());
            headers.append(reservation.clone(), value.clone());
            headers.append(LINK, value.clone());
            headers.insert(RETRY_AFTER, value.clone());
            headers.insert(LOCATION, value.clone());
            headers.insert(CONTENT_TYPE, value);
        }
        let directives = from_headers(&headers, "tusoubot");
        assert_eq!(directives, from_headers(&headers, "tusoubot"));
        // Nothing that follows takes back what was asked.
        assert!(directives.noindex);
        let beside = HeaderLinks::of(&headers, &page());
        assert_eq!(beside, HeaderLinks::of(&headers, &page()));
        beside
            .neighbours
            .iter()
            .chain(&beside.canonical)
            .for_each(check_address);
        assert!(beside.neighbours.len() <= 64);
        let answer = Answer {
            status: 302,
            headers,
            body: Bytes::new(),
        };
        assert!(answer.retry_after().unwrap_or_default() <= Duration::from_secs(7 * 24 * 3600));
        if let Some(target) = answer.redirect(&base)
            && let Ok(address) = Address::parse(target.as_str())
        {
            check_address(&address);
        }
        let limits = extract::Limits::default();
        let found = extract(
            b"<img src=\xe9 alt=\xe9>",
            answer.content_type(),
            &page(),
            &limits,
        );
        for picture in found.pictures {
            check_address(&picture.address);
            check_text(picture.alt.as_ref(), limits.max_text);
        }
    });
}

#[test]
fn any_tdmrep_json_is_read() {
    let fuzz = Fuzz {
        name: "tdmrep.json",
        seeds: seeds(&[
            r#"[{"location":"/","tdm-reservation":1,"tdm-policy":"http://site.test/p"}]"#,
            r#"[{"location":"/*.png$","tdm-reservation":1},{"location":"/open","tdm-reservation":0}]"#,
            r#"{"location":"*","tdm-reservation":1}"#,
        ]),
        words: &[
            b"[",
            b"]",
            b"{",
            b"}",
            b",",
            b":",
            b"\"",
            b"\\u0000",
            b"1",
            b"0",
            b"1e999",
            b"null",
            b"*",
            b"$",
            b"\"location\":",
            b"\"tdm-reservation\":",
        ],
    };
    fuzz.run(|input| {
        let reservations = Reservations::parse(input);
        assert_eq!(reservations, Reservations::parse(input));
        for path in ["/", "/a.png", "/open/x?y", "/%C3%A9"] {
            let _ = reservations.reserves(path);
        }
        assert!(!Reservations::from_status(Some(404), input).reserves("/"));
    });
}
