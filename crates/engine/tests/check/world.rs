//! Two organisations with a station each, a common superior and an auditor, over an engine with a clock moved by hand.

use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::case::Case;
use handoff_domain::command::{Act, Command, Expected, Order};
use handoff_domain::ids::{ClientId, IncidentId, OfficerId, OrgId, StationId, StationRef};
use handoff_domain::moves::state_seen;
use handoff_domain::time::Millis;
use handoff_engine::clock::{Clock, ManualClock};
use handoff_engine::memory::Entry;
use handoff_engine::recorders::Recorders;
use handoff_engine::tree::Tree;
use handoff_engine::vault::Vault;
use handoff_engine::writer::IDLE_MS;
use handoff_engine::{Answer, Beside, Done, Engine, Organisation, Task, open_log};
use handoff_evidence::disclosure::Disclosure;
use handoff_evidence::log::LogKey;
use handoff_store::{Options, Reader};
use std::cell::Cell;
use std::sync::Arc;
use uuid::Uuid;

/// When every history begins: 2026-11-23T12:00:00Z.
const START: Millis = Millis(1_795_435_200_000);

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).expect("a legal name")
}

pub(crate) fn officer(name: &str) -> OfficerId {
    OfficerId::new(name).expect("a legal name")
}

/// A station by its code name: the letter before the dash is its organisation.
pub(crate) fn seat(name: &str) -> StationRef {
    StationRef { org: org(&name[..1]), station: StationId::new(name).expect("a legal name") }
}

/// An officer of a station.
pub(crate) fn person(at: &str, name: &str, roles: &[Role]) -> Caller {
    let of = seat(at);
    Caller {
        client: ClientId::new(&format!("console-{}", of.org)).expect("a legal name"),
        org: of.org,
        kind: OrgKind::Party,
        station: Some(of.station),
        officer: Some(officer(&format!("{at}-{name}"))),
        roles: roles.to_vec(),
    }
}

/// The duty officer of a station.
pub(crate) fn duty(at: &str) -> Caller {
    person(at, "D1", &[Role::DutyOfficer])
}

/// The signer of a station: on its unit.
pub(crate) fn signer(at: &str) -> Caller {
    person(at, "R1", &[Role::Responder])
}

/// The registered dispatch system of a station.
pub(crate) fn system(at: &str) -> Caller {
    let client = ClientId::new(&format!("cad-{at}")).expect("a legal name");
    Caller { client, officer: None, ..person(at, "none", &[Role::Adapter]) }
}

/// The common superior.
pub(crate) fn superior() -> Caller {
    let of = person("S-00", "1", &[Role::Superior]);
    Caller { kind: OrgKind::Superior, station: None, ..of }
}

/// The auditor.
pub(crate) fn auditor() -> Caller {
    let of = person("S-00", "2", &[Role::Auditor]);
    Caller { org: org("AUD"), kind: OrgKind::Audit, station: None, ..of }
}

fn admin(name: &str) -> Caller {
    Caller { station: None, ..person(&format!("{name}-01"), "X", &[Role::Admin]) }
}

pub(crate) fn organisations() -> Vec<Organisation> {
    let kinds = [("A", OrgKind::Party), ("B", OrgKind::Party), ("S", OrgKind::Superior), ("AUD", OrgKind::Audit)];
    kinds.into_iter().map(|(name, kind)| Organisation { id: org(name), kind }).collect()
}

/// What personal values are sealed with.
pub(crate) fn vault() -> Vault {
    Vault::new(&[7; 32], &[])
}

/// A running engine.
pub(crate) struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
    requests: Cell<u128>,
}

impl World {
    /// Makes the database, plays, and closes it.
    pub(crate) async fn run(url: &str, play: impl AsyncFnOnce(&Self)) {
        handoff_store::migrate(url).await.expect("a new database");
        let mut store = handoff_store::open(url, Options::default()).await.expect("it opens");
        let clock = Arc::new(ManualClock::new(START));
        let tree = Arc::new(Tree::new(Arc::new(Recorders::new(LogKey::from_seed(&[7; 32]))), None, None));
        open_log(&mut store, tree.recorders(), clock.now()).await.expect("position 0");
        let started = Engine::start(store, organisations(), Arc::new(vault()), tree, clock.clone()).await;
        let (engine, writer) = started.expect("the engine starts");
        let world = Self { engine, clock: clock.clone(), requests: Cell::new(0) };
        let playing = async move {
            play(&world).await;
            // The last handle goes, and with it the writer ends.
            drop(world);
            // It looks whether there will be more when its pause is over.
            clock.advance_to(clock.now().plus(2 * IDLE_MS));
        };
        let (ended, ()) = tokio::join!(writer, playing);
        ended.expect("the writer ends well");
    }

    pub(crate) fn reader(&self) -> &dyn Reader {
        self.engine.reader()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Time goes on.
    pub(crate) fn wait(&self, ms: i64) {
        self.clock.advance_to(self.clock.now().plus(ms));
    }

    pub(crate) async fn entry(&self, incident: IncidentId) -> Entry {
        let entry = self.engine.entry(incident).await.expect("the log is there");
        entry.expect("the incident is there")
    }

    pub(crate) async fn case(&self, incident: IncidentId) -> Case {
        self.entry(incident).await.case
    }

    async fn submit(&self, caller: &Caller, task: Task, sealed: Vec<Disclosure>) -> Answer {
        self.requests.set(self.requests.get() + 1);
        let request = Uuid::from_u128(self.requests.get());
        let content = format!("{task:?}").into_bytes();
        let reply = self.engine.submit(caller.clone(), request, content.clone(), task.clone(), sealed, None).await;
        let answer = reply.expect("the writer answers").answer;
        // Asked again under its request id it is given the same answer.
        let again = self.engine.submit(caller.clone(), request, content, task, Vec::new(), None).await;
        assert_eq!(again.expect("the writer answers").answer, answer);
        answer
    }

    /// An order of an organisation's admin, or of a duty officer.
    pub(crate) async fn order(&self, name: &str, order: Order) {
        self.order_beside(name, order, None).await;
    }

    /// The same with what is kept beside the log.
    pub(crate) async fn order_beside(&self, name: &str, order: Order, beside: Option<Beside>) {
        let task = Task::Directory { order, claimed_at: None, beside };
        let answer = self.submit(&admin(name), task, Vec::new()).await;
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }

    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        incident: IncidentId,
        act: Act,
        sealed: Vec<Disclosure>,
    ) -> Answer {
        self.wait(1_000);
        let case = self.engine.entry(incident).await.expect("the log is there").map(|entry| entry.case);
        let expected = case.map_or_else(Expected::default, |case| Expected {
            state: Some(state_seen(&case, &act).to_owned()),
            form_version: act.handoff().and_then(|id| case.handoff(id)).map(|handoff| handoff.version),
            tenure: Some(case.tenure),
        });
        let command = Command { incident, expected, claimed_at: None, acting_for: None, act };
        self.submit(caller, Task::Incident(command), sealed).await
    }

    /// A command that is recorded.
    pub(crate) async fn done(&self, caller: &Caller, incident: IncidentId, act: Act) -> Done {
        self.done_with(caller, incident, act, Vec::new()).await
    }

    /// A command with sealed values that is recorded.
    pub(crate) async fn done_with(
        &self,
        caller: &Caller,
        incident: IncidentId,
        act: Act,
        sealed: Vec<Disclosure>,
    ) -> Done {
        let name = act.name();
        match self.answer(caller, incident, act, sealed).await {
            Answer::Done(done) => done,
            Answer::Refused(refusal) => panic!("{name} was refused: {refusal:?}"),
        }
    }

    /// A command that is refused.
    pub(crate) async fn refused(&self, caller: &Caller, incident: IncidentId, act: Act) {
        let name = act.name();
        let answer = self.answer(caller, incident, act, Vec::new()).await;
        assert!(matches!(answer, Answer::Refused(_)), "{name}: {answer:?}");
    }
}
