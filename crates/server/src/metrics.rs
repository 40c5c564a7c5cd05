//! Prometheus metrics, liveness and readiness, on a listener of their own.
//!
//! Labels are method and code only: no id, no person, no place. Every histogram has fixed buckets,
//! or the exporter would turn it into a summary that cannot be added up over replicas.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | `handoff_rpc_total` | counter | `method`, `code` | calls answered, by gRPC code |
//! | `handoff_rpc_seconds` | histogram | `method` | time to the answer, or to the beginning of a stream |
//! | `handoff_rpc_in_flight` | gauge | | calls not answered yet |
//! | `handoff_shed_total` | counter | `method` | calls refused because too many were under way |
//! | `handoff_rate_limited_total` | counter | `code` (whose rate) | calls refused because somebody calls too often |
//! | `handoff_connections` | gauge | | open connections, handshakes among them |
//! | `handoff_connections_refused_total` | counter | `code` (`all`, `organisation`, `peer`, `handshakes`, `late`, `small_frames`, `resets`) | connections closed by a limit |
//! | `handoff_auth_denied_total` | counter | `code` | tokens refused, by coded reason |
//! | `handoff_revoked_unreadable_total` | counter | `org` | changed revocation lists that could not be used |
//! | `handoff_sealed_unreadable_total` | counter | | texts that were withheld because they do not open |
//! | `handoff_denials_unrecorded_total` | counter | | denied attempts that have no audit row |
//! | `handoff_token_cache_total` | counter | `code` (`hit`, `miss`) | tokens found verified before |
//! | `handoff_key_loads_total` | counter | `code` (`changed`, `same`, `failed`) | issuers' key sets read or fetched |
//! | `handoff_issuers_closed` | gauge | | issuers without usable keys: their tokens are refused |
//! | `handoff_commit_seconds` | histogram | | time of one batch's durable commit |
//! | `handoff_commit_batch_commands` | histogram | | commands in one batch |
//! | `handoff_writer_queue_commands` | gauge | `code` (`facts`, `decisions`) | commands waiting for the writer |
//! | `handoff_feed_subscribers` | gauge | | open feeds |
//! | `handoff_feed_seconds` | histogram | | from commit to the entry handed to a subscriber |
//! | `handoff_deadlines_overdue` | gauge | | obligations past their time |
//! | `handoff_head_position` | gauge | | position of the last published event |
//! | `handoff_tree_entries` | gauge | `code` (`signed`, `proven`) | entries under the newest signed checkpoint, and under the newest one with the quorum of witnesses |
//! | `handoff_tree_halted` | gauge | | 1 while no checkpoint is signed any more; the log says why |
//! | `handoff_unwitnessed_seconds` | gauge | | age of the oldest entry outside a quorum: alarm above 60 s, where a policy is configured |
//! | `handoff_ready` | gauge | | 1 while the service takes calls |

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{Unit, counter, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// Calls answered.
pub const RPC_TOTAL: &str = "handoff_rpc_total";
/// Time to the answer of a unary call.
pub const RPC_SECONDS: &str = "handoff_rpc_seconds";
/// Unary calls under way.
pub const RPC_IN_FLIGHT: &str = "handoff_rpc_in_flight";
/// Calls refused because too many were under way.
pub const SHED_TOTAL: &str = "handoff_shed_total";
/// Calls refused because somebody calls too often.
pub const RATE_LIMITED_TOTAL: &str = "handoff_rate_limited_total";
/// Open connections.
pub const CONNECTIONS: &str = "handoff_connections";
/// Connections closed at once.
pub const CONNECTIONS_REFUSED_TOTAL: &str = "handoff_connections_refused_total";
/// Tokens refused.
pub const AUTH_DENIED_TOTAL: &str = "handoff_auth_denied_total";
/// Changed lists of what was taken back that could not be used.
pub const REVOKED_UNREADABLE_TOTAL: &str = "handoff_revoked_unreadable_total";
/// Reads that had to withhold texts because they do not open.
pub const SEALED_UNREADABLE_TOTAL: &str = "handoff_sealed_unreadable_total";
/// Denied attempts without an audit row: too many at once, or while the database was away.
pub const DENIALS_UNRECORDED_TOTAL: &str = "handoff_denials_unrecorded_total";
/// Tokens found verified before, or not.
pub const TOKEN_CACHE_TOTAL: &str = "handoff_token_cache_total";
/// Issuers' key sets read or fetched.
pub const KEY_LOADS_TOTAL: &str = "handoff_key_loads_total";
/// Issuers whose tokens are refused, because their keys were never fetched or not for too long.
pub const ISSUERS_CLOSED: &str = "handoff_issuers_closed";
/// Time of one batch's durable commit.
pub const COMMIT_SECONDS: &str = "handoff_commit_seconds";
/// Commands in one batch.
pub const COMMIT_BATCH_COMMANDS: &str = "handoff_commit_batch_commands";
/// Commands waiting for the writer.
pub const WRITER_QUEUE_COMMANDS: &str = "handoff_writer_queue_commands";
/// Open feeds.
pub const FEED_SUBSCRIBERS: &str = "handoff_feed_subscribers";
/// From commit to the entry handed to a subscriber.
pub const FEED_SECONDS: &str = "handoff_feed_seconds";
/// Obligations past their time.
pub const DEADLINES_OVERDUE: &str = "handoff_deadlines_overdue";
/// Position of the last published event.
pub const HEAD_POSITION: &str = "handoff_head_position";
/// Entries under a checkpoint.
pub const TREE_ENTRIES: &str = "handoff_tree_entries";
/// Whether the signing of checkpoints has stopped.
pub const TREE_HALTED: &str = "handoff_tree_halted";
/// Age of the oldest entry that no quorum has witnessed.
pub const UNWITNESSED_SECONDS: &str = "handoff_unwitnessed_seconds";
/// Whether the service takes calls.
pub const READY: &str = "handoff_ready";

/// Kind, unit and meaning of each name, in the order of the table above.
const NAMES: [(&str, Kind, Unit, &str); 25] = [
    (RPC_TOTAL, Kind::Counter, Unit::Count, "calls answered, by gRPC code"),
    (RPC_SECONDS, Kind::Histogram, Unit::Seconds, "time to the answer of a unary call"),
    (RPC_IN_FLIGHT, Kind::Gauge, Unit::Count, "unary calls under way"),
    (SHED_TOTAL, Kind::Counter, Unit::Count, "calls refused because too many were under way"),
    (RATE_LIMITED_TOTAL, Kind::Counter, Unit::Count, "calls refused because somebody calls too often"),
    (CONNECTIONS, Kind::Gauge, Unit::Count, "open connections, handshakes among them"),
    (CONNECTIONS_REFUSED_TOTAL, Kind::Counter, Unit::Count, "connections closed by a limit"),
    (AUTH_DENIED_TOTAL, Kind::Counter, Unit::Count, "tokens refused, by coded reason"),
    (REVOKED_UNREADABLE_TOTAL, Kind::Counter, Unit::Count, "changed revocation lists that could not be used"),
    (SEALED_UNREADABLE_TOTAL, Kind::Counter, Unit::Count, "texts that were withheld because they do not open"),
    (DENIALS_UNRECORDED_TOTAL, Kind::Counter, Unit::Count, "denied attempts that have no audit row"),
    (TOKEN_CACHE_TOTAL, Kind::Counter, Unit::Count, "tokens found verified before"),
    (KEY_LOADS_TOTAL, Kind::Counter, Unit::Count, "issuers' key sets read or fetched"),
    (ISSUERS_CLOSED, Kind::Gauge, Unit::Count, "issuers without usable keys: their tokens are refused"),
    (COMMIT_SECONDS, Kind::Histogram, Unit::Seconds, "time of one batch's durable commit"),
    (COMMIT_BATCH_COMMANDS, Kind::Histogram, Unit::Count, "commands in one batch"),
    (WRITER_QUEUE_COMMANDS, Kind::Gauge, Unit::Count, "commands waiting for the writer"),
    (FEED_SUBSCRIBERS, Kind::Gauge, Unit::Count, "open feeds"),
    (FEED_SECONDS, Kind::Histogram, Unit::Seconds, "from commit to the entry handed to a subscriber"),
    (DEADLINES_OVERDUE, Kind::Gauge, Unit::Count, "obligations past their time"),
    (HEAD_POSITION, Kind::Gauge, Unit::Count, "position of the last published event"),
    (TREE_ENTRIES, Kind::Gauge, Unit::Count, "entries under the newest signed and the newest proven checkpoint"),
    (TREE_HALTED, Kind::Gauge, Unit::Count, "1 while no checkpoint is signed any more"),
    (UNWITNESSED_SECONDS, Kind::Gauge, Unit::Seconds, "age of the oldest entry outside a quorum of witnesses"),
    (READY, Kind::Gauge, Unit::Count, "1 while the service takes calls"),
];

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Bucket bounds of times, in seconds: fine where the targets lie (0.3 ms to 30 ms), then up to the deadline.
const SECONDS_BUCKETS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.015, 0.03, 0.06, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Bucket bounds of batch sizes, in commands.
const COMMANDS_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// How often the exporter sorts in what was measured, so that memory stays flat where nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// There is no way to count.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The buckets are refused.
    #[error("histogram buckets")]
    Buckets(#[source] BuildError),
    /// Another recorder counts already.
    #[error("another metrics recorder is set up in this process")]
    Installed,
}

/// What was counted, as text.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (name, kind, unit, _) in NAMES {
        builder = match (kind, unit) {
            (Kind::Histogram, Unit::Seconds) => {
                builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &SECONDS_BUCKETS)?
            }
            (Kind::Histogram, _) => {
                builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &COMMANDS_BUCKETS)?
            }
            (Kind::Counter | Kind::Gauge, _) => builder,
        };
    }
    // A histogram that nobody listed gets buckets all the same.
    Ok(builder.set_buckets(&SECONDS_BUCKETS)?.build_recorder())
}

fn describe() {
    for (name, kind, unit, what) in NAMES {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, unit, what),
            Kind::Gauge => metrics::describe_gauge!(name, unit, what),
            Kind::Histogram => metrics::describe_histogram!(name, unit, what),
        }
    }
}

impl Metrics {
    /// Counts for the whole process. Called once, in `main`.
    ///
    /// # Errors
    /// Somebody counts already.
    pub fn install() -> Result<Self, MetricsError> {
        let recorder = recorder().map_err(MetricsError::Buckets)?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Installed)?;
        describe();
        Ok(Self { handle })
    }

    /// Everything counted so far, in Prometheus' text form.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps the exporter's memory flat; runs until dropped, beside the listener.
    pub async fn upkeep(&self) {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            self.handle.run_upkeep();
        }
    }
}

/// Whether the service takes calls. Cloned handles share one state.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

/// What `/readyz` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ready {
    /// Not yet: 503.
    Starting = 0,
    /// Takes calls: 200.
    Serving = 1,
    /// Finishes what it has, takes nothing new: 503.
    Draining = 2,
    /// The store is away: 503.
    StoreAway = 3,
}

impl Ready {
    /// The word `/readyz` answers with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::StoreAway => "store away",
        }
    }
}

impl Readiness {
    /// Says how it stands.
    pub fn set(&self, ready: Ready) {
        self.0.store(ready as u8, Ordering::Release);
        gauge!(READY).set(if ready == Ready::Serving { 1.0 } else { 0.0 });
    }

    /// How it stands.
    #[must_use]
    pub fn get(&self) -> Ready {
        match self.0.load(Ordering::Acquire) {
            1 => Ready::Serving,
            2 => Ready::Draining,
            3 => Ready::StoreAway,
            _ => Ready::Starting,
        }
    }
}

/// `/metrics`, `/livez` (the process answers) and `/readyz` (the service takes calls).
pub fn router(metrics: Metrics, readiness: Readiness) -> Router {
    let ready = |State(readiness): State<Readiness>| async move {
        let ready = readiness.get();
        let status = if ready == Ready::Serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, ready.as_str())
    };
    let render = move || {
        let metrics = metrics.clone();
        async move {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
        }
    };
    Router::new()
        .route("/metrics", get(render))
        .route("/livez", get(|| async { "alive" }))
        .route("/readyz", get(ready))
        .with_state(readiness)
}

/// Serves [`router`] and keeps the exporter tidy until `stop` is done.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = router(metrics.clone(), readiness);
    let serve = axum::serve(listener, router).with_graceful_shutdown(stop).into_future();
    tokio::select! {
        served = serve => served,
        () = metrics.upkeep() => Ok(()),
    }
}

/// A token was refused.
pub(crate) fn auth_denied(code: &'static str) {
    counter!(AUTH_DENIED_TOTAL, "code" => code).increment(1);
}

/// An organisation's changed list of what was taken back could not be used.
pub(crate) fn revoked_unreadable(org: &str) {
    counter!(REVOKED_UNREADABLE_TOTAL, "org" => org.to_owned()).increment(1);
}

/// A text of a case was withheld because it does not open.
pub(crate) fn sealed_unreadable() {
    counter!(SEALED_UNREADABLE_TOTAL).increment(1);
}

/// A token was found verified before, or not.
pub(crate) fn token_cache(hit: bool) {
    counter!(TOKEN_CACHE_TOTAL, "code" => if hit { "hit" } else { "miss" }).increment(1);
}

/// An issuer's key set was read or fetched, or could not be.
pub(crate) fn keys_loaded(code: &'static str) {
    counter!(KEY_LOADS_TOTAL, "code" => code).increment(1);
}

/// One more issuer is without usable keys, or one less.
pub(crate) fn issuer_closed(closed: bool) {
    gauge!(ISSUERS_CLOSED).increment(if closed { 1.0 } else { -1.0 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    fn metrics() -> (Metrics, PrometheusRecorder) {
        let recorder = recorder().unwrap();
        (Metrics { handle: recorder.handle() }, recorder)
    }

    async fn answer(router: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn every_histogram_has_buckets_and_every_name_its_help() {
        let (metrics, recorder) = metrics();
        metrics::with_local_recorder(&recorder, || {
            describe();
            for (name, kind, _, _) in NAMES {
                match kind {
                    Kind::Counter => counter!(name).increment(1),
                    Kind::Gauge => gauge!(name).set(1.0),
                    Kind::Histogram => metrics::histogram!(name).record(0.001),
                }
            }
            metrics::histogram!("handoff_unlisted_seconds").record(0.001);
        });
        let text = metrics.render();
        for (name, kind, _, what) in NAMES {
            assert!(text.contains(&format!("# HELP {name} {what}")), "{name}: {text}");
            if matches!(kind, Kind::Histogram) {
                assert!(text.contains(&format!("{name}_bucket{{le=\"+Inf\"}} 1")), "{name}: {text}");
            }
        }
        assert!(text.contains("handoff_unlisted_seconds_bucket") && !text.contains("quantile"), "{text}");
    }

    #[test]
    fn the_table_of_names_is_the_list_of_names() {
        let source = include_str!("metrics.rs");
        let table: Vec<_> = source
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `handoff_"))
            .map(|line| format!("handoff_{}", line.split('`').next().unwrap()))
            .collect();
        assert_eq!(table, NAMES.map(|(name, ..)| name.to_owned()));
    }

    #[tokio::test]
    async fn readiness_follows_the_service_and_liveness_does_not() {
        let (metrics, _recorder) = metrics();
        let readiness = Readiness::default();
        let router = router(metrics, readiness.clone());
        assert_eq!(answer(&router, "/readyz").await, (503, "starting".to_owned()));
        for (ready, status) in [(Ready::Serving, 200), (Ready::Draining, 503), (Ready::StoreAway, 503)] {
            readiness.set(ready);
            assert_eq!(answer(&router, "/readyz").await, (status, ready.as_str().to_owned()));
            assert_eq!(answer(&router, "/livez").await, (200, "alive".to_owned()));
        }
        assert_eq!(answer(&router, "/metrics").await.0, 200);
        assert_eq!(answer(&router, "/anything").await.0, 404);
    }

    #[tokio::test]
    async fn the_listener_stops_when_asked() {
        let (metrics, _recorder) = metrics();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        serve(listener, metrics, Readiness::default(), async {}).await.unwrap();
    }
}
