mod fuzz;

use super::*;
use crate::auth::Rules;
use crate::config::ClientCertificates;
use handoff_domain::caller::{OrgKind, Role};
use handoff_domain::ids::{ClientId, OrgId};
use handoff_engine::clock::ManualClock;
use tonic_types::StatusExt;

/// Asks for no certificates and knows no issuer.
fn nobody() -> Arc<Authenticator> {
    let certificates = ClientCertificates::Off;
    let rules = Rules { certificates, development: true, private_networks_allowed: Vec::new() };
    Arc::new(Authenticator::new(&[], &rules).expect("no organisation at all"))
}

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

fn edge(limits: &Limits) -> Arc<Edge> {
    let clock = Arc::new(ManualClock::new(NOW));
    EdgeLayer::new(limits, 1, clock, nobody(), vec!["IncidentService/Note".to_owned()]).0
}

const NOW: Millis = Millis(1_795_435_200_000);
const NOTE: &str = "/handoff.v1.IncidentService/Note";

fn caller(org: &str) -> Caller {
    Caller {
        org: OrgId::new(org).unwrap(),
        kind: OrgKind::Party,
        client: ClientId::new("desk").unwrap(),
        station: None,
        officer: None,
        roles: vec![Role::Adapter],
    }
}

fn request(port: u16, timeout: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().uri(NOTE);
    if let Some(timeout) = timeout {
        request = request.header(timeout::GRPC_TIMEOUT, timeout);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let inner = TcpConnectInfo { local_addr: None, remote_addr: Some(([10, 0, 0, 1], port).into()) };
    request.extensions_mut().insert(inner);
    request
}

fn begin(edge: &Arc<Edge>, path: &str) -> Result<(Arc<Call>, Duration), Status> {
    Edge::begin(edge, &request(1, None), path, NOW)
}

fn admitted(call: &Arc<Call>, org: &str) -> Result<(), Status> {
    let mut extensions = Extensions::new();
    extensions.insert(Arrival(call.clone()));
    admit(&extensions, &caller(org), NOW)
}

#[test]
fn intake_still_finds_a_place_when_everything_else_is_shed() {
    let edge = edge(&Limits { unary_in_flight_max: 4, ..Limits::default() });
    let receive = "/handoff.v1.IncidentService/Receive";
    let mut taken = Vec::new();
    for _ in 0..3 {
        let (call, _) = begin(&edge, NOTE).expect("room to arrive");
        admitted(&call, "A").expect("a place");
        taken.push(call);
    }
    let refused = |path, org| {
        let (call, _) = begin(&edge, path).expect("room to arrive");
        admitted(&call, org).map_err(|status| reason(&status))
    };
    assert_eq!(refused(NOTE, "B"), Err("QUEUE_FULL".to_owned()), "three quarters are taken");
    assert_eq!(refused(receive, "A"), Err("QUEUE_FULL".to_owned()), "the last quarter is not the same side's");
    assert_eq!(refused(receive, "B"), Ok(()), "the other side's intake goes on");
    let (stream, _) = begin(&edge, STREAMS[0]).expect("a stream takes none");
    assert!(stream.place.is_none() && admitted(&stream, "A").is_ok());
    drop(taken);
    assert_eq!(refused(NOTE, "A"), Ok(()), "a place is given back");
    assert_eq!(edge.method(NOTE), "IncidentService/Note");
    assert_eq!(edge.method("/handoff.v1.IncidentService/Vanish"), "unknown");
}

#[test]
fn a_caller_over_its_rate_is_told_so_and_takes_no_place() {
    let edge = edge(&Limits { adapter_calls_burst: 1, ..Limits::default() });
    let (first, _) = begin(&edge, NOTE).unwrap();
    admitted(&first, "A").expect("one");
    let (second, _) = begin(&edge, NOTE).unwrap();
    let refused = admitted(&second, "A").expect_err("two");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    assert_eq!(refused.get_details_error_info().unwrap().metadata["scope"], "adapter");
    admitted(&second, "B").expect("the other side");
}

#[test]
fn a_time_that_is_none_is_named_and_a_shorter_one_holds() {
    let edge = edge(&Limits::default());
    let begin = |timeout| Edge::begin(&edge, &request(1, Some(timeout)), NOTE, NOW);
    let refused = begin("soon").err().expect("no time");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "grpc-timeout");
    for (timeout, ms) in [("1H", 5_000), ("5S", 4_995), ("100m", 95)] {
        let (_, deadline) = begin(timeout).expect("a time");
        assert_eq!(deadline, Duration::from_millis(ms), "{timeout}");
    }
    let over = begin("1n").err().expect("over before it began");
    assert_eq!(reason(&over), "OUTCOME_UNKNOWN");
}

#[test]
fn a_connection_with_too_many_bad_tokens_may_try_no_more() {
    let edge = edge(&Limits { denied_calls_burst: 2, ..Limits::default() });
    let begin = |port| Edge::begin(&edge, &request(port, None), NOTE, NOW).expect("room to arrive").0;
    let tried = |call: &Arc<Call>| {
        let mut extensions = Extensions::new();
        extensions.insert(Arrival(call.clone()));
        may_try(&extensions, NOW)
    };
    for status in [Code::Unauthenticated, Code::NotFound, Code::Unauthenticated] {
        let call = begin(1);
        tried(&call).expect("it may try");
        edge.judge(&call, &Status::new(status, "").into_http());
    }
    assert!(tried(&begin(2)).is_ok(), "another connection of the same address");
    let refused = tried(&begin(1)).expect_err("two bad tokens");
    assert_eq!(reason(&refused), "RATE_LIMITED");
    assert_eq!(refused.get_details_error_info().unwrap().metadata["scope"], "connection");
    assert!(admitted(&begin(1), "A").is_ok(), "whoever is known already goes on");
}
