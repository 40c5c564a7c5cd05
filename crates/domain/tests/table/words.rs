//! What a move says must be about what its officer saw, and OTHER must say what.

use crate::moves::act;
use crate::states::{handoff, incident, together};
use crate::world::{A_DUTY, B_DUTY, INCIDENT, Play, Side, Who, code, label};
use handoff_domain::caller::Role;
use handoff_domain::command::{Act, AgreeParts, Sign};
use handoff_domain::event::Body;
use handoff_domain::event::handoff::Contested;
use handoff_domain::event::incident::JointEndAnswered;
use handoff_domain::ids::Digest;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::values::{Category, Level, Sealed};

fn refused(play: &Play, who: Who, act: Act) -> Refusal {
    play.attempt(who, act).expect_err("it is refused")
}

#[test]
fn a_report_is_confirmed_or_contested_by_its_number() {
    let mut play = handoff("REPORTED");
    let (level, statement) = (Level::Attested, None);
    let seen = play.case().reports;
    // Taken back and reported anew while A reads the first one: the state is REPORTED again.
    for name in ["take_back_report", "report"] {
        play.make(B_DUTY, act(name, &play, B_DUTY));
    }
    let contested = Contested { report: seen, code: code("INCOMPLETE"), note: None };
    for late in
        [Act::Confirm { report: seen, sign: Sign { level, statement, signature: None } }, Act::Contest(contested)]
    {
        let name = late.name();
        let refusal = refused(&play, A_DUTY, late);
        assert_eq!(refusal.reason, Reason::StaleVersion, "{name}");
        assert_eq!(refusal.params, [("report_now", (seen + 1).to_string())], "{name}");
        assert!(refusal.legal.contains(&name), "{name}");
    }
    play.make(A_DUTY, Act::Confirm { report: seen + 1, sign: Sign { level, statement, signature: None } });
}

/// The move with its code OTHER and the note given.
fn with_other(act: Act, note: Option<Sealed>) -> Act {
    let code = code("OTHER");
    match act {
        Act::Claim { handoff, .. } => Act::Claim { handoff, code, note },
        Act::Reopen { to, .. } => Act::Reopen { code, to, note },
        Act::RefuseClaim(mut b) => Act::RefuseClaim({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::Counter(mut b) => Act::Counter({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::Decline(mut b) => Act::Decline({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::Withdraw(mut b) => Act::Withdraw({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::Recall(mut b) => Act::Recall({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::Keep(mut b) => Act::Keep({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::Contest(mut b) => Act::Contest({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::Strike(mut b) => Act::Strike({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::ProposeJointEnd(mut b) => Act::ProposeJointEnd({
            (b.code, b.note) = (code, note);
            b
        }),
        Act::AnswerJointEnd(b) => Act::AnswerJointEnd(JointEndAnswered { code: Some(code), note, ..b }),
        other => panic!("{} takes no code OTHER here", other.name()),
    }
}

#[test]
fn other_needs_a_text_in_every_move_whose_list_has_it() {
    let auditor = Who(Side::Auditor, Role::Auditor);
    let rows: [(Play, Who, &str); 12] = [
        (incident("ON_SCENE"), B_DUTY, "claim"),
        (incident("ON_SCENE"), A_DUTY, "strike unit"),
        (incident("CLOSED"), auditor, "reopen HANDLED"),
        (handoff("CLAIMED"), A_DUTY, "refuse_claim"),
        (handoff("OFFERED"), B_DUTY, "counter"),
        (handoff("OFFERED"), B_DUTY, "decline"),
        (handoff("OFFERED"), A_DUTY, "recall"),
        (handoff("DECLINED"), A_DUTY, "keep"),
        (handoff("AGREED"), B_DUTY, "withdraw"),
        (handoff("REPORTED"), A_DUTY, "contest"),
        (together("joint known"), A_DUTY, "propose_joint_end"),
        (together("joint end proposed"), B_DUTY, "answer_joint_end NO"),
    ];
    for (play, who, name) in rows {
        let refusal = refused(&play, who, with_other(act(name, &play, who), None));
        assert_eq!((refusal.reason, &refusal.fields[..]), (Reason::InvalidField, &["note".to_owned()][..]), "{name}");
        let told = play.attempt(who, with_other(act(name, &play, who), Some(Sealed([9; 32]))));
        assert!(told.is_ok(), "{name}: {told:?}");
    }
}

#[test]
fn agreed_again_after_it_ran_out_the_form_keeps_the_receivers_number_and_category() {
    let mut play = handoff("OFFERED");
    let handoff = play.case().handoffs[0].id;
    let category = Category { code: label("0101"), label: None, table: None };
    let parts = AgreeParts { number: Some(label("B-17")), category: Some(category.clone()), ..AgreeParts::default() };
    play.make(B_DUTY, Act::Agree { handoff, version: 1, parts });
    let exp = play.case().handoffs[0].agreed().expect("agreed").exp;
    play.now = exp.plus(1);
    let again = AgreeParts { number: Some(label("B-18")), ..AgreeParts::default() };
    let bare = Act::Agree { handoff, version: 1, parts: AgreeParts::default() };
    for (parts, number) in [(bare, "B-17"), (Act::Agree { handoff, version: 1, parts: again }, "B-18")] {
        let decided = play.attempt(B_DUTY, parts).expect("it may be agreed again");
        let agreed = decided.events.iter().find_map(|event| match &event.body {
            Body::Agreed(body) => Some(body),
            _ => None,
        });
        let agreed = agreed.expect("an agreement");
        assert_eq!(agreed.number, Some(label(number)));
        assert_eq!(agreed.category, Some(category.clone()));
    }
}

#[test]
fn each_sides_part_of_the_paper_is_entered_with_its_digest() {
    let paper = Some(Digest([8; 32]));
    let of = |play: &Play, who: Who, act: Act| {
        let decided = play.attempt(who, act).expect("it is legal");
        decided.events[0].body.to_node()
    };
    let shown = |node: &handoff_domain::node::Node| format!("{node:?}").contains("paper");
    let play = incident("ON_SCENE");
    let Act::Offer { handoff, to, basis, form, signer, parent, .. } = act("offer", &play, A_DUTY) else {
        panic!("an offer")
    };
    assert!(shown(&of(&play, A_DUTY, Act::Offer { handoff, to, basis, form, signer, parent, paper })));
    assert!(!shown(&of(&play, A_DUTY, act("offer", &play, A_DUTY))), "absent where none is given");
    let play = self::handoff("OFFERED");
    let parts = AgreeParts { paper, ..AgreeParts::default() };
    assert!(shown(&of(&play, B_DUTY, Act::Agree { handoff, version: 1, parts })));
    let play = self::handoff("AGREED");
    let signer = Who(Side::From, Role::Responder);
    let Act::Sign { parts, .. } = act("sign", &play, signer) else { panic!("a signature") };
    let parts = handoff_domain::command::SignParts { paper, ..parts };
    assert!(shown(&of(&play, signer, Act::Sign { handoff, version: 1, parts })));
    assert_eq!(play.case().id, INCIDENT);
}
