//! Every move with fields that are right for whoever makes it: the grids ask who may do what when, not what is typed.

use crate::world::{
    PART, Plain, Play, SECOND, START, SUPPORT, Side, Who, code, deployment, form, label, nth_handoff, officer,
};
use handoff_domain::Digests;
use handoff_domain::caller::{Actor, Role};
use handoff_domain::case::Case;
use handoff_domain::command::{Act, AgreeParts, Receive, Sign, SignParts};
use handoff_domain::decide::Statement;
use handoff_domain::event::handoff::{
    ClaimDropped, ClaimRefused, Contested, Countered, Declined, Delivered, DisputeWithdrawn, Disputed, FeedbackGiven,
    Kept, OfferBasis, PositionStated, RecallReceived, Recalled, ReportTakenBack, Ruling, Seen, Settlement,
    SettlementProposed, SignatureRefused, StoodBy, SubstituteNamed, Withdrawn,
};
use handoff_domain::event::incident::{
    AlertAnswered, CallAdded, CallerOpened, DetailsChanged, ErasedField, Handled, JointAcknowledged, JointEndAnswered,
    JointEndProposed, LabelAdded, LeadAnswered, LeadAsked, LinkKind, Noted, Objected, ReopenTo, Struck, SupportAnswer,
    SupportAnswered, SupportEnded, SupportRecalled, ToldByPhone, UnitStatus,
};
use handoff_domain::ids::{Digest, HandoffId, JointId, StationRef, UnitId};
use handoff_domain::time::MINUTE;
use handoff_domain::timers::Duty;
use handoff_domain::values::{Level, Place, Sealed};
use uuid::Uuid;

pub(crate) const JOINT: JointId = JointId(Uuid::from_u128(0x71));

/// Moves about the incident itself: name of the move and, where one name does several things, which.
pub(crate) const INCIDENT_MOVES: &[&str] = &[
    "receive",
    "add_call",
    "note",
    "note OBJECTION_ANSWERED",
    "tell_by_phone",
    "add_place",
    "change_details",
    "add_label",
    "alert",
    "deliver_alert",
    "see_alert",
    "answer_alert",
    "report_unit ASSIGNED",
    "report_unit RELEASED",
    "declare_handled",
    "declare_handled FALSE_ALARM",
    "strike unit",
    "strike handled",
    "close",
    "object",
    "reopen RECEIVED",
    "reopen HANDLED",
    "escalate",
    "acknowledge",
    "open_caller",
    "erase",
];

pub(crate) const TOGETHER_MOVES: &[&str] = &[
    "request_support",
    "answer_support",
    "recall_support",
    "end_support",
    "declare_joint",
    "acknowledge_joint",
    "ask_lead",
    "answer_lead",
    "propose_joint_end",
    "answer_joint_end YES",
    "answer_joint_end NO",
    "propose_merge",
    "answer_merge YES",
    "answer_merge NO",
    "unmerge",
    "split",
    "link",
];

pub(crate) const HANDOFF_MOVES: &[&str] = &[
    "claim",
    "refuse_claim",
    "drop_claim",
    "offer",
    "revise",
    "deliver",
    "see",
    "stand_by",
    "counter",
    "decline",
    "agree",
    "sign",
    "refuse_signature",
    "name_substitute",
    "withdraw",
    "recall",
    "receive_recall",
    "keep",
    "dispute",
    "state_position",
    "propose_settlement AGREED",
    "propose_settlement KEPT",
    "agree_settlement",
    "withdraw_dispute",
    "take_over",
    "give_feedback",
    "report",
    "take_back_report",
    "contest",
    "confirm",
    "rule AGREED",
    "rule KEPT",
    "rule SIGNATURE",
    "rule TAKEOVER",
    "rule RECEIPT",
    "rule LEAD",
    "rule LEAD_STAYS",
    "rule JOINT_END",
    "rule JOINT_STAYS",
    "rule SUPPORT",
    "rule SUPPORT_NOT",
    "rule CONFIRMED",
    "rule REPORT_AGAIN",
    "rule OBJECTION",
];

/// The last handoff of the incident, which the moves about one are about.
pub(crate) fn at_hand(case: &Case) -> HandoffId {
    case.open_handoff().or(case.handoffs.first()).map_or_else(|| nth_handoff(0), |handoff| handoff.id)
}

fn nowhere() -> Place {
    Place { crs: None, lat7: None, lon7: None, point: None, precision_m: None, address: None, territory: None }
}

/// The move as that caller would make it in that situation.
pub(crate) fn act(name: &str, play: &Play, who: Who) -> Act {
    let (verb, what) = name.split_once(' ').unwrap_or((name, ""));
    of_incident(verb, what, play, who)
        .or_else(|| together(verb, what, play, who))
        .or_else(|| dialogue(verb, what, play, who))
        .or_else(|| afterwards(verb, what, play))
        .unwrap_or_else(|| panic!("no move {name}"))
}

fn of_incident(verb: &str, what: &str, play: &Play, who: Who) -> Option<Act> {
    let case = play.case();
    let entry = |declared: bool| {
        let fact = case.facts.iter().rev().find(|fact| {
            matches!(fact.what, handoff_domain::case::FactKind::Handled { .. }) == declared && fact.by == who.0.seat()
        });
        fact.map_or(1, |fact| fact.seq)
    };
    Some(match verb {
        "receive" => Act::Receive(Receive::default()),
        "add_call" => Act::AddCall(CallAdded { channel: None, number: None, caller: None, narrative: None }),
        "note" => {
            let code = (!what.is_empty()).then(|| code("OBJECTION_ANSWERED"));
            Act::Note(Noted { text: Some(Sealed([4; 32])), code, handoff: None, flags: Vec::new() })
        }
        "tell_by_phone" => Act::TellByPhone(ToldByPhone { to: who.0.other(), whom: None, text: None }),
        "add_place" => Act::AddPlace { place: nowhere(), flags: Vec::new() },
        "change_details" => Act::ChangeDetails(DetailsChanged {
            kind: Some(label("assistance")),
            severity: None,
            category: None,
            flags: Vec::new(),
        }),
        "add_label" => Act::AddLabel(LabelAdded { number: label("17") }),
        "alert" => Act::Alert { to: Side::Stranger.seat().station },
        "deliver_alert" => Act::DeliverAlert { to: who.0.seat() },
        "see_alert" => Act::SeeAlert,
        "answer_alert" => Act::AnswerAlert(AlertAnswered { answer: code("KNOWN"), ours: None, note: None }),
        "report_unit" => report_unit(what, who),
        "declare_handled" => Act::DeclareHandled(Handled {
            code: (!what.is_empty()).then(|| code("FALSE_ALARM")),
            referred_to: None,
            result: None,
        }),
        "strike" => Act::Strike(Struck { entry: entry(what == "handled"), code: code("MISTAKE"), note: None }),
        "close" => Act::Close { code: code("DONE"), case_number: None },
        "object" => Act::Object(Objected { code: code("OUR_GROUND"), note: None }),
        "reopen" => Act::Reopen {
            code: code("NEW_FACTS"),
            to: if what == "RECEIVED" { ReopenTo::Received } else { ReopenTo::Handled },
            note: None,
        },
        "escalate" => Act::Escalate { duty: Duty::Dispatch, by: Some(Side::From.seat()), scope: None, due: START },
        "acknowledge" => acknowledge(case, who),
        "open_caller" => Act::OpenCaller(CallerOpened { code: code("CALL_BACK"), of: None }),
        "erase" => {
            let field = ErasedField { seq: 1, path: "narrative".to_owned() };
            Act::Erase { fields: vec![field], basis: code("ORDER") }
        }
        _ => return None,
    })
}

/// The first obligation of the caller's own station, else the first there is.
fn acknowledge(case: &Case, who: Who) -> Act {
    let own = case.ledger.keys().find(|key| key.by.as_ref() == Some(&who.0.seat()));
    let superiors = case.ledger.keys().find(|key| key.by.is_none()).filter(|_| who.0 == Side::Superior);
    match superiors.or(own).or_else(|| case.ledger.keys().next()) {
        Some(key) => Act::Acknowledge { duty: key.duty, by: key.by.clone(), scope: key.scope },
        None => Act::Acknowledge { duty: Duty::Dispatch, by: None, scope: None },
    }
}

fn report_unit(what: &str, who: Who) -> Act {
    let number = if who.0 == Side::To { 2 } else { 1 };
    let assigned = what == "ASSIGNED";
    Act::ReportUnit {
        deployment: deployment(if assigned { number + 10 } else { number }),
        unit: UnitId::new(&format!("{}-U", who.0.seat().station)).expect("a legal name"),
        of: None,
        status: if assigned { UnitStatus::Assigned } else { UnitStatus::Released },
        crew: Vec::new(),
        support: None,
    }
}

fn together(verb: &str, what: &str, play: &Play, who: Who) -> Option<Act> {
    let other = who.0.other();
    let joint = play.case().joint.as_ref();
    Some(match verb {
        "request_support" => {
            let support = handoff_domain::ids::SupportId(Uuid::from_u128(0x52));
            Act::RequestSupport { support, to: other.station, skills: Vec::new(), count: 1, note: None }
        }
        "answer_support" => Act::AnswerSupport(SupportAnswered {
            support: SUPPORT,
            answer: SupportAnswer::Committed,
            code: None,
            eta: None,
            note: None,
        }),
        "recall_support" => {
            let code = code("NEEDED_AT_HOME");
            Act::RecallSupport(SupportRecalled { support: SUPPORT, unit: None, leaves_at: play.now, code })
        }
        "end_support" => Act::EndSupport(SupportEnded { support: SUPPORT, code: code("DONE") }),
        "declare_joint" => {
            let (joint, code) = (JointId(Uuid::from_u128(0x72)), code("MAJOR"));
            Act::DeclareJoint { joint, with: other.station, lead: who.0.seat().station, code }
        }
        "acknowledge_joint" => Act::AcknowledgeJoint(JointAcknowledged { joint: JOINT }),
        "ask_lead" => {
            // For the side that does not lead.
            let lead = joint.map_or(other, |joint| joint.other(&joint.lead).clone());
            Act::AskLead(LeadAsked { joint: JOINT, lead })
        }
        "answer_lead" => Act::AnswerLead(LeadAnswered { joint: JOINT, yes: true }),
        "propose_joint_end" => {
            Act::ProposeJointEnd(JointEndProposed { joint: JOINT, code: code("SCENE_CLEAR"), note: None })
        }
        "answer_joint_end" => {
            let code = Some(code("NOT_YET"));
            Act::AnswerJointEnd(JointEndAnswered { joint: JOINT, yes: what == "YES", code, note: None })
        }
        "propose_merge" => Act::ProposeMerge { other: SECOND, survivor: SECOND },
        "answer_merge" => {
            let (yes, code) = (what == "YES", Some(code("NOT_THE_SAME")));
            Act::AnswerMerge { other: SECOND, yes, survivor: Some(SECOND), code }
        }
        "unmerge" => Act::Unmerge { other: SECOND, code: code("NOT_THE_SAME") },
        "split" => Act::Split { part: PART, received: Receive::default(), code: code("TWO_SCENES") },
        "link" => Act::Link { other: SECOND, link: LinkKind::Related },
        _ => return None,
    })
}

fn dialogue(verb: &str, what: &str, play: &Play, who: Who) -> Option<Act> {
    let case = play.case();
    let handoff = at_hand(case);
    let version = case.handoff(handoff).map_or(1, |handoff| handoff.version.max(1));
    let code = |text| code(text);
    Some(match verb {
        "claim" => Act::Claim { handoff: nth_handoff(case.handoffs.len()), code: code("OUR_TERRITORY"), note: None },
        "refuse_claim" => Act::RefuseClaim(ClaimRefused { handoff, code: code("OURS"), note: None }),
        "drop_claim" => Act::DropClaim(ClaimDropped { handoff, code: None }),
        "offer" => {
            // Answers the claim where there is one.
            let claimed = case.open_handoff().filter(|open| open.is_claim());
            let (handoff, to) =
                (claimed.map_or_else(|| nth_handoff(case.handoffs.len()), |open| open.id), who.0.other().station);
            let basis = OfferBasis::NoResponseNeeded;
            Act::Offer { handoff, to, basis, form: form(), signer: None, parent: None, paper: None }
        }
        "revise" => Act::Revise { handoff, form: form(), signer: None },
        "deliver" => Act::Deliver(Delivered { handoff, version }),
        "see" => Act::See(Seen { handoff, version }),
        "stand_by" => Act::StandBy(StoodBy { handoff, version, until: play.now.plus(10 * MINUTE) }),
        "counter" => {
            let code = code("SCENE_NOT_SECURED");
            Act::Counter(Countered { handoff, version, code, fields: Vec::new(), note: None })
        }
        "decline" => Act::Decline(Declined {
            handoff,
            version,
            code: code("NOT_OUR_MATTER"),
            owner: None,
            map: None,
            duplicate_of: None,
            note: None,
        }),
        "agree" => Act::Agree { handoff, version, parts: own_parts(who, case, handoff) },
        "sign" => sign(case, who, handoff, version),
        "refuse_signature" => {
            let (side, code) = (who.0.seat(), code("NO_KEY"));
            Act::RefuseSignature(SignatureRefused { handoff, form_version: version, side, code, note: None })
        }
        "name_substitute" => Act::NameSubstitute(SubstituteNamed {
            handoff,
            side: who.0.seat(),
            officer: officer(&format!("{}.spare", who.0.seat().org)),
            code: code("OFF_SHIFT"),
        }),
        "withdraw" => Act::Withdraw(Withdrawn { handoff, code: code("NEW_FACTS"), note: None }),
        "recall" => Act::Recall(Recalled { handoff, code: code("NEW_FACTS"), note: None }),
        "receive_recall" => Act::ReceiveRecall(RecallReceived { handoff }),
        "keep" => Act::Keep(Kept { handoff, code: code("OURS"), note: None }),
        "dispute" => Act::Dispute(Disputed { handoff, code: code("NO_ANSWER"), position: None }),
        "state_position" => Act::StatePosition(PositionStated { handoff, position: Sealed([5; 32]) }),
        "propose_settlement" => {
            let outcome = if what == "AGREED" { Settlement::Agreed } else { Settlement::Kept };
            Act::ProposeSettlement(SettlementProposed { handoff, outcome, note: None })
        }
        "agree_settlement" => {
            let proposal = case.handoff(handoff).and_then(|handoff| handoff.dispute()?.proposal.clone());
            let outcome = proposal.map_or(Settlement::Kept, |(_, outcome)| outcome);
            Act::AgreeSettlement { handoff, outcome, parts: own_parts(who, case, handoff) }
        }
        "withdraw_dispute" => Act::WithdrawDispute(DisputeWithdrawn { handoff, code: code("OURS") }),
        "take_over" => Act::TakeOver { handoff, version, paper: None },
        _ => return None,
    })
}

/// Only the receiver has own fields to fill in.
fn own_parts(who: Who, case: &Case, handoff: HandoffId) -> AgreeParts {
    let receives = case.handoff(handoff).is_some_and(|handoff| handoff.to == who.0.seat());
    AgreeParts { number: receives.then(|| label("B-17")), ..AgreeParts::default() }
}

fn sign(case: &Case, who: Who, handoff: HandoffId, version: u64) -> Act {
    let seat = who.0.seat();
    let (org, station) = (seat.org, Some(seat.station));
    let signer = Actor { org, station, officer: who.officer(), role: who.1, reg: None };
    let shown = case.handoff(handoff).map(|handoff| Plain.statement(case, &signer, Statement::Transfer(handoff)));
    let statement = shown.unwrap_or(Digest([0; 32]));
    let parts =
        SignParts { level: Level::Attested, statement, signature: None, lang: None, template: None, paper: None };
    Act::Sign { handoff, version, parts }
}

fn afterwards(verb: &str, what: &str, play: &Play) -> Option<Act> {
    let case = play.case();
    let (level, statement) = (Level::Attested, None);
    Some(match verb {
        "give_feedback" => Act::GiveFeedback(FeedbackGiven { code: code("IN_PROGRESS"), text: None }),
        "report" => Act::Report {
            code: code("SETTLED"),
            case_number: None,
            result: None,
            sign: Sign { level, statement, signature: None },
        },
        "take_back_report" => Act::TakeBackReport(ReportTakenBack { code: code("INCOMPLETE") }),
        "contest" => Act::Contest(Contested { report: case.reports, code: code("INCOMPLETE"), note: None }),
        "confirm" => Act::Confirm { report: case.reports, sign: Sign { level, statement, signature: None } },
        "rule" => {
            let ruling = Ruling::parse(what)?;
            // A ruling names its own matter and no other.
            let of_handoff = match ruling {
                Ruling::Agreed
                | Ruling::Kept
                | Ruling::Signature
                | Ruling::Takeover
                | Ruling::Receipt
                | Ruling::Confirmed
                | Ruling::ReportAgain => true,
                Ruling::Lead
                | Ruling::LeadStays
                | Ruling::JointEnd
                | Ruling::JointStays
                | Ruling::Support
                | Ruling::SupportNot
                | Ruling::Objection => false,
            };
            let handoff = (of_handoff && !case.handoffs.is_empty()).then(|| at_hand(case));
            let sided = matches!(ruling, Ruling::Takeover | Ruling::Signature | Ruling::Receipt);
            let side: Option<StationRef> = sided.then(|| Side::To.seat());
            let support = matches!(ruling, Ruling::Support | Ruling::SupportNot).then_some(SUPPORT);
            Act::Rule {
                handoff,
                ruling,
                joint: false,
                side,
                support,
                reasons: None,
                sign: Sign { level, statement, signature: None },
            }
        }
        _ => return None,
    })
}

/// Whether the grids play every move of the published list.
pub(crate) fn unplayed() -> Vec<&'static str> {
    let played = [INCIDENT_MOVES, TOGETHER_MOVES, HANDOFF_MOVES].concat();
    let verbs: Vec<&str> = played.iter().map(|name| name.split_once(' ').map_or(*name, |(verb, _)| verb)).collect();
    Act::NAMES.iter().copied().filter(|name| !verbs.contains(name)).collect()
}

/// Who makes a unit's crew: the responder, who may then sign.
pub(crate) fn crewed(side: Side, status: UnitStatus) -> Act {
    let who = Who(side, Role::Responder);
    let number = if side == Side::To { 2 } else { 1 };
    Act::ReportUnit {
        deployment: deployment(number),
        unit: UnitId::new(&format!("{}-U", side.seat().station)).expect("a legal name"),
        of: None,
        status,
        crew: who.officer().into_iter().collect(),
        support: None,
    }
}
