//! Loads by `pgbench`, the way an integrator's programs would come: over TCP, under the service's role, with prepared
//! statements, and with the planner told what the service tells it, so that no floor suffers from a young database's
//! missing statistics.

use anyhow::Context;
use handoff_cluster::{Cluster, ROLE};
use std::path::PathBuf;
use std::time::Duration;

/// As the store's connections have it.
const PLANS: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
                     -c plan_cache_mode=force_generic_plan -c jit=off";
/// Threads of the program, at most; the machine these figures are made for has two cores.
const THREADS_MAX: usize = 2;
const LOG: &str = "floor";

/// One load.
pub(super) struct Load<'a> {
    pub(super) database: &'a str,
    /// Text of the transaction.
    pub(super) script: &'a str,
    pub(super) clients: usize,
    pub(super) seconds: u64,
    pub(super) variables: &'a [(&'a str, String)],
}

/// What it came to.
pub(super) struct Outcome {
    /// Transactions per second, the time to connect left out.
    pub(super) rate: f64,
    /// Transactions.
    pub(super) done: u64,
    /// Their latencies, sorted.
    pub(super) latencies: Vec<Duration>,
}

/// Runs a load to its end.
pub(super) fn run(cluster: &Cluster, load: &Load<'_>) -> anyhow::Result<Outcome> {
    let folder = cluster.socket_dir();
    std::fs::write(folder.join("floor.sql"), load.script).context("write the script of pgbench")?;
    for file in logs(cluster)? {
        std::fs::remove_file(file)?;
    }
    let mut command = cluster.program("pgbench");
    command.env("PGOPTIONS", PLANS);
    command.args(["-n", "-M", "prepared", "-h", "127.0.0.1", "-U", ROLE, "-f", "floor.sql", "-l", "--log-prefix", LOG]);
    command.args(["-p", &cluster.port().to_string(), "-T", &load.seconds.to_string()]);
    command.args(["-c", &load.clients.to_string(), "-j", &load.clients.min(THREADS_MAX).to_string()]);
    for (name, value) in load.variables {
        command.args(["-D", &format!("{name}={value}")]);
    }
    let told = command.arg(load.database).output().context("start pgbench")?;
    let (out, said) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    anyhow::ensure!(told.status.success(), "pgbench ended with {}: {said}", told.status);
    let after = |key: &str| out.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned();
    let word = |text: String| text.split_whitespace().next().unwrap_or_default().to_owned();
    let rate = word(after("tps = ")).parse().context("pgbench told no rate")?;
    let done = word(after("number of transactions actually processed:")).parse().context("pgbench told no number")?;
    Ok(Outcome { rate, done, latencies: latencies(cluster)? })
}

fn logs(cluster: &Cluster) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for file in std::fs::read_dir(cluster.socket_dir())? {
        let file = file?;
        let is_log = file.file_name().to_string_lossy().strip_prefix(LOG).is_some_and(|rest| {
            // `floor.PID`, and `floor.PID.THREAD` of the others.
            rest.starts_with('.') && rest.chars().all(|c| c == '.' || c.is_ascii_digit())
        });
        files.extend(is_log.then(|| file.path()));
    }
    Ok(files)
}

/// The third column of each line is the transaction's time in microseconds.
fn latencies(cluster: &Cluster) -> anyhow::Result<Vec<Duration>> {
    let mut all = Vec::new();
    for file in logs(cluster)? {
        let text = std::fs::read_to_string(&file)?;
        let columns = text.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
        all.extend(columns.map(Duration::from_micros));
        std::fs::remove_file(file)?;
    }
    all.sort_unstable();
    Ok(all)
}
