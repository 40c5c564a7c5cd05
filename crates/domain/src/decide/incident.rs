//! Intake, facts, and the incident's own end.

use super::Draft;
use crate::caller::Role;
use crate::case::phase::Phase;
use crate::case::{ALERTS_MAX, FactKind};
use crate::codes::{DATUMS, INVERTED_TIME, KINDS, LATE_ENTRY, UNMAPPED, UNTRUSTED};
use crate::command::Receive;
use crate::directory::terms_of;
use crate::event::incident::{
    Acknowledged, Alerted, Closed, DetailsChanged, Erased, Escalated, PlaceAdded, Received, ReopenTo, Reopened,
    UnitReported, UnitStatus,
};
use crate::ids::{DeploymentId, IncidentId, OfficerId, Scope, StationId, StationRef, SupportId, UnitId};
use crate::obligations::{Key, is_noticed, timers_of};
use crate::refusal::{Reason, Refusal};
use crate::retention;
use crate::time::Millis;
use crate::timers::{Duty, OBJECT_WITHIN_MS, Rung};
use crate::values::{Code, Ground, Label, Place, Salt, Sealed, Territory, is_late_entry};
use std::collections::BTreeSet;

/// A place with what territory said of it, and what has to be flagged.
fn placed(place: &Place, territory: Option<&Territory>, flags: &mut Vec<Code>) -> Place {
    let mut place = place.clone();
    place.territory = territory.cloned();
    let known = place.crs.as_ref().is_some_and(|crs| DATUMS.contains(&crs.as_str()));
    let trusted = territory.is_none_or(|answer| answer.ground != Ground::Untrusted);
    if !known && place.lat7.is_some() || !trusted {
        flag(flags, UNTRUSTED);
    }
    place
}

fn flag(flags: &mut Vec<Code>, code: Code) {
    if !flags.contains(&code) {
        flags.push(code);
    }
}

impl Draft<'_> {
    pub(super) fn change_details(&mut self, body: &DetailsChanged) -> Result<(), Refusal> {
        let mut body = body.clone();
        if body.kind.as_ref().is_some_and(|kind| !KINDS.contains(&kind.as_str())) {
            flag(&mut body.flags, UNMAPPED);
        }
        self.push(body)
    }

    pub(super) fn reopen(&mut self, code: &Code, to: ReopenTo, note: Option<Sealed>) -> Result<(), Refusal> {
        let tenure = self.case()?.tenure + 1;
        self.push(Reopened { code: code.clone(), to, tenure, note })
    }

    pub(super) fn receive(&mut self, receive: &Receive) -> Result<(), Refusal> {
        self.intake_role()?;
        if self.cases.contains_key(&self.command.incident) {
            return Err(Refusal::new(Reason::IncidentExists).field("incident"));
        }
        self.new_incident(self.command.incident, receive, None, self.fresh.salt)
    }

    /// The role an intake is recorded under: a dispatcher takes a call as call taker.
    fn intake_role(&self) -> Result<Role, Refusal> {
        let roles = [Role::Adapter, Role::CallTaker, Role::Dispatcher, Role::DutyOfficer, Role::Supervisor];
        let role = roles.into_iter().find(|role| self.caller.has(*role));
        let role = role.ok_or_else(|| Refusal::new(Reason::RoleNotAllowed))?;
        Ok(if role == Role::Dispatcher { Role::CallTaker } else { role })
    }

    /// The first record of an incident, and the alerts that go out with it at once.
    pub(super) fn new_incident(
        &mut self,
        incident: IncidentId,
        receive: &Receive,
        split_from: Option<IncidentId>,
        salt: Salt,
    ) -> Result<(), Refusal> {
        let role = self.intake_role()?;
        let seat = self.seat()?;
        // A part of an exercise is an exercise, whenever it is split off and by whom.
        if split_from.is_none() {
            self.drill_open(receive, &seat)?;
        }
        let mut flags = receive.flags.clone();
        if receive.kind.as_ref().is_none_or(|kind| !KINDS.contains(&kind.as_str())) {
            flag(&mut flags, UNMAPPED);
        }
        let territory = self.fresh.territory.as_ref();
        let place = receive.place.as_ref().map(|place| placed(place, territory, &mut flags));
        let sent_on_by = match &receive.sent_on_by {
            // A station nobody knows is a fact of the intake all the same: kept as a flag, never refused.
            Some(station) => {
                let known = self.ctx.directory.seat(station);
                if known.is_none() {
                    flag(&mut flags, UNMAPPED);
                }
                known
            }
            None => None,
        };
        let body = Received {
            salt,
            channel: receive.channel.clone(),
            sent_on_by: sent_on_by.clone(),
            kind: receive.kind.clone(),
            severity: receive.severity,
            category: receive.category.clone(),
            number: receive.number.clone(),
            place,
            caller: receive.caller.clone(),
            narrative: receive.narrative,
            drill: receive.drill,
            split_from,
            flags,
            terms: self.ctx.directory.agreement_of(&seat).map(terms_of),
        };
        let actor = crate::caller::Actor {
            org: seat.org.clone(),
            station: Some(seat.station.clone()),
            officer: self.caller.officer.clone(),
            role,
            reg: None,
        };
        self.push_as(incident, actor, body.into())?;
        if let Some(station) = sent_on_by.filter(|station| *station != seat) {
            self.alert_station(incident, station, Code::of("SENT_ON"))?;
        }
        self.alert_claimants(incident, false)
    }

    fn drill_open(&self, receive: &Receive, seat: &StationRef) -> Result<(), Refusal> {
        let Some(id) = receive.drill else { return Ok(()) };
        let drill = self.ctx.directory.drills.get(&id);
        let open = drill.is_some_and(|drill| {
            drill.joined
                && !drill.ended
                && (drill.from..=drill.until).contains(&self.now)
                && (drill.a == *seat || drill.b == *seat)
        });
        if open { Ok(()) } else { Err(Refusal::new(Reason::DrillNotOpen).field("drill")) }
    }

    /// Whoever else claims the ground is told at once (product, *Alert*).
    fn alert_claimants(&mut self, incident: IncidentId, moved: bool) -> Result<(), Refusal> {
        let Some(answer) = self.fresh.territory.clone() else { return Ok(()) };
        let cause = match (moved, answer.ground) {
            (true, _) => Code::of("MOVED"),
            (false, Ground::Claimed) => Code::of("TERRITORY"),
            (false, Ground::Shared) => Code::of("SHARED_GROUND"),
            (false, Ground::Outside | Ground::Untrusted) => return Ok(()),
        };
        for claimant in answer.claimants {
            self.alert_station(incident, claimant, cause.clone())?;
        }
        Ok(())
    }

    /// Alerts a station that has no part yet and with which terms exist; intake never fails over an alert.
    fn alert_station(&mut self, incident: IncidentId, to: StationRef, cause: Code) -> Result<(), Refusal> {
        let Some(case) = self.cases.get(&incident) else { return Ok(()) };
        let has_part = case.takes_part(&to);
        let full = case.alerts.len() >= ALERTS_MAX && !case.alerts.contains_key(&to);
        let Ok(terms) = self.terms(&case.custodian, &to) else { return Ok(()) };
        let known = self.ctx.directory.seat(&to.station).as_ref() == Some(&to) && self.is_in_use(&to.station);
        if has_part || full || !known || case.phase() == Phase::Closed {
            return Ok(());
        }
        self.push_to(incident, Alerted { to, cause, terms }.into())
    }

    pub(super) fn add_place(&mut self, place: &Place, flags: &[Code]) -> Result<(), Refusal> {
        let mut flags = flags.to_vec();
        let place = placed(place, self.fresh.territory.as_ref(), &mut flags);
        self.push(PlaceAdded { place, flags })?;
        // Whoever enters the place need not be the custodian; the alert goes out all the same.
        self.alert_claimants(self.command.incident, true)
    }

    pub(super) fn alert(&mut self, to: &StationId) -> Result<(), Refusal> {
        let to = self.station("to", to)?;
        let alerted = |terms| Alerted { to: to.clone(), cause: Code::of("ASKED"), terms };
        self.actor_for(&alerted(None).into())?;
        // Under the custodian's agreement with that station, or, where it has none, the alerting station's own.
        let terms = match self.terms(&self.case()?.custodian, &to) {
            Ok(terms) => terms,
            Err(_) => self.terms(&self.seat()?, &to)?,
        };
        self.push(alerted(terms))
    }

    /// "Delivered" is set by the client registered as the station's dispatch system, or by a duty officer's open
    /// console; no other subscriber's commit does.
    pub(super) fn registered_system(&self, station: &StationId) -> Result<(), Refusal> {
        let on_duty = self.caller.has(Role::DutyOfficer) || self.caller.has(Role::Supervisor);
        if self.caller.officer.is_some() && on_duty {
            return Ok(());
        }
        let registered = self.ctx.directory.stations.get(station);
        let client = registered.and_then(|owned| owned.is.dispatch_client.as_ref());
        if client == Some(&self.caller.client) { Ok(()) } else { Err(Refusal::new(Reason::RoleNotAllowed)) }
    }

    pub(super) fn report_unit(
        &mut self,
        deployment: DeploymentId,
        unit: &UnitId,
        of: Option<&StationId>,
        status: UnitStatus,
        crew: &[OfficerId],
        support: Option<SupportId>,
    ) -> Result<(), Refusal> {
        let of = match of {
            Some(station) => self.station("of", station)?,
            None => self.seat()?,
        };
        let mut flags = Vec::new();
        match self.ctx.directory.units.get(unit) {
            Some(known) if known.org != self.caller.org => {
                return Err(Refusal::new(Reason::OtherOrganisation).field("unit"));
            }
            Some(_) => {}
            None => flag(&mut flags, UNMAPPED),
        }
        if is_late_entry(self.now, self.command.claimed_at) {
            flag(&mut flags, LATE_ENTRY);
        }
        if self.is_inverted(deployment, status)? {
            flag(&mut flags, INVERTED_TIME);
        }
        let crew = crew.to_vec();
        self.push(UnitReported { deployment, unit: unit.clone(), of, status, crew, support, flags })
    }

    /// Whether the claimed time contradicts the order of the statuses; flagged, never dropped.
    fn is_inverted(&self, deployment: DeploymentId, status: UnitStatus) -> Result<bool, Refusal> {
        let Some(claimed) = self.command.claimed_at else { return Ok(false) };
        Ok(self.case()?.facts.iter().filter(|fact| !fact.struck).any(|fact| {
            let FactKind::Unit { deployment: same, status: other } = &fact.what else { return false };
            let theirs = fact.claimed_at.unwrap_or(fact.at);
            *same == deployment && (*other < status && theirs > claimed || *other > status && theirs < claimed)
        }))
    }

    pub(super) fn close(&mut self, code: &Code, case_number: Option<Label>) -> Result<(), Refusal> {
        let case = self.case()?;
        // Closed on ground that is another's, who had neither custody nor joint handling of it: that side is told and
        // may object; so is the side whose ground an alias is. One can be: of several the first.
        let with = case.joint.iter().flat_map(|joint| [&joint.by, &joint.with]);
        let had_it: BTreeSet<&StationRef> = case.former.iter().chain(with).collect();
        let of_alias = case.aliases.values().flat_map(|taken| &taken.ground);
        let is_known = |claimant: &&StationRef| {
            **claimant != case.custodian && self.ctx.directory.seat(&claimant.station).as_ref() == Some(*claimant)
        };
        let all = crate::apply::ground(case).iter().chain(of_alias);
        let told = all.filter(is_known).find(|claimant| !had_it.contains(claimant)).cloned();
        let object_until = told.is_some().then(|| self.now.plus(OBJECT_WITHIN_MS));
        self.push(Closed { code: code.clone(), case_number, told, object_until })
    }

    /// An alias is never closed itself: its date is that of its survivor's closing.
    pub(super) fn erase(&mut self, body: Erased) -> Result<(), Refusal> {
        if let Some(survivor) = self.case()?.alias_of
            && !self.caller.has(Role::Auditor)
        {
            let dates =
                self.cases.get(&survivor).and_then(|survivor| retention::dates(self.case().ok()?, Some(survivor)));
            if !dates.is_some_and(|dates| body.fields.iter().all(|field| dates.has_come(&field.path, self.now))) {
                self.actor_for(&body.into())?;
                return Err(Refusal::new(Reason::MoveNotLegal));
            }
        }
        self.push(body)
    }

    pub(super) fn escalate(
        &mut self,
        duty: Duty,
        by: Option<&StationRef>,
        scope: Option<Scope>,
        due: Millis,
    ) -> Result<(), Refusal> {
        if !self.caller.has(Role::Service) {
            return Err(Refusal::new(Reason::RoleNotAllowed));
        }
        let case = self.case()?;
        let key = Key { duty, scope, by: by.cloned() };
        let Some(owed) = case.ledger.get(&key).filter(|owed| owed.due == due && owed.climbs && due < self.now) else {
            // Met, moved or told already by another replica: nothing to do, which is neither stored nor an error.
            return Ok(());
        };
        let Some(rung) = owed.rung.next() else { return Ok(()) };
        let timers = timers_of(case, &key).cloned().unwrap_or_default();
        let next_due =
            (rung != Rung::Superior).then(|| self.now.max(due).plus(timers.rung_ms(duty, owed.rung, case.is_urgent())));
        self.push(Escalated { duty, by: by.cloned(), scope, due, rung, next_due })
    }

    pub(super) fn acknowledge(
        &mut self,
        duty: Duty,
        by: Option<&StationRef>,
        scope: Option<Scope>,
    ) -> Result<(), Refusal> {
        let key = Key { duty, scope, by: by.cloned() };
        let Some(owed) = self.case()?.ledger.get(&key) else {
            return Err(Refusal::new(Reason::ObjectNotFound).field("duty"));
        };
        let rung = owed.rung;
        let noticed = is_noticed(&key, owed, &self.ctx.directory.shifts);
        let body = Acknowledged { duty, by: by.cloned(), scope, rung };
        if noticed {
            self.actor_for(&body.into())?;
            return Err(Refusal::new(Reason::MoveNotLegal));
        }
        self.push(body)
    }
}
