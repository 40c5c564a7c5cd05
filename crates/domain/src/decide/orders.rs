//! Changes of the directory: by the own organisation's admin; agreements and maps by both sides, drills by a duty
//! officer of each station.

use crate::caller::{Actor, Caller, Role};
use crate::command::{LookedAt, Order};
use crate::directory::{Directory, REGISTRY_UPDATES_MAX, stream_of};
use crate::event::directory::{DrillEnded, DrillJoined, DrillOpened, RegistryUpdated, ShiftBegun};
use crate::event::{Body, Event};
use crate::ids::{IncidentId, OrgId, StationId, StationRef};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;

/// Decides one change of the directory: at most one event.
///
/// # Errors
/// `ROLE_NOT_ALLOWED`, `OTHER_ORGANISATION`, `STATION_NOT_FOUND`, `OBJECT_NOT_FOUND`, `STALE_VERSION`,
/// `INVALID_FIELD`, `MOVE_NOT_LEGAL`.
pub fn decide_order(
    directory: &Directory,
    caller: &Caller,
    order: &Order,
    claimed_at: Option<Millis>,
    now: Millis,
) -> Result<Vec<Event>, Refusal> {
    let (stream, role, body) = match order {
        Order::Station(_) | Order::Post(_) | Order::Unit(_) | Order::Officer(_) | Order::Catalogue(_) => {
            admin(caller)?;
            let (stream, body) = own_object(directory, caller, order)?;
            (stream, Role::Admin, body)
        }
        Order::ProposeAgreement(_) | Order::RatifyAgreement(_) | Order::PublishMap(_) | Order::RatifyMap(_) => {
            admin(caller)?;
            let (stream, body) = shared_object(directory, caller, order)?;
            (stream, Role::Admin, body)
        }
        Order::TakeShift(station) => {
            let role = shift(directory, caller, station)?;
            let stream = stream_of("station", station.as_str());
            (stream, role, ShiftBegun { station: station.clone() }.into())
        }
        Order::UpdateRegistry { stream, update, looked_at } => {
            admin(caller)?;
            ours(caller, &update.org)?;
            let event = next_registry(directory, *stream, update, now)?;
            was_looked_at(directory, update, *looked_at)?;
            return Ok(vec![Event { claimed_at, ..event }]);
        }
        Order::OpenDrill { .. } | Order::JoinDrill(_) | Order::EndDrill(_) => {
            let role = [Role::DutyOfficer, Role::Supervisor].into_iter().find(|role| caller.has(*role));
            let role = role.ok_or_else(|| Refusal::new(Reason::RoleNotAllowed))?;
            let (stream, body) = drill(directory, caller, order, now)?;
            (stream, role, body)
        }
    };
    // A supervisor takes the shift of the station it names, whatever its token names.
    let station = if let Order::TakeShift(station) = order { Some(station.clone()) } else { caller.station.clone() };
    let actor = Actor { org: caller.org.clone(), station, officer: caller.officer.clone(), role, reg: None };
    let seq = directory.versions.get(&stream).copied().unwrap_or(0) + 1;
    Ok(vec![Event { incident: stream, seq, at: now, claimed_at, actor, body }])
}

/// Whether the update was looked at as the next state of the registry as it is: the rules see no signature, and an update
/// nobody has looked at must not enter the log, whatever its version says by now.
fn was_looked_at(directory: &Directory, update: &RegistryUpdated, looked_at: LookedAt) -> Result<(), Refusal> {
    let head = directory.registries.get(&update.org);
    let same = match looked_at {
        LookedAt::Nothing => false,
        LookedAt::Empty => head.is_none(),
        LookedAt::On(event) => head.and_then(|head| head.event) == Some(event),
    };
    let last = head.map_or(0, |head| head.version);
    if same { Ok(()) } else { Err(Refusal::new(Reason::StaleVersion).field("version").with("last", last)) }
}

/// The event of a registry's next version: what whoever checks a log compares.
///
/// # Errors
/// `STALE_VERSION` where another version follows; `REGISTRY_INVALID` where the registry has another stream, or one that
/// callers name themselves; `LIMIT_EXCEEDED` where it changes too often. The event is the service's own (evidence, 7):
/// whoever brings it, only the registrars' signatures count, and those `evidence` looks at.
pub fn next_registry(
    directory: &Directory,
    stream: IncidentId,
    update: &RegistryUpdated,
    now: Millis,
) -> Result<Event, Refusal> {
    let last = directory.registries.get(&update.org);
    let version = last.map_or(0, |last| last.version);
    if update.version != version + 1 {
        return Err(Refusal::new(Reason::StaleVersion).field("version").with("last", version));
    }
    // Ids of the versions 5 and 8 are the service's own: an incident that took the stream's id first would stand in its way.
    let is_ours = matches!(stream.0.get_version_num(), 5 | 8);
    if !is_ours || last.is_some_and(|last| last.stream != stream) {
        return Err(Refusal::new(Reason::RegistryInvalid).with("why", "stream"));
    }
    if last.is_some_and(|last| !last.has_room(now)) {
        return Err(Refusal::new(Reason::LimitExceeded).field("version").with("max", REGISTRY_UPDATES_MAX));
    }
    let seq = directory.versions.get(&stream).copied().unwrap_or(0) + 1;
    let body = update.clone().into();
    Ok(Event { incident: stream, seq, at: now, claimed_at: None, actor: Actor::service(), body })
}

fn admin(caller: &Caller) -> Result<(), Refusal> {
    if caller.has(Role::Admin) { Ok(()) } else { Err(Refusal::new(Reason::RoleNotAllowed)) }
}

fn ours(caller: &Caller, org: &OrgId) -> Result<(), Refusal> {
    if caller.org == *org { Ok(()) } else { Err(Refusal::new(Reason::OtherOrganisation)) }
}

/// A station of the own organisation.
fn own_station(directory: &Directory, caller: &Caller, station: &StationId) -> Result<(), Refusal> {
    match directory.stations.get(station) {
        Some(owned) => ours(caller, &owned.org),
        None => Err(Refusal::new(Reason::StationNotFound).field("station").with("station", station)),
    }
}

/// The role in which an officer takes a station's shift: the own station's duty officer, or a supervisor of the
/// organisation.
fn shift(directory: &Directory, caller: &Caller, station: &StationId) -> Result<Role, Refusal> {
    let role = [Role::Supervisor, Role::DutyOfficer].into_iter().find(|role| caller.has(*role));
    let role = role.filter(|_| caller.officer.is_some()).ok_or_else(|| Refusal::new(Reason::RoleNotAllowed))?;
    own_station(directory, caller, station)?;
    if role == Role::Supervisor || caller.station.as_ref() == Some(station) {
        Ok(role)
    } else {
        Err(Refusal::new(Reason::WrongSide).field("station"))
    }
}

fn own_object(directory: &Directory, caller: &Caller, order: &Order) -> Result<(IncidentId, Body), Refusal> {
    // A code name once taken stays with its organisation.
    let taken = |org: Option<&OrgId>| org.map_or(Ok(()), |org| ours(caller, org));
    Ok(match order {
        Order::Station(is) => {
            taken(directory.stations.get(&is.station).map(|owned| &owned.org))?;
            (stream_of("station", is.station.as_str()), is.clone().into())
        }
        Order::Post(is) => {
            own_station(directory, caller, &is.station)?;
            taken(directory.posts.get(&is.post).map(|owned| &owned.org))?;
            (stream_of("post", is.post.as_str()), is.clone().into())
        }
        Order::Unit(is) => {
            own_station(directory, caller, &is.station)?;
            taken(directory.units.get(&is.unit).map(|owned| &owned.org))?;
            (stream_of("unit", is.unit.as_str()), is.clone().into())
        }
        Order::Officer(is) => {
            own_station(directory, caller, &is.station)?;
            taken(directory.officers.get(&is.officer).map(|owned| &owned.org))?;
            (stream_of("officer", is.officer.as_str()), is.clone().into())
        }
        Order::Catalogue(is) => {
            own_station(directory, caller, &is.station)?;
            let name = format!("{}/{}/{}", is.station, is.table, is.version);
            (stream_of("catalogue", &name), is.clone().into())
        }
        Order::ProposeAgreement(_)
        | Order::RatifyAgreement(_)
        | Order::PublishMap(_)
        | Order::RatifyMap(_)
        | Order::UpdateRegistry { .. }
        | Order::TakeShift(_)
        | Order::OpenDrill { .. }
        | Order::JoinDrill(_)
        | Order::EndDrill(_) => {
            return Err(Refusal::new(Reason::MoveNotLegal));
        }
    })
}

fn shared_object(directory: &Directory, caller: &Caller, order: &Order) -> Result<(IncidentId, Body), Refusal> {
    Ok(match order {
        Order::ProposeAgreement(is) => {
            if is.a == is.b {
                return Err(Refusal::new(Reason::SameStation).field("b"));
            }
            for (field, seat) in [("a", &is.a), ("b", &is.b)] {
                if directory.seat(&seat.station).as_ref() != Some(seat) {
                    return Err(Refusal::new(Reason::StationNotFound).field(field).with("station", &seat.station));
                }
            }
            if caller.org != is.a.org && caller.org != is.b.org {
                return Err(Refusal::new(Reason::OtherOrganisation));
            }
            let last = directory.agreements.get(&is.agreement).and_then(|versions| versions.keys().last());
            if is.version != last.copied().unwrap_or(0) + 1 {
                return Err(Refusal::new(Reason::StaleVersion).field("version").with("last", last.unwrap_or(&0)));
            }
            (IncidentId(is.agreement.0), is.clone().into())
        }
        Order::RatifyAgreement(is) => {
            let versions = directory.agreements.get(&is.agreement);
            let Some(agreement) = versions.and_then(|versions| versions.get(&is.version)) else {
                return Err(Refusal::new(Reason::ObjectNotFound).field("agreement"));
            };
            if agreement.ratified {
                return Err(Refusal::new(Reason::MoveNotLegal));
            }
            let StationRef { org: a, .. } = &agreement.terms.a;
            let other = if agreement.proposed_by == *a { &agreement.terms.b.org } else { a };
            ours(caller, other)?;
            (IncidentId(is.agreement.0), is.clone().into())
        }
        Order::PublishMap(is) => {
            let versions = directory.maps.range((is.map.id.0, 0)..=(is.map.id.0, u64::MAX));
            let last = versions.last().map_or(0, |((_, version), _)| *version);
            if is.map.version != last + 1 {
                return Err(Refusal::new(Reason::StaleVersion).field("version").with("last", last));
            }
            if !is.parties.contains(&caller.org) {
                return Err(Refusal::new(Reason::OtherOrganisation));
            }
            (IncidentId(is.map.id.0), is.clone().into())
        }
        Order::RatifyMap(is) => {
            let Some(map) = directory.maps.get(&(is.map.id.0, is.map.version)) else {
                return Err(Refusal::new(Reason::ObjectNotFound).field("map"));
            };
            if !map.published.parties.contains(&caller.org) {
                return Err(Refusal::new(Reason::OtherOrganisation));
            }
            if map.ratified_by.contains(&caller.org) {
                return Err(Refusal::new(Reason::MoveNotLegal));
            }
            (IncidentId(is.map.id.0), is.clone().into())
        }
        Order::Station(_)
        | Order::Post(_)
        | Order::Unit(_)
        | Order::Officer(_)
        | Order::Catalogue(_)
        | Order::UpdateRegistry { .. }
        | Order::TakeShift(_)
        | Order::OpenDrill { .. }
        | Order::JoinDrill(_)
        | Order::EndDrill(_) => {
            return Err(Refusal::new(Reason::MoveNotLegal));
        }
    })
}

fn drill(directory: &Directory, caller: &Caller, order: &Order, now: Millis) -> Result<(IncidentId, Body), Refusal> {
    let own = caller.station.as_ref().and_then(|station| directory.seat(station));
    let own = own.filter(|seat| seat.org == caller.org).ok_or_else(|| Refusal::new(Reason::StationNotFound))?;
    let known = |id| directory.drills.get(id).ok_or_else(|| Refusal::new(Reason::ObjectNotFound).field("drill"));
    Ok(match order {
        Order::OpenDrill { drill, number, with, from, until } => {
            let b = directory.seat(with).ok_or_else(|| Refusal::new(Reason::StationNotFound).field("with"))?;
            if directory.drills.contains_key(drill) || *until <= *from || *until <= now || b == own {
                return Err(Refusal::new(Reason::InvalidField).field("drill"));
            }
            let opened = DrillOpened { drill: *drill, number: number.clone(), a: own, b, from: *from, until: *until };
            (IncidentId(drill.0), opened.into())
        }
        Order::JoinDrill(id) => {
            let drill = known(id)?;
            if drill.b != own {
                return Err(Refusal::new(Reason::WrongSide));
            }
            if drill.joined || drill.ended || now > drill.until {
                return Err(Refusal::new(Reason::MoveNotLegal));
            }
            (IncidentId(id.0), DrillJoined { drill: *id }.into())
        }
        Order::EndDrill(id) => {
            let drill = known(id)?;
            if drill.a != own && drill.b != own {
                return Err(Refusal::new(Reason::WrongSide));
            }
            if drill.ended {
                return Err(Refusal::new(Reason::MoveNotLegal));
            }
            (IncidentId(id.0), DrillEnded { drill: *id }.into())
        }
        Order::Station(_)
        | Order::Post(_)
        | Order::Unit(_)
        | Order::Officer(_)
        | Order::Catalogue(_)
        | Order::ProposeAgreement(_)
        | Order::RatifyAgreement(_)
        | Order::PublishMap(_)
        | Order::RatifyMap(_)
        | Order::UpdateRegistry { .. }
        | Order::TakeShift(_) => {
            return Err(Refusal::new(Reason::MoveNotLegal));
        }
    })
}
