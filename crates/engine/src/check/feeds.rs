//! The feeds: dense in number, rising in position, and each organisation told exactly of what it has a part in.

use super::log::Log;
use super::report::{Rule, Spot, Tally, Text};
use super::{CHECK_PAGE_EVENTS, unread};
use crate::memory::LoadError;
use handoff_domain::ids::OrgId;
use handoff_store::Reader;
use handoff_store::rows::{FeedEntry, FeedHead};
use std::collections::BTreeMap;

/// Most organisations whose part in each event is compared; the feeds of more are checked for their numbers only.
pub const FEED_ORGS_MAX: usize = 64;

/// Who has to be told of one event.
#[derive(Clone, Copy)]
struct Told {
    /// Not known: of no incident, or of one whose rules did not follow.
    unknown: bool,
    orgs: u64,
    enters: u64,
}

/// Who has to be told of each event of the log, by position: three words for each event.
pub(super) struct Audiences {
    of: Vec<Told>,
    orgs: Vec<OrgId>,
}

impl Audiences {
    pub(super) fn new(events: usize) -> Self {
        let nobody = Told { unknown: true, orgs: 0, enters: 0 };
        Self { of: vec![nobody; events], orgs: Vec::new() }
    }

    pub(super) fn unknown(&mut self, position: u64) {
        if let Some(told) = self.at_mut(position) {
            told.unknown = true;
        }
    }

    pub(super) fn expect(&mut self, position: u64, audience: &BTreeMap<OrgId, bool>) {
        let mut told = Told { unknown: false, orgs: 0, enters: 0 };
        for (org, enters) in audience {
            if let Some(bit) = self.bit_of(org) {
                told.orgs |= bit;
                told.enters |= if *enters { bit } else { 0 };
            }
        }
        if let Some(known) = self.at_mut(position) {
            *known = told;
        }
    }

    fn at_mut(&mut self, position: u64) -> Option<&mut Told> {
        self.of.get_mut(usize::try_from(position).ok()?)
    }

    fn at(&self, position: u64) -> Option<&Told> {
        self.of.get(usize::try_from(position).ok()?)
    }

    fn bit_of(&mut self, org: &OrgId) -> Option<u64> {
        if let Some(bit) = self.known_bit(org) {
            return Some(bit);
        }
        (self.orgs.len() < FEED_ORGS_MAX).then(|| {
            self.orgs.push(org.clone());
            1 << (self.orgs.len() - 1)
        })
    }

    fn known_bit(&self, org: &OrgId) -> Option<u64> {
        self.orgs.iter().position(|known| known == org).map(|at| 1 << at)
    }
}

const DENSE: Text = ("the feed's numbers have a gap", "推送编号不连续");
const RISES: Text = ("the feed's positions do not rise", "推送位置不递增");
const UNTOLD: Text = ("an organisation with a part was not told", "有关单位未收到推送");
const STRANGER: Text = ("an organisation without a part was told", "无关单位收到推送");
const ENTERS: Text = ("the feed entry does not say rightly whether the case is new to it", "推送条目的进入标记有误");

/// Reads every feed up to the head the check began at.
pub(super) async fn check(
    reader: &dyn Reader,
    log: &Log,
    told: &Audiences,
    tally: &mut Tally,
) -> Result<(), LoadError> {
    let heads = reader.feed_heads().await.map_err(unread)?;
    let mut orgs: Vec<OrgId> = told.orgs.clone();
    orgs.extend(heads.iter().map(|head| head.org.clone()).filter(|org| !told.orgs.contains(org)));
    let mut ends = Vec::with_capacity(orgs.len());
    for org in orgs {
        let number = one(reader, log, told, &org, tally).await?;
        ends.push(FeedHead { org, number });
    }
    // Only of a log that has not moved since can the heads be compared.
    if reader.head().await.map_err(unread)?.position == log.until {
        for end in ends {
            let head = heads.iter().find(|head| head.org == end.org).map_or(0, |head| head.number);
            let wrong = ("a feed's head is not its last number", "推送头部与最后编号不符");
            tally.holds_or(Rule::Replay, Spot::default(), head == end.number, wrong, || end.org.to_string());
        }
    }
    Ok(())
}

async fn one(
    reader: &dyn Reader,
    log: &Log,
    told: &Audiences,
    org: &OrgId,
    tally: &mut Tally,
) -> Result<u64, LoadError> {
    // Whoever has no station and no part anywhere is an auditor: it is told of every incident.
    let bit = told.known_bit(org);
    let audits = bit.is_none() && !log.stations.has_station(org) && told.orgs.len() < FEED_ORGS_MAX;
    let mut feed = Feed { told, org, bit, audits, number: 0, next: 0 };
    loop {
        let page = reader.feed_page(org.clone(), feed.number, log.until, CHECK_PAGE_EVENTS).await.map_err(unread)?;
        let before = feed.number;
        for entry in &page {
            feed.entry(entry, tally);
        }
        // A page that does not go on would be read for ever.
        if page.len() < CHECK_PAGE_EVENTS as usize || feed.number <= before {
            break;
        }
    }
    feed.skip_to(log.until, tally);
    Ok(feed.number)
}

/// One feed being read.
struct Feed<'a> {
    told: &'a Audiences,
    org: &'a OrgId,
    bit: Option<u64>,
    audits: bool,
    /// Number of the last entry.
    number: u64,
    /// The position after that of the last entry.
    next: u64,
}

impl Feed<'_> {
    fn entry(&mut self, entry: &FeedEntry, tally: &mut Tally) {
        let position = entry.event.position;
        let spot = Spot::event(entry.event.incident, position);
        let org = || self.org.to_string();
        tally.holds_or(Rule::Replay, spot, entry.number == self.number + 1, DENSE, org);
        tally.holds_or(Rule::Replay, spot, position >= self.next, RISES, org);
        self.skip_to(position, tally);
        (self.number, self.next) = (entry.number.max(self.number), position + 1);
        let org = || self.org.to_string();
        let Some(told) = self.told.at(position).filter(|told| !told.unknown) else { return };
        if self.audits {
            tally.holds_or(Rule::Replay, spot, entry.enters == (entry.event.seq == 1), ENTERS, org);
            return;
        }
        if self.bit.is_none() && self.told.orgs.len() >= FEED_ORGS_MAX {
            return;
        }
        let bit = self.bit.unwrap_or(0);
        if tally.holds_or(Rule::Replay, spot, told.orgs & bit != 0, STRANGER, org) {
            tally.holds_or(Rule::Replay, spot, entry.enters == (told.enters & bit != 0), ENTERS, org);
        }
    }

    /// Every event before `position` of which the organisation had to be told is missing.
    fn skip_to(&mut self, position: u64, tally: &mut Tally) {
        let Some(bit) = self.bit else { return };
        for missed in self.next..position {
            if self.told.at(missed).is_some_and(|told| !told.unknown && told.orgs & bit != 0) {
                tally.holds_or(Rule::Replay, Spot::position(missed), false, UNTOLD, || self.org.to_string());
            }
        }
    }
}
