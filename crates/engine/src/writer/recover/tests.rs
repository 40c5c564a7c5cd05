use crate::clock::Clock;
use crate::engine::{Engine, StartError};
use crate::job::{NoAnswer, Reply, Task};
use crate::memory::LoadError;
use crate::writer::chores::DENIALS_UNRECORDED_TOTAL;
use crate::writer::faulty::{Fails, LIMIT, World, beside};
use crate::writer::follow::{CLOCK_APART_MAX_MS, CLOCK_BACK_MAX_MS};
use crate::writer::{Availability, DENIAL_ROWS_PER_BATCH_MAX, Fatal, QUEUE_CHORES_MAX};
use handoff_domain::command::Order;
use handoff_domain::ids::{OrgId, StationId};
use handoff_domain::refusal::Reason;
use handoff_domain::time::SECOND;
use handoff_store::rows::AuditRow;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const METHOD: &str = "IncidentService/note";

fn deny(engine: &Engine) {
    engine.denied(OrgId::new("A"), None, METHOD, Reason::RoleNotAllowed);
}

/// The audit rows, once they stand for so many attempts.
async fn rows_of(engine: &Engine, attempts: u64) -> Vec<AuditRow> {
    let look = async {
        loop {
            let rows = engine.reader().audit(0, 1_000).await.unwrap();
            let rows: Vec<AuditRow> = rows.into_iter().map(|(_, row)| row).collect();
            if counted(&rows) >= attempts {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, look).await.expect("the rows are written")
}

fn counted(rows: &[AuditRow]) -> u64 {
    rows.iter().map(|row| row.count).sum()
}

/// Something to be answered, whatever the answer.
async fn ask(engine: &Engine) -> Result<Reply, NoAnswer> {
    let order = Order::TakeShift(StationId::new("A-01").unwrap());
    let task = Task::Directory { order, claimed_at: None, beside: None };
    engine.submit_service(crate::ids::uuid(), task).await
}

/// Counts the denials without a row, and nothing else.
#[derive(Default)]
struct Unrecorded(Arc<AtomicU64>);

impl Recorder for Unrecorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() == DENIALS_UNRECORDED_TOTAL { Counter::from_arc(self.0.clone()) } else { Counter::noop() }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn denials_of_a_time_without_the_database_are_recorded_once_it_is_back() {
    let world = World::new();
    let (engine, run) = world.start().await.unwrap();
    let work = async {
        deny(&engine);
        assert_eq!(rows_of(&engine, 1).await.len(), 1);
        world.away.store(true, Ordering::SeqCst);
        world.until(&engine, Availability::Away).await;
        let denied_at = world.clock.now();
        (0..3).for_each(|_| deny(&engine));
        // The time at which it comes back is not the time of the attempts.
        (0..10).for_each(|_| world.clock.advance_to(world.clock.now().plus(SECOND)));
        assert_eq!(rows_of(&engine, 1).await.len(), 1);
        world.away.store(false, Ordering::SeqCst);
        world.until(&engine, Availability::Here).await;
        let rows = rows_of(&engine, 4).await;
        assert_eq!((rows.len(), counted(&rows)), (4, 4), "nobody had to ask for anything");
        assert!(rows[1..].iter().all(|row| row.at == denied_at), "{rows:?}");
    };
    beside(run, work).await;
}

#[tokio::test]
async fn a_denial_of_a_batch_that_failed_is_recorded_once_or_counted_as_unrecorded() {
    let unrecorded = Unrecorded::default();
    let _counting = metrics::set_default_local_recorder(&unrecorded);
    let world = World::new();
    let (engine, run) = world.start().await.unwrap();
    let work = async {
        // Nothing of it was written: it is written with the next.
        world.fail_next(Fails::Before);
        deny(&engine);
        assert_eq!(counted(&rows_of(&engine, 1).await), 1);
        assert_eq!(unrecorded.0.load(Ordering::SeqCst), 0);
        // Nobody knows: it is not written again, so it stands there once at most.
        world.fail_next(Fails::After);
        deny(&engine);
        assert_eq!(counted(&rows_of(&engine, 2).await), 2);
        // The row is there before the writer has heard that it was not answered: what is denied in between would share
        // the lost batch's fate.
        let heard = async {
            while unrecorded.0.load(Ordering::SeqCst) == 0 {
                world.pass().await;
            }
        };
        tokio::time::timeout(LIMIT, heard).await.expect("the writer hears of it");
        world.until(&engine, Availability::Here).await;
        deny(&engine);
        assert_eq!(counted(&rows_of(&engine, 3).await), 3);
        assert_eq!(unrecorded.0.load(Ordering::SeqCst), 1, "it may have none, and so counts as having none");
    };
    beside(run, work).await;
}

#[tokio::test]
async fn of_more_denials_than_are_kept_every_one_is_counted() {
    const ATTEMPTS: u64 = 300;
    let unrecorded = Unrecorded::default();
    let _counting = metrics::set_default_local_recorder(&unrecorded);
    let world = World::new();
    let (engine, run) = world.start().await.unwrap();
    let work = async {
        world.away.store(true, Ordering::SeqCst);
        world.until(&engine, Availability::Away).await;
        for _ in 0..ATTEMPTS {
            deny(&engine);
            // The writer takes it from the queue, which holds no more than are kept.
            tokio::task::yield_now().await;
        }
        world.away.store(false, Ordering::SeqCst);
        world.until(&engine, Availability::Here).await;
        let kept = QUEUE_CHORES_MAX as u64;
        let rows = rows_of(&engine, kept).await;
        assert_eq!((rows.len(), counted(&rows)), (DENIAL_ROWS_PER_BATCH_MAX, kept));
        assert_eq!(unrecorded.0.load(Ordering::SeqCst), ATTEMPTS - kept);
    };
    beside(run, work).await;
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_shown_as_current() {
    let world = World::new();
    let (engine, run) = world.start().await.unwrap();
    let work = async {
        engine.see_all().await.unwrap();
        // Its readers still answer, as those of a primary do that was deposed.
        world.away.store(true, Ordering::SeqCst);
        world.until(&engine, Availability::Away).await;
        assert_eq!(engine.reader().head().await.unwrap().position, 1);
        assert!(matches!(engine.see_all().await, Err(LoadError::Behind)));
        world.away.store(false, Ordering::SeqCst);
        world.until(&engine, Availability::Here).await;
        engine.see_all().await.unwrap();
    };
    beside(run, work).await;
}

#[tokio::test]
async fn a_replica_whose_clock_is_not_the_databases_refuses_to_start() {
    for ahead in [CLOCK_APART_MAX_MS, -CLOCK_APART_MAX_MS] {
        let world = World::new();
        world.ahead_ms.store(ahead, Ordering::SeqCst);
        drop(world.start().await.unwrap());
        let world = World::new();
        world.ahead_ms.store(ahead + ahead.signum(), Ordering::SeqCst);
        let refused = world.start().await.map(drop);
        let Err(StartError::Log(fatal @ Fatal::Clock(2_001))) = refused else { panic!("{ahead}: {refused:?}") };
        assert_eq!(fatal.to_string(), "this machine's clock and the database's are 2001 ms apart; set the clocks");
    }
}

#[tokio::test]
async fn a_replica_whose_clock_goes_wrong_takes_nothing_until_it_is_right_again() {
    let world = World::new();
    let (engine, run) = world.start().await.unwrap();
    let work = async {
        ask(&engine).await.unwrap();
        for ahead in [CLOCK_APART_MAX_MS + 1, -CLOCK_APART_MAX_MS - 1] {
            world.ahead_ms.store(ahead, Ordering::SeqCst);
            world.until(&engine, Availability::Away).await;
            assert_eq!(ask(&engine).await, Err(NoAnswer::NotAccepted(Reason::NotAccepted)));
            // Less wrong is not enough, or it would come and go.
            world.ahead_ms.store(ahead.signum() * (CLOCK_BACK_MAX_MS + 1), Ordering::SeqCst);
            for _ in 0..50 {
                world.pass().await;
                assert_eq!(*engine.availability().borrow(), Availability::Away);
            }
            world.ahead_ms.store(ahead.signum() * CLOCK_BACK_MAX_MS, Ordering::SeqCst);
            world.until(&engine, Availability::Here).await;
            ask(&engine).await.unwrap();
        }
    };
    beside(run, work).await;
}
