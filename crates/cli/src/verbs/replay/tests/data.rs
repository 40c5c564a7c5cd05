//! Published test data, which is not part of the project.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of published test data: `HANDOFF_DATA`, or `../shared/data` beside the workspace.
///
/// `None` if it is not there, after saying so in one line; a failure if `HANDOFF_DATA_REQUIRED` is 1.
#[expect(clippy::disallowed_methods, reason = "test data is found by environment, as its readme says")]
pub(super) fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("HANDOFF_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let is_required = std::env::var_os("HANDOFF_DATA_REQUIRED").is_some_and(|value| value == "1");
    assert!(!is_required, "no test data at {} (set HANDOFF_DATA)", folder.display());
    // Past the test harness, which would keep the line of a passing test to itself.
    let line = format!("skipped: no test data at {} (set HANDOFF_DATA)\n", folder.display());
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}
