//! The case that is disputed: offered, countered, revised, declined twice, with a settlement proposed, ruled by the
//! superior of the two.

use super::{A_DUTY, A_SYSTEM, B_DUTY, B_SYSTEM, Case, full_intake};
use crate::matrix::cast::Caller;
use crate::matrix::states::Seat;
use crate::matrix::words::Identity;
use crate::play::{form, id, seat};
use crate::projection::look::Look;
use handoff_client::api;

pub(super) async fn play(look: &mut Look<'_>) -> anyhow::Result<()> {
    let (case, twin) = (Case::new(), Case::new());
    look.names.name(&case.incident, "disputed");
    look.names.name(&case.handoff, "handoff of disputed");
    look.names.name(&twin.incident, "twin of disputed");
    look.receive(B_SYSTEM, &twin, full_intake(true)).await?;
    look.receive(A_SYSTEM, &case, full_intake(true)).await?;
    look.unit(A_SYSTEM, &case, "ON_SCENE", &id(), "").await?;
    offer(look, &case).await?;
    counter(look, &case).await?;
    look.handoff("1 countered", &case).await?;
    revise(look, &case).await?;
    decline(look, &case, 2, &twin).await?;
    look.handoff("2 declined", &case).await?;
    look.incident("1 declined", &case).await?;
    revise(look, &case).await?;
    decline(look, &case, 3, &twin).await?;
    dispute(look, &case).await?;
    look.handoff("3 disputed", &case).await?;
    look.incident("2 disputed", &case).await?;
    rule(look, &case).await?;
    look.handoff("4 ruled", &case).await?;
    look.incident("3 ruled", &case).await?;
    look.trace("disputed", &case.incident).await
}

fn signer() -> Option<api::Signer> {
    Some(api::Signer { officer: "a-resp".into(), substitute: String::new() })
}

async fn offer(look: &Look<'_>, case: &Case) -> anyhow::Result<()> {
    let request = api::OfferRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_incident(A_DUTY, case).await?,
        handoff: case.handoff.clone(),
        to: "B-07".into(),
        basis: "UNIT_ASSIGNED".into(),
        form: Some(form()),
        signer: signer(),
        ..Default::default()
    };
    look.make(A_DUTY, "HandoffService/Offer", &request).await.map(drop)
}

async fn counter(look: &Look<'_>, case: &Case) -> anyhow::Result<()> {
    let request = api::CounterRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_form(B_DUTY, case).await?,
        handoff: case.handoff.clone(),
        version: 1,
        code: "SCENE_NOT_SECURED".into(),
        note: "who stays there?".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/Counter", &request).await.map(drop)
}

async fn revise(look: &Look<'_>, case: &Case) -> anyhow::Result<()> {
    let request = api::ReviseRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_form(A_DUTY, case).await?,
        handoff: case.handoff.clone(),
        form: Some(form()),
        signer: signer(),
        ..Default::default()
    };
    look.make(A_DUTY, "HandoffService/Revise", &request).await.map(drop)
}

async fn decline(look: &Look<'_>, case: &Case, version: u64, twin: &Case) -> anyhow::Result<()> {
    let request = api::DeclineRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_form(B_DUTY, case).await?,
        handoff: case.handoff.clone(),
        version,
        code: "DUPLICATE_OF".into(),
        owner: Some(seat("A", "A-01")),
        duplicate_of: twin.incident.clone(),
        note: "you have it twice".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/Decline", &request).await.map(drop)
}

async fn dispute(look: &Look<'_>, case: &Case) -> anyhow::Result<()> {
    for who in [A_DUTY, B_DUTY] {
        let request = api::StatePositionRequest {
            request_id: id(),
            incident: case.incident.clone(),
            handoff: case.handoff.clone(),
            position: "it is not ours".into(),
            ..Default::default()
        };
        look.make(who, "HandoffService/StatePosition", &request).await?;
    }
    let request = api::ProposeSettlementRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_form(A_DUTY, case).await?,
        handoff: case.handoff.clone(),
        outcome: "KEPT".into(),
        note: "we keep it".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "HandoffService/ProposeSettlement", &request).await.map(drop)
}

async fn rule(look: &Look<'_>, case: &Case) -> anyhow::Result<()> {
    let superior = Caller::new(Seat::A, Identity::Superior);
    let request = api::RuleRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_form(superior, case).await?,
        handoff: case.handoff.clone(),
        ruling: "AGREED".into(),
        reasons: "it lies on B's ground".into(),
        ..Default::default()
    };
    look.make(superior, "HandoffService/Rule", &request).await.map(drop)
}
