//! How many connections there are, whose they are, and one of them as the transport sees it.
//!
//! A place is taken before the handshake, so that handshakes count, and given back when the connection is dropped,
//! however it ends. What finds no place is closed at once: no handshake, no word, nothing kept.
//!
//! Until its handshake is done a connection counts for its address, among those that greet. Then it moves among the
//! open ones, and counts for the machine and the organisation its certificate tells, or for its address still where it
//! tells none. So strangers never take an open place; a centre whose desks share one address has room for each of them;
//! and one organisation, from however many addresses, leaves room for the other (`shares`).

use crate::config::Limits;
use crate::metrics::{CONNECTIONS, CONNECTIONS_REFUSED_TOTAL};
use crate::shares::{Holder, Shares, peer};
use handoff_domain::ids::{ClientId, OrgId};
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// Who has a limit of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Peer {
    Address(IpAddr),
    Machine(OrgId, ClientId),
}

#[derive(Debug)]
struct Open {
    /// Handshakes under way, by address.
    greeting: Shares<IpAddr>,
    /// Handshakes done.
    open: Shares<Holder>,
    /// Both together. Peers with at least one connection.
    by_peer: HashMap<Peer, usize>,
}

#[derive(Debug)]
struct Counter {
    greeting_max: usize,
    open_max: usize,
    per_peer_max: usize,
    open: Mutex<Open>,
}

/// All connections of one listener.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Counter>);

/// Among which a connection is.
#[derive(Debug)]
enum Stage {
    Greeting,
    Open(Holder),
}

/// One connection's place.
#[derive(Debug)]
pub struct Permit {
    counter: Arc<Counter>,
    address: IpAddr,
    peer: Peer,
    stage: Stage,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Counter {
            greeting_max: limits.tls_handshakes_max as usize,
            open_max: limits.connections_max as usize,
            per_peer_max: limits.connections_per_peer_max as usize,
            open: Mutex::new(Open { greeting: Shares::new(), open: Shares::new(), by_peer: HashMap::new() }),
        }))
    }

    /// A place for a connection from this address to shake hands, if there is one.
    #[must_use]
    pub fn admit(&self, address: IpAddr) -> Option<Permit> {
        let (address, counter) = (peer(address), &self.0);
        let mut open = counter.open.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = Peer::Address(address);
        if !open.has_room(&peer, counter.per_peer_max) {
            return refused("peer");
        }
        if !open.greeting.enter(&address, counter.greeting_max) {
            return refused("handshakes");
        }
        open.add(&peer);
        metrics::gauge!(CONNECTIONS).increment(1.0);
        Some(Permit { counter: counter.clone(), address, peer, stage: Stage::Greeting })
    }
}

/// Counts what finds no place.
fn refused(code: &'static str) -> Option<Permit> {
    metrics::counter!(CONNECTIONS_REFUSED_TOTAL, "code" => code).increment(1);
    None
}

impl Open {
    fn has_room(&self, peer: &Peer, max: usize) -> bool {
        self.by_peer.get(peer).copied().unwrap_or(0) < max
    }

    fn add(&mut self, peer: &Peer) {
        *self.by_peer.entry(peer.clone()).or_insert(0) += 1;
    }

    fn take_away(&mut self, peer: &Peer) {
        if let Some(count) = self.by_peer.get_mut(peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(peer);
            }
        }
    }
}

impl Permit {
    /// The handshake is done: the place among the open ones, of the machine the certificate tells, if there is one.
    #[must_use]
    pub fn open(mut self, machine: Option<(OrgId, ClientId)>) -> Option<Self> {
        let counter = self.counter.clone();
        let mut open = counter.open.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = Holder::of(machine.as_ref().map(|(org, _)| org.clone()), self.address);
        let peer = machine.map_or(Peer::Address(self.address), |(org, client)| Peer::Machine(org, client));
        let moves = peer != self.peer;
        let full = if moves && !open.has_room(&peer, counter.per_peer_max) {
            Some("peer")
        } else if open.open.enter(&holder, counter.open_max) {
            None
        } else if open.open.taken() >= counter.open_max {
            Some("all")
        } else {
            Some("organisation")
        };
        if let Some(code) = full {
            // The permit gives its place back when it is dropped, which needs the lock.
            drop(open);
            return refused(code);
        }
        open.greeting.leave(&self.address);
        self.stage = Stage::Open(holder);
        if moves {
            open.take_away(&self.peer);
            open.add(&peer);
            self.peer = peer;
        }
        drop(open);
        Some(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.counter.open.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.stage {
            Stage::Greeting => open.greeting.leave(&self.address),
            Stage::Open(holder) => open.open.leave(holder),
        }
        open.take_away(&self.peer);
        metrics::gauge!(CONNECTIONS).decrement(1.0);
    }
}

/// A connection whose handshake is done, with its place. To the transport it is the stream inside: what that says of
/// its peer, its certificates among it, is what this says.
pub struct Counted<S> {
    stream: S,
    _permit: Permit,
}

impl<S> Counted<S> {
    /// The connection keeps its place until it is dropped.
    pub fn new(stream: S, permit: Permit) -> Self {
        Self { stream, _permit: permit }
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
        Pin::new(&mut self.stream).poll_read(cx, buf)
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

    fn connections(all: u32, per_peer: u32) -> Connections {
        let limits = Limits { connections_max: all, connections_per_peer_max: per_peer, ..Limits::default() };
        Connections::new(&Limits { tls_handshakes_max: 8, ..limits })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn machine(org: &str, client: &str) -> Option<(OrgId, ClientId)> {
        Some((OrgId::new(org).unwrap(), ClientId::new(client).unwrap()))
    }

    fn held(connections: &Connections) -> (usize, usize, usize) {
        let open = connections.0.open.lock().unwrap();
        (open.greeting.taken(), open.open.taken(), open.by_peer.len())
    }

    #[test]
    fn a_peer_has_its_own_limit_and_all_have_one_together() {
        let connections = connections(4, 2);
        let open = |from| connections.admit(ip(from)).and_then(|permit| permit.open(None));
        let first = open("10.0.0.1").expect("the first");
        let _second = open("10.0.0.1").expect("the second");
        assert!(connections.admit(ip("10.0.0.1")).is_none(), "two of one peer");
        let others = [open("10.0.0.2").expect("another peer goes on"), open("10.0.0.3").expect("and a third")];
        assert!(open("10.0.0.4").is_none(), "four in all");
        drop(others);
        assert_eq!(held(&connections), (0, 2, 1), "only who is there is kept");
        drop(first);
        assert!(connections.admit(ip("10.0.0.1")).is_some(), "a place is given back");
    }

    #[test]
    fn strangers_that_shake_hands_take_no_open_place() {
        let connections = connections(4, 32);
        let strangers: Vec<_> = std::iter::from_fn(|| connections.admit(ip("10.0.0.9"))).collect();
        assert_eq!(strangers.len(), 6, "one address takes three quarters of the handshakes");
        let known = connections.admit(ip("10.0.0.1")).expect("a handshake of somebody else");
        assert!(known.open(machine("A", "desk-1")).is_some(), "and an open place for who is known");
        drop(strangers);
        assert_eq!(held(&connections), (0, 0, 0));
    }

    #[test]
    fn desks_behind_one_address_have_a_limit_each_and_their_organisation_leaves_room() {
        let connections = connections(16, 2);
        let open = |org, client| connections.admit(ip("10.0.0.1")).and_then(|permit| permit.open(machine(org, client)));
        let mut kept = Vec::new();
        for desk in ["desk-1", "desk-2", "desk-3", "desk-4", "desk-5", "desk-6", "desk-7"] {
            kept.extend(std::iter::from_fn(|| open("A", desk)));
        }
        assert_eq!(kept.len(), 12, "two a desk, and three quarters of all");
        assert!(open("B", "desk-1").is_some(), "the other side, behind the same address");
        drop(kept);
        assert_eq!(held(&connections), (0, 0, 0), "what was refused holds nothing either");
    }
}
