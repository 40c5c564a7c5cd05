//! A TCP proxy that does harm: delays, refuses, cuts, loses an answer.

mod requests;

use crate::wait::POLL_PAUSE;
use crate::{Error, Result};
use requests::{Requests, Trap};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The most that is read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks of one direction of one connection on their way. When all places are taken nothing more is read, as on a
/// line that is full.
const CHUNKS_UNDER_WAY_MAX: usize = 256;
/// For the target to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

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
            connection.close();
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

    /// Cuts the connection of the `matches`-th client message that contains `pattern`, counted from now over all
    /// connections: once. The server gets the whole request (all messages up to the one that makes it act) and the
    /// client nothing more, neither its answer nor an earlier one that was still on its way. For connections in
    /// PostgreSQL's protocol without encryption.
    pub fn cut_after_client_sends(&self, pattern: &[u8], matches: usize) {
        *lock(&self.shared.trap) = Some(Trap { pattern: pattern.to_vec(), left: matches });
    }

    /// Whether the trap of [`cut_after_client_sends`](Self::cut_after_client_sends) has found its last match.
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
            let connection = Arc::new(Connection { client, server, muted: AtomicBool::new(false) });
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
            scope.spawn(move || write_client(connection, for_client));
            self.read_server(connection, &to_client);
            drop(to_client);
        });
    }

    fn read_client(&self, connection: &Connection, to_server: &SyncSender<Chunk>) {
        let mut requests = Requests::new();
        while let Some(mut chunk) = self.read(&connection.client) {
            let end = requests.take(&chunk.bytes, &mut lock(&self.trap));
            if let Some(end) = end {
                chunk.bytes.truncate(end);
                chunk.is_trapped = true;
            }
            if to_server.send(chunk).is_err() || end.is_some() {
                return;
            }
        }
    }

    fn write_server(&self, connection: &Connection, chunks: Receiver<Chunk>) {
        for chunk in chunks {
            wait_for(chunk.due);
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

    /// What comes next from a peer; nothing at its end.
    fn read(&self, mut peer: &TcpStream) -> Option<Chunk> {
        let mut bytes = vec![0; CHUNK_BYTES];
        let length = peer.read(&mut bytes).ok().filter(|length| *length > 0)?;
        bytes.truncate(length);
        Some(Chunk { due: Instant::now() + self.state().delay, bytes, is_trapped: false })
    }
}

/// Writes until the server has ended, and then ends the connection: a server of ours never closes one side alone.
fn write_client(connection: &Connection, chunks: Receiver<Chunk>) {
    for chunk in chunks {
        wait_for(chunk.due);
        if !connection.muted.load(Ordering::SeqCst) && (&connection.client).write_all(&chunk.bytes).is_err() {
            // The client is gone. What the server still says is read, so that it can finish what it does.
            connection.muted.store(true, Ordering::SeqCst);
        }
    }
    connection.close();
}

impl Connection {
    fn close(&self) {
        // One side may have ended already.
        let _ = (self.client.shutdown(Shutdown::Both), self.server.shutdown(Shutdown::Both));
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
