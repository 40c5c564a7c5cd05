use crate::answer::{Answer, Done};
use crate::engine::Engine;
use crate::job::{NoAnswer, Reply, Task};
use crate::writer::faulty::{Fails, LIMIT, World, beside};
use handoff_domain::caller::{Caller, Role};
use handoff_domain::command::Order;
use handoff_domain::event::directory::{PostSet, StationSet};
use handoff_domain::ids::StationId;
use handoff_domain::refusal::Reason;
use std::pin::pin;

type Result = std::result::Result<Reply, NoAnswer>;

fn name(name: &str) -> StationId {
    StationId::new(name).unwrap()
}

/// A station, which needs nothing.
fn station() -> Order {
    let (name, dispatch_client, site) = (None, None, None);
    Order::Station(StationSet { station: self::name("A-01"), name, dispatch_client, site, retired: false })
}

/// A post of it, which is refused where there is no such station.
fn post() -> Order {
    Order::Post(PostSet { post: name("A-01-P"), station: name("A-01"), name: None, site: None, retired: false })
}

async fn ask(engine: &Engine, order: Order) -> Result {
    let caller = Caller { station: None, roles: vec![Role::Admin], ..crate::deadlines::service() };
    let content = format!("{order:?}").into_bytes();
    let task = Task::Directory { order, claimed_at: None, beside: None };
    engine.submit(caller, crate::ids::uuid(), content, task, Vec::new(), None).await
}

fn done(reply: &Result) -> &Done {
    match reply {
        Ok(Reply { answer: Answer::Done(done), replayed: false, leaf: Some(_) }) => done,
        other => panic!("{other:?}"),
    }
}

/// A station is asked for, and a post of it while the station is on its way to the disk, which then does as it is told.
async fn station_and_post(world: &World, engine: &Engine, fails: Option<Fails>) -> (Result, Result) {
    world.hold_next();
    if let Some(how) = fails {
        world.fail_next(how);
    }
    let later = async {
        world.waits.notified().await;
        let mut post = pin!(ask(engine, post()));
        // It reaches the writer, which has time enough to decide it.
        for _ in 0..10 {
            assert!(futures_util::poll!(post.as_mut()).is_pending(), "it is not answered before what it rests on");
            tokio::task::yield_now().await;
        }
        assert_eq!(engine.directory().stations.len(), 0, "what is not written is shown to nobody");
        world.let_go();
        post.await
    };
    let both = async { tokio::join!(ask(engine, station()), later) };
    tokio::time::timeout(LIMIT, both).await.expect("both are answered")
}

#[tokio::test]
async fn what_comes_while_a_batch_is_written_is_decided_on_top_of_it() {
    let world = World::new();
    let (engine, run) = world.start().await.unwrap();
    let work = async {
        let (station, post) = station_and_post(&world, &engine, None).await;
        assert_eq!((done(&station).position, done(&post).position), (1, 2));
        assert_eq!(*world.appends.lock().unwrap(), [1, 1]);
        assert_eq!((engine.directory().stations.len(), engine.directory().posts.len()), (1, 1));
    };
    Box::pin(beside(run, work)).await;
}

#[tokio::test]
async fn after_a_lost_race_both_batches_are_decided_again_in_their_order() {
    let world = World::new();
    let (engine, run) = world.start().await.unwrap();
    let work = async {
        let (station, post) = station_and_post(&world, &engine, Some(Fails::Moved)).await;
        // The other replica's event is at 1.
        assert_eq!((done(&station).position, done(&post).position), (2, 3));
        assert_eq!(*world.appends.lock().unwrap(), [1, 1, 1]);
        assert_eq!((engine.directory().stations.len(), engine.directory().posts.len()), (1, 1));
        let head = engine.reader().head().await.unwrap();
        assert_eq!(head.position, 4);
    };
    Box::pin(beside(run, work)).await;
}

#[tokio::test]
async fn what_was_decided_on_top_of_a_batch_that_is_lost_was_not_accepted() {
    for (fails, station_is) in
        [(Fails::Before, NoAnswer::NotAccepted(Reason::NotAccepted)), (Fails::After, NoAnswer::Unknown)]
    {
        let world = World::new();
        let (engine, run) = world.start().await.unwrap();
        let work = async {
            let (station, post) = station_and_post(&world, &engine, Some(fails)).await;
            assert_eq!(station, Err(station_is.clone()));
            assert_eq!(post, Err(NoAnswer::NotAccepted(Reason::NotAccepted)), "nothing of it was sent");
            assert_eq!(*world.appends.lock().unwrap(), [1]);
            // Memory is the log's again: the post is legal only where the station was written after all.
            let back = async {
                loop {
                    match ask(&engine, self::post()).await {
                        Err(NoAnswer::NotAccepted(_)) => world.pass().await,
                        other => break other.unwrap(),
                    }
                }
            };
            let post = tokio::time::timeout(LIMIT, back).await.expect("it comes back");
            assert_eq!(matches!(post.answer, Answer::Done(_)), fails == Fails::After, "{post:?}");
        };
        Box::pin(beside(run, work)).await;
    }
}
