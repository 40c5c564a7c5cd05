//! Which organisations an event goes to: decided from the case after it (reliability, 6).

use crate::case::Case;
use crate::event::Event;
use crate::ids::OrgId;
use std::collections::BTreeMap;

/// Organisations that receive this event on their feed, each with whether it enters the case with it: that entry
/// carries its whole view as of then. The last event of a part that ends is still received. `after` may be the case
/// after the whole command the event belongs to: parts are dated by event numbers.
#[must_use]
pub fn audience(after: &Case, event: &Event) -> BTreeMap<OrgId, bool> {
    let mut orgs: BTreeMap<OrgId, bool> = BTreeMap::new();
    for (seat, party) in &after.parties {
        if party.sees(event.seq) {
            let enters = party.since == event.seq;
            // One station of the organisation that was there before is enough not to enter.
            orgs.entry(seat.org.clone()).and_modify(|all| *all &= enters).or_insert(enters);
        }
    }
    for (superior, part) in after.superiors.iter().filter(|(_, part)| part.sees(event.seq)) {
        let enters = part.since == event.seq;
        orgs.entry(superior.clone()).and_modify(|all| *all &= enters).or_insert(enters);
    }
    orgs
}
