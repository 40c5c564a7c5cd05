//! Requests the service makes to others: one GET over TLS, to an address an operator wrote down and to no other.
//!
//! Written on hyper and not on a ready client, because of what must *not* happen (security, 4): no redirect is
//! followed, no proxy is taken from the environment, no public certificate authority is trusted, and the address that
//! was looked at is the one that is connected to, so that a name cannot lead inside by resolving anew.

pub mod address;
#[cfg(test)]
mod tests;

use crate::config::files;
use address::Network;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Time one request may take, from the name's resolution to the last byte.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(2);
/// Longest answer, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest file of certificate authorities, in bytes.
const CA_BYTES_MAX: u64 = 256 * 1024;
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Port of an address that names none.
const HTTPS_PORT: u16 = 443;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Not `https://host/path`.
    #[error("`{0}` is not an https address without user or fragment")]
    Url(String),
    /// The pinned authority cannot be read.
    #[error("cannot read {}", file.display())]
    CaUnreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no authority.
    #[error("{} holds no usable certificate in PEM form", file.display())]
    NoCa {
        /// The file.
        file: PathBuf,
    },
    /// The name does not resolve.
    #[error("the name `{name}` does not resolve")]
    Name {
        /// The name.
        name: String,
        /// Why, where the resolver said.
        source: std::io::Error,
    },
    /// Every address of the name is one that is not reached.
    #[error("`{0}` leads into a network that is not allowed")]
    Private(String),
    /// No connection.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// No TLS, or another authority's certificate.
    #[error("the TLS handshake failed")]
    Tls(#[source] std::io::Error),
    /// No HTTP, or cut off.
    #[error("the request failed")]
    Http(#[source] hyper::Error),
    /// Not 200; a redirect is one of these.
    #[error("the answer is {0}, not 200")]
    Status(StatusCode),
    /// The answer is too long or was cut off.
    #[error("the answer is cut off, or longer than {ANSWER_BYTES_MAX} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Slow(Duration),
}

/// An address written down in the configuration, with the authority its certificate must come from.
#[derive(Clone, Debug)]
pub struct Target {
    uri: Uri,
    host: String,
    ca_file: PathBuf,
    allowed: Arc<[Network]>,
    time_max: Duration,
}

impl Target {
    /// The target of that address. `allowed` are the networks inside which it may be nevertheless.
    ///
    /// # Errors
    /// [`OutboundError::Url`].
    pub fn new(url: &str, ca_file: &Path, allowed: &[Network]) -> Result<Self, OutboundError> {
        let refused = || OutboundError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        let plain = uri.scheme_str() == Some("https") && !user && !url.contains('#');
        let host = uri.host().filter(|host| plain && !host.is_empty()).ok_or_else(refused)?;
        // An IPv6 address stands in brackets, and only there.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(host.as_str()).map_err(|_| refused())?;
        Ok(Self { uri, host, ca_file: ca_file.to_owned(), allowed: allowed.into(), time_max: REQUEST_TIME_MAX })
    }

    /// The same with another time limit.
    #[must_use]
    pub fn within(mut self, time_max: Duration) -> Self {
        self.time_max = time_max;
        self
    }

    /// Whether an address written out in the URL is one that may be reached. A name is judged when it is resolved.
    #[must_use]
    pub fn may_be_reached(&self) -> bool {
        self.host.parse().is_ok_and(|ip| address::allowed(ip, &self.allowed))
            || self.host.parse::<std::net::IpAddr>().is_err()
    }

    /// Whether the pinned authority can be used.
    ///
    /// # Errors
    /// [`OutboundError::CaUnreadable`], [`OutboundError::NoCa`].
    pub fn check_ca(&self) -> Result<(), OutboundError> {
        self.tls().map(drop)
    }

    /// One GET. The answer's bytes, if it is 200 and not too long.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn get(&self, accept: &'static str) -> Result<Vec<u8>, OutboundError> {
        let slow = OutboundError::Slow(self.time_max);
        tokio::time::timeout(self.time_max, self.exchange(accept)).await.unwrap_or(Err(slow))
    }

    async fn exchange(&self, accept: &'static str) -> Result<Vec<u8>, OutboundError> {
        // Read for each request, so that a renewed authority is taken without a restart.
        let tls = TlsConnector::from(Arc::new(self.tls()?));
        let name = ServerName::try_from(self.host.clone()).map_err(|_| OutboundError::Url(self.uri.to_string()))?;
        let stream = self.connect(&self.resolve().await?).await.map_err(OutboundError::Connect)?;
        let stream = tls.connect(name, stream).await.map_err(OutboundError::Tls)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(OutboundError::Http)?;
        let request = self.request(accept)?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(OutboundError::Http)?;
            if answer.status() != StatusCode::OK {
                return Err(OutboundError::Status(answer.status()));
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
            Ok(body.collect().await.map_err(OutboundError::Body)?.to_bytes().to_vec())
        };
        // The connection is driven here and not by a task, so that nothing of it is left when the time is over. Its
        // own end says nothing: whoever waits for the answer is told.
        let driven = async {
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = answer => answer,
            () = driven => Err(OutboundError::Slow(self.time_max)),
        }
    }

    fn request(&self, accept: &'static str) -> Result<Request<Empty<&'static [u8]>>, OutboundError> {
        let authority = self.uri.authority().map_or(self.host.as_str(), http::uri::Authority::as_str);
        let path = self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Request::get(path)
            .header(HOST, authority)
            .header(ACCEPT, accept)
            .header(USER_AGENT, "handoff")
            .body(Empty::new())
            .map_err(|_| OutboundError::Url(self.uri.to_string()))
    }

    /// Addresses of the host that may be reached.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, OutboundError> {
        let port = self.uri.port_u16().unwrap_or(HTTPS_PORT);
        let found = tokio::net::lookup_host((self.host.as_str(), port))
            .await
            .map_err(|source| OutboundError::Name { name: self.host.clone(), source })?;
        let reached = found.filter(|at| address::allowed(at.ip(), &self.allowed));
        let reached: Vec<_> = reached.take(ADDRESSES_MAX).collect();
        if reached.is_empty() { Err(OutboundError::Private(self.host.clone())) } else { Ok(reached) }
    }

    /// The first of the addresses that answers. Each has its share of the time, so that one that swallows everything
    /// does not hide the others.
    async fn connect(&self, addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
        let share = self.time_max / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut failed = std::io::ErrorKind::TimedOut.into();
        for at in addresses {
            match tokio::time::timeout(share, TcpStream::connect(at)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    /// TLS that trusts the pinned authority and nobody else.
    fn tls(&self) -> Result<ClientConfig, OutboundError> {
        crate::tls::install_provider();
        let file = || self.ca_file.clone();
        let pem = files::read_text(&self.ca_file, CA_BYTES_MAX)
            .map_err(|source| OutboundError::CaUnreadable { file: file(), source })?;
        let mut roots = RootCertStore::empty();
        for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let added = cert.ok().and_then(|cert| roots.add(cert).ok());
            added.ok_or_else(|| OutboundError::NoCa { file: file() })?;
        }
        if roots.is_empty() {
            return Err(OutboundError::NoCa { file: file() });
        }
        Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    }
}
