//! The service end to end on PostgreSQL: one replica, two of them, one with a synchronous standby.

use super::Run;
use crate::check::{self, Held};
use crate::child::{Service, Usage, usage};
use crate::load::{self, Outcome, quantile};
use crate::machine::mib;
use crate::report::ms;
use crate::setup;
use crate::way::Grpc;
use anyhow::Context;
use handoff_cluster::Cluster;
use std::time::Duration;

/// Over the raw commit of one row, with one client.
const OVER_RAW_MAX: Duration = Duration::from_micros(500);
const P99_AT_64_MAX: Duration = Duration::from_millis(15);
const BYTES_MAX: f64 = 1_800.0;
const WAL_BYTES_MAX: f64 = 2_700.0;

/// One measurement.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Commands in flight over all replicas.
    pub(super) in_flight: usize,
    pub(super) replicas: usize,
    /// With a synchronous standby.
    pub(super) replicated: bool,
}

impl Plan {
    /// One replica, no standby: what the targets are about.
    pub(super) fn plain(in_flight: usize) -> Self {
        Self { in_flight, replicas: 1, replicated: false }
    }

    fn is_plain(self) -> bool {
        self.replicas == 1 && !self.replicated
    }

    pub(super) fn title(self) -> String {
        let Self { in_flight, replicas, replicated } = self;
        let replicas = if replicas == 1 { "one replica".to_owned() } else { format!("{replicas} replicas") };
        let standby = if replicated { ", durability = replicated with one synchronous standby" } else { "" };
        format!("service over gRPC with TLS, {in_flight} in flight, {replicas}{standby}")
    }
}

/// Least and stretch ratios to the floors A and B.
fn least(in_flight: usize) -> Option<[(f64, f64); 2]> {
    match in_flight {
        64 => Some([(2.5, 3.0), (1.2, 1.5)]),
        256 => Some([(4.0, 5.0), (2.0, 2.5)]),
        _ => None,
    }
}

impl Run {
    /// Starts the replicas on a database of their own, loads them, and checks what is in it.
    pub(super) async fn served(&mut self, plan: Plan) -> anyhow::Result<()> {
        self.report.section(&plan.title());
        let name = format!("service-{}-{}-{}", plan.in_flight, plan.replicas, plan.replicated);
        let durability = if plan.replicated { "replicated" } else { "local" };
        let (folder, config, database) = self.copy(&name, durability)?;
        let (mut services, mut ways) = (Vec::new(), Vec::new());
        let connections = self.connections.min(plan.in_flight);
        for _ in 0..plan.replicas {
            let service = Service::start(&folder, false).await?;
            ways.push(Grpc::open(&config, &folder, service.port, connections)?);
            services.push(service);
        }
        let before = self.marks(&database)?;
        let (idle, own) = (all(&services), usage("self"));
        let outcome = self.load(plan, &ways).await?;
        let (used, own_used) = (all(&services), usage("self"));
        drop(ways);
        for service in services {
            service.stop().await?;
        }
        let after = self.marks(&database)?;
        check::compare(&mut self.report, &outcome, &held(&self.cluster, &database)?);
        self.forget(&database)?;
        self.speed(plan, &outcome);
        let done = outcome.ok as f64;
        check::cost(&self.report, "processor per command, service", idle, used, done);
        check::cost(&self.report, "processor per command, clients", own, own_used, done);
        let value = format!("{} x 3, {connections}", setup::IDENTITIES);
        self.report.figure("identities, connections of each side to each replica", &value);
        let value = format!("{:.0} MiB, {:.0} MiB", mib(idle.resident), mib(used.resident));
        self.report.figure("resident memory of the service: idle, at the end", &value);
        self.sizes(plan, before.per(&after, done));
        Ok(())
    }

    /// Each replica gets its share of the workers.
    async fn load(&self, plan: Plan, ways: &[Grpc]) -> anyhow::Result<Outcome> {
        let (warm, time) = (self.times.warm, self.times.service);
        let share = load::Plan { in_flight: plan.in_flight / plan.replicas, warm, time };
        let tasks: Vec<_> =
            ways.iter().cloned().map(|way| tokio::spawn(async move { load::run(&way, share).await })).collect();
        let mut outcome: Option<Outcome> = None;
        for task in tasks {
            let one = task.await?;
            outcome = Some(match outcome {
                Some(sum) => sum.and(one),
                None => one,
            });
        }
        outcome.context("no replica")
    }

    fn speed(&mut self, plan: Plan, outcome: &Outcome) {
        let rate = outcome.rate();
        let [p50, p99] = [0.5, 0.99].map(|part| quantile(&outcome.latencies, part));
        self.report.figure("commands", &format!("{rate:.0}/s, p50 {}, p99 {}", ms(p50), ms(p99)));
        let floors = [("A, textbook", &self.textbook), ("B, one stored call", &self.call)];
        for (place, (name, floors)) in floors.into_iter().enumerate() {
            let Some(floor) = floors.get(&plan.in_flight) else { continue };
            let ratio = rate / floor;
            let (name, value) = (format!("over floor {name} ({floor:.0}/s)"), format!("{ratio:.2} x"));
            match least(plan.in_flight).filter(|_| plan.is_plain()).map(|least| least[place]) {
                Some((least, stretch)) => {
                    self.report.target(&name, &value, &format!(">= {least} x"), ratio >= least);
                    self.report.stretch(&name, &value, &format!(">= {stretch} x"), ratio >= stretch);
                }
                None => self.report.figure(&name, &value),
            }
        }
        if plan.is_plain() && plan.in_flight == 1 {
            let over = p50.saturating_sub(self.raw);
            let name = format!("p50 over a raw commit of one row ({})", ms(self.raw));
            self.report.target(&name, &ms(over), "<= 0.50 ms", over <= OVER_RAW_MAX);
        }
        if plan.is_plain() && plan.in_flight == 64 {
            self.report.target("p99", &ms(p99), "<= 15 ms", p99 <= P99_AT_64_MAX);
        }
    }

    fn sizes(&mut self, plan: Plan, (bytes, wal): (f64, f64)) {
        let [size, log] = [bytes, wal].map(|bytes| format!("{:.2} kB", bytes / 1e3));
        let (size_name, log_name) = ("database growth per command", "WAL per command");
        if plan.is_plain() && plan.in_flight == 64 {
            self.report.target(size_name, &size, "<= 1.8 kB", bytes <= BYTES_MAX);
            self.report.target(log_name, &log, "<= 2.7 kB", wal <= WAL_BYTES_MAX);
        } else {
            self.report.figure(size_name, &size);
            self.report.figure(log_name, &log);
        }
    }
}

/// What several replicas used together.
fn all(services: &[Service]) -> Usage {
    services.iter().map(Service::usage).fold(Usage::default(), |sum, one| Usage {
        resident: sum.resident + one.resident,
        processor: sum.processor + one.processor,
        written: sum.written + one.written,
    })
}

/// Reads what a database holds.
fn held(cluster: &Cluster, database: &str) -> anyhow::Result<Held> {
    let one = |sql: &str| -> anyhow::Result<u64> {
        let text = cluster.psql(database, sql)?;
        text.parse().with_context(|| format!("no number: {text}"))
    };
    let last = "SELECT max(position) FROM events WHERE kind = 2 GROUP BY first ORDER BY 1;";
    let last = cluster.psql(database, last)?;
    Ok(Held {
        events: one("SELECT count(*) FROM events;")?,
        commands: one("SELECT count(DISTINCT first) FROM events WHERE kind = 2;")?,
        own: one("SELECT count(DISTINCT first) FROM events WHERE kind = 2 AND type = 'escalated';")?,
        refusals: one("SELECT count(*) FROM answers WHERE position IS NULL;")?,
        last: last.lines().map(str::parse).collect::<Result<_, _>>()?,
    })
}
