//! Two organisations, an engine inside this process, and what they do, recorded.

use crate::history::{History, Recorder, Who};
use handoff_domain::caller::{Actor, Caller, OrgKind, Role};
use handoff_domain::command::{Act, AgreeParts, Command, Expected, Order, Receive, SignParts};
use handoff_domain::decide::Statement;
use handoff_domain::event::directory::{AgreementProposed, AgreementRatified, StationSet};
use handoff_domain::event::handoff::{Delivered, OfferBasis, Seen};
use handoff_domain::event::incident::{Noted, UnitStatus};
use handoff_domain::form::Form;
use handoff_domain::ids::{
    AgreementId, ClientId, DeploymentId, HandoffId, IncidentId, OfficerId, OrgId, StationId, StationRef, UnitId,
};
use handoff_domain::moves::state_seen;
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Sealed, Severity};
use handoff_engine::clock::{Clock, ManualClock};
use handoff_engine::memory::{Entry, Hashes};
use handoff_engine::{Answer, Engine, NoAnswer, Organisation, Reply, Task, embedded};
use handoff_evidence::log::LogKey;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Handed from A to B.
pub(super) const HANDED_OVER: IncidentId = IncidentId(Uuid::from_u128(0xA1));
/// Merged into [`SURVIVOR`].
pub(super) const MERGED: IncidentId = IncidentId(Uuid::from_u128(0xA2));
const SURVIVOR: IncidentId = IncidentId(Uuid::from_u128(0xA3));
const HANDOFF: HandoffId = HandoffId(Uuid::from_u128(0xF1));
/// 2026-11-23T12:00:00Z.
const START: Millis = Millis(1_795_435_200_000);

pub(super) fn org(name: &str) -> OrgId {
    OrgId::new(name).expect("a legal name")
}

/// A station by its code name: the letter before the dash is its organisation.
pub(super) fn seat(name: &str) -> StationRef {
    StationRef { org: org(&name[..1]), station: StationId::new(name).expect("a legal name") }
}

fn caller(at: &str, name: &str, roles: &[Role]) -> Caller {
    let of = seat(at);
    Caller {
        client: ClientId::new(&format!("console-{}", of.org)).expect("a legal name"),
        org: of.org,
        kind: OrgKind::Party,
        station: Some(of.station),
        officer: OfficerId::new(&format!("{at}-{name}")),
        roles: roles.to_vec(),
    }
}

fn duty(at: &str) -> Caller {
    caller(at, "D1", &[Role::DutyOfficer, Role::Dispatcher])
}

fn system(at: &str) -> Caller {
    let client = ClientId::new(&format!("cad-{at}")).expect("a legal name");
    Caller { client, officer: None, ..caller(at, "none", &[Role::Adapter]) }
}

fn admin(at: &str) -> Caller {
    Caller { station: None, ..caller(at, "X", &[Role::Admin]) }
}

fn who(caller: &Caller) -> Who {
    Who { org: caller.org.clone(), client: caller.client.clone() }
}

fn note() -> Act {
    Act::Note(Noted { text: None, code: None, handoff: None, flags: Vec::new() })
}

fn label(text: &str) -> Option<Label> {
    Label::new(text)
}

fn form() -> Form {
    Form {
        kind: label("emergency"),
        severity: Severity::Urgent,
        category: None,
        number: None,
        times: None,
        place: None,
        place_unknown: true,
        legal_ground: None,
        measures: Some(Sealed([1; 32])),
        risks: Some(Sealed([2; 32])),
        items: Vec::new(),
        people: Vec::new(),
        annex: None,
        units: Vec::new(),
        callback: None,
    }
}

/// One request: it can be sent again as it is.
struct Request {
    caller: Caller,
    id: Uuid,
    content: Vec<u8>,
    task: Task,
}

struct Stage {
    engine: Engine,
    clock: Arc<ManualClock>,
    recorder: Recorder,
    requests: Cell<u128>,
}

impl Stage {
    fn request(&self, caller: &Caller, task: Task) -> Request {
        // They fall, so that no check can take the order of ids for that of time.
        self.requests.set(self.requests.get() - 1);
        let content = format!("{task:?}").into_bytes();
        Request { caller: caller.clone(), id: Uuid::from_u128(self.requests.get()), content, task }
    }

    async fn moving(&self, caller: &Caller, incident: IncidentId, act: Act) -> Request {
        self.clock.advance_to(self.clock.now().plus(1_000));
        let case = self.engine.entry(incident).await.expect("the log is there").map(|entry| entry.case);
        let expected = case.map_or_else(Expected::default, |case| Expected {
            state: Some(state_seen(&case, &act).to_owned()),
            form_version: act.handoff().and_then(|id| case.handoff(id)).map(|handoff| handoff.version),
            tenure: Some(case.tenure),
        });
        let command = Command { incident, expected, claimed_at: None, acting_for: None, act };
        self.request(caller, Task::Incident(command))
    }

    async fn submit(&self, request: &Request) -> Result<Reply, NoAnswer> {
        let Request { caller, id, content, task } = request;
        self.engine.submit(caller.clone(), *id, content.clone(), task.clone(), Vec::new(), None).await
    }

    fn invoke(&self, request: &Request) -> u64 {
        self.recorder.invoke(&who(&request.caller), request.id, &request.content)
    }

    /// Sends a request and records what came back.
    async fn send(&self, request: &Request) -> Result<Reply, NoAnswer> {
        let op = self.invoke(request);
        let reply = self.submit(request).await;
        self.recorder.replied(op, &reply);
        reply
    }

    async fn done(&self, caller: &Caller, incident: IncidentId, act: Act) -> Request {
        let request = self.moving(caller, incident, act).await;
        let reply = self.send(&request).await;
        assert!(matches!(reply, Ok(Reply { answer: Answer::Done(_), .. })), "{reply:?}");
        request
    }

    async fn ordered(&self, at: &str, order: Order) {
        let request = self.request(&admin(at), Task::Directory { order, claimed_at: None, beside: None });
        let reply = self.send(&request).await;
        assert!(matches!(reply, Ok(Reply { answer: Answer::Done(_), .. })), "{reply:?}");
    }

    async fn entry(&self, incident: IncidentId) -> Entry {
        self.engine.entry(incident).await.expect("the log is there").expect("the incident is there")
    }

    async fn read(&self, caller: &Caller, incident: IncidentId) {
        let begun = self.recorder.now();
        let entry = self.engine.case(caller, incident).await.expect("the log is there").expect("it is seen");
        self.recorder.read(begun, incident, entry.case.version, Some(entry.last));
    }

    /// Takes a feed in from after a number to its end; where that is.
    async fn follow(&self, subscriber: &str, name: &str, mut after: u64) -> u64 {
        let org = org(name);
        loop {
            let page = self.engine.feed(&org, after).await.expect("the log is there");
            let Some(last) = page.last() else { return after };
            after = last.number;
            page.iter().for_each(|entry| self.recorder.fed(subscriber, &org, entry));
        }
    }
}

/// Plays and records the history.
pub(super) async fn play() -> History {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
    let clock = Arc::new(ManualClock::new(START));
    let kinds = [("A", OrgKind::Party), ("B", OrgKind::Party), ("S", OrgKind::Superior), ("AUD", OrgKind::Audit)];
    let organisations = kinds.into_iter().map(|(name, kind)| Organisation { id: org(name), kind }).collect();
    let started = embedded(&url, &LogKey::from_seed(&[7; 32]), organisations, clock.clone()).await;
    let (engine, writer) = started.expect("the engine starts");
    let stage = Stage { engine, clock, recorder: Recorder::new(), requests: Cell::new(1_000) };
    let playing = async move {
        directory(&stage).await;
        let first = handed_over(&stage).await;
        merged(&stage).await;
        lost_and_refused(&stage).await;
        healed(&stage, &first).await;
        stage.recorder
    };
    let (ended, recorder) = tokio::join!(writer, playing);
    ended.expect("the writer ends well");
    let reader = handoff_store::open_reader(&url).await.expect("it opens for reading");
    recorder.finish(reader.as_ref()).await.expect("the log is there")
}

async fn directory(stage: &Stage) {
    for at in ["A-01", "B-01"] {
        let station = seat(at).station;
        let dispatch_client = ClientId::new(&format!("cad-{at}"));
        let set = StationSet { station, name: None, dispatch_client, site: None, retired: false };
        stage.ordered(at, Order::Station(set)).await;
    }
    let agreement = AgreementId(Uuid::from_u128(1));
    let proposed = AgreementProposed {
        agreement,
        version: 1,
        a: seat("A-01"),
        b: seat("B-01"),
        superior: Some(org("S")),
        level: Level::Attested,
        timers: None,
        map: None,
        grid7: None,
        caller_days: None,
        text_days: None,
    };
    stage.ordered("A-01", Order::ProposeAgreement(proposed)).await;
    stage.ordered("B-01", Order::RatifyAgreement(AgreementRatified { agreement, version: 1 })).await;
}

async fn received(stage: &Stage, incident: IncidentId) -> Request {
    let receive = Receive { kind: label("emergency"), severity: Some(Severity::Urgent), ..Receive::default() };
    stage.done(&duty("A-01"), incident, Act::Receive(receive)).await
}

fn offer() -> Act {
    let (to, basis) = (seat("B-01").station, OfferBasis::UnitAssigned);
    Act::Offer { handoff: HANDOFF, to, basis, form: form(), signer: None, parent: None, paper: None }
}

async fn sign(stage: &Stage, at: &str) {
    let entry = stage.entry(HANDED_OVER).await;
    let of = entry.case.handoff(HANDOFF).expect("it is offered");
    let by = Actor { station: Some(seat(at).station), ..Actor::service() };
    let text = Hashes { entry: Some(&entry) }.text(&entry.case, &by, Statement::Transfer(of));
    let statement = text.expect("it is agreed").digest();
    let parts =
        SignParts { level: Level::Attested, statement, signature: None, lang: None, template: None, paper: None };
    let signer = caller(at, "R1", &[Role::Responder]);
    stage.done(&signer, HANDED_OVER, Act::Sign { handoff: HANDOFF, version: 1, parts }).await;
}

async fn unit(stage: &Stage, at: &str, deployment: u128) {
    let act = Act::ReportUnit {
        deployment: DeploymentId(Uuid::from_u128(deployment)),
        unit: UnitId::new(&format!("{at}-U1")).expect("a legal name"),
        of: None,
        status: UnitStatus::Assigned,
        crew: OfficerId::new(&format!("{at}-R1")).into_iter().collect(),
        support: None,
    };
    stage.done(&system(at), HANDED_OVER, act).await;
}

/// Gives back the request it began with.
async fn handed_over(stage: &Stage) -> Request {
    let (a, b, id) = (duty("A-01"), duty("B-01"), HANDED_OVER);
    stage.recorder.resumed("watch-a", &org("A"), 0);
    stage.recorder.resumed("watch-b", &org("B"), 0);
    let first = received(stage, id).await;
    let refused = stage.send(&stage.moving(&a, id, offer()).await).await;
    assert!(matches!(refused, Ok(Reply { answer: Answer::Refused(_), .. })), "no unit is on the way: {refused:?}");
    unit(stage, "A-01", 1).await;
    stage.done(&a, id, Act::Alert { to: seat("B-01").station }).await;
    unit(stage, "B-01", 2).await;
    let seen = stage.follow("watch-a", "A", 0).await;
    stage.done(&a, id, offer()).await;
    stage.read(&b, id).await;
    let version = 1;
    stage.done(&system("B-01"), id, Act::Deliver(Delivered { handoff: HANDOFF, version })).await;
    stage.done(&b, id, Act::See(Seen { handoff: HANDOFF, version })).await;
    stage.done(&b, id, Act::Agree { handoff: HANDOFF, version, parts: AgreeParts::default() }).await;
    sign(stage, "A-01").await;
    sign(stage, "B-01").await;
    // The connection of A's subscriber broke; it goes on from its token.
    stage.recorder.resumed("watch-a", &org("A"), seen);
    stage.follow("watch-a", "A", seen).await;
    let taken = stage.done(&b, id, Act::TakeOver { handoff: HANDOFF, version, paper: None }).await;
    stage.read(&a, id).await;
    stage.send(&taken).await.expect("a repeat is answered");
    assert_eq!(stage.entry(id).await.case.custodian, seat("B-01"));
    first
}

async fn merged(stage: &Stage) {
    let a = duty("A-01");
    received(stage, MERGED).await;
    received(stage, SURVIVOR).await;
    stage.done(&a, MERGED, Act::ProposeMerge { other: SURVIVOR, survivor: SURVIVOR }).await;
    stage.done(&a, SURVIVOR, note()).await;
}

/// Answers that never came, and refusals of every kind.
async fn lost_and_refused(stage: &Stage) {
    let a = duty("A-01");
    // Recorded, and asked again.
    let asked_again = stage.moving(&a, SURVIVOR, note()).await;
    let op = stage.invoke(&asked_again);
    stage.submit(&asked_again).await.expect("it is answered, and the answer is lost");
    stage.recorder.unknown(op, "OUTCOME_UNKNOWN");
    let again = stage.send(&asked_again).await.expect("a repeat is answered");
    assert!(again.replayed);
    // The same id for something else.
    let other = Request { content: b"something else".to_vec(), ..asked_again };
    assert_eq!(stage.send(&other).await, Err(NoAnswer::Reused));
    // Recorded, never asked again.
    let recorded = stage.moving(&a, SURVIVOR, note()).await;
    let op = stage.invoke(&recorded);
    stage.submit(&recorded).await.expect("it is answered, and the answer is lost");
    stage.recorder.unknown(op, "connection reset");
    // Never arrived.
    let lost = stage.moving(&a, SURVIVOR, note()).await;
    let op = stage.invoke(&lost);
    stage.recorder.unknown(op, "connection refused");
    // Still on its way when everything ends.
    stage.invoke(&stage.moving(&a, SURVIVOR, note()).await);
    // Not accepted, then sent again and accepted.
    let shed = stage.moving(&a, SURVIVOR, note()).await;
    let op = stage.invoke(&shed);
    stage.recorder.no(op, "QUEUE_FULL");
    stage.send(&shed).await.expect("it is answered");
    // Not accepted, and left at that.
    let op = stage.invoke(&stage.moving(&a, SURVIVOR, note()).await);
    stage.recorder.no(op, "NOT_ACCEPTED");
}

async fn healed(stage: &Stage, first: &Request) {
    let b = duty("B-01");
    for at in ["A-01", "B-01"] {
        stage.recorder.writer_left(&who(&system(at)));
    }
    stage.recorder.healed(Duration::from_secs(10));
    stage.done(&b, HANDED_OVER, note()).await;
    // An old answer, given again, says nothing about now.
    stage.send(first).await.expect("a repeat is answered");
    stage.read(&b, HANDED_OVER).await;
    for (subscriber, name) in [("watch-a", "A"), ("watch-b", "B"), ("audit", "AUD")] {
        let head = stage.engine.reader().feed_head(org(name)).await.expect("the log is there");
        stage.recorder.feed_end(&org(name), head);
        let after = stage.recorder.entries().iter().filter_map(|entry| had(entry, subscriber)).max().unwrap_or(0);
        stage.follow(subscriber, name, after).await;
    }
}

fn had(entry: &crate::history::Entry, subscriber: &str) -> Option<u64> {
    match entry {
        crate::history::Entry::Received(is) if is.subscriber == subscriber => Some(is.number),
        _ => None,
    }
}
