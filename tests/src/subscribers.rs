//! Subscribers of the feeds: each takes its organisation's feed in over every break, with its resume token at one replica
//! and the other in turn, and records what it receives.

use crate::app::TestApp;
use crate::desk::{incident_id, org_id};
use crate::history::{Received, Recorder};
use crate::load::Progress;
use anyhow::{Context, bail};
use handoff_client::{Client, Watch};
use handoff_domain::ids::{Digest, OrgId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Organisations that subscribe, by whom.
pub const READERS: [(&str, &str); 2] = [("A", "a-dispatcher"), ("B", "b-dispatcher")];
/// Subscribers: half of them for each organisation. The last two are slow.
const SUBSCRIBERS: usize = 6;
const SLOW_FROM: usize = 4;
/// A slow one takes its next message only after so many more answers to the writers.
const SLOW_ANSWERS: u64 = 700;
/// Longest time it waits for them.
const SLOW_LIMIT: Duration = Duration::from_secs(600);
/// A subscriber goes on at the other replica after so many messages.
const MESSAGES_AT_ONE_REPLICA: u64 = 500;

/// Where the feeds end that everybody is to reach now; without one, nobody has to hurry.
type Goal = Option<BTreeMap<OrgId, u64>>;

/// All subscribers. They end with this value.
pub struct Subscribers {
    tasks: JoinSet<anyhow::Result<()>>,
    places: Vec<(String, OrgId, watch::Receiver<u64>)>,
    goal: watch::Sender<Goal>,
}

impl Subscribers {
    /// Starts six, spread over both replicas, two of them slow.
    ///
    /// # Errors
    /// One gets no client.
    pub fn start(replicas: &[TestApp; 2], recorder: &Arc<Recorder>, progress: &Arc<Progress>) -> anyhow::Result<Self> {
        let mut all = Self { tasks: JoinSet::new(), places: Vec::new(), goal: watch::Sender::default() };
        for number in 0..SUBSCRIBERS {
            let (org, reader) = READERS[number % READERS.len()];
            let (name, org) = (format!("{org}-{number}"), org_id(org)?);
            let (place, seen) = watch::channel(0);
            all.places.push((name.clone(), org.clone(), seen));
            let mut clients = [replicas[0].client(reader)?, replicas[1].client(reader)?];
            clients.rotate_left(number * replicas.len() / SUBSCRIBERS);
            let slow = (number >= SLOW_FROM).then(|| progress.clone());
            let one = Subscriber { name, org, clients, slow, place, recorder: recorder.clone() };
            all.tasks.spawn(one.follow(all.goal.subscribe()));
        }
        Ok(all)
    }

    /// Lets the slow ones hurry and waits until everybody has received these numbers.
    ///
    /// # Errors
    /// Somebody has not in time, or has ended.
    pub async fn reach(&mut self, ends: &BTreeMap<OrgId, u64>, limit: Duration) -> anyhow::Result<()> {
        self.goal.send_replace(Some(ends.clone()));
        let Self { tasks, places, .. } = self;
        let all = async {
            for (name, org, place) in places {
                let end = ends.get(org).copied().unwrap_or(0);
                let reached = place.wait_for(|number| *number >= end).await;
                reached.with_context(|| format!("subscriber {name} has ended"))?;
            }
            anyhow::Ok(())
        };
        let all = tokio::time::timeout(limit, all).await.context("a subscriber did not reach the end of its feed");
        match tasks.try_join_next() {
            Some(ended) => ended?,
            None => all?,
        }
    }

    /// Lets the slow ones be slow again.
    pub fn go_on(&self) {
        self.goal.send_replace(None);
    }
}

struct Subscriber {
    name: String,
    org: OrgId,
    clients: [Client; 2],
    slow: Option<Arc<Progress>>,
    place: watch::Sender<u64>,
    recorder: Arc<Recorder>,
}

impl Subscriber {
    async fn follow(mut self, mut goal: watch::Receiver<Goal>) -> anyhow::Result<()> {
        let (mut token, mut last) = (String::new(), 0);
        loop {
            let mut stream = Watch::from_token(self.clients[0].clone(), token);
            self.recorder.resumed(&self.name, &self.org, last);
            for _ in 0..MESSAGES_AT_ONE_REPLICA {
                self.dawdle(&mut goal).await;
                let batch = stream.next().await.with_context(|| format!("subscriber {}", self.name))?;
                for entry in batch.entries {
                    last = entry.number;
                    self.recorder.received(Received {
                        subscriber: self.name.clone(),
                        org: self.org.clone(),
                        number: entry.number,
                        position: entry.position,
                        first: None,
                        hash: Digest::parse(&entry.event_hash),
                        incident: incident_id(&entry.incident)?,
                        seq: entry.seq,
                        at: 0,
                    });
                }
                if self.place.send(last).is_err() {
                    bail!("nobody waits for subscriber {} any more", self.name);
                }
            }
            token = stream.token().to_owned();
            self.clients.swap(0, 1);
        }
    }

    /// What a slow one does before its next message, unless there is a goal.
    async fn dawdle(&self, goal: &mut watch::Receiver<Goal>) {
        let Some(progress) = &self.slow else { return };
        let enough = progress.answered() + SLOW_ANSWERS;
        tokio::select! {
            // Where the writers do not get on it takes the message after all.
            _ = progress.until_within(enough, SLOW_LIMIT) => {}
            _ = goal.wait_for(Option::is_some) => {}
        }
    }
}
