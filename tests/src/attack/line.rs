//! A connection that sends whatever it is given and keeps count of what comes back.

use super::wire::{self, Received, flag, kind};
use crate::app::{LIMIT, TestApp};
use anyhow::Context;
use handoff_client::Machine;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Answers to PINGs of the service that may wait to be sent.
const ANSWERS_MAX: usize = 64;

/// Why the service said GOAWAY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The code.
    pub code: u32,
    /// What it says beside it.
    pub says: String,
}

/// What came back so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The GOAWAY, where there was one.
    pub goaway: Option<GoAway>,
    /// Whether the service has closed.
    pub closed: bool,
    /// HEADERS: how many answers began, or ended with trailers.
    pub headers: u64,
    /// Bytes of DATA.
    pub data_bytes: u64,
    /// RST_STREAM by its code.
    pub resets: BTreeMap<u32, u64>,
    /// SETTINGS of ours that were acknowledged.
    pub settings_acked: u64,
    /// PINGs of ours that were answered.
    pub pings_answered: u64,
    /// The number of the last one.
    pub last_ping: u64,
    /// PINGs of the service.
    pub asked: u64,
}

impl Seen {
    /// Whether the service wants no more of this connection.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.closed || self.goaway.is_some()
    }

    fn take(&mut self, frame: &Received) -> anyhow::Result<()> {
        match (frame.kind, frame.flags & flag::ACK) {
            (kind::HEADERS, _) => self.headers += 1,
            (kind::DATA, _) => self.data_bytes += u64::try_from(frame.payload.len())?,
            (kind::RST_STREAM, _) => *self.resets.entry(frame.word(0)?).or_insert(0) += 1,
            (kind::SETTINGS, flag::ACK) => self.settings_acked += 1,
            (kind::PING, flag::ACK) => {
                self.pings_answered += 1;
                self.last_ping = u64::from_be_bytes(frame.payload.as_slice().try_into()?);
            }
            (kind::PING, _) => self.asked += 1,
            (kind::GOAWAY, _) => {
                let says = String::from_utf8_lossy(frame.payload.get(8..).unwrap_or_default()).into_owned();
                self.goaway = Some(GoAway { code: frame.word(4)?, says });
            }
            _ => {}
        }
        Ok(())
    }
}

/// What the service does with this connection, and what was sent until then.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What came back.
    pub seen: Seen,
    /// Frames sent.
    pub frames: u64,
}

/// What a connection is to do with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Reads everything and answers the service's PINGs.
    Answers,
    /// Reads everything and answers nothing.
    Silent,
    /// Reads nothing.
    Deaf,
}

/// The sending half, for the scripts and for the answers to PINGs.
type Out = Arc<Mutex<WriteHalf<TlsStream<TcpStream>>>>;

/// A connection to the service with its TLS handshake done, in our hands. It is closed when it is dropped.
pub struct Line {
    out: Out,
    /// What is not read is kept, so that it stays unread.
    _unread: Option<ReadHalf<TlsStream<TcpStream>>>,
    tasks: Vec<JoinHandle<()>>,
    seen: watch::Receiver<Seen>,
    next_stream: u32,
    pings: u64,
    frames: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// How TLS is spoken to the service: with its own authority as the only one trusted, as HTTP/2, with a certificate or
/// without one.
///
/// # Errors
/// A file of the service's folder cannot be read.
pub fn tls(app: &TestApp, machine: Option<&Machine>) -> anyhow::Result<TlsConnector> {
    handoff_server::tls::install_provider();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(app.path("ca.pem"))?)?)?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match machine {
        None => config.with_no_client_auth(),
        Some(machine) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(machine.cert_pem.as_bytes()).collect();
            config.with_client_auth_cert(chain?, PrivateKeyDer::from_pem_slice(machine.key_pem.as_bytes())?)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A TCP connection to the service, from an address of this machine where one is named.
///
/// # Errors
/// The connection is not made.
pub async fn tcp(app: &TestApp, from: Option<IpAddr>) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    Ok(socket.connect(app.address().parse()?).await?)
}

/// The same with the TLS handshake done.
///
/// # Errors
/// The connection is not made.
pub async fn secured(app: &TestApp, tls: &TlsConnector) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = tcp(app, None).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let done = tokio::time::timeout(LIMIT, tls.connect(name, stream)).await.context("the handshake takes too long")?;
    Ok(done?)
}

impl Line {
    /// A connection that reads everything and answers, with default settings.
    ///
    /// # Errors
    /// The connection is not made.
    pub async fn open(app: &TestApp) -> anyhow::Result<Self> {
        Self::open_with(app, None, Manners::Answers, &[]).await
    }

    /// A connection over a certificate or without one, with these settings.
    ///
    /// # Errors
    /// The connection is not made.
    pub async fn open_with(
        app: &TestApp,
        machine: Option<&Machine>,
        manners: Manners,
        settings: &[(u16, u32)],
    ) -> anyhow::Result<Self> {
        let (incoming, out) = split(secured(app, &tls(app, machine)?).await?);
        let out = Arc::new(Mutex::new(out));
        let (tell, seen) = watch::channel(Seen::default());
        let (unread, tasks) = match manners {
            Manners::Deaf => (Some(incoming), Vec::new()),
            Manners::Silent => (None, vec![tokio::spawn(read(incoming, tell, None))]),
            Manners::Answers => {
                let (answer, pongs) = mpsc::channel(ANSWERS_MAX);
                (None, vec![tokio::spawn(read(incoming, tell, Some(answer))), tokio::spawn(say(out.clone(), pongs))])
            }
        };
        let mut line = Self { out, _unread: unread, tasks, seen, next_stream: 1, pings: 0, frames: 0 };
        line.send(&[wire::PREFACE.as_slice(), &wire::settings(settings)].concat(), 1).await;
        Ok(line)
    }

    /// The number of a stream that was not used yet.
    pub fn stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Sends bytes that are so many frames. Whether they arrived is seen by what comes back.
    pub async fn send(&mut self, bytes: &[u8], frames: u64) -> bool {
        self.frames += frames;
        let mut out = self.out.lock().await;
        out.write_all(bytes).await.is_ok() && out.flush().await.is_ok()
    }

    /// Sends bytes that are so many frames with a PING after them, and waits until that is answered, so that all before
    /// it is done with. In step like this the service never has to close over bytes it has not read, which would take its
    /// GOAWAY away from us. False once the connection is over.
    ///
    /// # Errors
    /// Neither an answer nor an end comes within [`LIMIT`].
    pub async fn in_step(&mut self, bytes: &[u8], frames: u64) -> anyhow::Result<bool> {
        self.pings += 1;
        let (number, mut seen) = (self.pings, self.seen.clone());
        let sent = self.send(&[bytes, &wire::ping(number)].concat(), frames + 1).await;
        let answered = seen.wait_for(|seen| seen.is_over() || sent && seen.last_ping >= number);
        let seen = tokio::time::timeout(LIMIT, answered).await.context("the service answers nothing any more")??;
        Ok(!seen.is_over())
    }

    /// What came back so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until this is so of what came back.
    ///
    /// # Errors
    /// It is not within [`LIMIT`], or nothing is read here.
    pub async fn until(&mut self, is_so: impl FnMut(&Seen) -> bool) -> anyhow::Result<()> {
        let waited = tokio::time::timeout(LIMIT, self.seen.wait_for(is_so)).await;
        let waited = waited.map(|seen| seen.map(|_| ()));
        waited.with_context(|| format!("it has not come: {:?}", self.seen()))??;
        Ok(())
    }

    /// The end of a script: where the service said GOAWAY it also has to close.
    ///
    /// # Errors
    /// It said so and does not close within [`LIMIT`].
    pub async fn answer(mut self) -> anyhow::Result<Answer> {
        if self.seen.borrow().goaway.is_some() {
            self.until(|seen| seen.closed).await?;
        }
        Ok(Answer { seen: self.seen(), frames: self.frames })
    }
}

/// Reads until the end.
async fn read(
    mut from: ReadHalf<TlsStream<TcpStream>>,
    tell: watch::Sender<Seen>,
    answer: Option<mpsc::Sender<Vec<u8>>>,
) {
    while let Ok(frame) = Received::read(&mut from).await {
        let mut taken = Ok(());
        tell.send_modify(|seen| taken = seen.take(&frame));
        if taken.is_err() {
            break;
        }
        if let (Some(answer), kind::PING, flag::NONE) = (&answer, frame.kind, frame.flags) {
            // It never waits for the sending half: who sends waits for what is read here.
            let _ = answer.try_send(wire::frame(kind::PING, flag::ACK, 0, &frame.payload));
        }
    }
    tell.send_modify(|seen| seen.closed = true);
}

/// Sends answers as long as somebody gives them.
async fn say(out: Out, mut answers: mpsc::Receiver<Vec<u8>>) {
    while let Some(answer) = answers.recv().await {
        let mut out = out.lock().await;
        if out.write_all(&answer).await.is_err() || out.flush().await.is_err() {
            return;
        }
    }
}
