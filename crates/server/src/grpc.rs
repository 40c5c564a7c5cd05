//! gRPC: each method decodes, calls one use case, encodes. What is the same for all of them stands here.

mod audit;
mod commands;
mod directory;
mod evidence;
mod feed;
mod frames;
mod obligations;
mod pages;
mod reads;
mod statement;
mod trace;
mod turns;

pub use frames::FramedFeed;

use crate::auth::{Authenticator, Recalled, Session, Shown, chain};
use crate::config::Limits;
use crate::cursors::CursorKey;
use crate::edge::{UnderWay, under_way};
use crate::error::{FieldViolation, invalid_fields, status};
use crate::tasks::Tasks;
use handoff_domain::caller::Caller;
use handoff_domain::command::Act;
use handoff_domain::directory::Directory;
use handoff_domain::ids::{IncidentId, OrgId, StationId, StationRef};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::{Millis, SECOND};
use handoff_engine::answer::Done;
use handoff_engine::memory::{Entry, LoadError};
use handoff_engine::sealing::Sealing;
use handoff_engine::writer::Availability;
use handoff_engine::{Answer, Beside, Engine, NoAnswer, Reply, Task};
use handoff_evidence::event::decode;
use handoff_proto::v1;
use handoff_proto::view::timestamp;
use handoff_proto::{Decoded, DecodedOrder, IntoCommand, IntoOrder, Seal, Violations, comparable};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use turns::Turns;

/// How long a command waits for a turn of its organisation's, in milliseconds: what waits longer than this stands behind
/// too many others to be answered in time, and its caller is told at once that nothing was accepted.
const TURN_WAIT_MS: i64 = SECOND;

/// From a read to its NOT_FOUND, in milliseconds: longer than it takes to look for what is absent, and than to read and
/// refuse what is hidden, so that the time tells no more than the bytes do (security, *Access*).
const NOT_FOUND_MS: i64 = 5;

/// What every method needs: the engine, who may call, and the key of tokens.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    engine: Engine,
    auth: Arc<Authenticator>,
    cursors: CursorKey,
    frames: frames::Frames,
    tasks: Tasks,
    map_bytes_max: usize,
    feeds: feed::Feeds,
    turns: Turns,
}

/// Seals with the engine's salts while a message is converted.
struct Sealer(Sealing);

impl Seal for Sealer {
    fn text(&mut self, path: &str, value: &str) -> handoff_domain::values::Sealed {
        self.0.text(path, value)
    }

    fn point(&mut self, path: &str, lat7: u64, lon7: u64) -> handoff_domain::values::Sealed {
        self.0.point(path, lat7, lon7)
    }
}

impl Gate {
    /// A gate before an engine, with the limits of the configuration.
    #[must_use]
    pub fn new(engine: Engine, auth: Arc<Authenticator>, cursors: CursorKey, tasks: Tasks, limits: &Limits) -> Self {
        let map_bytes_max = limits.map_decode_bytes_max as usize;
        let turns = Turns::new(limits.organisation_commands_at_once as usize);
        let feeds = feed::Feeds::new(engine.clock().now());
        let frames = frames::Frames::default();
        Self(Arc::new(Parts { engine, auth, cursors, frames, tasks, map_bytes_max, feeds, turns }))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    fn now(&self) -> Millis {
        self.engine().clock().now()
    }

    /// The service's clock.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn handoff_engine::clock::Clock> {
        self.engine().clock()
    }

    /// Who may call.
    pub(crate) fn auth(&self) -> Arc<Authenticator> {
        self.0.auth.clone()
    }

    fn cursors(&self) -> &CursorKey {
        &self.0.cursors
    }

    fn frames(&self) -> &frames::Frames {
        &self.0.frames
    }

    fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    fn feeds(&self) -> &feed::Feeds {
        &self.0.feeds
    }

    /// `None` while somebody of a station reads a feed here, else since when nobody does.
    fn reach(&self, station: &StationRef) -> Option<Millis> {
        self.feeds().absent_since(station, &self.engine().directory())
    }

    /// Largest boundary map, in bytes.
    #[must_use]
    pub fn map_bytes_max(&self) -> usize {
        self.0.map_bytes_max
    }

    /// Who calls; every method begins here.
    async fn session<T>(&self, request: &Request<T>, method: &'static str) -> Result<Arc<Session>, Status> {
        let (shown, now, auth) = (request.peer_certs(), self.now(), &self.0.auth);
        let recalled = auth.recall(request.metadata().as_ref(), chain(&shown), now);
        if !matches!(recalled, Ok(Recalled::Known(_))) {
            // Whoever is known already pays for nobody's bad tokens, though they came over the same connection.
            crate::edge::may_try(request.extensions(), now)?;
        }
        let session = match recalled {
            Ok(Recalled::Known(session)) => Ok(session),
            Ok(Recalled::New(unverified)) => auth.verify(unverified, now).await,
            Err(denied) => Err(denied),
        };
        let session = session.map_err(|denied| {
            let (org, client) = auth.known(chain(&shown), now).unzip();
            self.engine().denied(org, client, method, Reason::TokenInvalid);
            denied.report()
        })?;
        crate::edge::admit(request.extensions(), &session.caller, now)?;
        Ok(session)
    }

    /// Whether a stream's session still holds.
    fn still(&self, session: &Session, shown: &Shown, method: &'static str) -> Result<(), Status> {
        self.0.auth.still(session, chain(shown), self.now()).map_err(|denied| {
            let (org, client) = (session.caller.org.clone(), session.caller.client.clone());
            self.engine().denied(Some(org), Some(client), method, Reason::AccessEnded);
            denied.report_ended()
        })
    }

    /// One command about an incident: decode, submit, encode.
    async fn command<M>(&self, method: &'static str, request: Request<M>) -> Result<Response<v1::MoveReply>, Status>
    where
        M: IntoCommand,
    {
        let session = self.session(&request, method).await?;
        let under_way = under_way(request.extensions());
        self.command_of(&session, method, under_way, request.into_inner(), Sealing::new()).await
    }

    async fn command_of<M>(
        &self,
        session: &Session,
        method: &'static str,
        under_way: Option<UnderWay>,
        message: M,
        sealing: Sealing,
    ) -> Result<Response<v1::MoveReply>, Status>
    where
        M: IntoCommand,
    {
        let content = comparable(method, &message);
        let mut sealer = Sealer(sealing);
        let decoded = message.into_command(&mut sealer).map_err(violations)?;
        let Decoded { request_id, command, point } = decoded;
        let disclosures = sealer.0.finish().map_err(unsealable)?;
        let point = point.map(|point| handoff_engine::ground::QueryPoint {
            lat7: point.lat7,
            lon7: point.lon7,
            datum: point.datum,
            precision_m: point.precision_m.unwrap_or(0),
        });
        let (caller, receiver) = (session.caller.clone(), told_to(&command.act).cloned());
        let turn = self.0.turns.of(&caller.org, command.act.decides());
        let task = Task::Incident(command);
        let engine = self.engine().clone();
        let command = async move { engine.submit(caller, request_id, content, task, disclosures, point).await };
        let reply = self.whole(under_way, turn, command).await;
        let mut reply = self.reply(&session.caller, method, reply).await?;
        if let Some(receiver) = receiver.and_then(|station| self.engine().directory().seat(&station)) {
            let reach = self.reach(&receiver);
            reply.get_mut().receiver_connected = Some(reach.is_none());
            reply.get_mut().receiver_disconnect_time = reach.map(timestamp);
        }
        Ok(reply)
    }

    /// One change of the directory.
    async fn order<M>(&self, method: &'static str, request: Request<M>) -> Result<Response<v1::MoveReply>, Status>
    where
        M: IntoOrder,
    {
        let session = self.session(&request, method).await?;
        let under_way = under_way(request.extensions());
        let message = request.into_inner();
        let content = comparable(method, &message);
        let order = message.into_order().map_err(violations)?;
        self.ordered(&session, method, under_way, content, order, None).await
    }

    /// One change of the directory, read and looked at, with what is kept beside the log of it.
    async fn ordered(
        &self,
        session: &Session,
        method: &'static str,
        under_way: Option<UnderWay>,
        content: Vec<u8>,
        order: DecodedOrder,
        beside: Option<Beside>,
    ) -> Result<Response<v1::MoveReply>, Status> {
        let DecodedOrder { request_id, claimed_at, order } = order;
        let task = Task::Directory { order, claimed_at, beside };
        let caller = session.caller.clone();
        let engine = self.engine().clone();
        let turn = self.turn(&caller.org);
        let order = async move { engine.submit(caller, request_id, content, task, Vec::new(), None).await };
        let reply = self.whole(under_way, turn, order).await;
        self.reply(&session.caller, method, reply).await
    }

    /// Turns of an organisation's decisions.
    fn turn(&self, org: &OrgId) -> Arc<Semaphore> {
        self.0.turns.of(org, true)
    }

    /// Something for the writer from its organisation's next turn to its answer, whether its caller waits for it or not: a
    /// call that is given up leaves its command behind, and must go on taking the place of a call, or one side's cancelled
    /// calls fill the queue of all. What gets no turn in time was never given to the writer.
    async fn whole<T: Send + 'static>(
        &self,
        under_way: Option<UnderWay>,
        turn: Arc<Semaphore>,
        command: impl Future<Output = Result<T, NoAnswer>> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let clock = self.clock();
        let limit = clock.sleep_until(clock.now().plus(TURN_WAIT_MS));
        let mut available = self.engine().availability();
        let answered = self.tasks().spawn(async move {
            let away = async {
                // An error means that the writer is gone, which is as far away as it gets.
                let _ = available.wait_for(|now| *now == Availability::Away).await;
            };
            let turn = tokio::select! {
                biased;
                turn = turn.acquire_owned() => turn,
                () = away => return Err(NoAnswer::NotAccepted(Reason::NotAccepted)),
                () = limit => return Err(NoAnswer::NotAccepted(Reason::QueueFull)),
            };
            let reply = command.await;
            drop((turn, under_way));
            reply
        });
        answered.await.unwrap_or(Err(NoAnswer::Unknown))
    }

    async fn reply(
        &self,
        caller: &Caller,
        method: &'static str,
        reply: Result<Reply, NoAnswer>,
    ) -> Result<Response<v1::MoveReply>, Status> {
        match reply {
            Ok(Reply { answer: Answer::Done(done), replayed, leaf }) => Ok(Response::new(v1::MoveReply {
                leaf: self.receipt(caller, &done, leaf).await,
                position: done.position,
                incident: done.incident.to_string(),
                version: done.version,
                event_hash: done.hash.to_string(),
                replayed,
                ..v1::MoveReply::default()
            })),
            Ok(Reply { answer: Answer::Refused(refusal), .. }) => Err(self.denied(caller, method, &refusal)),
            Err(NoAnswer::NotAccepted(reason)) => Err(status(&Refusal::new(reason))),
            Err(NoAnswer::Unknown) => Err(status(&Refusal::new(Reason::OutcomeUnknown))),
            Err(NoAnswer::Reused) => Err(status(&Refusal::new(Reason::RequestIdReused).field("request_id"))),
        }
    }

    /// The leaf of the last event a command recorded. Of an earlier answer it is read back. Empty where the store is away:
    /// what was accepted is told as accepted all the same.
    async fn receipt(&self, caller: &Caller, done: &Done, leaf: Option<[u8; 64]>) -> Vec<u8> {
        let recorders = self.engine().tree().recorders();
        // What an admin brings for the registrars is recorded for the operator.
        let is_registry =
            |directory: &Directory| directory.registries.values().any(|registry| registry.stream == done.incident);
        if let Some(signature) = leaf.filter(|_| !is_registry(&self.engine().directory())) {
            return recorders.stored(&caller.org, done.hash, signature).bytes().to_vec();
        }
        let row = self.engine().reader().event_at(done.position).await.ok().flatten();
        let read = row.and_then(|row| decode(&row.bytes).ok().map(|(event, _)| (row, event)));
        read.map_or_else(Vec::new, |(row, event)| {
            recorders.stored(&event.actor.org, row.hash, row.leaf).bytes().to_vec()
        })
    }

    /// A read that was refused: recorded where it says that the caller had no right.
    fn denied(&self, caller: &Caller, method: &'static str, refusal: &Refusal) -> Status {
        if denies(refusal.reason) {
            let (org, client) = (caller.org.clone(), caller.client.clone());
            self.engine().denied(Some(org), Some(client), method, refusal.reason);
        }
        status(refusal)
    }

    /// A case the caller may see, or NOT_FOUND: the same answer as for one that does not exist. Whoever has no part any
    /// more keeps the case as it last saw it, and sees nothing new.
    async fn visible(&self, caller: &Caller, method: &'static str, incident: IncidentId) -> Result<Entry, Status> {
        let clock = self.clock();
        let answered = clock.now().plus(NOT_FOUND_MS);
        let found = self.engine().case(caller, incident).await.map_err(|error| unreadable(&error))?;
        if found.is_none() {
            clock.sleep_until(answered).await;
        }
        found.ok_or_else(|| self.denied(caller, method, &Refusal::new(Reason::IncidentNotFound).field("incident")))
    }
}

/// The station a move makes something known to, which may have nobody there to hear of it.
fn told_to(act: &Act) -> Option<&StationId> {
    match act {
        Act::Offer { to, .. } | Act::Alert { to } => Some(to),
        _ => None,
    }
}

/// Refusals that say that the caller had no right, as against a right person in a wrong moment.
fn denies(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::RoleNotAllowed
            | Reason::WrongSide
            | Reason::OtherOrganisation
            | Reason::DecidesAndSigns
            | Reason::NotTheSigner
            | Reason::IncidentNotFound
    )
}

/// What does not parse keeps nothing: each violation with its field and remedy.
fn violations(violations: Violations) -> Status {
    let fields: Vec<_> = violations
        .0
        .into_iter()
        .map(|violation| FieldViolation::of(&violation.path, violation.code, &violation.params))
        .collect();
    invalid_fields(&fields)
}

/// Values that cannot enter the log.
fn unsealable(paths: Vec<String>) -> Status {
    let fields: Vec<_> = paths.into_iter().map(|path| FieldViolation::of(&path, "CONTROL_CHARACTER", &[])).collect();
    invalid_fields(&fields)
}

/// The log could not be read: the detail goes to the operator, the caller may try again.
impl Gate {
    /// Everything that was answered anywhere is shown here from now on: before every read that shows more than one case.
    pub(crate) async fn see_all(&self) -> Result<(), Status> {
        self.engine().see_all().await.map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &LoadError) -> Status {
    crate::error::fault("the log could not be read", error)
}

fn store_away(error: &handoff_store::StoreError) -> Status {
    crate::error::fault("the store could not be read", error)
}
