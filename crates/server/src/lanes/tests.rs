use super::*;
use futures_util::stream;
use std::sync::{Arc, Mutex};

fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

/// Serves these connections and tells on which thread each was taken.
async fn served(connections: Vec<(Option<OrgId>, &'static str)>) -> Vec<(&'static str, String)> {
    let (seen, tasks) = (Arc::<Mutex<Vec<_>>>::default(), Tasks::new());
    let serve = |mut incoming: Incoming<&'static str>| -> Serving {
        let seen = seen.clone();
        Box::pin(async move {
            while let Some(connection) = incoming.next().await {
                let thread = std::thread::current().name().unwrap_or_default().to_owned();
                seen.lock().unwrap().push((connection.unwrap(), thread));
            }
            Ok(())
        })
    };
    let lanes = Lanes::new([org("A"), org("B")].iter()).unwrap();
    lanes.serve(stream::iter(connections).boxed(), serve, &tasks).await.unwrap().unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    seen
}

#[tokio::test]
async fn each_organisation_is_served_on_threads_of_its_own_and_all_others_on_those_of_strangers() {
    let connections = [(Some("A"), "1"), (Some("B"), "2"), (None, "3"), (Some("C"), "4"), (Some("A"), "5")];
    let seen = served(connections.map(|(name, connection)| (name.map(org), connection)).into()).await;
    let expected =
        [("1", "calls-A"), ("2", "calls-B"), ("3", "calls-strangers"), ("4", "calls-strangers"), ("5", "calls-A")];
    assert_eq!(seen, expected.map(|(connection, thread)| (connection, thread.to_owned())));
}

#[tokio::test]
async fn a_stop_ends_every_lane() {
    let tasks = Tasks::new();
    let stop = tasks.stopping();
    let serve = |_: Incoming<()>| -> Serving {
        let stop = stop.clone();
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    };
    let lanes = Lanes::new([org("A")].iter()).unwrap();
    let serving = lanes.serve(stream::pending().boxed(), serve, &tasks);
    tasks.stop();
    serving.await.unwrap().unwrap();
    tasks.wait().await;
}

#[tokio::test]
async fn strangers_and_handshakes_give_way() {
    let nice = |lane: &Lane| {
        let run = lane.handle().unwrap().spawn(async { rustix::process::getpriority_process(None).unwrap() });
        async move { run.await.unwrap() }
    };
    let lanes = Lanes::new([org("A")].iter()).unwrap();
    let (door, strangers, own) = (nice(&lanes.door), nice(&lanes.strangers), nice(&lanes.of[&org("A")]));
    let (door, strangers, own) = (door.await, strangers.await, own.await);
    assert_eq!((door, strangers), (own + STRANGERS_GIVE_WAY, own + STRANGERS_GIVE_WAY));
}
