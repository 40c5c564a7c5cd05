//! A dispatch system that writes to two replicas: it asks each command until the answer is definite, of one replica and
//! the other in turn, with the same request id, and records what it is told.

use crate::app::TestApp;
use crate::history::{Acked, Bytes, Recorder, Who};
use crate::load::{Progress, Sent};
use anyhow::{Context, bail};
use handoff_client::{Client, Status, api};
use handoff_domain::ids::{ClientId, Digest, IncidentId, OrgId};
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// Attempts at one command before somebody has to look.
const ATTEMPTS_MAX: usize = 200_000;
/// Notes on each incident.
const NOTES: usize = 6;

/// How often a desk asks, how long it waits for an answer, and whom it tells of one.
pub struct Pace {
    turns: Interval,
    patience: Duration,
    tell: fn(&str),
}

impl Pace {
    /// One attempt in so much time, each given up after `patience`; `tell` gets the id of every request that was
    /// acknowledged.
    #[must_use]
    pub fn new(every: Duration, patience: Duration, tell: fn(&str)) -> Self {
        let mut turns = tokio::time::interval(every);
        // After an outage there is no crowd of late turns.
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { turns, patience, tell }
    }
}

/// What a writer needs: both replicas, its own scope, and where to write down what happens.
pub struct Desk {
    replicas: [Client; 2],
    who: Who,
    recorder: Arc<Recorder>,
    progress: Arc<Progress>,
    /// Without one it asks as fast as it is answered, and waits as long as it takes.
    pace: Option<Pace>,
}

/// The id of an incident in a message.
///
/// # Errors
/// It is none.
pub fn incident_id(text: &str) -> anyhow::Result<IncidentId> {
    Ok(IncidentId(text.parse()?))
}

/// An organisation by its name.
///
/// # Errors
/// The name is not legal.
pub fn org_id(name: &str) -> anyhow::Result<OrgId> {
    OrgId::new(name).context("the name of an organisation")
}

/// Request id and content of a command.
fn asked(sent: &Sent) -> (&str, Vec<u8>) {
    match sent {
        Sent::Receive(is) => (&is.request_id, is.encode_to_vec()),
        Sent::Note(is) => (&is.request_id, is.encode_to_vec()),
    }
}

impl Desk {
    /// The desk of a number: even ones are A's, odd ones B's.
    ///
    /// # Errors
    /// It gets no client.
    pub fn new(
        number: usize,
        replicas: &[TestApp; 2],
        recorder: &Arc<Recorder>,
        progress: &Arc<Progress>,
        pace: Option<Pace>,
    ) -> anyhow::Result<Self> {
        let (name, org, client) =
            if number.is_multiple_of(2) { ("a-system", "A", "cad-a") } else { ("b-system", "B", "cad-b") };
        let who = Who { org: org_id(org)?, client: ClientId::new(client).context("a client id")? };
        let replicas = [replicas[0].client(name)?, replicas[1].client(name)?];
        Ok(Self { replicas, who, recorder: recorder.clone(), progress: progress.clone(), pace })
    }

    /// Incidents with notes, until the load is over; now and then one is read. An incident of which something was refused
    /// is left.
    ///
    /// # Errors
    /// A command finds no answer.
    pub async fn work(mut self, number: usize) -> anyhow::Result<()> {
        let mut round = number;
        while !self.progress.is_over() {
            let commands = Sent::incident_with_notes(NOTES);
            for (number, sent) in commands.iter().enumerate() {
                self.progress.breathe().await;
                if !self.ask(sent, round + number).await? {
                    break;
                }
            }
            self.read(commands[0].incident(), round).await?;
            round += 1;
        }
        self.recorder.writer_left(&self.who);
        Ok(())
    }

    /// Asks until the answer is definite, of one replica and the other in turn; whether it is a yes.
    async fn ask(&mut self, sent: &Sent, first: usize) -> anyhow::Result<bool> {
        let (request, content) = asked(sent);
        for attempt in 0..ATTEMPTS_MAX {
            if let Some(pace) = &mut self.pace {
                pace.turns.tick().await;
            }
            let op = self.recorder.invoke(&self.who, request.parse()?, &content);
            match self.patiently(sent.call(&self.replicas[(first + attempt) % 2])).await {
                Ok(reply) => return self.acknowledged(op, sent, reply).map(|()| true),
                Err(status) if self.is_refused(op, &status) => return Ok(false),
                Err(_) => {}
            }
            tokio::task::yield_now().await;
        }
        bail!("a command found no answer")
    }

    /// A call, as long as this desk waits for one.
    async fn patiently<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let Some(pace) = &self.pace else { return call.await };
        let given_up = |_| Err(Status::deadline_exceeded("the client waits no longer"));
        tokio::time::timeout(pace.patience, call).await.unwrap_or_else(given_up)
    }

    fn acknowledged(&self, op: u64, sent: &Sent, reply: api::MoveReply) -> anyhow::Result<()> {
        let (position, version, replayed) = (reply.position, reply.version, reply.replayed);
        let hash = Digest::parse(&reply.event_hash);
        let answer = Bytes(api::MoveReply { replayed: false, ..reply }.encode_to_vec());
        let incident = incident_id(sent.incident())?;
        self.recorder.ok(Acked { op, answer, position, incident, version, hash, replayed, at: 0 });
        self.progress.one_more();
        if let Some(pace) = &self.pace {
            (pace.tell)(asked(sent).0);
        }
        Ok(())
    }

    /// Records why not; whether asking again is of no use.
    fn is_refused(&self, op: u64, status: &Status) -> bool {
        let reason = handoff_client::reason(status).unwrap_or_else(|| format!("{:?}", status.code()));
        if matches!(reason.as_str(), "NOT_ACCEPTED" | "QUEUE_FULL" | "RATE_LIMITED") {
            self.recorder.no(op, &reason);
            return false;
        }
        if handoff_client::definite(status) == handoff_client::Attempt::AskAgain {
            self.recorder.unknown(op, &reason);
            self.progress.one_more_unknown();
            return false;
        }
        self.recorder.no(op, &reason);
        self.progress.refused(format!("op {op} was refused, {reason}: {}", status.message()));
        true
    }

    async fn read(&self, incident: &str, at: usize) -> anyhow::Result<()> {
        let begun = self.recorder.now();
        let request = api::GetIncidentRequest { incident: incident.into() };
        let mut incidents = self.replicas[at % 2].incidents();
        if let Ok(reply) = self.patiently(incidents.get_incident(request)).await {
            let version = reply.into_inner().version;
            self.recorder.read(begun, incident_id(incident)?, version, None);
        }
        Ok(())
    }
}
