//! Headers the edge reads before any method does.

use crate::edge::origins::OriginsLayer;
use crate::edge::timeout;
use futures_util::FutureExt;
use handoff_fuzz::Fuzz;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::time::Duration;
use tonic::body::Body;
use tower::{Layer, ServiceExt};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");
const DESK: &str = "https://desk.example";

/// Lines of an input as values of one header; none where one of them can be no header's value.
fn values(bytes: &[u8]) -> Option<Vec<HeaderValue>> {
    bytes.split(|byte| *byte == b'\n').map(|line| HeaderValue::from_bytes(line).ok()).collect()
}

/// What is read is what stands there, in digits and a unit; and no answer is due later than we allow.
#[test]
fn a_callers_timeout_is_digits_and_a_unit_or_refused() {
    let mut fuzz = Fuzz::new(FOLDER, "grpc-timeout").runs(60_000).bytes_max(64);
    for seed in ["1H", "99999999H", "2M", "5S", "500m", "1000u", "99999999n", "5S\n5S", "-1S", "5.0S"] {
        fuzz = fuzz.seed(seed, seed);
    }
    fuzz.run(|bytes| {
        let Some(values) = values(bytes) else { return "no header".to_owned() };
        let mut headers = HeaderMap::new();
        for value in &values {
            headers.append(timeout::GRPC_TIMEOUT, value.clone());
        }
        let Ok(waits) = timeout::read(&headers) else { return "refused".to_owned() };
        let waits = waits.expect("a value is there");
        let text = str::from_utf8(bytes).expect("what is read is ASCII");
        let (digits, unit) = text.split_at(text.len() - 1);
        assert!((1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");
        let nanos = ["n", "u", "m", "S", "M", "H"].iter().position(|known| *known == unit).expect("a unit");
        let unit_nanos = [1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000][nanos];
        assert_eq!(waits.as_nanos(), digits.parse::<u128>().expect("a number") * unit_nanos);
        let ours = Duration::from_secs(5);
        assert!(timeout::deadline(ours, Some(waits)) <= ours.min(waits));
        format!("{unit} {}", waits < ours)
    });
}

/// Only a page of exactly a configured origin is let through or told anything; a program without one is.
#[test]
fn no_origin_but_a_configured_one_gets_further() {
    let mut fuzz = Fuzz::new(FOLDER, "origin").runs(30_000).bytes_max(256).tokens([DESK, "null", ":443", "\n"]);
    for seed in [DESK, "https://desk.example:443", "https://DESK.example", "null", "https://desk.example/", ""] {
        fuzz = fuzz.seed(seed, seed);
    }
    fuzz.seed("twice", format!("{DESK}\n{DESK}")).run(|bytes| {
        let Some(values) = values(bytes) else { return "no header".to_owned() };
        let mut answer = String::new();
        for method in [Method::OPTIONS, Method::POST] {
            let inner = tower::service_fn(|_: Request<Body>| async {
                Ok::<_, Infallible>(Response::builder().header("reached", "yes").body(Body::empty()).unwrap())
            });
            let mut request = Request::builder().method(&method).uri("/handoff.v1.IncidentService/Note");
            for value in &values {
                request = request.header(ORIGIN, value);
            }
            let request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST").body(Body::empty()).unwrap();
            let service = OriginsLayer::new(&[DESK.to_owned()]).layer(inner);
            let told = service.oneshot(request).now_or_never().expect("it waits for nothing").unwrap();
            let known = bytes == DESK.as_bytes();
            assert_eq!(told.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).is_some(), known);
            assert_eq!(told.headers().contains_key("reached"), known && method == Method::POST);
            assert_eq!(told.status() == StatusCode::FORBIDDEN, !known);
            answer.push_str(told.status().as_str());
        }
        answer
    });
}
