//! C7 and C9: whatever anybody saw is in the final log, and whoever reads after an answer sees at least what it said.

use super::entry::Entry;
use super::index::{Log, requests};
use super::{Found, History, Violation};
use handoff_domain::ids::IncidentId;
use std::collections::HashMap;

/// No subscriber, answer or read ever showed an event that is not in the final log.
#[must_use]
pub fn c7(history: &History) -> Vec<Violation> {
    let (log, mut found) = (Log::of(&history.log), Found::of("C7"));
    for entry in &history.entries {
        match entry {
            Entry::Received(is) => {
                let there = log.at(is.position).is_some_and(|event| {
                    (event.incident, event.seq) == (is.incident, is.seq)
                        && is.hash.is_none_or(|hash| hash == event.hash)
                });
                found.unless(there, || {
                    let (subscriber, position, incident) = (&is.subscriber, is.position, is.incident);
                    format!("{subscriber} saw an event at position {position}, {incident} {}, that is gone", is.seq)
                });
            }
            Entry::Ok(is) => {
                if let Some(lack) = log.lacks(is.position, is.incident, is.version, is.hash) {
                    found.add(format!("op {} was told of position {} in an answer: {lack}", is.op, is.position));
                }
            }
            Entry::Read(is) if is.version > 0 => {
                let event = log.numbered(is.incident, is.version);
                let there = event.is_some_and(|event| is.hash.is_none_or(|hash| hash == event.hash));
                let (incident, version, at) = (is.incident, is.version, is.at);
                found.unless(there, || format!("a read at {at} ns saw {incident} {version}, which is gone"));
            }
            _ => {}
        }
    }
    found.into_list()
}

/// Answers of one incident by time: up to each, the highest version said.
type Said = Vec<(u64, u64)>;

/// A read that began after an answer sees at least the version that the answer named.
#[must_use]
pub fn c9(history: &History) -> Vec<Violation> {
    let mut found = Found::of("C9");
    let mut said: HashMap<IncidentId, Said> = HashMap::new();
    for attempts in requests(history).values() {
        for (_, acked) in attempts.oks() {
            said.entry(acked.incident).or_default().push((acked.at, acked.version));
        }
    }
    for answers in said.values_mut() {
        answers.sort_unstable();
        let mut highest = 0;
        for (_, version) in answers {
            highest = highest.max(*version);
            *version = highest;
        }
    }
    for entry in &history.entries {
        let Entry::Read(is) = entry else { continue };
        let answers = said.get(&is.incident).map_or(&[][..], Vec::as_slice);
        let before = answers.partition_point(|(at, _)| *at < is.begun);
        let Some((at, version)) = before.checked_sub(1).and_then(|last| answers.get(last)) else { continue };
        found.unless(is.version >= *version, || {
            let (incident, seen, begun) = (is.incident, is.version, is.begun);
            format!("a read begun at {begun} ns saw {incident} {seen}, {version} was answered by {at} ns")
        });
    }
    found.into_list()
}
