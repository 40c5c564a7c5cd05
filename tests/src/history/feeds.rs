//! C6: what each subscriber received, joined over all its resumes, is its organisation's feed from where it began.

use super::entry::{Entry, Received, Resumed};
use super::index::{Log, feeds};
use super::{Found, History, Violation};
use handoff_domain::ids::OrgId;
use std::collections::{BTreeMap, HashMap};

/// Each subscriber's list is the unbroken feed from its start, and the same as the one that is stored.
#[must_use]
pub fn c6(history: &History) -> Vec<Violation> {
    let mut found = Found::of("C6");
    let log = Log::of(&history.log);
    let feeds = feeds(&history.log);
    let stored = feeds.iter().map(|(org, lines)| (*org, lines.iter().copied().collect())).collect();
    let mut check = Check { log: &log, stored, places: BTreeMap::new() };
    for entry in &history.entries {
        match entry {
            Entry::Resumed(resumed) => check.resumed(resumed, &mut found),
            Entry::Received(received) => check.received(received, &mut found),
            _ => {}
        }
    }
    found.into_list()
}

/// How far a subscriber is.
struct Place<'a> {
    org: &'a OrgId,
    /// Number of the last entry of this connection.
    at: u64,
    /// The highest number it has had.
    highest: u64,
}

struct Check<'a> {
    log: &'a Log<'a>,
    /// Positions by number.
    stored: HashMap<&'a OrgId, HashMap<u64, u64>>,
    places: BTreeMap<&'a str, Place<'a>>,
}

impl<'a> Check<'a> {
    fn position(&self, org: &OrgId, number: u64) -> Option<u64> {
        self.stored.get(org)?.get(&number).copied()
    }

    /// A token stands behind a whole command, and only what was received has one.
    fn resumed(&mut self, is: &'a Resumed, found: &mut Found) {
        let Resumed { subscriber, org, after, .. } = is;
        let command = |number| self.log.at(self.position(org, number)?).map(|event| event.first);
        let parted = command(*after).is_some() && command(*after) == command(after + 1);
        found.unless(!parted, || format!("{subscriber} resumes after {after}, inside a command"));
        match self.places.get_mut(subscriber.as_str()) {
            Some(place) => {
                let (own, highest) = (place.org == org, place.highest);
                found.unless(own, || format!("{subscriber} of {} resumes in the feed of {org}", place.org));
                found.unless(*after <= highest, || format!("{subscriber} resumes after {after}, it has {highest}"));
                place.at = *after;
            }
            None => {
                self.places.insert(subscriber, Place { org, at: *after, highest: *after });
            }
        }
    }

    fn received(&mut self, is: &'a Received, found: &mut Found) {
        let Received { subscriber, org, number, .. } = is;
        let place = self.places.entry(subscriber).or_insert(Place { org, at: 0, highest: 0 });
        let (last, own) = (place.at, place.org == org);
        (place.at, place.highest) = (*number, place.highest.max(*number));
        found.unless(own, || format!("{subscriber} of {} received number {number} of {org}", place.org));
        found.unless(*number == last + 1, || format!("{subscriber} received number {number} after {last}"));
        let org = place.org;
        let same = self.position(org, *number).and_then(|position| self.log.at(position)).is_some_and(|event| {
            (event.position, event.incident, event.seq) == (is.position, is.incident, is.seq)
                && is.first.is_none_or(|first| first == event.first)
                && is.hash.is_none_or(|hash| hash == event.hash)
        });
        found.unless(same, || format!("{subscriber} received number {number} otherwise than {org}'s feed has it"));
    }
}
