//! A loopback TCP proxy that can be cut and restored: takes a store away for one test, and leaves
//! it to the others.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What a slow line passes at once.
const SLOW_PART: usize = 2 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Bytes a second.
    Slow(u32),
    Stalled,
    Cut,
}

/// A running proxy. It ends, with its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port and passes everything on to `target`, `host:port`.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let (state, watched) = watch::channel(State::Open);
        let task = tokio::spawn(accept(listener, target.to_owned(), watched));
        Self {
            address,
            state,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection, and new ones as they come.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Keeps connections open and takes new ones, but passes nothing on: a peer that went silent.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// Passes no more than so many bytes a second, each way and connection.
    pub fn slow(&self, bytes_a_second: u32) {
        self.state.send_replace(State::Slow(bytes_a_second.max(1)));
    }

    /// Works again; what was stalled goes on.
    pub fn restore(&self) {
        self.state.send_replace(State::Open);
    }
}

async fn accept(listener: TcpListener, target: String, state: watch::Receiver<State>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(near, target.clone(), state.clone()));
    }
}

/// Ends, and so closes both sides, when either side does or the proxy is cut.
async fn connection(near: TcpStream, target: String, state: watch::Receiver<State>) {
    let passing = async {
        let far = TcpStream::connect(&target).await.ok()?;
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        let there = pass(near_read, far_write, state.clone());
        let back = pass(far_read, near_write, state.clone());
        tokio::join!(there, back);
        Some(())
    };
    let mut watched = state.clone();
    tokio::select! {
        _ = watched.wait_for(|state| *state == State::Cut) => {}
        _ = passing => {}
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        if write(&buffer[..bytes], &mut to, &mut state).await.is_none() {
            break;
        }
    }
    // A half-closed connection stays open the other way.
    let _ = to.shutdown().await;
}

/// Passes the bytes on as the state allows; `None` when the other side is gone.
async fn write(
    mut bytes: &[u8],
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    state: &mut watch::Receiver<State>,
) -> Option<()> {
    while !bytes.is_empty() {
        let passes = |state: &State| matches!(state, State::Open | State::Slow(_));
        let now = *state.wait_for(passes).await.ok()?;
        let part = match now {
            State::Slow(_) => &bytes[..bytes.len().min(SLOW_PART)],
            _ => bytes,
        };
        if let State::Slow(rate) = now {
            tokio::time::sleep(Duration::from_secs_f64(part.len() as f64 / f64::from(rate))).await;
        }
        to.write_all(part).await.ok()?;
        bytes = &bytes[part.len()..];
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream) -> std::io::Result<[u8; 2]> {
        stream.write_all(b"hi").await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn passes_stalls_breaks_and_works_again() {
        let proxy = Proxy::start(&echo().await.to_string()).await;
        let mut stream = TcpStream::connect(proxy.address()).await.expect("open");
        assert_eq!(&ask(&mut stream).await.expect("an answer"), b"hi");

        proxy.stall();
        stream
            .write_all(b"yo")
            .await
            .expect("the near side takes it");
        let mut answer = [0; 2];
        let silence = std::time::Duration::from_millis(100);
        let read = stream.read_exact(&mut answer);
        assert!(tokio::time::timeout(silence, read).await.is_err());
        proxy.restore();
        stream.read_exact(&mut answer).await.expect("it goes on");
        assert_eq!(&answer, b"yo");

        // Two bytes at twenty a second: as they were, only later.
        proxy.slow(20);
        assert_eq!(&ask(&mut stream).await.expect("an answer"), b"hi");
        proxy.restore();

        proxy.cut();
        let mut rest = [0; 1];
        assert!(matches!(stream.read(&mut rest).await, Ok(0) | Err(_)));
        let mut refused = TcpStream::connect(proxy.address()).await.expect("accepted");
        assert!(ask(&mut refused).await.is_err());

        proxy.restore();
        let mut stream = TcpStream::connect(proxy.address()).await.expect("open");
        assert_eq!(&ask(&mut stream).await.expect("an answer"), b"hi");
    }
}
