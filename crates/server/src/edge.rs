//! What stands before every method: how often somebody may call, how many calls may be under way and whose, how long
//! one may take, what is counted, and that no refusal leaves without its published reason.
//!
//! The transport answers by itself what never reaches a method: a message over the limit, bytes that are no message,
//! a compressed message, a method that does not exist. It knows nothing of our reasons, so its answers are put into
//! them here. What a method answered passes untouched.
//!
//! The order: the caller's own deadline, a place among those that arrive; where a token has to be verified, whether the
//! connection sent too many bad ones (`may_try`); and once the caller is verified (`admit`), its rates and a place among
//! its organisation's calls.

mod origins;
mod places;
mod timeout;

pub use origins::{OriginsLayer, OriginsService};
pub(crate) use places::FeedPlace;

use crate::auth::{Authenticator, Shown, chain};
use crate::config::Limits;
use crate::error::{FieldViolation, invalid_fields, status};
use crate::metrics::{RPC_IN_FLIGHT, RPC_SECONDS, RPC_TOTAL, SHED_TOTAL};
use crate::rates::{RateLimits, Rates};
use crate::shares::Holder;
use handoff_domain::caller::Caller;
use handoff_domain::ids::OrgId;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::Millis;
use handoff_engine::clock::Clock;
use http::{Extensions, HeaderMap, Request, Response};
use hyper::body::{Bytes, Frame, SizeHint};
use places::{Kind, Place, Places};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
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
/// Where a call comes from that came over no connection, in tests of this process.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";
const ENCODING: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";

struct Edge {
    message_max: u32,
    map_message_max: usize,
    deadline: Duration,
    places: Arc<Places>,
    rates: Rates,
    clock: Arc<dyn Clock>,
    auth: Arc<Authenticator>,
    /// Names of our methods: what is counted under its own name.
    methods: Vec<String>,
}

/// Puts [`EdgeService`] before the methods.
#[derive(Clone)]
pub struct EdgeLayer(Arc<Edge>);

impl EdgeLayer {
    /// With the limits of the configuration; `map_message_max` is the largest message that holds a boundary map.
    #[must_use]
    pub fn new(
        limits: &Limits,
        map_message_max: usize,
        clock: Arc<dyn Clock>,
        auth: Arc<Authenticator>,
        methods: Vec<String>,
    ) -> Self {
        Self(Arc::new(Edge {
            message_max: limits.message_decode_bytes_max,
            map_message_max,
            deadline: limits.unary_deadline(),
            places: Arc::new(Places::new(
                limits.unary_arriving_max as usize,
                limits.unary_in_flight_max as usize,
                limits.feeds_max as usize,
            )),
            rates: Rates::new(RateLimits::of(limits)),
            clock,
            auth,
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

/// One call, as it is known to the method's first step.
#[derive(Clone)]
struct Arrival(Arc<Call>);

struct Call {
    edge: Arc<Edge>,
    method: String,
    connection: SocketAddr,
    /// None for a stream: it takes no place.
    place: Option<Place>,
}

/// A verified caller's call: its rates, then a place among the calls of its organisation. Every method says this first,
/// so that nothing is read or queued for somebody who may not call now. A call that came through no listener passes.
///
/// # Errors
/// `RATE_LIMITED` or `QUEUE_FULL`; nothing was accepted.
pub(crate) fn admit(extensions: &Extensions, caller: &Caller, now: Millis) -> Result<(), Status> {
    let Some(Arrival(call)) = extensions.get::<Arrival>() else { return Ok(()) };
    call.edge.rates.take(caller, now).map_err(|refusal| status(&refusal))?;
    match &call.place {
        Some(place) if !place.settle(&caller.org) => Err(Edge::shed(&call.method)),
        _ => Ok(()),
    }
}

/// Whether a token that came with this call may be verified: its connection has not sent too many that do not hold. A
/// call that came through no listener passes.
///
/// # Errors
/// `RATE_LIMITED`; nothing was accepted.
pub(crate) fn may_try(extensions: &Extensions, now: Millis) -> Result<(), Status> {
    let Some(Arrival(call)) = extensions.get::<Arrival>() else { return Ok(()) };
    call.edge.rates.may_try(call.connection, now).map_err(|refusal| status(&refusal))
}

/// A place for a feed of this organisation, kept as long as the feed is open; none where it came through no listener.
///
/// # Errors
/// `QUEUE_FULL`: the organisation has too many feeds open, or all have.
pub(crate) fn feed_place(extensions: &Extensions, org: &OrgId) -> Result<Option<FeedPlace>, Status> {
    let Some(Arrival(call)) = extensions.get::<Arrival>() else { return Ok(None) };
    Places::feed(&call.edge.places, org).map(Some).ok_or_else(|| Edge::shed(&call.method))
}

/// A call that is under way, for whoever has something to do for it: the method, a command that waits for the writer, an
/// answer that is not all sent. Its place is free when the last of them is done, so that a caller who gives its calls up
/// has no more of them under way than one who waits, and who does not take its answers holds up itself.
#[derive(Clone)]
pub(crate) struct UnderWay(#[expect(dead_code, reason = "kept for its drop")] Arc<Call>);

/// What is under way with this call; nothing where it came through no listener.
pub(crate) fn under_way(extensions: &Extensions) -> Option<UnderWay> {
    extensions.get::<Arrival>().map(|arrival| UnderWay(arrival.0.clone()))
}

impl Call {
    fn begin(self) -> Arc<Self> {
        if self.place.is_some() {
            metrics::gauge!(RPC_IN_FLIGHT).increment(1.0);
        }
        Arc::new(self)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.place.is_some() {
            metrics::gauge!(RPC_IN_FLIGHT).decrement(1.0);
        }
    }
}

/// An answer on its way.
struct Sent {
    body: Body,
    _call: UnderWay,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if !path.starts_with(OURS) {
            // Health and reflection know no callers; but the handshake alone lets in a machine that was taken back.
            let shown = shown(request.extensions());
            return match self.edge.auth.connected(chain(&shown), self.edge.clock.now()) {
                Ok(()) => Box::pin(self.inner.call(request)),
                Err(denied) => Box::pin(std::future::ready(Ok(denied.report().into_http()))),
            };
        }
        let path = path.to_owned();
        let (method, begun) = (self.edge.method(&path), self.edge.clock.now());
        let (call, deadline) = match Edge::begin(&self.edge, &request, &path, begun) {
            Ok(begun) => begun,
            Err(refused) => {
                let refused = refused.into_http();
                self.edge.count(method, begun, &refused);
                return Box::pin(std::future::ready(Ok(refused)));
            }
        };
        let limit = self.edge.limit(&path);
        let encoding = text(request.headers(), ENCODING);
        request.extensions_mut().insert(Arrival(call.clone()));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => explain(answer?, &path, limit, &encoding),
                // The command goes on; its answer lies under its request id.
                Err(_) => status(&Refusal::new(Reason::OutcomeUnknown)).into_http(),
            };
            call.edge.judge(&call, &response);
            call.edge.count(method, begun, &response);
            Ok(response.map(|body| Body::new(Sent { body, _call: UnderWay(call) })))
        })
    }
}

impl Edge {
    /// What is judged before anything is read, and how long the call may take.
    fn begin(
        edge: &Arc<Self>,
        request: &Request<Body>,
        path: &str,
        now: Millis,
    ) -> Result<(Arc<Call>, Duration), Status> {
        let connection = connection(request.extensions());
        let waits = timeout::read(request.headers()).map_err(|timeout::NotATimeout| {
            invalid_fields(&[FieldViolation::of(timeout::GRPC_TIMEOUT, "NOT_A_TIMEOUT", &[])])
        })?;
        let deadline = timeout::deadline(edge.deadline(path), waits);
        if deadline.is_zero() {
            // Nobody waits for it any more.
            return Err(status(&Refusal::new(Reason::OutcomeUnknown)));
        }
        let kind = if SHED_LAST.contains(&path) { Kind::Fact } else { Kind::Other };
        let place = if STREAMS.contains(&path) {
            None
        } else {
            let known = edge.auth.known(chain(&shown(request.extensions())), now).map(|(org, _)| org);
            let from = Holder::of(known, connection.ip());
            let place = Places::arrive(&edge.places, from, kind, path.starts_with(MAPS));
            Some(place.ok_or_else(|| Self::shed(&edge.method(path)))?)
        };
        let call = Call { edge: edge.clone(), method: edge.method(path), connection, place };
        Ok((call.begin(), deadline))
    }

    /// There is no place for a call of this method.
    fn shed(method: &str) -> Status {
        metrics::counter!(SHED_TOTAL, "method" => method.to_owned()).increment(1);
        status(&Refusal::new(Reason::QueueFull))
    }

    /// What an answer says about its caller: no valid token costs the connection one of its tries.
    fn judge(&self, call: &Call, response: &Response<Body>) {
        if code(response) == Code::Unauthenticated {
            self.rates.denied(call.connection, self.clock.now());
        }
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
        let code = format!("{:?}", code(response));
        let took = self.clock.now().since(begun) as f64 / 1_000.0;
        metrics::histogram!(RPC_SECONDS, "method" => method.clone()).record(took);
        metrics::counter!(RPC_TOTAL, "method" => method, "code" => code).increment(1);
    }
}

/// The gRPC code of an answer; a stream that begins has none yet and counts as well.
fn code(response: &Response<Body>) -> Code {
    let code = response.headers().get(STATUS).and_then(|code| code.to_str().ok()?.parse().ok());
    Code::from_i32(code.unwrap_or(0))
}

/// What the connection of a call showed.
fn shown(extensions: &Extensions) -> Shown {
    extensions.get::<TlsConnectInfo<TcpConnectInfo>>().and_then(TlsConnectInfo::peer_certs)
}

/// The other end of the connection a call came over; address and port name the connection as long as it is there.
fn connection(extensions: &Extensions) -> SocketAddr {
    let secured = extensions.get::<TlsConnectInfo<TcpConnectInfo>>().map(TlsConnectInfo::get_ref);
    secured.or_else(|| extensions.get()).and_then(TcpConnectInfo::remote_addr).unwrap_or(NOWHERE)
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
mod tests;
