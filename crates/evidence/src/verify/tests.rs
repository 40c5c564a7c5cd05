use super::*;
use crate::bundle::Bundle;
use crate::report::{Lang, Outcome};
use crate::sample::story::Story;
use crate::sample::world::World;

fn checked(world: &World, bundle: &Bundle) -> Report {
    verify(&bundle.write().unwrap(), world.policy.text(), Options::default())
}

#[test]
fn a_true_bundle_is_proven() {
    let world = World::new();
    let report = checked(&world, &world.bundle(&Story::whole()));
    println!("{}\n{}\n{}", report.text(Lang::En), report.text(Lang::Zh), report.json());
    assert_eq!(report.verdict, Verdict::Proven);
    let report = checked(&world, &world.signed_bundle());
    println!("{}\n{}", report.text(Lang::En), report.text(Lang::Zh));
    assert_eq!(report.verdict, Verdict::Proven);
    assert_eq!(report.check(CheckId::C8).unwrap().outcome, Outcome::Held);
}
