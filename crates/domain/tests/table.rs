//! The whole (state × move × side × role) table as pages a duty officer can read: `table/incident.txt`,
//! `table/handoff.txt`, `table/together.txt`. The pages are the specification; this test plays every cell of them.
//! Beside it, in the same two-station world, what no cell shows: clocks, parts and readers, the directory.

#[path = "table/clocks.rs"]
mod clocks;
#[path = "table/directory.rs"]
mod directory;
#[path = "table/grid.rs"]
mod grid;
#[path = "table/keys.rs"]
mod keys;
#[path = "table/merge.rs"]
mod merge;
#[path = "table/moves.rs"]
mod moves;
#[path = "table/parts.rs"]
mod parts;
#[path = "table/rulings.rs"]
mod rulings;
#[path = "table/shifts.rs"]
mod shifts;
#[path = "table/states.rs"]
mod states;
#[path = "table/terms.rs"]
mod terms;
#[path = "table/words.rs"]
mod words;
#[path = "table/world.rs"]
mod world;

use grid::{Grid, compare};
use moves::{HANDOFF_MOVES, INCIDENT_MOVES, TOGETHER_MOVES};
use states::{HANDOFF_STATES, INCIDENT_STATES, TOGETHER_STATES};
use std::collections::BTreeSet;
use world::{Play, Side, Who};

fn every_move() -> Vec<&'static str> {
    [INCIDENT_MOVES, TOGETHER_MOVES, HANDOFF_MOVES].concat()
}

fn incident() -> Grid {
    Grid { states: INCIDENT_STATES, build: states::incident, moves: every_move() }
}

fn handoff() -> Grid {
    Grid { states: HANDOFF_STATES, build: states::handoff, moves: every_move() }
}

fn together() -> Grid {
    let moves = [
        TOGETHER_MOVES,
        &[
            "note",
            "report_unit ASSIGNED",
            "close",
            "offer",
            "report",
            "rule LEAD",
            "rule LEAD_STAYS",
            "rule JOINT_END",
            "rule JOINT_STAYS",
            "rule SUPPORT",
            "rule SUPPORT_NOT",
        ],
    ];
    Grid { states: TOGETHER_STATES, build: states::together, moves: moves.concat() }
}

#[test]
fn every_move_of_the_published_list_has_rows() {
    assert_eq!(moves::unplayed(), Vec::<&str>::new());
}

#[test]
fn an_incident_without_handoff_does_what_the_page_says() {
    assert!(compare(&incident(), include_str!("table/incident.txt")) > 0);
}

#[test]
fn a_handoff_does_what_the_page_says() {
    assert!(compare(&handoff(), include_str!("table/handoff.txt")) > 0);
}

#[test]
fn working_together_does_what_the_page_says() {
    assert!(compare(&together(), include_str!("table/together.txt")) > 0);
}

fn verb(name: &'static str) -> &'static str {
    name.split_once(' ').map_or(name, |(verb, _)| verb)
}

/// Facts of which the list is exact, too.
const EXACT_FACTS: &[&str] =
    &["answer_alert", "strike", "object", "answer_support", "recall_support", "end_support", "link"];

/// Moves that decide, and every move of a handoff: of these the list is exact. Other facts it names as a reminder.
fn is_listed(name: &'static str, play: &Play, who: Who) -> bool {
    // A fact sent to an alias is recorded in its survivor, whose own list names it.
    let exact = HANDOFF_MOVES.contains(&name) || EXACT_FACTS.contains(&verb(name)) && play.case().alias_of.is_none();
    exact || moves::act(name, play, who).decides()
}

/// Moves that record something for this caller now.
fn succeed(play: &Play, who: Who) -> BTreeSet<&'static str> {
    let done = |name: &&'static str| {
        let tried = play.attempt(who, moves::act(name, play, who));
        is_listed(name, play, who) && tried.is_ok_and(|decided| !decided.events.is_empty())
    };
    every_move().into_iter().filter(done).map(verb).collect()
}

/// Moves listed as legal for this caller now, about the incident or any of its handoffs.
fn listed(play: &Play, who: Who) -> BTreeSet<&'static str> {
    let (case, caller) = (play.case(), who.caller());
    let about_incident = handoff_domain::moves::legal(case, None, &caller, play.now);
    let at_hand = case.handoff(moves::at_hand(case));
    let about_handoff = at_hand.map(|handoff| handoff_domain::moves::legal(case, Some(handoff), &caller, play.now));
    let later = case
        .handoffs
        .iter()
        .skip(1)
        .flat_map(|later| handoff_domain::moves::legal(case, Some(later), &caller, play.now));
    let listed = about_incident.into_iter().chain(about_handoff.into_iter().flatten()).chain(later);
    let exact = every_move().into_iter().filter(|name| is_listed(name, play, who));
    let known: BTreeSet<_> = exact.map(verb).collect();
    listed.filter(|name| known.contains(name)).collect()
}

#[test]
fn the_moves_listed_as_legal_are_exactly_those_that_succeed() {
    let plays = INCIDENT_STATES.iter().map(|state| (state, states::incident(state)));
    let plays = plays.chain(HANDOFF_STATES.iter().map(|state| (state, states::handoff(state))));
    let plays = plays.chain(TOGETHER_STATES.iter().map(|state| (state, states::together(state))));
    for (state, play) in plays {
        for side in Side::ALL {
            for role in side.roles() {
                let who = Who(side, *role);
                let (mut listed, succeed) = (listed(&play, who), succeed(&play, who));
                // Whether a merge can be proposed depends on the other incident too, which the list does not know.
                if !succeed.contains("propose_merge") {
                    listed.remove("propose_merge");
                }
                assert_eq!(listed, succeed, "{state}: {who:?}");
            }
        }
    }
}
