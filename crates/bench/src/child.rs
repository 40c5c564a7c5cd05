//! The service under measurement: this program again, as a process of its own, so that its memory and its processor
//! time are its own.

use anyhow::Context;
use handoff_server::config::Config;
use handoff_server::serve::{StartOptions, start};
use handoff_store::Failpoint;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// Nanoseconds since 1970: one clock for both processes.
pub(crate) fn nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What the child does: serves until its input ends. With `commits` it prints when each commit was durable.
pub(crate) async fn serve(config: &Path, commits: bool, without_evidence: bool) -> anyhow::Result<()> {
    let config = Config::load_checked(config)?;
    let failpoint = if commits { Failpoint::new(tell) } else { Failpoint::default() };
    let options = StartOptions { failpoint, without_evidence, ..StartOptions::default() };
    let mut running = start(&config, options).await?;
    println(&format!("port {}", running.grpc.port()))?;
    let mut input = tokio::io::stdin();
    let mut rest = Vec::new();
    tokio::select! {
        failed = running.failed() => failed?,
        _ = input.read_to_end(&mut rest) => {}
    }
    running.shutdown().await?;
    Ok(())
}

fn tell(step: &'static str) -> std::io::Result<()> {
    if step == "append.committed" { println(&format!("commit {}", nanos())) } else { Ok(()) }
}

fn println(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// A running child.
pub(crate) struct Service {
    child: Child,
    input: ChildStdin,
    pid: u32,
    pub(crate) port: u16,
    commits: Arc<Mutex<Vec<u64>>>,
}

/// Memory, time and writes of a process so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Resident now, in bytes.
    pub(crate) resident: u64,
    /// Processor time.
    pub(crate) processor: Duration,
    /// Bytes handed to the disk.
    pub(crate) written: u64,
}

impl Service {
    /// Starts the service of a folder.
    pub(crate) async fn start(folder: &Path, commits: bool) -> anyhow::Result<Self> {
        Self::start_with(folder, commits.then_some("--commits")).await
    }

    /// Starts it with an argument of its own.
    pub(crate) async fn start_with(folder: &Path, argument: Option<&str>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(folder.join("handoff.toml"));
        command.args(argument);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let input = child.stdin.take().context("the child has no input")?;
        let mut lines = BufReader::new(child.stdout.take().context("the child has no output")?).lines();
        let first = lines.next_line().await?.context("the service did not start")?;
        let port = first.strip_prefix("port ").context("the service said something else")?.parse()?;
        let kept: Arc<Mutex<Vec<u64>>> = Arc::default();
        let keep = kept.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(at) = line.strip_prefix("commit ").and_then(|at| at.parse().ok()) {
                    keep.lock().unwrap_or_else(PoisonError::into_inner).push(at);
                }
            }
        });
        let pid = child.id().context("the child has ended")?;
        Ok(Self { child, input, pid, port, commits: kept })
    }

    /// When the commits so far were durable.
    pub(crate) fn commits(&self) -> Vec<u64> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        usage(&self.pid.to_string())
    }

    /// Ends it politely.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "the service ended with {status}");
        Ok(())
    }
}

/// What a process has used so far.
pub(crate) fn usage(pid: &str) -> Usage {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let number = |text: &str, key: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
    };
    let stat = read("stat");
    // Fields 14 and 15, in ticks of 10 ms; the name before them may hold spaces and ends with a bracket.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Usage {
        resident: number(&read("status"), "VmRSS:") * 1024,
        processor: Duration::from_millis(ticks * 10),
        written: number(&read("io"), "write_bytes:"),
    }
}
