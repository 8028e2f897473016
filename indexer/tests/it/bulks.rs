//! Bulks that the server finds too large or too many, by a front that refuses what the real one behind it would take.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tusou_platform::broker::Outgoing;
use tusou_testkit::World;

use crate::support::{
    Indexer, Sighting, encoded, picture, publish, seen_picture, sight, wait_indexed, wait_queues,
    world,
};

/// Bodies of bulks are refused above so many bytes, and so many bulks are refused whatever they hold.
struct Front {
    most_bytes: usize,
    too_many: AtomicI64,
    refused: AtomicI64,
}

impl Front {
    /// Stands before the world's server from now on.
    async fn before(world: &mut World, most_bytes: usize, too_many: i64) -> Arc<Self> {
        let url = world.config.elasticsearch.url.clone();
        let behind = url.trim_start_matches("http://").trim_end_matches('/');
        let behind = behind.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        world.config.elasticsearch.url = format!("http://{address}");
        let front = Arc::new(Self {
            most_bytes,
            too_many: AtomicI64::new(too_many),
            refused: AtomicI64::new(0),
        });
        let its = front.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (front, behind) = (its.clone(), behind.clone());
                // A connection that breaks is the client's to open again.
                tokio::spawn(async move { front.answer(client, &behind).await.ok() });
            }
        });
        front
    }

    /// One request a connection.
    async fn answer(&self, mut client: TcpStream, behind: &str) -> std::io::Result<()> {
        let mut request = Vec::new();
        let head = loop {
            if client.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
            if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break String::from_utf8_lossy(&request[..end]).into_owned();
            }
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().expect("a length is a number"))
        });
        let (begin, length): (usize, usize) = (head.len() + 4, length.unwrap_or(0));
        while request.len() < begin + length {
            client.read_buf(&mut request).await?;
        }
        let is_bulk = head.starts_with("POST /_bulk");
        let refusal = if is_bulk && length > self.most_bytes {
            Some("413 Content Too Large")
        } else if is_bulk && self.too_many.fetch_sub(1, Ordering::Relaxed) > 0 {
            Some("429 Too Many Requests")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let words = format!("the front says {refusal}");
            let answer = format!(
                "HTTP/1.1 {refusal}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
                words.len()
            );
            return client.write_all(answer.as_bytes()).await;
        }
        let mut server = TcpStream::connect(behind).await?;
        let (first, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
        let head = format!("{first}\r\nconnection: close\r\n{rest}\r\n\r\n");
        server.write_all(head.as_bytes()).await?;
        server.write_all(&request[begin..]).await?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        // The server does as it is told and does not say so: the client would send its next request into the end.
        let line = answer.windows(2).position(|bytes| bytes == b"\r\n");
        let (status, rest) = answer.split_at(line.unwrap_or_default());
        client.write_all(status).await?;
        client.write_all(b"\r\nconnection: close").await?;
        client.write_all(rest).await
    }

    fn refused(&self) -> i64 {
        self.refused.load(Ordering::Relaxed)
    }
}

async fn messages(world: &World, count: usize) -> Vec<Outgoing> {
    let mut messages = Vec::new();
    for number in 0..count {
        let id = seen_picture(world, &format!("picture {number}")).await;
        messages.push(Outgoing::of(&encoded(world, id, [0.6, 0.8, 0.0, 0.0])));
    }
    messages
}

#[tokio::test]
async fn bulks_become_as_small_as_the_server_takes_and_one_document_beyond_is_dead() {
    let mut world = world("too_large").await;
    let front = Front::before(&mut world, 2_000, 0).await;
    let mut messages = messages(&world, 40).await;
    let large = picture(&world, "large").await;
    let (caption, image) = ("x".repeat(2_000), "http://site.test/large.png");
    let sighting = Sighting {
        page: "http://site.test/",
        image,
        alt: "",
        caption: &caption,
        seen: "2026-01-02T00:00:00Z",
        gone: false,
    };
    sight(&world, large, &sighting).await;
    messages.push(Outgoing::of(&encoded(&world, large, [0.6, 0.8, 0.0, 0.0])));
    publish(&world, &messages).await;
    let indexer = Indexer::start(&world);
    wait_indexed(&world, 40).await;
    wait_queues(&world, &[("images.embedded.dead", 1)]).await;
    let refusal: String = sqlx::query_scalar("SELECT refusal FROM indexed WHERE image_id = $1")
        .bind(large.as_bytes().as_slice())
        .fetch_one(world.pool())
        .await
        .expect("it is recorded");
    assert!(refusal.contains("the front says 413"), "{refusal}");
    // Halved each time: not tried one document at a time.
    assert!((2..20).contains(&front.refused()), "{}", front.refused());
    assert_eq!(world.documents().await.len(), 40);
    indexer.ready().await.stop().await;
    world.end().await;
}

#[tokio::test]
async fn bulks_that_are_too_many_are_sent_again_and_none_is_dead() {
    let mut world = world("too_many").await;
    world.config.indexer.bulk_documents = 5;
    let front = Front::before(&mut world, usize::MAX, 6).await;
    let messages = messages(&world, 40).await;
    publish(&world, &messages).await;
    let indexer = Indexer::start(&world);
    wait_indexed(&world, 40).await;
    wait_queues(&world, &[]).await;
    assert_eq!(front.refused(), 6);
    assert_eq!(world.documents().await.len(), 40);
    indexer.ready().await.stop().await;
    world.end().await;
}
