//! Order, density, atomicity, durability.

use super::sample::*;
use super::{Backend, Database};
use crate::batch::{Batch, COMMAND_EVENTS_MAX};
use crate::contract::{Options, Store};
use crate::error::AppendError;
use crate::failpoint::Failpoint;
use crate::rows::*;
use handoff_domain::time::Millis;
use handoff_domain::timers::Duty;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

pub(super) async fn new(backend: &dyn Backend) -> (Box<dyn Database>, Store) {
    let database = backend.create().await;
    let store = database.open(Options::default()).await.unwrap();
    (database, store)
}

/// Whether a batch that was not acknowledged left anything.
async fn assert_nothing_of(store: &Store, batch: &Batch) {
    assert_eq!(store.reader.head().await.unwrap().position, batch.expected);
    assert_eq!(store.reader.events_from(batch.expected, 10).await.unwrap(), []);
    for row in &batch.feed {
        let page = store.reader.feed_page(row.org.clone(), row.number - 1, u64::MAX, 1).await.unwrap();
        assert_eq!(page, []);
    }
    for row in &batch.cases {
        assert_ne!(store.reader.case(row.incident).await.unwrap().as_ref(), Some(row));
    }
    for row in &batch.answers {
        assert_eq!(store.reader.answer(row.id.clone()).await.unwrap(), None);
    }
}

/// Positions are dense over batches, and every column of an event reads back as written.
pub async fn events_get_the_next_positions_and_read_back_as_written(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    assert_eq!(store.reader.head().await.unwrap(), Head { position: 0, epoch: 1, last_at: Millis(0), last_hash: None });
    let mut written = Vec::new();
    for events in [1, 3, 64] {
        let mut batch = story.batch();
        story.command(&mut batch, incident(1), events, &[]);
        story.command(&mut batch, incident(2), 1, &[]);
        let appended = store.writer.append(&batch).await.unwrap();
        let last = batch.events.last().unwrap();
        let head = Head { position: story.position, epoch: 1, last_at: last.at, last_hash: Some(last.hash) };
        assert_eq!(appended.head, head);
        assert_eq!(store.reader.head().await.unwrap(), head);
        assert_eq!(store.writer.head().await.unwrap(), head);
        written.extend(batch.events);
    }
    assert_eq!(store.reader.events_from(0, 1_000).await.unwrap(), written);
    assert_eq!(store.reader.events_from(4, 2).await.unwrap(), written[4..6]);
    assert_eq!(store.reader.event_at(5).await.unwrap().as_ref(), Some(&written[5]));
    assert_eq!(store.reader.event_at(story.position).await.unwrap(), None);
    let of_two: Vec<_> = written.iter().filter(|event| event.incident == incident(2)).cloned().collect();
    assert_eq!(store.reader.events_of(incident(2), 1, 100).await.unwrap(), of_two);
    assert_eq!(store.reader.events_of(incident(2), 2, 1).await.unwrap(), of_two[1..2]);
}

/// The head moves only from the expected position; a late or early batch writes nothing and the writer works on.
pub async fn a_batch_at_another_position_is_told_so_and_writes_nothing(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let first = story.opening(1);
    store.writer.append(&first).await.unwrap();
    assert!(matches!(store.writer.append(&first).await, Err(AppendError::Moved { expected: 0 })));
    let mut ahead = Story::at(5);
    let early = ahead.opening(2);
    assert!(matches!(store.writer.append(&early).await, Err(AppendError::Moved { expected: 5 })));
    assert_eq!(store.reader.case(incident(2)).await.unwrap(), None);
    assert_eq!(store.reader.head().await.unwrap().position, 1);
    store.writer.append(&story.opening(2)).await.unwrap();
}

/// What can be seen in the batch alone is refused before anything is written.
pub async fn gaps_within_a_batch_are_rejected(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut good = story.batch();
    story.command(&mut good, incident(1), 3, &["A"]);
    type Harm = fn(&mut Batch);
    let harms: &[(&str, Harm)] = &[
        ("position", |batch| batch.events[1].position = 7),
        ("seq", |batch| batch.events[2].seq = 9),
        ("seq 0", |batch| batch.events[0].seq = 0),
        ("first", |batch| batch.events[2].first = 1),
        ("feed number", |batch| batch.feed[1].number = 7),
        ("feed order", |batch| batch.feed[2].position = 0),
        ("feed of another batch", |batch| batch.feed[2].position = 3),
        ("event size", |batch| batch.events[0].bytes = Arc::from(vec![0; crate::batch::EVENT_BYTES_MAX + 1])),
        ("a case twice", |batch| batch.cases = vec![case(1, 0, 3), case(1, 0, 3)]),
    ];
    for (name, harm) in harms {
        let mut bad = good.clone();
        harm(&mut bad);
        let result = store.writer.append(&bad).await;
        assert!(matches!(result, Err(AppendError::Rejected { .. })), "{name}: {result:?}");
        assert_nothing_of(&store, &good).await;
    }
    store.writer.append(&good).await.unwrap();
}

/// Two writers with the same head cannot give one seq twice: the second line.
pub async fn a_seq_is_given_once(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    let mut again = Story::at(1).opening(1);
    again.cases.clear();
    again.feed.clear();
    again.answers = vec![answer("A", "cad", 99)];
    let result = store.writer.append(&again).await;
    assert!(matches!(result, Err(AppendError::Rejected { table: "events", .. })), "{result:?}");
    assert_nothing_of(&store, &again).await;
    store.writer.append(&story.opening(2)).await.unwrap();
}

/// A feed's head is compared and set like the log's.
pub async fn a_feed_moves_only_from_where_it_stands(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    for (name, number) in [("A", 3), ("B", 2)] {
        let mut batch = story.clone().batch();
        story.clone().command(&mut batch, incident(2), 1, &[]);
        batch.feed.push(FeedRow { org: org(name), number, position: batch.expected, enters: true });
        let result = store.writer.append(&batch).await;
        assert!(matches!(result, Err(AppendError::Rejected { table: "feeds", .. })), "{name}: {result:?}");
        assert_nothing_of(&store, &batch).await;
    }
    assert_eq!(store.reader.feed_head(org("A")).await.unwrap(), 1);
    assert_eq!(store.reader.feed_head(org("B")).await.unwrap(), 0);
    assert_eq!(store.reader.feed_heads().await.unwrap(), [FeedHead { org: org("A"), number: 1 }]);
}

/// Dropped without closing, opened again: everything acknowledged is there and the log goes on.
pub async fn an_acknowledged_batch_survives_without_a_clean_end(backend: &dyn Backend) {
    let (database, mut store) = new(backend).await;
    let mut story = Story::default();
    for number in 1..=20 {
        store.writer.append(&story.opening(number)).await.unwrap();
    }
    let before = store.reader.events_from(0, 100).await.unwrap();
    store.reader.close().await;
    drop(store);
    let mut store = database.open(Options::default()).await.unwrap();
    assert_eq!(store.reader.events_from(0, 100).await.unwrap(), before);
    assert_eq!(store.writer.head().await.unwrap().position, 20);
    store.writer.append(&story.opening(21)).await.unwrap();
    store.writer.close().await.unwrap();
}

/// Whatever the limit, the entries of one command stay together.
pub async fn a_feed_page_never_cuts_a_command(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.batch();
    for (number, events) in [(1, 3), (2, 1), (3, COMMAND_EVENTS_MAX), (4, 2)] {
        story.command(&mut batch, incident(number), events, &["A", "B"]);
    }
    store.writer.append(&batch).await.unwrap();
    let end = story.position;
    for limit in [1, 2, 3, 4, 100] {
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let page = store.reader.feed_page(org("B"), after, end, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            let next = batch.events.get(usize::try_from(last.event.position).unwrap() + 1);
            assert!(next.is_none_or(|next| next.first != last.event.first), "limit {limit} cut a command");
            after = last.number;
            seen.extend(page);
        }
        let numbers: Vec<_> = seen.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=end).collect::<Vec<_>>(), "limit {limit}");
        assert!(seen.iter().map(|entry| &entry.event).eq(&batch.events));
        assert!(seen.iter().all(|entry| entry.enters == (entry.event.seq == 1)));
    }
    assert_eq!(store.reader.feed_hash_at(org("B"), 2).await.unwrap(), Some(batch.events[1].hash));
    assert_eq!(store.reader.feed_hash_at(org("B"), end + 1).await.unwrap(), None);
    assert_eq!(store.reader.feed_hash_at(org("C"), 1).await.unwrap(), None);
}

/// A reader may be ahead of what is published; the page is not.
pub async fn a_feed_ends_at_the_published_head(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    for number in 1..=3 {
        store.writer.append(&story.opening(number)).await.unwrap();
    }
    for (until, entries) in [(0, 0), (1, 1), (2, 2), (3, 3), (u64::MAX, 3)] {
        assert_eq!(store.reader.feed_page(org("A"), 0, until, 10).await.unwrap().len(), entries);
    }
}

/// What the service loads at its start.
pub async fn the_directory_is_read_without_the_incidents(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.batch();
    let kinds = [StreamKind::Log, StreamKind::Incident, StreamKind::Directory, StreamKind::Drill, StreamKind::Incident];
    for (number, kind) in (1..).zip(kinds) {
        story.command(&mut batch, incident(number), 1, &[]);
        batch.events.last_mut().unwrap().kind = kind;
    }
    store.writer.append(&batch).await.unwrap();
    let read = store.reader.directory_events(0, 10).await.unwrap();
    assert_eq!(read, [&batch.events[0], &batch.events[2], &batch.events[3]].map(Clone::clone));
    assert_eq!(store.reader.directory_events(3, 10).await.unwrap(), batch.events[3..4]);
    assert_eq!(store.reader.directory_events(0, 1).await.unwrap(), batch.events[..1]);
}

/// Epoch and fence event are one step.
pub async fn the_epoch_rises_with_its_batch(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut fence = story.opening(1);
    fence.raise_epoch = true;
    assert_eq!(store.writer.append(&fence).await.unwrap().head.epoch, 2);
    assert!(store.writer.append(&fence).await.is_err());
    assert_eq!(store.writer.append(&story.opening(2)).await.unwrap().head.epoch, 2);
}

/// Compares the position and changes nothing.
pub async fn a_batch_without_rows_keeps_the_head(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    let before = store.reader.head().await.unwrap();
    assert_eq!(store.writer.append(&story.batch()).await.unwrap().head, before);
    assert_eq!(store.reader.head().await.unwrap(), before);
    assert!(matches!(store.writer.append(&Batch::default()).await, Err(AppendError::Moved { .. })));
}

/// One row that breaks a constraint undoes the rows of every other table, and the writer works on.
pub async fn a_bad_row_in_any_table_leaves_nothing(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut map = story.opening(1);
    let map_row = MapRow {
        map: handoff_domain::ids::MapRef { id: handoff_domain::ids::MapId(Uuid::from_u128(1)), version: 1 },
        digest: digest(0),
        bytes: Arc::from(&b"{}"[..]),
    };
    map.maps.push(map_row.clone());
    store.writer.append(&map).await.unwrap();
    let stray = 77;
    let value = PersonalRow {
        id: PersonalId { incident: incident(stray), seq: 1, path: "caller.phone".to_owned() },
        disclosure: vec![1],
    };
    type Harm = Box<dyn Fn(&mut Batch)>;
    let harms: Vec<(&str, Harm)> = vec![
        ("cases", Box::new(|batch| batch.cases.push(case(1, 0, 1)))),
        ("parties", Box::new(move |batch| batch.parties.push(party(stray, "A", "A-01")))),
        ("obligations", Box::new(move |batch| batch.obligations.push(obligation(stray, Duty::Sign, 1)))),
        ("handoffs", Box::new(move |batch| batch.handoffs.push(handoff(1, stray)))),
        ("personal", Box::new(move |batch| batch.personal.push(value.clone()))),
        ("maps", Box::new(move |batch| batch.maps.push(map_row.clone()))),
        ("audit", Box::new(|batch| batch.audit.push(super::requests::denial(0)))),
    ];
    for (table, harm) in harms {
        let mut bad = story.clone().opening(2);
        harm(&mut bad);
        match store.writer.append(&bad).await {
            Err(AppendError::Rejected { table: found, .. }) => assert_eq!(found, table),
            other => panic!("{table}: {other:?}"),
        }
        bad.cases.retain(|row| row.incident != incident(1));
        assert_nothing_of(&store, &bad).await;
    }
    store.writer.append(&story.opening(2)).await.unwrap();
}

/// An I/O error at any step: before the commit nothing is left, after it everything is there and the outcome was
/// called unknown. Either way that writer is done for.
pub async fn a_failing_step_leaves_nothing_or_everything(backend: &dyn Backend) {
    let database = backend.create().await;
    let mut story = Story::default();
    let mut store = database.open(Options::default()).await.unwrap();
    store.writer.append(&story.opening(1)).await.unwrap();
    store.reader.close().await;
    store.writer.close().await.unwrap();
    for (number, step) in (2..).zip(backend.steps()) {
        let hit = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&hit);
        let failpoint = Failpoint::new(move |at| {
            if at != step {
                return Ok(());
            }
            seen.store(true, Ordering::SeqCst);
            Err(std::io::Error::other("seeded"))
        });
        let mut store = database.open(Options { failpoint, ..Options::default() }).await.unwrap();
        let mut after = story.clone();
        let batch = after.opening(number);
        let committed = match store.writer.append(&batch).await {
            Err(AppendError::Io { step: at, .. }) => (at == step).then_some(false),
            Err(AppendError::Unknown { step: at, .. }) => (at == step).then_some(true),
            _ => None,
        };
        assert!(hit.load(Ordering::SeqCst), "{step} was not called");
        let committed = committed.unwrap_or_else(|| panic!("{step} was not named"));
        let again = store.writer.append(&batch).await;
        assert!(matches!(again, Err(AppendError::Io { .. })), "{step}: a failed writer goes on");
        store.reader.close().await;
        drop(store);
        let store = database.open(Options::default()).await.unwrap();
        if committed {
            assert_eq!(store.reader.head().await.unwrap().position, after.position, "{step}");
            assert_eq!(store.reader.answer(batch.answers[0].id.clone()).await.unwrap().as_ref(), batch.answers.first());
            story = after;
        } else {
            assert_nothing_of(&store, &batch).await;
        }
        store.reader.close().await;
        store.writer.close().await.unwrap();
    }
}

/// Nobody aborts an append. If it happens all the same, nothing is guessed.
pub async fn a_dropped_append_ends_the_writer(backend: &dyn Backend) {
    let (database, mut store) = new(backend).await;
    let mut story = Story::default();
    let batch = story.opening(1);
    let mut pending = store.writer.append(&batch);
    // Polled once, then dropped: somewhere inside, or even done.
    let done = std::future::poll_fn(|context| std::task::Poll::Ready(pending.as_mut().poll(context).is_ready())).await;
    drop(pending);
    if !done {
        let next = store.writer.append(&batch).await;
        assert!(matches!(next, Err(AppendError::Unknown { .. })), "{next:?}");
        assert!(matches!(store.writer.append(&batch).await, Err(AppendError::Io { .. })));
    }
    store.reader.close().await;
    drop(store);
    let store = database.open(Options::default()).await.unwrap();
    let position = store.reader.head().await.unwrap().position;
    let answered = store.reader.answer(batch.answers[0].id.clone()).await.unwrap().is_some();
    assert_eq!(position == 1, answered);
}

/// A reader sees heads only with everything that belongs to them, while batches go in.
pub async fn readers_see_whole_batches_beside_the_writer(backend: &dyn Backend) {
    let (_database, store) = new(backend).await;
    let Store { mut writer, reader, .. } = store;
    let write = async move {
        let mut story = Story::default();
        for number in 0..50 {
            let mut batch = story.batch();
            story.command(&mut batch, incident(number), 3, &["A"]);
            writer.append(&batch).await.unwrap();
            writer.tidy().await.unwrap();
        }
    };
    let read = async move {
        loop {
            let head = reader.head().await.unwrap().position;
            assert_eq!(head % 3, 0);
            let events = reader.events_from(0, 1_000).await.unwrap();
            assert!(u64::try_from(events.len()).unwrap() >= head);
            assert_eq!(events.len() % 3, 0);
            assert!(reader.feed_head(org("A")).await.unwrap() >= head);
            if head == 150 {
                break;
            }
        }
    };
    both(write, read).await;
}

/// Runs two futures side by side in one task.
async fn both(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut a_done, mut b_done) = (false, false);
    std::future::poll_fn(|context| {
        a_done = a_done || a.as_mut().poll(context).is_ready();
        b_done = b_done || b.as_mut().poll(context).is_ready();
        if a_done && b_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
