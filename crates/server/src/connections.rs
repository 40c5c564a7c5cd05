//! How many connections there are, in all and from one peer, and one of them as the transport sees it.
//!
//! A place is taken before the handshake, so that handshakes count, and given back when the connection is dropped,
//! however it ends. What finds no place is closed at once: no handshake, no word, nothing kept.

use crate::config::Limits;
use crate::metrics::{CONNECTIONS, CONNECTIONS_REFUSED_TOTAL};
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// Bits of an IPv6 address that name a peer: a site is given at least so many, and chooses the others as it likes.
const IPV6_PEER_BITS: u32 = 64;

#[derive(Debug)]
struct Open {
    all: usize,
    /// Peers with at least one connection.
    by_peer: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Counter {
    all_max: usize,
    per_peer_max: usize,
    open: Mutex<Open>,
}

/// All connections of one listener.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Counter>);

/// One connection's place.
#[derive(Debug)]
pub struct Permit {
    counter: Arc<Counter>,
    peer: IpAddr,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let (all_max, per_peer_max) = (limits.connections_max as usize, limits.connections_per_peer_max as usize);
        Self(Arc::new(Counter { all_max, per_peer_max, open: Mutex::new(Open { all: 0, by_peer: HashMap::new() }) }))
    }

    /// A place for a connection from this address, if there is one.
    #[must_use]
    pub fn admit(&self, address: IpAddr) -> Option<Permit> {
        let peer = peer(address);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let full = if open.all >= self.0.all_max {
            Some("all")
        } else if open.by_peer.get(&peer).copied().unwrap_or(0) >= self.0.per_peer_max {
            Some("peer")
        } else {
            None
        };
        if let Some(code) = full {
            metrics::counter!(CONNECTIONS_REFUSED_TOTAL, "code" => code).increment(1);
            return None;
        }
        open.all += 1;
        *open.by_peer.entry(peer).or_insert(0) += 1;
        metrics::gauge!(CONNECTIONS).increment(1.0);
        Some(Permit { counter: self.0.clone(), peer })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.counter.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(count) = open.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.by_peer.remove(&self.peer);
            }
        }
        metrics::gauge!(CONNECTIONS).decrement(1.0);
    }
}

/// Whose connections are counted together.
pub(crate) fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << (128 - IPV6_PEER_BITS));
            IpAddr::V6(bits.into())
        }
    }
}

/// A connection whose handshake is done, with its place. To the transport it is the stream inside: what that says of
/// its peer, its certificates among it, is what this says.
pub struct Counted<S> {
    stream: S,
    /// Until the first byte: how long it may still take. After that the transport asks whether the peer lives.
    first_byte: Option<Pin<Box<Sleep>>>,
    _permit: Permit,
}

impl<S> Counted<S> {
    /// The connection has this long to say its first byte, or it is closed.
    pub fn new(stream: S, permit: Permit, first_byte: Duration) -> Self {
        Self { stream, first_byte: Some(Box::pin(tokio::time::sleep(first_byte))), _permit: permit }
    }
}

impl<S: Connected> Connected for Counted<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> S::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(limit) = &mut self.first_byte else { return read };
        match read {
            Poll::Pending if limit.as_mut().poll(cx).is_ready() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(read) => {
                self.first_byte = None;
                Poll::Ready(read)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn connections(all: u32, per_peer: u32) -> Connections {
        Connections::new(&Limits { connections_max: all, connections_per_peer_max: per_peer, ..Limits::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_peer_has_its_own_limit_and_all_have_one_together() {
        let connections = connections(3, 2);
        let first = connections.admit(ip("10.0.0.1")).expect("the first");
        let _second = connections.admit(ip("10.0.0.1")).expect("the second");
        assert!(connections.admit(ip("10.0.0.1")).is_none(), "two of one peer");
        let other = connections.admit(ip("10.0.0.2")).expect("another peer goes on");
        assert!(connections.admit(ip("10.0.0.3")).is_none(), "three in all");
        drop(other);
        let third = connections.admit(ip("10.0.0.3")).expect("a place is given back");
        drop((first, third));
        assert!(connections.admit(ip("10.0.0.1")).is_some(), "the peer's place too");
        assert_eq!(connections.0.open.lock().unwrap().by_peer.len(), 1, "only who is there is kept");
    }

    #[test]
    fn one_site_is_one_peer_however_its_addresses_are_written() {
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(peer(ip(one)) == peer(ip(other)), same, "{one} {other}");
        }
    }

    #[tokio::test]
    async fn who_says_nothing_after_the_handshake_is_closed_and_who_spoke_may_be_silent() {
        let connections = connections(1, 1);
        let limit = Duration::from_millis(5);
        let counted = |stream| Counted::new(stream, connections.admit(ip("10.0.0.1")).unwrap(), limit);
        let (_client, stream) = tokio::io::duplex(64);
        let mut silent = counted(stream);
        let error = silent.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(silent);
        let (mut client, stream) = tokio::io::duplex(64);
        let mut spoken = counted(stream);
        client.write_all(b"P").await.unwrap();
        assert_eq!(spoken.read_u8().await.unwrap(), b'P');
        let later = tokio::time::timeout(limit * 10, spoken.read_u8()).await;
        assert!(later.is_err(), "still open");
        spoken.write_all(b"answer").await.unwrap();
        spoken.flush().await.unwrap();
        assert!(connections.admit(ip("10.0.0.1")).is_none(), "it has its place as long as it is there");
        drop(spoken);
        assert!(connections.admit(ip("10.0.0.1")).is_some());
    }
}
