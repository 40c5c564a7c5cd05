//! What is owed, by us and to us: walked down the indexes by due time, never more than a page's worth of rows kept.

use super::reads::{may_list, station_asked};
use super::{Gate, pages, store_away, unreadable, violations};
use handoff_domain::access;
use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::ids::{IncidentId, OrgId, Scope, StationId, StationRef};
use handoff_domain::obligations::{Key, is_noticed};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use handoff_proto::convert::{self, ListQuery};
use handoff_proto::v1;
use handoff_proto::v1::obligation_service_server::ObligationService;
use handoff_proto::view::{obligation_view, station_ref, timestamp};
use handoff_store::Reader;
use handoff_store::query::ObligationCursor;
use handoff_store::rows::{ObligationRow, PartyRow};
use std::collections::{HashMap, VecDeque};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Rows of one organisation read at once.
const CHUNK_ROWS: u32 = 200;
/// Rows looked at for one page. At the limit the page ends early, possibly empty, and its token goes on from there.
const LOOKED_AT_ROWS_MAX: usize = 2_000;
/// Length of the parts of a place before the texts: due, incident, and the length of the scope.
const PLACE_BYTES_MIN: usize = 8 + 16 + 1;

#[tonic::async_trait]
impl ObligationService for Gate {
    async fn list_obligations(
        &self,
        request: Request<v1::ListObligationsRequest>,
    ) -> Result<Response<v1::ListObligationsResponse>, Status> {
        let method = "ObligationService/list_obligations";
        let session = self.session(&request, method).await?;
        let asked = convert::list_obligations(request.into_inner()).map_err(violations)?;
        let caller = &session.caller;
        may_list(caller).map_err(|refusal| self.denied(caller, method, &refusal))?;
        self.see_all().await?;
        let station = station_asked(&self.engine().directory(), caller, asked.station.clone());
        let station = station.map_err(|refusal| self.denied(caller, method, &refusal))?;
        let filter = format!("{}/{station:?}/{:?}", asked.other, asked.incident);
        let pages = self.pages(method, caller, &filter);
        let after = pages.after(&asked.page_token)?;
        let after = after.map(|bytes| Place::read(&bytes).ok_or_else(pages::invalid)).transpose()?;
        let look = Look { caller, station, theirs: asked.other, size: asked.page_size as usize };
        let Found { rows, next } = match asked.incident {
            Some(incident) => {
                let found = self.visible(caller, method, incident).await?;
                // Whose part has ended is told what was owed then, which is all it may know.
                if access::sees_until(&found.case, caller).is_some() {
                    let shifts = &self.engine().directory().shifts;
                    let owed = found.case.ledger.iter();
                    let obligations = owed.map(|(key, owed)| obligation_view(incident, key, owed, shifts)).collect();
                    return Ok(Response::new(v1::ListObligationsResponse { obligations, ..Default::default() }));
                }
                look.within(self.engine().reader(), incident, after).await?
            }
            None => look.across(self.engine().reader(), self.sources(caller, &asked), after).await?,
        };
        let next_page_token = next.map(|place| pages.token(&place.bytes())).unwrap_or_default();
        let mut obligations = Vec::with_capacity(rows.len());
        for row in &rows {
            let acknowledged = self.is_noticed(row).await?;
            obligations.push(v1::Obligation { acknowledged, ..shown(row) });
        }
        // What was read is shown once it is known to last.
        self.see_all().await?;
        Ok(Response::new(v1::ListObligationsResponse { obligations, next_page_token }))
    }

    async fn acknowledge(&self, request: Request<v1::AcknowledgeRequest>) -> Result<Response<v1::MoveReply>, Status> {
        self.command("ObligationService/acknowledge", request).await
    }

    async fn take_shift(&self, request: Request<v1::TakeShiftRequest>) -> Result<Response<v1::MoveReply>, Status> {
        self.order("ObligationService/take_shift", request).await
    }
}

impl Gate {
    /// Whose obligations are looked at: what a superior owes stands under its own organisation.
    fn sources(&self, caller: &Caller, asked: &ListQuery) -> Vec<Option<OrgId>> {
        if !asked.other {
            return vec![Some(caller.org.clone())];
        }
        let owes = |kind| matches!(kind, OrgKind::Party | OrgKind::Superior);
        let others = self.engine().organisations().iter().filter(|org| owes(org.kind) && org.id != caller.org);
        others.map(|org| Some(org.id.clone())).collect()
    }

    /// Whether a row's notice still counts: a shift that began since at the station makes it ring again.
    async fn is_noticed(&self, row: &ObligationRow) -> Result<bool, Status> {
        let directory = self.engine().directory();
        let began = row.station.as_ref().is_some_and(|station| directory.shifts.contains_key(station));
        if !row.acknowledged || row.rung != Rung::Duty || !began {
            return Ok(row.acknowledged);
        }
        let entry = self.engine().entry(row.incident).await.map_err(|error| unreadable(&error))?;
        let by = row.org.clone().zip(row.station.clone()).map(|(org, station)| StationRef { org, station });
        let key = Key { duty: row.duty, scope: row.scope, by };
        let owed = entry.as_ref().and_then(|entry| entry.case.ledger.get(&key));
        Ok(owed.is_some_and(|owed| is_noticed(&key, owed, &directory.shifts)))
    }
}

/// Where a row stands in the list: the store's own order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    due: i64,
    incident: [u8; 16],
    scope: Vec<u8>,
    duty: &'static str,
    station: String,
}

impl Place {
    fn of(row: &ObligationRow) -> Self {
        Self {
            due: row.due.0,
            incident: row.incident.0.into_bytes(),
            scope: row.scope.map(|scope| scope.0.as_bytes().to_vec()).unwrap_or_default(),
            duty: row.duty.as_str(),
            station: row.station.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let scope_len = if self.scope.is_empty() { 0 } else { 16 };
        let mut bytes = self.due.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.incident);
        bytes.push(scope_len);
        bytes.extend_from_slice(&self.scope);
        bytes.extend_from_slice(self.duty.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.station.as_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(PLACE_BYTES_MIN)?;
        let (due, head) = head.split_at_checked(8)?;
        let (incident, scope_len) = head.split_at_checked(16)?;
        let (scope, rest) = rest.split_at_checked(usize::from(*scope_len.first()?))?;
        let (duty, station) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
        Some(Self {
            due: i64::from_be_bytes(due.try_into().ok()?),
            incident: incident.try_into().ok()?,
            scope: scope.to_vec(),
            duty: Duty::parse(duty)?.as_str(),
            station: station.to_owned(),
        })
    }

    /// A row at this place: the store's lists go on after its key, and look at nothing else of it.
    fn cursor(&self) -> Option<ObligationCursor> {
        Some(ObligationCursor(ObligationRow {
            incident: IncidentId(Uuid::from_bytes(self.incident)),
            scope: if self.scope.is_empty() { None } else { Some(Scope(Uuid::from_slice(&self.scope).ok()?)) },
            duty: Duty::parse(self.duty)?,
            org: None,
            station: if self.station.is_empty() { None } else { Some(StationId::new(&self.station)?) },
            role: Role::Service,
            since: Millis(0),
            due: Millis(self.due),
            raise_at: None,
            rung: Rung::Duty,
            acknowledged: false,
            done: false,
        }))
    }
}

/// A page, and the place it ended at where there is more.
struct Found {
    rows: Vec<ObligationRow>,
    next: Option<Place>,
}

impl Found {
    /// Keeps one page of rows in order; one more row than the page holds says that there is more.
    fn cut(mut rows: Vec<ObligationRow>, size: usize) -> Self {
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(Place::of);
        Self { rows, next }
    }
}

/// What one request looks for.
struct Look<'a> {
    caller: &'a Caller,
    /// Of the own organisation: who owes, or in whose cases others owe.
    station: Option<StationId>,
    theirs: bool,
    size: usize,
}

/// Rows of one organisation, in order, read as they are needed.
struct Source {
    org: Option<OrgId>,
    after: Option<ObligationCursor>,
    rows: VecDeque<ObligationRow>,
    over: bool,
}

impl Look<'_> {
    /// What is owed in one incident.
    async fn within(&self, reader: &dyn Reader, incident: IncidentId, after: Option<Place>) -> Result<Found, Status> {
        let rows = reader.obligations_in(incident).await.map_err(|error| store_away(&error))?;
        let mut placed: Vec<_> = rows.into_iter().map(|row| (Place::of(&row), row)).collect();
        placed.sort_by(|(one, _), (other, _)| one.cmp(other));
        let rest = placed.into_iter().filter(|(place, row)| self.owes(row) && after.as_ref() < Some(place));
        Ok(Found::cut(rest.map(|(_, row)| row).take(self.size + 1).collect(), self.size))
    }

    /// Whether a row of an incident the caller sees is of the direction asked for.
    fn owes(&self, row: &ObligationRow) -> bool {
        let ours = match &row.org {
            Some(org) => *org == self.caller.org,
            None => self.caller.has(Role::Superior),
        };
        // What others owe is narrowed by the cases, what we owe by who owes it.
        let narrowed = self.theirs || row.org.is_none() || self.station.is_none() || row.station == self.station;
        ours != self.theirs && narrowed
    }

    /// What is owed in all cases: the organisations' lists merged by due time.
    async fn across(
        &self,
        reader: &dyn Reader,
        sources: Vec<Option<OrgId>>,
        after: Option<Place>,
    ) -> Result<Found, Status> {
        let after = after.as_ref().and_then(Place::cursor);
        let source = |org| Source { org, after: after.clone(), rows: VecDeque::new(), over: false };
        let mut sources: Vec<Source> = sources.into_iter().map(source).collect();
        let (mut rows, mut parties) = (Vec::new(), HashMap::new());
        let mut last = None;
        for _ in 0..LOOKED_AT_ROWS_MAX {
            let Some(row) = self.first(reader, &mut sources).await? else { return Ok(Found::cut(rows, self.size)) };
            last = Some(Place::of(&row));
            if self.shows(reader, &mut parties, &row).await? {
                rows.push(row);
            }
            if rows.len() > self.size {
                return Ok(Found::cut(rows, self.size));
            }
        }
        Ok(Found { rows, next: last })
    }

    /// The most pressing row of all sources.
    async fn first(&self, reader: &dyn Reader, sources: &mut [Source]) -> Result<Option<ObligationRow>, Status> {
        for source in sources.iter_mut().filter(|source| source.rows.is_empty() && !source.over) {
            // Our own list is narrowed by the index already.
            let station = if self.theirs || source.org.is_none() { None } else { self.station.clone() };
            let page = reader.obligations_of(source.org.clone(), station, source.after.take(), CHUNK_ROWS).await;
            source.rows = page.map_err(|error| store_away(&error))?.into();
            source.over = source.rows.len() < CHUNK_ROWS as usize;
            source.after = source.rows.back().cloned().map(ObligationCursor);
        }
        let least = sources.iter_mut().filter(|source| !source.rows.is_empty());
        let least = least.min_by_key(|source| source.rows.front().map(Place::of));
        Ok(least.and_then(|source| source.rows.pop_front()))
    }

    /// Whether the caller has the part in a row's incident that the list is about.
    async fn shows(
        &self,
        reader: &dyn Reader,
        known: &mut HashMap<IncidentId, bool>,
        row: &ObligationRow,
    ) -> Result<bool, Status> {
        let own_list = !self.theirs && row.org.is_some();
        if own_list || self.caller.has(Role::Auditor) && self.station.is_none() {
            return Ok(true);
        }
        if let Some(shows) = known.get(&row.incident) {
            return Ok(*shows);
        }
        let parties = reader.parties_of(row.incident).await.map_err(|error| store_away(&error))?;
        let auditor = self.caller.has(Role::Auditor);
        let ours = |party: &PartyRow| {
            let at_station = self.station.is_none() || party.station == self.station;
            at_station && party.active && (auditor || party.org == self.caller.org)
        };
        let shows = parties.iter().any(ours);
        known.insert(row.incident, shows);
        Ok(shows)
    }
}

fn shown(row: &ObligationRow) -> v1::Obligation {
    let seat = row.org.clone().zip(row.station.clone()).map(|(org, station)| StationRef { org, station });
    v1::Obligation {
        incident: row.incident.to_string(),
        duty: row.duty.to_string(),
        scope: row.scope.map(|scope| scope.to_string()).unwrap_or_default(),
        by: seat.as_ref().map(station_ref),
        role: row.role.to_string(),
        since_time: Some(timestamp(row.since)),
        due_time: Some(timestamp(row.due)),
        rung: row.rung.to_string(),
        climbs: row.raise_at.is_some(),
        acknowledged: row.acknowledged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_as_it_was() {
        for (scope, station) in [(vec![], String::new()), (vec![7; 16], "A-01".to_owned())] {
            let place = Place { due: 9, incident: [3; 16], scope, duty: Duty::Dispatch.as_str(), station };
            let bytes = place.bytes();
            assert_eq!(Place::read(&bytes), Some(place.clone()));
            assert_eq!(place.cursor().map(|ObligationCursor(row)| Place::of(&row)), Some(place));
            assert_eq!(Place::read(&bytes[..20]), None);
        }
    }
}
