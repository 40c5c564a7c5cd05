//! What clients asked, were told, received and read, beside the log that is left in the end: recorded while a test or a
//! soak runs, kept as JSON lines, and checked (reliability, 9).
//!
//! 1. `entry`: what is recorded, one type for each line.
//! 2. `recorder`: takes entries in from any task.
//! 3. `dump`: the log of a store at rest.
//! 4. `lines`: the file.
//! 5. `index`: what the checks look things up in.
//! 6. The checks: `requests` C1 to C4, `replay` C5, `feeds` C6, `seen` C7 and C9, `liveness` C10, `chain` C11's part
//!    about chains.
//!
//! C8 searches for an order of all operations and needs a model; C12 and C13 look at other records than these.

mod chain;
mod dump;
mod entry;
mod feeds;
mod index;
mod lines;
mod liveness;
mod recorder;
mod replay;
mod requests;
mod seen;
#[cfg(test)]
mod tests;

pub use chain::c11;
pub use dump::{AnswerLine, EventLine, FeedLine, LogDump};
pub use entry::{
    Acked, Asked, Bytes, Entry, FeedEnd, Healed, Invoked, ReadSeen, Received, Refused, Resumed, SubscriberLeft,
    Unanswered, Who, WriterLeft,
};
pub use feeds::c6;
pub use lines::LinesError;
pub use liveness::c10;
pub use recorder::Recorder;
pub use replay::c5;
pub use requests::{c1, c2, c3, c4};
pub use seen::{c7, c9};

use std::fmt::{Display, Formatter};

/// Everything that is known of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What was recorded, in the order it was.
    pub entries: Vec<Entry>,
    /// The log as it was in the end.
    pub log: LogDump,
}

/// One place where a history breaks a promise. Names ids, numbers and positions, no contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The check: `C1` to `C11`, or [`RECORD`].
    pub check: &'static str,
    /// What does not hold, and where.
    pub detail: String,
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.check, self.detail)
    }
}

/// The name under which [`record`] reports: the record itself makes no sense, so that nothing the checks say of it
/// counts.
pub const RECORD: &str = "record";

/// Every check of this module, in order.
#[must_use]
pub fn check_all(history: &History) -> Vec<Violation> {
    let checks = [record, c1, c2, c3, c4, c5, c6, c7, c9, c10, c11];
    checks.iter().flat_map(|check| check(history)).collect()
}

/// Whether the record can be read at all: each operation asked once and answered at most once and not before, and
/// nothing recorded as a definite no that is none.
#[must_use]
pub fn record(history: &History) -> Vec<Violation> {
    use std::collections::BTreeMap;
    let mut found = Found::of(RECORD);
    let mut ops: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
    let mut answered = BTreeMap::new();
    for entry in &history.entries {
        let (op, at) = match entry {
            Entry::Invoke(is) => {
                found.unless(ops.insert(is.op, (is.at, false)).is_none(), || format!("op {} was invoked twice", is.op));
                continue;
            }
            Entry::Ok(is) => (is.op, is.at),
            Entry::No(is) => {
                let unknown = requests::is_unknown(&is.reason);
                found.unless(!unknown, || format!("op {}: {} is no definite no", is.op, is.reason));
                (is.op, is.at)
            }
            Entry::Unknown(is) => (is.op, is.at),
            Entry::Resumed(_)
            | Entry::Received(_)
            | Entry::Read(_)
            | Entry::Healed(_)
            | Entry::FeedEnd(_)
            | Entry::WriterLeft(_)
            | Entry::SubscriberLeft(_) => continue,
        };
        let invoked = ops.get(&op).is_some_and(|(begun, _)| *begun <= at);
        found.unless(invoked, || format!("op {op} was answered before it was invoked"));
        found.unless(answered.insert(op, at).is_none(), || format!("op {op} was answered twice"));
    }
    found.into_list()
}

/// What one check has found so far.
struct Found {
    check: &'static str,
    list: Vec<Violation>,
}

impl Found {
    fn of(check: &'static str) -> Self {
        Self { check, list: Vec::new() }
    }

    fn add(&mut self, detail: String) {
        self.list.push(Violation { check: self.check, detail });
    }

    /// One check: says so unless it holds.
    fn unless(&mut self, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.add(detail());
        }
    }

    fn into_list(self) -> Vec<Violation> {
        self.list
    }
}
