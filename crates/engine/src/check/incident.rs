//! One incident from its first event to its last: told once by the independent models, once by the rules, and compared
//! after every event.

use super::custody::Custody;
use super::feeds::Audiences;
use super::forms::{At, Forms};
use super::log::{Log, ROW, is_row_of};
use super::report::{Rule, Spot, Tally, Text};
use super::units::{Twin, Units, is_custodians};
use super::{CHECK_PAGE_EVENTS, sides, unread};
use crate::memory::LoadError;
use handoff_domain::caller::Role;
use handoff_domain::case::handoff::HandoffName;
use handoff_domain::case::phase::Phase;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{HandoffId, IncidentId, OrgId, StationRef};
use handoff_domain::timers::Duty;
use handoff_domain::values::{Category, Label, Sealed, Severity};
use handoff_domain::{Case, apply};
use handoff_evidence::disclosure::sealed_paths;
use handoff_evidence::event::Chain;
use handoff_store::Reader;
use handoff_store::rows::EventRow;
use std::collections::{BTreeMap, BTreeSet};

/// What the check keeps of one incident while it reads its events; dropped before the next one.
pub(super) struct Replay<'a> {
    log: &'a Log,
    pub(super) incident: IncidentId,
    chain: Chain,
    /// The case as the rules have it; none before the first event, and none any more after one that does not follow.
    pub(super) case: Option<Case>,
    pub(super) custody: Custody,
    forms: Forms,
    units: Units,
    /// Superiors it ever was before.
    pub(super) superiors: BTreeSet<OrgId>,
    /// Bytes that cannot be read: nothing after them is looked at.
    unreadable: bool,
    /// An event does not follow by the rules: from there on only the independent models go on.
    broken: bool,
    /// Events of the command being read: position and event.
    command: Vec<(u64, Event)>,
    first: u64,
    pub(super) twins: Vec<Twin>,
    /// Digests of sealed values by event and path, and those of them that were erased.
    pub(super) sealed: BTreeMap<(u64, String), Sealed>,
    pub(super) erased: BTreeSet<(u64, String)>,
}

const FOLLOWS: Text = ("the event does not follow by the rules", "按规则此事件不能发生");

impl<'a> Replay<'a> {
    pub(super) fn new(log: &'a Log, incident: IncidentId) -> Self {
        Self {
            log,
            incident,
            chain: Chain::new(incident),
            case: None,
            custody: Custody::default(),
            forms: Forms::default(),
            units: Units::default(),
            superiors: BTreeSet::new(),
            unreadable: false,
            broken: false,
            command: Vec::new(),
            first: 0,
            twins: Vec::new(),
            sealed: BTreeMap::new(),
            erased: BTreeSet::new(),
        }
    }

    /// Number of the last event read.
    pub(super) fn version(&self) -> u64 {
        self.chain.seq()
    }

    /// Whether the rules followed to the end, so that stored rows can be compared with the case.
    pub(super) fn is_whole(&self) -> bool {
        !self.unreadable && !self.broken && self.case.is_some()
    }

    /// Reads the incident's events that are there now and not read yet.
    pub(super) async fn read_on(
        &mut self,
        reader: &dyn Reader,
        told: &mut Audiences,
        tally: &mut Tally,
    ) -> Result<(), LoadError> {
        loop {
            let from = self.chain.seq() + 1;
            let page = reader.events_of(self.incident, from, CHECK_PAGE_EVENTS).await.map_err(unread)?;
            for row in &page {
                if !self.unreadable {
                    self.row(row, told, tally);
                }
            }
            if self.unreadable || page.len() < CHECK_PAGE_EVENTS as usize {
                self.end_command(told);
                return Ok(());
            }
        }
    }

    fn row(&mut self, row: &EventRow, told: &mut Audiences, tally: &mut Tally) {
        let spot = Spot::event(self.incident, row.position);
        let prev = self.chain.head();
        let accepted = self.chain.accept(&row.bytes);
        let wrong = ("the event does not follow on the one before it", "事件与前一事件不衔接");
        let Ok(event) = accepted else {
            tally.holds(Rule::Replay, spot, false, wrong);
            self.unreadable = true;
            return;
        };
        tally.holds(Rule::Replay, spot, true, wrong);
        let columns = is_row_of(row, &event);
        tally.holds_or(Rule::Replay, spot, columns, ROW, || event.body.type_name().to_owned());
        if row.first != self.first {
            self.end_command(told);
            self.first = row.first;
        }
        let at = At { event: &event, hash: self.chain.head(), prev, first: row.first, spot };
        sides::check(&event, row.position, &self.log.stations, &self.custody, &self.forms, spot, tally);
        self.by_former(&event, spot, tally);
        let held = self.custody.custodian().cloned();
        let custody = self.custody.take(&event);
        tally.holds(Rule::OneCustodian, spot, custody.is_ok(), custody.err().unwrap_or_default());
        by_timer(&event, held.as_ref() == self.custody.custodian(), spot, tally);
        self.forms.take(at, tally);
        let custodian = self.custody.custodian().cloned();
        self.twins.extend(self.units.take(&event, row.first, custodian.as_ref(), spot, tally));
        self.apply(&event, spot, tally);
        let sealed = sealed_paths(&event.body).into_iter();
        self.sealed.extend(sealed.map(|(path, digest)| ((event.seq, path), digest)));
        if let Body::Erased(body) = &event.body {
            self.erased.extend(body.fields.iter().map(|field| (field.seq, field.path.clone())));
        }
        self.command.push((row.position, event));
    }

    /// A former custodian's entries are additions (invariant 6).
    fn by_former(&self, event: &Event, spot: Spot, tally: &mut Tally) {
        let Some(seat) = event.actor.seat() else { return };
        if self.custody.custodian() != Some(&seat) && self.custody.former().contains(&seat) {
            let wrong = ("a former custodian changed the incident", "原责任单位改动了警情");
            let adds = !is_custodians(&event.body);
            tally.holds_or(Rule::AppendOnly, spot, adds, wrong, || event.body.type_name().to_owned());
        }
    }

    /// The rules' own step, between two pictures of the case.
    fn apply(&mut self, event: &Event, spot: Spot, tally: &mut Tally) {
        if self.broken {
            return;
        }
        let before = self.case.as_ref().map(Picture::of);
        match apply(self.case.take(), event) {
            Ok(case) => {
                tally.holds(Rule::Replay, spot, true, FOLLOWS);
                self.superiors.extend(case.superiors.keys().cloned());
                compare_models(&case, &self.custody, &self.forms, &self.units, spot, tally);
                owes(&case, spot, tally);
                if let Some(before) = before {
                    let former = event.actor.seat().is_some_and(|seat| {
                        self.custody.former().contains(&seat) && self.custody.custodian() != Some(&seat)
                    });
                    moved(&before, &Picture::of(&case), event, former, spot, tally);
                }
                self.case = Some(case);
            }
            Err(violation) => {
                let detail = || format!("{} {}", violation.type_name, violation.refusal.reason);
                tally.holds_or(Rule::Replay, spot, false, FOLLOWS, detail);
                self.broken = true;
            }
        }
    }

    /// Whom a whole command is told to is decided from the case after it.
    fn end_command(&mut self, told: &mut Audiences) {
        for (position, event) in std::mem::take(&mut self.command) {
            match &self.case {
                Some(case) if !self.broken => told.expect(position, &handoff_domain::audience(case, &event)),
                _ => told.unknown(position),
            }
        }
    }
}

/// What of a case an event may or may not move.
#[derive(PartialEq, Eq)]
struct Picture {
    custodian: StationRef,
    tenure: u64,
    phase: Phase,
    handoffs: Vec<Pose>,
    details: (Option<Label>, Severity, Option<Category>),
    places: usize,
    facts: usize,
}

/// How one handoff stands.
#[derive(Clone, PartialEq, Eq)]
struct Pose {
    id: HandoffId,
    state: HandoffName,
    version: u64,
    /// Number of the event that fixed the agreed form, and which sides signed it.
    agreed: Option<(u64, bool, bool)>,
}

impl Picture {
    fn of(case: &Case) -> Self {
        let pose = |handoff: &handoff_domain::case::handoff::Handoff| Pose {
            id: handoff.id,
            state: handoff.state.name(),
            version: handoff.version,
            agreed: handoff.agreed().map(|form| (form.seq, form.from_signed.is_some(), form.to_signed.is_some())),
        };
        Self {
            custodian: case.custodian.clone(),
            tenure: case.tenure,
            phase: case.phase(),
            handoffs: case.handoffs.iter().map(pose).collect(),
            details: (case.kind.clone(), case.severity, case.category.clone()),
            places: case.places.len(),
            facts: case.facts.len(),
        }
    }

    fn pose(&self, id: HandoffId) -> Option<&Pose> {
        self.handoffs.iter().find(|pose| pose.id == id)
    }
}

/// The rules against the models that know nothing but events.
fn compare_models(case: &Case, custody: &Custody, forms: &Forms, units: &Units, spot: Spot, tally: &mut Tally) {
    let same = custody.custodian() == Some(&case.custodian)
        && custody.tenure() == case.tenure
        && custody.first_receiver() == Some(&case.first_receiver)
        && custody.former() == case.former;
    tally.holds_or(
        Rule::OneCustodian,
        spot,
        same,
        ("the rules give custody to another station than the events", "规则所得责任单位与事件不符"),
        || format!("{} {}", case.custodian, case.tenure),
    );
    tally.holds(
        Rule::AppendOnly,
        spot,
        case.alias_of == units.alias_of,
        ("the rules have it as an alias of another incident than the events", "规则所得并入关系与事件不符"),
    );
    for (id, paper) in &forms.papers {
        let handoff = case.handoff(*id);
        let lamps = handoff.is_some_and(|handoff| {
            (handoff.lamps.delivered, handoff.lamps.seen) == (paper.delivered, paper.seen)
                && handoff.version == paper.version
        });
        let wrong = ("delivered or seen is not as the events tell it", "送达或阅知与事件不符");
        tally.holds(Rule::FourFacts, spot, lamps && (paper.seen.is_none() || paper.delivered <= paper.seen), wrong);
        let agreed = handoff.and_then(|handoff| handoff.agreed());
        let same = match (agreed, &paper.agreed) {
            (Some(form), Some(agreed)) => {
                agreed.version == paper.version
                    && form.from_signed.is_some() == paper.signed.contains(&paper.from)
                    && form.to_signed.is_some() == paper.signed.contains(&paper.to)
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        tally.holds(
            Rule::BothSigned,
            spot,
            same,
            ("agreement and signatures are not as the events tell them", "同意和签名与事件不符"),
        );
    }
}

/// Invariant 8, and the part of invariant 2 that an offer discharges nobody of sending a unit.
fn owes(case: &Case, spot: Spot, tally: &mut Tally) {
    let keys: Vec<_> = case.ledger.keys().collect();
    let phase = case.phase();
    let stands = if case.alias_of.is_some() {
        keys.is_empty()
    } else if phase == Phase::Closed {
        keys.iter().all(|key| key.duty == Duty::AnswerObjection)
    } else {
        !keys.is_empty()
    };
    let wrong = ("an open incident owes nothing, or a closed or merged one something", "待办责任与警情状态不符");
    tally.holds_or(Rule::SomebodyOwes, spot, stands, wrong, || {
        let duties: Vec<_> = keys.iter().map(|key| key.duty.as_str()).collect();
        format!("{phase} {}", duties.join(" "))
    });
    let named = case.ledger.iter().all(|(key, owed)| {
        (key.by.is_some() || key.duty == Duty::Ruling) && owed.since <= case.updated_at && owed.due > owed.since
    });
    tally.holds(
        Rule::SomebodyOwes,
        spot,
        named,
        ("an obligation names nobody, or no time", "待办责任未指明责任方或时限"),
    );
    if phase == Phase::Received && case.alias_of.is_none() {
        let owed = keys.iter().any(|key| key.duty == Duty::Dispatch && key.by.as_ref() == Some(&case.custodian));
        tally.holds(
            Rule::DispatchNeverWaits,
            spot,
            owed,
            ("nobody is on the way and the custodian owes no dispatch", "无警力在途而责任单位未被要求派警"),
        );
    }
}

/// What the service enters, and whatever climbs.
fn is_timers(event: &Event) -> bool {
    matches!(event.body, Body::Escalated(_)) || event.actor.role == Role::Service
}

/// Invariant 4 from the events alone: a timer rings after its time, and custody stays where it was.
fn by_timer(event: &Event, stays: bool, spot: Spot, tally: &mut Tally) {
    if !is_timers(event) {
        return;
    }
    let wrong = ("the service moved custody", "系统改变了责任单位");
    tally.holds(Rule::TimersMoveNothing, spot, stays, wrong);
    let type_name = || event.body.type_name().to_owned();
    let late = match &event.body {
        Body::Escalated(body) => event.at > body.due,
        Body::Erased(_) => true,
        _ => false,
    };
    let wrong = ("the service did more than ring after its time", "系统所为超出到时提醒");
    tally.holds_or(Rule::TimersMoveNothing, spot, late, wrong, type_name);
}

/// What one event may move (invariants 1, 3, 4, 5 and 6).
fn moved(before: &Picture, after: &Picture, event: &Event, former: bool, spot: Spot, tally: &mut Tally) {
    let body = &event.body;
    let type_name = || body.type_name().to_owned();
    let takeover = matches!(body, Body::TakenOver(_));
    let flipped = before.custodian != after.custodian;
    let wrong = ("custody moved without a takeover, or a takeover moved none", "责任变动与接管不符");
    tally.holds_or(Rule::OneCustodian, spot, flipped == takeover, wrong, type_name);
    if is_timers(event) {
        let wrong = ("a timer moved custody, a state or a handoff", "计时器改变了责任或状态");
        tally.holds_or(Rule::TimersMoveNothing, spot, before == after, wrong, type_name);
    }
    for pose in &after.handoffs {
        transition(before.pose(pose.id), pose, event, spot, tally);
    }
    let kept = before.handoffs.iter().all(|pose| after.pose(pose.id).is_some());
    let adds = kept && before.places <= after.places && before.facts <= after.facts;
    let own = !former || before.details == after.details;
    let wrong = ("an entry is gone, or a former custodian changed the incident", "条目消失或原责任单位改动了警情");
    tally.holds_or(Rule::AppendOnly, spot, adds && own, wrong, type_name);
}

fn transition(before: Option<&Pose>, after: &Pose, event: &Event, spot: Spot, tally: &mut Tally) {
    let body = &event.body;
    let type_name = || body.type_name().to_owned();
    let is_taken =
        |state: HandoffName| matches!(state, HandoffName::TakenOver | HandoffName::Reported | HandoffName::Confirmed);
    if after.agreed.is_some() && before.is_none_or(|before| before.agreed.is_none()) {
        let agreed = matches!(body, Body::Agreed(b) if b.handoff == after.id);
        let wrong = ("AGREED without the receiver's or a ruling's word", "无同意事件而进入已同意状态");
        tally.holds_or(Rule::FourFacts, spot, agreed, wrong, type_name);
    }
    if is_taken(after.state) && before.is_none_or(|before| !is_taken(before.state)) {
        let taken = matches!(body, Body::TakenOver(b) if b.handoff == Some(after.id));
        let wrong = ("TAKEN_OVER without a takeover", "无接管事件而进入已接管状态");
        tally.holds_or(Rule::FourFacts, spot, taken, wrong, type_name);
    }
    let Some(before) = before else { return };
    let edited = before.version != after.version;
    let edits = matches!(body, Body::Revised(b) if b.handoff == after.id)
        || matches!(body, Body::Offered(b) if b.handoff == after.id);
    let wrong = ("something else than a revision edited the form", "非修订事件改动了移交单");
    tally.holds_or(Rule::BothSigned, spot, edited == edits, wrong, type_name);
    if edits {
        let void = after.agreed.is_none_or(|(_, from, to)| !from && !to);
        let wrong = ("a revision left a signature in force", "修订后签名仍然有效");
        tally.holds(Rule::BothSigned, spot, void, wrong);
    } else if before.agreed.is_some() && is_fact(body) {
        let wrong = ("a fact voided an agreement or a signature", "事实条目使同意或签名失效");
        tally.holds_or(Rule::BothSigned, spot, before.agreed == after.agreed, wrong, type_name);
    }
}

/// Facts void nothing: notes, units, times and places added to the incident.
fn is_fact(body: &Body) -> bool {
    matches!(
        body,
        Body::Noted(_)
            | Body::ToldByPhone(_)
            | Body::UnitReported(_)
            | Body::PlaceAdded(_)
            | Body::CallAdded(_)
            | Body::LabelAdded(_)
            | Body::DetailsChanged(_)
            | Body::Struck(_)
            | Body::Alerted(_)
            | Body::AlertDelivered(_)
            | Body::AlertSeen(_)
            | Body::AlertAnswered(_)
            | Body::Delivered(_)
            | Body::Seen(_)
            | Body::Escalated(_)
            | Body::Acknowledged(_)
    )
}
