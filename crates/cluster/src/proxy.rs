//! A TCP proxy that does harm: delays, refuses, cuts, loses an answer, falls silent.

mod requests;

use crate::wait::POLL_PAUSE;
use crate::{Error, Result};
use requests::{Requests, Then, Trap};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The most that is read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks of one direction of one connection on their way. When all places are taken nothing more is read, as on a
/// line that is full.
const CHUNKS_UNDER_WAY_MAX: usize = 256;
/// For the target to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// What a proxy holds back: see [`Proxy::hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The line passes everything.
    Nothing,
    /// Clients get nothing; servers get everything and act on it.
    Answers,
    /// Nobody gets anything.
    Everything,
}

/// Listens on a port of 127.0.0.1 and passes every connection on to a target, until told to do otherwise. Dropping it
/// ends every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    trap: Mutex<Option<Trap>>,
    held: Mutex<Held>,
    /// Told when less is held back, and when a connection is closed while it waits for that.
    released: Condvar,
    cuts: AtomicU64,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    refusing: bool,
    closing: bool,
    delay: Duration,
    next_number: u64,
    connections: BTreeMap<u64, Arc<Connection>>,
}

/// One client with its connection to the target.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// The client gets nothing more: what the server still says is read and dropped.
    muted: AtomicBool,
    /// Both sides are ended: what is held back for it goes nowhere.
    closed: AtomicBool,
}

/// Bytes on their way.
#[derive(Debug)]
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    /// The connection is cut once these are written.
    is_trapped: bool,
}

impl Proxy {
    /// Starts a proxy in front of `target`.
    ///
    /// # Errors
    /// When the system gives no port or no thread.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("listen for the proxy"))?;
        let address = listener.local_addr().map_err(Error::io("learn the proxy's port"))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                target,
                refusing: false,
                closing: false,
                delay: Duration::ZERO,
                next_number: 0,
                connections: BTreeMap::new(),
            }),
            trap: Mutex::new(None),
            held: Mutex::new(Held::Nothing),
            released: Condvar::new(),
            cuts: AtomicU64::new(0),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            spawn("proxy", move || shared.accept(&listener))?
        };
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a database behind it, for the role of the service.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@{}/{database}", crate::ROLE, self.address)
    }

    /// Leads new connections to another target. Those that are open stay where they are; see [`cut`](Self::cut).
    pub fn point_to(&self, target: SocketAddr) {
        self.shared.state().target = target;
    }

    /// Ends all open connections at once, in the middle of whatever they were about: both sides read an end that no
    /// message announced. What was still on its way is lost.
    pub fn cut(&self) {
        let connections = std::mem::take(&mut self.shared.state().connections);
        for connection in connections.into_values() {
            // Those that are muted were cut before, or their client has left.
            if !connection.muted.load(Ordering::SeqCst) {
                self.shared.cuts.fetch_add(1, Ordering::SeqCst);
            }
            self.shared.close(&connection);
        }
    }

    /// Whether new connections are refused: taken and ended at once, since a port that is given up may not come back.
    pub fn refuse(&self, refusing: bool) {
        self.shared.state().refusing = refusing;
    }

    /// Holds everything up by this long, in each direction; a question and its answer take twice as long. As on a long
    /// line, more may follow meanwhile. Holds for what is read from now on.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Holds back what is on its way, and what follows, on every connection, until it is told to hold less: a peer that
    /// fell silent. Connections stay open and new ones are taken. What was held back then arrives, in its order and
    /// late, as on a line that lost packets and is mended: also what a client sent that has given the connection up.
    pub fn hold(&self, held: Held) {
        self.shared.hold(held);
    }

    /// Cuts the connection of the `matches`-th client message that contains `pattern`, counted from now over all
    /// connections: once. The server gets the whole request (all messages up to the one that makes it act) and the
    /// client nothing more, neither its answer nor an earlier one that was still on its way. For connections in
    /// PostgreSQL's protocol without encryption.
    pub fn cut_after_client_sends(&self, pattern: &[u8], matches: usize) {
        self.trap(pattern, matches, Then::Cut);
    }

    /// As [`cut_after_client_sends`](Self::cut_after_client_sends), but nothing is cut: from that request on every
    /// answer is held back, as by [`hold`](Self::hold) with [`Held::Answers`]. The server acts on the request.
    pub fn hold_answers_after_client_sends(&self, pattern: &[u8], matches: usize) {
        self.trap(pattern, matches, Then::HoldAnswers);
    }

    fn trap(&self, pattern: &[u8], matches: usize, then: Then) {
        *lock(&self.shared.trap) = Some(Trap { pattern: pattern.to_vec(), left: matches, then });
    }

    /// Whether the trap of [`cut_after_client_sends`](Self::cut_after_client_sends), or of
    /// [`hold_answers_after_client_sends`](Self::hold_answers_after_client_sends), has found its last match.
    pub fn trap_has_gone_off(&self) -> bool {
        lock(&self.shared.trap).as_ref().is_some_and(|trap| trap.left == 0)
    }

    /// How many connections were cut so far, by [`cut`](Self::cut) and by the trap.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.state().connections.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        // Wakes the acceptor, which then sees that it is to end. If the port takes no connection, it has ended.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        self.cut();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let (closing, refusing, target) = {
                let state = self.state();
                (state.closing, state.refusing, state.target)
            };
            if closing {
                return;
            }
            match client {
                Ok(client) if !refusing => {
                    let shared = Arc::clone(self);
                    // Without a thread the client sees an end, as it does when it is refused.
                    let _ = spawn("proxy-client", move || shared.connect(client, target));
                }
                Ok(_) => {}
                // Out of files, for example, which does not pass at once.
                Err(_) => thread::sleep(POLL_PAUSE),
            }
        }
    }

    fn connect(&self, client: TcpStream, target: SocketAddr) {
        // With nobody at the target the client is dropped.
        let Ok(server) = TcpStream::connect_timeout(&target, CONNECT_LIMIT) else { return };
        // Where it cannot be set the bytes arrive later, and that is all.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (number, connection) = {
            let mut state = self.state();
            // What was said while it connected holds for it too: after `point_to` and `cut` nobody is at the old target.
            if state.closing || state.refusing || state.target != target {
                return;
            }
            state.next_number += 1;
            let number = state.next_number;
            let connection = Arc::new(Connection { client, server, muted: false.into(), closed: false.into() });
            state.connections.insert(number, Arc::clone(&connection));
            (number, connection)
        };
        self.carry(&connection);
        self.state().connections.remove(&number);
    }

    /// For each direction a thread that reads, and one that writes when the delay is over. Returns when the server has
    /// ended the connection or it was cut.
    fn carry(&self, connection: &Connection) {
        let (to_server, for_server) = sync_channel(CHUNKS_UNDER_WAY_MAX);
        let (to_client, for_client) = sync_channel(CHUNKS_UNDER_WAY_MAX);
        thread::scope(|scope| {
            // A writer ends when the sender of its reader is gone, which therefore goes with the reader.
            scope.spawn(move || self.read_client(connection, &to_server));
            scope.spawn(move || self.write_server(connection, for_server));
            scope.spawn(move || self.write_client(connection, for_client));
            self.read_server(connection, &to_client);
            drop(to_client);
        });
    }

    fn read_client(&self, connection: &Connection, to_server: &SyncSender<Chunk>) {
        let mut requests = Requests::new();
        while let Some(mut chunk) = self.read(&connection.client) {
            let mut seen = 0;
            loop {
                let taken = requests.take(&chunk.bytes[seen..], &mut lock(&self.trap));
                let Some((length, then)) = taken else { break };
                seen += length;
                match then {
                    // Before the request is out, so that no answer to it can slip through.
                    Then::HoldAnswers => self.hold(Held::Answers),
                    Then::Cut => {
                        chunk.bytes.truncate(seen);
                        chunk.is_trapped = true;
                        break;
                    }
                }
            }
            let is_trapped = chunk.is_trapped;
            if to_server.send(chunk).is_err() || is_trapped {
                return;
            }
        }
    }

    fn write_server(&self, connection: &Connection, chunks: Receiver<Chunk>) {
        for chunk in chunks {
            wait_for(chunk.due);
            self.wait_while(connection, |held| held == Held::Everything);
            // Before the request is out, so that no answer to it can slip through.
            if chunk.is_trapped {
                connection.muted.store(true, Ordering::SeqCst);
            }
            let written = (&connection.server).write_all(&chunk.bytes);
            if chunk.is_trapped {
                self.cuts.fetch_add(1, Ordering::SeqCst);
                let _ = connection.client.shutdown(Shutdown::Both);
            }
            if written.is_err() || chunk.is_trapped {
                break;
            }
        }
        // The end is on the line like everything else.
        self.wait_while(connection, |held| held == Held::Everything);
        // Only this direction: closing the other one could make the system throw away what the server has not read.
        let _ = connection.server.shutdown(Shutdown::Write);
    }

    fn read_server(&self, connection: &Connection, to_client: &SyncSender<Chunk>) {
        while let Some(chunk) = self.read(&connection.server) {
            if to_client.send(chunk).is_err() {
                return;
            }
        }
    }

    /// Writes until the server has ended, and then ends the connection: a server of ours never closes one side alone.
    fn write_client(&self, connection: &Connection, chunks: Receiver<Chunk>) {
        for chunk in chunks {
            wait_for(chunk.due);
            self.wait_while(connection, |held| held != Held::Nothing);
            if !connection.muted.load(Ordering::SeqCst) && (&connection.client).write_all(&chunk.bytes).is_err() {
                // The client is gone. What the server still says is read, so that it can finish what it does.
                connection.muted.store(true, Ordering::SeqCst);
            }
        }
        self.wait_while(connection, |held| held != Held::Nothing);
        self.close(connection);
    }

    fn hold(&self, held: Held) {
        *lock(&self.held) = held;
        self.released.notify_all();
    }

    /// Waits while this much is held back, or until the connection is closed.
    fn wait_while(&self, connection: &Connection, is_held: impl Fn(Held) -> bool) {
        let held = lock(&self.held);
        let waits = |held: &mut Held| is_held(*held) && !connection.closed.load(Ordering::SeqCst);
        drop(self.released.wait_while(held, waits).unwrap_or_else(PoisonError::into_inner));
    }

    fn close(&self, connection: &Connection) {
        // Under the lock, so that whoever is about to wait sees it, and whoever waits is told.
        {
            let _held = lock(&self.held);
            connection.closed.store(true, Ordering::SeqCst);
        }
        self.released.notify_all();
        // One side may have ended already.
        let _ = (connection.client.shutdown(Shutdown::Both), connection.server.shutdown(Shutdown::Both));
    }

    /// What comes next from a peer; nothing at its end.
    fn read(&self, mut peer: &TcpStream) -> Option<Chunk> {
        let mut bytes = vec![0; CHUNK_BYTES];
        let length = peer.read(&mut bytes).ok().filter(|length| *length > 0)?;
        bytes.truncate(length);
        Some(Chunk { due: Instant::now() + self.state().delay, bytes, is_trapped: false })
    }
}

fn wait_for(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::sleep(left);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Error::io("start a thread of the proxy"))
}

/// Whatever a thread that panicked left behind is still a state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
