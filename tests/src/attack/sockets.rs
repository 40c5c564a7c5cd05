//! Scripts that open connections and then do little or nothing with them.

use super::line::{Line, Manners, secured, tcp, tls};
use super::wire::{PREFACE, call_block, flag, frame, headers, kind, setting};
use crate::app::{LIMIT, TestApp};
use anyhow::{Context, ensure};
use futures_util::future::{select_all, try_join_all};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Between two bytes of a handshake that drips.
const DRIP: Duration = Duration::from_millis(20);

/// Reads until the service closes; how many bytes came before.
///
/// # Errors
/// It does not close within [`LIMIT`].
pub async fn closed(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<usize> {
    let mut bytes = 0;
    let read = async {
        let mut buffer = [0; 1_024];
        // An end without a word and a reset say the same.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            bytes += read;
        }
    };
    tokio::time::timeout(LIMIT, read).await.context("the service does not close")?;
    Ok(bytes)
}

/// A ClientHello as bytes.
fn hello() -> anyhow::Result<Vec<u8>> {
    handoff_server::tls::install_provider();
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes)?;
    Ok(bytes)
}

/// Slow handshake: a ClientHello that drips, so that something always comes and the handshake never ends. Returns once
/// the service has closed.
///
/// # Errors
/// It does not close within [`LIMIT`], or lets the whole of it come.
pub async fn slow_handshake(app: &TestApp) -> anyhow::Result<()> {
    let (mut read, mut write) = tcp(app, None).await?.into_split();
    let drip = async {
        let mut ticks = tokio::time::interval(DRIP);
        for byte in hello()? {
            ticks.tick().await;
            if write.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        anyhow::bail!("the whole of it came")
    };
    tokio::select! {
        closed = closed(&mut read) => closed.map(|_| ()),
        dripped = drip => dripped,
    }
}

/// Where a connection stops saying anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silent {
    /// TCP alone.
    BeforeTls,
    /// The handshake is done.
    AfterTls,
    /// So many bytes of the preface have come.
    InPreface(usize),
    /// The preface and SETTINGS have come; questions are not answered.
    AfterSettings,
    /// A request's header block has begun.
    InHeaders,
}

/// An idle socket. Returns once the service has closed.
///
/// # Errors
/// It does not close within [`LIMIT`].
pub async fn idle(app: &TestApp, from: Silent) -> anyhow::Result<()> {
    match from {
        Silent::BeforeTls => {
            closed(&mut tcp(app, None).await?).await?;
        }
        Silent::AfterTls => {
            closed(&mut secured(app, &tls(app, None)?).await?).await?;
        }
        Silent::InPreface(bytes) => {
            let mut stream = secured(app, &tls(app, None)?).await?;
            stream.write_all(&PREFACE[..bytes]).await?;
            stream.flush().await?;
            closed(&mut stream).await?;
        }
        Silent::AfterSettings | Silent::InHeaders => {
            let mut line = Line::open_with(app, None, Manners::Silent, &[]).await?;
            if from == Silent::InHeaders {
                let (stream, block) = (line.stream(), call_block("FeedService/GetPosition", None));
                line.send(&frame(kind::HEADERS, flag::NONE, stream, &block), 1).await;
            }
            line.until(|seen| seen.closed).await?;
        }
    }
    Ok(())
}

/// What became of many connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Storm {
    /// Connections made.
    pub made: usize,
    /// Those the service had closed by the end of their wave.
    pub closed: usize,
}

/// Connections of one wave. The service's listener keeps 128 that it has not accepted yet; what comes beyond that is lost
/// on its way, and nobody is told.
const WAVE: usize = 100;
/// Waves whose connections are kept as long as the service keeps them: more than it may keep in all.
const WAVES_KEPT: usize = 20;
/// Addresses of this machine that waves come from in turn.
const ADDRESSES: usize = 200;

/// Opens so many connections in waves, each from another address of this machine, and says nothing on any of them. A wave
/// is over when no more of it is open than one address may have.
///
/// # Errors
/// A connection is not made, or the service keeps more than it may.
pub async fn storm(app: &TestApp, connections: usize, per_peer: usize) -> anyhow::Result<Storm> {
    let (mut found, mut kept) = (Storm::default(), VecDeque::new());
    for wave in 0..connections.div_ceil(WAVE) {
        let last = u8::try_from(1 + wave % ADDRESSES)?;
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, last));
        let mut open: Vec<TcpStream> = try_join_all((0..WAVE).map(|_| tcp(app, Some(from)))).await?;
        found.made += open.len();
        while open.len() > per_peer {
            let (bytes, at, _) = select_all(open.iter_mut().map(|stream| Box::pin(closed(stream)))).await;
            ensure!(bytes? == 0, "something was said to one that was not let in");
            drop(open.swap_remove(at));
            found.closed += 1;
        }
        kept.push_back(open);
        if kept.len() > WAVES_KEPT {
            kept.pop_front();
        }
    }
    Ok(found)
}

/// A subscriber whose window is shut: it asks for the feed and takes nothing of it, but answers when it is asked whether
/// it lives.
///
/// # Errors
/// The connection is not made.
pub async fn zero_window(app: &TestApp, token: &str) -> anyhow::Result<Line> {
    let mut line = Line::open_with(app, None, Manners::Answers, &[(setting::INITIAL_WINDOW_SIZE, 0)]).await?;
    let stream = line.stream();
    // An empty message: the feed from its beginning.
    let message = frame(kind::DATA, flag::END_STREAM, stream, &[0; 5]);
    let watch = headers(stream, &call_block("FeedService/Watch", Some(token)), false);
    ensure!(line.in_step(&[watch, message].concat(), 2).await?, "the service closed");
    line.until(|seen| seen.headers > 0).await?;
    Ok(line)
}
