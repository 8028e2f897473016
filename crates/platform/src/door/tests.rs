//! Names that turn inside while they are asked for, told by a name server of the test's own.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use url::Url;

use super::resolve::Resolver;
use super::{AddressPolicy, Answer, Door, FetchError, Limits, Reach};
use crate::config::Network;

/// The one address that the policy of these tests allows.
const ALLOWED: Ipv4Addr = Ipv4Addr::LOCALHOST;
const INSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const LIMITS: Limits = Limits {
    max_bytes: 1_000,
    read_timeout: Duration::from_secs(30),
    total_timeout: Duration::from_secs(60),
};

/// Answers to questions for IPv4 addresses, in turn; the last one stays. `asked` counts the
/// questions, those for IPv6 addresses left out: they get no address.
struct Names {
    address: SocketAddr,
    asked: Arc<Mutex<usize>>,
}

async fn names(answers: &[&[Ipv4Addr]]) -> Names {
    let socket = UdpSocket::bind((ALLOWED, 0)).await.expect("a port");
    let address = socket.local_addr().expect("it is bound");
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let mut answers: VecDeque<Vec<Ipv4Addr>> =
        answers.iter().map(|answer| answer.to_vec()).collect();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let question = &question[..length];
            let end = question_end(question);
            let is_v4 = question[end - 4..end - 2] == [0, 1];
            let answer = if !is_v4 {
                Vec::new()
            } else {
                *count.lock().expect("no holder of this lock panics") += 1;
                match answers.len() {
                    1 => answers[0].clone(),
                    _ => answers.pop_front().expect("there is an answer"),
                }
            };
            let reply = reply(&question[..end], &answer);
            let _ = socket.send_to(&reply, from).await;
        }
    });
    Names { address, asked }
}

impl Names {
    fn asked(&self) -> usize {
        *self.asked.lock().expect("no holder of this lock panics")
    }
}

/// Where the question ends, its type and class included: RFC 1035, 4.1.2.
fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

/// A message of the question and these addresses, each good for no time at all: RFC 1035, 4.1.
fn reply(question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut reply = question.to_vec();
    let count = u8::try_from(addresses.len()).expect("few addresses");
    // An answer with recursion; one question, the answers, nothing else.
    reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    for address in addresses {
        // The question's name, IPv4 of the internet, no seconds, four bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}

/// A server that counts what connects, and answers `body` to each request.
async fn server(
    address: Ipv4Addr,
    port: u16,
    closes: bool,
) -> std::io::Result<(u16, Arc<Mutex<usize>>)> {
    let listener = TcpListener::bind((address, port)).await?;
    let port = listener.local_addr()?.port();
    let connected = Arc::new(Mutex::new(0));
    let count = Arc::clone(&connected);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *count.lock().expect("no holder of this lock panics") += 1;
            tokio::spawn(async move {
                let connection = if closes { "close" } else { "keep-alive" };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: {connection}\r\ncontent-length: 2\r\n\r\nhi"
                );
                let mut request = [0; 4096];
                while matches!(stream.read(&mut request).await, Ok(1..)) {
                    if stream.write_all(answer.as_bytes()).await.is_err() || closes {
                        return;
                    }
                }
            });
        }
    });
    Ok((port, connected))
}

/// Two servers on one port, of the allowed address and of the one inside.
async fn servers(closes: bool) -> (u16, Arc<Mutex<usize>>, Arc<Mutex<usize>>) {
    for _ in 0..100 {
        let (port, open) = server(ALLOWED, 0, closes).await.expect("a port");
        if let Ok((_, inside)) = server(INSIDE, port, closes).await {
            return (port, open, inside);
        }
    }
    panic!("no port is free on both addresses");
}

fn door(names: &Names) -> Door {
    let policy = AddressPolicy::new(&Network {
        allow: vec!["127.0.0.1/32".parse().expect("a range")],
    });
    let resolver = Resolver::asking(policy.clone(), names.address);
    Door::resolving_by(
        resolver,
        policy,
        "tusoubot/0 (test)",
        Duration::from_secs(10),
        Reach::Anywhere,
    )
    .expect("a client")
}

async fn fetch(door: &Door, port: u16) -> Result<Answer, FetchError> {
    let url = Url::parse(&format!("http://turning.example.org:{port}/")).expect("a URL");
    door.get(&url, HeaderMap::new(), &LIMITS).await
}

fn count(of: &Mutex<usize>) -> usize {
    *of.lock().expect("no holder of this lock panics")
}

#[tokio::test]
async fn a_name_that_turns_inside_is_refused_and_never_reached() {
    let (port, open, inside) = servers(true).await;
    let names = names(&[&[ALLOWED], &[INSIDE]]).await;
    let door = door(&names);
    let answer = fetch(&door, port)
        .await
        .expect("its first address is allowed");
    assert_eq!(&answer.body[..], b"hi");
    // One question: the address that was judged is the one that was connected to.
    assert_eq!((names.asked(), count(&open), count(&inside)), (1, 1, 0));
    let error = fetch(&door, port).await.expect_err("its second is not");
    assert_eq!(error.reason(), "address_refused", "{error:?}");
    assert!(error.to_string().contains("127.0.0.2"), "{error}");
    assert_eq!((names.asked(), count(&open), count(&inside)), (2, 1, 0));
}

#[tokio::test]
async fn of_many_addresses_only_the_permitted_are_tried() {
    let (port, open, inside) = servers(true).await;
    let metadata = Ipv4Addr::new(169, 254, 169, 254);
    let names = names(&[&[INSIDE, metadata, ALLOWED]]).await;
    let door = door(&names);
    for turn in 1..=5 {
        fetch(&door, port).await.expect("one is allowed");
        assert_eq!((count(&open), count(&inside)), (turn, 0));
    }
}

#[tokio::test]
async fn a_kept_connection_stays_with_its_judged_address() {
    let (port, open, inside) = servers(false).await;
    let names = names(&[&[ALLOWED], &[INSIDE]]).await;
    let door = door(&names);
    for _ in 0..3 {
        fetch(&door, port).await.expect("it is connected already");
        // A task of the client's own puts the connection aside for the next request.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!((names.asked(), count(&open), count(&inside)), (1, 1, 0));
}
