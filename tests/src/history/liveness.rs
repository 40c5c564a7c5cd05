//! C10: once every fault is over, everybody who writes is answered ok, and everybody who follows a feed reaches its end.

use super::entry::{Entry, Healed, Who};
use super::index::{Attempts, End, feeds, requests};
use super::requests::was_not_accepted;
use super::{Found, History, Violation};
use handoff_domain::ids::OrgId;
use std::collections::BTreeMap;

/// After each healing, within its time, every writer has an ok for something it sent after it, and every subscriber has
/// what was answered before it and where the service says its feed ends. When the history ends every subscriber has its
/// whole feed. Whoever has left before is not waited for.
#[must_use]
pub fn c10(history: &History) -> Vec<Violation> {
    let mut found = Found::of("C10");
    let marks = Marks::of(history);
    for healed in &marks.healed {
        marks.writers_are_served(healed, &mut found);
        for (org, number) in marks.answered_before(history, healed.at) {
            marks.subscribers_reach(org, number, healed.at, healed.at.saturating_add(healed.within), &mut found);
        }
    }
    for (at, org, number) in &marks.ends {
        let Some(healed) = marks.healed.iter().rfind(|healed| healed.at <= *at) else { continue };
        marks.subscribers_reach(org, *number, *at, at.saturating_add(healed.within), &mut found);
    }
    if !marks.healed.is_empty() {
        for (org, lines) in feeds(&history.log) {
            let end = lines.last().map_or(0, |(number, _)| *number);
            marks.subscribers_reach(org, end, u64::MAX, u64::MAX, &mut found);
        }
    }
    found.into_list()
}

/// One subscriber: what it had when.
struct Follower<'a> {
    org: &'a OrgId,
    begun: u64,
    left: Option<u64>,
    /// Time and number.
    had: Vec<(u64, u64)>,
}

struct Writer {
    begun: u64,
    left: Option<u64>,
    /// When each command was sent that was answered ok, and when it was.
    oks: Vec<(u64, u64)>,
}

struct Marks<'a> {
    healed: Vec<&'a Healed>,
    ends: Vec<(u64, &'a OrgId, u64)>,
    followers: BTreeMap<&'a str, Follower<'a>>,
    writers: BTreeMap<&'a Who, Writer>,
}

impl<'a> Marks<'a> {
    fn of(history: &'a History) -> Self {
        let (healed, ends) = (Vec::new(), Vec::new());
        let mut marks = Self { healed, ends, followers: BTreeMap::new(), writers: writers(history) };
        for entry in &history.entries {
            match entry {
                Entry::Healed(is) => marks.healed.push(is),
                Entry::FeedEnd(is) => marks.ends.push((is.at, &is.org, is.number)),
                Entry::Resumed(is) => marks.had(&is.subscriber, &is.org, is.at, is.after),
                Entry::Received(is) => marks.had(&is.subscriber, &is.org, is.at, is.number),
                Entry::SubscriberLeft(is) => {
                    if let Some(follower) = marks.followers.get_mut(is.subscriber.as_str()) {
                        follower.left = Some(is.at);
                    }
                }
                Entry::WriterLeft(is) => {
                    if let Some(writer) = marks.writers.get_mut(&is.who) {
                        writer.left = Some(is.at);
                    }
                }
                Entry::Invoke(_) | Entry::Ok(_) | Entry::No(_) | Entry::Unknown(_) | Entry::Read(_) => {}
            }
        }
        marks
    }

    fn had(&mut self, subscriber: &'a str, org: &'a OrgId, at: u64, number: u64) {
        let new = Follower { org, begun: at, left: None, had: Vec::new() };
        self.followers.entry(subscriber).or_insert(new).had.push((at, number));
    }

    /// The last entry of each feed that was answered for before a time.
    fn answered_before(&self, history: &'a History, time: u64) -> Vec<(&'a OrgId, u64)> {
        let acked = history.entries.iter().filter_map(|entry| if let Entry::Ok(is) = entry { Some(is) } else { None });
        let Some(position) = acked.filter(|is| is.at <= time).map(|is| is.position).max() else { return Vec::new() };
        let last =
            |lines: &[(u64, u64)]| lines.iter().filter(|(_, at)| *at <= position).map(|(number, _)| *number).max();
        feeds(&history.log).into_iter().filter_map(|(org, lines)| Some((org, last(&lines)?))).collect()
    }

    fn subscribers_reach(&self, org: &OrgId, number: u64, since: u64, until: u64, found: &mut Found) {
        for (name, follower) in self.followers.iter().filter(|(_, follower)| follower.org == org) {
            if follower.begun > since || follower.left.is_some_and(|left| left <= since) {
                continue;
            }
            let had = follower.had.iter().filter(|(at, _)| *at <= until).map(|(_, number)| *number).max().unwrap_or(0);
            found.unless(had >= number, || match until {
                u64::MAX => format!("{name} ends with number {had} of {org}'s {number}"),
                _ => format!("{name} had number {had} of {org}'s {number} at {until} ns"),
            });
        }
    }

    fn writers_are_served(&self, healed: &Healed, found: &mut Found) {
        let until = healed.at.saturating_add(healed.within);
        for (who, writer) in &self.writers {
            if writer.begun > healed.at || writer.left.is_some_and(|left| left <= healed.at) {
                continue;
            }
            let served = writer.oks.iter().any(|(sent, at)| *sent >= healed.at && *at <= until);
            found.unless(served, || format!("{who} has no ok between {} and {until} ns", healed.at));
        }
    }
}

/// Whoever sent something that was not refused for what it was.
fn writers(history: &History) -> BTreeMap<&Who, Writer> {
    let mut writers = BTreeMap::<_, Writer>::new();
    let wrote = |attempts: &Attempts<'_>| {
        attempts.0.iter().any(|op| match op.end {
            End::Ok(_) | End::Unknown => true,
            End::No(refused) => was_not_accepted(&refused.reason),
        })
    };
    for (asked, attempts) in requests(history).into_iter().filter(|(_, attempts)| wrote(attempts)) {
        let begun = attempts.0.iter().map(|op| op.invoked.at).min().unwrap_or(0);
        let writer = writers.entry(&asked.who).or_insert(Writer { begun, left: None, oks: Vec::new() });
        writer.begun = writer.begun.min(begun);
        writer.oks.extend(attempts.oks().map(|(invoked, acked)| (invoked.at, acked.at)));
    }
    writers
}
