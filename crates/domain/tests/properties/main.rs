//! The invariants of the design page *product*, on random histories. Nothing here asks the rules what is right: the
//! book retells the events, the invariants compare.

mod aliases;
mod book;
mod dialogue;
mod history;
mod ideas;
mod invariants;
mod tally;
mod together;
#[path = "../support/world.rs"]
mod world;

use history::{Script, THEMES_COUNT, play};
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::sync::Mutex;
use tally::Tally;

/// Histories of one run.
const HISTORIES: u32 = 3_000;
/// Commands of one history: at least, less than.
const COMMANDS: (usize, usize) = (64, 90);
/// Every event type and every state is to be reached this often in one run.
const REACHED_MIN: u64 = 100;

fn scripts() -> impl Strategy<Value = Script> {
    let turns = proptest::collection::vec((any::<u8>(), any::<u64>()), COMMANDS.0..COMMANDS.1);
    (0..THEMES_COUNT, turns).prop_map(|(theme, turns)| Script { theme, turns })
}

/// Plays a share of the histories; the seed is fixed, so that a red run is red again.
fn run(seed: u8, histories: u32) -> Result<Tally, TestError<Script>> {
    let config = Config { cases: histories, failure_persistence: None, max_shrink_iters: 1_000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let total = Mutex::new(Tally::default());
    TestRunner::new_with_rng(config, rng).run(&scripts(), |script| {
        let tally = play(&script).map_err(TestCaseError::fail)?;
        total.lock().map_err(|_| TestCaseError::fail("poisoned"))?.add(&tally);
        Ok(())
    })?;
    Ok(total.into_inner().unwrap_or_default())
}

#[test]
fn every_invariant_holds_on_random_histories() {
    invariants::the_word_accept_is_not_used().unwrap();
    let shares: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = [1, 2].map(|seed| scope.spawn(move || run(seed, HISTORIES / 2))).into_iter().collect();
        running.into_iter().map(|share| share.join().unwrap()).collect()
    });
    let mut tally = Tally::default();
    for share in shares {
        match share {
            Ok(share) => tally.add(&share),
            Err(broken) => panic!("{broken}"),
        }
    }
    println!("{}", tally.table());
    assert_eq!(tally.histories, u64::from(HISTORIES));
    assert!(tally.fewest_commands >= 60, "a history of {} commands", tally.fewest_commands);
    assert!(2 * tally.accepted >= tally.commands, "{} of {} accepted", tally.accepted, tally.commands);
    assert!(tally.unlisted.is_empty(), "legal, and a stale move is not told so: {:?}", tally.unlisted);
    let rare = tally.rarer_than(REACHED_MIN);
    assert!(rare.is_empty(), "reached less than {REACHED_MIN} times: {rare:?}");
}
