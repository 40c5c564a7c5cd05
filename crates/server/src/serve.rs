//! Puts the service together and takes it apart again: store, engine, timers, listeners.
//!
//! Shutdown: stop accepting, end the feeds with their tokens, let the queue run dry, close the store. SIGKILL at any
//! point is equally safe; this is only the polite way.

use crate::auth::{AuthError, Authenticator, Rules};
use crate::config::files::{self, SecretError};
use crate::config::{Config, PolicyFileError, Server};
use crate::cursors::CursorKey;
use crate::edge::{EdgeLayer, OriginsLayer};
use crate::grpc::{FramedFeed, Gate};
use crate::lanes::{Incoming, Lanes, Serving};
use crate::metrics::{Metrics, MetricsError, Readiness, Ready};
use crate::tasks::Tasks;
use crate::tls::{self, TlsError};
use futures_util::StreamExt;
use handoff_domain::time::SECOND;
use handoff_engine::clock::{Clock, SystemClock};
use handoff_engine::recorders::Recorders;
use handoff_engine::tree::{MarkFile, Tree};
use handoff_engine::vault::Vault;
use handoff_engine::writer::{Availability, Fatal};
use handoff_engine::{Engine, Organisation, StartError, open_log};
use handoff_evidence::log::LogKey;
use handoff_proto::FILE_DESCRIPTOR_SET;
use handoff_proto::v1::audit_service_server::AuditServiceServer;
use handoff_proto::v1::directory_service_server::DirectoryServiceServer;
use handoff_proto::v1::evidence_service_server::EvidenceServiceServer;
use handoff_proto::v1::feed_service_server::FeedServiceServer;
use handoff_proto::v1::handoff_service_server::HandoffServiceServer;
use handoff_proto::v1::incident_service_server::IncidentServiceServer;
use handoff_proto::v1::obligation_service_server::ObligationServiceServer;
use handoff_store::query::CaseFilter;
use handoff_store::{Failpoint, Options, StoreError};
use secrecy::ExposeSecret;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server as Transport;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How long the shutdown waits for calls and feeds to end before it closes the store under them.
pub const DRAIN_MS: i64 = 10 * SECOND;

/// What a start may bring besides the configuration.
#[derive(Clone)]
pub struct StartOptions {
    /// Where `now` comes from.
    pub clock: Arc<dyn Clock>,
    /// A crash test's hook into the write path.
    pub failpoint: Failpoint,
    /// Metrics already installed in this process; tests start several services in one.
    pub metrics: Option<Metrics>,
    /// A benchmark's floor: leaves are not signed and no tree is grown, so nothing recorded can ever be proven.
    pub without_evidence: bool,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), failpoint: Failpoint::default(), metrics: None, without_evidence: false }
    }
}

/// Why the service did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store.
    #[error("the database cannot be used")]
    Store(#[source] StoreError),
    /// The engine.
    #[error("the log cannot be used")]
    Start(#[source] StartError),
    /// Organisations and their keys.
    #[error("the organisations cannot be used")]
    Auth(#[source] AuthError),
    /// A key file.
    #[error("a key file cannot be used")]
    Secret(#[source] SecretError),
    /// The policy of witnesses.
    #[error("the policy of witnesses cannot be used")]
    Policy(#[source] PolicyFileError),
    /// The certificate.
    #[error("the server certificate cannot be used")]
    Tls(#[source] TlsError),
    /// A listener.
    #[error("cannot listen on {0}; is another service there?")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// Threads.
    #[error("threads for the organisations cannot be started")]
    Threads(#[source] std::io::Error),
    /// Metrics.
    #[error("metrics cannot be installed")]
    Metrics(#[source] MetricsError),
    /// The transport.
    #[error("the listener failed")]
    Transport(#[source] tonic::transport::Error),
    /// Reflection.
    #[error("the published descriptor cannot be read")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The writer met something only a restart helps against.
    #[error("the writer stopped")]
    Writer(#[source] Fatal),
}

/// A running service.
#[derive(Debug)]
pub struct Running {
    /// Address of the gRPC listener.
    pub grpc: SocketAddr,
    /// Address of the metrics listener.
    pub metrics: SocketAddr,
    /// The engine, for in-process use by tests and the demo.
    pub engine: Engine,
    tasks: Tasks,
    listener: JoinHandle<Result<(), tonic::transport::Error>>,
    writer: JoinHandle<Result<(), Fatal>>,
}

/// Reads the log's key.
///
/// # Errors
/// [`ServeError::Secret`].
pub fn log_key(config: &Config) -> Result<LogKey, ServeError> {
    let file = &config.evidence.log_key_file;
    let seed = files::read_key(file).map_err(ServeError::Secret)?;
    Ok(LogKey::from_seed(seed.expose_secret()))
}

/// Reads the keys personal values are sealed under.
///
/// # Errors
/// [`ServeError::Secret`].
pub fn vault(config: &Config) -> Result<Vault, ServeError> {
    let read = |file: &PathBuf| files::read_key(file).map_err(ServeError::Secret);
    let current = read(&config.sealing.key_file)?;
    let previous = config.sealing.previous_key_files.iter().map(|file| Ok(*read(file)?.expose_secret()));
    Ok(Vault::new(current.expose_secret(), &previous.collect::<Result<Vec<_>, ServeError>>()?))
}

/// Starts the service of a checked configuration.
///
/// # Errors
/// [`ServeError`] says what the operator has to change.
pub async fn start(config: &Config, options: StartOptions) -> Result<Running, ServeError> {
    tls::install_provider();
    let metrics = match options.metrics {
        Some(metrics) => metrics,
        None => Metrics::install().map_err(ServeError::Metrics)?,
    };
    let readiness = Readiness::default();
    let tasks = Tasks::new();
    let key = log_key(config)?;
    let store_options = Options { durability: config.database.durability(), failpoint: options.failpoint };
    let url = config.database.address().map_err(ServeError::Secret)?;
    let mut store = handoff_store::open(url.expose_secret(), store_options).await.map_err(ServeError::Store)?;
    if store.unclean {
        check_beside(&tasks, url.expose_secret().to_owned());
    }
    let recorders = if options.without_evidence { Recorders::idle(key) } else { Recorders::new(key) };
    let recorders = Arc::new(recorders);
    open_log(&mut store, &recorders, options.clock.now()).await.map_err(ServeError::Start)?;
    let policy = config.evidence.policy().map_err(ServeError::Policy)?;
    let mark = config.evidence.mark_file.clone().map(MarkFile::new);
    let tree = Arc::new(Tree::new(recorders, mark, policy));
    let organisations =
        config.organisations.iter().map(|org| Organisation { id: org.id.clone(), kind: org.kind }).collect();
    let vault = Arc::new(vault(config)?);
    let started = Engine::start(store, organisations, vault, tree, options.clock.clone()).await;
    let (engine, run) = started.map_err(ServeError::Start)?;
    // The writer is never aborted: it ends by itself once every handle on the engine is gone.
    let writer = tasks.spawn(run);
    tasks.spawn(handoff_engine::deadlines::run(engine.clone(), tasks.stopping()));
    if !options.without_evidence {
        tasks.spawn(handoff_engine::tree::run(engine.clone(), tasks.stopping()));
    }
    tasks.spawn(handoff_engine::retention::run(engine.clone(), tasks.stopping()));
    tasks.spawn(crate::gauges::run(engine.clone(), tasks.stopping()));
    tasks.spawn(try_sealing_key(engine.clone()));
    let auth = Arc::new(Authenticator::new(&config.organisations, &Rules::of(config)).map_err(ServeError::Auth)?);
    auth.follow(&tasks, &options.clock);
    let cursor = files::read_key(&config.server.resume_key_file).map_err(ServeError::Secret)?;
    let cursors = CursorKey::new(cursor.expose_secret());
    let gate = Gate::new(engine.clone(), auth, cursors, tasks.clone(), &config.server.limits);
    let metrics_listener = listen(config.server.metrics_listen).await?;
    let metrics_at = address(&metrics_listener, config.server.metrics_listen)?;
    let stop = tasks.stopping();
    let serving = crate::metrics::serve(metrics_listener, metrics, readiness.clone(), stop.cancelled_owned());
    tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(error = %error, "the metrics listener failed");
        }
    });
    let listener = listen(config.server.listen).await?;
    let grpc = address(&listener, config.server.listen)?;
    let listening = spawn_listener(config, &gate, listener, &tasks)?;
    readiness.set(Ready::Serving);
    tasks.spawn(follow_availability(engine.clone(), readiness, tasks.stopping()));
    tracing::info!(grpc = %grpc, metrics = %metrics_at, "serving");
    Ok(Running { grpc, metrics: metrics_at, engine, tasks, listener: listening, writer })
}

/// Tries the keys on the values of the newest cases. With a wrong one the service is still needed: who has custody is no
/// secret; but the operator must hear of it before somebody misses a text.
async fn try_sealing_key(engine: Engine) {
    let newest = engine.reader().cases(CaseFilter::default(), None, TRIED_CASES).await;
    for case in newest.iter().flat_map(|page| &page.cases) {
        let Ok(kept) = engine.personal(case.incident, case.version).await else { return };
        if let Some(error) = kept.iter().find_map(|kept| kept.text.as_ref().err()) {
            crate::metrics::sealed_unreadable();
            tracing::error!(%error, "texts kept before do not open: is sealing.key_file the right one?");
            return;
        }
    }
}

/// Cases whose values are tried at the start.
const TRIED_CASES: u32 = 16;

async fn listen(at: SocketAddr) -> Result<TcpListener, ServeError> {
    let bound = || {
        let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restarted service finds its address though connections of before are still being closed.
        socket.set_reuseaddr(true)?;
        socket.bind(at)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|error| ServeError::Listen(at, error))
}

/// Connections that may wait to be accepted: all of a side's desks at once, after a break.
const BACKLOG: u32 = 1_024;

fn address(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, ServeError> {
    listener.local_addr().map_err(|error| ServeError::Listen(asked, error))
}

/// After an unclean stop the file is checked beside serving; a finding ends the process (reliability, 4).
#[expect(clippy::exit, reason = "crash-only: a damaged database is not served for one more command")]
fn check_beside(tasks: &Tasks, url: String) {
    tasks.spawn(async move {
        match handoff_store::integrity(&url).await {
            Ok(findings) if findings.is_empty() => tracing::info!("the database is whole after an unclean stop"),
            Ok(findings) => {
                for finding in &findings {
                    tracing::error!(check = finding.check, detail = finding.detail, "the database is damaged");
                }
                std::process::exit(EXIT_DAMAGED);
            }
            Err(error) => tracing::error!(error = %error, "the database could not be checked"),
        }
    });
}

/// While the database is away the service is not ready, so that a balancer sends calls elsewhere.
async fn follow_availability(engine: Engine, readiness: Readiness, stop: CancellationToken) {
    let mut available = engine.availability();
    // The engine must end with the service, and this task with it.
    drop(engine);
    loop {
        let ready = match *available.borrow_and_update() {
            Availability::Here => Ready::Serving,
            Availability::Away => Ready::StoreAway,
        };
        readiness.set(ready);
        tokio::select! {
            () = stop.cancelled() => return readiness.set(Ready::Draining),
            changed = available.changed() => if changed.is_err() { return },
        }
    }
}

/// Exit code of a process that found its database damaged.
pub const EXIT_DAMAGED: i32 = 70;

/// Each service is SERVING while the database is there and until the stop begins, so that a balancer sends nothing to
/// what cannot take it.
async fn report_health(reporter: HealthReporter, engine: Engine, stop: CancellationToken) {
    let mut services: Vec<_> = handoff_proto::methods();
    services.iter_mut().for_each(|method| method.truncate(method.find('/').unwrap_or(0)));
    services.dedup();
    let mut names: Vec<_> = services.iter().map(|service| format!("{PACKAGE}.{service}")).collect();
    // The service as a whole.
    names.push(String::new());
    let mut available = engine.availability();
    drop(engine);
    loop {
        let status = match *available.borrow_and_update() {
            Availability::Here => ServingStatus::Serving,
            Availability::Away => ServingStatus::NotServing,
        };
        for name in &names {
            reporter.set_service_status(name, status).await;
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = available.changed() => if changed.is_err() { break },
        }
    }
    for name in &names {
        reporter.set_service_status(name, ServingStatus::NotServing).await;
    }
}

/// Package of the protocol.
const PACKAGE: &str = "handoff.v1";

fn services(server: &Server, gate: &Gate, tasks: &Tasks) -> Result<Routes, ServeError> {
    let (decode, encode) =
        (server.limits.message_decode_bytes_max as usize, server.limits.message_encode_bytes_max as usize);
    // One constructor each, so the limits stand on every service.
    macro_rules! limited {
        ($service:ident) => {
            $service::new(gate.clone()).max_decoding_message_size(decode).max_encoding_message_size(encode)
        };
    }
    let map_max = gate.map_bytes_max() + decode;
    let directory =
        DirectoryServiceServer::new(gate.clone()).max_decoding_message_size(map_max).max_encoding_message_size(map_max);
    let mut routes = Routes::new(limited!(IncidentServiceServer))
        .add_service(limited!(HandoffServiceServer))
        .add_service(FramedFeed::new(limited!(FeedServiceServer), gate.clone(), (decode, encode)))
        .add_service(limited!(ObligationServiceServer))
        .add_service(limited!(AuditServiceServer))
        .add_service(limited!(EvidenceServiceServer))
        .add_service(directory);
    if server.reflection {
        let builder =
            || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET);
        routes = routes
            .add_service(builder().build_v1().map_err(ServeError::Reflection)?.max_decoding_message_size(decode))
            .add_service(builder().build_v1alpha().map_err(ServeError::Reflection)?.max_decoding_message_size(decode));
    }
    if server.health {
        let (reporter, health) = tonic_health::server::health_reporter();
        tasks.spawn(report_health(reporter, gate.engine().clone(), tasks.stopping()));
        routes = routes.add_service(health.max_decoding_message_size(decode));
    }
    Ok(routes)
}

fn spawn_listener(
    config: &Config,
    gate: &Gate,
    listener: TcpListener,
    tasks: &Tasks,
) -> Result<JoinHandle<Result<(), tonic::transport::Error>>, ServeError> {
    let server = &config.server;
    let limits = &server.limits;
    let (auth, clock) = (gate.auth(), gate.clock());
    let acceptor = tls::acceptor(server, auth.handshake()).map_err(ServeError::Tls)?;
    // Without certificates nobody is known before the first call, and all share the service's threads.
    let known = config.organisations.iter().filter(|org| org.clients.ca_file.is_some()).map(|org| &org.id);
    let lanes = auth.handshake().map(|_| Lanes::new(known)).transpose().map_err(ServeError::Threads)?;
    let door = lanes.as_ref().and_then(Lanes::door);
    let incoming = tls::incoming(listener, acceptor, limits, door, move |chain| auth.known(chain, clock.now())).boxed();
    let serve = server_of(server, gate, tasks)?;
    Ok(match lanes {
        Some(lanes) => lanes.serve(incoming, serve, tasks),
        None => tasks.spawn(serve(incoming.map(|(_, connection)| Ok(connection)).boxed())),
    })
}

/// How connections are served: one server of the transport for each stream of them.
fn server_of(server: &Server, gate: &Gate, tasks: &Tasks) -> Result<impl Fn(Incoming) -> Serving, ServeError> {
    let limits = &server.limits;
    let routes = services(server, gate, tasks)?;
    let map_message_max = gate.map_bytes_max() + limits.message_decode_bytes_max as usize;
    let edge = EdgeLayer::new(limits, map_message_max, gate.clock(), gate.auth(), handoff_proto::methods());
    let transport = Transport::builder()
        .accept_http1(server.grpc_web)
        .max_concurrent_streams(Some(limits.max_concurrent_streams))
        .http2_max_local_error_reset_streams(Some(limits.local_error_reset_streams_max as usize))
        .http2_max_pending_accept_reset_streams(Some(limits.pending_accept_reset_streams_max as usize))
        .http2_max_header_list_size(limits.header_list_bytes_max)
        .http2_keepalive_interval(Some(limits.keepalive_interval()))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout()))
        // No grace after it: a feed ends by itself within the hour, with its token, and is not cut off.
        .max_connection_age(limits.connection_age());
    let origins = server.grpc_web.then(|| OriginsLayer::new(&server.cors_origins));
    let stop = tasks.stopping();
    Ok(move |incoming: Incoming| -> Serving {
        let (transport, edge, stop) = (transport.clone(), edge.clone(), stop.clone().cancelled_owned());
        match &origins {
            Some(origins) => {
                let mut web = transport.layer(origins.clone()).layer(tonic_web::GrpcWebLayer::new()).layer(edge);
                Box::pin(web.add_routes(routes.clone()).serve_with_incoming_shutdown(incoming, stop))
            }
            None => {
                let router = transport.layer(edge).add_routes(routes.clone());
                Box::pin(router.serve_with_incoming_shutdown(incoming, stop))
            }
        }
    })
}

impl Running {
    /// Waits until the service has to stop by itself: the writer met something fatal, or the listener failed.
    ///
    /// # Errors
    /// What it was.
    pub async fn failed(&mut self) -> Result<(), ServeError> {
        tokio::select! {
            writer = &mut self.writer => match writer {
                Ok(Err(fatal)) => Err(ServeError::Writer(fatal)),
                Ok(Ok(())) | Err(_) => Ok(()),
            },
            listener = &mut self.listener => match listener {
                Ok(Err(error)) => Err(ServeError::Transport(error)),
                Ok(Ok(())) | Err(_) => Ok(()),
            },
        }
    }

    /// Ends streams, lets the queue run dry, closes the store.
    ///
    /// # Errors
    /// The writer's last batch could not be written.
    pub async fn shutdown(self) -> Result<(), ServeError> {
        let Self { engine, tasks, listener, writer, .. } = self;
        let clock = engine.clock();
        tasks.stop();
        let limit = clock.sleep_until(clock.now().plus(DRAIN_MS));
        tokio::select! {
            _ = listener => {}
            () = limit => tracing::warn!("calls were still open after the drain limit"),
        }
        drop(engine);
        match writer.await {
            Ok(Err(fatal)) => Err(ServeError::Writer(fatal)),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}
