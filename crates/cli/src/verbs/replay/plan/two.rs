//! Units of two organisations on one call, with the times they were recorded with. What only the other side's units
//! transport is taken over by it at the moment the first of them leaves; other calls both work on are handled jointly
//! or with units on loan.

use super::{Case, Course, Draft, Plan, PlanError, crew, number, org, spot, station_id, unit_ids};
use crate::verbs::replay::call::{Call, Reading, UnitRow};
use crate::verbs::replay::mapping::{Mapping, Organisation, Story};
use crate::verbs::replay::setup::Station;
use crate::verbs::replay::step::{Desk, Ids, Move, OfferForm, Party};
use handoff_domain::event::incident::{SupportAnswer, UnitStatus};
use handoff_domain::ids::{StationId, StationRef, SupportId, UnitId};
use handoff_domain::time::{MINUTE, Millis, SECOND};
use handoff_domain::values::{Code, Label, Severity};

/// From an alert or request until the other station's duty officer has seen it, and answers a request.
const SEEN_MS: i64 = 25 * SECOND;
/// How long the dialogue of a transfer takes before the takeover; shorter where the patient leaves sooner.
const DIALOGUE_MS: i64 = 2 * MINUTE;
/// From declared handled to the report.
const REPORT_MS: i64 = 10 * MINUTE;
/// From the report to its confirmation.
const CONFIRM_MS: i64 = 20 * MINUTE;
/// From there, or from handled, to the closing.
const CLOSE_MS: i64 = 15 * MINUTE;

/// Who is who.
struct Sides {
    first: StationRef,
    second: StationRef,
    second_types: Vec<String>,
    joint_units_min: usize,
}

impl Sides {
    fn of<'s>(&'s self, unit: &UnitRow) -> &'s StationRef {
        if self.second_types.contains(&unit.unit_type) { &self.second } else { &self.first }
    }

    /// How a call goes, and who receives it.
    fn course(&self, call: &Call) -> (Course, &StationRef) {
        let of_second = |unit: &&UnitRow| *self.of(unit) == self.second;
        let second = call.units.iter().filter(of_second).count();
        if second == 0 {
            return (Course::Own, &self.first);
        }
        if second == call.units.len() {
            return (Course::Own, &self.second);
        }
        let transports =
            |seat: &StationRef| call.units.iter().any(|unit| self.of(unit) == seat && unit.times.transport.is_some());
        let course = match (transports(&self.second), transports(&self.first)) {
            (true, false) => Course::HandedOver,
            (_, _) if call.units.len() >= self.joint_units_min => Course::Joint,
            (_, _) => Course::Support,
        };
        (course, &self.first)
    }
}

/// Plans every call.
pub(super) fn plan(mapping: &Mapping, ids: &Ids, reading: &Reading) -> Result<Plan, PlanError> {
    let Story::TwoOrganisations { first, second, second_unit_types, joint_units_min, .. } = &mapping.story else {
        return Err(PlanError::Missing("another story"));
    };
    let sides = Sides {
        first: seat(mapping, first)?,
        second: seat(mapping, second)?,
        second_types: second_unit_types.clone(),
        joint_units_min: *joint_units_min,
    };
    let stations = [&sides.first, &sides.second].map(|seat| station(mapping, &sides, seat, reading));
    let pairs = vec![(sides.first.clone(), sides.second.clone())];
    let mut plan = Plan { stations: stations.into(), pairs, ..Plan::default() };
    for call in &reading.calls {
        let draft = Draft::new(ids, call, plan.cases.len());
        let incident = draft.incident;
        let (course, receiver) = sides.course(call);
        plan.steps.extend(draw_up(draft, mapping, &sides, course, receiver));
        plan.cases.push(Case { line: call.line, incident, course });
    }
    Ok(plan)
}

fn seat(mapping: &Mapping, name: &str) -> Result<StationRef, PlanError> {
    let station = mapping.organisations.iter().find(|org| org.id == name);
    let station = station.and_then(|org| org.station.as_deref()).and_then(StationId::new);
    let station = station.ok_or(PlanError::Missing("this story needs a station for each of its two organisations"))?;
    Ok(StationRef { org: org(name)?, station })
}

fn station(mapping: &Mapping, sides: &Sides, seat: &StationRef, reading: &Reading) -> Station {
    let own = reading.calls.iter().flat_map(|call| &call.units).filter(|unit| sides.of(unit) == seat);
    let units = unit_ids(own.map(|unit| (unit.unit.clone(), skill(&unit.unit_type))));
    let named = |org: &&Organisation| org.id == seat.org.as_str();
    let name = mapping.organisations.iter().find(named).and_then(|org| org.name.as_deref()).and_then(Label::new);
    Station { seat: seat.clone(), name, units }
}

/// A unit's type as a code: `RESCUE CAPTAIN` is `RESCUE_CAPTAIN`.
fn skill(unit_type: &str) -> Option<Code> {
    Code::new(&unit_type.to_ascii_uppercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"))
}

/// A unit's life as it can be reported: in the order of its statuses, no step before the one it follows. The
/// recorded time goes along as the claimed one, so that the service itself flags what is inverted or late.
struct Life {
    seat: StationRef,
    unit: UnitId,
    steps: Vec<(Millis, Option<Millis>, UnitStatus)>,
    /// Left with a patient, and arrived at the hospital.
    ride: [Option<(Millis, Millis)>; 2],
}

impl Life {
    fn of(sides: &Sides, call: &Call, row: &UnitRow) -> Option<Self> {
        let times = &row.times;
        let mut now = call.received;
        let mut at = |recorded: Millis| {
            now = now.max(recorded);
            now
        };
        let mut steps = Vec::new();
        // A unit that stands in the table was assigned, whether or not the time of it was written down.
        let assigned = at(times.dispatched.unwrap_or(call.received));
        steps.push((assigned, times.dispatched, UnitStatus::Assigned));
        for (time, status) in [(times.en_route, UnitStatus::EnRoute), (times.on_scene, UnitStatus::OnScene)] {
            steps.extend(time.map(|time| (at(time), Some(time), status)));
        }
        let ride = [times.transport, times.hospital].map(|time| time.map(|time| (at(time), time)));
        let worked = times.on_scene.or(times.transport).or(times.hospital).is_some();
        let end = if worked { UnitStatus::Released } else { UnitStatus::Cancelled };
        let free = at(times.available.unwrap_or(assigned));
        steps.push((free, times.available, end));
        let unit = UnitId::new(&row.unit)?;
        Some(Self { seat: sides.of(row).clone(), unit, steps, ride })
    }

    fn assigned(&self) -> Millis {
        self.steps[0].0
    }

    fn arrived(&self) -> Option<Millis> {
        self.steps.iter().find(|step| step.2 == UnitStatus::OnScene).map(|step| step.0)
    }

    fn free(&self) -> Millis {
        self.steps[self.steps.len() - 1].0
    }
}

fn draw_up(
    mut draft: Draft<'_>,
    mapping: &Mapping,
    sides: &Sides,
    course: Course,
    receiver: &StationRef,
) -> Vec<super::Step> {
    let lives: Vec<Life> = draft.call.units.iter().filter_map(|row| Life::of(sides, draft.call, row)).collect();
    draft.receive(mapping, receiver);
    let support = (course == Course::Support).then(|| draft.support());
    let transfer = (course == Course::HandedOver).then(|| Transfer::of(&draft, sides, &lives));
    bring_in(&mut draft, sides, course, &lives, transfer.as_ref());
    for life in &lives {
        let lent = support.filter(|_| life.seat != *receiver);
        send(&mut draft, life, lent);
    }
    if let Some(transfer) = &transfer {
        hand_over(&mut draft, mapping, sides, transfer);
    }
    let custodian = if transfer.is_some() { &sides.second } else { receiver };
    let taken = transfer.as_ref().map(|transfer| transfer.taken);
    let end = lives.iter().map(Life::free).chain(taken).max().unwrap_or(draft.call.received);
    if course == Course::Joint {
        let joint = draft.joint();
        let code = Code::of("NOTHING_LEFT");
        draft.push(end, None, Party::at(&sides.first, Desk::DutyOfficer), Move::ProposeJointEnd { joint, code });
        draft.push(end, None, Party::at(&sides.second, Desk::DutyOfficer), Move::AgreeJointEnd { joint });
    }
    let attended = lives.iter().any(|life| life.arrived().is_some());
    let code = if attended { None } else { Some(unattended(mapping, draft.call)) };
    let duty = Party::at(custodian, Desk::DutyOfficer);
    draft.push(end, None, duty.clone(), Move::DeclareHandled { code });
    for life in &lives {
        let lent = support.filter(|_| life.seat != *receiver);
        free(&mut draft, life, lent);
    }
    if let Some(support) = support {
        let what = Move::EndSupport { support, code: Code::of("DONE") };
        draft.push(end, None, Party::at(receiver, Desk::DutyOfficer), what);
    }
    finish(&mut draft, sides, course, &duty, end);
    draft.finish()
}

/// What to declare when no unit arrived.
fn unattended(mapping: &Mapping, call: &Call) -> Code {
    let Story::TwoOrganisations { no_unit_codes, no_unit_code, .. } = &mapping.story else {
        return Code::of("ATTENDED_BY_OTHER");
    };
    let named = call.disposition.as_ref().and_then(|disposition| no_unit_codes.get(disposition));
    Code::new(named.unwrap_or(no_unit_code)).unwrap_or(Code::of("ATTENDED_BY_OTHER"))
}

/// The other side comes in before its first unit is sent.
fn bring_in(draft: &mut Draft<'_>, sides: &Sides, course: Course, lives: &[Life], transfer: Option<&Transfer>) {
    let theirs = || lives.iter().filter(|life| life.seat == sides.second);
    let Some(at) = theirs().map(Life::assigned).min() else { return };
    let to = station_id(&sides.second);
    let their_duty = Party::at(&sides.second, Desk::DutyOfficer);
    let our_duty = Party::at(&sides.first, Desk::DutyOfficer);
    // Their system sends the unit, so it has the call; whoever is called off, or offered the case, at once answers
    // at once.
    let end = lives.iter().map(Life::free).max().unwrap_or(at);
    let latest = transfer.map_or(end, |transfer| transfer.at(0));
    let seen = at.plus(draft.spread(SEEN_MS, 1)).min(latest);
    match course {
        Course::Own => {}
        Course::HandedOver => {
            let them = Party::at(&sides.second, Desk::System);
            draft.push(at, None, Party::at(&sides.first, Desk::System), Move::Alert { to });
            draft.push(at, None, them, Move::DeliverAlert { to: sides.second.clone() });
            draft.push(seen, None, their_duty, Move::SeeAlert);
        }
        Course::Support => {
            let (support, count) = (draft.support(), theirs().count() as u64);
            let what = Move::RequestSupport { support, to, skills: vec![Code::of("AMBULANCE")], count };
            draft.push(at, None, our_duty, what);
            draft.push(seen, None, their_duty, Move::AnswerSupport { support, answer: SupportAnswer::Committed });
        }
        Course::Joint => {
            let (joint, lead) = (draft.joint(), station_id(&sides.first));
            let what = Move::DeclareJoint { joint, with: to, lead, code: Code::of("MANY_UNITS") };
            draft.push(at, None, our_duty, what);
            draft.push(seen, None, their_duty, Move::AcknowledgeJoint { joint });
        }
    }
}

fn report(draft: &mut Draft<'_>, life: &Life, step: (Millis, Option<Millis>, UnitStatus), support: Option<SupportId>) {
    let deployment = draft.deployment(life.unit.as_str());
    let what = Move::Unit { deployment, unit: life.unit.clone(), status: step.2, crew: crew(&life.seat), support };
    draft.push(step.0, step.1, Party::at(&life.seat, Desk::System), what);
}

/// A unit's statuses but the last, and its ride as notes: a ride is no status of its own.
fn send(draft: &mut Draft<'_>, life: &Life, support: Option<SupportId>) {
    for step in &life.steps[..life.steps.len() - 1] {
        report(draft, life, *step, support);
    }
    for (ride, code) in life.ride.iter().zip(["TRANSPORT", "AT_HOSPITAL"]) {
        let Some((at, recorded)) = ride else { continue };
        let inverted = (*recorded < *at).then_some(Code::of("INVERTED_TIME"));
        let what = Move::Note { code: Code::of(code), flags: inverted.into_iter().collect() };
        draft.push(*at, Some(*recorded), Party::at(&life.seat, Desk::System), what);
    }
}

fn free(draft: &mut Draft<'_>, life: &Life, support: Option<SupportId>) {
    if let Some(step) = life.steps.last() {
        report(draft, life, *step, support);
    }
}

/// When the transfer goes: it ends with the takeover when the first of the other side's units leaves with a patient.
struct Transfer {
    /// The first unit of the receiving side was sent.
    sent: Millis,
    /// And arrived.
    arrived: Option<Millis>,
    /// How long the dialogue takes.
    window: i64,
    /// The takeover.
    taken: Millis,
    /// The patient is at the hospital.
    hospital: Option<Millis>,
}

impl Transfer {
    fn of(draft: &Draft<'_>, sides: &Sides, lives: &[Life]) -> Self {
        let of = |seat: &'_ StationRef| lives.iter().filter(move |life| life.seat == *seat).collect::<Vec<_>>();
        let (ours, theirs) = (of(&sides.first), of(&sides.second));
        let sent = ours.iter().map(|life| life.assigned()).min().unwrap_or(draft.call.received);
        let there = theirs.iter().map(|life| life.arrived().unwrap_or_else(|| life.assigned())).min().unwrap_or(sent);
        // Both sides have a unit on it, whose officers sign.
        let ready = sent.max(there);
        let leaves = theirs.iter().filter_map(|life| life.ride[0].map(|(at, _)| at)).min();
        let taken = leaves.unwrap_or(ready).max(ready);
        let window = draft.spread(DIALOGUE_MS, 2).min(taken.since(ready));
        let offered = taken.plus(-window);
        let arrived = ours.iter().filter_map(|life| life.arrived()).min().filter(|arrived| *arrived <= offered);
        let rides = theirs.iter().filter_map(|life| life.ride[1].map(|(at, _)| at));
        Self { sent, arrived, window, taken, hospital: rides.filter(|at| *at >= taken).min() }
    }

    /// A moment of the dialogue, by how much of it is over.
    fn at(&self, percent: i64) -> Millis {
        self.taken.plus(self.window * percent / 100 - self.window)
    }
}

fn hand_over(draft: &mut Draft<'_>, mapping: &Mapping, sides: &Sides, times: &Transfer) {
    let handoff = draft.handoff();
    let (from, to) = (&sides.first, &sides.second);
    let taker = Party::at(to, Desk::DutyOfficer);
    let form = form(mapping, draft.call, times);
    let offer = Move::Offer { handoff, to: station_id(to), form };
    draft.push(times.at(0), None, Party::at(from, Desk::DutyOfficer), offer);
    draft.push(times.at(2), None, Party::at(to, Desk::System), Move::Deliver { handoff });
    draft.push(times.at(20), None, taker.clone(), Move::See { handoff });
    draft.push(times.at(50), None, taker.clone(), Move::Agree { handoff, number: number(draft.call) });
    draft.push(times.at(70), None, Party::at(from, Desk::Responder), Move::Sign { handoff });
    draft.push(times.at(85), None, Party::at(to, Desk::Responder), Move::Sign { handoff });
    draft.push(times.taken, None, taker.clone(), Move::TakeOver { handoff });
    if let Some(hospital) = times.hospital {
        draft.push(hospital, None, taker, Move::Word { code: Code::of("AT_HOSPITAL") });
    }
}

/// Report and confirmation where a result is owed, and the closing.
fn finish(draft: &mut Draft<'_>, sides: &Sides, course: Course, duty: &Party, handled: Millis) {
    let mut at = handled;
    if matches!(course, Course::HandedOver | Course::Joint) {
        // The custodian reports; the other side, which is the first receiver after a takeover, confirms.
        let other = if duty.org == sides.first.org { &sides.second } else { &sides.first };
        let code = draft.call.disposition.as_deref().and_then(skill).unwrap_or(Code::of("DONE"));
        at = at.plus(draft.spread(REPORT_MS, 3));
        draft.push(at, None, duty.clone(), Move::Report { code, result: "as disposed".to_owned() });
        at = at.plus(draft.spread(CONFIRM_MS, 4));
        draft.push(at, None, Party::at(other, Desk::DutyOfficer), Move::Confirm);
    }
    at = at.plus(draft.spread(CLOSE_MS, 5));
    draft.push(at, None, duty.clone(), Move::Close { code: Code::of("DONE") });
}

fn form(mapping: &Mapping, call: &Call, times: &Transfer) -> OfferForm {
    let (kind, severity) = mapping.kind_of(&call.title, call.severity.as_deref());
    OfferForm {
        kind: kind.and_then(Label::new).unwrap_or_else(super::emergency),
        severity: severity.unwrap_or(Severity::Unknown),
        category: super::category(mapping, call),
        number: number(call),
        spot: spot(call),
        reported: Some(call.received),
        dispatched: Some(times.sent),
        arrived: times.arrived,
        measures: "first aid by the crew on scene".to_owned(),
        risks: "none known".to_owned(),
    }
}
