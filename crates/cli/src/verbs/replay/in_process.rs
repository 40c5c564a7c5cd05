//! `--simulate`: the engine inside this process, on a clock that follows the recorded times. Between two commands
//! the clock stops wherever an obligation comes due, so that escalations happen when they would.

use super::call::Spot;
use super::drive::{Away, Drive, Outcome, Receipt};
use super::setup::Setup;
use super::step::{Move, OfferForm, REPORT, Step};
use handoff_domain::Digests;
use handoff_domain::caller::Actor;
use handoff_domain::command::{Act, AgreeParts, Command, Expected, Receive, Sign, SignParts};
use handoff_domain::decide::Statement;
use handoff_domain::event::handoff::{Delivered, FeedbackGiven, OfferBasis, Seen};
use handoff_domain::event::incident::{
    AlertAnswered, Handled, JointAcknowledged, JointEndAnswered, JointEndProposed, Noted, SupportAnswered, SupportEnded,
};
use handoff_domain::form::{Form, FormTimes};
use handoff_domain::ids::{Digest, HandoffId};
use handoff_domain::refusal::Reason;
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Place};
use handoff_engine::answer::{Answer, Done};
use handoff_engine::clock::ManualClock;
use handoff_engine::deadlines::{RAISED_AT_ONCE_MAX, raise_due};
use handoff_engine::ground::QueryPoint;
use handoff_engine::memory::Hashes;
use handoff_engine::sealing::Sealing;
use handoff_engine::{Beside, Engine, NoAnswer, Reply, Task};
use std::sync::Arc;

/// Grid of the point that stays in clear: 0.01 degrees, the default of an agreement.
const GRID7: u64 = 100_000;
/// Looks at what is due before one command, at most; each raises as many as one look of the service does.
const LOOKS_MAX: u32 = 10_000;

/// An engine in this process.
pub struct InProcess {
    engine: Engine,
    clock: Arc<ManualClock>,
}

fn away(why: impl std::fmt::Display) -> Away {
    Away { why: why.to_string() }
}

impl InProcess {
    /// Drives an engine that runs on this clock.
    #[must_use]
    pub fn new(engine: Engine, clock: Arc<ManualClock>) -> Self {
        Self { engine, clock }
    }

    /// The digest of the statement this signer is shown, or what the signature comes to where there is none.
    async fn statement(&self, step: &Step, handoff: HandoffId) -> Result<Result<Digest, Outcome>, Away> {
        let entry = self.engine.entry(step.incident).await.map_err(away)?;
        let refused = |reason: Reason, state: Option<String>| {
            Ok(Err(Outcome::Refused { reason: reason.as_str().to_owned(), state }))
        };
        let Some(entry) = entry else { return refused(Reason::IncidentNotFound, None) };
        let Some(form) = entry.case.handoff(handoff) else { return refused(Reason::HandoffNotFound, None) };
        if form.state.result().is_some() {
            // Nothing is taken over without both signatures: an earlier start of the run has given them.
            return Ok(Err(Outcome::Repeated(None)));
        }
        if form.agreed().is_none() {
            return refused(Reason::MoveNotLegal, Some(form.state.name().as_str().to_owned()));
        }
        let caller = step.party.caller();
        let role = *caller.roles.first().ok_or_else(|| away("a party without a role"))?;
        let signer = Actor { org: caller.org, station: caller.station, officer: caller.officer, role, reg: None };
        let hashes = Hashes { entry: Some(&entry) };
        Ok(Ok(hashes.statement(&entry.case, &signer, Statement::Transfer(form))))
    }
}

impl Drive for InProcess {
    async fn order(&self, setup: &Setup, map: Option<&Arc<[u8]>>) -> Result<Outcome, Away> {
        let content = format!("{:?} {:?}", setup.party, setup.order).into_bytes();
        let beside = match (&setup.order, map) {
            (handoff_domain::command::Order::PublishMap(is), Some(bytes)) => {
                Some(Beside::Map(is.map.clone(), is.digest, bytes.clone()))
            }
            (_, _) => None,
        };
        let task = Task::Directory { order: setup.order.clone(), claimed_at: None, beside };
        let caller = setup.party.caller();
        outcome(self.engine.submit(caller, setup.request, content, task, Vec::new(), None).await)
    }

    async fn submit(&self, step: &Step) -> Result<Outcome, Away> {
        let statement = match &step.what {
            Move::Sign { handoff } => match self.statement(step, *handoff).await? {
                Ok(statement) => Some(statement),
                Err(outcome) => return Ok(outcome),
            },
            _ => None,
        };
        let mut sealing = Sealing::new();
        let act = act(&step.what, statement, &mut sealing).ok_or_else(|| away("a signature without a statement"))?;
        let disclosures = sealing.finish().map_err(|paths| away(format!("not sealable: {}", paths.join(", "))))?;
        let expected = step.saw.map_or_else(Expected::default, |saw| Expected {
            state: Some(saw.state.to_owned()),
            form_version: saw.form_version,
            tenure: Some(saw.tenure),
        });
        let claimed_at = step.claimed_at;
        let command = Command { incident: step.incident, expected, claimed_at, acting_for: None, act };
        // Salts differ from try to try; what was asked does not.
        let content = format!("{:?} {:?} {claimed_at:?} {:?}", step.party, step.saw, step.what).into_bytes();
        let (caller, task) = (step.party.caller(), Task::Incident(command));
        let answered = self.engine.submit(caller, step.request, content, task, disclosures, point(&step.what)).await;
        outcome(answered)
    }

    async fn reach(&self, at: Millis) -> Result<(), Away> {
        for _ in 0..LOOKS_MAX {
            let due = self.engine.reader().due_obligations(at.plus(-1), 1).await.map_err(away)?;
            let Some(first) = due.first() else { break };
            // Due is the last moment in time; a millisecond later it is overdue.
            self.clock.advance_to(first.due.plus(1));
            let now = handoff_engine::clock::Clock::now(self.clock.as_ref());
            let mut raised = raise_due(&self.engine, now).await.map_err(away)?;
            while raised == RAISED_AT_ONCE_MAX as usize {
                raised = raise_due(&self.engine, now).await.map_err(away)?;
            }
        }
        self.clock.advance_to(at);
        Ok(())
    }

    fn follows_the_plan(&self) -> bool {
        true
    }
}

fn outcome(answered: Result<Reply, NoAnswer>) -> Result<Outcome, Away> {
    match answered {
        Ok(Reply { answer: Answer::Done(done), replayed, .. }) => {
            let Done { position, version, hash, .. } = done;
            let receipt = Receipt { position, version, event_hash: hash.to_string() };
            Ok(if replayed { Outcome::Repeated(Some(receipt)) } else { Outcome::Done(receipt) })
        }
        Ok(Reply { answer: Answer::Refused(refusal), .. }) => {
            Ok(Outcome::Refused { reason: refusal.reason.as_str().to_owned(), state: refusal.state.map(str::to_owned) })
        }
        Err(NoAnswer::Reused) => Ok(Outcome::Refused { reason: "REQUEST_ID_REUSED".to_owned(), state: None }),
        Err(error @ (NoAnswer::Unknown | NoAnswer::NotAccepted(_))) => Err(away(error)),
    }
}

/// The exact point the map is asked for; it lives no longer than the question.
fn point(what: &Move) -> Option<QueryPoint> {
    let Move::Receive { spot, .. } = what else { return None };
    let (lat7, lon7) = spot.point?;
    Some(QueryPoint { lat7, lon7, datum: spot.datum.clone(), precision_m: 0 })
}

fn place(spot: &Spot, path: &str, sealing: &mut Sealing) -> Place {
    let round = |value: u64| value.saturating_add(GRID7 / 2) / GRID7 * GRID7;
    Place {
        crs: Label::new(&spot.datum),
        lat7: spot.point.map(|(lat7, _)| round(lat7)),
        lon7: spot.point.map(|(_, lon7)| round(lon7)),
        point: spot.point.map(|(lat7, lon7)| sealing.point(&format!("{path}.point"), lat7, lon7)),
        precision_m: None,
        address: spot.address.as_ref().map(|address| sealing.text(&format!("{path}.address"), address)),
        territory: None,
    }
}

fn form(form: &OfferForm, sealing: &mut Sealing) -> Form {
    let place = place(&form.spot, "form.place", sealing);
    let known = form.spot.point.is_some() || form.spot.address.is_some();
    Form {
        kind: Some(form.kind.clone()),
        severity: form.severity,
        category: form.category.clone(),
        number: form.number.clone(),
        times: Some(FormTimes {
            occurred: None,
            reported: form.reported,
            dispatched: form.dispatched,
            arrived: form.arrived,
            handled: None,
            uncertainty_ms: None,
        }),
        place: known.then_some(place),
        place_unknown: !known,
        legal_ground: None,
        measures: Some(sealing.text("form.measures", &form.measures)),
        risks: Some(sealing.text("form.risks", &form.risks)),
        items: Vec::new(),
        people: Vec::new(),
        annex: None,
        units: Vec::new(),
        callback: None,
    }
}

fn act(what: &Move, statement: Option<Digest>, sealing: &mut Sealing) -> Option<Act> {
    of_incident(what, sealing).or_else(|| of_handoff(what, statement, sealing))
}

fn of_incident(what: &Move, sealing: &mut Sealing) -> Option<Act> {
    Some(match what.clone() {
        Move::Receive { kind, severity, category, number, spot, flags } => Act::Receive(Receive {
            channel: Label::new("PHONE"),
            kind,
            severity,
            category,
            number,
            place: Some(place(&spot, "place", sealing)),
            flags,
            ..Receive::default()
        }),
        Move::Alert { to } => Act::Alert { to },
        Move::DeliverAlert { to } => Act::DeliverAlert { to },
        Move::SeeAlert => Act::SeeAlert,
        Move::AnswerAlert { answer } => Act::AnswerAlert(AlertAnswered { answer, ours: None, note: None }),
        Move::Unit { deployment, unit, status, crew, support } => {
            Act::ReportUnit { deployment, unit, of: None, status, crew, support }
        }
        Move::Note { code, flags } => Act::Note(Noted { text: None, code: Some(code), handoff: None, flags }),
        Move::RequestSupport { support, to, skills, count } => {
            Act::RequestSupport { support, to, skills, count, note: None }
        }
        Move::AnswerSupport { support, answer } => {
            Act::AnswerSupport(SupportAnswered { support, answer, code: None, eta: None, note: None })
        }
        Move::EndSupport { support, code } => Act::EndSupport(SupportEnded { support, code }),
        Move::DeclareJoint { joint, with, lead, code } => Act::DeclareJoint { joint, with, lead, code },
        Move::AcknowledgeJoint { joint } => Act::AcknowledgeJoint(JointAcknowledged { joint }),
        Move::ProposeJointEnd { joint, code } => Act::ProposeJointEnd(JointEndProposed { joint, code, note: None }),
        Move::AgreeJointEnd { joint } => {
            Act::AnswerJointEnd(JointEndAnswered { joint, yes: true, code: None, note: None })
        }
        Move::DeclareHandled { code } => Act::DeclareHandled(Handled { code, referred_to: None, result: None }),
        Move::Close { code } => Act::Close { code, case_number: None },
        Move::Offer { .. }
        | Move::Deliver { .. }
        | Move::See { .. }
        | Move::Agree { .. }
        | Move::Sign { .. }
        | Move::TakeOver { .. }
        | Move::Word { .. }
        | Move::Report { .. }
        | Move::Confirm => return None,
    })
}

fn of_handoff(what: &Move, statement: Option<Digest>, sealing: &mut Sealing) -> Option<Act> {
    const VERSION: u64 = 1;
    Some(match what.clone() {
        Move::Offer { handoff, to, form: offered } => {
            let (form, basis) = (form(&offered, sealing), OfferBasis::UnitAssigned);
            Act::Offer { handoff, to, basis, form, signer: None, parent: None, paper: None }
        }
        Move::Deliver { handoff } => Act::Deliver(Delivered { handoff, version: VERSION }),
        Move::See { handoff } => Act::See(Seen { handoff, version: VERSION }),
        Move::Agree { handoff, number } => {
            Act::Agree { handoff, version: VERSION, parts: AgreeParts { number, ..AgreeParts::default() } }
        }
        Move::Sign { handoff } => {
            let (level, statement) = (Level::Attested, statement?);
            let parts = SignParts { level, statement, signature: None, lang: None, template: None, paper: None };
            Act::Sign { handoff, version: VERSION, parts }
        }
        Move::TakeOver { handoff } => Act::TakeOver { handoff, version: VERSION, paper: None },
        Move::Word { code } => Act::GiveFeedback(FeedbackGiven { code, text: None }),
        Move::Report { code, result } => {
            let result = Some(sealing.text("result", &result));
            Act::Report { code, case_number: None, result, sign: Sign::ATTESTED }
        }
        Move::Confirm => Act::Confirm { report: REPORT, sign: Sign::ATTESTED },
        Move::Receive { .. }
        | Move::Alert { .. }
        | Move::DeliverAlert { .. }
        | Move::SeeAlert
        | Move::AnswerAlert { .. }
        | Move::Unit { .. }
        | Move::Note { .. }
        | Move::RequestSupport { .. }
        | Move::AnswerSupport { .. }
        | Move::EndSupport { .. }
        | Move::DeclareJoint { .. }
        | Move::AcknowledgeJoint { .. }
        | Move::ProposeJointEnd { .. }
        | Move::AgreeJointEnd { .. }
        | Move::DeclareHandled { .. }
        | Move::Close { .. } => return None,
    })
}
