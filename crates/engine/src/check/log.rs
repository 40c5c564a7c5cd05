//! The log as one list: dense positions, whole commands, times that never run back, hashes of the bytes; and what the
//! directory's own streams say of stations (invariants 9 and 10).

use super::report::{Rule, Spot, Tally, Text};
use super::{CHECK_PAGE_EVENTS, unread};
use crate::memory::LoadError;
use handoff_domain::caller::{OPERATOR, Role};
use handoff_domain::directory::is_directory;
use handoff_domain::event::directory::RegistryUpdated;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{AgreementId, Digest, IncidentId, OrgId, StationId};
use handoff_domain::time::Millis;
use handoff_evidence::event::{Chain, hash};
use handoff_store::Reader;
use handoff_store::batch::COMMAND_EVENTS_MAX;
use handoff_store::rows::{EventRow, Head, StreamKind};
use std::collections::{HashMap, HashSet};

/// Which organisation each station belongs to, and from which position on.
#[derive(Debug, Default)]
pub(super) struct Stations {
    known: HashMap<StationId, (OrgId, u64)>,
    /// The log ends here for this check; what is later may name stations set later.
    until: u64,
}

impl Stations {
    /// Whether the station was this organisation's when the event at `position` was written.
    pub(super) fn is_of(&self, station: &StationId, org: &OrgId, position: u64) -> bool {
        match self.known.get(station) {
            Some((owner, since)) => owner == org && *since < position,
            None => position >= self.until,
        }
    }

    /// Whether the organisation has stations.
    pub(super) fn has_station(&self, org: &OrgId) -> bool {
        self.known.values().any(|(owner, _)| owner == org)
    }

    fn owner(&self, station: &StationId) -> Option<&OrgId> {
        self.known.get(station).map(|(owner, _)| owner)
    }
}

/// What the list of all events says.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The head when the check began: later events belong to the next check.
    pub(super) until: u64,
    /// Incidents in the order of their first events.
    pub(super) incidents: Vec<IncidentId>,
    known: HashSet<IncidentId>,
    pub(super) stations: Stations,
    /// For each position, how far back the first event of its command is; at most 255, since a command has at most
    /// 256 events. One byte for each event is what the check keeps of the whole log.
    back: Vec<u8>,
    /// Chains of the streams that are no incident.
    chains: HashMap<IncidentId, Chain>,
    proposed_by: HashMap<(AgreementId, u64), OrgId>,
    /// Updates of key registries, each with its position.
    pub(super) registries: Vec<(u64, RegistryUpdated)>,
    last: Option<(Digest, Millis)>,
}

const FIRST: Text = ("its command does not begin where it says", "所属命令的起始位置有误");

/// Reads the whole log once.
pub(super) async fn walk(reader: &dyn Reader, head: Head, tally: &mut Tally) -> Result<Log, LoadError> {
    let mut log = Log { until: head.position, ..Log::default() };
    log.stations.until = head.position;
    let mut position = 0;
    while position < head.position {
        let page = reader.events_from(position, CHECK_PAGE_EVENTS).await.map_err(unread)?;
        if page.is_empty() {
            break;
        }
        for row in page.iter().filter(|row| row.position < head.position) {
            log.row(row, position, tally);
            position = row.position.max(position) + 1;
        }
        if page.last().is_some_and(|row| row.position >= head.position) {
            break;
        }
    }
    let spot = Spot::position(position.saturating_sub(1));
    tally.holds(Rule::Replay, spot, position == head.position, ("the log ends before its head", "日志不足其头部所示"));
    let (hash, at) = log.last.unzip();
    let named = hash == head.last_hash && at.unwrap_or_default() == head.last_at;
    tally.holds(Rule::Replay, spot, named, ("the head does not name the last event", "日志头部与最后事件不符"));
    Ok(log)
}

impl Log {
    /// Whether the log has events of this incident.
    pub(super) fn knows(&self, incident: IncidentId) -> bool {
        self.known.contains(&incident)
    }

    /// Number of events found, whatever the head says.
    pub(super) fn len(&self) -> usize {
        self.back.len()
    }

    /// Position of the first event of the command that wrote `position`; none beyond the log.
    pub(super) fn first_of(&self, position: u64) -> Option<u64> {
        let back = self.back.get(usize::try_from(position).ok()?)?;
        position.checked_sub(u64::from(*back))
    }

    fn row(&mut self, row: &EventRow, expected: u64, tally: &mut Tally) {
        let spot = Spot::event(row.incident, row.position);
        let dense = row.position == expected;
        tally.holds(Rule::Replay, spot, dense, ("the positions before it have a gap", "此前位置不连续"));
        let gap = row.position.saturating_sub(expected).min(row.position);
        self.back.extend((0..gap).map(|_| 0));
        let length = row.position.checked_sub(row.first).filter(|length| *length < COMMAND_EVENTS_MAX);
        let before = row.position.checked_sub(1).and_then(|before| self.first_of(before));
        let begins = length.is_some_and(|length| length == 0 || before == Some(row.first));
        tally.holds(Rule::Replay, spot, begins, FIRST);
        self.back.push(length.and_then(|length| u8::try_from(length).ok()).unwrap_or(0));
        let hashed = hash(&row.bytes) == row.hash;
        tally.holds(Rule::Replay, spot, hashed, ("the hash is not that of the event's bytes", "哈希与事件字节不符"));
        let later = self.last.is_none_or(|(_, at)| row.at >= at);
        tally.holds(Rule::Replay, spot, later, ("time runs back", "时间倒退"));
        self.last = Some((row.hash, row.at));
        if row.kind == StreamKind::Incident {
            if self.known.insert(row.incident) {
                self.incidents.push(row.incident);
            }
        } else {
            self.of_directory(row, spot, tally);
        }
    }

    fn of_directory(&mut self, row: &EventRow, spot: Spot, tally: &mut Tally) {
        let chain = self.chains.entry(row.incident).or_insert_with(|| Chain::new(row.incident));
        let accepted = chain.accept(&row.bytes);
        let wrong = ("the event does not follow on its stream", "事件与其链条不衔接");
        if !tally.holds(Rule::Replay, spot, accepted.is_ok(), wrong) {
            return;
        }
        let Ok(event) = accepted else { return };
        tally.holds_or(Rule::Replay, spot, is_row_of(row, &event), ROW, || event.body.type_name().to_owned());
        let right = self.may_set(&event);
        let wrong = ("set by another organisation or role than its own", "由他单位或无权角色设定");
        tally.holds_or(Rule::OwnSideOnly, spot, right, wrong, || event.body.type_name().to_owned());
        if let Body::StationSet(is) = &event.body {
            let entry = (event.actor.org.clone(), row.position);
            self.stations.known.entry(is.station.clone()).or_insert(entry);
        }
        if let Body::RegistryUpdated(is) = &event.body {
            self.registries.push((row.position, is.clone()));
        }
        if let Body::AgreementProposed(is) = &event.body {
            self.proposed_by.insert((is.agreement, is.version), event.actor.org.clone());
        }
    }

    /// Each object is changed by its own organisation's admin; agreements and maps need both sides.
    fn may_set(&self, event: &Event) -> bool {
        let org = &event.actor.org;
        let admin = event.actor.role == Role::Admin;
        let duty = matches!(event.actor.role, Role::DutyOfficer | Role::Supervisor);
        let at = |station: &StationId| event.actor.station.as_ref() == Some(station);
        let own = |station: &StationId| self.stations.owner(station) == Some(org);
        match &event.body {
            Body::LogOpened(_) | Body::LogFenced(_) => event.actor.role == Role::Service && org.as_str() == OPERATOR,
            Body::StationSet(is) => admin && self.stations.owner(&is.station).is_none_or(|owner| owner == org),
            Body::PostSet(is) => admin && own(&is.station),
            Body::UnitSet(is) => admin && own(&is.station),
            Body::OfficerSet(is) => admin && own(&is.station),
            Body::CatalogueSet(is) => admin && own(&is.station),
            Body::AgreementProposed(is) => admin && (is.a.org == *org || is.b.org == *org),
            Body::AgreementRatified(is) => {
                let proposer = self.proposed_by.get(&(is.agreement, is.version));
                admin && proposer.is_some_and(|proposer| proposer != org)
            }
            Body::MapPublished(is) => admin && is.parties.contains(org),
            Body::MapRatified(_) => admin,
            Body::RegistryUpdated(_) => event.actor.role == Role::Service && org.as_str() == OPERATOR,
            Body::ShiftBegun(is) => duty && event.actor.officer.is_some() && own(&is.station) && at(&is.station),
            Body::DrillOpened(is) => duty && event.actor.is_at(&is.a),
            Body::DrillJoined(_) | Body::DrillEnded(_) => duty,
            _ => false,
        }
    }
}

pub(super) const ROW: Text = ("the stored columns are not those of the event", "存储的列与事件不符");

/// Whether the columns beside the bytes say what the bytes say.
pub(super) fn is_row_of(row: &EventRow, event: &Event) -> bool {
    row.incident == event.incident
        && row.seq == event.seq
        && row.at == event.at
        && row.type_name == event.body.type_name()
        && row.kind == kind_of(event)
}

fn kind_of(event: &Event) -> StreamKind {
    match &event.body {
        Body::LogOpened(_) | Body::LogFenced(_) => StreamKind::Log,
        Body::DrillOpened(_) | Body::DrillJoined(_) | Body::DrillEnded(_) => StreamKind::Drill,
        body if is_directory(body) => StreamKind::Directory,
        _ => StreamKind::Incident,
    }
}
