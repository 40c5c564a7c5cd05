//! The run on PostgreSQL: floors by `pgbench`, the store alone, the service; one cluster, one run.

mod floors;
mod pgbench;
mod served;

use crate::machine::{self, load_average};
use crate::mill::Pattern;
use crate::report::Report;
use crate::story::Plot;
use crate::{record, setup};
use anyhow::Context;
use handoff_cluster::{Cluster, Setup};
use handoff_server::config::Config;
use served::Plan;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Those that are measured with two replicas, and with a standby, too.
const CLIENTS_OF_MANY: [usize; 2] = [64, 256];
/// More than the clients of the largest floor.
const CONNECTIONS_MAX: &str = "300";
/// The standby's name.
const STANDBY: &str = "s1";
/// What a whole run may take.
const RUN_MAX: Duration = Duration::from_secs(300);
/// What a measurement of the service takes beside its load.
const AROUND: Duration = Duration::from_secs(3);
const QUICK_RUN_MAX: Duration = Duration::from_secs(60);

/// How long each measurement takes.
#[derive(Clone, Copy)]
struct Times {
    /// Clients of the floors and commands in flight of the service, one measurement for each number.
    clients: &'static [usize],
    raw_seconds: u64,
    floor_seconds: u64,
    ceiling: Duration,
    warm: Duration,
    service: Duration,
}

const FULL: Times = Times {
    clients: &[1, 8, 64, 256],
    raw_seconds: 3,
    floor_seconds: 4,
    ceiling: Duration::from_secs(4),
    warm: Duration::from_millis(1_500),
    service: Duration::from_secs(6),
};

const QUICK: Times = Times {
    clients: &[1, 64, 256],
    raw_seconds: 1,
    floor_seconds: 1,
    ceiling: Duration::from_secs(1),
    warm: Duration::from_millis(500),
    service: Duration::from_secs(1),
};

/// One run of the program.
pub(crate) struct Run {
    times: Times,
    limit: Duration,
    connections: usize,
    cluster: Cluster,
    /// Certificates, keys and configurations; removed at the end of the run.
    root: TempDir,
    /// A migrated and furnished database, to be copied for each measurement.
    furnished: String,
    /// One incident as the engine writes it.
    pattern: Rc<[Pattern]>,
    pub(crate) report: Report,
    /// Floor A, by clients: the textbook's transactions per second, the quicker of its two ways to number.
    textbook: BTreeMap<usize, f64>,
    /// Floor B, likewise: the stored call's.
    call: BTreeMap<usize, f64>,
    /// p50 of a commit of one row.
    raw: Duration,
}

/// Starts a cluster below a folder, or below the temporary one.
pub(crate) fn start_cluster(folder: Option<&Path>) -> anyhow::Result<Cluster> {
    let setup = Setup::default().with("max_connections", CONNECTIONS_MAX);
    let setup = match folder {
        Some(folder) => setup.below(folder),
        None => setup,
    };
    Cluster::start(&setup).context("start PostgreSQL; the user who runs it must be able to reach the folder")
}

impl Run {
    /// Starts a cluster and makes a furnished database in it.
    pub(crate) async fn new(folder: Option<&Path>, quick: bool, connections: usize) -> anyhow::Result<Self> {
        let cluster = start_cluster(folder)?;
        let root = TempDir::new()?;
        let furnished = cluster.new_database()?;
        setup::furnished(&root.path().join("template"), &cluster.url(&furnished)).await?;
        let recorded = cluster.copy_database(&furnished)?;
        let plays = record::plays(&cluster.url(&recorded), &[Plot::HandedOver]).await?;
        cluster.psql("postgres", &drop_database(&recorded))?;
        let pattern: anyhow::Result<Vec<_>> = plays.into_iter().map(Pattern::of).collect();
        let (times, limit) = if quick { (QUICK, QUICK_RUN_MAX) } else { (FULL, RUN_MAX) };
        Ok(Self {
            times,
            limit,
            connections,
            cluster,
            root,
            furnished,
            pattern: pattern?.into(),
            report: Report::default(),
            textbook: BTreeMap::new(),
            call: BTreeMap::new(),
            raw: Duration::ZERO,
        })
    }

    /// Everything.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        machine::describe(&self.report);
        self.server()?;
        self.floors().await?;
        self.ceilings().await?;
        let mut plans: Vec<_> = self.times.clients.iter().map(|in_flight| Plan::plain(*in_flight)).collect();
        plans.extend(CLIENTS_OF_MANY.map(|in_flight| Plan { replicas: 2, ..Plan::plain(in_flight) }));
        for plan in plans {
            self.served_in_time(plan, begin).await?;
        }
        let standby = self.cluster.standby(STANDBY)?;
        self.cluster.make_synchronous(&format!("FIRST 1 ({STANDBY})"))?;
        for in_flight in CLIENTS_OF_MANY {
            self.served_in_time(Plan { replicated: true, ..Plan::plain(in_flight) }, begin).await?;
        }
        self.cluster.reset("synchronous_standby_names")?;
        drop(standby);
        self.report.section("the run");
        let took = format!("{:.0} s of {} s", begin.elapsed().as_secs_f64(), self.limit.as_secs());
        self.report.figure("took", &took);
        self.report.figure("load of the machine at the end", &load_average());
        Ok(())
    }

    /// A measurement that would not end within the limit of the run is left out, and said to be.
    async fn served_in_time(&mut self, plan: Plan, begin: Instant) -> anyhow::Result<()> {
        if begin.elapsed() + self.times.warm + self.times.service + AROUND > self.limit {
            self.report.section(&plan.title());
            self.report.figure("not measured", "the time of the run is over");
            return Ok(());
        }
        self.served(plan).await
    }

    fn server(&self) -> anyhow::Result<()> {
        self.report.figure("PostgreSQL", &self.cluster.psql("postgres", "SHOW server_version;")?);
        for name in ["fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "full_page_writes"] {
            self.report.figure(name, &self.cluster.psql("postgres", &format!("SHOW {name};"))?);
        }
        self.report.figure("limits lifted", &format!("max_connections = {CONNECTIONS_MAX}; {}", setup::LIFTED));
        Ok(())
    }

    /// A folder like the furnished one, on a copy of its database.
    fn copy(&self, name: &str, durability: &str) -> anyhow::Result<(PathBuf, Config, String)> {
        let (from, to) = (self.root.path().join("template"), self.root.path().join(name));
        machine::copy_files(&from, &to)?;
        let database = self.cluster.copy_database(&self.furnished)?;
        let config = setup::point(&to, &self.cluster.url(&database), durability)?;
        Ok((to, config, database))
    }

    /// Gives a measured database back, so that the standby need not copy it.
    fn forget(&self, database: &str) -> anyhow::Result<()> {
        self.cluster.psql("postgres", &drop_database(database))?;
        Ok(())
    }

    /// Writes everything out and tells where the log and the database stand: bytes of the database, bytes of log.
    fn marks(&self, database: &str) -> anyhow::Result<Marks> {
        // The log first: the checkpoint writes into it too.
        let wal = self.number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0');")?;
        self.cluster.psql("postgres", "CHECKPOINT;")?;
        let bytes = self.number(&format!("SELECT pg_database_size('{database}');"))?;
        let after = self.number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0');")?;
        Ok(Marks { wal, after, bytes })
    }

    fn number(&self, sql: &str) -> anyhow::Result<u64> {
        let text = self.cluster.psql("postgres", sql)?;
        text.parse().with_context(|| format!("no number: {text}"))
    }
}

/// By force: a session may end a moment after its client.
fn drop_database(name: &str) -> String {
    format!("DROP DATABASE {name} WITH (FORCE);")
}

/// Where the log and a database stood.
struct Marks {
    /// Bytes of log ever written, before the checkpoint.
    wal: u64,
    /// And after it.
    after: u64,
    /// Bytes of the database.
    bytes: u64,
}

impl Marks {
    /// What was written between two marks, for each transition: bytes of the database, bytes of log.
    fn per(&self, later: &Self, transitions: f64) -> (f64, f64) {
        let bytes = later.bytes.saturating_sub(self.bytes) as f64 / transitions;
        (bytes, later.wal.saturating_sub(self.after) as f64 / transitions)
    }
}
