//! What stands before every method: how many calls may be under way, how long one may take, what is counted, and
//! that no refusal leaves without its published reason.
//!
//! The transport answers by itself what never reaches a method: a message over the limit, bytes that are no message,
//! a compressed message, a method that does not exist. It knows nothing of our reasons, so its answers are put into
//! them here. What a method answered passes untouched.

use crate::config::Limits;
use crate::error::{FieldViolation, invalid_fields, status};
use crate::metrics::{RPC_IN_FLIGHT, RPC_SECONDS, RPC_TOTAL, SHED_TOTAL};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::Millis;
use handoff_engine::clock::Clock;
use http::{HeaderMap, Request, Response};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// Where our methods begin; health and reflection answer in their own words.
const OURS: &str = "/handoff.v1.";
/// Methods with a limit of their own, for boundary maps.
const MAPS: &str = "/handoff.v1.DirectoryService/";
/// The one method whose message takes long to arrive.
const UPLOAD: &str = "/handoff.v1.DirectoryService/PublishMap";
/// How many times the deadline an upload may take.
const UPLOAD_DEADLINES: u32 = 12;
/// Intake, units and alerts: refused only when every place is taken.
const SHED_LAST: &[&str] = &[
    "/handoff.v1.IncidentService/Receive",
    "/handoff.v1.IncidentService/AddCall",
    "/handoff.v1.IncidentService/AddPlace",
    "/handoff.v1.IncidentService/ReportUnit",
    "/handoff.v1.IncidentService/Alert",
    "/handoff.v1.IncidentService/DeliverAlert",
    "/handoff.v1.IncidentService/SeeAlert",
    "/handoff.v1.IncidentService/AnswerAlert",
    "/handoff.v1.HandoffService/Deliver",
    "/handoff.v1.FeedService/Commit",
];
/// Streams take no place: thousands of subscribers come back at once after a restart.
const STREAMS: &[&str] = &["/handoff.v1.FeedService/Watch"];
/// Parts of all places that everything else may take, in quarters.
const OTHERS_QUARTERS: usize = 3;

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";
const ENCODING: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";

struct Edge {
    message_max: u32,
    map_message_max: usize,
    deadline: Duration,
    in_flight_max: usize,
    in_flight: AtomicUsize,
    clock: Arc<dyn Clock>,
    /// Names of our methods: what is counted under its own name.
    methods: Vec<String>,
}

/// Puts [`EdgeService`] before the methods.
#[derive(Clone)]
pub struct EdgeLayer(Arc<Edge>);

impl EdgeLayer {
    /// With the limits of the configuration; `map_message_max` is the largest message that holds a boundary map.
    #[must_use]
    pub fn new(limits: &Limits, map_message_max: usize, clock: Arc<dyn Clock>, methods: Vec<String>) -> Self {
        Self(Arc::new(Edge {
            message_max: limits.message_decode_bytes_max,
            map_message_max,
            deadline: limits.unary_deadline(),
            in_flight_max: limits.unary_in_flight_max as usize,
            in_flight: AtomicUsize::new(0),
            clock,
            methods,
        }))
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = EdgeService<S>;

    fn layer(&self, inner: S) -> EdgeService<S> {
        EdgeService { edge: self.0.clone(), inner }
    }
}

/// See the module.
#[derive(Clone)]
pub struct EdgeService<S> {
    edge: Arc<Edge>,
    inner: S,
}

/// One call under way.
struct Place {
    edge: Arc<Edge>,
    counted: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        self.edge.in_flight.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(RPC_IN_FLIGHT).decrement(1.0);
    }
}

impl<S> Service<Request<Body>> for EdgeService<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if !path.starts_with(OURS) {
            return Box::pin(self.inner.call(request));
        }
        let method = self.edge.method(path);
        let (begun, deadline) = (self.edge.clock.now(), self.edge.deadline(path));
        let Some(place) = Edge::enter(&self.edge, path) else {
            metrics::counter!(SHED_TOTAL, "method" => method.clone()).increment(1);
            let full = status(&Refusal::new(Reason::QueueFull)).into_http();
            self.edge.count(method, begun, &full);
            return Box::pin(std::future::ready(Ok(full)));
        };
        let limit = self.edge.limit(path);
        let encoding = text(request.headers(), ENCODING);
        let path = path.to_owned();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => explain(answer?, &path, limit, &encoding),
                // The command goes on; its answer lies under its request id.
                Err(_) => status(&Refusal::new(Reason::OutcomeUnknown)).into_http(),
            };
            place.edge.count(method, begun, &response);
            Ok(response)
        })
    }
}

impl Edge {
    fn enter(edge: &Arc<Self>, path: &str) -> Option<Place> {
        let max = match (STREAMS.contains(&path), SHED_LAST.contains(&path)) {
            (true, _) => usize::MAX,
            (false, true) => edge.in_flight_max,
            (false, false) => (edge.in_flight_max * OTHERS_QUARTERS).div_ceil(4),
        };
        let counted = max < usize::MAX;
        if !counted {
            return Some(Place { edge: edge.clone(), counted });
        }
        let under_way = edge.in_flight.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!(RPC_IN_FLIGHT).increment(1.0);
        // Dropped again at once where there was no place left.
        let place = Place { edge: edge.clone(), counted };
        (under_way < max).then_some(place)
    }

    fn deadline(&self, path: &str) -> Duration {
        if path == UPLOAD { self.deadline * UPLOAD_DEADLINES } else { self.deadline }
    }

    fn limit(&self, path: &str) -> usize {
        if path.starts_with(MAPS) { self.map_message_max } else { self.message_max as usize }
    }

    /// The method's name as a label; one for all that do not exist, so that nobody fills the metrics with names.
    fn method(&self, path: &str) -> String {
        let name = path.trim_start_matches(OURS);
        if self.methods.iter().any(|known| known == name) { name.to_owned() } else { "unknown".to_owned() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a metric")]
    fn count(&self, method: String, begun: Millis, response: &Response<Body>) {
        let code = response.headers().get(STATUS).and_then(|code| code.to_str().ok()?.parse().ok());
        let code = format!("{:?}", Code::from_i32(code.unwrap_or(0)));
        let took = self.clock.now().since(begun) as f64 / 1_000.0;
        metrics::histogram!(RPC_SECONDS, "method" => method.clone()).record(took);
        metrics::counter!(RPC_TOTAL, "method" => method, "code" => code).increment(1);
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// An answer of the transport in the words of the catalogue; an answer of a method as it is.
fn explain(response: Response<Body>, path: &str, limit: usize, encoding: &str) -> Response<Body> {
    let headers = response.headers();
    if !headers.contains_key(STATUS) || headers.contains_key(DETAILS) {
        return response;
    }
    let Some(found) = Status::from_header_map(headers) else { return response };
    let refusal = match found.code() {
        Code::OutOfRange => {
            let field = if path == UPLOAD { "geojson" } else { "message" };
            status(&Refusal::new(Reason::MessageTooLarge).field(field).with("max", limit))
        }
        // The transport's word for bytes that are no message of the method: the caller's fault, not ours.
        Code::Internal => not_a_message(found.message()),
        Code::Unimplemented if !matches!(encoding, "" | "identity") => {
            let part = format!("{ENCODING}: {encoding}");
            status(&Refusal::new(Reason::NotImplemented).field(ENCODING).with("part", part))
        }
        Code::Unimplemented => status(&Refusal::new(Reason::NotImplemented).field("method").with("part", path)),
        _ => return response,
    };
    let accepted = headers.get(ACCEPTED).cloned();
    let mut response = refusal.into_http();
    if let Some(accepted) = accepted {
        response.headers_mut().insert(ACCEPTED, accepted);
    }
    response
}

/// The decoder names the message and field of each level it was in, as `ReceiveRequest.intake: Intake.kind: …`.
fn not_a_message(problem: &str) -> Status {
    let levels = problem.split(": ").filter_map(|part| {
        let (message, field) = part.split_once('.')?;
        let word = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
        (word(message) && word(field) && message.starts_with(|c: char| c.is_ascii_uppercase())).then_some(field)
    });
    let path = levels.collect::<Vec<_>>().join(".");
    let path = if path.is_empty() { "message" } else { &path };
    invalid_fields(&[FieldViolation::of(path, "NOT_A_MESSAGE", &[])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_engine::clock::ManualClock;
    use tonic_types::StatusExt;

    fn answered(status: Status, path: &str, encoding: &str) -> Status {
        let response = explain(status.into_http(), path, 65_536, encoding);
        Status::from_header_map(response.headers()).expect("a refusal without a stream")
    }

    fn reason(status: &Status) -> String {
        status.get_details_error_info().expect("its reason").reason
    }

    #[test]
    fn what_the_transport_refuses_gets_its_published_reason() {
        let note = "/handoff.v1.IncidentService/Note";
        let large = answered(Status::out_of_range("too large"), note, "");
        assert_eq!((large.code(), reason(&large).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
        assert_eq!(large.get_details_error_info().unwrap().metadata["max"], "65536");
        assert_eq!(large.get_details_error_info().unwrap().metadata["fields"], "message");
        let map = answered(Status::out_of_range("too large"), UPLOAD, "");
        assert_eq!(map.get_details_error_info().unwrap().metadata["fields"], "geojson");
        let gzip = answered(Status::unimplemented("compressed"), note, "gzip");
        assert_eq!((gzip.code(), reason(&gzip).as_str()), (Code::Unimplemented, "NOT_IMPLEMENTED"));
        assert_eq!(gzip.get_details_error_info().unwrap().metadata["fields"], "grpc-encoding");
        let unknown = answered(Status::unimplemented(""), "/handoff.v1.IncidentService/Vanish", "");
        assert_eq!(reason(&unknown), "NOT_IMPLEMENTED");
    }

    #[test]
    fn bytes_that_are_no_message_name_the_field_they_stand_in() {
        let problem = "failed to decode Protobuf message: ReceiveRequest.intake: Intake.kind: invalid wire type";
        let bad = answered(Status::internal(problem), "/handoff.v1.IncidentService/Receive", "");
        assert_eq!((bad.code(), reason(&bad).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
        assert_eq!(bad.get_details_bad_request().unwrap().field_violations[0].field, "intake.kind");
        let cut = answered(Status::internal("Unexpected EOF decoding stream."), "/handoff.v1.IncidentService/Note", "");
        assert_eq!(cut.get_details_bad_request().unwrap().field_violations[0].field, "message");
    }

    #[test]
    fn what_a_method_answered_passes_untouched() {
        let own = status(&Refusal::new(Reason::LimitExceeded).field("fields"));
        let after = answered(own.clone(), "/handoff.v1.AuditService/OpenSealed", "");
        assert_eq!((after.code(), after.details()), (own.code(), own.details()));
        let cancelled = answered(Status::cancelled("the caller went away"), "/handoff.v1.IncidentService/Note", "");
        assert_eq!(cancelled.code(), Code::Cancelled);
    }

    #[test]
    fn intake_still_finds_a_place_when_everything_else_is_shed() {
        let limits = Limits { unary_in_flight_max: 4, ..Limits::default() };
        let clock = Arc::new(ManualClock::new(Millis(0)));
        let EdgeLayer(edge) = EdgeLayer::new(&limits, 1, clock, vec!["IncidentService/Note".to_owned()]);
        let (note, receive) = ("/handoff.v1.IncidentService/Note", "/handoff.v1.IncidentService/Receive");
        let mut taken: Vec<_> = (0..3).map(|_| Edge::enter(&edge, note).expect("a place")).collect();
        assert!(Edge::enter(&edge, note).is_none(), "three quarters are taken");
        taken.push(Edge::enter(&edge, receive).expect("intake goes on"));
        assert!(Edge::enter(&edge, receive).is_none(), "every place is taken");
        assert!(Edge::enter(&edge, STREAMS[0]).is_some(), "a stream takes none");
        assert!(Edge::enter(&edge, receive).is_none(), "and gives none back");
        drop(taken);
        assert!(Edge::enter(&edge, note).is_some(), "a place is given back");
        assert_eq!(edge.method(note), "IncidentService/Note");
        assert_eq!(edge.method("/handoff.v1.IncidentService/Vanish"), "unknown");
    }
}
