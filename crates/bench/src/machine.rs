//! What the machine is, and how busy.

use crate::report::Report;
use anyhow::Context;
use std::path::Path;
use std::process::Command;

/// Prints what the figures were measured on.
pub(crate) fn describe(report: &Report) {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    report.section("machine");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    report.figure("processor", &format!("{cores} x{}", model.replace(['\t', ':'], "")));
    report.figure("kernel", kernel.trim());
    report.figure("load of the machine at the start", &load_average());
}

/// The machine's load over 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Bytes that can still be written below a folder.
pub(crate) fn room(folder: &Path) -> anyhow::Result<u64> {
    let told = Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output().context("start df")?;
    anyhow::ensure!(told.status.success(), "df: {}", String::from_utf8_lossy(&told.stderr));
    let text = String::from_utf8_lossy(&told.stdout);
    let last = text.split_whitespace().last().context("df said nothing")?;
    last.parse().context("df said no number")
}

/// Bytes of an SQLite database and what lies beside it.
pub(crate) fn sqlite_size(folder: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("handoff.db") {
            sum += file.metadata()?.len();
        }
    }
    Ok(sum)
}

/// Copies the files of a folder into a new one.
pub(crate) fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to)?;
    for file in std::fs::read_dir(from)? {
        let file = file?;
        std::fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
