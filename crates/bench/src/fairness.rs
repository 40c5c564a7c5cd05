//! Fairness: what one side's own calls take while the other side attacks, and what they take while it is quiet, in one
//! run against the real service with its default limits, client certificates and SQLite.
//!
//! The attacker is a process of its own at the lowest priority (`nice 19`), so that on few cores its own work gives way
//! to the service's and to the measuring client's. What is left of it: what the *service* does for an attacker runs at the
//! service's priority and shares the cores with the client that measures, and the caches and the memory's bandwidth are
//! everybody's. Both make a ratio look worse than it is for clients on machines of their own.

mod attack;
mod ground;
mod steady;

pub(crate) use attack::{Kind, attack};

use crate::child::Service;
use crate::report::{Report, ms};
use crate::{load, machine};
use anyhow::Context;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use steady::{Figures, Steady};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Between the start of an attack and the measurement, and between its end and what comes next.
const SETTLED: Duration = Duration::from_secs(2);
/// The other side's p99 may grow by so much (security, 4).
const RATIO_MAX: f64 = 2.0;

/// Measures for so many seconds each: quiet, every attack, quiet again.
pub(crate) async fn run(folder: Option<&Path>, seconds: u64) -> anyhow::Result<Report> {
    let mut report = Report::default();
    machine::describe(&report);
    let kept = match folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    // The folder of keys is made by `dev-ca`'s own code, open to nobody else.
    let folder = &kept.path().join("service");
    let config = ground::make(folder).await?;
    let service = Service::start(folder, false).await?;
    let steady = Steady::open(&config, folder, service.port).await?;
    let time = Duration::from_secs(seconds);
    // Connections, caches and the allocator warm up.
    steady.measure(SETTLED).await;
    let mut quiet = steady.measure(time).await;
    let mut attacked = Vec::new();
    for kind in Kind::ALL {
        let (figures, did) = under(kind, folder, &service, &steady, time).await?;
        attacked.push((kind, figures, did));
        tokio::time::sleep(SETTLED).await;
    }
    let before = quiet.clone();
    let after = steady.measure(time).await;
    quiet.join(after.clone());
    report.section("fairness: side B's own calls while side A attacks");
    report.figure("B's calls", &format!("{:.0} a second, a third of them reads; default limits", steady::CALLS_PER_S));
    for (name, figures) in [("quiet, before", &before), ("quiet, after", &after), ("quiet, both: the floor", &quiet)] {
        report.figure(name, &figures.text());
    }
    if !quiet.errors.is_empty() {
        report.fault(&format!("calls failed while nobody attacked: {:?}", quiet.errors));
    }
    for (kind, figures, did) in &attacked {
        judge(&mut report, *kind, figures, &quiet);
        report.figure("  the attacker", did);
    }
    report.figure("load of the machine at the end", &machine::load_average());
    service.stop().await?;
    Ok(report)
}

/// B's calls under one attack, and what the attacker says of itself.
async fn under(
    kind: Kind,
    folder: &Path,
    service: &Service,
    steady: &Steady,
    time: Duration,
) -> anyhow::Result<(Figures, String)> {
    let mut child = Command::new("nice")
        .args(["-n", "19"])
        .arg(std::env::current_exe()?)
        .args(["attack", kind.word()])
        .arg(folder)
        .arg(service.port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start the attacker")?;
    tokio::time::sleep(SETTLED).await;
    let before = service.usage();
    let figures = steady.measure(time).await;
    let after = service.usage();
    drop(child.stdin.take());
    let mut said = String::new();
    child.stdout.take().context("the attacker has no output")?.read_to_string(&mut said).await?;
    anyhow::ensure!(child.wait().await?.success(), "the attacker failed");
    let cores = (after.processor - before.processor).as_secs_f64() / time.as_secs_f64();
    let memory = machine::mib(after.resident);
    Ok((figures, format!("{}; the service used {cores:.2} cores and holds {memory:.0} MiB", said.trim())))
}

fn judge(report: &mut Report, kind: Kind, figures: &Figures, quiet: &Figures) {
    report.figure(kind.says(), &figures.text());
    for (name, here, floor) in
        [("  commands, p99", &figures.commands, &quiet.commands), ("  reads, p99", &figures.reads, &quiet.reads)]
    {
        let [here, floor] = [here, floor].map(|latencies| load::quantile(latencies, 0.99));
        let ratio = here.as_secs_f64() / floor.as_secs_f64().max(f64::EPSILON);
        let value = format!("{} = {ratio:.2}x", ms(here));
        report.target(name, &value, &format!("<= {RATIO_MAX}x of {}", ms(floor)), ratio <= RATIO_MAX);
    }
    if !figures.errors.is_empty() {
        report.target("  B's calls that were not answered OK", &format!("{:?}", figures.errors), "none", false);
    }
}
