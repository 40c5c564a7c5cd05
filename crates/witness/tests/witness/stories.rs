//! Honest logs, whatever happens in them: every checkpoint is signed, once for each size, and every closed case is
//! proven from the mirror alone.

use crate::desk::{Place, Sent, cosigned, policy, read, recorded, story};
use crate::play::{self, HANDED_OVER};
use crate::world::{World, duty, officer, seat, signer, superior, system};
use handoff_domain::caller::{Actor, Caller, Role};
use handoff_domain::case::Case;
use handoff_domain::case::phase::Phase;
use handoff_domain::command::{Act, AgreeParts, Receive, Sign, SignParts};
use handoff_domain::decide::Statement;
use handoff_domain::event::handoff::{Declined, Delivered, Disputed, OfferBasis, Recalled, Ruling, Seen};
use handoff_domain::event::incident::{Handled, UnitStatus};
use handoff_domain::ids::{DeploymentId, HandoffId, IncidentId, UnitId};
use handoff_domain::time::MINUTE;
use handoff_domain::values::{Code, Label, Level, Severity};
use handoff_engine::Answer;
use handoff_engine::deadlines::raise_due;
use handoff_engine::memory::Hashes;
use handoff_evidence::report::{CheckId, Outcome, Verdict};
use handoff_evidence::verify::{Options, verify};
use handoff_witness::{Step, recheck};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use uuid::Uuid;

const STORIES: u64 = 5;
const TRIES: u32 = 500;

/// What somebody may try next.
async fn idea(world: &World, id: IncidentId, handoff: HandoffId, rng: &mut StdRng) -> Option<(Caller, Act)> {
    let at = ["A-01", "B-01"][rng.random_range(0..2)];
    let other = if at == "A-01" { "B-01" } else { "A-01" };
    let officer_of = || Caller { roles: vec![Role::DutyOfficer, Role::Dispatcher], ..duty(at) };
    let entry = world.engine().entry(id).await.ok()?;
    let case = entry.as_ref().map(|entry| entry.case.clone());
    let of = case.as_ref().and_then(|case| case.handoff(handoff));
    let version = of.map_or(1, |of| of.version);
    let code = Code::of("DONE");
    let deployment = DeploymentId(Uuid::from_u128(id.0.as_u128() * 16 + u128::from(at == "A-01")));
    let unit = |status| Act::ReportUnit {
        deployment,
        unit: UnitId::new(&format!("{at}-U1")).expect("a legal name"),
        of: None,
        status,
        crew: vec![officer(&format!("{at}-R1"))],
        support: None,
    };
    Some(match rng.random_range(0..22) {
        0 => {
            let kind = Label::new("emergency");
            (officer_of(), Act::Receive(Receive { kind, severity: Some(Severity::Urgent), ..Receive::default() }))
        }
        1 => (system(at), unit(UnitStatus::Assigned)),
        2 => (system(at), unit(UnitStatus::OnScene)),
        3 => (system(at), unit(UnitStatus::Released)),
        4 => (officer_of(), Act::Alert { to: seat(other).station }),
        5 | 6 => (officer_of(), play::offer(handoff, other, OfferBasis::UnitAssigned)),
        7 => (system(at), Act::Deliver(Delivered { handoff, version })),
        8 => (officer_of(), Act::See(Seen { handoff, version })),
        9 | 10 => (officer_of(), Act::Agree { handoff, version, parts: AgreeParts::default() }),
        11 => (officer_of(), Act::Revise { handoff, form: play::form(), signer: None }),
        12 | 13 => {
            let entry = entry.as_ref()?;
            let by = Actor { station: Some(seat(at).station), ..Actor::service() };
            let text = Hashes { entry: Some(entry) }.text(&entry.case, &by, Statement::Transfer(of?))?;
            let (level, statement) = (Level::Attested, text.digest());
            let parts = SignParts { level, statement, signature: None, lang: None, template: None, paper: None };
            (signer(at), Act::Sign { handoff, version, parts })
        }
        14 | 15 => (officer_of(), Act::TakeOver { handoff, version, paper: None }),
        16 => (officer_of(), Act::DeclareHandled(Handled { code: None, referred_to: None, result: None })),
        17 => (officer_of(), Act::Report { code, case_number: None, result: None, sign: Sign::ATTESTED }),
        18 => {
            let report = case.as_ref().map_or(1, |case: &Case| case.reports);
            (officer_of(), Act::Confirm { report, sign: Sign::ATTESTED })
        }
        19 => (officer_of(), Act::Close { code, case_number: None }),
        20 => (officer_of(), play::note()),
        _ => rare(at, handoff, version, rng),
    })
}

fn rare(at: &str, handoff: HandoffId, version: u64, rng: &mut StdRng) -> (Caller, Act) {
    let code = Code::of("OTHER_REASON");
    match rng.random_range(0..4) {
        0 => {
            let code = Code::of("NOT_OUR_MATTER");
            let declined = Declined { handoff, version, code, owner: None, map: None, duplicate_of: None, note: None };
            (duty(at), Act::Decline(declined))
        }
        1 => (duty(at), Act::Dispute(Disputed { handoff, code: Code::of("DECLINED"), position: None })),
        2 => (duty(at), Act::Recall(Recalled { handoff, code, note: None })),
        _ => {
            let (ruling, side) = (Ruling::Takeover, Some(seat(at)));
            let (joint, support, reasons, handoff) = (false, None, None, Some(handoff));
            (superior(), Act::Rule { handoff, ruling, joint, side, support, reasons, sign: Sign::ATTESTED })
        }
    }
}

/// Whoever comes to mind does whatever comes to mind; the rules refuse most of it.
async fn wander(world: &World, seed: u64) -> BTreeMap<&'static str, u32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut done = BTreeMap::new();
    play::directory(world).await;
    for _ in 0..TRIES {
        let number = rng.random_range(1..4_u128);
        let (id, handoff) = (IncidentId(Uuid::from_u128(0xC0 + number)), HandoffId(Uuid::from_u128(0xD0 + number)));
        if rng.random_range(0..40) == 0 {
            world.wait(20 * MINUTE);
            raise_due(world.engine(), world.engine().clock().now()).await.expect("the store is there");
        }
        let Some((caller, act)) = idea(world, id, handoff, &mut rng).await else { continue };
        let name = act.name();
        if let Answer::Done(_) = world.answer(&caller, id, act, Vec::new()).await {
            *done.entry(name).or_default() += 1;
        }
    }
    done
}

#[test]
fn honest_logs_are_always_signed_and_once_for_each_size() {
    let mut types = BTreeMap::<&'static str, u32>::new();
    for seed in 0..STORIES {
        let events = recorded(async |world| drop(wander(world, seed).await));
        for bytes in &events {
            *types.entry(read(bytes).0.body.type_name()).or_default() += 1;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(signed_to_the_end(&Sent::of(&events), seed));
    }
    println!("{types:?}");
    assert!(types.len() >= 22, "{types:?}");
}

async fn signed_to_the_end(log: &Sent, seed: u64) {
    let (place, mut rng) = (Place::new(), StdRng::seed_from_u64(seed));
    let mut witness = place.open().await;
    let mut signed = 0;
    while witness.position() < log.size() {
        let from = witness.position();
        let to = (from + 1 + rng.random_range(0..29)).min(log.size());
        let Step::Cosigned { note, size } = witness.step(&log.message(from, to)).await.expect("honest") else {
            panic!("not signed")
        };
        assert_eq!((cosigned(&note), size), (log.head(to), to));
        // The same again is not signed again.
        let again = witness.step(&log.message(to, to)).await.expect("the same");
        assert_eq!(again, Step::Cosigned { size, note });
        signed += 1;
        // A new process finds everything as it was.
        if rng.random_range(0..3) == 0 {
            witness.close().await.expect("it closes");
            witness = place.open().await;
            signed = 0;
        }
        assert_eq!(witness.counts().cosigned.load(std::sync::atomic::Ordering::Relaxed), signed);
    }
    let rechecked = recheck(witness.mirror(), &policy(), &[], |_| {}).await.expect("it holds").expect("it is there");
    assert_eq!((rechecked.head, rechecked.faults), (log.head(log.size()), 0));
}

/// The mirror's bundle of a closed case is proven by the offline verifier, under the quorum's checkpoints alone.
#[tokio::test]
async fn a_closed_case_is_proven_from_the_mirror_alone() {
    let log = Sent::of(story());
    let place = Place::new();
    let mut witness = place.open().await;
    let last =
        (0..story().len()).rfind(|index| read(&story()[*index]).0.incident == HANDED_OVER).expect("it is there") as u64;
    let mut case = None;
    for bytes in story().iter().filter(|bytes| read(bytes).0.incident == HANDED_OVER) {
        case = Some(handoff_domain::apply(case, &read(bytes).0).expect("legal"));
    }
    assert_eq!(case.expect("it is there").phase(), Phase::Closed);
    for size in (1..=last + 1).filter(|size| size % 3 == 1 || *size == last + 1) {
        let from = witness.position();
        witness.step(&log.message(from, size)).await.expect("honest");
        if size <= last {
            witness.keep_proven(&log.proven(size)).await.expect("it is this log's");
        }
    }
    let bundle = witness.mirror().export(&policy(), HANDED_OVER).await.expect("a bundle");
    let report = verify(&bundle, policy().text(), Options::default());
    assert_eq!(report.verdict, Verdict::NotProven, "the quorum has not signed the end");
    let failed: Vec<_> =
        report.checks.iter().filter(|check| check.outcome == Outcome::Failed).map(|check| check.id).collect();
    assert_eq!(failed, [CheckId::C2], "and nothing else is missing");
    witness.keep_proven(&log.proven(last + 1)).await.expect("it is this log's");
    let bundle = witness.mirror().export(&policy(), HANDED_OVER).await.expect("a bundle");
    let report = verify(&bundle, policy().text(), Options::default());
    assert_eq!(report.verdict, Verdict::Proven, "{report:?}");
}
