//! The measurements, in the order in which they are printed.

use crate::Cli;
use crate::child::{Service, usage};
use crate::load::{self, Outcome, Plan, quantile};
use crate::machine::{self, load_average, mib, sqlite_size};
use crate::report::{Report, ms};
use crate::way::{Embedded, Grpc};
use crate::{check, fanout, record, rusq, setup};
use handoff_server::config::Config;
use handoff_store::{Batch, Options};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// What the disk, SQLite and the store alone do with the same rows.
    Floors,
    /// Commands over gRPC.
    Service,
    /// Subscribers.
    Fanout,
    /// What the leaves and the tree cost.
    Evidence,
}

/// Where the service of a folder keeps its database.
pub(crate) const SQLITE: &str = "sqlite:handoff.db";
/// Not measured before each load.
pub(crate) const WARM: Duration = Duration::from_millis(1_500);

/// One run of the program.
pub(crate) struct Bench {
    only: Vec<Only>,
    pub(crate) time: Duration,
    in_flight: Vec<usize>,
    pub(crate) connections: usize,
    /// Holds every folder of the run; removed at its end.
    root: TempDir,
    pub(crate) report: Report,
    /// rusqlite, one transition per commit, per second.
    floor: Option<f64>,
    /// p50 of a commit of one row.
    raw: Option<Duration>,
}

impl Bench {
    /// Makes a furnished service to copy for each measurement.
    pub(crate) async fn new(cli: &Cli) -> anyhow::Result<Self> {
        let root = match &cli.folder {
            Some(folder) => TempDir::new_in(folder)?,
            None => TempDir::new()?,
        };
        let template = root.path().join("template");
        setup::furnished(&template, SQLITE).await?;
        set_limits(&template.join("handoff.toml"), &cli.limits)?;
        let all = [Only::Floors, Only::Service, Only::Fanout, Only::Evidence];
        let only = if cli.only.is_empty() { all.to_vec() } else { cli.only.clone() };
        let time = Duration::from_secs(cli.seconds);
        let report = Report::default();
        for (name, value) in &cli.limits {
            report.figure("limit set for this run", &format!("{name} = {value}"));
        }
        let in_flight = cli.in_flight.clone();
        Ok(Self { only, time, in_flight, connections: cli.connections, root, report, floor: None, raw: None })
    }

    /// Everything asked for.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        machine::describe(&self.report);
        self.report.figure("SQLite", rusqlite::version());
        self.report.figure("limits lifted", setup::LIFTED);
        self.floors().await?;
        if self.only.contains(&Only::Service) {
            for in_flight in self.in_flight.clone() {
                self.service(in_flight).await?;
            }
        }
        if self.only.contains(&Only::Fanout) {
            self.fanouts().await?;
        }
        if self.only.contains(&Only::Evidence) {
            self.evidence().await?;
        }
        self.report.figure("load of the machine at the end", &load_average());
        Ok(())
    }

    /// A copy of the furnished service.
    pub(crate) fn copy(&self, name: &str) -> anyhow::Result<(PathBuf, Config)> {
        let (from, to) = (self.root.path().join("template"), self.root.path().join(name));
        machine::copy_files(&from, &to)?;
        let config = Config::load_checked(&to.join("handoff.toml"))?;
        Ok((to, config))
    }

    /// Plays the story in an engine of this process and keeps what it wrote.
    async fn recorded(&self, in_flight: usize, time: Duration) -> anyhow::Result<(Vec<Batch>, Outcome)> {
        let (_, config) = self.copy(&format!("recorded-{in_flight}"))?;
        let (engine, kept, running) = record::engine(&config.database.url).await?;
        let outcome = load::run(&Embedded(engine), Plan { in_flight, warm: WARM, time }).await;
        running.await??;
        Ok((kept.take(), outcome))
    }

    async fn floors(&mut self) -> anyhow::Result<()> {
        self.report.section("floors: the same rows without the service");
        let (folder, _) = self.copy("raw")?;
        let raw = rusq::raw_commits(&folder.join("raw.db"), Duration::from_secs(2))?;
        let p50 = quantile(&raw, 0.5);
        self.raw = Some(p50);
        self.report.figure("raw: rusqlite, one row of 300 bytes per commit, p50", &ms(p50));
        let (singles, outcome) = self.recorded(1, self.time).await?;
        check::faults(&mut self.report, &outcome.errors);
        let rows: usize = singles.iter().map(Batch::rows).sum();
        let events: usize = singles.iter().map(|batch| batch.events.len()).sum();
        let commands = singles.len();
        let per = |count: usize| count as f64 / commands as f64;
        let rows = format!("{:.2} events, {:.2} rows", per(events), per(rows));
        self.report.figure("a transition writes", &rows);
        let floor = self.rusqlite(&singles, 1)?;
        self.floor = Some(floor);
        self.report.figure("rusqlite, one transition per commit", &format!("{floor:.0}/s"));
        if !self.only.contains(&Only::Floors) {
            return Ok(());
        }
        for per_commit in [64, 256] {
            let rate = self.rusqlite(&singles, per_commit)?;
            self.report
                .figure(&format!("rusqlite, {per_commit} transitions per commit, row by row"), &format!("{rate:.0}/s"));
        }
        let rate = outcome.rate();
        self.report.figure("engine in this process, 1 in flight", &format!("{rate:.0}/s"));
        for in_flight in [64, 256] {
            let (batches, outcome) = self.recorded(in_flight, self.time).await?;
            check::faults(&mut self.report, &outcome.errors);
            let commands: usize = batches.iter().map(|batch| batch.answers.len()).sum();
            let size = commands as f64 / batches.len() as f64;
            let rate = self.store_alone(in_flight, &batches).await?;
            let name = format!("store alone, one json_each statement per table, {size:.0} a commit");
            self.report.figure(&name, &format!("{rate:.0}/s"));
            let name = format!("engine in this process, {in_flight} in flight");
            self.report.figure(&name, &format!("{:.0}/s", outcome.rate()));
        }
        Ok(())
    }

    fn rusqlite(&self, batches: &[Batch], per_commit: usize) -> anyhow::Result<f64> {
        let (folder, _) = self.copy(&format!("rusqlite-{per_commit}"))?;
        let time = rusq::write(&folder.join("handoff.db"), batches, per_commit)?;
        Ok(batches.len() as f64 / time.as_secs_f64())
    }

    /// Only the store's writer, over batches made before.
    async fn store_alone(&self, in_flight: usize, batches: &[Batch]) -> anyhow::Result<f64> {
        let (_, config) = self.copy(&format!("store-{in_flight}"))?;
        let mut store = handoff_store::open(&config.database.url, Options::default()).await?;
        let begin = Instant::now();
        for batch in batches {
            store.writer.append(batch).await?;
            store.writer.tidy().await?;
        }
        let time = begin.elapsed();
        let commands: usize = batches.iter().map(|batch| batch.answers.len()).sum();
        store.reader.close().await;
        store.writer.close().await?;
        Ok(commands as f64 / time.as_secs_f64())
    }

    async fn service(&mut self, in_flight: usize) -> anyhow::Result<()> {
        self.report.section(&format!("service over gRPC with TLS, {in_flight} in flight"));
        let (folder, config) = self.copy(&format!("service-{in_flight}"))?;
        let empty = sqlite_size(&folder)?;
        let service = Service::start(&folder, false).await?;
        let connections = self.connections.min(in_flight);
        let way = Grpc::open(&config, &folder, service.port, connections)?;
        let (idle, own) = (service.usage(), usage("self"));
        let outcome = load::run(&way, Plan { in_flight, warm: WARM, time: self.time }).await;
        let (used, own_used) = (service.usage(), usage("self"));
        service.stop().await?;
        let held = rusq::held(&folder.join("handoff.db"))?;
        check::compare(&mut self.report, &outcome, &held);
        self.speed(in_flight, &outcome);
        let done = outcome.ok as f64;
        check::cost(&self.report, "processor per command, service", idle, used, done);
        check::cost(&self.report, "processor per command, clients", own, own_used, done);
        self.report
            .figure("identities, connections of each side", &format!("{} x 3, {connections}", setup::IDENTITIES));
        let name = "resident memory of the service: idle, at the end";
        self.report.figure(name, &format!("{:.0} MiB, {:.0} MiB", mib(idle.resident), mib(used.resident)));
        let per = (sqlite_size(&folder)? - empty) as f64 / done;
        self.report.figure(
            "written to disk per command",
            &format!("{:.2} kB", (used.written - idle.written) as f64 / done / 1e3),
        );
        let value = format!("{:.2} kB", per / 1e3);
        self.report.target("database growth per command", &value, "<= 1.8 kB", per <= 1_800.0);
        Ok(())
    }

    fn speed(&mut self, in_flight: usize, outcome: &Outcome) {
        let rate = outcome.rate();
        let [p50, p99] = [0.5, 0.99].map(|part| quantile(&outcome.latencies, part));
        self.report.figure("commands", &format!("{rate:.0}/s, p50 {}, p99 {}", ms(p50), ms(p99)));
        let Some(floor) = self.floor else { return };
        let ratio = rate / floor;
        let value = format!("{ratio:.2} x");
        let name = "over rusqlite, one transition per commit";
        let least = match in_flight {
            64 => Some((1.3, 1.7)),
            256 => Some((1.6, 2.2)),
            _ => None,
        };
        match least {
            Some((least, stretch)) => {
                self.report.target(name, &value, &format!(">= {least} x"), ratio >= least);
                self.report.stretch(name, &value, &format!(">= {stretch} x"), ratio >= stretch);
            }
            None => self.report.figure(name, &value),
        }
        if let (1, Some(raw)) = (in_flight, self.raw) {
            let over = p50.saturating_sub(raw);
            self.report.target(
                "p50 over a raw commit of one row",
                &ms(over),
                "<= 1.00 ms",
                over <= Duration::from_millis(1),
            );
        }
        if in_flight == 64 {
            self.report.target("p99", &ms(p99), "<= 15 ms", p99 <= Duration::from_millis(15));
        }
    }

    async fn fanouts(&mut self) -> anyhow::Result<()> {
        let targets = [
            (0, 200.0, None),
            (1, 200.0, Some((0.3, None))),
            (100, 200.0, Some((2.5, None))),
            (0, 20.0, None),
            (1_000, 20.0, Some((15.0, Some(30.0)))),
        ];
        let mut alone = 0.0;
        for (subscribers, events_per_second, target) in targets {
            self.report.section(&format!("{subscribers} subscribers, {events_per_second} events a second"));
            let (folder, config) = self.copy(&format!("fanout-{subscribers}-{events_per_second}"))?;
            let service = Service::start(&folder, true).await?;
            let way = Grpc::open(&config, &folder, service.port, 1)?;
            let plan = fanout::Plan { subscribers, events_per_second, time: self.time.max(Duration::from_secs(6)) };
            let outcome = fanout::run(&service, &way, &folder, plan).await?;
            service.stop().await?;
            outcome.faults.iter().for_each(|fault| self.report.fault(fault));
            let answers = [0.5, 0.99].map(|part| ms(quantile(&outcome.answers, part)));
            let speed = format!(
                "{:.1} commands/s, {:.1} events/s, answered p50 {}, p99 {}",
                outcome.rate, outcome.events, answers[0], answers[1]
            );
            self.report.figure("writer", &speed);
            self.report.figure("resident memory of the service", &format!("{:.0} MiB", mib(outcome.resident)));
            let Some((p50_max, p99_max)) = target else {
                alone = outcome.rate;
                continue;
            };
            self.report.figure("entries delivered", &format!("{}", outcome.delivered));
            let [p50, p99] = [0.5, 0.99].map(|part| quantile(&outcome.latencies, part));
            let max = Duration::from_secs_f64(p50_max / 1_000.0);
            self.report.target("commit to last subscriber, p50", &ms(p50), &format!("<= {p50_max} ms"), p50 <= max);
            match p99_max {
                Some(max) => {
                    let met = p99 <= Duration::from_secs_f64(max / 1_000.0);
                    self.report.target("commit to last subscriber, p99", &ms(p99), &format!("<= {max} ms"), met);
                }
                None => self.report.figure("commit to last subscriber, p99", &ms(p99)),
            }
            let fall = (1.0 - outcome.rate / alone) * 100.0;
            self.report.target("the writer's rate falls by", &format!("{fall:.1} %"), "<= 10 %", fall <= 10.0);
        }
        Ok(())
    }
}

/// Puts limits into a configuration.
fn set_limits(file: &Path, limits: &[(String, u32)]) -> anyhow::Result<()> {
    if limits.is_empty() {
        return Ok(());
    }
    let text = std::fs::read_to_string(file)?;
    let named = |line: &&str| !limits.iter().any(|(name, _)| line.starts_with(&format!("{name} = ")));
    let others: Vec<_> = text.lines().filter(named).collect();
    let set: String = limits.iter().map(|(name, value)| format!("\n{name} = {value}")).collect();
    let text = others.join("\n").replacen("[server.limits]", &format!("[server.limits]{set}"), 1);
    Ok(std::fs::write(file, text + "\n")?)
}
