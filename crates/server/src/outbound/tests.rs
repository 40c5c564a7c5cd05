//! Against a real TLS server on loopback: whom the service trusts, where it goes, and what it takes.

use super::*;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

const LOOPBACK: &str = "127.0.0.0/8";

/// A certificate authority with a certificate for `localhost` and 127.0.0.1, and its file.
struct Authority {
    folder: TempDir,
    config: Arc<ServerConfig>,
}

impl Authority {
    fn new() -> Self {
        crate::tls::install_provider();
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let names = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let cert = names.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca_pem).unwrap();
        Self { folder, config: Arc::new(config.unwrap()) }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// What the server answers on `/keys`.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Bytes(usize),
    Redirect,
    Error,
    Never,
}

/// A server of that authority. It counts the requests to `/keys` and to anything else.
struct Server {
    port: u16,
    asked: Arc<[AtomicUsize; 2]>,
    _stop: DropGuard,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test")]
    async fn start(authority: &Authority, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::clone(&authority.config));
        let asked: Arc<[AtomicUsize; 2]> = Arc::default();
        let stop = CancellationToken::new();
        let (counted, stopped) = (Arc::clone(&asked), stop.clone());
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request| respond(request, answer, Arc::clone(&counted)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        };
        tokio::spawn(async move { stopped.run_until_cancelled(serve).await });
        Self { port, asked, _stop: stop.drop_guard() }
    }

    fn asked(&self) -> [usize; 2] {
        [0, 1].map(|at: usize| self.asked[at].load(Ordering::SeqCst))
    }

    /// A target there, with loopback allowed.
    fn target(&self, host: &str, ca_file: &Path) -> Target {
        let url = format!("https://{host}:{}/keys", self.port);
        Target::new(&url, ca_file, &[LOOPBACK.parse().unwrap()]).unwrap()
    }
}

async fn respond(
    request: Request<hyper::body::Incoming>,
    answer: Answer,
    asked: Arc<[AtomicUsize; 2]>,
) -> Result<Response<Full<&'static [u8]>>, Infallible> {
    let keys = request.uri().path() == "/keys";
    asked[usize::from(!keys)].fetch_add(1, Ordering::SeqCst);
    static BYTES: [u8; ANSWER_BYTES_MAX + 1] = [b' '; ANSWER_BYTES_MAX + 1];
    let answer = if keys { answer } else { Answer::Bytes(2) };
    let (status, bytes) = match answer {
        Answer::Bytes(count) => (200, &BYTES[..count]),
        Answer::Redirect => (302, &BYTES[..2]),
        Answer::Error => (500, &BYTES[..2]),
        Answer::Never => std::future::pending().await,
    };
    let response = Response::builder().status(status).header("location", "/elsewhere");
    Ok(response.body(Full::new(bytes)).unwrap())
}

#[tokio::test]
async fn the_pinned_authority_is_trusted_and_no_other() {
    let (pinned, other) = (Authority::new(), Authority::new());
    let server = Server::start(&pinned, Answer::Bytes(10)).await;
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(server.target(host, &pinned.file()).get("*/*").await.unwrap().len(), 10, "{host}");
    }
    let refused = server.target("127.0.0.1", &other.file()).get("*/*").await;
    assert!(matches!(refused, Err(OutboundError::Tls(_))), "{refused:?}");
    let misnamed = server.target("127.0.0.2", &pinned.file()).get("*/*").await;
    assert!(matches!(misnamed, Err(OutboundError::Tls(_) | OutboundError::Connect(_))), "{misnamed:?}");
    assert_eq!(server.asked(), [2, 0]);
}

#[tokio::test]
async fn a_renewed_authority_is_taken_without_a_restart() {
    let (pinned, other) = (Authority::new(), Authority::new());
    let server = Server::start(&pinned, Answer::Bytes(1)).await;
    let target = server.target("127.0.0.1", &other.file());
    assert!(target.get("*/*").await.is_err());
    std::fs::copy(pinned.file(), other.file()).unwrap();
    assert!(target.get("*/*").await.is_ok());
    std::fs::write(other.file(), "no certificate").unwrap();
    assert!(matches!(target.get("*/*").await, Err(OutboundError::NoCa { .. })));
    std::fs::remove_file(other.file()).unwrap();
    assert!(matches!(target.get("*/*").await, Err(OutboundError::CaUnreadable { .. })));
}

#[tokio::test]
async fn only_a_plain_answer_is_taken_and_no_redirect_is_followed() {
    let authority = Authority::new();
    for (answer, status) in [(Answer::Redirect, 302), (Answer::Error, 500)] {
        let server = Server::start(&authority, answer).await;
        let refused = server.target("127.0.0.1", &authority.file()).get("*/*").await;
        assert!(matches!(&refused, Err(OutboundError::Status(found)) if found.as_u16() == status), "{refused:?}");
        assert_eq!(server.asked(), [1, 0]);
    }
}

#[tokio::test]
async fn an_answer_has_a_longest_length() {
    let authority = Authority::new();
    for (bytes, taken) in [(ANSWER_BYTES_MAX, true), (ANSWER_BYTES_MAX + 1, false)] {
        let server = Server::start(&authority, Answer::Bytes(bytes)).await;
        let answer = server.target("127.0.0.1", &authority.file()).get("*/*").await;
        assert_eq!(answer.as_ref().map(Vec::len).ok(), taken.then_some(bytes), "{answer:?}");
        assert!(taken || matches!(answer, Err(OutboundError::Body(_))));
    }
}

#[tokio::test]
async fn a_slow_server_is_cut_off() {
    let authority = Authority::new();
    let server = Server::start(&authority, Answer::Never).await;
    let short = Duration::from_millis(200);
    let cut = server.target("127.0.0.1", &authority.file()).within(short).get("*/*").await;
    assert!(matches!(cut, Err(OutboundError::Slow(limit)) if limit == short), "{cut:?}");
    assert_eq!(server.asked(), [1, 0]);
    // One that takes connections and never speaks TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/keys", silent.local_addr().unwrap());
    let target = Target::new(&url, &authority.file(), &[LOOPBACK.parse().unwrap()]).unwrap().within(short);
    assert!(matches!(target.get("*/*").await, Err(OutboundError::Slow(_))));
    assert_eq!(REQUEST_TIME_MAX, Duration::from_secs(2));
}

#[tokio::test]
async fn a_private_address_is_refused_after_the_name_is_resolved_unless_allowed() {
    let authority = Authority::new();
    let server = Server::start(&authority, Answer::Bytes(1)).await;
    for host in ["127.0.0.1", "localhost", "127.1", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"] {
        let url = format!("https://{host}:{}/keys", server.port);
        for allowed in [&[][..], &["10.0.0.0/8".parse().unwrap()]] {
            let Ok(target) = Target::new(&url, &authority.file(), allowed) else { continue };
            let refused = target.get("*/*").await;
            assert!(
                matches!(refused, Err(OutboundError::Private(_) | OutboundError::Name { .. })),
                "{host} {refused:?}"
            );
        }
    }
    assert_eq!(server.asked(), [0, 0], "nobody was asked");
    let at = |host: &str| Target::new(&format!("https://{host}/"), &authority.file(), &[]).unwrap().may_be_reached();
    assert_eq!(["127.0.0.1", "[::1]", "1.1.1.1", "localhost"].map(at), [false, false, true, true]);
}

#[test]
fn only_https_addresses_are_taken() {
    let ca = Path::new("ca.pem");
    for refused in [
        "http://idp.example/keys",
        "HTTP://idp.example/keys",
        "ftp://idp.example/keys",
        "file:///etc/passwd",
        "//idp.example/keys",
        "/keys",
        "idp.example",
        "https://",
        "https:///keys",
        "https://user:pw@idp.example/keys",
        "https://idp.example/keys#one",
        "https://idp example/keys",
        "https://idp_.example\n/keys",
        "",
    ] {
        assert!(matches!(Target::new(refused, ca, &[]), Err(OutboundError::Url(_))), "{refused}");
    }
    for taken in ["https://idp.example", "HTTPS://idp.example:8443/a/b?p=c", "https://[fd00::1]/keys"] {
        assert!(Target::new(taken, ca, &[]).is_ok(), "{taken}");
    }
}
