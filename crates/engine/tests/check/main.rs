//! The log checker over a real store: clean after a history of every kind of move, and each invariant named when the
//! log or a row beside it is changed.

mod applied;
mod play;
mod registries;
mod tamper;
mod world;

use handoff_domain::event::Body;
use handoff_domain::event::handoff::OfferBasis;
use handoff_domain::event::incident::DetailsChanged;
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::retention::TEXT_DAYS;
use handoff_domain::time::DAY;
use handoff_domain::values::Severity;
use handoff_engine::check::{Report, check_log_and_values};
use handoff_engine::memory::LoadError;
use handoff_engine::retention::step;
use handoff_store::Reader;
use std::sync::Arc;
use tamper::Tampered;
use world::{World, org, seat};

/// Checks the log and the values beside it.
async fn check_log(reader: &dyn Reader) -> Result<Report, LoadError> {
    check_log_and_values(reader, &world::vault()).await
}

/// Plays the history once and gives the closed database.
async fn played() -> (tempfile::TempDir, Arc<dyn Reader>) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
    World::run(&url, async |world| {
        play::everything(world).await;
        let live = check_log(world.reader()).await.expect("the log is there");
        assert!(live.is_clean(), "beside a running service:\n{live}");
    })
    .await;
    let reader = handoff_store::open_reader(&url).await.expect("it opens for reading");
    (folder, reader)
}

fn violated(report: &Report) -> Vec<u8> {
    report.invariants.iter().filter(|one| one.violated() > 0).map(|one| one.number).collect()
}

#[tokio::test]
async fn a_log_of_every_kind_of_move_is_clean_and_every_invariant_was_looked_at() {
    let (_folder, reader) = played().await;
    let report = check_log(reader.as_ref()).await.expect("the log is there");
    assert!(report.is_clean(), "\n{report}");
    for invariant in &report.invariants {
        assert!(invariant.checks > 0, "invariant {} was never looked at:\n{report}", invariant.number);
    }
    assert_eq!(report.to_string().lines().count(), 12, "a head, ten invariants, a sum:\n{report}");
    let lines: Vec<String> = report.to_string().lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with(" #  invariant ") && lines[0].ends_with("checks  result"), "{report}");
    assert!(lines[1].starts_with(" 1  exactly one custodian at every instant ") && lines[1].ends_with("  holds"));
    let chinese = report.chinese().to_string();
    assert!(chinese.contains(" 1  任何时刻有且只有一个责任单位") && chinese.contains("成立"), "{chinese}");
}

#[tokio::test]
async fn values_go_when_their_time_has_come_and_the_log_stays_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
    World::run(&url, async |world| {
        play::everything(world).await;
        let now = || world.engine().clock().now();
        let sweep = async || {
            let (mut after, mut erased) = (None, 0);
            loop {
                let (next, gone) = step(world.engine(), after, now()).await.expect("the store is there");
                erased += gone;
                after = next;
                if after.is_none() {
                    return erased;
                }
            }
        };
        let kept = async || world.reader().personal(play::HANDED_OVER, 1, 1_000).await.expect("it can be read").len();
        let before = kept().await;
        assert!(before > 0 && sweep().await == 0 && kept().await == before, "nothing goes before its time");
        world.wait(DAY * i64::try_from(TEXT_DAYS).expect("days"));
        assert!(sweep().await >= before, "everything of every closed case");
        assert_eq!((kept().await, sweep().await), (0, 0), "and once");
        let keyed = world.reader().keyed_answers_of(play::HANDED_OVER, 1_000).await.expect("it can be read");
        let last = world.case(play::HANDED_OVER).await;
        assert!(keyed.len() <= 1, "but for the erasure's own no request's content can be told any more: {keyed:?}");
        assert_eq!(last.phase().to_string(), "CLOSED", "an erasure reopens nothing");
        let report = check_log(world.reader()).await.expect("the log is there");
        assert!(report.is_clean(), "\n{report}");
    })
    .await;
}

#[tokio::test]
async fn an_empty_log_is_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
    handoff_store::migrate(&url).await.expect("a new database");
    let reader = handoff_store::open_reader(&url).await.expect("it opens");
    let report = check_log(reader.as_ref()).await.expect("an empty log is there");
    assert!(report.is_clean() && report.events == 0, "{report}");
}

#[tokio::test]
async fn a_custodian_moved_in_its_row_is_named_as_invariant_1() {
    let (_folder, reader) = played().await;
    let moved = Tampered {
        case: Box::new(|mut row| {
            if row.incident == play::HANDED_OVER {
                row.custodian = seat("A-01");
            }
            row
        }),
        ..Tampered::over(reader)
    };
    let report = check_log(&moved).await.expect("the log is there");
    assert_eq!(violated(&report), [1], "{report}");
    let violation = &report.invariant(1).expect("it is in the report").violations[0];
    assert_eq!(violation.incident, Some(play::HANDED_OVER));
    assert!(violation.text_en.contains("A/A-01") && violation.text_zh.contains("责任单位"), "{violation}");
}

#[tokio::test]
async fn other_columns_of_a_case_are_named_as_invariant_10() {
    let (_folder, reader) = played().await;
    let other = Tampered {
        case: Box::new(|mut row| {
            row.severity = Some("NORMAL".into());
            row
        }),
        ..Tampered::over(reader)
    };
    let report = check_log(&other).await.expect("the log is there");
    assert_eq!(violated(&report), [10], "{report}");
}

#[tokio::test]
async fn an_obligation_that_is_gone_is_named_as_invariant_8() {
    let (_folder, reader) = played().await;
    let gone = Tampered { obligations: Box::new(|_| Vec::new()), ..Tampered::over(reader) };
    let report = check_log(&gone).await.expect("the log is there");
    assert_eq!(violated(&report), [8], "{report}");
}

#[tokio::test]
async fn answers_that_claim_anothers_command_or_none_are_named_as_invariant_7() {
    let (_folder, reader) = played().await;
    let elsewhere = Tampered {
        answer: Box::new(|mut row| {
            row.position = row.position.map(|position| position / 2);
            row
        }),
        ..Tampered::over(reader.clone())
    };
    let report = check_log(&elsewhere).await.expect("the log is there");
    assert_eq!(violated(&report), [7], "{report}");
    let refused = Tampered {
        answer: Box::new(|mut row| {
            row.position = None;
            row
        }),
        ..Tampered::over(reader)
    };
    assert_eq!(violated(&check_log(&refused).await.expect("the log is there")), [7]);
}

#[tokio::test]
async fn feeds_with_a_gap_or_a_stranger_are_named_as_invariant_10() {
    let (_folder, reader) = played().await;
    let told_too_much = Tampered {
        feed: Box::new(|org, mut page| {
            if org.as_str() == "B" && page.len() > 3 {
                page.remove(2);
            }
            page
        }),
        ..Tampered::over(reader)
    };
    let report = check_log(&told_too_much).await.expect("the log is there");
    assert_eq!(violated(&report), [10], "{report}");
}

#[tokio::test]
async fn a_sealed_value_changed_or_still_there_after_erasure_is_named_as_invariant_10() {
    let (_folder, reader) = played().await;
    let changed = Tampered {
        personal: Box::new(|mut row| {
            row.disclosure = row.disclosure.into_iter().rev().collect();
            row
        }),
        ..Tampered::over(reader.clone())
    };
    let report = check_log(&changed).await.expect("the log is there");
    assert_eq!(violated(&report), [10], "{report}");
    assert_names(10, "not the one sealed in its event", &report);
    let kept = Tampered {
        personal: Box::new(|mut row| {
            // The value of the note before it stands where the erased one was.
            row.id.seq += 1;
            row
        }),
        ..Tampered::over(reader)
    };
    let report = check_log(&kept).await.expect("the log is there");
    assert_names(10, "an erased value is still there", &report);
}

#[tokio::test]
async fn one_changed_byte_is_named_as_invariant_10() {
    let (_folder, reader) = played().await;
    let mut rows = tamper::rows_of(reader.as_ref()).await;
    let row = rows.iter_mut().find(|row| row.incident == play::HANDED_OVER && row.seq == 3).expect("it has events");
    let mut bytes = row.bytes.to_vec();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    row.bytes = bytes.into();
    let report = check_log(&Tampered { events: Some(rows), ..Tampered::over(reader) }).await.expect("it is there");
    assert!(violated(&report).contains(&10), "{report}");
}

/// The log with one event changed and every chain made anew, so that only what the events say is wrong.
async fn rewritten(incident: IncidentId, change: impl Fn(&mut handoff_domain::event::Event) -> bool) -> Report {
    let (_folder, reader) = played().await;
    let rows = tamper::rewrite(tamper::rows_of(reader.as_ref()).await, incident, change);
    check_log(&Tampered { events: Some(rows), ..Tampered::over(reader) }).await.expect("the log is there")
}

fn assert_names(number: u8, sentence: &str, report: &Report) {
    let invariant = report.invariant(number).expect("it is in the report");
    let named = invariant.violations.iter().any(|violation| violation.text_en.contains(sentence));
    assert!(named, "invariant {number} is not named with {sentence:?}:\n{report}");
}

#[tokio::test]
async fn a_takeover_from_a_station_without_custody_is_named_as_invariant_1() {
    let report = rewritten(play::HANDED_OVER, |event| {
        let Body::TakenOver(body) = &mut event.body else { return false };
        body.from = seat("B-01");
        body.to = seat("A-01");
        true
    })
    .await;
    assert_names(1, "taken over from a station that has no custody", &report);
}

#[tokio::test]
async fn an_offer_without_its_basis_is_named_as_invariant_2() {
    let report = rewritten(play::HANDED_OVER, |event| {
        let Body::Offered(body) = &mut event.body else { return false };
        body.basis = OfferBasis::NoUnitFree;
        true
    })
    .await;
    assert_names(2, "offered without the basis it names", &report);
}

#[tokio::test]
async fn a_fact_about_another_version_is_named_as_invariant_3() {
    let report = rewritten(play::HANDED_OVER, |event| {
        let Body::Delivered(body) = &mut event.body else { return false };
        body.version = 9;
        true
    })
    .await;
    assert_names(3, "names another version", &report);
}

#[tokio::test]
async fn a_timer_that_rings_too_early_is_named_as_invariant_4() {
    let report = rewritten(play::ORDERED, |event| {
        let at = event.at;
        let Body::Escalated(body) = &mut event.body else { return false };
        body.due = at;
        true
    })
    .await;
    assert_names(4, "more than ring after its time", &report);
}

#[tokio::test]
async fn a_service_that_takes_over_is_named_as_invariants_4_and_9() {
    let report = rewritten(play::HANDED_OVER, |event| {
        if !matches!(event.body, Body::TakenOver(_)) {
            return false;
        }
        event.actor = handoff_domain::caller::Actor::service();
        true
    })
    .await;
    assert_names(4, "the service moved custody", &report);
    assert_names(9, "the service acted as more than a timer", &report);
}

#[tokio::test]
async fn a_signature_over_another_digest_is_named_as_invariant_5() {
    let report = rewritten(play::HANDED_OVER, |event| {
        let Body::Signed(body) = &mut event.body else { return false };
        body.statement = Digest([7; 32]);
        true
    })
    .await;
    assert_names(5, "another digest than the agreed form's", &report);
}

#[tokio::test]
async fn a_signature_that_is_not_there_is_named_as_invariant_5() {
    let report = rewritten(play::HANDED_OVER, |event| {
        let Body::Signed(body) = &event.body else { return false };
        if body.side != seat("B-01") {
            return false;
        }
        event.body = tamper::note();
        true
    })
    .await;
    assert_names(5, "without the signatures of both sides", &report);
}

#[tokio::test]
async fn a_former_custodian_that_changes_the_incident_is_named_as_invariant_6() {
    let report = rewritten(play::HANDED_OVER, |event| {
        if !matches!(event.body, Body::Noted(_)) || event.actor.org != org("A") {
            return false;
        }
        let severity = Some(Severity::Normal);
        event.body = DetailsChanged { kind: None, severity, category: None, flags: Vec::new() }.into();
        true
    })
    .await;
    assert_names(6, "a former custodian changed the incident", &report);
}

#[tokio::test]
async fn a_merge_that_only_one_incident_tells_is_named_as_invariant_6() {
    let report = rewritten(play::MERGED, |event| {
        if !matches!(event.body, Body::Merged(_)) {
            return false;
        }
        event.body = tamper::note();
        true
    })
    .await;
    assert_names(6, "stands in one of the two incidents only", &report);
}

#[tokio::test]
async fn whoever_acts_for_the_other_side_is_named_as_invariant_9() {
    let report = rewritten(play::HANDED_OVER, |event| {
        if !matches!(event.body, Body::Agreed(_)) {
            return false;
        }
        event.actor.org = org("A");
        event.actor.station = Some(seat("A-01").station);
        true
    })
    .await;
    assert_names(9, "acted for the other side", &report);
    let report = rewritten(play::HANDED_OVER, |event| {
        if !matches!(event.body, Body::Seen(_)) {
            return false;
        }
        event.actor.org = org("A");
        true
    })
    .await;
    assert_names(9, "is not of the actor's organisation", &report);
}

#[tokio::test]
async fn an_officer_who_decides_and_signs_is_named_as_invariant_9() {
    let report = rewritten(play::HANDED_OVER, |event| {
        if !matches!(event.body, Body::Agreed(_)) {
            return false;
        }
        event.actor.officer = Some(world::officer("B-01-R1"));
        true
    })
    .await;
    assert_names(9, "both decided and signed", &report);
}
