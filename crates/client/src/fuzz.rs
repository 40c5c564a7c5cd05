//! What a client reads of a service's answers, given what no service of ours sends.

use crate::api::watch_response::Message as Kind;
use crate::api::{Entry, FeedBatch, FeedEnd, FeedHeartbeat, WatchResponse};
use crate::watch::{Arrived, Place, WatchError};
use crate::{Code, Status, definite, explain, fields, reason, value};
use handoff_fuzz::Fuzz;
use prost::Message;
use std::collections::HashMap;
use std::time::Duration;
use tonic_types::{ErrorDetails, StatusExt, pb};

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Details as the service sends them, and every other kind there is.
fn details() -> Vec<u8> {
    let mut details = ErrorDetails::new();
    let metadata = HashMap::from([("state".to_owned(), "OFFERED".to_owned())]);
    details
        .set_error_info("STALE_VERSION", "handoff.v1", metadata)
        .add_bad_request_violation("expected.tenure", "REQUIRED")
        .set_localized_message("zh-CN", "状态已变")
        .set_retry_info(Some(Duration::from_millis(1_500)))
        .set_debug_info(vec!["a line".to_owned()], "none")
        .add_quota_failure_violation("an organisation", "too many")
        .add_precondition_failure_violation("a type", "a subject", "a text")
        .set_request_info("a request", "a text")
        .set_resource_info("a type", "a name", "an owner", "a text")
        .add_help_link("a text", "https://handoff.example/");
    Status::with_error_details(Code::Aborted, "the state has changed", details).details().to_vec()
}

/// The kinds of details that are shown.
const SHOWN: [&str; 3] = ["ErrorInfo", "BadRequest", "LocalizedMessage"];

/// One detail of that kind with these bytes in it.
fn wrapped(name: &str, bytes: &[u8]) -> Vec<u8> {
    let detail = prost_types::Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: bytes.to_vec() };
    pb::Status { details: vec![detail], ..pb::Status::default() }.encode_to_vec()
}

/// Whatever stands in the details of a refusal, it is shown, and whether to ask again can be said.
#[test]
fn the_details_of_a_refusal_are_shown_whatever_they_are() {
    let codes = [Code::Aborted, Code::ResourceExhausted, Code::Unavailable];
    let types = ["ErrorInfo", "BadRequest", "RetryInfo", "LocalizedMessage", "DebugInfo", "QuotaFailure"];
    let tokens = types.map(|name| format!("type.googleapis.com/google.rpc.{name}"));
    let fuzz = Fuzz::new(FOLDER, "details").seed("every kind", details()).tokens(tokens).tokens(["MESSAGE_TOO_LARGE"]);
    let violation = pb::bad_request::FieldViolation {
        field: "f".to_owned(),
        description: "REQUIRED".to_owned(),
        ..Default::default()
    };
    let inside = pb::BadRequest { field_violations: vec![violation] }.encode_to_vec();
    fuzz.seed("inside", inside).runs(40_000).run(|bytes| {
        let mut answer = String::new();
        // As all the details, and as what stands inside one of each kind: lengths around it would hide it otherwise.
        let inside = SHOWN.map(|name| wrapped(name, bytes)).concat();
        for (code, details) in codes.into_iter().zip([bytes.to_vec(), inside, bytes.to_vec()]) {
            let status = Status::with_details(code, "words", details.into());
            let shown = explain(&status);
            let reason = reason(&status);
            assert!(reason.as_ref().is_none_or(|reason| shown.contains(reason.as_str())), "the reason is shown");
            assert!(fields(&status).len() <= bytes.len());
            assert!(shown.lines().count() > fields(&status).len(), "every field is shown");
            drop(value(&status, "state"));
            let lines = shown.lines().count().min(8);
            answer = format!("{answer} {:?} {} {lines}", definite(&status), reason.is_some());
        }
        answer
    });
}

fn frame(message: Kind) -> Vec<u8> {
    WatchResponse { message: Some(message), ..WatchResponse::default() }.encode_length_delimited_to_vec()
}

fn batch(numbers: &[u64], token: &str) -> Vec<u8> {
    let entries = numbers.iter().map(|number| Entry { number: *number, ..Entry::default() }).collect();
    frame(Kind::Batch(FeedBatch { entries, resume_token: token.to_owned(), ..FeedBatch::default() }))
}

/// Frames one after the other, as a stream brings them: every number follows the one before, and the place to go on
/// from is that of the last batch taken in.
#[test]
fn a_watch_takes_in_no_gap_and_goes_on_from_what_it_took_in() {
    let heartbeat = |token: &str| {
        frame(Kind::Heartbeat(FeedHeartbeat { resume_token: token.to_owned(), ..FeedHeartbeat::default() }))
    };
    let end = frame(Kind::End(FeedEnd { resume_token: "t9".to_owned(), ..FeedEnd::default() }));
    let story = [heartbeat("t0"), batch(&[1, 2], "t2"), batch(&[3], "t3"), heartbeat("t3"), end, batch(&[4], "t4")];
    let last = batch(&[u64::MAX - 1, u64::MAX, u64::MAX], "t");
    let fuzz = Fuzz::new(FOLDER, "watch").seed("a story", story.concat()).seed("the last numbers", last);
    fuzz.tokens([heartbeat(""), batch(&[], ""), batch(&[0, 1], "")]).runs(40_000).run(|mut bytes| {
        let mut place = Place { token: String::new(), from_now: true, last: None };
        let mut answer = String::new();
        while let Ok(response) = WatchResponse::decode_length_delimited(&mut bytes) {
            let Some(message) = response.message else { break };
            let before = place.clone();
            let taken = place.take(message);
            assert!(place.token.is_empty() || !place.from_now, "the service refuses a place and \"from now\" together");
            match taken {
                Ok(Arrived::Batch(batch)) => {
                    let mut number = before.last;
                    for entry in &batch.entries {
                        assert!(number.is_none_or(|before| entry.number.checked_sub(before) == Some(1)), "a gap");
                        number = Some(entry.number);
                    }
                    assert_eq!(place, Place { token: batch.resume_token, from_now: false, last: number });
                    answer.push(if batch.entries.is_empty() { 'e' } else { 'b' });
                }
                Ok(Arrived::Heartbeat) => {
                    assert!(place == before || before.from_now && !place.from_now && !place.token.is_empty());
                    answer.push('h');
                }
                Ok(Arrived::End) => answer.push('s'),
                Err(WatchError::Gap { .. }) => {
                    assert_eq!(place, before, "what has a gap is not taken in");
                    return answer + "gap";
                }
                Err(WatchError::Refused(_)) => panic!("no message is a refusal"),
            }
        }
        answer.truncate(12);
        answer
    });
}
