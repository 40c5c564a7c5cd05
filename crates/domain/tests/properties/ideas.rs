//! What somebody could think of doing next: moves that fit the state, for the stations that have a part. Most will be
//! accepted; that is a guess made here, not a rule, and the history counts how often it was right.

use crate::world::{self, label, officer, person, seat, supervisor, system};
use handoff_domain::caller::{Caller, Role};
use handoff_domain::case::phase::Phase;
use handoff_domain::case::{Case, FactKind};
use handoff_domain::command::{Act, Receive};
use handoff_domain::directory::Directory;
use handoff_domain::event::incident::{
    AlertAnswered, CallAdded, CallerOpened, DetailsChanged, ErasedField, Handled, LabelAdded, Noted, Objected,
    ReopenTo, Struck, ToldByPhone, UnitStatus,
};
use handoff_domain::ids::{DeploymentId, IncidentId, OfficerId, StationId, StationRef, UnitId};
use handoff_domain::time::Millis;
use handoff_domain::values::{Code, Ground, Place, Sealed, Severity, Territory};
use uuid::Uuid;

/// A small source of choices, filled from one number of the history.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.roll() % count.max(1) as u64).unwrap_or(0)
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

/// What a move is about; a history has a theme that makes some of them likelier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Fact,
    Alert,
    Unit,
    End,
    Together,
    Merge,
    Forward,
    Against,
    Dispute,
    Result,
}

/// One move somebody could make.
#[derive(Clone, Debug)]
pub(crate) struct Idea {
    pub(crate) group: Group,
    pub(crate) weight: usize,
    pub(crate) incident: IncidentId,
    pub(crate) caller: Caller,
    pub(crate) acting_for: Option<StationId>,
    pub(crate) act: Act,
    pub(crate) territory: Option<Territory>,
    pub(crate) claimed_at: Option<Millis>,
}

/// Collects ideas about one case.
pub(crate) struct Thinking<'a> {
    pub(crate) case: &'a Case,
    pub(crate) others: Vec<&'a Case>,
    pub(crate) directory: &'a Directory,
    pub(crate) now: Millis,
    pub(crate) dice: &'a mut Dice,
    pub(crate) found: Vec<Idea>,
}

pub(crate) fn code(text: &'static str) -> Code {
    Code::of(text)
}

/// Some sealed value or none.
pub(crate) fn sealed(dice: &mut Dice) -> Option<Sealed> {
    dice.one_in(2).then(|| Sealed([u8::try_from(dice.below(256)).unwrap_or(0); 32]))
}

/// What territory answers: claimed by one of the four, shared, or nothing.
pub(crate) fn territory(dice: &mut Dice) -> Option<Territory> {
    let (_, name) = world::STATIONS[dice.below(4)];
    let (ground, claimants) = match dice.below(5) {
        0 | 1 => (Ground::Claimed, vec![seat(name)]),
        2 => (Ground::Shared, vec![seat("A-01"), seat("B-01")]),
        3 => (Ground::Untrusted, Vec::new()),
        _ => return None,
    };
    Some(Territory { ground, claimants, border_m: Some(120), why: None, map: Some(world::MAP) })
}

pub(crate) fn place(dice: &mut Dice) -> Place {
    let crs = if dice.one_in(4) { "MARS" } else { "WGS84" };
    Place {
        crs: Some(label(crs)),
        lat7: Some(1_300_000_000),
        lon7: Some(2_600_000_000),
        point: None,
        precision_m: Some(30),
        address: None,
        territory: None,
    }
}

/// The officer's caller: the station is in the name, those called `D…` are duty officers too.
pub(crate) fn as_officer(of: &OfficerId) -> Caller {
    let (at, name) = of.as_str().split_at(4);
    let roles: &[Role] =
        if name.starts_with("-D") { &[Role::DutyOfficer, Role::Responder] } else { &[Role::Responder] };
    person(&seat(at), &name[1..], roles)
}

impl<'a> Thinking<'a> {
    pub(crate) fn id(&mut self) -> Uuid {
        let (high, low) = (self.dice.roll(), self.dice.roll());
        Uuid::from_u64_pair(high, low)
    }

    pub(crate) fn add(&mut self, group: Group, weight: usize, who: (Caller, Option<StationId>), act: Act) {
        let (caller, acting_for) = who;
        let territory = match act {
            Act::AddPlace { .. } | Act::Receive(_) | Act::Split { .. } => territory(self.dice),
            _ => None,
        };
        let late = self.dice.one_in(6);
        let back = i64::try_from(self.dice.below(900)).unwrap_or(0) * 1_000;
        let claimed_at = late.then(|| self.now.plus(-back));
        let incident = self.case.id;
        self.found.push(Idea { group, weight, incident, caller, acting_for, act, territory, claimed_at });
    }

    /// Somebody who records for a station.
    pub(crate) fn desk(&mut self, at: &StationRef) -> (Caller, Option<StationId>) {
        match self.dice.below(4) {
            0 => (system(at), None),
            1 => (person(at, "D1", &[Role::DutyOfficer]), None),
            2 => (supervisor(&at.org), Some(at.station.clone())),
            _ => (person(at, "P1", &[Role::Dispatcher]), None),
        }
    }

    /// A person of a station.
    pub(crate) fn human(&mut self, at: &StationRef) -> (Caller, Option<StationId>) {
        match self.dice.below(3) {
            0 => (person(at, "D1", &[Role::DutyOfficer]), None),
            1 => (person(at, "R1", &[Role::Responder]), None),
            _ => (person(at, "P1", &[Role::Dispatcher]), None),
        }
    }

    /// Somebody who decides for a station; the second duty officer rides along on a unit at times.
    pub(crate) fn decider(&mut self, at: &StationRef) -> (Caller, Option<StationId>) {
        match self.dice.below(8) {
            0 => (person(at, "D2", &[Role::DutyOfficer, Role::Responder]), None),
            1 => (supervisor(&at.org), Some(at.station.clone())),
            _ => (person(at, "D1", &[Role::DutyOfficer]), None),
        }
    }

    /// Stations with a part now.
    pub(crate) fn parties(&self) -> Vec<StationRef> {
        let active = self.case.parties.iter().filter(|(_, party)| party.until.is_none());
        active.map(|(seat, _)| seat.clone()).collect()
    }

    pub(crate) fn some_party(&mut self) -> StationRef {
        let parties = self.parties();
        self.dice.pick(&parties).unwrap_or(&self.case.custodian).clone()
    }

    /// Another station with which the custodian has terms.
    pub(crate) fn some_neighbour(&mut self, of: &StationRef) -> Option<StationRef> {
        let all = world::STATIONS.map(|(_, name)| seat(name));
        let near = |other: &&StationRef| {
            **other != *of && (other.org == of.org || self.directory.agreement(of, other).is_some())
        };
        let near: Vec<_> = all.iter().filter(near).cloned().collect();
        self.dice.pick(&near).cloned()
    }

    pub(crate) fn everything(mut self) -> Vec<Idea> {
        self.words();
        self.alerts();
        self.units();
        self.ends();
        self.watched();
        self.supports();
        self.joint();
        self.merging();
        self.handoff_begins();
        self.dialogue();
        self.disputes();
        self.rulings();
        self.results();
        self.found
    }

    fn words(&mut self) {
        let (by, custodian) = (self.some_party(), self.case.custodian.clone());
        let (text, other) = (sealed(self.dice), self.some_party());
        let handoff = self.case.handoffs.last().map(|last| last.id).filter(|_| self.dice.one_in(3));
        let who = self.desk(&by);
        let word = Noted { text, code: Some(code("WORD")), handoff, flags: Vec::new() };
        self.add(Group::Fact, 3, who, Act::Note(word));
        let who = self.desk(&by);
        let call = CallAdded { channel: Some(label("PHONE")), number: Some(label("7")), caller: None, narrative: text };
        self.add(Group::Fact, 1, who, Act::AddCall(call));
        let who = self.desk(&by);
        self.add(Group::Fact, 1, who, Act::TellByPhone(ToldByPhone { to: other, whom: None, text }));
        let who = self.desk(&by);
        let place = place(self.dice);
        self.add(Group::Fact, 1, who, Act::AddPlace { place, flags: Vec::new() });
        let who = self.desk(&by);
        self.add(Group::Fact, 1, who, Act::AddLabel(LabelAdded { number: label("A-2026-17") }));
        let who = self.desk(&custodian);
        let severity = Severity::ALL.get(self.dice.below(3)).copied();
        let kind = Some(label(["emergency", "dispute", "ufo"][self.dice.below(3)]));
        let details = DetailsChanged { kind, severity, category: None, flags: Vec::new() };
        self.add(Group::Fact, 1, who, Act::ChangeDetails(details));
        let who = self.human(&custodian);
        self.add(Group::Fact, 1, who, Act::OpenCaller(CallerOpened { code: code("CALL_BACK"), of: None }));
        let fields = vec![ErasedField { seq: 1, path: "caller.phone".to_owned() }];
        let auditor = Caller { kind: handoff_domain::caller::OrgKind::Audit, ..as_auditor() };
        let erase = Act::Erase { fields, basis: code("COURT_ORDER") };
        self.add(Group::Fact, 1, (auditor, None), erase);
        if self.case.closure.as_ref().is_some_and(|closure| closure.objection.is_some()) {
            let who = self.desk(&custodian);
            let answer = Noted { text, code: Some(code("OBJECTION_ANSWERED")), handoff: None, flags: Vec::new() };
            self.add(Group::End, 8, who, Act::Note(answer));
        }
    }

    fn alerts(&mut self) {
        let by = self.some_party();
        if let Some(to) = self.some_neighbour(&self.case.custodian.clone()) {
            let who = self.desk(&by);
            self.add(Group::Alert, 2, who, Act::Alert { to: to.station });
        }
        let alerts: Vec<_> = self.case.alerts.iter().map(|(to, alert)| (to.clone(), alert.clone())).collect();
        for (to, alert) in alerts {
            if alert.delivered.is_none() {
                self.add(Group::Alert, 5, (system(&to), None), Act::DeliverAlert { to: to.clone() });
            }
            if alert.seen.is_none() {
                let who = self.decider(&to);
                self.add(Group::Alert, 8, who, Act::SeeAlert);
            }
            if alert.answer.is_none() {
                let ours = self.others.iter().find(|other| other.custodian == to).map(|other| other.id);
                let answer = if ours.is_some() { "SAME_AS_OURS" } else { "KNOWN" };
                let who = self.desk(&to);
                let answered = AlertAnswered { answer: code(answer), ours, note: None };
                self.add(Group::Alert, 2, who, Act::AnswerAlert(answered));
            }
        }
    }

    fn units(&mut self) {
        let by = self.some_party();
        let deployment = DeploymentId(self.id());
        let unit = UnitId::new(&format!("{}-U{}", by.station, self.dice.below(3) + 1)).expect("a legal name");
        let crews: [&[&str]; 4] = [&["R1"], &["R1", "R2"], &["R2", "D2"], &[]];
        let crew = crews[self.dice.below(4)].iter().map(|name| officer(&format!("{}-{name}", by.station))).collect();
        let status = if self.dice.one_in(5) { UnitStatus::OnScene } else { UnitStatus::Assigned };
        let support = self.case.supports.iter().find(|(_, lent)| lent.to == by).map(|(id, _)| *id);
        let busy = self.case.unit_statuses().values().filter(|status| status.is_active()).count();
        let who = self.desk(&by);
        let of = Some(by.station.clone());
        let report = Act::ReportUnit { deployment, unit, of, status, crew, support };
        self.add(Group::Unit, if busy < 2 { 6 } else { 1 }, who, report);
        let sent: Vec<_> = self.case.unit_statuses().into_iter().collect();
        for (deployment, status) in sent {
            let Some(is) = self.case.deployments.get(&deployment).cloned() else { continue };
            let next = match (status, self.dice.below(6)) {
                (UnitStatus::Assigned, 0..3) => UnitStatus::EnRoute,
                (UnitStatus::Assigned | UnitStatus::EnRoute, 0..5) => UnitStatus::OnScene,
                (UnitStatus::Assigned | UnitStatus::EnRoute, _) => UnitStatus::Cancelled,
                (UnitStatus::OnScene, 0..5) => UnitStatus::Released,
                (UnitStatus::OnScene | UnitStatus::Released | UnitStatus::Cancelled, _) => UnitStatus::EnRoute,
            };
            let weight = if status.is_active() { 4 } else { 1 };
            let crew = vec![officer(&format!("{}-R1", is.of.station))];
            let who = self.desk(&is.of);
            let (unit, of) = (is.unit.clone(), Some(is.of.station.clone()));
            let report = Act::ReportUnit { deployment, unit, of, status: next, crew, support: is.support };
            self.add(Group::Unit, weight, who, report);
        }
    }

    fn ends(&mut self) {
        let (case, custodian) = (self.case, self.case.custodian.clone());
        let standing = case.standing();
        if !matches!(standing.phase, Phase::Handled | Phase::Closed) {
            let code = (!standing.attended).then(|| code("ADVICE_BY_PHONE"));
            let who = if code.is_some() { self.decider(&custodian) } else { self.desk(&custodian) };
            let result = sealed(self.dice);
            self.add(Group::End, 4, who, Act::DeclareHandled(Handled { code, referred_to: None, result }));
        }
        let own: Vec<_> = case.facts.iter().filter(|fact| !fact.struck).collect();
        if let Some(fact) = self.dice.pick(&own) {
            let mistakable = matches!(fact.what, FactKind::Unit { .. } | FactKind::Handled { .. });
            let (seq, by) = (fact.seq, fact.by.clone());
            let who = self.desk(&by);
            let struck = Struck { entry: seq, code: code("MISTAKE"), note: None };
            self.add(Group::End, usize::from(mistakable) * 2, who, Act::Strike(struck));
        }
        if standing.phase == Phase::Handled {
            let ready = case.ledger.keys().all(|key| key.duty == handoff_domain::timers::Duty::Close);
            let who = self.decider(&custodian);
            let close = Act::Close { code: code("DONE"), case_number: None };
            self.add(Group::End, if ready && case.open_handoff().is_none() { 14 } else { 1 }, who, close);
        }
        if let Some((told, _)) = case.closure.as_ref().and_then(|closure| closure.told.clone()) {
            let who = self.decider(&told);
            self.add(Group::End, 10, who, Act::Object(Objected { code: code("NOT_YOURS"), note: None }));
        }
        if standing.phase == Phase::Closed {
            let to = *self.dice.pick(ReopenTo::ALL).unwrap_or(&ReopenTo::Handled);
            let who = match self.dice.below(3) {
                0 => (as_auditor(), None),
                1 => self.decider(&case.first_receiver.clone()),
                _ => self.decider(&custodian),
            };
            self.add(Group::End, 4, who, Act::Reopen { code: code("NEW_FACTS"), to, note: None });
        }
    }

    /// Obligations that went up are acknowledged by whoever was told.
    fn watched(&mut self) {
        let told: Vec<_> = self.case.ledger.iter().filter(|(_, owed)| owed.acknowledged.is_none()).collect();
        let Some((key, _)) = self.dice.pick(&told) else { return };
        let (duty, by, scope) = (key.duty, key.by.clone(), key.scope);
        let at = by.clone().unwrap_or_else(|| self.case.custodian.clone());
        let who = self.decider(&at);
        self.add(Group::Fact, 2, who, Act::Acknowledge { duty, by, scope });
    }
}

pub(crate) fn as_auditor() -> Caller {
    let like = world::superior();
    let org = world::org("AUD");
    Caller {
        org,
        kind: handoff_domain::caller::OrgKind::Audit,
        officer: Some(officer("AUD-1")),
        roles: vec![Role::Auditor],
        ..like
    }
}

/// A new incident, with as much or as little as its first receiver knows.
pub(crate) fn intake(dice: &mut Dice, drill: Option<handoff_domain::ids::DrillId>) -> Receive {
    let kind = dice.one_in(2).then(|| label("emergency"));
    let severity = Severity::ALL.get(dice.below(4)).copied();
    let sent_on_by = dice.one_in(5).then(|| world::station(["B-01", "A-01", "Z-99"][dice.below(3)]));
    let place = (!dice.one_in(4)).then(|| place(dice));
    Receive { kind, severity, sent_on_by, place, drill, ..Receive::default() }
}
