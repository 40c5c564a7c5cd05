//! C11's part about chains: the log and the feeds are dense, each stream is a chain, each hash is that of its bytes.

use super::dump::EventLine;
use super::index::feeds;
use super::{Found, History, Violation};
use handoff_domain::ids::IncidentId;
use handoff_evidence::event::{Chain, hash};
use std::collections::{HashMap, HashSet};

/// Positions, numbers and hashes have no gap and no fork.
#[must_use]
pub fn c11(history: &History) -> Vec<Violation> {
    let mut found = Found::of("C11");
    let mut chains: HashMap<IncidentId, Option<Chain>> = HashMap::new();
    let mut before: Option<&EventLine> = None;
    for event in &history.log.events {
        let position = event.position;
        let expected = before.map_or(0, |before| before.position + 1);
        found.unless(position == expected, || format!("position {position} stands where {expected} is due"));
        let follows = event.first == position || before.is_some_and(|before| before.first == event.first);
        found.unless(follows, || format!("the command of position {position} does not begin at {}", event.first));
        found.unless(hash(&event.bytes.0) == event.hash, || format!("position {position} has another hash"));
        links(&mut chains, event, &mut found);
        before = Some(event);
    }
    numbers(history, &mut found);
    found.into_list()
}

/// The event follows on its stream. A stream is followed up to its first fault.
fn links(chains: &mut HashMap<IncidentId, Option<Chain>>, event: &EventLine, found: &mut Found) {
    let EventLine { position, incident, .. } = event;
    let chain = chains.entry(*incident).or_insert_with(|| Some(Chain::new(*incident)));
    let Some(open) = chain else { return };
    match open.accept(&event.bytes.0) {
        Ok(read) => {
            let same = read.seq == event.seq;
            found.unless(same, || format!("position {position} is stored as {incident} {}", event.seq));
        }
        Err(error) => {
            found.add(format!("position {position}, {incident}: {error}"));
            *chain = None;
        }
    }
}

fn numbers(history: &History, found: &mut Found) {
    let positions: HashSet<u64> = history.log.events.iter().map(|event| event.position).collect();
    for (org, lines) in feeds(&history.log) {
        let mut before: Option<(u64, u64)> = None;
        for (number, position) in lines {
            let expected = before.map_or(1, |(number, _)| number + 1);
            found.unless(number == expected, || format!("number {number} of {org} stands where {expected} is due"));
            let rises = before.is_none_or(|(_, before)| position > before);
            found.unless(rises, || format!("number {number} of {org} goes back to position {position}"));
            let there = positions.contains(&position);
            found.unless(there, || format!("number {number} of {org} names position {position}, which is not there"));
            before = Some((number, position));
        }
    }
}
