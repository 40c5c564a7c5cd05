//! Bad input: refused with the published reason, in both languages, naming the field; nothing is recorded.

use handoff_client::{Client, Status, api};
use handoff_tests::app::TestApp;
use handoff_tests::play::{case, id, intake, note, position, receive, seat, seen};
use handoff_tests::refusal::{Refusal, told};
use tonic::Code;

/// A request that has to be refused, and how.
struct Bad {
    what: &'static str,
    answer: Result<(), Status>,
    code: Code,
    reason: &'static str,
    field: &'static str,
}

/// Collects bad requests with what came of them.
#[derive(Default)]
struct Table(Vec<Bad>);

impl Table {
    fn row<T>(
        &mut self,
        what: &'static str,
        answer: Result<tonic::Response<T>, Status>,
        code: Code,
        reason: &'static str,
        field: &'static str,
    ) {
        self.0.push(Bad { what, answer: answer.map(drop), code, reason, field });
    }

    /// Every fault of every row, not the first.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for bad in &self.0 {
            let Err(status) = &bad.answer else {
                faults.push(format!("{}: it was not refused", bad.what));
                continue;
            };
            let found = Refusal::of(status);
            let mut wrong = |problem: &str| faults.push(format!("{}: {problem}: {found:?}", bad.what));
            if (found.code, found.reason.as_str()) != (bad.code, bad.reason) {
                wrong(&format!("expected {:?} {}", bad.code, bad.reason));
            }
            if found.domain != "handoff.v1" {
                wrong("it has not the published domain");
            }
            if !bad.field.is_empty() && !found.names(bad.field) {
                wrong(&format!("it does not name {}", bad.field));
            }
            if !["en", "zh-CN"].iter().all(|language| found.languages.contains(*language)) {
                wrong("a language is missing");
            }
            if found.text.is_empty() || found.text.contains('{') {
                wrong("its text is not filled in");
            }
        }
        faults
    }
}

/// Number of events, and where three organisations' feeds end.
async fn heads(app: &TestApp) -> anyhow::Result<(u64, [u64; 3])> {
    let mut feeds = [0; 3];
    for (head, name) in feeds.iter_mut().zip(["a-system", "b-system", "auditor"]) {
        *head = position(app, name).await?.head_number;
    }
    Ok((app.events().await?, feeds))
}

async fn assert_nothing_recorded(app: &TestApp, before: (u64, [u64; 3]), table: &Table) -> anyhow::Result<()> {
    let faults = table.faults();
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
    assert_eq!(heads(app).await?, before, "a refused request was recorded");
    Ok(())
}

fn receive_request(incident: &str) -> api::ReceiveRequest {
    let intake = Some(intake(44.1, 86.1));
    api::ReceiveRequest { request_id: id(), incident: incident.into(), intake, ..Default::default() }
}

async fn malformed(table: &mut Table, a: &Client, incident: &str) {
    let mut incidents = a.incidents();
    let (invalid, reason) = (Code::InvalidArgument, "INVALID_FIELD");
    let bad = receive_request("not-a-uuid");
    table.row("an incident id that is none", incidents.receive(bad).await, invalid, reason, "incident");
    let bad = receive_request(&id().to_uppercase());
    table.row("an incident id in capitals", incidents.receive(bad).await, invalid, reason, "incident");
    let bad = api::ReceiveRequest { request_id: "7".into(), ..receive_request(&id()) };
    table.row("a request id that is none", incidents.receive(bad).await, invalid, reason, "request_id");
    let bad = api::ReceiveRequest { request_id: String::new(), ..receive_request(&id()) };
    table.row("no request id", incidents.receive(bad).await, invalid, reason, "request_id");
    let empty = api::ReceiveRequest::default();
    table.row("an empty message: id", incidents.receive(empty.clone()).await, invalid, reason, "request_id");
    table.row("an empty message: incident", incidents.receive(empty).await, invalid, reason, "incident");
    table.row("a note without anything", incidents.note(note(incident, "")).await, invalid, reason, "");
    let bad = note(incident, "bell\u{7}");
    table.row("a control character", incidents.note(bad).await, invalid, reason, "text");
    let bad = note(incident, "left\u{202e}right");
    table.row("a turned direction", incidents.note(bad).await, invalid, reason, "text");
    let bad = note(incident, "e\u{301}");
    table.row("text that is not NFC", incidents.note(bad).await, invalid, reason, "text");
    let bad = note(incident, &"x".repeat(12_001));
    table.row("a text one byte too long", incidents.note(bad).await, invalid, reason, "text");
    let bad = api::NoteRequest { code: "small letters".into(), ..note(incident, "x") };
    table.row("a code that is none", incidents.note(bad).await, invalid, reason, "code");
    let bad = api::NoteRequest { acting_for: "A 01".into(), ..note(incident, "x") };
    table.row("a station that is no name", incidents.note(bad).await, invalid, reason, "acting_for");
    let claimed_time = Some(api::Timestamp { seconds: -1, nanos: 0 });
    let bad = api::NoteRequest { claimed_time, ..note(incident, "x") };
    table.row("a time before 1970", incidents.note(bad).await, invalid, reason, "claimed_time");
    let bad = api::ReportUnitRequest {
        request_id: id(),
        incident: incident.into(),
        deployment: id(),
        unit: "A-01-U1".into(),
        status: "FLYING".into(),
        ..Default::default()
    };
    table.row("a status nobody knows", incidents.report_unit(bad).await, invalid, reason, "status");
}

async fn not_there(table: &mut Table, app: &TestApp, a: &Client, incident: &str) -> anyhow::Result<()> {
    let mut incidents = a.incidents();
    let missing = Code::NotFound;
    let bad = note(&id(), "x");
    table.row("an incident that is not there", incidents.note(bad).await, missing, "INCIDENT_NOT_FOUND", "");
    let bad = api::GetIncidentRequest { incident: id() };
    table.row("reading one that is not there", incidents.get_incident(bad).await, missing, "INCIDENT_NOT_FOUND", "");
    let alert = |to: &str| api::AlertRequest {
        request_id: id(),
        incident: incident.into(),
        to: to.into(),
        ..Default::default()
    };
    table.row("an unknown station", incidents.alert(alert("Z-99")).await, missing, "STATION_NOT_FOUND", "");
    let same = incidents.alert(alert("A-01")).await;
    table.row("the own station", same, Code::FailedPrecondition, "SAME_STATION", "");
    let bad = api::GetHandoffRequest { incident: incident.into(), handoff: id() };
    let answer = a.handoffs().get_handoff(bad).await;
    table.row("a handoff that is not there", answer, missing, "HANDOFF_NOT_FOUND", "");
    let bad = receive_request(incident);
    table.row("an incident twice", incidents.receive(bad).await, Code::AlreadyExists, "INCIDENT_EXISTS", "");
    let stranger = app.client("b-duty")?;
    let answer = stranger.incidents().note(note(incident, "x")).await;
    table.row("an incident one may not know of", answer, missing, "INCIDENT_NOT_FOUND", "");
    Ok(())
}

async fn not_now(table: &mut Table, app: &TestApp, incident: &str) -> anyhow::Result<()> {
    let duty = app.client("a-duty")?;
    let mut incidents = duty.incidents();
    let case = case(app, "a-duty", incident).await?;
    let close = api::CloseRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen(&case),
        code: "DONE".into(),
        ..Default::default()
    };
    let early = incidents.close(close.clone()).await;
    let found = early.as_ref().err().map(Refusal::of);
    table.row("closing what is only received", early, Code::FailedPrecondition, "MOVE_NOT_LEGAL", "");
    let legal = found.and_then(|refusal| refusal.values.get("legal_moves").cloned()).unwrap_or_default();
    assert!(legal.contains("note"), "a refused move names the legal ones: {legal:?}");
    let expected = Some(api::Expected { state: case.state.clone(), form_version: None, tenure: Some(7) });
    let stale = incidents.close(api::CloseRequest { request_id: id(), expected, ..close.clone() }).await;
    table.row("a stale decision", stale, Code::Aborted, "STALE_VERSION", "");
    let blind = incidents.close(api::CloseRequest { request_id: id(), expected: None, ..close }).await;
    table.row("a decision on nothing seen", blind, Code::InvalidArgument, "INVALID_FIELD", "expected.tenure");
    let request_id = id();
    let first = api::NoteRequest { request_id: request_id.clone(), ..note(incident, "one") };
    let again = api::NoteRequest { request_id: request_id.clone(), ..note(incident, "two") };
    let other =
        api::AddLabelRequest { request_id, incident: incident.into(), number: "A-1".into(), ..Default::default() };
    // A refusal is an answer too: it takes the id.
    let bad = api::NoteRequest { incident: id(), ..first };
    let answer = incidents.note(bad).await;
    table.row("a note on nothing", answer, Code::NotFound, "INCIDENT_NOT_FOUND", "");
    let (code, reason, field) = (Code::InvalidArgument, "REQUEST_ID_REUSED", "request_id");
    table.row("a request id with another body", incidents.note(again).await, code, reason, field);
    table.row("a request id with another method", incidents.add_label(other).await, code, reason, field);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_its_reason_and_leaves_nothing() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let a = app.client("a-system")?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let before = heads(&app).await?;
    let mut table = Table::default();
    malformed(&mut table, &a, &incident).await;
    not_there(&mut table, &app, &a, &incident).await?;
    not_now(&mut table, &app, &incident).await?;
    assert_nothing_recorded(&app, before, &table).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_request_is_not_taken_for_another_after_a_restart() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let first = note(&incident, "one");
    let answer = told(app.client("a-dispatcher")?.incidents().note(first.clone()).await)?;
    app.stop().await?;
    app.start()?;
    let dispatcher = app.client("a-dispatcher")?;
    let again = told(dispatcher.incidents().note(first.clone()).await)?;
    assert_eq!(again, api::MoveReply { replayed: true, ..answer });
    let other = api::NoteRequest { text: "two".into(), ..first };
    let status = dispatcher.incidents().note(other).await.expect_err("another body under the same id");
    assert_eq!(Refusal::of(&status).reason, "REQUEST_ID_REUSED");
    Ok(())
}

/// Boundary files that are no map, and a word the problem has to hold.
const BAD_MAPS: &[(&str, &str, &str)] = &[
    (
        "rings that cross",
        r#"{"type":"FeatureCollection","datum":"WGS84","version":"1","features":[{"type":"Feature","properties":{"id":"north","name":"North","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[86.0,44.0],[86.2,44.2],[86.2,44.0],[86.0,44.2],[86.0,44.0]]]}}]}"#,
        "north",
    ),
    (
        "a map in metres",
        r#"{"type":"FeatureCollection","datum":"WGS84","version":"1","features":[{"type":"Feature","properties":{"id":"north","name":"North","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[500000,4880000],[520000,4880000],[520000,4900000],[500000,4900000],[500000,4880000]]]}}]}"#,
        "metres",
    ),
    (
        "a map of no known system",
        r#"{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"EPSG:32645"}},"version":"1","features":[{"type":"Feature","properties":{"id":"north","name":"North","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[500000,4880000],[520000,4880000],[520000,4900000],[500000,4880000]]]}}]}"#,
        "32645",
    ),
    ("no GeoJSON", "{}", ""),
];

/// A sound map whose claimant is in no directory.
const STRANGERS_MAP: &str = r#"{"type":"FeatureCollection","datum":"WGS84","version":"1","features":[{"type":"Feature","properties":{"id":"north","name":"North","station":"Z-99"},"geometry":{"type":"Polygon","coordinates":[[[86.0,44.0],[86.2,44.0],[86.2,44.2],[86.0,44.0]]]}}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_names_an_unknown_station_is_refused_as_the_catalogue_says() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let before = heads(&app).await?;
    let mut table = Table::default();
    let request = api::PublishMapRequest {
        request_id: id(),
        map: Some(api::MapRef { id: id(), version: 1 }),
        geojson: STRANGERS_MAP.as_bytes().to_vec(),
        ..Default::default()
    };
    let answer = app.client("a-admin")?.directory().publish_map(request).await;
    table.row("a station nobody knows", answer, Code::InvalidArgument, "MAP_INVALID", "geojson");
    assert_nothing_recorded(&app, before, &table).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_file_that_is_no_map_is_refused_with_its_problem() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let admin = app.client("a-admin")?;
    let before = heads(&app).await?;
    let mut table = Table::default();
    for (what, geojson, word) in BAD_MAPS {
        let request = api::PublishMapRequest {
            request_id: id(),
            map: Some(api::MapRef { id: id(), version: 1 }),
            geojson: geojson.as_bytes().to_vec(),
            ..Default::default()
        };
        let answer = admin.directory().publish_map(request).await;
        if let Err(status) = &answer {
            let problem = Refusal::of(status).values.get("problem").cloned().unwrap_or_default();
            assert!(problem.contains(word), "{what}: the problem does not say {word}: {problem:?}");
        }
        table.row(what, answer, Code::InvalidArgument, "MAP_INVALID", "geojson");
    }
    let request = api::PublishMapRequest { request_id: id(), ..Default::default() };
    let answer = admin.directory().publish_map(request).await;
    table.row("no map at all", answer, Code::InvalidArgument, "INVALID_FIELD", "map");
    assert_nothing_recorded(&app, before, &table).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_lacks_something_names_all_of_it() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    handoff_tests::play::unit(&app, "a", &incident, "ON_SCENE").await?;
    let before = heads(&app).await?;
    let offer = api::OfferRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen(&case(&app, "a-duty", &incident).await?),
        handoff: id(),
        to: "B-07".into(),
        basis: "UNIT_ASSIGNED".into(),
        form: Some(api::FormInput { kind: "emergency".into(), severity: "URGENT".into(), ..Default::default() }),
        ..Default::default()
    };
    let mut table = Table::default();
    let answer = app.client("a-duty")?.handoffs().offer(offer).await;
    let found = answer.as_ref().err().map(Refusal::of);
    table.row("a form with holes", answer, Code::FailedPrecondition, "FORM_INCOMPLETE", "");
    let fields = found.and_then(|refusal| refusal.values.get("fields").cloned()).unwrap_or_default();
    for missing in ["place", "measures", "risks"] {
        assert!(fields.contains(missing), "{missing} is not named: {fields:?}");
    }
    assert_eq!(case(&app, "a-duty", &incident).await?.custodian, Some(seat("A", "A-01")));
    assert_nothing_recorded(&app, before, &table).await
}
