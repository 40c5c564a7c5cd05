//! Named steps of the write path at which a test may stop the process or make the step fail.

use std::fmt;
use std::sync::Arc;

/// Every step a backend has to call, in the order of one append and then of the housekeeping.
pub const STEPS: &[&str] = &[
    "append.begin",
    "append.head",
    "append.answers",
    "append.events",
    "append.feed",
    "append.cases",
    "append.commit",
    "append.committed",
    "wal.checkpoint",
    "wal.checkpointed",
];

/// A hook called at each of [`STEPS`]; by default it does nothing. It may kill the process, or return an error, which
/// the store then treats as an I/O error of that step.
#[derive(Clone, Default)]
pub struct Failpoint(Option<Arc<Hook>>);

type Hook = dyn Fn(&'static str) -> std::io::Result<()> + Send + Sync;

impl Failpoint {
    /// A hook. Only tests have one.
    pub fn new(hook: impl Fn(&'static str) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Calls the hook.
    ///
    /// # Errors
    /// What the hook returns.
    pub fn hit(&self, step: &'static str) -> std::io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(step))
    }
}

impl fmt::Debug for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Failpoint(set)" } else { "Failpoint(none)" })
    }
}
