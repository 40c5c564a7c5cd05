//! What can be asked for in pages, and the pages.

use crate::rows::{CaseRow, ObligationRow, Text};
use handoff_domain::ids::{DrillId, IncidentId, OrgId, StationId, StationRef};
use handoff_domain::time::Millis;

/// Most rows of one page. A larger limit is cut to this one; the rest is on the next page.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// Most cases looked at for one page of a filtered list. At the limit the page ends early, possibly empty, and its
/// cursor goes on from there: no list page can cost more than this, whatever is asked for. Each costs about 10 µs.
pub const LIST_SCAN_ROWS_MAX: u32 = 200;

/// From and until, both optional; `until` is not part of the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// From this time on.
    pub from: Option<Millis>,
    /// Before this time.
    pub until: Option<Millis>,
}

/// Exercises, real incidents, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drills {
    /// Both.
    #[default]
    Any,
    /// Real incidents only.
    Real,
    /// Exercises only.
    Drill,
    /// One exercise.
    One(DrillId),
}

/// Which cases a list shows. The default is every case of the log: a caller with an organisation always sets `org`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// Cases this organisation is a party of.
    pub org: Option<OrgId>,
    /// With `org`: cases this station of it is a party of.
    pub station: Option<StationId>,
    /// With `org`: only where it is, or is no longer, told of new events.
    pub active: Option<bool>,
    /// Not closed, or closed.
    pub open: Option<bool>,
    /// In one of these states; empty means any.
    pub states: Vec<Text>,
    /// Of this kind.
    pub kind: Option<Text>,
    /// Exercises or not.
    pub drills: Drills,
    /// Under this custodian.
    pub custodian: Option<StationRef>,
    /// Opened in this period.
    pub opened: Period,
    /// Last changed in this period.
    pub updated: Period,
}

impl CaseFilter {
    /// Whether something is asked that no index answers, so that rows are looked at in vain.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        let plain = Self { org: self.org.clone(), open: self.open, opened: self.opened, ..Self::default() };
        *self != plain
    }
}

/// Where the next page of a list of cases begins. Lists run from the case opened last to the one opened first, an order
/// in which nothing moves while someone pages; what has changed since is told by the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CaseCursor {
    /// When the last case seen was opened.
    pub opened_at: Millis,
    /// That case.
    pub incident: IncidentId,
}

impl From<&CaseRow> for CaseCursor {
    fn from(row: &CaseRow) -> Self {
        Self { opened_at: row.opened_at, incident: row.incident }
    }
}

impl CaseFilter {
    /// Where the list begins: at its cursor, or above everything, and below the end of the asked period.
    pub(crate) fn start(&self, after: Option<CaseCursor>) -> CaseCursor {
        let top = CaseCursor { opened_at: Millis(i64::MAX), incident: IncidentId(uuid::Uuid::max()) };
        let until = self.opened.until.map(|opened_at| CaseCursor { opened_at, incident: IncidentId::default() });
        after.unwrap_or(top).min(until.unwrap_or(top))
    }
}

/// One walk down one index of a list: the cases that fit, and how far it got if there may be more.
pub(crate) type Walk = (Vec<CaseRow>, Option<CaseCursor>);

/// One page of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CasePage {
    /// The cases, opened last first. May be fewer than asked for, even none, with more to come.
    pub cases: Vec<CaseRow>,
    /// Where to go on; none at the end.
    pub next: Option<CaseCursor>,
}

impl CasePage {
    /// Joins the walks over open and over closed cases.
    pub(crate) fn of(walks: Vec<Walk>, limit: i64) -> Self {
        let (mut cases, mut end) = (Vec::new(), None);
        for (found, edge) in walks {
            cases.extend(found);
            // Below the higher of two edges one of the walks has not looked.
            end = end.max(edge);
        }
        cases.sort_unstable_by_key(|case| std::cmp::Reverse(CaseCursor::from(case)));
        cases.retain(|case| end.is_none_or(|end| CaseCursor::from(case) >= end));
        if let Ok(limit) = usize::try_from(limit)
            && cases.len() > limit
        {
            cases.truncate(limit);
            end = cases.last().map(CaseCursor::from);
        }
        Self { cases, next: end }
    }
}

/// Where the next page of open obligations begins: after this row, in the order of due, incident, scope, duty and
/// station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObligationCursor(pub ObligationRow);

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that are not closed.
    pub open_cases: u64,
    /// Obligations that are not done.
    pub open_obligations: u64,
    /// Those of them whose due time has passed.
    pub overdue_obligations: u64,
}

/// What the database takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the database, free ones included.
    pub bytes: u64,
    /// Bytes of it that are free.
    pub free_bytes: u64,
    /// Bytes of the write-ahead log beside it.
    pub wal_bytes: u64,
}
