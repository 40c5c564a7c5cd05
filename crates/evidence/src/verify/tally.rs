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

    /// Something is wrong. What more there is to say can be added to the answer.
    pub(super) fn fail(&mut self, id: CheckId, place: Place, problem: Problem) -> Option<&mut Finding> {
        let check = self.of(id)?;
        if check.findings.len() >= FINDINGS_SHOWN_MAX {
            check.further += 1;
            return None;
        }
        check.findings.push(Finding { problem, place, details: Vec::new() });
        check.findings.last_mut()
    }

    /// Something should be known.
    pub(super) fn warn(&mut self, id: CheckId, place: Place, problem: Problem) -> Option<&mut Finding> {
        let check = self.of(id).filter(|check| check.warnings.len() < FINDINGS_SHOWN_MAX)?;
        check.warnings.push(Finding { problem, place, details: Vec::new() });
        check.warnings.last_mut()
    }

    /// Something is newer than this verifier.
    pub(super) fn newer(&mut self, id: CheckId, place: Place, problem: Problem) -> Option<&mut Finding> {
        self.newer.push(id);
        self.warn(id, place, problem)
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

/// Adds what more there is to say to a finding, if it is shown at all.
pub(super) trait Detailed: Sized {
    fn with(self, detail: Detail, value: impl ToString) -> Self;

    fn line(self, line: usize) -> Self {
        self.with(Detail::Line, line)
    }
}

impl Detailed for Option<&mut Finding> {
    fn with(mut self, detail: Detail, value: impl ToString) -> Self {
        if let Some(finding) = &mut self {
            finding.details.push((detail, value.to_string()));
        }
        self
    }
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
