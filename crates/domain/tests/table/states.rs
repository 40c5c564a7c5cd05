//! How a case gets into each state the grids have rows for, by legal moves alone.

use crate::moves::{JOINT, act, crewed};
use crate::world::{A_DUTY, B_DUTY, INCIDENT, Play, SECOND, SUPPORT, Side, Who, code};
use handoff_domain::caller::Role;
use handoff_domain::case::Case;
use handoff_domain::case::handoff::HandoffState;
use handoff_domain::command::{Act, Receive};
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::time::HOUR;
use handoff_domain::timers::Duty;
use handoff_domain::values::Severity;

/// The incident alone. *at superior*: nobody went, and the duty to send somebody has climbed to the common superior.
pub(crate) const INCIDENT_STATES: &[&str] =
    &["RECEIVED", "RECEIVED at superior", "DISPATCHED", "ON_SCENE", "HANDLED", "CLOSED"];

/// A handoff on an incident that is ON_SCENE with a unit of each side, unless the name says otherwise.
pub(crate) const HANDOFF_STATES: &[&str] = &[
    "CLAIMED",
    "CLAIMED overdue",
    "CLAIMED refused",
    "OFFERED",
    "OFFERED again",
    "OFFERED overdue",
    "OFFERED at superior",
    "COUNTERED",
    "DECLINED",
    "AGREED",
    "AGREED one signed",
    "AGREED both signed",
    "AGREED overdue",
    "AGREED expired",
    "AGREED at superior",
    "AGREED by ruling",
    "DISPUTED",
    "DISPUTED settling",
    "DISPUTED claim",
    "TAKEN_OVER",
    "TAKEN_OVER handled",
    "REPORTED",
    "REPORTED again",
    "REPORTED contested twice",
    "REPORTED at superior",
    "CONFIRMED",
    "KEPT",
    "RECALLED",
    "RECALLED at superior",
    "RECALLED received",
    "PASSED_ON",
];

/// Support, joint handling and merging on an incident without handoff.
pub(crate) const TOGETHER_STATES: &[&str] = &[
    "support asked",
    "support asked at superior",
    "support committed",
    "joint declared",
    "joint known",
    "joint lead asked",
    "joint lead asked at superior",
    "joint end proposed",
    "joint end refused",
    "joint ended",
    "merge proposed",
    "alias",
    "unmerge proposed",
];

/// The state a case is in, in the grids' words.
pub(crate) fn stands(case: &Case) -> (String, Option<String>) {
    let handoff = case.open_handoff().or(case.handoffs.first());
    (case.phase().to_string(), handoff.map(|handoff| handoff.state.name().to_string()))
}

fn with(mut play: Play, moves: &[(Who, &str)]) -> Play {
    for (who, name) in moves {
        play.make(*who, act(name, &play, *who));
    }
    play
}

const A_RESPONDER: Who = Who(Side::From, Role::Responder);
const B_RESPONDER: Who = Who(Side::To, Role::Responder);
const SUPERIOR: Who = Who(Side::Superior, Role::Superior);

fn received() -> Play {
    let mut play = Play::new();
    let intake = Receive { severity: Some(Severity::Urgent), ..Receive::default() };
    for (incident, side) in [(INCIDENT, Side::From), (SECOND, Side::To)] {
        let (desk, other) = (Who(side, Role::Dispatcher), if side == Side::From { Side::To } else { Side::From });
        play.make_on(incident, desk, Act::Receive(intake.clone()));
        play.make_on(incident, desk, Act::Alert { to: other.seat().station });
        play.make_on(incident, Who(other, Role::DutyOfficer), Act::SeeAlert);
    }
    play
}

/// The incident alone.
pub(crate) fn incident(state: &str) -> Play {
    let mut play = received();
    match state {
        "RECEIVED" => {}
        "RECEIVED at superior" => play.climb(Duty::Dispatch),
        "DISPATCHED" => play.make(A_RESPONDER, crewed(Side::From, UnitStatus::Assigned)),
        "ON_SCENE" => {
            for (who, side) in [(A_RESPONDER, Side::From), (B_RESPONDER, Side::To)] {
                play.make(who, crewed(side, UnitStatus::OnScene));
            }
        }
        "HANDLED" => return with(incident("ON_SCENE"), &[(A_DUTY, "declare_handled")]),
        "CLOSED" => return with(incident("HANDLED"), &[(A_DUTY, "close")]),
        other => panic!("no state {other}"),
    }
    play
}

/// A handoff in one of [`HANDOFF_STATES`].
pub(crate) fn handoff(state: &str) -> Play {
    let play = match state {
        "CLAIMED" => with(incident("ON_SCENE"), &[(B_DUTY, "claim")]),
        "CLAIMED overdue" => passed(handoff("CLAIMED"), Duty::AnswerClaim),
        "CLAIMED refused" => with(handoff("CLAIMED"), &[(A_DUTY, "refuse_claim")]),
        "OFFERED" => with(incident("ON_SCENE"), &[(A_DUTY, "offer")]),
        "OFFERED again" => with(handoff("DECLINED"), &[(A_DUTY, "revise")]),
        "OFFERED overdue" => passed(handoff("OFFERED"), Duty::Decide),
        "OFFERED at superior" => climbed(handoff("OFFERED"), Duty::Decide),
        "COUNTERED" => with(handoff("OFFERED"), &[(B_DUTY, "counter")]),
        "DECLINED" => with(handoff("OFFERED"), &[(B_DUTY, "decline")]),
        "KEPT" => with(handoff("DECLINED"), &[(A_DUTY, "keep")]),
        "RECALLED" => with(handoff("OFFERED"), &[(A_DUTY, "recall")]),
        "RECALLED at superior" => climbed(handoff("RECALLED"), Duty::RecallReceipt),
        "RECALLED received" => with(handoff("RECALLED"), &[(Who(Side::To, Role::Adapter), "receive_recall")]),
        "DISPUTED" => with(handoff("COUNTERED"), &[(A_DUTY, "dispute")]),
        "DISPUTED settling" => with(handoff("DISPUTED"), &[(B_DUTY, "propose_settlement AGREED")]),
        "DISPUTED claim" => with(handoff("CLAIMED refused"), &[(B_DUTY, "dispute")]),
        agreed if agreed.starts_with("AGREED") => agreed_form(agreed),
        after => after_takeover(after),
    };
    assert!(state.starts_with(&stands(play.case()).1.unwrap_or_default()), "{state} is {:?}", stands(play.case()));
    play
}

fn agreed_form(state: &str) -> Play {
    match state {
        "AGREED" => with(handoff("OFFERED"), &[(B_DUTY, "agree")]),
        "AGREED one signed" => with(handoff("AGREED"), &[(A_RESPONDER, "sign")]),
        "AGREED both signed" => with(handoff("AGREED one signed"), &[(B_RESPONDER, "sign")]),
        "AGREED overdue" => passed(handoff("AGREED"), Duty::Sign),
        "AGREED expired" => {
            let mut play = handoff("AGREED both signed");
            play.now = play.now.plus(2 * HOUR + 1);
            play
        }
        "AGREED at superior" => climbed(handoff("AGREED one signed"), Duty::Sign),
        "AGREED by ruling" => with(handoff("DISPUTED"), &[(SUPERIOR, "rule AGREED")]),
        other => panic!("no state {other}"),
    }
}

fn after_takeover(state: &str) -> Play {
    match state {
        "TAKEN_OVER" => with(handoff("AGREED both signed"), &[(B_DUTY, "take_over")]),
        "TAKEN_OVER handled" => with(handoff("TAKEN_OVER"), &[(B_DUTY, "declare_handled")]),
        "REPORTED" => with(handoff("TAKEN_OVER handled"), &[(B_DUTY, "report")]),
        "REPORTED again" => with(handoff("REPORTED"), &[(A_DUTY, "contest"), (B_DUTY, "report")]),
        "REPORTED contested twice" => with(handoff("REPORTED again"), &[(A_DUTY, "contest")]),
        "REPORTED at superior" => climbed(handoff("REPORTED"), Duty::Confirm),
        "CONFIRMED" => with(handoff("REPORTED"), &[(A_DUTY, "confirm")]),
        // Given back: the first handoff is passed on, A is custodian again and B has to confirm.
        "PASSED_ON" => {
            let mut play = handoff("TAKEN_OVER");
            play = with(play, &[(B_DUTY, "offer"), (A_DUTY, "agree"), (A_RESPONDER, "sign"), (B_RESPONDER, "sign")]);
            let play = with(play, &[(A_DUTY, "take_over")]);
            assert!(matches!(play.case().handoffs[1].state, HandoffState::TakenOver { .. }));
            play
        }
        other => panic!("no state {other}"),
    }
}

fn passed(mut play: Play, duty: Duty) -> Play {
    play.let_pass(duty);
    play
}

fn climbed(mut play: Play, duty: Duty) -> Play {
    play.climb(duty);
    play
}

/// Support, joint handling and merging.
pub(crate) fn together(state: &str) -> Play {
    let on_scene = || incident("ON_SCENE");
    let (b, a) = (Side::To.seat().station, Side::From.seat().station);
    match state {
        "support asked" => {
            let mut play = on_scene();
            let ask = Act::RequestSupport { support: SUPPORT, to: b, skills: Vec::new(), count: 1, note: None };
            play.make(Who(Side::From, Role::Dispatcher), ask);
            play
        }
        "support asked at superior" => climbed(together("support asked"), Duty::SupportAnswer),
        "support committed" => with(together("support asked"), &[(B_DUTY, "answer_support")]),
        "joint declared" => {
            let mut play = on_scene();
            play.make(A_DUTY, Act::DeclareJoint { joint: JOINT, with: b, lead: a, code: code("MAJOR") });
            play
        }
        "joint known" => with(together("joint declared"), &[(B_DUTY, "acknowledge_joint")]),
        "joint lead asked" => with(together("joint known"), &[(A_DUTY, "ask_lead")]),
        "joint lead asked at superior" => climbed(together("joint lead asked"), Duty::LeadAnswer),
        "joint end proposed" => with(together("joint known"), &[(A_DUTY, "propose_joint_end")]),
        "joint end refused" => with(together("joint end proposed"), &[(B_DUTY, "answer_joint_end NO")]),
        "joint ended" => with(together("joint end proposed"), &[(B_DUTY, "answer_joint_end YES")]),
        "merge proposed" => with(on_scene(), &[(A_DUTY, "propose_merge")]),
        "alias" => with(together("merge proposed"), &[(B_DUTY, "answer_merge YES")]),
        "unmerge proposed" => with(together("alias"), &[(A_DUTY, "unmerge")]),
        other => panic!("no state {other}"),
    }
}
