//! A database that outcomes are written into, in batches of a given size.

use sqlx::PgPool;
use time::OffsetDateTime;
use tusou_contract::{ImageId, Rights, SightingContext, SightingRights};
use tusou_ingest::seeds::{self, NewSeed};
use tusou_ingest::{
    Address, Budgets, End, Ended, FetchedUrl, ImageBatch, PageBatch, PagePicture, PageRecord,
    PageSummary, PictureLimits, PictureWritten, Reading, Rendering, Scope, Terms, Validators,
    VerifiedImage, record_images, record_pages, verify,
};
use tusou_testkit::{World, pictures};

const ORIGIN: &str = "http://site.test";
const DAY: u32 = 24 * 3600;

const TERMS: Terms = Terms {
    coalesce: time::Duration::ZERO,
    revisit_min_seconds: DAY,
    revisit_max_seconds: 60 * DAY,
    budgets: Budgets::UNBOUNDED,
    pictures: PictureLimits::NONE,
};

/// A world's database with a seed, and how many outcomes are written together there.
pub(crate) struct Desk {
    pub(crate) world: World,
    together: usize,
}

impl Desk {
    pub(crate) async fn open(name: &str, together: usize) -> Self {
        let world = World::new(name).await;
        let seed = NewSeed {
            url: address("/"),
            scope: Scope::Host,
            max_depth: 5,
            max_pages: 100,
            max_images: 0,
            render: Rendering::default(),
        };
        let added = seeds::add(world.pool(), &seed).await;
        added.expect("the world's database answers");
        Self { world, together }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.world.pool()
    }

    /// The row of a page: its id, its host's, and when it is due.
    pub(crate) async fn page(&self, path: &str) -> (i64, i64, OffsetDateTime) {
        sqlx::query_as("SELECT page_id, host_id, due_at FROM pages WHERE url = $1")
            .bind(address(path).as_str())
            .fetch_one(self.pool())
            .await
            .expect("the page is known")
    }

    pub(crate) async fn image_url(&self, path: &str) -> (i64, OffsetDateTime) {
        sqlx::query_as("SELECT image_url_id, due_at FROM image_urls WHERE url = $1")
            .bind(address(path).as_str())
            .fetch_one(self.pool())
            .await
            .expect("the image URL is known")
    }

    /// A page as it was read: its links, and its pictures with their alternative texts.
    pub(crate) async fn read(
        &self,
        path: &str,
        links: &[&str],
        shown: &[(&str, &str)],
    ) -> PageRecord {
        let (page_id, host_id, due_at) = self.page(path).await;
        let picture = |(path, alt): &(&str, &str)| PagePicture {
            address: address(path),
            alt: (*alt).to_owned(),
            title: String::new(),
            caption: String::new(),
            nearby: String::new(),
            context: SightingContext::default(),
            rights: SightingRights {
                rights: Rights {
                    creator: alt.strip_prefix("by ").map(str::to_owned),
                    ..Rights::default()
                },
                acquire: None,
            },
        };
        PageRecord {
            page_id,
            due_at,
            host_id,
            status: 200,
            title: Some(path.to_owned()),
            lang: None,
            unparsable: 0,
            links: links.iter().map(|link| address(link)).collect(),
            pictures: shown.iter().map(picture).collect(),
            validators: Validators {
                etag: Some(format!("\"{path}\"")),
                last_modified: None,
            },
            canonical: None,
            content_hash: *ImageId::of(format!("{path} {shown:?}").as_bytes()).as_bytes(),
            reading: Reading::default(),
        }
    }

    pub(crate) async fn fetched(&self, path: &str) -> FetchedUrl {
        let (image_url_id, due_at) = self.image_url(path).await;
        FetchedUrl {
            image_url_id,
            due_at,
            status: 200,
            validators: Validators::default(),
            led_to: None,
        }
    }

    pub(crate) async fn ended_page(&self, path: &str, end: End, gone: bool) -> Ended {
        let (id, _, due_at) = self.page(path).await;
        ended(id, due_at, end, gone)
    }

    pub(crate) async fn write_pages(&self, read: &[PageRecord], over: &[Ended]) -> PageSummary {
        let mut whole = PageSummary::default();
        for read in read.chunks(self.together) {
            let batch = PageBatch {
                read: read.iter().collect(),
                ended: Vec::new(),
            };
            whole = self.write_page_batch(&batch).await;
        }
        for over in over.chunks(self.together) {
            let batch = PageBatch {
                read: Vec::new(),
                ended: over.to_vec(),
            };
            self.write_page_batch(&batch).await;
        }
        whole
    }

    pub(crate) async fn write_page_batch(&self, batch: &PageBatch<'_>) -> PageSummary {
        let mut tx = self.pool().begin().await.expect("a transaction");
        let summary = record_pages(&mut tx, batch, &TERMS).await;
        let summary = summary.expect("the rows fit the schema");
        tx.commit().await.expect("it commits");
        summary
    }

    pub(crate) async fn write_images(
        &self,
        came: &[(&str, u32)],
        over: &[Ended],
    ) -> Vec<PictureWritten> {
        let mut stored = Vec::new();
        for (path, number) in came {
            stored.push((self.fetched(path).await, verified(*number)));
        }
        let mut written = Vec::new();
        for stored in stored.chunks(self.together) {
            let batch = ImageBatch {
                stored: stored
                    .iter()
                    .map(|(url, image)| (url.clone(), image))
                    .collect(),
                ended: Vec::new(),
            };
            written.extend(self.write_image_batch(&batch).await);
        }
        for over in over.chunks(self.together) {
            let batch = ImageBatch {
                stored: Vec::new(),
                ended: over.to_vec(),
            };
            self.write_image_batch(&batch).await;
        }
        written
    }

    pub(crate) async fn write_image_batch(&self, batch: &ImageBatch<'_>) -> Vec<PictureWritten> {
        let mut tx = self.pool().begin().await.expect("a transaction");
        let recorded = record_images(&mut tx, batch, &TERMS).await;
        let recorded = recorded.expect("the rows fit the schema");
        tx.commit().await.expect("it commits");
        recorded.pictures
    }

    /// Makes everything due again, as an order would.
    pub(crate) async fn make_due(&self) {
        for table in [
            "UPDATE pages SET state = 'due', due_at = clock_timestamp()",
            "UPDATE image_urls SET state = 'due', due_at = clock_timestamp()",
        ] {
            let made = sqlx::query(table).execute(self.pool()).await;
            made.expect("the rows fit the schema");
        }
    }

    /// Everything that the rows say, but for ids, times and how often something changed.
    pub(crate) async fn rows(&self) -> String {
        sqlx::query_scalar(
            "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
                 SELECT concat_ws('|', 'page', url, state, reason, status, title, attempts, depth, etag,
                                  encode(content_hash, 'hex'), revisit_seconds, revisit_at IS NULL)
                 FROM pages
                 UNION ALL
                 SELECT concat_ws('|', 'url', url, state, reason, status, attempts,
                                  encode(image_id, 'hex'), revisit_seconds, revisit_at IS NULL)
                 FROM image_urls
                 UNION ALL
                 SELECT concat_ws('|', 'shown', pages.url, image_urls.url, alt, page_images.rights)
                 FROM page_images JOIN pages USING (page_id) JOIN image_urls USING (image_url_id)
                 UNION ALL
                 SELECT concat_ws('|', 'seen', encode(sightings.image_id, 'hex'), pages.url, image_urls.url,
                                  alt, sightings.rights, gone_since IS NULL)
                 FROM sightings JOIN pages USING (page_id) JOIN image_urls USING (image_url_id)
                 UNION ALL
                 SELECT concat_ws('|', 'image', encode(image_id, 'hex'), format, width, height, bytes)
                 FROM images
                 UNION ALL
                 SELECT DISTINCT concat_ws('|', 'owed', encode(image_id, 'hex')) FROM outbox
                 UNION ALL
                 SELECT concat_ws('|', 'seed', pages) FROM seeds
                 UNION ALL
                 SELECT concat_ws('|', 'host', origin, next_due_at IS NULL) FROM hosts
             ) AS rows (line)",
        )
        .fetch_one(self.pool())
        .await
        .expect("the world's database answers")
    }

    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        let counted = sqlx::query_scalar(statement).fetch_one(self.pool()).await;
        counted.expect("the world's database answers")
    }

    /// The state of a page or an image URL, and whether its next request may be conditional.
    pub(crate) async fn state(&self, path: &str) -> (String, bool) {
        sqlx::query_as(
            "SELECT state::text, etag IS NOT NULL FROM (
                 SELECT url, state, etag FROM pages UNION ALL SELECT url, state, etag FROM image_urls) AS urls
             WHERE url = $1",
        )
        .bind(address(path).as_str())
        .fetch_one(self.pool())
        .await
        .expect("the URL is known")
    }
}

fn address(path: &str) -> Address {
    Address::parse(&format!("{ORIGIN}{path}")).expect("a URL")
}

pub(crate) fn verified(number: u32) -> VerifiedImage {
    verify(pictures::png(number).into(), 1 << 20).expect("a picture")
}

pub(crate) fn ended(id: i64, due_at: OffsetDateTime, end: End, gone: bool) -> Ended {
    Ended {
        id,
        due_at,
        status: Some(if gone { 404 } else { 304 }),
        reason: gone.then(|| "http_404".to_owned()),
        end,
        gone,
    }
}
