//! Rights through the whole chain: from files and pages to rows and documents.

use serde_json::{Value, json};
use tusou_contract::{Document, ImageId};
use tusou_testkit::{Chain, Site, World, pictures};

/// A JPEG whose file says who made it, under which licence, and when.
fn signed(number: u32) -> Vec<u8> {
    let segment = |content: &[&[u8]]| {
        let content = content.concat();
        let size = u16::try_from(content.len() + 2).expect("a segment is short");
        [&[0xFF, 0xE1][..], &size.to_be_bytes(), &content].concat()
    };
    // One directory with a pointer to the EXIF directory, which has one text.
    let moment = b"2024:06:01 12:00:00\0";
    let exif = [
        &b"MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1A\0\0\0\0"[..],
        b"\0\x01\x90\x03\0\x02\0\0\0\x14\0\0\0\x2C\0\0\0\0",
        moment,
    ]
    .concat();
    let xmp = "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' \
               xmlns:dc='http://purl.org/dc/elements/1.1/' \
               xmlns:xmpRights='http://ns.adobe.com/xap/1.0/rights/'>\
               <rdf:Description xmpRights:WebStatement='https://file.example/by' dc:creator='The file'/>\
               </rdf:RDF>";
    let plain = pictures::jpeg(number);
    [
        &plain[..2],
        &segment(&[b"Exif\0\0", &exif]),
        &segment(&[b"http://ns.adobe.com/xap/1.0/\0", xmp.as_bytes()]),
        &plain[2..],
    ]
    .concat()
}

async fn document(chain: &Chain, id: ImageId) -> Document {
    let documents = chain.world.documents().await;
    let mut found = documents.into_iter().filter(|it| it.image_id == id);
    found.next().expect("the picture is indexed")
}

/// The rights of the picture's live sightings, by page.
async fn sightings(chain: &Chain, id: ImageId) -> Vec<Value> {
    sqlx::query_scalar(
        "SELECT sightings.rights FROM sightings JOIN pages USING (page_id)
         WHERE image_id = $1 AND gone_since IS NULL ORDER BY pages.url",
    )
    .bind(id.as_bytes().as_slice())
    .fetch_all(chain.world.pool())
    .await
    .expect("the world's database answers")
}

#[tokio::test]
async fn a_sighting_keeps_what_its_page_says_and_the_document_adds_the_file() {
    let site = Site::start().await;
    let by = |creator: &str| {
        format!(
            r#"<img src=/signed.jpg><script type="application/ld+json">{{"@type": "ImageObject",
            "contentUrl": "/signed.jpg", "creator": {{"name": "{creator}"}}, "creditText": "A page",
            "acquireLicensePage": "/buy"}}</script>"#
        )
    };
    site.html(
        "/",
        format!("{}<a href=/b>b</a><a href=/c>c</a>", by("Ann")),
    );
    site.html("/b", by("Ann"));
    site.html(
        "/c",
        "<img src=/signed.jpg><a rel=license href=/terms>terms</a><img src=/plain.png>",
    );
    site.html("/terms", "");
    site.jpeg("/signed.jpg", signed(1));
    site.png("/plain.png", pictures::png(2));
    let chain = Chain::start(World::new("rights").await).await;
    chain.seed(&site.url("/")).await;
    chain.done().await;

    let signed = ImageId::of(&signed(1));
    let of_ann = json!({"creator": "Ann", "credit": "A page", "acquire": site.url("/buy")});
    let terms = json!({"license": site.url("/terms")});
    assert_eq!(
        sightings(&chain, signed).await,
        [of_ann.clone(), of_ann.clone(), terms.clone()]
    );
    let file: Value = sqlx::query_scalar("SELECT rights FROM images WHERE image_id = $1")
        .bind(signed.as_bytes().as_slice())
        .fetch_one(chain.world.pool())
        .await
        .expect("the picture's row");
    assert_eq!(
        file,
        json!({"creator": "The file", "license": "https://file.example/by"})
    );
    let shown = document(&chain, signed).await;
    let rights = serde_json::to_value(&shown.rights).expect("rights are JSON");
    assert_eq!(
        rights,
        json!({"creator": "Ann", "credit": "A page", "license": "https://file.example/by"})
    );
    let taken = shown
        .taken_at
        .expect("the file tells when")
        .unix_timestamp();
    assert_eq!(taken, 1_717_243_200);
    let plain = ImageId::of(&pictures::png(2));
    assert_eq!(sightings(&chain, plain).await, [terms]);
    let plain = document(&chain, plain).await.rights;
    assert_eq!(plain.license, Some(site.url("/terms")));

    // What the pages say now replaces what they said.
    site.html(
        "/",
        format!("{}<a href=/b>b</a><a href=/c>c</a>", by("Eve")),
    );
    site.html("/b", by("Eve"));
    site.html("/c", "<img src=/signed.jpg><img src=/plain.png>");
    chain.tusou(&["recrawl", "--all"]).await;
    chain.done().await;
    let of_eve = json!({"creator": "Eve", "credit": "A page", "acquire": site.url("/buy")});
    assert_eq!(
        sightings(&chain, signed).await,
        [of_eve.clone(), of_eve, json!({})]
    );
    let shown = document(&chain, signed).await.rights;
    assert_eq!(shown.creator.as_deref(), Some("Eve"));
    let plain = document(&chain, ImageId::of(&pictures::png(2)))
        .await
        .rights;
    assert!(plain.is_empty(), "{plain:?}");
    chain.end().await;
}
