//! Intake is never refused for what it does not know.

use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{case, id, intake, receive, trace};
use handoff_tests::refusal::told;

fn place(datum: &str, latitude: Option<f64>, longitude: Option<f64>) -> Option<api::PlaceInput> {
    Some(api::PlaceInput { datum: datum.into(), latitude, longitude, precision_m: None, address: "km 12".into() })
}

/// What is reported, the flags it gets, what the place resolves to.
fn odd_intakes() -> Vec<(&'static str, api::Intake, &'static [&'static str])> {
    let usual = intake(44.1, 86.1);
    vec![
        ("nothing at all", api::Intake::default(), &[]),
        ("an unknown kind", api::Intake { kind: "flying_saucer".into(), ..usual.clone() }, &["UNMAPPED"]),
        ("an unknown severity", api::Intake { severity: "SEVERE".into(), ..usual.clone() }, &["UNMAPPED"]),
        (
            "an unknown datum",
            api::Intake { place: place("PULKOVO42", Some(44.1), Some(86.1)), ..usual.clone() },
            &["UNTRUSTED"],
        ),
        (
            "no place on earth",
            api::Intake { place: place("WGS84", Some(144.1), Some(86.1)), ..usual.clone() },
            &["UNTRUSTED"],
        ),
        (
            "not a number",
            api::Intake { place: place("WGS84", Some(f64::NAN), Some(86.1)), ..usual.clone() },
            &["UNTRUSTED"],
        ),
        (
            "a fallback point of the map",
            api::Intake { place: place("WGS84", Some(44.05), Some(86.05)), ..usual.clone() },
            &["UNTRUSTED"],
        ),
        (
            "a station nobody knows",
            api::Intake { channel: "SENT_ON".into(), sent_on_by: "Z-99".into(), ..usual },
            &["UNMAPPED"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_intake_cannot_understand_is_stored_and_flagged() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    for (what, odd, flags) in odd_intakes() {
        let incident =
            receive(&app, odd.clone()).await.map_err(|refusal| refusal.context(format!("intake with {what}")))?;
        let stored = case(&app, "a-duty", &incident).await?;
        assert_eq!(stored.state, "RECEIVED", "{what}");
        assert_eq!(stored.custodian.as_ref().map(|seat| seat.station.as_str()), Some("A-01"), "{what}");
        for flag in flags {
            assert!(stored.flags.iter().any(|found| found == flag), "{what}: no {flag} in {:?}", stored.flags);
        }
        assert_eq!(stored.kind, odd.kind, "{what}: the word is kept");
        if let Some(place) = &odd.place {
            let kept = stored.places.first().unwrap_or_else(|| panic!("{what}: no place is stored"));
            assert_eq!(kept.datum, place.datum, "{what}: the datum is kept as it is called");
            if flags.contains(&"UNTRUSTED") {
                let ground = kept.territory.as_ref().map(|territory| territory.ground.as_str());
                assert!(ground.is_none_or(|ground| ground == "UNTRUSTED"), "{what}: resolved as {ground:?}");
            }
        }
        assert!(stored.obligations.iter().any(|owed| owed.duty == "dispatch"), "{what}: a unit is owed");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_severity_counts_as_urgent() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let due = async |severity: &str| -> anyhow::Result<i64> {
        let incident = receive(&app, api::Intake { severity: severity.into(), ..intake(44.1, 86.1) }).await?;
        let stored = case(&app, "a-duty", &incident).await?;
        let owed = stored.obligations.iter().find(|owed| owed.duty == "dispatch").expect("a unit is owed");
        let at = |time: &Option<api::Timestamp>| {
            let time = time.as_ref().expect("an obligation has times");
            time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000
        };
        Ok(at(&owed.due_time) - at(&owed.since_time))
    };
    let urgent = due("URGENT").await?;
    assert_eq!(urgent, 60_000);
    assert_eq!(due("").await?, urgent);
    assert_eq!(due("SEVERE").await?, urgent);
    assert_eq!(due("NORMAL").await?, 300_000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_on_the_other_sides_ground_alerts_that_side_at_once() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    for (what, longitude, alerted) in [("own", 86.1, false), ("theirs", 86.35, true), ("on the border", 86.2, true)] {
        let incident = receive(&app, intake(44.1, longitude)).await?;
        let stored = case(&app, "a-duty", &incident).await?;
        let told = stored.alerts.iter().any(|alert| alert.station.as_ref().is_some_and(|seat| seat.station == "B-07"));
        assert_eq!(told, alerted, "{what} ground: {:?}", stored.alerts);
        assert_eq!(case(&app, "b-duty", &incident).await.is_ok(), alerted, "{what} ground");
        assert_eq!(stored.custodian.map(|seat| seat.station).as_deref(), Some("A-01"), "custody stays");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_a_newer_peer_survives_the_round_trip() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let note = api::NoteRequest {
        request_id: id(),
        incident: incident.clone(),
        code: "SEEN_FROM_ORBIT".into(),
        ..Default::default()
    };
    told(app.client("a-dispatcher")?.incidents().note(note).await)?;
    let entries = trace(&app, &incident).await?;
    let noted = entries.iter().find(|entry| entry.r#type == "noted").expect("the note is traced");
    let code = noted.fields.iter().find(|field| field.path == "code").and_then(|field| field.value.clone());
    assert_eq!(code, Some(api::field::Value::Text("SEEN_FROM_ORBIT".into())));
    Ok(())
}
