//! What `dev-ca` leaves on disk, and what a client makes of it.

use super::*;
use crate::auth::{Authenticator, Rules};
use crate::config::{ClientCertificates, Clients, Organisation};
use crate::tls;
use handoff_domain::caller::{OrgKind, Role};
use handoff_domain::ids::{OfficerId, StationId};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;

/// The real time: rustls judges certificates by the system's clock, and so the certificates are made for it.
fn now() -> Millis {
    #[expect(clippy::disallowed_methods, reason = "rustls reads the system's clock; this test has to agree with it")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Millis(i64::try_from(since.as_millis()).unwrap())
}

fn plan(folder: &Path) -> Plan {
    let org = |id: &str| OrgId::new(id).unwrap();
    Plan {
        folder: folder.join("pki"),
        organisations: vec![(org("A"), Alg::EdDsa), (org("B"), Alg::Es256)],
        machines: vec![(org("A"), ClientId::new("cad").unwrap())],
        replace: false,
    }
}

fn contents(made: &[Made]) -> Vec<(String, Vec<u8>)> {
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    made.iter().map(|made| (name(&made.file), std::fs::read(&made.file).unwrap())).collect()
}

#[test]
fn everything_is_written_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let made = write(&plan(folder.path()), now()).unwrap();
    assert_eq!(made.len(), 17);
    for made in &made {
        let mode = made.file.metadata().unwrap().permissions().mode() & 0o777;
        assert!(made.new && mode == 0o600, "{made:?} {mode:o}");
    }
    let mode = folder.path().join("pki").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    assert_eq!(std::fs::read(folder.path().join("pki/resume.key")).unwrap().len(), 32);
    assert_eq!(std::fs::read_dir(folder.path().join("pki")).unwrap().count(), 17, "nothing half-written is left");
}

#[test]
fn nothing_is_overwritten_unless_asked_and_the_keys_of_what_is_stored_never() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    let first = contents(&write(&plan, now()).unwrap());
    let second = write(&plan, now()).unwrap();
    assert!(second.iter().all(|made| !made.new), "{second:?}");
    assert_eq!(contents(&second), first);
    plan.replace = true;
    let third = write(&plan, now()).unwrap();
    let (kept, changed): (Vec<_>, Vec<_>) = contents(&third).into_iter().partition(|one| first.contains(one));
    assert_eq!((kept.len(), changed.len()), (2, 15));
    let kept: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(kept, ["sealing.key", "log.key"]);
}

#[test]
fn what_is_missing_is_made_again_from_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let first = contents(&write(&plan, now()).unwrap());
    for name in ["A.jwks.json", "B.jwks.json", "server.pem"] {
        std::fs::remove_file(plan.folder.join(name)).unwrap();
    }
    let again = write(&plan, now()).unwrap();
    let same: Vec<_> = contents(&again).into_iter().filter(|one| first.contains(one)).map(|(name, _)| name).collect();
    assert!(same.contains(&"A.jwks.json".to_owned()) && same.contains(&"B.jwks.json".to_owned()), "{same:?}");
    assert!(same.contains(&"ca.pem".to_owned()) && !same.contains(&"server.pem".to_owned()), "{same:?}");
    assert_eq!(again.iter().filter(|made| made.new).count(), 3);
    tls::load_identity(&plan.folder.join("server.pem"), &plan.folder.join("server.key"), None).unwrap();
}

#[test]
fn a_folder_open_to_others_and_a_foreign_key_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(folder.path());
    std::fs::create_dir(&plan.folder).unwrap();
    std::fs::set_permissions(&plan.folder, std::fs::Permissions::from_mode(0o750)).unwrap();
    let error = write(&plan, now()).unwrap_err();
    assert!(error.to_string().contains("mode 750") && error.to_string().contains("chmod 700"), "{error}");
    plan.folder = folder.path().join("other");
    write(&plan, now()).unwrap();
    plan.organisations[0].1 = Alg::Es256;
    let error = write(&plan, now()).unwrap_err();
    assert!(error.to_string().contains("A.issuer.key is not a key this made"), "{error}");
}

#[test]
fn development_issuers_are_recognised_by_their_host() {
    for yes in ["https://issuer.dev.invalid/A", "https://dev.invalid", "https://X.DEV.INVALID:8443/", "a.dev.invalid."]
    {
        assert!(is_development_issuer(yes), "{yes}");
    }
    for no in ["https://dev.invalid.example/A", "https://idp.example/dev.invalid", "https://notdev.invalid/", ""] {
        assert!(!is_development_issuer(no), "{no}");
    }
    assert!(is_development_issuer(&issuer_of(&OrgId::new("A").unwrap())));
}

#[tokio::test]
async fn a_token_made_here_is_taken_there() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    write(&plan, now()).unwrap();
    for (org, alg) in &plan.organisations {
        let mut organisation = Organisation {
            id: org.clone(),
            kind: OrgKind::Party,
            name: "a side".to_owned(),
            issuer: issuer_of(org),
            jwks_file: Some(jwks_file(&plan.folder, org)),
            jwks_url: None,
            jwks_ca_file: None,
            alg: *alg,
            audience: AUDIENCE.to_owned(),
            grantable_roles: vec![Role::DutyOfficer],
            token_life_max_s: 900,
            revoked_file: None,
            clients: Clients::default(),
        };
        let request = TokenRequest {
            subject: OfficerId::new("o-17").unwrap(),
            roles: vec![Role::DutyOfficer],
            station: StationId::new("S1"),
            client: None,
            bound: None,
            life_s: 600,
        };
        let key = issuer_key_file(&plan.folder, org);
        let bearer = token(&organisation, &key, &request, now()).unwrap();
        let certificates = ClientCertificates::Off;
        let rules = Rules { certificates, development: true, private_networks_allowed: Vec::new() };
        let auth = Authenticator::new(std::slice::from_ref(&organisation), &rules).unwrap();
        let session = auth.token(&bearer, now()).await.unwrap();
        assert_eq!(session.caller.officer, Some(request.subject.clone()));
        assert_eq!(session.caller.client.as_str(), crate::auth::CONSOLE_CLIENT);
        organisation.issuer = "https://idp.example/".to_owned();
        assert!(matches!(token(&organisation, &key, &request, now()), Err(TokenError::ForeignIssuer(_))));
    }
}

/// One handshake with the server at `name`, offering what `config` offers.
async fn handshake(folder: &Path, config: ClientConfig, name: &'static str) -> std::io::Result<Vec<u8>> {
    let server = crate::config::Server {
        listen: ([127, 0, 0, 1], 0).into(),
        metrics_listen: ([127, 0, 0, 1], 0).into(),
        tls_cert_file: folder.join("server.pem"),
        tls_key_file: folder.join("server.key"),
        client_certificates: ClientCertificates::Off,
        resume_key_file: folder.join("resume.key"),
        reflection: true,
        health: true,
        grpc_web: false,
        private_networks_allowed: Vec::new(),
        cors_origins: Vec::new(),
        limits: crate::config::Limits::default(),
    };
    let listener = tokio::net::TcpListener::bind(server.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls::acceptor(&server, None).unwrap();
    let mut incoming = Box::pin(tls::incoming(listener, acceptor, &server.limits, None, |_| None));
    let connect = async {
        let stream = tokio::net::TcpStream::connect(address).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector.connect(ServerName::try_from(name).unwrap(), stream).await
    };
    tokio::select! {
        client = connect => client.map(|client| client.get_ref().1.alpn_protocol().unwrap_or_default().to_vec()),
        () = async { while incoming.next().await.is_some() {} } => unreachable!("the listener runs on"),
    }
}

/// A resumed session would bring a client's certificate back without looking at it again.
#[tokio::test]
async fn no_session_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    write(&plan, now()).unwrap();
    let (cert, key) = (plan.folder.join("server.pem"), plan.folder.join("server.key"));
    let server = Arc::new(tls::load_identity(&cert, &key, None).unwrap().server_config(false));
    // A client keeps what it is given for the next time.
    let config = Arc::new(client(&plan.folder, &[&rustls::version::TLS13]));
    for _ in 0..3 {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connector = tokio_rustls::TlsConnector::from(config.clone());
        let acceptor = tokio_rustls::TlsAcceptor::from(server.clone());
        let name = ServerName::try_from("localhost").unwrap();
        let (mut near, mut far) = tokio::try_join!(connector.connect(name, near), acceptor.accept(far)).unwrap();
        // Whatever the server would give comes before this word.
        far.write_all(b"h").await.unwrap();
        far.flush().await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'h');
        assert_eq!(near.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
}

fn client(folder: &Path, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_connects_by_every_name_and_by_tls_1_3_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    write(&plan, now()).unwrap();
    let pki = &plan.folder;
    for name in SERVER_NAMES {
        let alpn = handshake(pki, client(pki, &[&rustls::version::TLS13]), name).await.unwrap();
        assert_eq!(alpn, b"h2", "{name}");
    }
    let other = handshake(pki, client(pki, &[&rustls::version::TLS13]), "handoff.example").await;
    assert!(other.is_err(), "a name that is not in the certificate");
    let old = handshake(pki, client(pki, &[&rustls::version::TLS12]), "localhost").await;
    assert!(old.is_err(), "TLS 1.2 is not spoken");
}
