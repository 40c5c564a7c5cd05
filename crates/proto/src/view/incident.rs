//! The incident, its parts, and what is owed in it.

use super::values::{category, place, station_ref, text, timestamp};
use super::{Disclosed, Recipient};
use crate::v1;
use handoff_domain::case::handoff::{Handoff, ResultLoop};
use handoff_domain::case::view::Milestone;
use handoff_domain::case::{Alert, Case, Closure, Deployment, Joint, MergeProposal, Party, Support};
use handoff_domain::directory::Shifts;
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::ids::{DeploymentId, IncidentId, StationRef, SupportId};
use handoff_domain::obligations::{Key, Owed, is_noticed};

/// The incident as this reader sees it; `shifts` say when each station's duty began. `legal_moves` is left empty: it depends on the caller, not on the reader.
#[must_use]
pub fn incident_view(case: &Case, shifts: &Shifts, recipient: &Recipient, disclosed: &dyn Disclosed) -> v1::Incident {
    let standing = case.standing();
    let statuses = case.unit_statuses();
    v1::Incident {
        id: case.id.to_string(),
        version: case.version,
        state: standing.phase.to_string(),
        state_since_time: Some(timestamp(standing.since)),
        received_time: Some(timestamp(case.opened_at)),
        update_time: Some(timestamp(case.updated_at)),
        first_receiver: Some(station_ref(&case.first_receiver)),
        custodian: Some(station_ref(&case.custodian)),
        tenure: case.tenure,
        custody_since_time: Some(timestamp(case.custody_since)),
        former_custodians: case.former.iter().map(station_ref).collect(),
        drill: text(case.drill.as_ref()),
        kind: text(case.kind.as_ref()),
        severity: case.severity.to_string(),
        category: case.category.as_ref().map(category),
        flags: case.flags.iter().map(ToString::to_string).collect(),
        places: case.places.iter().map(|(entry, at)| place(*entry, at, disclosed)).collect(),
        local_numbers: case
            .labels
            .iter()
            .map(|(station, number)| v1::LocalNumber {
                station: Some(station_ref(station)),
                number: number.to_string(),
            })
            .collect(),
        calls: case.calls,
        alerts: case.alerts.iter().map(alert).collect(),
        deployments: case
            .deployments
            .iter()
            .map(|(id, sent)| deployment(*id, sent, statuses.get(id), recipient))
            .collect(),
        milestones: Some(milestones(case, recipient)),
        handoffs: case.handoffs.iter().map(handoff_ref).collect(),
        supports: case.supports.iter().map(support).collect(),
        joint: case.joint.as_ref().map(joint),
        result: case.result().map(|result| case_result(case, result)),
        closure: case.closure.as_ref().map(closure),
        superseded_closures: case.superseded,
        merge: case.merge.as_ref().map(merge),
        alias_of: text(case.alias_of.as_ref()),
        aliases: case.aliases.keys().map(ToString::to_string).collect(),
        links: case
            .links
            .iter()
            .map(|(other, link)| v1::IncidentLink { other: other.to_string(), link: link.to_string() })
            .collect(),
        parties: case.parties.iter().map(party).collect(),
        superiors: case.superiors.iter().filter(|(_, part)| part.is_in()).map(|(org, _)| org.to_string()).collect(),
        obligations: case.ledger.iter().map(|(key, owed)| obligation_view(case.id, key, owed, shifts)).collect(),
        legal_moves: Vec::new(),
        proven: false,
    }
}

fn milestones(case: &Case, recipient: &Recipient) -> v1::Milestones {
    let reached = case.milestones();
    // A confirmation is a signature: its officer is shown to both sides.
    let shown = |milestone: &Milestone, is_signature: bool| {
        let by = milestone.by.as_ref();
        let officer = by.filter(|by| is_signature || recipient.is_own(&by.org)).and_then(|by| by.officer.as_ref());
        Some(v1::Milestone {
            mark: milestone.mark.to_string(),
            reach_time: milestone.at.map(timestamp),
            organisation: text(by.map(|by| &by.org)),
            officer: text(officer),
        })
    };
    v1::Milestones {
        received: shown(&reached.received, false),
        dispatched: shown(&reached.dispatched, false),
        handled: shown(&reached.handled, false),
        transferred: shown(&reached.transferred, false),
        signed_off: shown(&reached.signed_off, true),
        closed: shown(&reached.closed, false),
    }
}

/// One obligation; `shifts` say when each station's duty began.
#[must_use]
pub fn obligation_view(incident: IncidentId, key: &Key, owed: &Owed, shifts: &Shifts) -> v1::Obligation {
    v1::Obligation {
        incident: incident.to_string(),
        duty: key.duty.to_string(),
        scope: text(key.scope.as_ref()),
        by: key.by.as_ref().map(station_ref),
        role: owed.role.to_string(),
        since_time: Some(timestamp(owed.since)),
        due_time: Some(timestamp(owed.due)),
        rung: owed.rung.to_string(),
        climbs: owed.climbs,
        acknowledged: is_noticed(key, owed, shifts),
    }
}

fn alert((station, alert): (&StationRef, &Alert)) -> v1::IncidentAlert {
    let (answer, ours) = match &alert.answer {
        Some((answer, ours)) => (answer.to_string(), text(ours.as_ref())),
        None => (String::new(), String::new()),
    };
    v1::IncidentAlert {
        station: Some(station_ref(station)),
        alert_time: Some(timestamp(alert.at)),
        cause: alert.cause.to_string(),
        delivered_time: alert.delivered.map(timestamp),
        seen_time: alert.seen.map(timestamp),
        answer,
        ours,
    }
}

fn deployment(
    id: DeploymentId,
    sent: &Deployment,
    status: Option<&UnitStatus>,
    recipient: &Recipient,
) -> v1::Deployment {
    let crew = sent.crew.iter().filter(|_| recipient.is_own(&sent.of.org));
    v1::Deployment {
        id: id.to_string(),
        unit: sent.unit.to_string(),
        of: Some(station_ref(&sent.of)),
        status: text(status),
        support: text(sent.support.as_ref()),
        crew: crew.map(ToString::to_string).collect(),
    }
}

pub(super) fn handoff_ref(handoff: &Handoff) -> v1::HandoffRef {
    v1::HandoffRef {
        id: handoff.id.to_string(),
        number: handoff.number,
        state: handoff.state.name().to_string(),
        from: Some(station_ref(&handoff.from)),
        to: Some(station_ref(&handoff.to)),
    }
}

fn support((id, support): (&SupportId, &Support)) -> v1::Support {
    v1::Support {
        id: id.to_string(),
        from: Some(station_ref(&support.from)),
        to: Some(station_ref(&support.to)),
        request_time: Some(timestamp(support.at)),
        answer: text(support.answer.as_ref().map(|(answer, _)| answer)),
        answer_time: support.answer.as_ref().map(|(_, at)| timestamp(*at)),
        ended: support.ended,
    }
}

fn joint(joint: &Joint) -> v1::JointHandling {
    v1::JointHandling {
        id: joint.id.to_string(),
        declare_time: Some(timestamp(joint.at)),
        by: Some(station_ref(&joint.by)),
        with: Some(station_ref(&joint.with)),
        lead: Some(station_ref(&joint.lead)),
        acknowledged: joint.acknowledged,
        lead_asked: joint.lead_asked.as_ref().map(|(lead, ..)| station_ref(lead)),
        lead_asked_by: joint.lead_asked.as_ref().map(|(_, by, _)| station_ref(by)),
        end_proposed_by: joint.end_proposed.as_ref().map(|(by, ..)| station_ref(by)),
        end_refused: joint.end_proposed.as_ref().is_some_and(|(.., refused)| *refused),
        ended: joint.ended,
    }
}

/// The result loop of the case.
pub(super) fn case_result(case: &Case, result: &ResultLoop) -> v1::CaseResult {
    let mut view = v1::CaseResult {
        confirmer: case.confirmer().map(station_ref),
        reports: case.reports,
        ..v1::CaseResult::default()
    };
    match result {
        ResultLoop::Owed { since, first_word, contests } => {
            view.state = "TAKEN_OVER".to_owned();
            view.since_time = Some(timestamp(*since));
            view.last_word_time = first_word.map(timestamp);
            view.contests = *contests;
        }
        ResultLoop::Reported { at, by: _, contests, at_superior } => {
            view.state = "REPORTED".to_owned();
            view.since_time = Some(timestamp(*at));
            view.contests = *contests;
            view.superior_since_time = at_superior.map(timestamp);
        }
        ResultLoop::Confirmed { at, by: _, by_ruling, contests } => {
            view.state = "CONFIRMED".to_owned();
            view.since_time = Some(timestamp(*at));
            view.by_ruling = *by_ruling;
            view.contests = *contests;
        }
    }
    view
}

fn closure(closure: &Closure) -> v1::Closure {
    v1::Closure {
        close_time: Some(timestamp(closure.at)),
        code: closure.code.to_string(),
        told: closure.told.as_ref().map(|(told, _)| station_ref(told)),
        object_until_time: closure.told.as_ref().map(|(_, until)| timestamp(*until)),
        objected_by: closure.objection.as_ref().map(|(by, _)| station_ref(by)),
        objected_time: closure.objection.as_ref().map(|(_, at)| timestamp(*at)),
    }
}

fn merge(merge: &MergeProposal) -> v1::MergeProposal {
    v1::MergeProposal {
        other: merge.other.to_string(),
        survivor: merge.survivor.to_string(),
        by: Some(station_ref(&merge.by)),
        to: Some(station_ref(&merge.to)),
        propose_time: Some(timestamp(merge.at)),
    }
}

fn party((station, party): (&StationRef, &Party)) -> v1::Party {
    v1::Party { station: Some(station_ref(station)), since: party.since, until: party.until }
}
