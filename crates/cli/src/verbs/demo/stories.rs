//! Four cases: a transfer that completes, one declined and disputed, one joint, one left waiting for the visitor.

use super::stage::{Stage, id};
use crate::verbs::connect::told;
use anyhow::Context;
use handoff_client::api;

/// Plays all four; title and incident of each.
pub(crate) async fn play(stage: &Stage) -> anyhow::Result<Vec<(String, String)>> {
    Ok(vec![
        ("transferred, signed by both sides, confirmed, closed".to_owned(), completed(stage).await?),
        ("declined twice, disputed, ruled".to_owned(), disputed(stage).await?),
        ("handled jointly".to_owned(), joint(stage).await?),
        ("waiting for B's duty officer".to_owned(), waiting(stage).await?),
    ])
}

/// The case a person looks at before deciding, and the handoff on the table.
struct Seen {
    incident: api::Incident,
    handoff: Option<api::Handoff>,
}

impl Seen {
    async fn by(stage: &Stage, who: &str, incident: &str) -> anyhow::Result<Self> {
        let client = stage.who(who)?;
        let request = api::GetIncidentRequest { incident: incident.into() };
        let view = told(client.incidents().get_incident(request).await)?;
        let handoff = match view.handoffs.last() {
            Some(last) => {
                let request = api::GetHandoffRequest { incident: incident.into(), handoff: last.id.clone() };
                Some(told(client.handoffs().get_handoff(request).await)?)
            }
            None => None,
        };
        Ok(Self { incident: view, handoff })
    }

    fn handoff(&self) -> anyhow::Result<&api::Handoff> {
        self.handoff.as_ref().context("there is no handoff on the table")
    }

    /// What the officer saw, about the incident.
    fn expected(&self) -> Option<api::Expected> {
        Some(api::Expected {
            state: self.incident.state.clone(),
            form_version: None,
            tenure: Some(self.incident.tenure),
        })
    }

    /// What the officer saw, about the handoff.
    fn expected_form(&self) -> anyhow::Result<Option<api::Expected>> {
        let handoff = self.handoff()?;
        Ok(Some(api::Expected {
            state: handoff.state.clone(),
            form_version: Some(handoff.version),
            tenure: Some(self.incident.tenure),
        }))
    }

    /// What the officer saw, about the result.
    fn expected_result(&self) -> anyhow::Result<Option<api::Expected>> {
        let result = self.incident.result.as_ref().context("no result is owed")?;
        Ok(Some(api::Expected { state: result.state.clone(), form_version: None, tenure: Some(self.incident.tenure) }))
    }
}

async fn receive(stage: &Stage, latitude: f64, longitude: f64, narrative: &str) -> anyhow::Result<String> {
    let incident = id();
    let intake = api::Intake {
        channel: "PHONE".into(),
        kind: "emergency".into(),
        severity: "URGENT".into(),
        number: format!("A-{}", &incident[incident.len() - 6..]),
        place: Some(api::PlaceInput {
            datum: "WGS84".into(),
            latitude: Some(latitude),
            longitude: Some(longitude),
            precision_m: Some(5),
            address: "crossroads at the canal bridge".into(),
        }),
        caller: Some(api::CallerInput { phone: "+00 555 0100".into(), details: String::new() }),
        narrative: narrative.into(),
        ..Default::default()
    };
    let request = api::ReceiveRequest {
        request_id: id(),
        incident: incident.clone(),
        intake: Some(intake),
        ..Default::default()
    };
    told(stage.who("a-system")?.incidents().receive(request).await)?;
    Ok(incident)
}

async fn unit(
    stage: &Stage,
    who: &str,
    incident: &str,
    deployment: &str,
    unit: &str,
    status: &str,
    crew: &str,
) -> anyhow::Result<()> {
    let request = api::ReportUnitRequest {
        request_id: id(),
        incident: incident.into(),
        deployment: deployment.into(),
        unit: unit.into(),
        status: status.into(),
        crew: vec![crew.into()],
        ..Default::default()
    };
    told(stage.who(who)?.incidents().report_unit(request).await)?;
    Ok(())
}

async fn offer(stage: &Stage, incident: &str) -> anyhow::Result<String> {
    let seen = Seen::by(stage, "a-duty", incident).await?;
    let handoff = id();
    let form = api::FormInput {
        kind: "emergency".into(),
        severity: "URGENT".into(),
        place_unknown: true,
        measures: "scene secured, one lane closed".into(),
        risks: "fuel on the road".into(),
        callback: "+00 555 0100".into(),
        ..Default::default()
    };
    let request = api::OfferRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected(),
        handoff: handoff.clone(),
        to: "B-07".into(),
        basis: "UNIT_ASSIGNED".into(),
        form: Some(form),
        signer: Some(api::Signer { officer: "a-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    told(stage.who("a-duty")?.handoffs().offer(request).await)?;
    Ok(handoff)
}

/// B's dispatch system takes its feed in: alerts and offers are *delivered*.
async fn take_in(stage: &Stage) -> anyhow::Result<()> {
    let client = stage.who("b-system")?;
    let position = told(client.feed().get_position(api::GetPositionRequest {}).await)?;
    let head = position.head_number;
    let mut watch = handoff_client::Watch::from_token(client.clone(), position.resume_token);
    loop {
        let batch = watch.next().await?;
        if batch.entries.last().is_some_and(|entry| entry.number >= head) {
            break;
        }
    }
    watch.commit().await.map_err(|status| anyhow::anyhow!(handoff_client::explain(&status)))
}

async fn see(stage: &Stage, incident: &str, handoff: &str) -> anyhow::Result<()> {
    let client = stage.who("b-duty")?;
    let alert = api::SeeAlertRequest { request_id: id(), incident: incident.into(), ..Default::default() };
    told(client.incidents().see_alert(alert).await)?;
    let request = api::SeeRequest {
        request_id: id(),
        incident: incident.into(),
        handoff: handoff.into(),
        version: 1,
        ..Default::default()
    };
    told(client.handoffs().see(request).await)?;
    Ok(())
}

async fn sign(stage: &Stage, who: &str, incident: &str, handoff: &str) -> anyhow::Result<()> {
    let client = stage.who(who)?;
    let seen = Seen::by(stage, who, incident).await?;
    let asked = api::GetStatementRequest {
        incident: incident.into(),
        action: "transfer".into(),
        handoff: handoff.into(),
        ..Default::default()
    };
    let statement = told(client.handoffs().get_statement(asked).await)?;
    let request = api::SignRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected_form()?,
        handoff: handoff.into(),
        version: seen.handoff()?.version,
        level: "attested".into(),
        statement: statement.digest,
        language: "en".into(),
        ..Default::default()
    };
    told(client.handoffs().sign(request).await)?;
    Ok(())
}

async fn begin(stage: &Stage, narrative: &str) -> anyhow::Result<(String, String)> {
    let incident = receive(stage, 44.1, 86.35, narrative).await?;
    let deployment = id();
    unit(stage, "a-system", &incident, &deployment, "A-01-U1", "ASSIGNED", "a-resp").await?;
    unit(stage, "a-system", &incident, &deployment, "A-01-U1", "ON_SCENE", "a-resp").await?;
    let handoff = offer(stage, &incident).await?;
    Ok((incident, handoff))
}

async fn completed(stage: &Stage) -> anyhow::Result<String> {
    let (incident, handoff) = begin(stage, "two cars collided, one person hurt").await?;
    take_in(stage).await?;
    see(stage, &incident, &handoff).await?;
    let deployment = id();
    unit(stage, "b-system", &incident, &deployment, "B-07-U1", "ON_SCENE", "b-resp").await?;
    agree(stage, &incident, &handoff).await?;
    sign(stage, "a-responder", &incident, &handoff).await?;
    sign(stage, "b-responder", &incident, &handoff).await?;
    let duty = stage.who("b-duty")?;
    let seen = Seen::by(stage, "b-duty", &incident).await?;
    let request = api::TakeOverRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen.expected_form()?,
        handoff: handoff.clone(),
        version: 1,
        ..Default::default()
    };
    told(duty.handoffs().take_over(request).await)?;
    result(stage, "b-duty", "a-duty", &incident).await?;
    Ok(incident)
}

async fn agree(stage: &Stage, incident: &str, handoff: &str) -> anyhow::Result<()> {
    let seen = Seen::by(stage, "b-duty", incident).await?;
    let request = api::AgreeRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected_form()?,
        handoff: handoff.into(),
        version: 1,
        number: "B-2031".into(),
        signer: Some(api::Signer { officer: "b-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    told(stage.who("b-duty")?.handoffs().agree(request).await)?;
    Ok(())
}

/// Handled, reported by the custodian, confirmed by the other side, closed.
async fn result(stage: &Stage, custodian: &str, confirmer: &str, incident: &str) -> anyhow::Result<()> {
    let client = stage.who(custodian)?;
    let seen = Seen::by(stage, custodian, incident).await?;
    let request = api::DeclareHandledRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected(),
        result: "road cleared, one person taken to hospital".into(),
        ..Default::default()
    };
    told(client.incidents().declare_handled(request).await)?;
    let seen = Seen::by(stage, custodian, incident).await?;
    let request = api::ReportRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected_result()?,
        code: "DONE".into(),
        result: "no further measures".into(),
        level: "attested".into(),
        ..Default::default()
    };
    told(client.handoffs().report(request).await)?;
    let seen = Seen::by(stage, confirmer, incident).await?;
    let request = api::ConfirmRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected_result()?,
        report: seen.incident.result.as_ref().map_or(0, |result| result.reports),
        level: "attested".into(),
        ..Default::default()
    };
    told(stage.who(confirmer)?.handoffs().confirm(request).await)?;
    let seen = Seen::by(stage, custodian, incident).await?;
    let request = api::CloseRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected(),
        code: "DONE".into(),
        ..Default::default()
    };
    told(client.incidents().close(request).await)?;
    Ok(())
}

async fn decline(stage: &Stage, incident: &str, handoff: &str, version: u64) -> anyhow::Result<()> {
    let seen = Seen::by(stage, "b-duty", incident).await?;
    let request = api::DeclineRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen.expected_form()?,
        handoff: handoff.into(),
        version,
        code: "NOT_OUR_MATTER".into(),
        note: "a matter for the corps".into(),
        ..Default::default()
    };
    told(stage.who("b-duty")?.handoffs().decline(request).await)?;
    Ok(())
}

async fn disputed(stage: &Stage) -> anyhow::Result<String> {
    let (incident, handoff) = begin(stage, "a fight at the market gate").await?;
    take_in(stage).await?;
    see(stage, &incident, &handoff).await?;
    decline(stage, &incident, &handoff, 1).await?;
    let seen = Seen::by(stage, "a-duty", &incident).await?;
    let form = api::FormInput {
        kind: "emergency".into(),
        severity: "NORMAL".into(),
        place_unknown: true,
        measures: "parties separated".into(),
        risks: "none known".into(),
        ..Default::default()
    };
    let request = api::ReviseRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen.expected_form()?,
        handoff: handoff.clone(),
        form: Some(form),
        ..Default::default()
    };
    told(stage.who("a-duty")?.handoffs().revise(request).await)?;
    decline(stage, &incident, &handoff, 2).await?;
    let seen = Seen::by(stage, "superior", &incident).await?;
    let request = api::RuleRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen.expected_form()?,
        handoff,
        ruling: "KEPT".into(),
        reasons: "the market belongs to the corps".into(),
        level: "attested".into(),
        ..Default::default()
    };
    told(stage.who("superior")?.handoffs().rule(request).await)?;
    Ok(incident)
}

async fn joint(stage: &Stage) -> anyhow::Result<String> {
    let incident = receive(stage, 44.1, 86.2, "fire in the warehouse on the border").await?;
    let (first, second) = (id(), id());
    unit(stage, "a-system", &incident, &first, "A-01-U2", "ON_SCENE", "a-resp").await?;
    take_in(stage).await?;
    let duty = stage.who("b-duty")?;
    let alert = api::SeeAlertRequest { request_id: id(), incident: incident.clone(), ..Default::default() };
    told(duty.incidents().see_alert(alert).await)?;
    unit(stage, "b-system", &incident, &second, "B-07-U2", "ON_SCENE", "b-resp").await?;
    let seen = Seen::by(stage, "a-duty", &incident).await?;
    let joint = id();
    let request = api::DeclareJointRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen.expected(),
        joint: joint.clone(),
        with: "B-07".into(),
        lead: "A-01".into(),
        code: "MAJOR".into(),
        ..Default::default()
    };
    told(stage.who("a-duty")?.incidents().declare_joint(request).await)?;
    let request =
        api::AcknowledgeJointRequest { request_id: id(), incident: incident.clone(), joint, ..Default::default() };
    told(duty.incidents().acknowledge_joint(request).await)?;
    result(stage, "a-duty", "b-duty", &incident).await?;
    Ok(incident)
}

async fn waiting(stage: &Stage) -> anyhow::Result<String> {
    let (incident, _) = begin(stage, "a lorry lost its load").await?;
    take_in(stage).await?;
    Ok(incident)
}
