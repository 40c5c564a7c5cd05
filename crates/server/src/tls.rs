//! The accepting side of a connection: provider, certificate, TLS 1.3 and nothing older.
//!
//! tonic's own TLS settings know neither protocol versions nor session resumption, so the acceptor is ours. It keeps
//! a plain [`TcpStream`] inside, or tonic's `peer_certs` would find nothing once clients bring certificates.

mod guard;

use crate::config::{Limits, Server, files};
use crate::connections::{Connections, Counted};
use crate::dev_ca;
use futures_util::{Stream, StreamExt};
use handoff_domain::ids::{ClientId, OrgId};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use secrecy::ExposeSecret;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::TcpIncoming;

pub use guard::{Bounds, Guarded};

/// Longest certificate chain file, in bytes.
pub const CERT_BYTES_MAX: u64 = 256 * 1024;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Makes aws-lc-rs the one crypto provider of TLS and tokens. Called first in `main` and in every test binary;
/// further calls do nothing.
pub fn install_provider() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // A second installation only tells that somebody was faster with the same provider: no other one is built in.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    });
}

/// Why the server has no certificate to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file is not there, not readable or too long.
    #[error("cannot read {}", file.display())]
    CertUnreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate in PEM form", file.display())]
    NoCert {
        /// The file.
        file: PathBuf,
    },
    /// The key file is not usable.
    #[error("private key")]
    Key(#[source] files::SecretError),
    /// Certificate and key do not fit, or TLS cannot use them.
    #[error("certificate and key do not fit together")]
    Mismatch(#[source] rustls::Error),
}

impl TlsError {
    /// The configuration key it is about.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::CertUnreadable { .. } | Self::NoCert { .. } => "server.tls_cert_file",
            Self::Key(_) | Self::Mismatch(_) => "server.tls_key_file",
        }
    }

    /// What the operator does about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::CertUnreadable { .. } | Self::NoCert { .. } => {
                "name the server certificate; `handoff dev-ca` makes one for development".to_owned()
            }
            Self::Key(error) => error.remedy(),
            Self::Mismatch(_) => "name the key the certificate was made for".to_owned(),
        }
    }
}

/// The server's certificate chain with its key, found to fit.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    config: ServerConfig,
}

impl Identity {
    /// Whether `dev-ca` issued it.
    #[must_use]
    pub fn is_development(&self) -> bool {
        let mark = dev_ca::CERT_MARK.as_bytes();
        self.chain.iter().any(|cert| cert.windows(mark.len()).any(|bytes| bytes == mark))
    }

    /// TLS 1.3 with HTTP/2, and HTTP/1.1 where gRPC-Web needs it. No tickets and no session store: a resumed session
    /// would bring back a client certificate without checking it again.
    #[must_use]
    pub fn server_config(mut self, http1: bool) -> ServerConfig {
        self.config.alpn_protocols = vec![b"h2".to_vec()];
        if http1 {
            self.config.alpn_protocols.push(b"http/1.1".to_vec());
        }
        self.config
    }
}

/// Reads certificate and key. Where `clients` is given, nobody comes in without a certificate it holds good.
///
/// # Errors
/// A file cannot be read, the key is open to others, or the two do not fit.
pub fn load_identity(
    cert_file: &Path,
    key_file: &Path,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Identity, TlsError> {
    install_provider();
    let file = || cert_file.to_owned();
    let pem = files::read_text(cert_file, CERT_BYTES_MAX)
        .map_err(|source| TlsError::CertUnreadable { file: file(), source })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| TlsError::NoCert { file: file() })?;
    let secret = files::read_secret(key_file).map_err(TlsError::Key)?;
    let key = PrivateKeyDer::from_pem_slice(secret.expose_secret()).map_err(|_| {
        TlsError::Key(files::SecretError::Malformed {
            file: key_file.to_owned(),
            expected: "a private key in PEM form",
        })
    })?;
    let builder = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain.clone(), key).map_err(TlsError::Mismatch)?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Identity { chain, config })
}

/// The acceptor of the gRPC listener.
///
/// # Errors
/// As [`load_identity`].
pub fn acceptor(server: &Server, clients: Option<Arc<dyn ClientCertVerifier>>) -> Result<TlsAcceptor, TlsError> {
    let identity = load_identity(&server.tls_cert_file, &server.tls_key_file, clients)?;
    Ok(TlsAcceptor::from(Arc::new(identity.server_config(server.grpc_web))))
}

/// A connection to serve: its handshake is done, it has its place and keeps within its bounds.
pub type Connection = Counted<Guarded<TlsStream<TcpStream>>>;

/// Connections whose handshake is done, each with the organisation whose machine shows its certificate, if one is known.
/// Handshakes run beside each other at the `door`, or here where there is none, so a slow one holds up no other; one that
/// fails or takes too long is dropped and leaves the listener running. `known` tells which machine shows a chain.
pub fn incoming<K>(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    limits: &Limits,
    door: Option<Handle>,
    known: K,
) -> impl Stream<Item = (Option<OrgId>, Connection)> + Send + use<K>
where
    K: Fn(&[CertificateDer<'static>]) -> Option<(OrgId, ClientId)> + Clone + Send + 'static,
{
    let (deadline, bounds) = (limits.tls_handshake(), Bounds::of(limits));
    let handshakes_max = limits.tls_handshakes_max as usize;
    let connections = Connections::new(limits);
    TcpIncoming::from(listener)
        .with_nodelay(Some(true))
        .with_keepalive(Some(limits.tcp_keepalive()))
        .map(move |accepted| {
            let (acceptor, known, door) = (acceptor.clone(), known.clone(), door.clone());
            // Judged as it is accepted: what finds no place is closed here and waits for nothing.
            let accepted = accepted.map(|stream| {
                let permit = stream.peer_addr().ok().and_then(|peer| connections.admit(peer.ip()));
                permit.map(|permit| (stream, permit))
            });
            async move {
                let (stream, permit) = match accepted {
                    Ok(admitted) => admitted?,
                    Err(error) => {
                        // Out of file descriptors, as a rule: trying again at once would only burn the processor.
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        return None;
                    }
                };
                let greeting = greet(acceptor, stream, deadline, known);
                let (stream, machine) = match door {
                    Some(door) => door.spawn(greeting).await.ok()??,
                    None => greeting.await?,
                };
                let org = machine.as_ref().map(|(org, _)| org.clone());
                permit.open(machine).map(|permit| (org, Counted::new(Guarded::new(stream, bounds), permit)))
            }
        })
        .buffer_unordered(handshakes_max)
        .filter_map(std::future::ready)
}

/// One handshake, and whose certificate it showed.
async fn greet<K>(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    deadline: Duration,
    known: K,
) -> Option<(TlsStream<TcpStream>, Option<(OrgId, ClientId)>)>
where
    K: Fn(&[CertificateDer<'static>]) -> Option<(OrgId, ClientId)>,
{
    match tokio::time::timeout(deadline, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let machine = known(stream.get_ref().1.peer_certificates().unwrap_or_default());
            Some((stream, machine))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}
