//! Lists in pages: in order, without gap or double, under tokens that are good for nothing else.

use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{id, intake, offered, receive};
use handoff_tests::refusal::{refused, told};
use tonic::Code;

type Owed = (i64, i32, String, String);

fn key(owed: &api::Obligation) -> Owed {
    let due = owed.due_time.unwrap_or_default();
    (due.seconds, due.nanos, owed.incident.clone(), owed.duty.clone())
}

fn owed_request(direction: &str, page_size: i32, page_token: &str) -> api::ListObligationsRequest {
    api::ListObligationsRequest {
        direction: direction.into(),
        page_size,
        page_token: page_token.into(),
        ..Default::default()
    }
}

/// One page: its obligations, and the token of the next.
async fn page(app: &TestApp, who: &str, request: api::ListObligationsRequest) -> anyhow::Result<(Vec<Owed>, String)> {
    let page = told(app.client(who)?.obligations().list_obligations(request).await)?;
    Ok((page.obligations.iter().map(key).collect(), page.next_page_token))
}

/// Every page, and how many there were.
async fn pages(app: &TestApp, who: &str, direction: &str, size: i32) -> anyhow::Result<(Vec<Owed>, usize)> {
    let (mut all, mut token, mut count) = (Vec::new(), String::new(), 0);
    loop {
        let (page, next) = page(app, who, owed_request(direction, size, &token)).await?;
        assert!(page.len() <= usize::try_from(size)?, "a page is never longer than asked for");
        all.extend(page);
        (token, count) = (next, count + 1);
        if token.is_empty() {
            return Ok((all, count));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn obligations_come_in_pages_most_pressing_first_none_missing_and_none_twice() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    let mut incidents = Vec::new();
    for number in 0..7 {
        let mut call = intake(44.1, 86.35);
        call.severity = if number % 2 == 0 { "NORMAL" } else { "URGENT" }.into();
        incidents.push(receive(&app, call).await?);
    }
    for (who, direction, duty) in [
        ("a-supervisor", "OURS", "dispatch"),
        ("b-supervisor", "TOWARDS_US", "dispatch"),
        ("b-dispatcher", "OURS", "alert_seen"),
        ("a-dispatcher", "TOWARDS_US", "alert_seen"),
    ] {
        let (whole, _) = pages(&app, who, direction, 200).await?;
        let (paged, count) = pages(&app, who, direction, 3).await?;
        assert_eq!(paged, whole, "{who} {direction}");
        assert_eq!((whole.len(), count), (7, 3), "{who} {direction}: {whole:?}");
        assert!(whole.is_sorted(), "{who} {direction}: {whole:?}");
        assert!(whole.iter().all(|(.., named)| named == duty), "{who} {direction}: {whole:?}");
    }
    // What is settled or added between two pages makes no gap among the rest and nothing twice.
    let (first, token) = page(&app, "a-supervisor", owed_request("OURS", 3, "")).await?;
    let settled = incidents.iter().find(|one| !first.iter().any(|(_, _, incident, _)| incident == *one));
    handoff_tests::play::unit(&app, "a", settled.expect("one of a later page"), "ON_SCENE").await?;
    receive(&app, intake(44.1, 86.35)).await?;
    let (rest, _) = page(&app, "a-supervisor", owed_request("OURS", 200, &token)).await?;
    let dispatch = |owed: &&Owed| owed.3 == "dispatch";
    let mut seen: Vec<_> = first.iter().chain(&rest).filter(dispatch).map(|(_, _, incident, _)| incident).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), first.iter().chain(&rest).filter(dispatch).count(), "nothing comes twice");
    let missing = incidents.iter().filter(|one| Some(*one) != settled && !seen.contains(one));
    assert_eq!(missing.count(), 0, "nothing is left out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_is_good_for_its_caller_and_filter_alone() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    for _ in 0..4 {
        receive(&app, intake(44.1, 86.35)).await?;
    }
    let (_, token) = page(&app, "a-supervisor", owed_request("OURS", 2, "")).await?;
    let mut forged = token.clone().into_bytes();
    forged[5] = if forged[5] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged)?;
    let other_station = api::ListObligationsRequest { station: "A-01".into(), ..owed_request("OURS", 2, &token) };
    for (what, who, request) in [
        ("another organisation's", "b-supervisor", owed_request("OURS", 2, &token)),
        ("another officer's", "a-dispatcher", owed_request("OURS", 2, &token)),
        ("another direction's", "a-supervisor", owed_request("TOWARDS_US", 2, &token)),
        ("another filter's", "a-supervisor", other_station),
        ("a forged one", "a-supervisor", owed_request("OURS", 2, &forged)),
        ("no token", "a-supervisor", owed_request("OURS", 2, "next")),
    ] {
        let found = refused(app.client(who)?.obligations().list_obligations(request).await)?;
        assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "CURSOR_INVALID"), "{what}");
        assert!(found.names("page_token"), "{what}: {found:?}");
    }
    let mut incidents = app.client("a-supervisor")?.incidents();
    let request = |page_token: &str, closed| api::ListIncidentsRequest {
        page_size: 2,
        page_token: page_token.into(),
        closed,
        ..Default::default()
    };
    let listed = told(incidents.list_incidents(request("", false)).await)?;
    for (page_token, closed) in [(listed.next_page_token.as_str(), true), (token.as_str(), false)] {
        let found = refused(incidents.list_incidents(request(page_token, closed)).await)?;
        assert_eq!(found.reason, "CURSOR_INVALID");
    }
    let second = told(incidents.list_incidents(request(&listed.next_page_token, false)).await)?;
    let ids: std::collections::BTreeSet<_> =
        listed.incidents.iter().chain(&second.incidents).map(|one| &one.id).collect();
    assert_eq!(ids.len(), 4, "two pages of two");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_the_directory_go_on_after_the_last_object_even_when_one_is_added_before_it() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let mut directory = app.client("a-admin")?.directory();
    let request = |page_token: String| api::ListUnitsRequest { page_size: 2, page_token };
    let first = told(directory.list_units(request(String::new())).await)?;
    let set = api::Unit { id: "A-00-U0".into(), station: "A-01".into(), ..Default::default() };
    told(directory.set_unit(api::SetUnitRequest { request_id: id(), unit: Some(set), ..Default::default() }).await)?;
    let second = told(directory.list_units(request(first.next_page_token.clone())).await)?;
    let names: Vec<_> = first.units.iter().chain(&second.units).map(|unit| unit.id.as_str()).collect();
    assert_eq!(names, ["A-01-U1", "A-01-U2", "B-07-U1", "B-07-U2"]);
    assert_eq!(second.next_page_token, "");
    let posts = api::ListPostsRequest { page_size: 2, page_token: first.next_page_token };
    assert_eq!(refused(directory.list_posts(posts).await)?.reason, "CURSOR_INVALID");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_narrowed_to_the_own_station_and_says_whom_it_is_refused() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let (incident, _) = offered(&app).await?;
    for (who, station, reason) in [
        ("a-supervisor", "Z-99", "STATION_NOT_FOUND"),
        ("a-supervisor", "B-07", "OTHER_ORGANISATION"),
        ("a-dispatcher", "no name", "INVALID_FIELD"),
    ] {
        let request = api::ListObligationsRequest { station: station.into(), ..owed_request("OURS", 0, "") };
        assert_eq!(refused(app.client(who)?.obligations().list_obligations(request).await)?.reason, reason);
        let request = api::ListIncidentsRequest { station: station.into(), ..Default::default() };
        assert_eq!(refused(app.client(who)?.incidents().list_incidents(request).await)?.reason, reason);
    }
    let found = refused(app.client("a-duty")?.obligations().list_obligations(owed_request("", 0, "")).await)?;
    assert!(found.reason == "INVALID_FIELD" && found.names("direction"), "{found:?}");
    let found = refused(app.client("a-admin")?.obligations().list_obligations(owed_request("OURS", 0, "")).await)?;
    assert_eq!(found.reason, "ROLE_NOT_ALLOWED");
    // One incident alone, in both directions.
    let within =
        |direction: &str| api::ListObligationsRequest { incident: incident.clone(), ..owed_request(direction, 0, "") };
    let (ours, _) = page(&app, "b-duty", within("OURS")).await?;
    assert!(ours.iter().any(|(.., duty)| duty == "decide") && ours.iter().all(|(.., duty)| duty != "handled"));
    let (theirs, _) = page(&app, "b-duty", within("TOWARDS_US")).await?;
    assert!(theirs.iter().any(|(.., duty)| duty == "handled"), "{theirs:?}");
    let found = refused(app.client("superior")?.obligations().list_obligations(within("OURS")).await)?;
    assert_eq!(found.reason, "INCIDENT_NOT_FOUND", "nothing of it has reached the superior");
    Ok(())
}
