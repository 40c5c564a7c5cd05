//! The first-receiver principle played with recorded calls: whoever's area is nearest takes the call and sends a
//! unit, and what is on the other organisation's ground is handed over to it afterwards.
//!
//! The table tells when a call was received and where. Everything after is drawn up with the durations below, each
//! spread over half to twice its length, so that the clock of a simulated run has something to show.

use super::{Case, Course, Draft, Plan, Resolutions, crew, number, spot, station_id, unit_ids};
use crate::verbs::replay::call::{Call, Reading, RefusedRow, Why};
use crate::verbs::replay::ground::{Ground, Resolved};
use crate::verbs::replay::mapping::Mapping;
use crate::verbs::replay::setup::Station;
use crate::verbs::replay::step::{Desk, Ids, Move, OfferForm, Party};
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::ids::{OrgId, StationRef, UnitId};
use handoff_domain::time::{MINUTE, Millis, SECOND};
use handoff_domain::values::{Code, Ground as Answer, Label, Severity};

/// From the call to the receiver's unit.
const DISPATCH_MS: i64 = 35 * SECOND;
/// From there until it goes.
const EN_ROUTE_MS: i64 = 40 * SECOND;
/// From there until it arrives.
const DRIVE_MS: i64 = 5 * MINUTE;
/// From an alert until the other station's system has it.
const ALERT_DELIVERED_MS: i64 = 2 * SECOND;
/// Until its duty officer has seen it.
const ALERT_SEEN_MS: i64 = 25 * SECOND;
/// From there to the owner's own unit.
const OWNER_DISPATCH_MS: i64 = MINUTE;
/// From there until it goes, with a longer way to drive.
const OWNER_DRIVE_MS: i64 = 11 * MINUTE;
/// From the receiver's unit on scene to the offer.
const OFFER_MS: i64 = 2 * MINUTE;
/// From the offer until the owner's system has it.
const DELIVERED_MS: i64 = 2 * SECOND;
/// From there until its duty officer has seen it.
const SEEN_MS: i64 = 25 * SECOND;
/// From there to the agreement.
const AGREED_MS: i64 = 70 * SECOND;
/// From both units on scene, or the agreement, to the first signature, and from the first to the second.
const SIGN_MS: i64 = 45 * SECOND;
/// From the second signature to the takeover.
const TAKE_OVER_MS: i64 = 40 * SECOND;
/// From the takeover until the receiver's unit leaves.
const LEAVE_MS: i64 = 3 * MINUTE;
/// From the unit on scene, or the takeover, until it is handled.
const HANDLE_MS: i64 = 22 * MINUTE;
/// From there to the report, from the report to its confirmation, and to the closing.
const REPORT_MS: i64 = 12 * MINUTE;
/// From the report to its confirmation.
const CONFIRM_MS: i64 = 30 * MINUTE;
/// To the closing.
const CLOSE_MS: i64 = 10 * MINUTE;

/// Who takes calls, and who is handed what is on its ground.
pub(super) struct Parties {
    /// Whose forces take calls.
    pub(super) receivers: OrgId,
    /// To whom is handed over.
    pub(super) owner: OrgId,
}

/// Plans every call.
pub(super) fn plan(mapping: &Mapping, ids: &Ids, reading: &Reading, ground: &Ground, parties: &Parties) -> Plan {
    let owner = &parties.owner;
    let stations: Vec<Station> = ground.forces.iter().map(|force| station(&force.seat, &force.name)).collect();
    let owners: Vec<StationRef> =
        stations.iter().map(|station| station.seat.clone()).filter(|seat| seat.org == *owner).collect();
    let others = stations.iter().filter(|station| station.seat.org == parties.receivers);
    let pairs: Vec<_> =
        others.flat_map(|other| owners.iter().map(move |owner| (owner.clone(), other.seat.clone()))).collect();
    let mut plan = Plan { stations, pairs, ..Plan::default() };
    let mut resolutions = Resolutions::default();
    for call in &reading.calls {
        let resolved = ground.resolve(&call.spot);
        let Some(receiver) = receiver(ground, call, resolved.as_ref(), &parties.receivers) else {
            let why = Why::new("no place and no known district", "没有地点，也没有已知的辖区");
            plan.refused.push(RefusedRow { line: call.line, why });
            continue;
        };
        resolutions.count(resolved.as_ref(), owner);
        let draft = Draft::new(ids, call, plan.cases.len());
        let incident = draft.incident;
        let told = Told::of(resolved, &receiver, owner);
        let course = if told.owner.is_some() { Course::HandedOver } else { Course::Own };
        plan.steps.extend(draw_up(draft, mapping, &receiver, &told));
        plan.cases.push(Case { line: call.line, incident, course });
    }
    plan.resolutions = Some(resolutions);
    plan
}

fn station(seat: &StationRef, name: &str) -> Station {
    let units = unit_ids([(format!("{}-U1", seat.station), Some(Code::of("PATROL")))]);
    Station { seat: seat.clone(), name: Label::new(name), units }
}

/// The nearest force; where the point is not to be trusted the one of the district the dispatcher wrote down.
fn receiver(ground: &Ground, call: &Call, resolved: Option<&Resolved>, of: &OrgId) -> Option<StationRef> {
    let trusted = resolved.is_some_and(|resolved| resolved.ground != Answer::Untrusted);
    let by_district = call.district.as_deref().and_then(|district| ground.of_district(district, of));
    let near = || ground.nearest(&call.spot, of);
    let found = if trusted { near() } else { by_district.or_else(near) };
    found.cloned()
}

/// Whom the service tells of a call, and to whom it is handed over.
struct Told {
    alerted: Vec<StationRef>,
    owner: Option<StationRef>,
}

impl Told {
    fn of(resolved: Option<Resolved>, receiver: &StationRef, owner: &OrgId) -> Self {
        let Some(Resolved { ground, claimants }) = resolved else { return Self { alerted: Vec::new(), owner: None } };
        let tells = matches!(ground, Answer::Claimed | Answer::Shared);
        let alerted: Vec<_> = claimants.into_iter().filter(|seat| tells && seat != receiver).collect();
        let alone = ground == Answer::Claimed;
        let owner = alerted.iter().find(|seat| alone && seat.org == *owner).cloned();
        Self { alerted, owner }
    }
}

fn draw_up(mut draft: Draft<'_>, mapping: &Mapping, receiver: &StationRef, told: &Told) -> Vec<super::Step> {
    let received = draft.call.received;
    draft.receive(mapping, receiver);
    let mut seen_by_all = received;
    for (number, seat) in told.alerted.iter().enumerate() {
        let delivered = received.plus(draft.spread(ALERT_DELIVERED_MS, number));
        let seen = delivered.plus(draft.spread(ALERT_SEEN_MS, number + 1));
        draft.push(delivered, None, Party::at(seat, Desk::System), Move::DeliverAlert { to: seat.clone() });
        draft.push(seen, None, Party::at(seat, Desk::DutyOfficer), Move::SeeAlert);
        seen_by_all = seen_by_all.max(seen);
    }
    let dispatched = received.plus(draft.spread(DISPATCH_MS, 2));
    let en_route = dispatched.plus(draft.spread(EN_ROUTE_MS, 3));
    let on_scene = en_route.plus(draft.spread(DRIVE_MS, 4));
    let times = [dispatched, en_route, on_scene];
    send(&mut draft, receiver, times);
    match &told.owner {
        Some(owner) => {
            let sides = Sides { from: receiver, to: owner, alert_seen: seen_by_all };
            hand_over(&mut draft, mapping, &sides, times);
        }
        None => {
            let handled = on_scene.plus(draft.spread(HANDLE_MS, 5));
            let close = handled.plus(draft.spread(CLOSE_MS, 6));
            let duty = Party::at(receiver, Desk::DutyOfficer);
            draft.push(handled, None, duty.clone(), Move::DeclareHandled { code: None });
            leave(&mut draft, receiver, handled);
            draft.push(close, None, duty, Move::Close { code: Code::of("DONE") });
        }
    }
    draft.finish()
}

/// The unit of a station, from being sent to being there.
fn send(draft: &mut Draft<'_>, seat: &StationRef, times: [Millis; 3]) {
    for (at, status) in times.into_iter().zip([UnitStatus::Assigned, UnitStatus::EnRoute, UnitStatus::OnScene]) {
        report(draft, seat, at, status);
    }
}

fn leave(draft: &mut Draft<'_>, seat: &StationRef, at: Millis) {
    report(draft, seat, at, UnitStatus::Released);
}

fn report(draft: &mut Draft<'_>, seat: &StationRef, at: Millis, status: UnitStatus) {
    let name = format!("{}-U1", seat.station);
    let Some(unit) = UnitId::new(&name) else { return };
    let what = Move::Unit { deployment: draft.deployment(&name), unit, status, crew: crew(seat), support: None };
    draft.push(at, Some(at), Party::at(seat, Desk::System), what);
}

/// The two sides of a transfer.
struct Sides<'s> {
    from: &'s StationRef,
    to: &'s StationRef,
    /// When the receiving side's duty officer had seen the alert.
    alert_seen: Millis,
}

fn hand_over(draft: &mut Draft<'_>, mapping: &Mapping, sides: &Sides<'_>, times: [Millis; 3]) {
    let Sides { from, to, alert_seen } = *sides;
    let (giver, taker) = (Party::at(from, Desk::DutyOfficer), Party::at(to, Desk::DutyOfficer));
    // The owner's unit follows its alert; both sign where both units are.
    let sent = alert_seen.plus(draft.spread(OWNER_DISPATCH_MS, 7));
    let drove = sent.plus(draft.spread(EN_ROUTE_MS, 8));
    let arrived = drove.plus(draft.spread(OWNER_DRIVE_MS, 9));
    draft.push(sent, None, taker.clone(), Move::AnswerAlert { answer: Code::of("UNIT_SENT") });
    send(draft, to, [sent, drove, arrived]);

    let handoff = draft.handoff();
    let offered = times[2].plus(draft.spread(OFFER_MS, 10));
    let delivered = offered.plus(draft.spread(DELIVERED_MS, 11));
    let seen = delivered.plus(draft.spread(SEEN_MS, 12));
    let agreed = seen.plus(draft.spread(AGREED_MS, 13));
    let signed = agreed.max(arrived).plus(draft.spread(SIGN_MS, 14));
    let signed_too = signed.plus(draft.spread(SIGN_MS, 15));
    let taken = signed_too.plus(draft.spread(TAKE_OVER_MS, 0));
    let offer = Move::Offer { handoff, to: station_id(to), form: form(mapping, draft.call, times) };
    draft.push(offered, None, giver.clone(), offer);
    draft.push(delivered, None, Party::at(to, Desk::System), Move::Deliver { handoff });
    draft.push(seen, None, taker.clone(), Move::See { handoff });
    draft.push(agreed, None, taker.clone(), Move::Agree { handoff, number: None });
    draft.push(signed, None, Party::at(from, Desk::Responder), Move::Sign { handoff });
    draft.push(signed_too, None, Party::at(to, Desk::Responder), Move::Sign { handoff });
    draft.push(taken, None, taker.clone(), Move::TakeOver { handoff });

    let left = taken.plus(draft.spread(LEAVE_MS, 1));
    let handled = left.plus(draft.spread(HANDLE_MS, 2));
    let reported = handled.plus(draft.spread(REPORT_MS, 3));
    let confirmed = reported.plus(draft.spread(CONFIRM_MS, 4));
    leave(draft, from, left);
    draft.push(handled, None, taker.clone(), Move::DeclareHandled { code: None });
    leave(draft, to, handled);
    let result = Move::Report { code: Code::of("DONE"), result: "handled on scene".to_owned() };
    draft.push(reported, None, taker.clone(), result);
    draft.push(confirmed, None, giver, Move::Confirm);
    let closed = confirmed.plus(draft.spread(CLOSE_MS, 5));
    draft.push(closed, None, taker, Move::Close { code: Code::of("DONE") });
}

fn form(mapping: &Mapping, call: &Call, [dispatched, _, arrived]: [Millis; 3]) -> OfferForm {
    let (kind, severity) = mapping.kind_of(&call.title, call.severity.as_deref());
    OfferForm {
        kind: kind.and_then(Label::new).unwrap_or_else(super::emergency),
        severity: severity.unwrap_or(Severity::Unknown),
        category: super::category(mapping, call),
        number: number(call),
        spot: spot(call),
        reported: call.reported.or(Some(call.received)),
        dispatched: Some(dispatched),
        arrived: Some(arrived),
        measures: "unit sent, scene secured".to_owned(),
        risks: "none known".to_owned(),
    }
}
