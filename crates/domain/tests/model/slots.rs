//! The requests the clients of the model may send, each under one request id: A hands X over to B, B hands Y over to
//! A, and somebody finds that the two are one.

use crate::shelf::{INCIDENTS, Shelf};
use crate::world::{Fnv, label, officer, person, seat, station, superior};
use handoff_domain::Case;
use handoff_domain::caller::{Actor, Caller, Role};
use handoff_domain::command::{Act, AgreeParts, Expected, Receive, Sign, SignParts};
use handoff_domain::decide::{Digests, Statement};
use handoff_domain::event::handoff::{Disputed, OfferBasis, Ruling};
use handoff_domain::event::incident::{Noted, UnitStatus};
use handoff_domain::form::Form;
use handoff_domain::ids::{DeploymentId, Digest, HandoffId, UnitId};
use handoff_domain::values::{Code, Level, Sealed, Severity};
use uuid::Uuid;

/// What a request asks for, given what its sender saw.
pub(crate) type Ask = fn(&Message) -> Act;

/// One request: who sends it, about which incident, what it asks for.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    pub(crate) incident: usize,
    /// It touches both incidents.
    pub(crate) both: bool,
    /// Sent only after this other one was answered.
    pub(crate) after: Option<u8>,
    pub(crate) caller: fn() -> Caller,
    pub(crate) act: Ask,
    /// Makes its nonce its own.
    pub(crate) salt: u8,
}

/// A request under way: which one, and what its sender saw when sending it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) slot: u8,
    pub(crate) state: &'static str,
    pub(crate) version: u64,
    pub(crate) tenure: u64,
    pub(crate) statement: Digest,
}

impl Message {
    /// Written by a client that looks at the case now.
    pub(crate) fn write(slot: u8, act: Ask, case: Option<&Case>) -> Self {
        let blank = Self { slot, state: "", version: 0, tenure: 0, statement: Digest([0; 32]) };
        let (act, Some(case)) = (act(&blank), case) else { return blank };
        if !act.decides() {
            return blank;
        }
        let handoff = act.handoff().and_then(|id| case.handoff(id));
        let signs = matches!(act, Act::Sign { .. });
        let shown = handoff.filter(|_| signs);
        let statement = shown.map(|h| Fnv.statement(case, &Actor::service(), Statement::Transfer(h)));
        Self {
            slot,
            state: handoff_domain::moves::state_seen(case, &act),
            version: handoff.map_or(0, |handoff| handoff.version),
            tenure: case.tenure,
            statement: statement.unwrap_or(blank.statement),
        }
    }

    pub(crate) fn expected(&self) -> Expected {
        Expected { state: Some(self.state.to_owned()), form_version: Some(self.version), tenure: Some(self.tenure) }
    }
}

fn duty_a() -> Caller {
    person(&seat("A-01"), "D1", &[Role::DutyOfficer])
}

fn duty_b() -> Caller {
    person(&seat("B-01"), "D1", &[Role::DutyOfficer])
}

fn signer_a() -> Caller {
    person(&seat("A-01"), "R1", &[Role::Responder])
}

fn signer_b() -> Caller {
    person(&seat("B-01"), "R1", &[Role::Responder])
}

fn handoff(incident: usize) -> HandoffId {
    HandoffId(Uuid::from_u128(0x100 + incident as u128))
}

fn code(text: &'static str) -> Code {
    Code::of(text)
}

fn form(text: u8) -> Form {
    let said = Some(Sealed([text; 32]));
    Form {
        kind: Some(label("emergency")),
        severity: Severity::Urgent,
        category: None,
        number: None,
        times: None,
        place: None,
        place_unknown: true,
        legal_ground: None,
        measures: said,
        risks: said,
        items: Vec::new(),
        people: Vec::new(),
        annex: None,
        units: Vec::new(),
        callback: None,
    }
}

fn offer(incident: usize, to: &str) -> Act {
    let (basis, to) = (OfferBasis::UnitAssigned, station(to));
    Act::Offer { handoff: handoff(incident), to, basis, form: form(1), signer: None, parent: None, paper: None }
}

fn agree(incident: usize, message: &Message) -> Act {
    Act::Agree { handoff: handoff(incident), version: message.version, parts: AgreeParts::default() }
}

fn sign(incident: usize, message: &Message) -> Act {
    let parts = SignParts {
        level: Level::Attested,
        statement: message.statement,
        signature: None,
        lang: None,
        template: None,
        paper: None,
    };
    Act::Sign { handoff: handoff(incident), version: message.version, parts }
}

fn take_over(incident: usize, message: &Message) -> Act {
    Act::TakeOver { handoff: handoff(incident), version: message.version, paper: None }
}

fn rule(ruling: Ruling) -> Act {
    let side = (ruling == Ruling::Takeover).then(|| seat("B-01"));
    let handoff = Some(handoff(0));
    let (reasons, level, statement) = (None, Level::Attested, None);
    Act::Rule {
        handoff,
        ruling,
        joint: false,
        side,
        support: None,
        reasons,
        sign: Sign { level, statement, signature: None },
    }
}

const fn slot(name: &'static str, incident: usize, caller: fn() -> Caller, act: Ask, salt: u8) -> Slot {
    Slot { name, incident, both: false, after: None, caller, act, salt }
}

/// Every request; its place in the list is its request id. What is said *once more* is asked only after the first
/// was answered.
pub(crate) const SLOTS: &[Slot] = &[
    slot("A notes something on Y", 1, duty_a, |_| Act::Note(note()), 0),
    slot("A offers X", 0, duty_a, |_| offer(0, "B-01"), 1),
    slot("A revises X", 0, duty_a, |_| Act::Revise { handoff: handoff(0), form: form(2), signer: None }, 2),
    slot("A disputes X", 0, duty_a, |_| Act::Dispute(disputed()), 4),
    slot("A signs X", 0, signer_a, |message| sign(0, message), 5),
    slot("B agrees to X", 0, duty_b, |message| agree(0, message), 7),
    slot("B signs X", 0, signer_b, |message| sign(0, message), 11),
    slot("B takes X over", 0, duty_b, |message| take_over(0, message), 13),
    slot("S rules that X is agreed", 0, superior, |_| rule(Ruling::Agreed), 15),
    slot("S orders the takeover of X", 0, superior, |_| rule(Ruling::Takeover), 16),
    slot("A signs Y", 1, signer_a, |message| sign(1, message), 20),
    slot("A takes Y over", 1, duty_a, |message| take_over(1, message), 21),
    Slot { after: Some(4), ..slot("A signs X once more", 0, signer_a, |message| sign(0, message), 6) },
    Slot { after: Some(5), ..slot("B agrees to X once more", 0, duty_b, |message| agree(0, message), 8) },
    Slot { after: Some(6), ..slot("B signs X once more", 0, signer_b, |message| sign(0, message), 12) },
    Slot { both: true, ..slot("A proposes that X and Y are one", 0, duty_a, |_| propose_merge(), 22) },
    Slot { both: true, ..slot("B agrees that X and Y are one", 0, duty_b, |_| answer_merge(), 23) },
];

fn note() -> Noted {
    Noted { text: None, code: Some(code("WORD")), handoff: None, flags: Vec::new() }
}

fn disputed() -> Disputed {
    Disputed { handoff: handoff(0), code: code("OVERDUE"), position: None }
}

fn propose_merge() -> Act {
    Act::ProposeMerge { other: INCIDENTS[1], survivor: INCIDENTS[1] }
}

fn answer_merge() -> Act {
    Act::AnswerMerge { other: INCIDENTS[1], yes: true, survivor: Some(INCIDENTS[1]), code: None }
}

/// How an incident begins: X at A, Y at B, each with a unit of both sides; Y is offered, agreed and signed by B.
pub(crate) fn beginning(incident: usize) -> Vec<(Caller, Ask)> {
    let dispatch_a = || person(&seat("A-01"), "P1", &[Role::Dispatcher]);
    let dispatch_b = || person(&seat("B-01"), "P1", &[Role::Dispatcher]);
    if incident == 0 {
        return vec![
            (dispatch_a(), |_| Act::Receive(Receive::default())),
            (dispatch_a(), |_| Act::Alert { to: station("B-01") }),
            (dispatch_a(), |_| unit("A-01", 1)),
            (dispatch_b(), |_| unit("B-01", 2)),
        ];
    }
    vec![
        (dispatch_b(), |_| Act::Receive(Receive::default())),
        (dispatch_b(), |_| Act::Alert { to: station("A-01") }),
        (dispatch_b(), |_| unit("B-01", 3)),
        (dispatch_a(), |_| unit("A-01", 4)),
        (duty_b(), |_| offer(1, "A-01")),
        (duty_a(), |message| agree(1, message)),
        (signer_b(), |message| sign(1, message)),
    ]
}

fn unit(at: &str, number: u128) -> Act {
    Act::ReportUnit {
        deployment: DeploymentId(Uuid::from_u128(0x200 + number)),
        unit: UnitId::new(&format!("{at}-U1")).expect("a legal name"),
        of: None,
        status: UnitStatus::Assigned,
        crew: vec![officer(&format!("{at}-R1"))],
        support: None,
    }
}

/// The names of the requests of a log, for a reader of a counterexample.
pub(crate) fn told(shelf: &Shelf, log: u64) -> Vec<&'static str> {
    let name = |slot: &u8| SLOTS.get(usize::from(*slot)).map_or("(the service)", |slot| slot.name);
    shelf.log(log).requests.iter().map(name).collect()
}
