//! Request ids, cursors, denied attempts, and what is kept beside the log.

use super::Backend;
use super::log::new;
use super::sample::*;
use crate::error::AppendError;
use crate::rows::*;
use handoff_domain::ids::{ClientId, MapId, MapRef, OfficerId};
use handoff_domain::time::Millis;
use std::sync::Arc;
use uuid::Uuid;

/// Two of three are known: nothing is written, the two are named, and no other.
pub async fn a_known_request_id_writes_nothing_and_is_named(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut first = story.opening(1);
    first.answers.push(answer("B", "cad", 2));
    store.writer.append(&first).await.unwrap();
    let mut again = story.clone().opening(2);
    let fresh = answer("A", "cad", 5);
    again.answers = vec![
        AnswerRow { mac: [9; 32], ..answer("A", "cad", 1) },
        fresh.clone(),
        AnswerRow { at: Millis(9), ..answer("B", "cad", 2) },
    ];
    match store.writer.append(&again).await {
        Err(AppendError::AnswersKnown(ids)) => {
            assert_eq!(ids, [answer_id("A", "cad", 1), answer_id("B", "cad", 2)]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.reader.head().await.unwrap().position, 1);
    assert_eq!(store.reader.case(incident(2)).await.unwrap(), None);
    assert_eq!(store.reader.answer(fresh.id).await.unwrap(), None);
    assert_eq!(store.reader.answer(answer_id("A", "cad", 1)).await.unwrap().as_ref(), first.answers.first());
    store.writer.append(&story.opening(2)).await.unwrap();
}

/// The same id of another organisation or client is another request.
pub async fn a_request_id_belongs_to_its_organisation_and_client(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let story = Story::default();
    for (org_name, client) in [("A", "cad"), ("A", "console"), ("B", "cad")] {
        let mut batch = story.batch();
        batch.answers.push(answer(org_name, client, 1));
        store.writer.append(&batch).await.unwrap();
    }
    assert_eq!(store.reader.answer(answer_id("B", "console", 1)).await.unwrap(), None);
}

/// Every column, and the order in which a cache is warmed.
pub async fn answers_read_back_and_the_newest_come_first(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut written = Vec::new();
    for number in [9, 3, 7] {
        let mut batch = story.opening(number);
        batch.answers[0].answer = Arc::from(vec![0, 255, 34, 92]);
        batch.answers.push(AnswerRow { key: None, incident: Some(incident(number)), ..answer("B", "cad", number) });
        store.writer.append(&batch).await.unwrap();
        written.extend(batch.answers);
    }
    for row in &written {
        assert_eq!(store.reader.answer(row.id.clone()).await.unwrap().as_ref(), Some(row));
    }
    written.reverse();
    assert_eq!(store.reader.recent_answers(100).await.unwrap(), written);
    assert_eq!(store.reader.recent_answers(2).await.unwrap(), written[..2]);
}

/// A refusal's answer is as durable as an event, and repeats of it are known.
pub async fn a_refusal_is_stored_without_an_event(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut batch = Story::default().batch();
    batch.answers.push(answer("A", "cad", 1));
    let head = store.writer.append(&batch).await.unwrap().head;
    assert_eq!((head.position, head.last_hash), (0, None));
    assert!(matches!(store.writer.append(&batch).await, Err(AppendError::AnswersKnown(_))));
}

/// By the events a command made, and by the incident a refusal was about; a second time is no error.
pub async fn erasure_finds_and_forgets_the_keys_of_an_incident(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.opening(1);
    batch.answers.push(AnswerRow { incident: Some(incident(1)), ..answer("B", "cad", 50) });
    batch.answers.push(AnswerRow { incident: Some(incident(9)), ..answer("B", "cad", 51) });
    store.writer.append(&batch).await.unwrap();
    store.writer.append(&story.opening(2)).await.unwrap();
    let mut found = store.reader.keyed_answers_of(incident(1), 10).await.unwrap();
    found.sort_by_key(|id| id.request);
    assert_eq!(found, [answer_id("A", "cad", 1), answer_id("B", "cad", 50)]);
    assert_eq!(store.reader.keyed_answers_of(incident(1), 1).await.unwrap().len(), 1);
    let mut erase = story.batch();
    erase.forget_keys = found;
    for _ in 0..2 {
        store.writer.append(&erase).await.unwrap();
    }
    assert_eq!(store.reader.keyed_answers_of(incident(1), 10).await.unwrap(), []);
    let kept = store.reader.answer(answer_id("A", "cad", 1)).await.unwrap().unwrap();
    assert_eq!(kept, AnswerRow { key: None, ..batch.answers[0].clone() });
    assert_eq!(store.reader.keyed_answers_of(incident(2), 10).await.unwrap(), [answer_id("A", "cad", 2)]);
}

/// Written with their event, read by range, gone when erased; erasing again is no error.
pub async fn personal_values_read_back_until_they_are_erased(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.opening(1);
    story.command(&mut batch, incident(1), 1, &[]);
    batch.cases[0].version = 2;
    let value = |seq, path: &str| PersonalRow {
        id: PersonalId { incident: incident(1), seq, path: path.to_owned() },
        disclosure: format!("value of {path} \0 \"").into_bytes(),
    };
    batch.personal = vec![value(1, "caller.name"), value(1, "caller.phone"), value(2, "note")];
    store.writer.append(&batch).await.unwrap();
    assert_eq!(store.reader.personal(incident(1), 1, 2).await.unwrap(), batch.personal);
    assert_eq!(store.reader.personal(incident(1), 2, 9).await.unwrap(), batch.personal[2..]);
    assert_eq!(store.reader.personal(incident(2), 1, 9).await.unwrap(), []);
    let mut erase = story.batch();
    erase.erase = vec![batch.personal[0].id.clone(), batch.personal[2].id.clone()];
    for _ in 0..2 {
        store.writer.append(&erase).await.unwrap();
        assert_eq!(store.reader.personal(incident(1), 1, 9).await.unwrap(), batch.personal[1..2]);
    }
}

/// By the id, so that a sweep goes on from where it was; an alias counts whenever its survivor was closed.
pub async fn closed_cases_are_found_as_long_as_they_hold_values(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    for number in 1..=5 {
        let mut batch = story.opening(number);
        let id = PersonalId { incident: incident(number), seq: 1, path: "note".to_owned() };
        batch.personal = vec![PersonalRow { id, disclosure: b"value".to_vec() }];
        // 1 is open, 2 was closed early, 3 late, 4 is an alias of 1, 5 holds nothing.
        batch.cases[0].closed_at = match number {
            2 | 5 => Some(at(10)),
            3 => Some(at(20)),
            _ => None,
        };
        batch.cases[0].alias_of = (number == 4).then(|| incident(1));
        if number == 5 {
            batch.personal.clear();
        }
        store.writer.append(&batch).await.unwrap();
    }
    let found = async |after: Option<u128>, by, limit| {
        let after = after.map(incident);
        store.reader.holding_personal(after, at(by), limit).await.unwrap()
    };
    assert_eq!(found(None, 15, 10).await, [incident(2), incident(4)]);
    assert_eq!(found(None, 20, 10).await, [incident(2), incident(3), incident(4)]);
    assert_eq!(found(None, 20, 2).await, [incident(2), incident(3)]);
    assert_eq!(found(Some(3), 20, 2).await, [incident(4)]);
    let mut erase = story.batch();
    erase.erase = vec![PersonalId { incident: incident(2), seq: 1, path: "note".to_owned() }];
    store.writer.append(&erase).await.unwrap();
    let left = store.reader.holding_personal(None, at(15), 10).await.unwrap();
    assert_eq!(left, [incident(4)], "what holds nothing any more");
}

/// So many milliseconds into the story.
fn at(ms: i64) -> Millis {
    Millis(BEGIN + ms)
}

/// A late commit of a lower number changes nothing.
pub async fn a_cursor_only_rises(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let client = ClientId::new("cad").unwrap();
    assert_eq!(store.reader.cursor(org("A"), client.clone()).await.unwrap(), None);
    for (number, stands) in [(5, 5), (3, 5), (8, 8), (8, 8)] {
        let mut batch = Story::default().batch();
        batch.cursors.push(CursorRow { org: org("A"), client: client.clone(), number });
        store.writer.append(&batch).await.unwrap();
        assert_eq!(store.reader.cursor(org("A"), client.clone()).await.unwrap(), Some(stands));
    }
    assert_eq!(store.reader.cursor(org("B"), client).await.unwrap(), None);
}

pub(super) fn denial(count: u64) -> AuditRow {
    AuditRow {
        at: Millis(BEGIN),
        org: Some(org("A")),
        client: ClientId::new("cad"),
        officer: OfficerId::new("a-7f3c"),
        method: Text::Borrowed("TakeOver"),
        reason: Text::Borrowed("ROLE_NOT_ALLOWED"),
        count,
    }
}

/// Full rows and counting rows, known and unknown callers.
pub async fn denied_attempts_read_back_in_order(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut batch = Story::default().batch();
    batch.audit = vec![denial(1), AuditRow { org: None, client: None, officer: None, ..denial(500) }, denial(2)];
    store.writer.append(&batch).await.unwrap();
    let read = store.reader.audit(0, 10).await.unwrap();
    assert!(read.iter().map(|(_, row)| row).eq(&batch.audit));
    assert_eq!(store.reader.audit(read[0].0, 1).await.unwrap(), read[1..2]);
    assert_eq!(store.reader.audit(read[2].0, 10).await.unwrap(), []);
}

/// Bytes larger than a page of any database.
pub async fn a_map_reads_back_by_its_version(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let id = MapId(Uuid::from_u128(1));
    let map = |version: u64| MapRow {
        map: MapRef { id, version },
        digest: digest(version),
        bytes: (0..200_000_u64).map(|n| u8::try_from((n * 31 + version) % 256).unwrap()).collect(),
    };
    let mut batch = Story::default().batch();
    batch.maps = vec![map(1), map(2)];
    store.writer.append(&batch).await.unwrap();
    for version in [1, 2] {
        assert_eq!(store.reader.map(MapRef { id, version }).await.unwrap(), Some(map(version)));
    }
    assert_eq!(store.reader.map(MapRef { id, version: 3 }).await.unwrap(), None);
}
