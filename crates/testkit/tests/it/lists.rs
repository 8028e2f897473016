//! Pictures that a list names and pictures that lie in a folder: through the real services into the
//! same index, found by the same search, and taken out on request like any others.

use std::time::Duration;

use serde_json::{Value, json};
use tusou_contract::ImageId;
use tusou_testkit::{Chain, Service, Site, World, pictures, tusou, wait_until};

const LIMIT: Duration = Duration::from_secs(120);

async fn search(chain: &Chain, number: u32) -> Value {
    let picture = chain.world.folder().join("query.png");
    // The same pixels in another format: other bytes, the same picture.
    let pixels = pictures::pixels(number, 96, 64);
    let bytes = pictures::compressed(&pixels, pictures::ImageFormat::Bmp);
    std::fs::write(&picture, bytes).expect("the world's folder can be written");
    let path = picture
        .to_str()
        .expect("a temporary folder's name is UTF-8");
    let output = tusou(
        &chain.world,
        &["search", "--image", path, "-k", "1", "--json"],
    )
    .await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["hits"][0].clone()
}

#[tokio::test]
async fn listed_and_imported_pictures_are_found_counted_and_forgotten() {
    let site = Site::start().await;
    site.robots("User-agent: *\nDisallow: /private\n");
    for number in 1..4 {
        site.png(&format!("/{number}"), pictures::png(number));
    }
    site.png("/private/4", pictures::png(4));
    let chain = Chain::start(World::new("lists").await).await;
    let folder = chain.world.folder().join("holidays");
    std::fs::create_dir_all(folder.join("2019")).expect("it can be made");
    // One is listed too: it is one image.
    for (name, number) in [("2019/kite.png", 3), ("2019/图.png", 11), ("beach.png", 12)] {
        std::fs::write(folder.join(name), pictures::png(number)).expect("it can be written");
    }
    std::fs::write(folder.join("2019/图.txt"), "words beside it").expect("it can be written");
    let list = chain.world.folder().join("photos.tsv000");
    let row = |path: &str| {
        let url = site.url(path);
        format!("id{path}\thttps://pages.example{path}\t{url}\twords of {path}\tann\n")
    };
    let rows = ["/1", "/2", "/3", "/private/4", "/missing"]
        .map(row)
        .concat();
    let head = "photo_id\tphoto_url\tphoto_image_url\tphoto_description\tphotographer_username\n";
    std::fs::write(&list, format!("{head}{rows}")).expect("it can be written");

    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    chain.tusou(&["seed", "--list", &text(&list)]).await;
    chain.tusou(&["import", &text(&folder)]).await;
    let status = chain.done().await;
    let image_urls = &status["image_urls"];
    assert_eq!(image_urls["done"], 6, "{status:#}");
    assert_eq!(image_urls["failed"], json!({"http_404": 1}));
    assert_eq!(image_urls["skipped"], json!({"robots": 1}));
    assert_eq!(
        (&status["images"]["stored"], &status["images"]["indexed"]),
        (&json!(5), &json!(5))
    );
    let lists = status["lists"].as_array().expect("lists are a list");
    let done: Vec<(&Value, &Value, &Value)> = lists
        .iter()
        .map(|list| (&list["name"], &list["rows"], &list["done"]))
        .collect();
    let (yes, five, four) = (json!(true), json!(5), json!(4));
    assert_eq!(
        done,
        [
            (&json!("photos.tsv000"), &five, &yes),
            (&json!("holidays"), &four, &yes)
        ]
    );
    assert_eq!(
        site.hits("/private/4"),
        0,
        "a list is no reason to pass over robots.txt"
    );

    let documents = chain.world.documents().await;
    let document = |number: u32| {
        let id = ImageId::of(&pictures::png(number));
        let found = documents.iter().find(|document| document.image_id == id);
        found.expect("it is in the index")
    };
    let imported = document(11);
    assert_eq!(
        (&*imported.relative_path, &*imported.image_name),
        ("2019/图.png", "图.png")
    );
    assert_eq!(imported.captions, ["words beside it"]);
    assert!(imported.hosts.is_empty(), "{:?}", imported.hosts);
    let both = document(3);
    assert_eq!((&*both.relative_path, both.sightings), ("2019/kite.png", 2));
    let listed = document(1);
    assert_eq!(listed.captions, ["words of /1"]);
    assert_eq!(listed.rights.creator.as_deref(), Some("ann"));
    assert_eq!(listed.hosts, ["127.0.0.1"]);

    let mut service = Service::spawn(&chain.world, "tusou-search").await;
    let hit = search(&chain, 11).await;
    assert_eq!(
        hit["image_id"],
        json!(ImageId::of(&pictures::png(11))),
        "{hit:#}"
    );
    let hit = search(&chain, 1).await;
    assert_eq!(
        hit["pages"][0]["page_url"], "https://pages.example/1",
        "{hit:#}"
    );
    assert_eq!(hit["pages"][0]["context"]["columns"]["photo_id"], "id/1");
    service.terminate().await;

    // An owner's request, a file that is gone, a folder imported once more.
    let removed = ImageId::of(&pictures::png(12));
    chain
        .tusou(&["forget", &removed.to_string(), "--yes"])
        .await;
    std::fs::remove_file(folder.join("2019/kite.png")).expect("it was there");
    let said = chain.tusou(&["import", &text(&folder)]).await;
    assert!(said.contains("kept out by a removal"), "{said}");
    wait_until(LIMIT, "the index to follow", async || {
        let documents = chain.world.documents().await;
        let both = documents
            .iter()
            .find(|document| document.image_id == both.image_id);
        documents.len() == 4 && both.is_some_and(|both| both.sightings == 1)
    })
    .await;
    chain.done().await;
    chain.tusou(&["reconcile", "--second-look", "0s"]).await;
    chain
        .tusou(&["forget", &removed.to_string(), "--yes"])
        .await;
    chain.tusou(&["gc", "--second-look", "0s"]).await;
    chain.end().await;
}
