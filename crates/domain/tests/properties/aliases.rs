//! Merging and its end, looked at over both incidents (invariants 6 and 8): an alias owes nothing, and nothing it owed is
//! lost.

use crate::history::History;
use crate::invariants::{Check, holds};
use handoff_domain::case::handoff::ResultLoop;
use handoff_domain::case::phase::Phase;
use handoff_domain::case::{Alert, Case};
use handoff_domain::decide::Decided;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{IncidentId, StationRef};
use handoff_domain::obligations::Key;
use handoff_domain::timers::Duty;

/// Whether what was owed in an incident before it became an alias is met by the merge, or owed by its survivor.
fn is_met_or_moved(key: &Key, was: &Case, survivor: &Case) -> bool {
    let open = !matches!(survivor.phase(), Phase::Handled | Phase::Closed);
    let owed = |duty: Duty| survivor.ledger.keys().any(|key| key.duty == duty);
    match key.duty {
        // Units of both are the survivor's; while one of the two is not handled, neither is it.
        Duty::Dispatch => {
            open && (owed(Duty::Dispatch)
                || !was.unit_statuses().is_empty()
                || owed(Duty::OnScene)
                || owed(Duty::Handled))
        }
        Duty::OnScene | Duty::Handled => open && (owed(Duty::OnScene) || owed(Duty::Handled)),
        Duty::Close => !survivor.ledger.is_empty(),
        Duty::AlertSeen => {
            let to = key.by.as_ref();
            let seen = to.and_then(|to| survivor.alerts.get(to)).is_some_and(|alert| alert.seen.is_some());
            seen || to == Some(&survivor.custodian) || survivor.ledger.contains_key(key)
        }
        Duty::SupportAnswer => survivor.ledger.contains_key(key),
        Duty::FirstFeedback | Duty::FinalFeedback | Duty::Confirm => {
            let to = was.confirmer();
            to == Some(&survivor.custodian) || to == survivor.confirmer() && owed(Duty::FinalFeedback)
        }
        // The decline was the proposal to merge, and the merge its answer.
        Duty::AnswerDecline => true,
        Duty::MergeAnswer => true,
        _ => false,
    }
}

/// Stations with a part now.
fn parties(case: &Case) -> impl Iterator<Item = &StationRef> {
    case.parties.iter().filter(|(_, party)| party.until.is_none()).map(|(seat, _)| seat)
}

impl History {
    /// Invariant 6, the part about merging: an alias given back is what it was, its units as far as they are now.
    pub(crate) fn merging(&mut self, before: Option<&Case>, event: &Event, after: &Case) -> Check {
        match &event.body {
            Body::Merged(body) if body.alias == event.incident => {
                self.merged.extend(before.map(|before| (before.id, before.clone())));
            }
            Body::Unmerged(body) if body.alias == event.incident => {
                let Some(was) = self.merged.remove(&event.incident) else { return Err("6: never merged".to_owned()) };
                // Whoever answered the proposal has seen it: a later fact implies the earlier ones.
                let lit = |alert: &Alert| Alert { delivered: None, seen: None, ..alert.clone() };
                let same = |case: &Case| {
                    let own = (case.custodian.clone(), case.tenure, case.places.clone(), case.former.clone());
                    let alerts: Vec<_> = case.alerts.iter().map(|(seat, alert)| (seat.clone(), lit(alert))).collect();
                    (own, case.supports.clone(), case.labels.clone(), alerts, case.alias_of)
                };
                let dark = |seat| after.alerts.get(seat).is_none_or(|alert| alert.seen.is_none());
                let lost = was.alerts.iter().any(|(seat, alert)| alert.seen.is_some() && dark(seat));
                holds!(same(after) == same(&was) && !lost, "6: an un-merged incident is not what it was");
                holds!(after.facts.starts_with(&was.facts), "6: an entry of an un-merged incident is gone");
                self.given_back(&was, after)?;
                self.tally.check("6 a merge is reversible");
            }
            _ => {}
        }
        if let Some(survivor) = after.alias_of {
            holds!(self.cases.contains_key(&survivor), "6: an alias leads nowhere");
        }
        Ok(())
    }

    /// Invariant 8: what the alias owed it owes again, but for what follows its units, which went on.
    fn given_back(&self, was: &Case, is: &Case) -> Check {
        let follows_units =
            [Duty::Dispatch, Duty::OnScene, Duty::Handled, Duty::Close, Duty::AnswerDecline, Duty::MergeAnswer];
        for key in was.ledger.keys().filter(|key| !follows_units.contains(&key.duty)) {
            // Whoever ends the merge has seen what it was alerted to.
            let seen = key.duty == Duty::AlertSeen && key.by.as_ref().is_some_and(|by| is.alerts[by].seen.is_some());
            holds!(seen || is.ledger.contains_key(key), "8: {} is owed no more after the merge", key.duty);
        }
        let handled = |case: &Case| case.phase() == Phase::Handled;
        holds!(handled(was) == handled(is), "8: {} before the merge, {} after it", was.phase(), is.phase());
        Ok(())
    }

    /// Invariant 8 over both incidents of a merge.
    pub(crate) fn nothing_is_lost(&mut self, decided: &Decided) -> Check {
        let merged = decided.events.iter().find_map(|event| match &event.body {
            Body::Merged(body) => Some((body.alias, body.survivor)),
            _ => None,
        });
        let Some((alias, survivor)) = merged else { return Ok(()) };
        let (Some(was), Some(is), Some(survivor)) =
            (self.merged.get(&alias), self.cases.get(&alias), self.cases.get(&survivor))
        else {
            return Err("6: merged with nothing".to_owned());
        };
        holds!(is.ledger.is_empty(), "8: an alias owes");
        for key in was.ledger.keys() {
            holds!(is_met_or_moved(key, was, survivor), "8: {} of the alias is owed by nobody", key.duty);
        }
        for seat in parties(was) {
            holds!(parties(survivor).any(|party| party == seat), "8: {seat} lost its part with the merge");
        }
        let active = was.unit_statuses().into_iter().filter(|(_, status)| status.is_active());
        for (deployment, _) in active {
            holds!(survivor.deployments.contains_key(&deployment), "8: a unit of the alias is nobody's");
        }
        self.tally.check("8 nothing of an alias is lost");
        Ok(())
    }

    /// Invariant 8, the other side of a merge or of its end: what the survivor owed of its own it still owes.
    pub(crate) fn survivor_still_owes(&self, before: Option<&Case>, event: &Event, after: &Case) -> Check {
        let (Some(before), Body::Merged(_) | Body::Unmerged(_)) = (before, &event.body) else { return Ok(()) };
        let alias_side = |alias: IncidentId| alias == event.incident;
        let (alias, kept): (bool, fn(&Key) -> bool) = match &event.body {
            Body::Merged(body) => (alias_side(body.alias), |key| {
                !matches!(
                    key.duty,
                    Duty::Dispatch
                        | Duty::OnScene
                        | Duty::Close
                        | Duty::AnswerDecline
                        | Duty::MergeAnswer
                        | Duty::Confirm
                        | Duty::AlertSeen
                )
            }),
            Body::Unmerged(body) => (alias_side(body.alias), |key| {
                !matches!(
                    key.duty,
                    Duty::Dispatch
                        | Duty::OnScene
                        | Duty::Handled
                        | Duty::Close
                        | Duty::MergeAnswer
                        | Duty::AlertSeen
                        | Duty::SupportAnswer
                        | Duty::FirstFeedback
                        | Duty::FinalFeedback
                        | Duty::Confirm
                )
            }),
            _ => return Ok(()),
        };
        let lost = before.ledger.keys().find(|key| kept(key) && !after.ledger.contains_key(key));
        holds!(alias || lost.is_none(), "8: the survivor owes {lost:?} no more");
        let own_result = before.result().is_some_and(|result| !matches!(result, ResultLoop::Confirmed { .. }));
        let taken = before.aliases.values().any(|taken| taken.result);
        holds!(alias || !own_result || taken || after.result().is_some(), "8: the survivor's own result is gone");
        Ok(())
    }
}
