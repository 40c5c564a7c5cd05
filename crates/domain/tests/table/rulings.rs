//! Who rules on what: each matter has its own two sides and its own superior, whatever else is open beside it.

use crate::moves::crewed;
use crate::world::{INCIDENT, Play, Side, Who, code, directory_of, form, nth_handoff, officer, seat, station};
use handoff_domain::access::may_see;
use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::command::{Act, AgreeParts, Receive, Sign, SignParts};
use handoff_domain::decide::Statement;
use handoff_domain::event::Body;
use handoff_domain::event::handoff::{Contested, Disputed, OfferBasis, Recalled, ReportTakenBack, Ruling};
use handoff_domain::event::incident::{Handled, JointEndAnswered, JointEndProposed, Noted, UnitStatus};
use handoff_domain::ids::{ClientId, JointId, OrgId, StationRef, SupportId};
use handoff_domain::refusal::Reason;
use handoff_domain::time::SECOND;
use handoff_domain::timers::{Duty, Rung};
use handoff_domain::values::{Level, Severity};
use handoff_domain::{Decided, Digests, Refusal};
use uuid::Uuid;

const JOINT: JointId = JointId(Uuid::from_u128(0x71));

/// A's incident in a world of its own: A with B under S1, with C under S2, with D and E under nobody.
struct World(Play);

fn caller(org: &str, at: Option<&str>, name: &str, role: Role) -> Caller {
    let kind = if role == Role::Superior { OrgKind::Superior } else { OrgKind::Party };
    Caller {
        org: OrgId::new(org).expect("a legal name"),
        kind,
        client: ClientId::new(name).expect("a legal name"),
        station: at.map(station),
        officer: Some(officer(name)),
        roles: vec![role],
    }
}

fn duty(at: &str) -> Caller {
    caller(&at[..1], Some(at), &format!("{at}.duty"), Role::DutyOfficer)
}

fn supervisor(at: &str) -> Caller {
    caller(&at[..1], Some(at), &format!("{at}.supervisor"), Role::Supervisor)
}

fn responder(at: &str) -> Caller {
    let side = if at.starts_with('A') { Side::From } else { Side::To };
    let named = Who(side, Role::Responder).officer().expect("a person");
    Caller { officer: Some(named), ..caller(&at[..1], Some(at), "radio", Role::Responder) }
}

fn superior(org: &str) -> Caller {
    caller(org, None, &format!("{org}.chief"), Role::Superior)
}

fn order(ruling: Ruling, side: Option<&str>) -> Act {
    let (handoff, side, support) = (None, side.map(seat), None);
    Act::Rule { handoff, ruling, joint: false, side, support, reasons: None, sign: Sign::ATTESTED }
}

fn about(number: usize, ruling: Ruling) -> Act {
    let (reasons, level, statement) = (None, Level::Attested, None);
    let handoff = Some(nth_handoff(number));
    Act::Rule {
        handoff,
        ruling,
        joint: false,
        side: None,
        support: None,
        reasons,
        sign: Sign { level, statement, signature: None },
    }
}

impl World {
    /// Received by A, nothing else known.
    fn new() -> Self {
        let stations = ["A-01", "B-01", "B-02", "C-01", "D-01", "E-01"];
        let pairs = [
            ("A-01", "B-01", Some("S1")),
            ("A-01", "C-01", Some("S2")),
            ("A-01", "D-01", None),
            ("A-01", "E-01", None),
        ];
        let mut world = Self(Play { directory: directory_of(&stations, &pairs), ..Play::new() });
        let intake = Receive { severity: Some(Severity::Urgent), ..Receive::default() };
        world.make(&duty("A-01"), Act::Receive(intake));
        world
    }

    fn attempt(&self, caller: &Caller, act: Act) -> Result<Decided, Refusal> {
        self.0.try_on(INCIDENT, caller, Who(Side::From, Role::DutyOfficer), act)
    }

    fn make(&mut self, caller: &Caller, act: Act) {
        let name = act.name();
        let decided = self.attempt(caller, act).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert!(!decided.events.is_empty(), "{name} did nothing");
        self.0.cases.extend(decided.cases.into_iter().map(|case| (case.id, case)));
    }

    fn refused(&self, caller: &Caller, act: Act) -> Option<Reason> {
        self.attempt(caller, act).err().map(|refusal| refusal.reason)
    }

    fn offer(&mut self, number: usize, from: &str, to: &str) {
        let signer = None;
        let (handoff, to, parent) = (nth_handoff(number), station(to), None);
        let basis = OfferBasis::NoResponseNeeded;
        self.make(&duty(from), Act::Offer { handoff, to, basis, form: form(), signer, parent, paper: None });
    }

    fn sign(&mut self, at: &str) {
        let (case, who) = (self.0.case(), responder(at));
        let handoff = case.open_handoff().expect("agreed");
        let actor = handoff_domain::caller::Actor {
            org: who.org.clone(),
            station: who.station.clone(),
            officer: who.officer.clone(),
            role: Role::Responder,
            reg: None,
        };
        let statement = crate::world::Plain.statement(case, &actor, Statement::Transfer(handoff));
        let (id, version) = (handoff.id, handoff.version);
        let parts =
            SignParts { level: Level::Attested, statement, signature: None, lang: None, template: None, paper: None };
        self.make(&who, Act::Sign { handoff: id, version, parts });
    }

    /// Units of A's and B's on the scene, the case offered to B, agreed, signed, taken over.
    fn taken_over_by(&mut self, to: &str) {
        self.make(&responder("A-01"), crewed(Side::From, UnitStatus::OnScene));
        self.make(&duty("A-01"), Act::Alert { to: station(to) });
        let mut theirs = crewed(Side::To, UnitStatus::OnScene);
        if let Act::ReportUnit { unit, .. } = &mut theirs {
            *unit = handoff_domain::ids::UnitId::new(&format!("{to}-U")).expect("a legal name");
        }
        self.make(&responder(to), theirs);
        self.offer(0, "A-01", to);
        self.make(&duty(to), Act::Agree { handoff: nth_handoff(0), version: 1, parts: AgreeParts::default() });
        self.sign("A-01");
        self.sign(to);
        self.make(&duty(to), Act::TakeOver { handoff: nth_handoff(0), version: 1, paper: None });
    }

    fn report(&mut self, at: &str) {
        if self.0.case().phase() != handoff_domain::case::phase::Phase::Handled {
            let handled = Handled { code: None, referred_to: None, result: None };
            self.make(&duty(at), Act::DeclareHandled(handled));
        }
        let (level, statement) = (Level::Attested, None);
        self.make(
            &duty(at),
            Act::Report {
                code: code("SETTLED"),
                case_number: None,
                result: None,
                sign: Sign { level, statement, signature: None },
            },
        );
    }

    fn contest(&mut self, at: &str) {
        self.make(
            &duty(at),
            Act::Contest(Contested { report: self.0.case().reports, code: code("INCOMPLETE"), note: None }),
        );
    }

    fn custodian(&self) -> &StationRef {
        &self.0.case().custodian
    }

    fn sees(&self, org: &str) -> bool {
        may_see(self.0.case(), &superior(org))
    }
}

#[test]
fn an_organisation_alone_rules_nothing_about_the_other_by_opening_a_matter_of_its_own() {
    let mut world = World::new();
    world.taken_over_by("B-01");
    for _ in 0..2 {
        world.report("B-01");
        world.contest("A-01");
    }
    assert!(world.sees("S1") && !world.sees("S2"));
    // Passed on inside B: that handoff names no superior, the contested result still does.
    world.offer(1, "B-01", "B-02");
    assert_eq!(world.refused(&supervisor("B-01"), order(Ruling::Confirmed, None)), Some(Reason::RoleNotAllowed));
    assert_eq!(world.refused(&superior("S2"), order(Ruling::Confirmed, None)), Some(Reason::IncidentNotFound));
    world.make(&superior("S1"), order(Ruling::Confirmed, None));
}

#[test]
fn two_stations_never_move_the_custody_of_a_third() {
    let mut world = World::new();
    world.make(&duty("A-01"), Act::Alert { to: station("D-01") });
    world.make(&duty("A-01"), Act::Alert { to: station("E-01") });
    world.0.climb(Duty::Dispatch);
    world.make(&supervisor("D-01"), order(Ruling::Takeover, Some("D-01")));
    assert_eq!(*world.custodian(), seat("A-01"), "one supervisor's word waits for the other's");
    let third = world.attempt(&supervisor("E-01"), order(Ruling::Takeover, Some("D-01")));
    assert_eq!(third.err().map(|refusal| refusal.reason), Some(Reason::WrongSide));
    world.make(&supervisor("A-01"), order(Ruling::Takeover, Some("D-01")));
    assert_eq!(*world.custodian(), seat("D-01"));
}

#[test]
fn each_matter_comes_before_its_own_superior_and_no_other() {
    let mut world = World::new();
    world.offer(0, "A-01", "B-01");
    world.make(&duty("A-01"), Act::Recall(Recalled { handoff: nth_handoff(0), code: code("MISTAKE"), note: None }));
    world.0.climb(Duty::RecallReceipt);
    assert!(world.sees("S1"));
    world.offer(1, "A-01", "C-01");
    world.0.now = world.0.now.plus(24 * 60 * 60 * SECOND);
    let disputed = Disputed { handoff: nth_handoff(1), code: code("SILENCE"), position: None };
    world.make(&duty("A-01"), Act::Dispute(disputed));
    assert!(world.sees("S1") && world.sees("S2"), "each has its own matter");
    assert_eq!(world.refused(&superior("S2"), about(0, Ruling::Receipt)), Some(Reason::OtherOrganisation));
    assert_eq!(world.refused(&superior("S1"), about(1, Ruling::Kept)), Some(Reason::OtherOrganisation));
    world.make(&superior("S1"), about(0, Ruling::Receipt));
    world.make(&superior("S2"), about(1, Ruling::Kept));
    let after = world.0.case();
    assert!(after.superiors.values().all(|part| !part.is_in()), "nothing is before them any more");
}

#[test]
fn a_superior_orders_a_station_that_has_not_heard_of_the_case_when_the_custodian_is_gone() {
    let mut world = World::new();
    world.0.climb(Duty::Dispatch);
    assert_eq!(world.refused(&superior("S1"), order(Ruling::Takeover, Some("C-01"))), Some(Reason::OtherOrganisation));
    world.make(&superior("S1"), order(Ruling::Takeover, Some("B-01")));
    assert_eq!(*world.custodian(), seat("B-01"));
    assert!(world.0.case().parties.contains_key(&seat("B-01")));
}

#[test]
fn a_custodian_whose_people_act_can_be_reached() {
    let mut world = World::new();
    world.0.climb(Duty::Dispatch);
    world.0.now = world.0.now.plus(SECOND);
    world.make(&duty("A-01"), Act::Note(Noted { text: None, code: None, handoff: None, flags: Vec::new() }));
    assert_eq!(world.refused(&superior("S1"), order(Ruling::Takeover, Some("B-01"))), Some(Reason::NotAtSuperior));
}

#[test]
fn a_form_agreed_by_ruling_lights_no_lamp_of_the_receivers() {
    let mut world = World::new();
    world.offer(0, "A-01", "B-01");
    world.0.climb(Duty::Decide);
    world.make(&superior("S1"), about(0, Ruling::Agreed));
    let lamps = world.0.case().handoffs[0].lamps;
    assert_eq!((lamps.delivered, lamps.seen), (None, None));
}

#[test]
fn one_supervisors_word_about_a_result_does_not_bind_it_to_another() {
    let mut world = World::new();
    world.taken_over_by("D-01");
    world.report("D-01");
    world.0.climb(Duty::Confirm);
    world.make(&supervisor("A-01"), order(Ruling::Confirmed, None));
    world.make(&duty("D-01"), Act::TakeBackReport(ReportTakenBack { code: code("INCOMPLETE") }));
    world.report("D-01");
    world.0.climb(Duty::Confirm);
    let decided = world.attempt(&supervisor("D-01"), order(Ruling::Confirmed, None)).expect("a proposal");
    assert!(matches!(decided.events[0].body, Body::RulingProposed(_)), "{:?}", decided.events);
}

#[test]
fn an_alert_nobody_looks_at_can_be_settled_so_that_the_case_can_close() {
    let mut world = World::new();
    world.make(&duty("A-01"), Act::Alert { to: station("C-01") });
    let handled = Handled { code: Some(code("FALSE_ALARM")), referred_to: None, result: None };
    world.make(&duty("A-01"), Act::DeclareHandled(handled));
    let close = || Act::Close { code: code("DONE"), case_number: None };
    assert_eq!(world.refused(&duty("A-01"), close()), Some(Reason::ObligationsLeft));
    world.0.climb(Duty::AlertSeen);
    assert_eq!(world.refused(&superior("S2"), order(Ruling::Receipt, Some("B-01"))), Some(Reason::NotAtSuperior));
    world.make(&superior("S2"), order(Ruling::Receipt, Some("C-01")));
    assert_eq!(world.0.case().alerts[&seat("C-01")].seen, None, "a ruling is nobody's look");
    world.make(&duty("A-01"), close());
}

#[test]
fn a_ruling_on_support_names_the_request_and_may_say_no() {
    let mut world = World::new();
    let ids = [0x51, 0x52].map(|id| SupportId(Uuid::from_u128(id)));
    for (support, to) in ids.into_iter().zip(["B-01", "C-01"]) {
        let to = station(to);
        let ask = Act::RequestSupport { support, to, skills: Vec::new(), count: 1, note: None };
        world.make(&duty("A-01"), ask);
    }
    for rung in [Rung::Supervisor, Rung::BothSupervisors, Rung::Superior] {
        world.0.let_pass(Duty::SupportAnswer);
        world.0.escalate_all(Duty::SupportAnswer);
        let reached =
            world.0.case().ledger.iter().filter(|(key, owed)| key.duty == Duty::SupportAnswer && owed.rung >= rung);
        assert_eq!(reached.count(), 2);
    }
    let rule = |ruling, support| {
        let (reasons, level, statement) = (None, Level::Attested, None);
        Act::Rule {
            handoff: None,
            ruling,
            joint: false,
            side: None,
            support,
            reasons,
            sign: Sign { level, statement, signature: None },
        }
    };
    assert_eq!(world.refused(&superior("S1"), rule(Ruling::Support, None)), Some(Reason::InvalidField));
    assert_eq!(world.refused(&superior("S1"), rule(Ruling::Support, Some(ids[1]))), Some(Reason::OtherOrganisation));
    world.make(&superior("S1"), rule(Ruling::Support, Some(ids[0])));
    world.make(&superior("S2"), rule(Ruling::SupportNot, Some(ids[1])));
    assert!(!world.0.case().ledger.keys().any(|key| key.duty == Duty::SupportAnswer));
    assert!(world.0.case().supports[&ids[1]].ended);
}

#[test]
fn joint_handling_goes_on_where_the_superior_says_so() {
    let mut world = World::new();
    let (with, lead) = (station("B-01"), station("A-01"));
    world.make(&duty("A-01"), Act::DeclareJoint { joint: JOINT, with, lead, code: code("MAJOR") });
    world.make(&duty("A-01"), Act::ProposeJointEnd(JointEndProposed { joint: JOINT, code: code("OVER"), note: None }));
    world.make(
        &duty("B-01"),
        Act::AnswerJointEnd(JointEndAnswered { joint: JOINT, yes: false, code: Some(code("NOT_YET")), note: None }),
    );
    // While it is before S1 another handoff is opened; the end of joint handling stays S1's to rule on.
    world.offer(0, "A-01", "C-01");
    assert_eq!(world.refused(&superior("S2"), order(Ruling::JointStays, None)), Some(Reason::IncidentNotFound));
    world.make(&superior("S1"), order(Ruling::JointStays, None));
    assert!(world.0.case().joint_now().is_some_and(|joint| joint.end_proposed.is_none()));
    assert!(!world.0.case().ledger.keys().any(|key| key.duty == Duty::Ruling));
}

#[test]
fn a_ruling_without_a_superior_is_owed_by_both_supervisors_and_shown_to_them() {
    let mut world = World::new();
    world.offer(0, "A-01", "D-01");
    world.0.now = world.0.now.plus(24 * 60 * 60 * SECOND);
    world
        .make(&duty("A-01"), Act::Dispute(Disputed { handoff: nth_handoff(0), code: code("SILENCE"), position: None }));
    let owing: Vec<_> = world.0.case().ledger.iter().filter(|(key, _)| key.duty == Duty::Ruling).collect();
    let by: Vec<_> = owing.iter().filter_map(|(key, _)| key.by.clone()).collect();
    assert_eq!(by, [seat("A-01"), seat("D-01")]);
    assert!(owing.iter().all(|(_, owed)| owed.role == Role::Supervisor));
}

#[test]
fn custody_is_never_ordered_to_a_station_that_does_not_exist() {
    let mut world = World::new();
    world.0.climb(Duty::Dispatch);
    let nobody = Some(StationRef { org: OrgId::new("X").expect("a legal name"), station: station("B-01") });
    let (reasons, level, statement) = (None, Level::Attested, None);
    let (ruling, handoff, support) = (Ruling::Takeover, None, None);
    let rule = Act::Rule {
        handoff,
        ruling,
        joint: false,
        side: nobody,
        support,
        reasons,
        sign: Sign { level, statement, signature: None },
    };
    assert_eq!(world.refused(&superior("S1"), rule), Some(Reason::StationNotFound));
}

#[test]
fn the_custodians_own_supervisor_may_be_the_first_to_propose_that_another_takes_over() {
    let mut world = World::new();
    world.make(&duty("A-01"), Act::Alert { to: station("D-01") });
    world.0.climb(Duty::Dispatch);
    world.make(&supervisor("A-01"), order(Ruling::Takeover, Some("D-01")));
    world.make(&supervisor("D-01"), order(Ruling::Takeover, Some("D-01")));
    assert_eq!(*world.custodian(), seat("D-01"));
}

#[test]
fn a_proposed_ruling_is_forgotten_with_its_matter() {
    let mut world = World::new();
    world.make(&duty("A-01"), Act::Alert { to: station("D-01") });
    world.0.climb(Duty::Dispatch);
    world.make(&supervisor("D-01"), order(Ruling::Takeover, Some("D-01")));
    // The custodian is back; a yes to the earlier emergency is none to a later one.
    world.0.now = world.0.now.plus(SECOND);
    world.make(&responder("A-01"), crewed(Side::From, UnitStatus::OnScene));
    assert_eq!(world.0.case().ruling_proposed, None);
    world.0.climb(Duty::Handled);
    world.make(&supervisor("A-01"), order(Ruling::Takeover, Some("D-01")));
    assert_eq!(*world.custodian(), seat("A-01"), "it waits for the other supervisor's own word");
}

#[test]
fn the_result_of_joint_handling_stays_with_the_superior_it_began_under() {
    let mut world = World::new();
    world.make(&responder("A-01"), crewed(Side::From, UnitStatus::OnScene));
    let declare =
        |joint, with| Act::DeclareJoint { joint, with: station(with), lead: station("A-01"), code: code("MAJOR") };
    world.make(&duty("A-01"), declare(JOINT, "B-01"));
    world.make(&duty("B-01"), Act::ProposeJointEnd(JointEndProposed { joint: JOINT, code: code("OVER"), note: None }));
    let yes = JointEndAnswered { joint: JOINT, yes: true, code: None, note: None };
    world.make(&duty("A-01"), Act::AnswerJointEnd(yes));
    world.make(&duty("A-01"), declare(JointId(Uuid::from_u128(0x72)), "C-01"));
    world.report("A-01");
    world.0.climb(Duty::Confirm);
    assert_eq!(world.refused(&superior("S2"), order(Ruling::Confirmed, None)), Some(Reason::IncidentNotFound));
    world.make(&superior("S1"), order(Ruling::Confirmed, None));
}

#[test]
fn what_the_present_custodian_owes_goes_to_the_superior_of_its_own_takeover() {
    let mut world = World::new();
    world.make(&duty("A-01"), Act::Alert { to: station("C-01") });
    world.0.now = world.0.now.plus(SECOND);
    world.taken_over_by("B-01");
    world.0.climb(Duty::Handled);
    assert!(world.sees("S1") && !world.sees("S2"));
}
