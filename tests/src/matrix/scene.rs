//! Brings an incident to a state, by the moves that lead there, each made by whoever may.

use super::calls::request;
use super::cast::{Caller, World};
use super::methods::method;
use super::states::Seat;
use super::words::Identity;
use crate::play::id;
use anyhow::{Context, bail, ensure};
use handoff_client::api;
use prost::Message;

/// What a request about the incident has to name.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The incident.
    pub incident: String,
    /// The one handoff; an id of nothing where there is none.
    pub handoff: String,
    /// State of the handoff, `Expected.state` of moves about it.
    pub form_state: &'static str,
    /// Version of the form.
    pub version: u64,
    /// State of the incident.
    pub state: &'static str,
    /// State of the result, where one is owed.
    pub result: Option<&'static str>,
    /// Number of the custody.
    pub tenure: u64,
    /// The request for support.
    pub support: String,
    /// The period of joint handling.
    pub joint: String,
    /// The second incident.
    pub other: String,
    /// A's sending of its unit, and B's.
    pub deployments: [String; 2],
    /// Number of the entry to be struck: A's unit, or the intake where there is none.
    pub entry: u64,
    /// What is owed: duty, by whom, and whether it is about the handoff.
    pub owed: (&'static str, Seat, bool),
    /// The call came from B's ground.
    pub on_their_ground: bool,
    /// Status of the unit to be reported while the scene is set; afterwards a new unit is assigned.
    pub unit: Option<&'static str>,
    /// Digest of the statement both sides sign.
    pub statement: String,
    /// Every step is done: what is called now is a cell.
    pub is_set: bool,
}

/// What one step says, and by whom it is made.
type Step = (Seat, Identity, &'static str);

const A_SYSTEM: (Seat, Identity) = (Seat::A, Identity::Adapter);
const A_DUTY: (Seat, Identity) = (Seat::A, Identity::DutyOfficer);
const B_DUTY: (Seat, Identity) = (Seat::B, Identity::DutyOfficer);
const B_SYSTEM: (Seat, Identity) = (Seat::B, Identity::Adapter);

const fn by(who: (Seat, Identity), what: &'static str) -> Step {
    (who.0, who.1, what)
}

/// The steps into a state. `unit STATUS` reports a unit; the other words are methods.
fn steps(state: &str) -> Option<Vec<Step>> {
    let received = vec![by(A_SYSTEM, "Receive")];
    let on_scene = || [received.clone(), vec![by(A_SYSTEM, "unit ON_SCENE")]].concat();
    let then = |before: &str, more: &[Step]| Some([steps(before)?, more.to_vec()].concat());
    match state {
        "-" => Some(Vec::new()),
        "received" => Some(received),
        "alerted" => Some([on_scene(), vec![by(A_DUTY, "Alert")]].concat()),
        "claimed" => then("alerted", &[by(B_DUTY, "Claim")]),
        "offered" => Some([on_scene(), vec![by(A_DUTY, "Offer")]].concat()),
        "countered" => then("offered", &[by(B_DUTY, "Counter")]),
        "declined" => then("offered", &[by(B_DUTY, "Decline")]),
        "recalled" => then("offered", &[by(A_DUTY, "Recall")]),
        "agreed" => then("offered", &[by(B_SYSTEM, "unit EN_ROUTE"), by(B_DUTY, "Agree")]),
        "signed" => then("agreed", &[(Seat::A, Identity::Responder, "Sign"), (Seat::B, Identity::Responder, "Sign")]),
        "disputed" => then("declined", &[by(A_DUTY, "Revise"), by(B_DUTY, "Decline")]),
        "settling" => then("disputed", &[by(A_DUTY, "ProposeSettlement")]),
        "taken_over" => {
            then("signed", &[by(B_DUTY, "TakeOver"), by(B_SYSTEM, "unit ON_SCENE"), by(A_SYSTEM, "unit RELEASED")])
        }
        "handled" => then("taken_over", &[by(B_DUTY, "DeclareHandled")]),
        "reported" => then("handled", &[by(B_DUTY, "Report")]),
        "confirmed" => then("reported", &[by(A_DUTY, "Confirm")]),
        "closed" => then("confirmed", &[by(B_SYSTEM, "unit RELEASED"), by(B_DUTY, "Close")]),
        "told" => Some(
            [
                on_scene(),
                vec![
                    by(B_DUTY, "SeeAlert"),
                    by(A_DUTY, "DeclareHandled"),
                    by(A_SYSTEM, "unit RELEASED"),
                    by(A_DUTY, "Close"),
                ],
            ]
            .concat(),
        ),
        "support_asked" => Some([on_scene(), vec![by(A_DUTY, "RequestSupport")]].concat()),
        "support_lent" => then("support_asked", &[by(B_DUTY, "AnswerSupport")]),
        "joint" => Some([on_scene(), vec![by(A_DUTY, "DeclareJoint")]].concat()),
        "joint_asked" => then("joint", &[by(A_DUTY, "AskLead"), by(A_DUTY, "ProposeJointEnd")]),
        // B's call is about A's ground, so A is alerted by itself.
        "twin" => Some([on_scene(), vec![by(A_DUTY, "Alert"), by(B_SYSTEM, "other Receive")]].concat()),
        "merge_proposed" => then("twin", &[by(A_DUTY, "ProposeMerge")]),
        "merged" => then("merge_proposed", &[by(B_DUTY, "AnswerMerge")]),
        _ => None,
    }
}

impl Scene {
    /// Names for everything, before anything has happened.
    #[must_use]
    pub fn new(state: &str) -> Self {
        Self {
            incident: id(),
            handoff: id(),
            form_state: "OFFERED",
            version: 0,
            state: "RECEIVED",
            result: None,
            tenure: 1,
            support: id(),
            joint: id(),
            other: id(),
            deployments: [id(), id()],
            entry: 1,
            owed: match state {
                "offered" => ("decide", Seat::B, true),
                "declined" => ("answer_decline", Seat::A, true),
                _ => ("dispatch", Seat::A, false),
            },
            on_their_ground: state == "told",
            unit: None,
            statement: String::new(),
            is_set: false,
        }
    }

    /// An incident in a state of the matrix.
    ///
    /// # Errors
    /// The state is unknown, or a step into it was refused.
    pub async fn set(world: &World, state: &str) -> anyhow::Result<Self> {
        let mut scene = Self::new(state);
        for step in steps(state).with_context(|| format!("no way leads to {state}"))? {
            scene.step(world, step).await.with_context(|| format!("on the way to {state}: {step:?}"))?;
        }
        if scene.form_state == "AGREED" && scene.statement.is_empty() {
            scene.read_statement(world, Caller::new(Seat::A, Identity::Responder)).await?;
        }
        scene.is_set = true;
        Ok(scene)
    }

    async fn step(&mut self, world: &World, (seat, identity, what): Step) -> anyhow::Result<()> {
        let caller = Caller::new(seat, identity);
        let (name, other) = match what.split_once(' ') {
            Some(("unit", status)) => {
                self.unit = Some(status_word(status)?);
                ("ReportUnit", false)
            }
            Some(("other", name)) => (name, true),
            _ => (what, false),
        };
        if name == "Sign" && self.statement.is_empty() {
            self.read_statement(world, caller).await?;
        }
        let method = method(name).with_context(|| format!("no method {name}"))?;
        let shown = if other { Self { incident: self.other.clone(), ..self.clone() } } else { self.clone() };
        let bytes = request(method, &shown, caller)?;
        let answer = world.call(caller, &format!("{}/{name}", method.service), bytes).await;
        ensure!(answer.status.is_none(), "{}", answer.words());
        if !other {
            self.after(name, seat);
        }
        self.unit = None;
        Ok(())
    }

    /// What the step changed of what the next requests have to name.
    fn after(&mut self, name: &str, seat: Seat) {
        match name {
            "Claim" => self.form_state = "CLAIMED",
            "Offer" | "Revise" => (self.form_state, self.version) = ("OFFERED", self.version + 1),
            "Counter" => self.form_state = "COUNTERED",
            "Decline" => self.form_state = if self.version == 1 { "DECLINED" } else { "DISPUTED" },
            "Recall" => self.form_state = "RECALLED",
            "Agree" => self.form_state = "AGREED",
            "TakeOver" => {
                (self.form_state, self.tenure, self.result) = ("TAKEN_OVER", self.tenure + 1, Some("TAKEN_OVER"));
            }
            "DeclareJoint" => self.result = Some("TAKEN_OVER"),
            "Report" => (self.form_state, self.result) = ("REPORTED", Some("REPORTED")),
            "Confirm" => (self.form_state, self.result) = ("CONFIRMED", Some("CONFIRMED")),
            "ReportUnit" if self.unit == Some("ON_SCENE") => {
                self.state = "ON_SCENE";
                if seat == Seat::A {
                    // On B's ground the intake alerts B first.
                    self.entry = if self.on_their_ground { 3 } else { 2 };
                }
            }
            "DeclareHandled" => self.state = "HANDLED",
            "Close" => self.state = "CLOSED",
            _ => {}
        }
    }

    async fn read_statement(&mut self, world: &World, caller: Caller) -> anyhow::Result<()> {
        let method = method("GetStatement").context("the protocol shows statements")?;
        let answer = world.call(caller, "HandoffService/GetStatement", request(method, self, caller)?).await;
        ensure!(answer.status.is_none(), "{}", answer.words());
        self.statement = api::GetStatementResponse::decode(answer.message)?.digest;
        Ok(())
    }
}

fn status_word(status: &str) -> anyhow::Result<&'static str> {
    match ["EN_ROUTE", "ON_SCENE", "RELEASED"].into_iter().find(|known| *known == status) {
        Some(known) => Ok(known),
        None => bail!("no status {status}"),
    }
}
