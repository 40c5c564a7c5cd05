//! Verifies a bundle offline (evidence, 12): ten checks, each as far as it can go, so that one thing that is wrong hides
//! no other.
//!
//! Everything rests on the policy the caller gives and on nothing in the bundle: a file of the bundle is believed once
//! it follows from a signature the policy names, or is written anew from files that do.

mod bounds;
mod case;
mod container;
mod desk;
mod fields;
mod keys;
mod signoffs;
mod tally;
mod tree;

use crate::archive;
use crate::bundle::layout::Slot;
use crate::event;
use crate::policy::Policy;
use crate::report::{CheckId, Place, Problem, Report, Verdict};
pub use bounds::CONTRADICTION_MS;
#[cfg(test)]
pub(crate) use bounds::has_bound;
use desk::{Desk, Slots};
use tally::{Tally, line};

/// What is asked beside the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A sign-off that is attested only makes C7 fail.
    pub require_signed: bool,
}

/// Verifies the bytes of a bundle under the text of a policy.
#[must_use]
pub fn verify(bundle: &[u8], policy: &str, options: Options) -> Report {
    let mut tally = Tally::new();
    let mut report = tally::empty(event::hash(policy.as_bytes()), event::hash(bundle));
    let given = Policy::read(policy);
    if let Err(error) = &given {
        tally.fail_with(CheckId::C1, Place::Policy, Problem::PolicyUnreadable, [line(error.line)]);
    }
    let files = archive::read(bundle);
    if files.is_err() {
        tally.fail(CheckId::C1, Place::Bundle, Problem::Archive);
    }
    let (Ok(given), Ok(files)) = (given, files) else {
        (report.checks, report.verdict) = (tally.into_checks(), Verdict::Unreadable);
        return report;
    };
    let slots: Slots<'_> = files.iter().filter_map(|(name, data)| Some((Slot::of(name)?, data.as_slice()))).collect();
    if container::is_too_new(&slots, &mut tally) {
        (report.checks, report.verdict) = (tally.into_checks(), Verdict::Newer);
        return report;
    }
    for name in files.keys().filter(|name| Slot::of(name).is_none()) {
        tally.fail(CheckId::C1, Place::File(name.clone()), Problem::UnknownFile);
    }
    let chain = container::chain(&slots, given, &mut tally);
    let desk = Desk::new(slots, &chain, options);
    let judged = tree::checkpoint(&desk, &mut tally);
    tree::proofs(&desk, &mut tally);
    case::form(&desk, &mut tally);
    case::order(&desk, &mut tally);
    let replayed = case::replay(&desk, &mut tally);
    let registries = keys::check(&desk, &mut tally);
    let sign_offs = signoffs::check(&desk, &registries, &mut tally);
    report.fields = fields::check(&desk, &mut tally);
    let lower = bounds::check(&desk, judged.as_ref(), &mut tally);
    container::derived(&desk, &mut tally);
    report.incident = desk.incident();
    report.closed_at = replayed.closed_at;
    report.by_ruling = replayed.by_ruling;
    report.proven = tree::proven(&desk, judged, lower);
    report.events = signoffs::lines(&desk, &sign_offs);
    report.sign_offs = sign_offs;
    report.checks = tally.into_checks();
    report.verdict = tally::verdict(&report.checks);
    report
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
