//! One history with every kind of move the invariants speak of.

use crate::world::{World, auditor, duty, officer, seat, signer, superior, system};
use handoff_domain::caller::{Actor, Caller, Role};
use handoff_domain::case::phase::Phase;
use handoff_domain::command::{Act, AgreeParts, Order, Receive, Sign, SignParts};
use handoff_domain::decide::Statement;
use handoff_domain::event::directory::{AgreementProposed, AgreementRatified, StationSet};
use handoff_domain::event::handoff::{
    Declined, Delivered, Disputed, OfferBasis, RecallReceived, Recalled, Ruling, Seen,
};
use handoff_domain::event::incident::{
    CallerOpened, ErasedField, Handled, Noted, Struck, SupportAnswer, SupportAnswered, UnitStatus,
};
use handoff_domain::form::Form;
use handoff_domain::ids::{AgreementId, ClientId, DeploymentId, Digest, HandoffId, IncidentId, SupportId, UnitId};
use handoff_domain::time::{HOUR, MINUTE};
use handoff_domain::values::{Code, Label, Level, Sealed, Severity};
use handoff_engine::deadlines::raise_due;
use handoff_engine::memory::Hashes;
use handoff_engine::sealing::Sealing;
use uuid::Uuid;

/// Offered, agreed, signed by both, taken over, reported, confirmed, closed, reopened, closed.
pub(crate) const HANDED_OVER: IncidentId = IncidentId(Uuid::from_u128(0xA1));
/// Declined, disputed, and taken over by order of the superior.
pub(crate) const ORDERED: IncidentId = IncidentId(Uuid::from_u128(0xA2));
/// Merged into [`SURVIVOR`], taken apart again, merged again.
pub(crate) const MERGED: IncidentId = IncidentId(Uuid::from_u128(0xA3));
const SURVIVOR: IncidentId = IncidentId(Uuid::from_u128(0xA4));
/// Nobody free, support asked for, nobody answers.
const WAITING: IncidentId = IncidentId(Uuid::from_u128(0xA5));

pub(crate) async fn everything(world: &World) {
    directory(world).await;
    handed_over(world).await;
    ordered(world).await;
    merged(world).await;
    waiting(world).await;
}

fn label(text: &str) -> Label {
    Label::new(text).expect("a legal label")
}

pub(crate) fn form() -> Form {
    Form {
        kind: Some(label("emergency")),
        severity: Severity::Urgent,
        category: None,
        number: None,
        times: None,
        place: None,
        place_unknown: true,
        legal_ground: None,
        measures: Some(Sealed([1; 32])),
        risks: Some(Sealed([2; 32])),
        items: Vec::new(),
        people: Vec::new(),
        annex: None,
        units: Vec::new(),
        callback: None,
    }
}

pub(crate) async fn directory(world: &World) {
    for (org, name) in [("A", "A-01"), ("B", "B-01")] {
        let station = StationSet {
            station: seat(name).station,
            name: None,
            dispatch_client: ClientId::new(&format!("cad-{name}")),
            site: None,
            retired: false,
        };
        world.order(org, Order::Station(station)).await;
    }
    let agreement = AgreementId(Uuid::from_u128(1));
    let proposed = AgreementProposed {
        agreement,
        version: 1,
        a: seat("A-01"),
        b: seat("B-01"),
        superior: Some(crate::world::org("S")),
        level: Level::Attested,
        timers: None,
        map: None,
        grid7: None,
        caller_days: None,
        text_days: None,
    };
    world.order("A", Order::ProposeAgreement(proposed)).await;
    world.order("B", Order::RatifyAgreement(AgreementRatified { agreement, version: 1 })).await;
}

async fn received(world: &World, at: &str, incident: IncidentId) {
    let kind = Some(label("emergency"));
    let receive = Receive { kind, severity: Some(Severity::Urgent), ..Receive::default() };
    world.done(&duty(at), incident, Act::Receive(receive)).await;
}

async fn unit(world: &World, at: &str, incident: IncidentId, deployment: u128, status: UnitStatus) -> u64 {
    let act = Act::ReportUnit {
        deployment: DeploymentId(Uuid::from_u128(deployment)),
        unit: UnitId::new(&format!("{at}-U1")).expect("a legal name"),
        of: None,
        status,
        crew: vec![officer(&format!("{at}-R1"))],
        support: None,
    };
    world.done(&system(at), incident, act).await.version
}

pub(crate) fn offer(handoff: HandoffId, to: &str, basis: OfferBasis) -> Act {
    Act::Offer { handoff, to: seat(to).station, basis, form: form(), signer: None, parent: None, paper: None }
}

pub(crate) fn note() -> Act {
    Act::Note(Noted { text: None, code: None, handoff: None, flags: Vec::new() })
}

async fn sign(world: &World, at: &str, incident: IncidentId, handoff: HandoffId) {
    let entry = world.entry(incident).await;
    let of = entry.case.handoff(handoff).expect("it is offered");
    let by = Actor { station: Some(seat(at).station), ..Actor::service() };
    let text = Hashes { entry: Some(&entry) }.text(&entry.case, &by, Statement::Transfer(of));
    let statement: Digest = text.expect("it is agreed").digest();
    let parts =
        SignParts { level: Level::Attested, statement, signature: None, lang: None, template: None, paper: None };
    world.done(&signer(at), incident, Act::Sign { handoff, version: of.version, parts }).await;
}

async fn handed_over(world: &World) {
    let (id, handoff) = (HANDED_OVER, HandoffId(Uuid::from_u128(0xF1)));
    let (a, b) = (duty("A-01"), duty("B-01"));
    received(world, "A-01", id).await;
    world.refused(&a, id, offer(handoff, "B-01", OfferBasis::UnitAssigned)).await;
    unit(world, "A-01", id, 1, UnitStatus::Assigned).await;
    world.done(&a, id, Act::Alert { to: seat("B-01").station }).await;
    unit(world, "B-01", id, 2, UnitStatus::EnRoute).await;
    world.done(&a, id, offer(handoff, "B-01", OfferBasis::UnitAssigned)).await;
    world.done(&system("B-01"), id, Act::Deliver(Delivered { handoff, version: 1 })).await;
    world.done(&b, id, Act::See(Seen { handoff, version: 1 })).await;
    world.done(&a, id, Act::Revise { handoff, form: form(), signer: None }).await;
    world.done(&b, id, Act::See(Seen { handoff, version: 2 })).await;
    let parts = AgreeParts { number: Some(label("B-77")), ..AgreeParts::default() };
    world.done(&b, id, Act::Agree { handoff, version: 2, parts }).await;
    sign(world, "A-01", id, handoff).await;
    unit(world, "A-01", id, 1, UnitStatus::OnScene).await;
    sign(world, "B-01", id, handoff).await;
    world.done(&b, id, Act::TakeOver { handoff, version: 2, paper: None }).await;
    world.done(&a, id, note()).await;
    noted_and_erased(world, id).await;
    let wrong = unit(world, "A-01", id, 3, UnitStatus::Assigned).await;
    let struck = Struck { entry: wrong, code: Code::of("MISTAKE"), note: None };
    world.done(&system("A-01"), id, Act::Strike(struck)).await;
    to_the_end(world, id).await;
    let reopen =
        Act::Reopen { code: Code::of("NEW_FACTS"), to: handoff_domain::event::incident::ReopenTo::Handled, note: None };
    world.done(&a, id, reopen).await;
    reported_and_closed(world, id).await;
}

/// Two sealed notes, one of them erased by an auditor's order.
async fn noted_and_erased(world: &World, id: IncidentId) {
    let mut last = 0;
    for text in ["the gate is locked", "the key is with the neighbour"] {
        let mut sealing = Sealing::new();
        let text = Some(sealing.text("text", text));
        let note = Act::Note(Noted { text, code: None, handoff: None, flags: Vec::new() });
        let sealed = sealing.finish().expect("the text may enter the log");
        last = world.done_with(&duty("B-01"), id, note, sealed).await.version;
    }
    let fields = vec![ErasedField { seq: last, path: "text".to_owned() }];
    world.done(&auditor(), id, Act::Erase { fields, basis: Code::of("COURT_ORDER") }).await;
}

async fn to_the_end(world: &World, id: IncidentId) {
    unit(world, "A-01", id, 1, UnitStatus::Released).await;
    unit(world, "B-01", id, 2, UnitStatus::Released).await;
    world.done(&duty("B-01"), id, Act::DeclareHandled(Handled { code: None, referred_to: None, result: None })).await;
    reported_and_closed(world, id).await;
}

async fn reported_and_closed(world: &World, id: IncidentId) {
    let (a, b) = (duty("A-01"), duty("B-01"));
    let code = Code::of("DONE");
    let report = Act::Report { code: code.clone(), case_number: None, result: None, sign: Sign::ATTESTED };
    world.done(&b, id, report).await;
    let report = world.case(id).await.reports;
    world.done(&a, id, Act::Confirm { report, sign: Sign::ATTESTED }).await;
    world.done(&b, id, Act::Close { code, case_number: None }).await;
}

/// Rings whatever is due, as often as time has gone by.
async fn ring(world: &World, times: u32) {
    for _ in 0..times {
        world.wait(20 * MINUTE);
        raise_due(world.engine(), world.engine().clock().now()).await.expect("the store is there");
    }
}

async fn ordered(world: &World) {
    let (id, handoff) = (ORDERED, HandoffId(Uuid::from_u128(0xF2)));
    let (a, b) = (duty("A-01"), duty("B-01"));
    received(world, "A-01", id).await;
    world.done(&a, id, offer(handoff, "B-01", OfferBasis::NoResponseNeeded)).await;
    let declined = Declined {
        handoff,
        version: 1,
        code: Code::of("NOT_OUR_MATTER"),
        owner: None,
        map: None,
        duplicate_of: None,
        note: None,
    };
    world.done(&b, id, Act::Decline(declined)).await;
    world.done(&a, id, Act::Dispute(Disputed { handoff, code: Code::of("DECLINED"), position: None })).await;
    ring(world, 8).await;
    let rule = |ruling, side| Act::Rule {
        handoff: Some(handoff),
        ruling,
        joint: false,
        side,
        support: None,
        reasons: None,
        sign: Sign::ATTESTED,
    };
    world.done(&superior(), id, rule(Ruling::Agreed, None)).await;
    world.done(&superior(), id, rule(Ruling::Takeover, Some(seat("B-01")))).await;
    assert_eq!(world.case(id).await.custodian, seat("B-01"));
}

async fn merged(world: &World) {
    let a = Caller { roles: vec![Role::DutyOfficer, Role::Dispatcher], ..duty("A-01") };
    received(world, "A-01", MERGED).await;
    received(world, "A-01", SURVIVOR).await;
    let merge = || Act::ProposeMerge { other: SURVIVOR, survivor: SURVIVOR };
    world.done(&a, MERGED, merge()).await;
    world.refused(&a, MERGED, Act::DeclareHandled(Handled { code: None, referred_to: None, result: None })).await;
    // Old ids resolve: what is sent to the alias is recorded in its survivor.
    assert_eq!(world.done(&a, MERGED, note()).await.incident, SURVIVOR);
    let open = Act::OpenCaller(CallerOpened { code: Code::of("CALL_BACK"), of: None });
    assert_eq!(world.done(&a, MERGED, open).await.incident, SURVIVOR);
    world.done(&a, MERGED, Act::Unmerge { other: SURVIVOR, code: Code::of("TWO_AFTER_ALL") }).await;
    unit(world, "A-01", MERGED, 4, UnitStatus::Assigned).await;
    world.done(&a, MERGED, merge()).await;
    // The unit came with it, arrives under the old id, goes back, and is there.
    unit(world, "A-01", MERGED, 4, UnitStatus::OnScene).await;
    assert_eq!(world.case(SURVIVOR).await.phase(), Phase::OnScene);
    let handoff = HandoffId(Uuid::from_u128(0xF4));
    world.done(&a, SURVIVOR, offer(handoff, "B-01", OfferBasis::UnitAssigned)).await;
    world.done(&a, SURVIVOR, Act::Recall(Recalled { handoff, code: Code::of("NEW_FACTS"), note: None })).await;
    world.done(&system("B-01"), SURVIVOR, Act::ReceiveRecall(RecallReceived { handoff })).await;
    world.done(&a, MERGED, Act::Unmerge { other: SURVIVOR, code: Code::of("TWO_AFTER_ALL") }).await;
    assert_eq!(world.case(MERGED).await.phase(), Phase::OnScene);
    assert_eq!(world.case(SURVIVOR).await.phase(), Phase::Received);
    let handoff = HandoffId(Uuid::from_u128(0xF5));
    world.refused(&a, SURVIVOR, offer(handoff, "B-01", OfferBasis::UnitAssigned)).await;
    world.done(&a, MERGED, merge()).await;
}

async fn waiting(world: &World) {
    let (id, support) = (WAITING, SupportId(Uuid::from_u128(0xE1)));
    received(world, "B-01", id).await;
    let b = Caller { roles: vec![Role::DutyOfficer, Role::Dispatcher], ..duty("B-01") };
    let request = Act::RequestSupport { support, to: seat("A-01").station, skills: Vec::new(), count: 1, note: None };
    world.done(&b, id, request).await;
    ring(world, 2).await;
    let yes = SupportAnswered { support, answer: SupportAnswer::Committed, code: None, eta: None, note: None };
    world.done(&duty("A-01"), id, Act::AnswerSupport(yes)).await;
    world.done(&b, id, offer(HandoffId(Uuid::from_u128(0xF3)), "A-01", OfferBasis::NoUnitFree)).await;
    world.wait(HOUR);
    ring(world, 1).await;
}
