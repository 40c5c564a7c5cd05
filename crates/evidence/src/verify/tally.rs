//! Collects what the checks find.

use crate::report::{Check, CheckId, Detail, FINDINGS_SHOWN_MAX, Finding, Outcome, Place, Problem, Report, Verdict};
use handoff_domain::ids::Digest;

/// The ten checks while they run.
pub(super) struct Tally {
    checks: Vec<Check>,
    newer: Vec<CheckId>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let empty = |id: &CheckId| Check {
            id: *id,
            outcome: Outcome::NotApplicable,
            looked_at: 0,
            findings: Vec::new(),
            further: 0,
            warnings: Vec::new(),
        };
        Self { checks: CheckId::ALL.iter().map(empty).collect(), newer: Vec::new() }
    }

    fn of(&mut self, id: CheckId) -> Option<&mut Check> {
        self.checks.iter_mut().find(|check| check.id == id)
    }

    /// One more thing is looked at.
    pub(super) fn look(&mut self, id: CheckId) {
        if let Some(check) = self.of(id) {
            check.looked_at += 1;
        }
    }

    /// Something is wrong.
    pub(super) fn fail(&mut self, id: CheckId, place: Place, problem: Problem) {
        self.fail_with(id, place, problem, []);
    }

    /// Something is wrong, and there is more to say.
    pub(super) fn fail_with<const N: usize>(
        &mut self,
        id: CheckId,
        place: Place,
        problem: Problem,
        details: [(Detail, String); N],
    ) {
        let Some(check) = self.of(id) else { return };
        if check.findings.len() < FINDINGS_SHOWN_MAX {
            check.findings.push(Finding { problem, place, details: Vec::from(details) });
        } else {
            check.further += 1;
        }
    }

    /// Something should be known.
    pub(super) fn warn<const N: usize>(
        &mut self,
        id: CheckId,
        place: Place,
        problem: Problem,
        details: [(Detail, String); N],
    ) {
        if let Some(check) = self.of(id).filter(|check| check.warnings.len() < FINDINGS_SHOWN_MAX) {
            check.warnings.push(Finding { problem, place, details: Vec::from(details) });
        }
    }

    /// Something is newer than this verifier.
    pub(super) fn newer<const N: usize>(
        &mut self,
        id: CheckId,
        place: Place,
        problem: Problem,
        details: [(Detail, String); N],
    ) {
        self.newer.push(id);
        self.warn(id, place, problem, details);
    }

    pub(super) fn into_checks(mut self) -> Vec<Check> {
        for check in &mut self.checks {
            check.outcome = if !check.findings.is_empty() {
                Outcome::Failed
            } else if self.newer.contains(&check.id) {
                Outcome::Newer
            } else if check.looked_at == 0 {
                Outcome::NotApplicable
            } else {
                Outcome::Held
            };
        }
        self.checks
    }
}

/// The line of a text at which something is wrong.
pub(super) fn line(line: usize) -> (Detail, String) {
    (Detail::Line, line.to_string())
}

/// A failed check weighs more than one that is too new: what is wrong stays wrong under a newer verifier.
pub(super) fn verdict(checks: &[Check]) -> Verdict {
    let has = |outcome: Outcome| checks.iter().any(|check| check.outcome == outcome);
    if has(Outcome::Failed) {
        Verdict::NotProven
    } else if has(Outcome::Newer) {
        Verdict::Newer
    } else {
        Verdict::Proven
    }
}

/// A report that says nothing yet.
pub(super) fn empty(policy: Digest, bundle: Digest) -> Report {
    Report {
        verdict: Verdict::Unreadable,
        checks: Vec::new(),
        policy,
        bundle,
        incident: None,
        closed_at: None,
        by_ruling: false,
        proven: None,
        sign_offs: Vec::new(),
        fields: crate::report::Fields::default(),
        events: Vec::new(),
    }
}
