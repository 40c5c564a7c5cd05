//! When the personal values of a closed case go (product, *Sealed and erasable*).

use crate::case::Case;
use crate::case::phase::Phase;
use crate::time::{DAY, Millis};
use crate::values::Terms;

/// Days after closing until caller data goes, where no agreement says otherwise.
pub const CALLER_DAYS: u64 = 30;
/// Days after closing until text and place go, where no agreement says otherwise: three years.
pub const TEXT_DAYS: u64 = 3 * 365;

/// Whether the sealed field at this path is caller data: opened only with a record of it, and gone first.
#[must_use]
pub fn is_caller_data(path: &str) -> bool {
    path.starts_with("caller.") || path == "form.callback"
}

/// From when on personal values of a case are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// Caller data.
    pub caller: Millis,
    /// Text and place.
    pub text: Millis,
}

impl Dates {
    /// Whether the value at this path of an event's body goes by `now`.
    #[must_use]
    pub fn has_come(&self, path: &str, now: Millis) -> bool {
        now >= if is_caller_data(path) { self.caller } else { self.text }
    }
}

/// The dates of a case, none while it is not closed. An alias is never closed itself: its dates are those of its
/// survivor's closing. Where several agreements rule, the longest time each for caller and text holds, since each
/// promises its two stations that they can still read.
#[must_use]
pub fn dates(case: &Case, survivor: Option<&Case>) -> Option<Dates> {
    let ends = survivor.unwrap_or(case);
    let closed = ends.closure.as_ref().filter(|_| ends.phase() == Phase::Closed)?.at;
    let longest = |days: fn(&Terms) -> u64, otherwise: u64| {
        let all = terms(case).chain(survivor.into_iter().flat_map(terms));
        let days = all.map(days).max().unwrap_or(otherwise);
        closed.plus(DAY.saturating_mul(i64::try_from(days).unwrap_or(i64::MAX)))
    };
    Some(Dates {
        caller: longest(|terms| terms.caller_days.unwrap_or(CALLER_DAYS), CALLER_DAYS),
        text: longest(|terms| terms.text_days.unwrap_or(TEXT_DAYS), TEXT_DAYS),
    })
}

/// Everything that was agreed for this case.
fn terms(case: &Case) -> impl Iterator<Item = &Terms> {
    let of_handoffs = case.handoffs.iter().filter_map(|handoff| handoff.terms.as_ref());
    let of_alerts = case.alerts.values().filter_map(|alert| alert.terms.as_ref());
    let of_supports = case.supports.values().filter_map(|support| support.terms.as_ref());
    let of_joint = case.joint.iter().filter_map(|joint| joint.terms.as_ref());
    case.terms.iter().chain(of_handoffs).chain(of_alerts).chain(of_supports).chain(of_joint)
}
