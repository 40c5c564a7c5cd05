//! A handoff with its form.

use super::Disclosed;
use super::incident::case_result;
use super::values::{caller_text, category, map_ref, place, sealed_text, signer, station_ref, terms, text, timestamp};
use crate::v1;
use handoff_domain::case::Case;
use handoff_domain::case::handoff::{AgreedForm, Dispute, Handoff, HandoffState, Signature};
use handoff_domain::form::{Form, FormItem, FormTimes};
use handoff_domain::values::b64url;

/// A handoff of a case as a reader sees it whose openings are given. `legal_moves` is left empty: it depends on the
/// caller. Signers stand on the form and are shown to both sides.
#[must_use]
pub fn handoff_view(case: &Case, handoff: &Handoff, disclosed: &dyn Disclosed) -> v1::Handoff {
    let mut view = v1::Handoff {
        id: handoff.id.to_string(),
        incident: case.id.to_string(),
        incident_version: case.version,
        number: handoff.number,
        state: handoff.state.name().to_string(),
        version: handoff.version,
        from: Some(station_ref(&handoff.from)),
        to: Some(station_ref(&handoff.to)),
        parent: text(handoff.parent.as_ref()),
        basis: text(handoff.basis.as_ref()),
        form: handoff.form.as_ref().map(|on_table| form(on_table, disclosed)),
        first_offer_time: handoff.first_offer.map(timestamp),
        delivered_time: handoff.lamps.delivered.map(timestamp),
        seen_time: handoff.lamps.seen.map(timestamp),
        stand_by_time: handoff.stand_by.map(|(asked, _)| timestamp(asked)),
        stand_by_until_time: handoff.stand_by.map(|(_, until)| timestamp(until)),
        from_signer: handoff.from_signer.as_ref().map(signer),
        to_signer: handoff.to_signer.as_ref().map(signer),
        refusals: handoff
            .refusals
            .iter()
            .map(|(side, code)| v1::SignerRefusal { side: Some(station_ref(side)), code: code.to_string() })
            .collect(),
        map: handoff.map.as_ref().map(map_ref),
        terms: handoff.terms.as_ref().map(terms),
        ..v1::Handoff::default()
    };
    state(&mut view, case, &handoff.state);
    view
}

/// The facts of the state.
fn state(view: &mut v1::Handoff, case: &Case, state: &HandoffState) {
    match state {
        HandoffState::Claimed { at, refused } => {
            let (claim_time, refused_time) = (Some(timestamp(*at)), refused.map(timestamp));
            view.claim = Some(v1::HandoffClaim { claim_time, refused_time });
        }
        HandoffState::Countered { at, code } => {
            view.counter = Some(v1::HandoffCounter { counter_time: Some(timestamp(*at)), code: code.to_string() });
        }
        HandoffState::Declined { at, code, duplicate_of } => {
            view.decline = Some(v1::HandoffDecline {
                decline_time: Some(timestamp(*at)),
                code: code.to_string(),
                duplicate_of: text(duplicate_of.as_ref()),
            });
        }
        HandoffState::Agreed(agreed) => view.agreement = Some(agreement(agreed)),
        HandoffState::Disputed(is) => view.dispute = Some(dispute(is)),
        HandoffState::Recalled { at, received } => {
            view.recall = Some(v1::HandoffRecall { recall_time: Some(timestamp(*at)), received: *received });
        }
        HandoffState::TakenOver { at, by_order, agreed, result } => {
            view.agreement = agreed.as_ref().map(agreement);
            view.takeover = Some(v1::HandoffTakeover {
                take_over_time: Some(timestamp(*at)),
                by_order: *by_order,
                result: Some(case_result(case, result)),
            });
        }
        HandoffState::Offered | HandoffState::Kept | HandoffState::PassedOn => {}
    }
}

fn agreement(agreed: &AgreedForm) -> v1::HandoffAgreement {
    v1::HandoffAgreement {
        agree_time: Some(timestamp(agreed.at)),
        expire_time: Some(timestamp(agreed.exp)),
        entry: agreed.seq,
        form_digest: agreed.form_digest.to_string(),
        nonce: b64url(&agreed.nonce.0),
        level: agreed.level.to_string(),
        by_ruling: agreed.by_ruling,
        number: text(agreed.number.as_ref()),
        category: agreed.category.as_ref().map(category),
        from_signature: agreed.from_signed.as_ref().map(signature),
        to_signature: agreed.to_signed.as_ref().map(signature),
    }
}

fn signature(signature: &Signature) -> v1::HandoffSignature {
    match signature {
        Signature::Officer { officer, at, level, substitute, key: _ } => v1::HandoffSignature {
            sign_time: Some(timestamp(*at)),
            by_ruling: false,
            officer: officer.to_string(),
            level: level.to_string(),
            substitute: text(substitute.as_ref()),
        },
        Signature::ByRuling { at } => {
            v1::HandoffSignature { sign_time: Some(timestamp(*at)), by_ruling: true, ..v1::HandoffSignature::default() }
        }
    }
}

fn dispute(dispute: &Dispute) -> v1::HandoffDispute {
    v1::HandoffDispute {
        dispute_time: Some(timestamp(dispute.at)),
        code: dispute.code.to_string(),
        by: dispute.by.as_ref().map(station_ref),
        stated: dispute.stated.iter().map(station_ref).collect(),
        settlement_by: dispute.proposal.as_ref().map(|(by, _)| station_ref(by)),
        settlement: text(dispute.proposal.as_ref().map(|(_, outcome)| outcome)),
    }
}

fn form(form: &Form, disclosed: &dyn Disclosed) -> v1::Form {
    let open = |sealed: &handoff_domain::values::Sealed| sealed_text(sealed, disclosed);
    v1::Form {
        kind: text(form.kind.as_ref()),
        severity: form.severity.to_string(),
        category: form.category.as_ref().map(category),
        number: text(form.number.as_ref()),
        times: form.times.as_ref().map(form_times),
        place: form.place.as_ref().map(|at| place(0, at, disclosed)),
        place_unknown: form.place_unknown,
        legal_ground: form.legal_ground.as_ref().map(open),
        measures: form.measures.as_ref().map(open),
        risks: form.risks.as_ref().map(open),
        items: form.items.iter().map(|item| form_item(item, disclosed)).collect(),
        people: form
            .people
            .iter()
            .map(|people| v1::FormPeople {
                status: people.status.to_string(),
                count: u32::try_from(people.count).unwrap_or(u32::MAX),
            })
            .collect(),
        annex: text(form.annex.as_ref()),
        units: form
            .units
            .iter()
            .map(|unit| v1::FormUnit {
                unit: unit.unit.to_string(),
                of: Some(station_ref(&unit.of)),
                stays: unit.stays,
            })
            .collect(),
        callback: form.callback.as_ref().map(|sealed| caller_text(sealed, disclosed)),
    }
}

fn form_item(item: &FormItem, disclosed: &dyn Disclosed) -> v1::FormItem {
    v1::FormItem {
        kind: item.kind.to_string(),
        count: item.count,
        digest: text(item.digest.as_ref()),
        note: item.note.as_ref().map(|note| sealed_text(note, disclosed)),
    }
}

fn form_times(times: &FormTimes) -> v1::FormTimes {
    v1::FormTimes {
        occurred_time: times.occurred.map(timestamp),
        reported_time: times.reported.map(timestamp),
        dispatched_time: times.dispatched.map(timestamp),
        arrived_time: times.arrived.map(timestamp),
        handled_time: times.handled.map(timestamp),
        uncertainty_ms: times.uncertainty_ms,
    }
}
