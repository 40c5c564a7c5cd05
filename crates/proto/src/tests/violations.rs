//! Each thing that can be wrong with a field, and that all of them are told at once.

use super::Recorder;
use super::sample::id;
use crate::convert::{self, Decoded, TEXT_BYTES_MAX, Violations, codes};
use crate::{IntoCommand, IntoOrder, v1};
use handoff_domain::command::Act;
use handoff_domain::form::FORM_ITEMS_MAX;
use handoff_domain::values::{Code, Severity};
use prost_types::{Duration, Timestamp};
use std::collections::BTreeSet;

fn decode(request: impl IntoCommand) -> Result<Decoded, Violations> {
    request.into_command(&mut Recorder::default())
}

fn wrong(read: Result<impl Sized, Violations>) -> Vec<(String, &'static str)> {
    match read {
        Ok(_) => panic!("taken"),
        Err(violations) => violations.0.into_iter().map(|found| (found.path, found.code)).collect(),
    }
}

fn note() -> v1::NoteRequest {
    v1::NoteRequest { request_id: id(1), incident: id(2), text: "Door open".into(), ..Default::default() }
}

fn note_text(text: &str) -> Vec<(String, &'static str)> {
    wrong(decode(v1::NoteRequest { text: text.into(), ..note() }))
}

fn receive(intake: v1::Intake) -> v1::ReceiveRequest {
    v1::ReceiveRequest { request_id: id(1), incident: id(2), intake: Some(intake), ..Default::default() }
}

fn is(path: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(path.to_owned(), code)]
}

#[test]
fn every_bad_field_is_named_at_once() {
    let found = wrong(decode(v1::DeclineRequest {
        incident: "{not-an-id}".into(),
        claimed_time: Some(Timestamp { seconds: -1, nanos: 0 }),
        acting_for: "a b".into(),
        handoff: id(3).to_uppercase(),
        code: "lower".into(),
        owner: Some(v1::StationRef { organisation: String::new(), station: "?".into() }),
        map: Some(v1::MapRef { id: id(4), version: 0 }),
        note: "\u{7}".into(),
        ..Default::default()
    }));
    let wanted = [
        ("request_id", codes::REQUIRED),
        ("incident", codes::NOT_A_UUID),
        ("claimed_time", codes::NOT_A_TIME),
        ("acting_for", codes::NOT_A_NAME),
        ("expected.state", codes::REQUIRED),
        ("expected.tenure", codes::REQUIRED),
        ("expected.form_version", codes::REQUIRED),
        ("handoff", codes::NOT_A_UUID),
        ("version", codes::REQUIRED),
        ("code", codes::NOT_A_CODE),
        ("owner.organisation", codes::REQUIRED),
        ("owner.station", codes::NOT_A_NAME),
        ("map.version", codes::REQUIRED),
        ("note", codes::CONTROL_CHARACTER),
    ];
    assert_eq!(found, wanted.map(|(path, code)| (path.to_owned(), code)));
}

#[test]
fn texts_are_held_to_the_profile_of_the_log() {
    assert_eq!(note_text("e\u{301}"), is("text", codes::NOT_NFC));
    assert_eq!(note_text("a\u{202e}b"), is("text", codes::BIDI_CONTROL));
    assert_eq!(note_text("a\rb"), is("text", codes::CONTROL_CHARACTER));
    assert_eq!(note_text("a\u{85}b"), is("text", codes::CONTROL_CHARACTER));
    assert_eq!(note_text("a\u{fffe}b"), is("text", codes::CONTROL_CHARACTER));
    assert_eq!(note_text(&"兵".repeat(TEXT_BYTES_MAX / 3 + 1)), is("text", codes::TOO_LONG));
    assert!(decode(v1::NoteRequest { text: "first\nsecond 兵团 é".into(), ..note() }).is_ok());
    assert!(decode(v1::NoteRequest { text: "兵".repeat(TEXT_BYTES_MAX / 3), ..note() }).is_ok());
    // A label is one line.
    let label = |number: &str| {
        wrong(decode(v1::AddLabelRequest {
            request_id: id(1),
            incident: id(2),
            number: number.into(),
            ..Default::default()
        }))
    };
    assert_eq!(label("a\nb"), is("number", codes::CONTROL_CHARACTER));
    assert_eq!(label("e\u{301}"), is("number", codes::NOT_NFC));
    assert_eq!(label(&"x".repeat(121)), is("number", codes::TOO_LONG));
    assert_eq!(label(""), is("number", codes::REQUIRED));
}

#[test]
fn words_digests_lists_numbers_and_durations_are_checked() {
    let unit = v1::ReportUnitRequest {
        request_id: id(1),
        incident: id(2),
        deployment: id(3),
        unit: "A-1".into(),
        status: "FLYING".into(),
        crew: vec!["o".into(); 17],
        ..Default::default()
    };
    let Err(violations) = decode(unit) else { panic!("taken") };
    assert_eq!(violations.0[0].code, codes::UNKNOWN_WORD);
    assert!(violations.0[0].params[0].1.contains("EN_ROUTE"));
    assert_eq!((violations.0[1].path.as_str(), violations.0[1].code), ("crew", codes::TOO_MANY));
    assert_eq!(violations.0[1].params, [("max", "16".to_owned())]);

    let support = v1::RequestSupportRequest {
        request_id: id(1),
        incident: id(2),
        support: id(3),
        to: "B".into(),
        ..Default::default()
    };
    let many = v1::RequestSupportRequest { count: 101, ..support.clone() };
    assert_eq!(wrong(decode(many)), is("count", codes::OUT_OF_RANGE));
    let Ok(Decoded { command, .. }) = decode(support) else { panic!("refused") };
    assert!(matches!(command.act, Act::RequestSupport { count: 1, .. }));

    let expected = Some(v1::Expected { state: "AGREED".into(), form_version: Some(0), tenure: Some(1) });
    let take_over = v1::TakeOverRequest {
        request_id: id(1),
        incident: id(2),
        expected,
        handoff: id(3),
        version: 1 << 60,
        paper: "sha256:00".into(),
        ..Default::default()
    };
    let both = [("version".to_owned(), codes::OUT_OF_RANGE), ("paper".to_owned(), codes::NOT_A_DIGEST)];
    assert_eq!(wrong(decode(take_over)), both);

    let timer = |name: &str, seconds: i64| v1::Timer {
        name: name.into(),
        urgent: Some(Duration { seconds, nanos: 0 }),
        normal: Some(Duration { seconds: 60, nanos: 0 }),
    };
    let seat = |station: &str| Some(v1::StationRef { organisation: "A".into(), station: station.into() });
    let agreement = v1::Agreement {
        id: id(5),
        version: 1,
        a: seat("A-1"),
        b: seat("A-2"),
        level: "attested".into(),
        timers: vec![timer("decide", -1), timer("sleep", 60), timer("sign", 0)],
        ..Default::default()
    };
    let propose = v1::ProposeAgreementRequest { request_id: id(1), claimed_time: None, agreement: Some(agreement) };
    let wanted = [
        ("agreement.timers.0.urgent", codes::NOT_A_DURATION),
        ("agreement.timers.1.name", codes::UNKNOWN_WORD),
        ("agreement.timers.2.urgent", codes::OUT_OF_RANGE),
    ];
    assert_eq!(wrong(propose.into_order()), wanted.map(|(path, code)| (path.to_owned(), code)));
}

#[test]
fn a_request_that_says_nothing_is_refused_where_it_must_say_something() {
    assert_eq!(note_text(""), is("", codes::EMPTY_MESSAGE));
    let details = v1::ChangeDetailsRequest { request_id: id(1), incident: id(2), ..Default::default() };
    assert_eq!(wrong(decode(details)), is("", codes::EMPTY_MESSAGE));
}

#[test]
fn intake_is_never_refused_for_what_it_does_not_know() {
    let nothing = v1::ReceiveRequest { request_id: id(1), incident: id(2), ..Default::default() };
    let Ok(decoded) = decode(nothing) else { panic!("refused") };
    let Act::Receive(received) = decoded.command.act else { panic!("another move") };
    assert_eq!(received, handoff_domain::command::Receive::default());

    for (latitude, longitude) in
        [(Some(f64::NAN), Some(1.0)), (Some(90.1), Some(1.0)), (Some(1.0), None), (Some(1.0), Some(f64::INFINITY))]
    {
        let place = v1::PlaceInput { datum: "Gauß-Krüger 4".into(), latitude, longitude, ..Default::default() };
        let intake = v1::Intake {
            kind: "flood of tomorrow".into(),
            severity: "PURPLE".into(),
            place: Some(place),
            ..Default::default()
        };
        let Ok(decoded) = decode(receive(intake)) else { panic!("refused") };
        assert!(decoded.point.is_none());
        let Act::Receive(received) = decoded.command.act else { panic!("another move") };
        assert_eq!(received.severity, Some(Severity::Unknown));
        assert_eq!(received.flags, [Code::of("UNTRUSTED"), Code::of("UNMAPPED")]);
        let place = received.place.unwrap();
        assert_eq!(place.crs.unwrap().as_str(), "Gauß-Krüger 4");
        assert_eq!((place.lat7, place.lon7, place.point), (None, None, None));
    }
}

#[test]
fn a_point_is_sealed_exactly_and_kept_in_clear_on_the_grid() {
    let place = v1::PlaceInput {
        datum: "WGS84".into(),
        latitude: Some(-89.987_654_3),
        longitude: Some(179.999_999_9),
        precision_m: Some(25),
        ..Default::default()
    };
    let request = receive(v1::Intake { place: Some(place), ..Default::default() });
    let mut sealer = Recorder::default();
    let decoded = request.clone().into_command(&mut sealer).unwrap();
    assert_eq!(sealer.points, [("place.point".to_owned(), 123_457, 3_599_999_999)]);
    let point = decoded.point.unwrap();
    assert_eq!((point.lat7, point.lon7, point.precision_m), (123_457, 3_599_999_999, Some(25)));
    let Act::Receive(received) = decoded.command.act else { panic!("another move") };
    let place = received.place.unwrap();
    assert_eq!((place.lat7, place.lon7), (Some(100_000), Some(3_600_000_000)));

    let mut coarse = Recorder { grid7: Some(7_000_000), ..Recorder::default() };
    let Act::Receive(received) = request.into_command(&mut coarse).unwrap().command.act else { panic!("another") };
    let place = received.place.unwrap();
    assert_eq!((place.lat7, place.lon7), (Some(0), Some(3_598_000_000)), "the last point of the grid on earth");
}

#[test]
fn a_form_is_read_strictly() {
    let form = v1::FormInput {
        severity: "PURPLE".into(),
        place: Some(v1::PlaceInput { latitude: Some(91.0), ..Default::default() }),
        items: vec![v1::FormItemInput::default(); FORM_ITEMS_MAX + 1],
        people: vec![v1::FormPeople { status: String::new(), count: 1 }],
        units: vec![v1::FormUnit { unit: "A-1".into(), of: None, stays: true }],
        ..Default::default()
    };
    let expected = Some(v1::Expected { state: "RECEIVED".into(), form_version: None, tenure: Some(1) });
    let offer = v1::OfferRequest {
        request_id: id(1),
        incident: id(2),
        expected,
        handoff: id(3),
        to: "B-1".into(),
        form: Some(form),
        ..Default::default()
    };
    let wanted = [
        ("form.severity", codes::UNKNOWN_WORD),
        ("form.place.latitude", codes::OUT_OF_RANGE),
        ("form.place.longitude", codes::REQUIRED),
        ("form.items", codes::TOO_MANY),
        ("form.people.0.status", codes::REQUIRED),
        ("form.units.0.of", codes::REQUIRED),
    ];
    assert_eq!(wrong(decode(offer.clone())), wanted.map(|(path, code)| (path.to_owned(), code)));
    let without = v1::OfferRequest { form: None, ..offer };
    assert_eq!(wrong(decode(without)), is("form", codes::REQUIRED));
}

#[test]
fn nobody_begins_a_stream_under_an_id_of_the_services_own() {
    let log = "00000000-0000-8000-8000-000000000000".to_owned();
    let station = handoff_domain::directory::stream_of("station", "A-01").to_string();
    for own in [log, station, "00000000-0000-0000-0000-000000000000".to_owned()] {
        let request = v1::ReceiveRequest { incident: own.clone(), ..receive(v1::Intake::default()) };
        assert_eq!(wrong(decode(request)), is("incident", codes::NOT_A_UUID), "{own}");
    }
}

#[test]
fn readings_are_checked_too() {
    assert_eq!(wrong(convert::incident("x")), is("incident", codes::NOT_A_UUID));
    let list = v1::ListIncidentsRequest { page_size: -1, station: "?".into(), ..Default::default() };
    let both = [("station".to_owned(), codes::NOT_A_NAME), ("page_size".to_owned(), codes::OUT_OF_RANGE)];
    assert_eq!(wrong(convert::list_incidents(list)), both);
    let list = v1::ListIncidentsRequest { page_size: 5_000, ..Default::default() };
    assert_eq!(convert::list_incidents(list).unwrap().page_size, 200);
    assert_eq!(
        wrong(convert::list_obligations(v1::ListObligationsRequest::default())),
        is("direction", codes::REQUIRED)
    );
    let fields = vec![v1::FieldRef { seq: 1, path: "narrative".into() }; 101];
    let open = v1::OpenSealedRequest { incident: id(1), fields };
    assert_eq!(wrong(convert::sealed_fields(&open)), is("fields", codes::TOO_MANY));
    let statement = v1::GetStatementRequest { incident: id(1), action: "transfer".into(), ..Default::default() };
    let mut seal = Recorder::default();
    assert_eq!(wrong(convert::statement(&statement, &mut seal)), is("handoff", codes::REQUIRED));
    let report = v1::GetStatementRequest { action: "report".into(), result: "a\u{7}".into(), ..statement };
    let both = [("code".to_owned(), codes::REQUIRED), ("result".to_owned(), codes::CONTROL_CHARACTER)];
    assert_eq!(wrong(convert::statement(&report, &mut seal)), both);
    let point = Some(v1::GeoPoint { latitude: 500.0, longitude: f64::NAN });
    let ask = v1::ResolveTerritoryRequest { point, datum: "WGS84".into(), ..Default::default() };
    assert_eq!(convert::territory(&ask).unwrap().nearest_count, 3, "no such place is answered, not refused");
}

#[test]
fn the_published_codes_are_one_of_each() {
    let codes: BTreeSet<&str> = codes::ALL.into_iter().collect();
    assert_eq!(codes.len(), codes::ALL.len());
}
