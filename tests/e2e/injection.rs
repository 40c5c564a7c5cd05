//! Texts that an attacker would send: what is no text is refused by name, what is one is kept to the byte and run by
//! nobody, and neither reaches a line of the log (security, 4).

use anyhow::Context;
use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::matrix::cast::Caller;
use handoff_tests::matrix::line::Line;
use handoff_tests::matrix::scene::Scene;
use handoff_tests::matrix::states::Seat;
use handoff_tests::matrix::words::Identity;
use handoff_tests::planted::{CANARY, LEGAL, forbidden, places};
use handoff_tests::play::{case, furnish, id, intake, note, offered, receive, seen, table, trace, unit};
use handoff_tests::refusal::{Refusal, told};
use tonic::Code;

/// Fields in which a text that is none is not refused, and why.
const NOT_READ: &[(&str, &[&str])] = &[
    // A severity nobody knows counts as urgent: a call for help is not sent back for a word (`intake`).
    ("IncidentService/Receive", &["intake.severity"]),
    ("IncidentService/Split", &["intake.severity"]),
    ("IncidentService/ChangeDetails", &["severity"]),
    // What the service alone says of an object is not read where it is set.
    ("DirectoryService/SetStation", &["station.organisation"]),
    ("DirectoryService/SetPost", &["post.organisation"]),
    ("DirectoryService/SetUnit", &["unit.organisation"]),
    ("DirectoryService/SetCatalogue", &["catalogue.organisation"]),
    ("DirectoryService/ProposeAgreement", &["agreement.proposed_by"]),
    // Of the statements only the one that is asked for is made, of its own fields.
    (
        "HandoffService/GetStatement",
        &["ruling", "code", "case_number", "result", "side.organisation", "side.station", "reasons", "support"],
    ),
];

/// A furnished service that writes its log as JSON, all of it.
async fn logged() -> anyhow::Result<TestApp> {
    let mut app = TestApp::prepare()?;
    app.configure("level = \"info\"\nformat = \"text\"", "level = \"trace\"\nformat = \"json\"")?;
    app.start()?;
    furnish(&app).await?;
    Ok(app)
}

/// Every line the service wrote is one JSON object and says nothing of what was sent.
fn assert_log_is_clean(app: &TestApp, planted: &[&str]) {
    let said = app.said();
    let mut lines = 0;
    // The first line is for whoever started it.
    for line in said.lines().filter(|line| !line.starts_with("serving on ")) {
        let value: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(value.is_ok_and(|value| value.is_object()), "not one object: {line}");
        assert!(!planted.iter().any(|text| line.contains(text)), "what was sent: {line}");
        lines += 1;
    }
    assert!(lines > 0, "it writes a log at all");
}

/// What is wrong with the answer to a planted text; nothing where it is refused as it should be.
fn fault(answer: &handoff_tests::matrix::line::Answer, path: &str) -> Option<String> {
    let Some(status) = &answer.status else { return Some("it was taken".to_owned()) };
    let found = Refusal::of(status);
    // A token is no field with a name of its own: it is one of this list's or it is not.
    let named = found.names(path) || found.reason == "CURSOR_INVALID";
    if (found.code, found.text.is_empty()) != (Code::InvalidArgument, false) || !named {
        return Some(format!("{:?} {} {:?}", found.code, found.reason, found.fields));
    }
    let bytes = String::from_utf8_lossy(status.details()).into_owned() + status.message();
    // Details are binary; what matters in them is the text.
    let echoed = bytes.contains(CANARY) || bytes.contains("\u{1b}[") || bytes.contains('\u{202e}');
    echoed.then(|| format!("it echoes what was sent: {bytes:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_is_refused_by_name_in_every_field_of_every_request() -> anyhow::Result<()> {
    let app = logged().await?;
    let (incident, handoff) = offered(&app).await?;
    let scene = Scene { incident, handoff, version: 1, ..Scene::new("offered") };
    let (line, before) = (Line::to(&app)?, app.events().await?);
    let token = |name| handoff_tests::app::who(name).and_then(|who| app.token(&who));
    let tokens = [token("a-duty")?, token("a-admin")?, token("a-witness")?];
    let mut places = places(&scene, Caller::new(Seat::A, Identity::DutyOfficer))?;
    let known = places.len();
    let is_read = |method: &str, path: &str| !NOT_READ.iter().any(|(of, paths)| *of == method && paths.contains(&path));
    places.retain(|place| is_read(&place.method, &place.path));
    assert_eq!(known - places.len(), NOT_READ.iter().map(|(_, paths)| paths.len()).sum::<usize>(), "each is a field");
    assert!(places.len() > 400, "{} text fields", places.len());
    let mut faults = Vec::new();
    let overlong = ("more than any text may hold", format!("{CANARY}{}", "x".repeat(20_000)));
    for (what, text) in forbidden().into_iter().chain([overlong]) {
        for place in &places {
            let mut answer = line.call(&place.method, Some(&tokens[0]), place.with(&text)?).await;
            for token in &tokens[1..] {
                if answer.code == Code::PermissionDenied {
                    answer = line.call(&place.method, Some(token), place.with(&text)?).await;
                }
            }
            faults.extend(
                fault(&answer, &place.path).map(|fault| format!("{} {}: {what}: {fault}", place.method, place.path)),
            );
        }
    }
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
    assert_eq!(app.events().await?, before, "nothing of it was recorded");
    assert_log_is_clean(&app, &[CANARY]);
    Ok(())
}

/// A case of A's with this text in every field that a person may write in, offered to B.
async fn written(app: &TestApp, text: &str) -> anyhow::Result<(String, String)> {
    let mut call = intake(44.1, 86.1);
    (call.kind, call.number, call.narrative) = (text.into(), text.into(), text.into());
    call.category = Some(api::Category { code: "ROAD".into(), label: text.into(), table: "kinds".into() });
    call.caller = Some(api::CallerInput { phone: text.into(), details: text.into() });
    if let Some(place) = &mut call.place {
        place.address = text.into();
    }
    let incident = receive(app, call).await?;
    told(app.client("a-duty")?.incidents().note(note(&incident, text)).await)?;
    let request = api::AddLabelRequest {
        request_id: id(),
        incident: incident.clone(),
        number: text.into(),
        ..Default::default()
    };
    told(app.client("a-duty")?.incidents().add_label(request).await)?;
    unit(app, "a", &incident, "ON_SCENE").await?;
    let handoff = id();
    let form = api::FormInput {
        kind: text.into(),
        number: text.into(),
        legal_ground: text.into(),
        measures: text.into(),
        risks: text.into(),
        callback: text.into(),
        items: vec![api::FormItemInput { kind: "VEHICLE".into(), note: text.into(), ..Default::default() }],
        ..handoff_tests::play::form()
    };
    let request = api::OfferRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen(&case(app, "a-duty", &incident).await?),
        handoff: handoff.clone(),
        to: "B-07".into(),
        basis: "UNIT_ASSIGNED".into(),
        form: Some(form),
        signer: Some(api::Signer { officer: "a-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    told(app.client("a-duty")?.handoffs().offer(request).await)?;
    Ok((incident, handoff))
}

/// Every place in which a reader is shown the text.
async fn returned(app: &TestApp, incident: &str, handoff: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let view = case(app, "b-duty", incident).await?;
    let form = table(app, "b-duty", incident, handoff).await?.form.context("a form")?;
    let value =
        |sealed: &Option<api::SealedText>| sealed.as_ref().map(|sealed| sealed.value.clone()).unwrap_or_default();
    let label = |found: Option<&api::LocalNumber>| found.map(|found| found.number.clone()).unwrap_or_default();
    let mut all = vec![
        ("kind", view.kind.clone()),
        ("category", view.category.clone().unwrap_or_default().label),
        ("label", label(view.local_numbers.first())),
        ("address", view.places.first().map(|place| value(&place.address)).unwrap_or_default()),
        ("form kind", form.kind.clone()),
        ("form number", form.number.clone()),
        ("legal ground", value(&form.legal_ground)),
        ("measures", value(&form.measures)),
        ("risks", value(&form.risks)),
        ("item", form.items.first().map(|item| value(&item.note)).unwrap_or_default()),
    ];
    for entry in trace(app, incident).await? {
        for field in entry.fields {
            if let (Some(api::field::Value::SealedText(text)), "narrative" | "text") =
                (&field.value, field.path.as_str())
            {
                all.push(("entry", text.value.clone()));
            }
        }
    }
    let (request_id, code) = (id(), "CALL_BACK".into());
    let open = api::OpenCallerDataRequest { request_id, incident: incident.into(), code, ..Default::default() };
    for caller in told(app.client("a-duty")?.audit().open_caller_data(open).await)?.callers {
        all.push(("phone", value(&caller.phone)));
        // The number on the form stands by itself.
        all.extend(caller.details.is_some().then(|| ("details", value(&caller.details))));
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_an_attack_is_kept_to_the_byte_and_run_by_nobody() -> anyhow::Result<()> {
    let mut app = logged().await?;
    let before = app.events().await?;
    for (what, text) in LEGAL {
        let (incident, handoff) = written(&app, text).await?;
        let returned = returned(&app, &incident, &handoff).await?;
        assert!(returned.iter().filter(|(place, _)| *place == "entry").count() >= 2, "{what}: {returned:?}");
        for (place, found) in &returned {
            assert_eq!(found, text, "{what} in {place}");
        }
        assert!(returned.len() >= 14, "{what}: {}", returned.len());
    }
    // Received, noted, labelled, a unit, offered, and the caller's data opened.
    assert_eq!(app.events().await?, before + 6 * LEGAL.len() as u64);
    let texts: Vec<&str> = LEGAL.iter().map(|(_, text)| *text).collect();
    assert_log_is_clean(&app, &texts);
    app.stop().await?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_several_lines_makes_no_line_of_its_own_at_a_terminal() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let forged = "the first line\nFORGED 2026-11-23 taken over by B\n\tFORGED too";
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let text = forged.replace('\t', " ");
    told(app.client("a-duty")?.incidents().note(note(&incident, &text)).await)?;
    std::fs::write(app.path("auditor.token"), app.token(&handoff_tests::app::who("auditor")?)?)?;
    std::fs::write(app.path("duty.token"), app.token(&handoff_tests::app::who("a-duty")?)?)?;
    let address = format!("https://{}", app.address());
    let server = ["--server", &address, "--ca", "ca.pem", "--token-file"];
    for (token, verb) in [
        ("auditor.token", vec!["audit", "trace", incident.as_str()]),
        ("duty.token", vec!["incident", "show", incident.as_str()]),
        ("duty.token", vec!["incident", "list"]),
    ] {
        let printed = app.done(&[verb.as_slice(), &server, &[token]].concat())?;
        assert!(!printed.lines().any(|line| line.trim_start().starts_with("FORGED")), "{verb:?}: {printed}");
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{verb:?}: {printed:?}");
    }
    Ok(())
}
