//! After decline or recall a station keeps what it saw and sees nothing new; and who hears of an offer at once.

use handoff_client::api;
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::play::{case, id, intake, note, offered, receive, seen, table, unit};
use handoff_tests::refusal::{refused, told};
use tonic::{Code, Streaming};

/// What the narrative of every intake says.
const NARRATIVE: &str = "two cars collided";

async fn decline(app: &TestApp, incident: &str, handoff: &str) -> anyhow::Result<()> {
    let on_table = table(app, "b-duty", incident, handoff).await?;
    let expected = api::Expected { state: on_table.state, form_version: Some(1), tenure: Some(1) };
    let request = api::DeclineRequest {
        request_id: id(),
        incident: incident.into(),
        expected: Some(expected),
        handoff: handoff.into(),
        version: 1,
        code: "NOT_OUR_MATTER".into(),
        ..Default::default()
    };
    told(app.client("b-duty")?.handoffs().decline(request).await)?;
    Ok(())
}

/// What A does once B is out: the case kept, a further place, a note, a unit, all of it handled.
async fn go_on(app: &TestApp, incident: &str, handoff: &str) -> anyhow::Result<()> {
    let client = app.client("a-duty")?;
    let expected = api::Expected { state: "DECLINED".into(), form_version: Some(1), tenure: Some(1) };
    let keep = api::KeepRequest {
        request_id: id(),
        incident: incident.into(),
        expected: Some(expected),
        handoff: handoff.into(),
        code: "STAYS_OURS".into(),
        ..Default::default()
    };
    told(client.handoffs().keep(keep).await)?;
    let place = api::PlaceInput {
        datum: "WGS84".into(),
        latitude: Some(44.11),
        longitude: Some(86.11),
        precision_m: Some(5),
        address: "the second place".into(),
    };
    let request =
        api::AddPlaceRequest { request_id: id(), incident: incident.into(), place: Some(place), ..Default::default() };
    told(client.incidents().add_place(request).await)?;
    told(client.incidents().note(note(incident, "nobody else is to read this")).await)?;
    unit(app, "a", incident, "ASSIGNED").await?;
    let expected = seen(&case(app, "a-duty", incident).await?);
    let handled =
        api::DeclareHandledRequest { request_id: id(), incident: incident.into(), expected, ..Default::default() };
    told(client.incidents().declare_handled(handled).await)?;
    Ok(())
}

async fn trace(app: &TestApp, name: &str, incident: &str) -> anyhow::Result<(Vec<api::Entry>, api::Incident)> {
    let request = api::TraceRequest { incident: incident.into(), after_seq: 0 };
    let mut stream = told(app.client(name)?.audit().trace(request).await)?;
    let (mut entries, mut last) = (Vec::new(), None);
    while let Some(part) = stream.message().await? {
        entries.extend(part.entries.into_iter().filter_map(|entry| entry.entry));
        last = part.incident.or(last);
    }
    Ok((entries, last.expect("the last message holds the case")))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_part_has_ended_a_station_keeps_what_it_saw_and_sees_nothing_new() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let (incident, handoff) = offered(&app).await?;
    decline(&app, &incident, &handoff).await?;
    let then = case(&app, "b-duty", &incident).await?;
    go_on(&app, &incident, &handoff).await?;
    assert_eq!(case(&app, "a-duty", &incident).await?.state, "HANDLED");
    for name in ["b-duty", "b-dispatcher", "b-supervisor", "b-system"] {
        let now = case(&app, name, &incident).await?;
        assert_eq!((now.version, now.state.as_str()), (then.version, "ON_SCENE"), "{name}");
        assert_eq!((now.places.len(), now.deployments.len()), (1, 1), "{name}");
        let address = now.places[0].address.clone().expect("an address");
        assert_eq!((address.state.as_str(), address.value.is_empty()), ("DISCLOSED", false), "{name} has read it");
        assert!(now.legal_moves.is_empty(), "{name}: {:?}", now.legal_moves);
        let form = table(&app, name, &incident, &handoff).await?;
        assert_eq!(form.state, "DECLINED", "{name}");
        let measures = form.form.and_then(|form| form.measures).expect("measures");
        assert_eq!(measures.value, "scene secured", "{name}");
    }
    let (entries, last) = trace(&app, "b-duty", &incident).await?;
    assert_eq!((entries.last().map(|entry| entry.seq), last.version), (Some(then.version), then.version));
    assert!(entries.iter().any(|entry| format!("{:?}", entry.fields).contains("SealedText")), "texts are among them");
    let narrative = api::FieldRef { seq: 1, path: "narrative".into() };
    let asked = api::OpenSealedRequest { incident: incident.clone(), fields: vec![narrative] };
    let opened = told(app.client("b-duty")?.audit().open_sealed(asked).await)?;
    let content = opened.fields.first().and_then(|field| field.content.as_ref());
    let text = |content: &api::opened_field::Content| matches!(content, api::opened_field::Content::Text(text) if text.value == NARRATIVE);
    assert!(content.is_some_and(text), "{:?}", opened.fields);
    let why = told(app.client("b-duty")?.audit().why_open(api::WhyOpenRequest { incident: incident.clone() }).await)?;
    assert_eq!(why.state, "ON_SCENE");
    lists(&app, &incident).await?;
    // A refusal tells nothing of what has become of it either.
    let claim = api::ClaimRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: Some(api::Expected { state: "HANDLED".into(), form_version: None, tenure: Some(1) }),
        handoff: id(),
        code: "OUR_TERRITORY".into(),
        ..Default::default()
    };
    let found = refused(app.client("b-duty")?.handoffs().claim(claim).await)?;
    assert_eq!((found.code, found.reason.as_str()), (Code::PermissionDenied, "WRONG_SIDE"));
    assert!(!found.values.keys().any(|name| name.contains("state") || name.contains("legal")), "{found:?}");
    app.check()?;
    Ok(())
}

/// B lists it among those it has no part in any more, as it was; A among its own.
async fn lists(app: &TestApp, incident: &str) -> anyhow::Result<()> {
    for (name, former, wanted) in
        [("b-duty", false, None), ("b-duty", true, Some("ON_SCENE")), ("a-duty", false, Some("HANDLED"))]
    {
        let request = api::ListIncidentsRequest { former, ..Default::default() };
        let listed = told(app.client(name)?.incidents().list_incidents(request).await)?.incidents;
        let state = listed.iter().find(|one| one.id == incident).map(|one| one.state.as_str());
        assert_eq!(state, wanted, "{name}, former: {former}");
    }
    Ok(())
}

async fn watch(app: &TestApp, name: &str) -> anyhow::Result<Streaming<api::WatchResponse>> {
    told(app.client(name)?.feed().watch(api::WatchRequest { from_now: true, ..Default::default() }).await)
}

/// Asks until the receiver is, or is not, connected.
async fn until(app: &TestApp, incident: &str, handoff: &str, connected: bool) -> anyhow::Result<api::Handoff> {
    let wait = async {
        loop {
            let view = table(app, "a-duty", incident, handoff).await?;
            if view.receiver_connected == Some(connected) {
                return anyhow::Ok(view);
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offerer_hears_at_once_that_nobody_of_the_receiver_is_connected() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let alert =
        || api::AlertRequest { request_id: id(), incident: incident.clone(), to: "B-07".into(), ..Default::default() };
    let (first, client) = (alert(), app.client("a-dispatcher")?);
    let reply = told(client.incidents().alert(first.clone()).await)?;
    assert_eq!(reply.receiver_connected, Some(false));
    let since = reply.receiver_disconnect_time.expect("since when");
    let again = told(client.incidents().alert(first).await)?;
    assert_eq!((again.replayed, again.position), (true, reply.position));
    // A note makes nothing known to anybody and says nothing of it.
    let noted = told(app.client("a-duty")?.incidents().note(note(&incident, "x")).await)?;
    assert_eq!((noted.receiver_connected, noted.receiver_disconnect_time), (None, None));
    unit(&app, "a", &incident, "ON_SCENE").await?;
    let handoff = handoff_tests::play::offer(&app, &incident).await?;
    let view = until(&app, &incident, &handoff, false).await?;
    assert_eq!(view.receiver_disconnect_time, Some(since), "nobody has been there since");
    // Neither the own system nor another client of B's is B's dispatch system or duty officer.
    let others =
        [watch(&app, "a-system").await?, watch(&app, "b-second-system").await?, watch(&app, "b-dispatcher").await?];
    until(&app, &incident, &handoff, false).await?;
    for name in ["b-system", "b-duty"] {
        let stream = watch(&app, name).await?;
        let view = until(&app, &incident, &handoff, true).await?;
        assert_eq!(view.receiver_disconnect_time, None, "{name}");
        drop(stream);
        let view = until(&app, &incident, &handoff, false).await?;
        let gone = view.receiver_disconnect_time.expect("since when");
        assert!((gone.seconds, gone.nanos) > (since.seconds, since.nanos), "{name}");
    }
    drop(others);
    Ok(())
}
