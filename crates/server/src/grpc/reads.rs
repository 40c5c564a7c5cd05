//! Reads of cases, and the projection they share with the feed: what may be shown to whom.

use super::{Gate, pages, store_away, unreadable, violations};
use crate::error::status;
use handoff_domain::access;
use handoff_domain::caller::{Caller, Role};
use handoff_domain::case::Case;
use handoff_domain::directory::{Directory, Shifts};
use handoff_domain::ids::{IncidentId, StationId, StationRef};
use handoff_domain::moves;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::retention::is_caller_data;
use handoff_domain::time::Millis;
use handoff_domain::values::Sealed;
use handoff_engine::feed::FeedEntry;
use handoff_engine::memory::Entry;
use handoff_engine::tree::Disclosures;
use handoff_engine::vault::Kept;
use handoff_evidence::disclosure::{Value, open};
use handoff_proto::convert::{self, ListQuery};
use handoff_proto::v1;
use handoff_proto::view::{
    Disclosed, Located, Nothing, Opening, Recipient, RecipientKind, entry, handoff_view, incident_view, station_ref,
    timestamp,
};
use handoff_store::query::{CaseCursor, CaseFilter};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Sealed values of one case, opened for one answer and dropped with it.
#[derive(Default)]
pub(super) struct Opened {
    values: HashMap<Sealed, Value>,
    /// What is there and not opened here: the caller's data.
    withheld: HashSet<Sealed>,
    /// A value that is there does not open; which one its digest does not tell.
    some_shut: bool,
    may_read: bool,
}

impl Disclosed for Opened {
    fn open(&self, sealed: &Sealed) -> Opening {
        if !self.may_read {
            return Opening::Withheld;
        }
        match self.values.get(sealed) {
            Some(Value::Text(text)) => Opening::Text(text.clone()),
            Some(Value::Point { lat7, lon7 }) => Opening::Point { lat7: *lat7, lon7: *lon7 },
            None if self.some_shut || self.withheld.contains(sealed) => Opening::Withheld,
            None => Opening::Erased,
        }
    }
}

/// A kept value's disclosure; none where it does not open, which is logged and counted.
pub(super) fn readable(kept: &Kept) -> Option<&str> {
    match &kept.text {
        Ok(text) => Some(text),
        Err(error) => {
            crate::metrics::sealed_unreadable();
            tracing::error!(%error, "a text of a case is withheld because it does not open");
            None
        }
    }
}

/// To whom a caller's answers are shown.
pub(super) fn recipient(caller: &Caller) -> Recipient {
    let kind = if caller.has(Role::Auditor) {
        RecipientKind::Auditor
    } else if caller.has(Role::Superior) {
        RecipientKind::Superior
    } else {
        RecipientKind::Party
    };
    Recipient { org: caller.org.clone(), kind }
}

/// Whether place and text of a case are open to a caller (product, *Sealed and erasable*): to whoever sees the case at
/// all, up to the entry it last saw. Caller data never are here: they are opened by a method of their own, which is
/// recorded.
fn may_read(entry: &Entry, caller: &Caller) -> bool {
    if caller.has(Role::Superior) {
        return entry.case.superiors.contains_key(&caller.org);
    }
    // A station whose part has ended keeps what it saw: the case it is shown ends there, and so do the values.
    caller.has(Role::Auditor) || entry.case.parties.keys().any(|seat| seat.org == caller.org)
}

/// One command's entries as their reader may see them, with the views after it.
pub(super) fn feed_batch(
    caller: &Caller,
    shifts: &Shifts,
    command: &[Arc<FeedEntry>],
    resume_token: String,
) -> v1::FeedBatch {
    let recipient = recipient(caller);
    let mut batch = v1::FeedBatch { resume_token, ..Default::default() };
    let mut shown: Vec<IncidentId> = Vec::new();
    for told in command {
        let located = Located { number: told.number, position: told.position, hash: Some(told.hash) };
        batch.entries.push(entry(located, &told.event, &recipient, &Nothing));
        if shown.contains(&told.event.incident) {
            continue;
        }
        shown.push(told.event.incident);
        let case = &told.after.case;
        let survivor = command.iter().map(|other| &other.after).find(|other| case.alias_of == Some(other.case.id));
        let mut view = incident_view(case, shifts, &recipient, &Nothing);
        show_custodian(&mut view, survivor.map(AsRef::as_ref));
        batch.incidents.push(view);
        if let Some(handoff) = case.handoffs.last() {
            batch.handoffs.push(handoff_view(case, handoff, &Nothing));
        }
    }
    batch
}

impl Gate {
    /// The survivor of a case that is an alias.
    pub(super) async fn survivor(&self, found: &Entry) -> Result<Option<Entry>, Status> {
        self.engine().survivor(found).await.map_err(|error| unreadable(&error))
    }

    /// Sealed values of a case that the caller may read, caller data left out. An alias is read by whoever reads its
    /// survivor.
    pub(super) async fn opened(&self, caller: &Caller, found: &Entry) -> Result<Opened, Status> {
        let survivor = self.survivor(found).await?;
        if !may_read(found, caller) && !survivor.is_some_and(|survivor| may_read(&survivor, caller)) {
            return Ok(Opened::default());
        }
        let kept = self.engine().personal(found.case.id, found.case.version).await;
        let kept = kept.map_err(|error| unreadable(&error))?;
        let mut opened = Opened { may_read: true, ..Opened::default() };
        for value in &kept {
            // Who owns the case and what is owed is shown whatever happens to the texts in it.
            let Some(text) = readable(value) else {
                opened.some_shut = true;
                continue;
            };
            let digest = handoff_evidence::disclosure::digest(text);
            if is_caller_data(&value.path) {
                opened.withheld.insert(digest);
            } else if let Ok(read) = open(text) {
                opened.values.insert(digest, read.value);
            }
        }
        Ok(opened)
    }

    /// The disclosure strings of the sealed values that the caller may read, caller data left out.
    pub(super) async fn disclosed(&self, caller: &Caller, found: &Entry) -> Result<Disclosures, Status> {
        let survivor = self.survivor(found).await?;
        if !may_read(found, caller) && !survivor.is_some_and(|survivor| may_read(&survivor, caller)) {
            return Ok(Disclosures::new());
        }
        let kept = self.engine().personal(found.case.id, found.case.version).await;
        let kept = kept.map_err(|error| unreadable(&error))?;
        let shown = kept.iter().filter(|kept| !is_caller_data(&kept.path));
        let text = |kept: &Kept| Some(((kept.seq, kept.path.clone()), readable(kept)?.to_owned()));
        Ok(shown.filter_map(text).collect())
    }

    pub(super) async fn get_incident(
        &self,
        request: Request<v1::GetIncidentRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let method = "IncidentService/get_incident";
        let session = self.session(&request, method).await?;
        let id = convert::incident(&request.into_inner().incident).map_err(violations)?;
        let found = self.visible(&session.caller, method, id).await?;
        let opened = self.opened(&session.caller, &found).await?;
        let survivor = self.survivor(&found).await?;
        let directory = self.engine().directory();
        let mut view = incident_view(&found.case, &directory.shifts, &recipient(&session.caller), &opened);
        show_custodian(&mut view, survivor.as_ref());
        let survivor = survivor.as_ref().map(|survivor| &survivor.case);
        view.legal_moves = names(moves::legal_of(&found.case, survivor, None, &session.caller, self.now()));
        view.proven = self.is_proven(&found.case).await?;
        Ok(Response::new(view))
    }

    /// Whether everything of a case, as it is shown, is under a checkpoint that the quorum of witnesses signed.
    async fn is_proven(&self, case: &Case) -> Result<bool, Status> {
        let engine = self.engine();
        let proven = engine.tree().proven_size();
        if proven == 0 {
            return Ok(false);
        }
        let last = engine.reader().events_of(case.id, case.version, 1).await.map_err(|error| store_away(&error))?;
        Ok(last.first().is_some_and(|row| row.position < proven))
    }

    pub(super) async fn list_incidents(
        &self,
        request: Request<v1::ListIncidentsRequest>,
    ) -> Result<Response<v1::ListIncidentsResponse>, Status> {
        let method = "IncidentService/list_incidents";
        let session = self.session(&request, method).await?;
        let asked = convert::list_incidents(request.into_inner()).map_err(violations)?;
        let caller = &session.caller;
        self.see_all().await?;
        let filter = list_filter(&self.engine().directory(), caller, &asked);
        let filter = filter.map_err(|refusal| self.denied(caller, method, &refusal))?;
        let pages = self.pages(method, caller, &format!("{filter:?}"));
        let after = pages.after(&asked.page_token)?.map(|place| case_cursor(&place)).transpose()?;
        let page = self.engine().reader().cases(filter, after, asked.page_size).await;
        let page = page.map_err(|error| store_away(&error))?;
        let next_page_token = page.next.map(|next| pages.token(&case_place(next))).unwrap_or_default();
        let mut incidents = Vec::with_capacity(page.cases.len());
        for row in &page.cases {
            if asked.former {
                if let Ok(Some(found)) = self.engine().case(caller, row.incident).await {
                    incidents.push(summary_then(&found.case));
                }
                continue;
            }
            let mut shown = summary(row);
            if let Some(survivor) = row.alias_of {
                let survivor = self.engine().reader().case(survivor).await.map_err(|error| store_away(&error))?;
                shown.custodian = survivor.map(|survivor| station_ref(&survivor.custodian)).or(shown.custodian);
            }
            incidents.push(shown);
        }
        // What was read is shown once it is known to last.
        self.see_all().await?;
        Ok(Response::new(v1::ListIncidentsResponse { incidents, next_page_token }))
    }

    pub(super) async fn get_handoff(
        &self,
        request: Request<v1::GetHandoffRequest>,
    ) -> Result<Response<v1::Handoff>, Status> {
        let method = "HandoffService/get_handoff";
        let session = self.session(&request, method).await?;
        let (id, handoff) = convert::handoff(&request.into_inner()).map_err(violations)?;
        let found = self.visible(&session.caller, method, id).await?;
        let handoff = found.case.handoff(handoff);
        let handoff = handoff.ok_or_else(|| status(&Refusal::new(Reason::HandoffNotFound).field("handoff")))?;
        let opened = self.opened(&session.caller, &found).await?;
        let mut view = handoff_view(&found.case, handoff, &opened);
        if handoff.version > 0 && handoff.state.is_open() {
            let reach = self.reach(&handoff.to);
            view.receiver_connected = Some(reach.is_none());
            view.receiver_disconnect_time = reach.map(timestamp);
        }
        view.legal_moves = names(moves::legal(&found.case, Some(handoff), &session.caller, self.now()));
        Ok(Response::new(view))
    }
}

/// An alias shows its survivor's custodian (invariant 1).
pub(super) fn show_custodian(alias: &mut v1::Incident, survivor: Option<&Entry>) {
    if let Some(survivor) = survivor {
        alias.custodian = Some(station_ref(&survivor.case.custodian));
    }
}

pub(super) fn names(moves: Vec<&'static str>) -> Vec<String> {
    moves.into_iter().map(str::to_owned).collect()
}

/// The station a list is narrowed to: the own one, or for a supervisor any of the organisation.
pub(super) fn station_asked(
    directory: &Directory,
    caller: &Caller,
    asked: Option<StationId>,
) -> Result<Option<StationId>, Refusal> {
    let refused = |reason| Err(Refusal::new(reason).field("station"));
    let everywhere = [Role::Supervisor, Role::Superior, Role::Auditor].iter().any(|role| caller.has(*role));
    let Some(asked) = asked else { return Ok(if everywhere { None } else { caller.station.clone() }) };
    let Some(seat) = directory.seat(&asked) else {
        return Err(Refusal::new(Reason::StationNotFound).field("station").with("station", &asked));
    };
    if seat.org != caller.org && !caller.has(Role::Auditor) {
        return refused(Reason::OtherOrganisation);
    }
    if everywhere || caller.station.as_ref() == Some(&asked) {
        Ok(Some(asked))
    } else {
        refused(Reason::RoleNotAllowed)
    }
}

/// Whoever only keeps the directory, or mirrors the log, has no business in incidents.
pub(super) fn may_list(caller: &Caller) -> Result<(), Refusal> {
    if caller.roles.iter().all(|role| matches!(role, Role::Admin | Role::Witness)) {
        return Err(Refusal::new(Reason::RoleNotAllowed));
    }
    Ok(())
}

/// An auditor sees every organisation's cases; everybody else those the own organisation has a part in.
fn list_filter(directory: &Directory, caller: &Caller, asked: &ListQuery) -> Result<CaseFilter, Refusal> {
    may_list(caller)?;
    let station = station_asked(directory, caller, asked.station.clone())?;
    let org = if caller.has(Role::Auditor) {
        station.as_ref().and_then(|station| directory.seat(station)).map(|seat| seat.org)
    } else {
        Some(caller.org.clone())
    };
    // Of those it has no part in any more a station is not told either whether they are closed by now.
    let open = (!asked.former).then_some(!asked.other);
    let active = (!caller.has(Role::Auditor)).then_some(!asked.former);
    Ok(CaseFilter { org, station, open, active, ..CaseFilter::default() })
}

fn case_place(next: CaseCursor) -> Vec<u8> {
    let mut place = next.opened_at.0.to_be_bytes().to_vec();
    place.extend_from_slice(next.incident.0.as_bytes());
    place
}

fn case_cursor(place: &[u8]) -> Result<CaseCursor, Status> {
    let (at, id) = place.split_at_checked(8).ok_or_else(pages::invalid)?;
    let at = i64::from_be_bytes(at.try_into().map_err(|_| pages::invalid())?);
    let id = Uuid::from_slice(id).map_err(|_| pages::invalid())?;
    Ok(CaseCursor { opened_at: Millis(at), incident: IncidentId(id) })
}

/// A case as it was when the reader's part in it ended.
fn summary_then(case: &Case) -> v1::IncidentSummary {
    let text = |value: Option<String>| value.unwrap_or_default();
    v1::IncidentSummary {
        id: case.id.to_string(),
        version: case.version,
        state: case.phase().to_string(),
        custodian: Some(station_ref(&case.custodian)),
        tenure: case.tenure,
        first_receiver: Some(station_ref(&case.first_receiver)),
        kind: text(case.kind.as_ref().map(ToString::to_string)),
        severity: case.severity.to_string(),
        drill: text(case.drill.map(|drill| drill.to_string())),
        alias_of: text(case.alias_of.map(|of| of.to_string())),
        received_time: Some(timestamp(case.opened_at)),
        closed_time: case.closure.as_ref().map(|closure| timestamp(closure.at)),
        update_time: Some(timestamp(case.updated_at)),
    }
}

fn summary(row: &handoff_store::rows::CaseRow) -> v1::IncidentSummary {
    v1::IncidentSummary {
        id: row.incident.to_string(),
        version: row.version,
        state: row.state.to_string(),
        custodian: Some(station_ref(&row.custodian)),
        tenure: row.tenure,
        first_receiver: Some(station_ref(&row.first_receiver)),
        kind: row.kind.as_deref().unwrap_or_default().to_owned(),
        severity: row.severity.as_deref().unwrap_or_default().to_owned(),
        drill: row.drill.map(|drill| drill.to_string()).unwrap_or_default(),
        alias_of: row.alias_of.map(|of| of.to_string()).unwrap_or_default(),
        received_time: Some(timestamp(row.opened_at)),
        closed_time: row.closed_at.map(timestamp),
        update_time: Some(timestamp(row.updated_at)),
    }
}

/// Whether a caller may open caller data of a case now.
pub(super) fn may_open_caller(entry: &Entry, caller: &Caller) -> bool {
    let seat = caller.station.clone().map(|station| StationRef { org: caller.org.clone(), station });
    seat.is_some_and(|seat| access::may_open_caller(&entry.case, &seat))
}
