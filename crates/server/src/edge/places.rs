//! Places of unary calls under way, and who may take one.
//!
//! A call takes a place twice. While its message is on its way and nobody knows who sends it, it is *arriving*, and the
//! organisation whose machine connected stands for it, or an address where nobody is known. Once its caller is verified
//! it is *under way* and counts for that organisation alone: who has no token never takes a place from somebody who has.
//! A feed that is open takes a place of its own kind for as long as it is. All are shared by the rule of
//! [`shares`](crate::shares).

use crate::shares::{Holder, Shares};
use handoff_domain::ids::OrgId;
use std::sync::{Arc, Mutex, PoisonError};

/// Parts of all places under way that decisions, reads and the rest may take, in quarters; facts may take all.
const OTHERS_QUARTERS: usize = 3;
/// Calls at once whose message may be as long as a boundary map: with maps of 8 MiB half a gigabyte, before anybody is
/// known.
const LARGE_MAX: usize = 64;

#[derive(Debug)]
struct Taken {
    arriving: Shares<Holder>,
    /// All that are under way.
    under_way: Shares<OrgId>,
    /// Those of them that are no facts: a share of their own, so that one organisation's facts take none of another's
    /// decisions.
    others: Shares<OrgId>,
    /// Those whose message may be as long as a map.
    large: Shares<Holder>,
    /// Feeds that are open.
    feeds: Shares<OrgId>,
}

/// All places of this process.
#[derive(Debug)]
pub(super) struct Places {
    arriving_max: usize,
    under_way_max: usize,
    feeds_max: usize,
    taken: Mutex<Taken>,
}

/// What a call is, when places are short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Intake, units and alerts: refused last.
    Fact,
    /// Decisions, reads and everything else.
    Other,
}

/// Where a call is.
#[derive(Clone, Debug)]
enum Stage {
    Arriving(Holder),
    UnderWay(OrgId),
    /// Answered, or refused its place.
    Gone,
}

/// One call's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    kind: Kind,
    holds: Mutex<Holds>,
}

#[derive(Debug)]
struct Holds {
    stage: Stage,
    /// Who holds one of the places for large messages with it.
    large: Option<Holder>,
}

impl Places {
    /// All free.
    pub(super) fn new(arriving_max: usize, under_way_max: usize, feeds_max: usize) -> Self {
        let taken = Mutex::new(Taken {
            arriving: Shares::new(),
            under_way: Shares::new(),
            others: Shares::new(),
            large: Shares::new(),
            feeds: Shares::new(),
        });
        Self { arriving_max, under_way_max, feeds_max, taken }
    }

    /// A place for a call that arrives from somebody, if there is one; for a large message one of those too, until the
    /// call is over.
    pub(super) fn arrive(places: &Arc<Self>, from: Holder, kind: Kind, large: bool) -> Option<Place> {
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if large && !taken.large.enter(&from, LARGE_MAX) {
            return None;
        }
        if !taken.arriving.enter(&from, places.arriving_max) {
            if large {
                taken.large.leave(&from);
            }
            return None;
        }
        let holds = Mutex::new(Holds { large: large.then(|| from.clone()), stage: Stage::Arriving(from) });
        Some(Place { places: places.clone(), kind, holds })
    }

    /// A place for a feed of this organisation, if there is one.
    pub(super) fn feed(places: &Arc<Self>, org: &OrgId) -> Option<FeedPlace> {
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.feeds.enter(org, places.feeds_max).then(|| FeedPlace { places: places.clone(), org: org.clone() })
    }

    /// Takes a place under way of the whole, and for what is no fact one of three quarters of it too.
    fn enter(&self, taken: &mut Taken, org: &OrgId, kind: Kind) -> bool {
        let others_max = (self.under_way_max * OTHERS_QUARTERS).div_ceil(4);
        if kind == Kind::Other && !taken.others.enter(org, others_max) {
            return false;
        }
        let entered = taken.under_way.enter(org, self.under_way_max);
        if !entered && kind == Kind::Other {
            taken.others.leave(org);
        }
        entered
    }
}

impl Place {
    /// The caller is verified: the call is under way for this organisation, if there is a place. Said again it changes
    /// nothing.
    pub(super) fn settle(&self, org: &OrgId) -> bool {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let Stage::Arriving(from) = holds.stage.clone() else { return true };
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.arriving.leave(&from);
        let entered = self.places.enter(&mut taken, org, self.kind);
        holds.stage = if entered { Stage::UnderWay(org.clone()) } else { Stage::Gone };
        entered
    }

    /// The call is over; its place is free, whoever still knows of it.
    pub(super) fn leave(&self) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(from) = holds.large.take() {
            taken.large.leave(&from);
        }
        match std::mem::replace(&mut holds.stage, Stage::Gone) {
            Stage::Arriving(from) => taken.arriving.leave(&from),
            Stage::UnderWay(org) => {
                taken.under_way.leave(&org);
                if self.kind == Kind::Other {
                    taken.others.leave(&org);
                }
            }
            Stage::Gone => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// An open feed's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct FeedPlace {
    places: Arc<Places>,
    org: OrgId,
}

impl Drop for FeedPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.feeds.leave(&self.org);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(name: &str) -> OrgId {
        OrgId::new(name).unwrap()
    }

    fn peer(last: u8) -> Holder {
        Holder::of(None, [10, 0, 0, last].into())
    }

    /// How many calls of this kind an organisation gets under way, beside those that are.
    fn fill(places: &Arc<Places>, name: &str, kind: Kind, kept: &mut Vec<Place>) -> usize {
        let before = kept.len();
        loop {
            let place = Places::arrive(places, peer(1), kind, false).expect("room to arrive");
            if !place.settle(&org(name)) {
                return kept.len() - before;
            }
            kept.push(place);
        }
    }

    #[test]
    fn one_alone_gets_three_quarters_and_the_next_finds_room() {
        let (places, mut kept) = (Arc::new(Places::new(512, 512, 512)), Vec::new());
        assert_eq!(fill(&places, "A", Kind::Fact, &mut kept), 384);
        assert_eq!(fill(&places, "B", Kind::Fact, &mut kept), 96, "the other side is served at once");
        assert_eq!(fill(&places, "A", Kind::Fact, &mut kept), 0);
        // As the first one's calls end and both want all, they meet in the middle.
        kept.drain(..200);
        fill(&places, "B", Kind::Fact, &mut kept);
        assert_eq!(fill(&places, "C", Kind::Fact, &mut kept), 62, "and a third still finds room");
        drop(kept);
        assert_eq!(fill(&places, "A", Kind::Fact, &mut Vec::new()), 384, "every place is given back");
    }

    #[test]
    fn two_that_both_want_all_hold_the_same() {
        let (places, mut kept) = (Arc::new(Places::new(512, 512, 512)), Vec::new());
        let mut counts = [0; 2];
        loop {
            let before = kept.len();
            for (at, name) in ["A", "B"].into_iter().enumerate() {
                let place = Places::arrive(&places, peer(1), Kind::Fact, false).expect("room to arrive");
                if place.settle(&org(name)) {
                    counts[at] += 1;
                    kept.push(place);
                }
            }
            if kept.len() == before {
                break;
            }
        }
        assert_eq!(counts, [220, 219]);
    }

    #[test]
    fn facts_still_find_a_place_when_everything_else_is_refused() {
        let (places, mut kept) = (Arc::new(Places::new(512, 512, 512)), Vec::new());
        assert_eq!(fill(&places, "A", Kind::Other, &mut kept), 288, "three quarters of three quarters");
        assert_eq!(fill(&places, "A", Kind::Other, &mut kept), 0);
        assert_eq!(fill(&places, "A", Kind::Fact, &mut kept), 96, "facts of the same organisation go on");
    }

    #[test]
    fn the_facts_of_one_shut_out_no_decision_of_another() {
        for first in [Kind::Fact, Kind::Other] {
            let (places, mut kept) = (Arc::new(Places::new(512, 512, 512)), Vec::new());
            fill(&places, "A", first, &mut kept);
            fill(&places, "A", Kind::Fact, &mut kept);
            assert!(fill(&places, "B", Kind::Other, &mut kept) > 60, "{first:?}");
            drop(kept);
            let taken = places.taken.lock().unwrap();
            assert_eq!((taken.under_way.taken(), taken.others.taken()), (0, 0), "every place is given back");
        }
    }

    #[test]
    fn large_messages_have_few_places_and_one_address_not_all_of_them() {
        let places = Arc::new(Places::new(512, 512, 512));
        let arrive = |at| Places::arrive(&places, peer(at), Kind::Other, true);
        let kept: Vec<_> = std::iter::from_fn(|| arrive(1)).collect();
        assert_eq!(kept.len(), LARGE_MAX * 3 / 4);
        assert!(arrive(2).is_some() && Places::arrive(&places, peer(1), Kind::Other, false).is_some());
        drop(kept);
        assert_eq!(places.taken.lock().unwrap().large.taken(), 0);
    }

    #[test]
    fn who_is_not_known_takes_no_place_from_who_is() {
        let (places, mut kept) = (Arc::new(Places::new(512, 4, 512)), Vec::new());
        let strangers: Vec<_> = std::iter::from_fn(|| Places::arrive(&places, peer(9), Kind::Fact, false)).collect();
        assert_eq!(strangers.len(), 384, "one address never takes all");
        assert_eq!(fill(&places, "A", Kind::Fact, &mut kept), 3);
        drop(strangers);
        assert_eq!(places.taken.lock().unwrap().arriving.holders(), 0, "no name is kept");
    }

    #[test]
    fn a_place_is_given_back_once_whatever_happens() {
        let places = Arc::new(Places::new(4, 4, 512));
        let place = Places::arrive(&places, peer(1), Kind::Fact, false).unwrap();
        assert!(place.settle(&org("A")) && place.settle(&org("A")), "said twice");
        assert_eq!(places.taken.lock().unwrap().under_way.taken(), 1);
        place.leave();
        place.leave();
        assert!(place.settle(&org("A")), "too late to count");
        drop(place);
        let taken = places.taken.lock().unwrap();
        assert_eq!((taken.arriving.taken(), taken.under_way.taken()), (0, 0));
    }

    #[test]
    fn one_organisation_opens_no_feed_in_anothers_place() {
        let places = Arc::new(Places::new(1, 1, 16));
        let feed = |name| Places::feed(&places, &org(name));
        let kept: Vec<_> = std::iter::from_fn(|| feed("A")).collect();
        assert_eq!(kept.len(), 12, "three quarters");
        let other: Vec<_> = std::iter::from_fn(|| feed("B")).collect();
        assert_eq!(other.len(), 3, "and the other side finds room");
        drop((kept, other));
        assert_eq!(places.taken.lock().unwrap().feeds.holders(), 0, "every place is given back");
    }

    #[test]
    fn calls_of_one_organisation_arrive_in_its_own_places_wherever_they_come_from() {
        let places = Arc::new(Places::new(16, 16, 1));
        let from = |last: u8| Holder::of(Some(org("A")), [10, 0, 0, last].into());
        let mut last = 0;
        let flood: Vec<_> = std::iter::from_fn(|| {
            last += 1;
            Places::arrive(&places, from(last), Kind::Fact, false)
        })
        .collect();
        assert_eq!(flood.len(), 12, "many addresses are still one organisation");
        let other = Holder::of(Some(org("B")), [10, 0, 0, 1].into());
        assert!(
            Places::arrive(&places, other, Kind::Fact, false).is_some(),
            "the other behind one address with it too"
        );
    }
}
