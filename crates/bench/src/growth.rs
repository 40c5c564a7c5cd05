//! What becomes slower as a log grows: a database of many incidents, filled by the store's own append, and then read.
//!
//! Events are real ones: one incident that is handed over and one that is not are played in an engine, and written
//! again under other ids (see [`mill`](crate::mill)). One in eight is handed over, one in a hundred is left open
//! somewhere in its story, a thousand are under way at any time.

mod reads;

use crate::child::Service;
use crate::load::{self, quantile};
use crate::machine::{self, load_average, mib, room, sqlite_size};
use crate::mill::{Course, Mill, Pattern};
use crate::postgres::start_cluster;
use crate::report::{Report, ms};
use crate::sections::SQLITE;
use crate::story::Plot;
use crate::way::Grpc;
use crate::{record, setup};
use anyhow::Context;
use handoff_cluster::Cluster;
use handoff_domain::ids::IncidentId;
use handoff_engine::writer::recall_memory;
use handoff_server::config::Config;
use handoff_store::Options;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Commands of a batch: the most the service takes at once.
const BATCH_COMMANDS: usize = 256;
/// Incidents under way at once.
const POOL: usize = 1_024;
/// One of so many is handed over.
const HANDED_OVER_EACH: u64 = 8;
/// One of so many stays open.
const OPEN_EACH: u64 = 100;
/// Estimated bytes of an event with its rows and indexes.
const EVENT_BYTES: u64 = 2_000;
/// Room for the write-ahead log and for what the measurements write.
const RESERVE_BYTES: u64 = 2_000_000_000;
/// Up to so many incidents the whole log is checked against its rows afterwards.
const CHECKED_MAX: u64 = 2_000;
const PROGRESS: Duration = Duration::from_secs(15);
/// On disk, for each command.
const BYTES_MAX: f64 = 1_800.0;
const START_MAX: Duration = Duration::from_secs(2);
const RESIDENT_MAX: u64 = 200 * 1_048_576;
const LOAD: load::Plan = load::Plan { in_flight: 64, warm: Duration::from_millis(1_500), time: Duration::from_secs(5) };
const LOAD_CONNECTIONS: usize = 4;

/// The database under measurement.
struct Ground {
    /// Holds the configuration and, on SQLite, the database; removed at the end.
    root: TempDir,
    /// The cluster and the database in it; none on SQLite.
    postgres: Option<(Cluster, String)>,
    config: Config,
}

impl Ground {
    async fn new(folder: Option<&Path>, backend: Backend) -> anyhow::Result<Self> {
        let root = match folder {
            Some(folder) => TempDir::new_in(folder)?,
            None => TempDir::new()?,
        };
        let postgres = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => {
                let cluster = start_cluster(folder)?;
                let database = cluster.new_database()?;
                Some((cluster, database))
            }
        };
        let url = postgres.as_ref().map_or_else(|| SQLITE.to_owned(), |(cluster, database)| cluster.url(database));
        let config = setup::furnished(&root.path().join("service"), &url).await?;
        Ok(Self { root, postgres, config })
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("service")
    }

    /// One incident of each plot, played on a copy.
    async fn patterns(&self) -> anyhow::Result<Rc<[Pattern]>> {
        let url = match &self.postgres {
            Some((cluster, database)) => cluster.url(&cluster.copy_database(database)?),
            None => {
                let to = self.root.path().join("recorded");
                machine::copy_files(&self.folder(), &to)?;
                Config::load_checked(&to.join("handoff.toml"))?.database.url
            }
        };
        let plays = record::plays(&url, &[Plot::HandedOver, Plot::Kept]).await?;
        plays.into_iter().map(Pattern::of).collect()
    }

    /// Bytes of the database, everything written out.
    fn size(&self) -> anyhow::Result<u64> {
        match &self.postgres {
            Some((cluster, database)) => {
                cluster.psql("postgres", "CHECKPOINT;")?;
                let told = cluster.psql("postgres", &format!("SELECT pg_database_size('{database}');"))?;
                told.parse().context("PostgreSQL told no size")
            }
            None => sqlite_size(&self.folder()),
        }
    }
}

/// Handed over or not, and how far.
fn course(number: u64, patterns: &[Pattern]) -> Course {
    let pattern = usize::from(!number.is_multiple_of(HANDED_OVER_EACH));
    let open = number % OPEN_EACH == OPEN_EACH - 1;
    // The open ones stand at every point of the stories, one after the other.
    let before_the_end = patterns[pattern].len() as u64 - 1;
    let until = usize::try_from(1 + number / OPEN_EACH % before_the_end).ok();
    Course { pattern, until: until.filter(|_| open) }
}

/// Fills, measures, prints.
pub(crate) async fn run(folder: Option<&Path>, incidents: u64, backend: Backend) -> anyhow::Result<Report> {
    anyhow::ensure!(incidents > 0, "no incidents, nothing to measure");
    let mut report = Report::default();
    machine::describe(&report);
    let ground = Ground::new(folder, backend).await?;
    let patterns = ground.patterns().await?;
    let events = [0, 1].map(|at: usize| patterns[at].events() as u64);
    let expected = incidents * (events[0] + (HANDED_OVER_EACH - 1) * events[1]) / HANDED_OVER_EACH;
    let needed = expected * EVENT_BYTES + RESERVE_BYTES;
    let room = room(ground.root.path())?;
    let told = format!("{:.1} GB for about {expected} events, {:.1} GB free", needed as f64 / 1e9, room as f64 / 1e9);
    anyhow::ensure!(needed <= room, "the disk has not room for it: {told}");
    report.section(&format!("{incidents} incidents on {backend:?}, events as an engine writes them"));
    report.figure("room on the disk, estimated", &told);
    let filled = fill(&report, &ground, patterns, incidents).await?;
    let grown = ground.size()?.saturating_sub(filled.empty) as f64;
    let per = grown / filled.commands as f64;
    report.figure("bytes on disk per event", &format!("{:.2} kB", grown / filled.events as f64 / 1e3));
    report.target("bytes on disk per command", &format!("{:.2} kB", per / 1e3), "<= 1.8 kB", per <= BYTES_MAX);
    start(&mut report, &ground).await?;
    let reader = handoff_store::open_reader(&ground.config.database.url).await?;
    reads::measure(&mut report, reader.as_ref(), &filled.sampled).await?;
    reader.close().await;
    if incidents <= CHECKED_MAX {
        check(&mut report, &ground).await?;
    }
    serve(&mut report, &ground).await?;
    report.figure("load of the machine at the end", &load_average());
    Ok(report)
}

/// What was written.
struct Filled {
    commands: usize,
    events: u64,
    /// Bytes of the database before.
    empty: u64,
    sampled: Vec<IncidentId>,
}

async fn fill(report: &Report, ground: &Ground, patterns: Rc<[Pattern]>, incidents: u64) -> anyhow::Result<Filled> {
    let empty = ground.size()?;
    let mut store = handoff_store::open(&ground.config.database.url, Options::default()).await?;
    let ends = (store.reader.head().await?, store.reader.feed_heads().await?);
    let mut mill = Mill::new(patterns, course, ends, POOL, incidents);
    let before = mill.position();
    let (begin, mut said, mut commands) = (Instant::now(), Instant::now(), 0);
    loop {
        let batch = mill.batch(BATCH_COMMANDS)?;
        if batch.answers.is_empty() {
            break;
        }
        store.writer.append(&batch).await?;
        store.writer.tidy().await?;
        commands += batch.answers.len();
        if said.elapsed() > PROGRESS {
            said = Instant::now();
            report.figure("so far", &format!("{} incidents, {} events", mill.begun(), mill.position() - before));
        }
    }
    store.writer.idle().await?;
    store.reader.close().await;
    store.writer.close().await?;
    let time = begin.elapsed().as_secs_f64();
    let events = mill.position() - before;
    let rates = format!("{commands} commands, {events} events in {time:.0} s, {:.0} events/s", events as f64 / time);
    report.figure("filled by the store's append, 256 commands a batch", &rates);
    Ok(Filled { commands, events, empty, sampled: mill.sampled })
}

/// What a start reads, in this process; then the service as a process of its own, to the moment it serves.
async fn start(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let begin = Instant::now();
    let store = handoff_store::open(&ground.config.database.url, Options::default()).await?;
    let opened = begin.elapsed();
    let memory = recall_memory(store.reader.as_ref()).await?;
    let recalled = begin.elapsed() - opened;
    report.figure("open the store, recall head, feeds and directory", &format!("{}, {}", ms(opened), ms(recalled)));
    report.figure("position recalled", &memory.position.to_string());
    store.reader.close().await;
    store.writer.close().await?;
    let begin = Instant::now();
    let service = Service::start(&ground.folder(), false).await?;
    let started = begin.elapsed();
    report.target("start of the service, to serving", &ms(started), "<= 2 s", started <= START_MAX);
    let resident = service.usage().resident;
    let value = format!("{:.0} MiB", mib(resident));
    report.target("resident memory of the service, started", &value, "<= 200 MiB", resident <= RESIDENT_MAX);
    service.stop().await
}

/// The service under load on the filled database.
async fn serve(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let folder = ground.folder();
    let service = Service::start(&folder, false).await?;
    let way = Grpc::open(&ground.config, &folder, service.port, LOAD_CONNECTIONS)?;
    let outcome = load::run(&way, LOAD).await;
    let resident = service.usage().resident;
    drop(way);
    service.stop().await?;
    crate::check::faults(report, &outcome.errors);
    let [p50, p99] = [0.5, 0.99].map(|part| ms(quantile(&outcome.latencies, part)));
    let value = format!("{:.0}/s, p50 {p50}, p99 {p99}; beside it what is long overdue is escalated", outcome.rate());
    report.figure(&format!("commands over gRPC, {} in flight", LOAD.in_flight), &value);
    let value = format!("{:.0} MiB", mib(resident));
    report.target("resident memory of the service, after the load", &value, "<= 200 MiB", resident <= RESIDENT_MAX);
    Ok(())
}

/// A small log is checked whole: its rows must be what its events give.
async fn check(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let checked = handoff_server::database::check(&ground.config, &ground.config.database.url).await?;
    for finding in &checked.findings {
        report.fault(finding);
    }
    for invariant in checked.report.invariants.iter().filter(|invariant| invariant.violated() > 0) {
        let first = invariant.violations.first().map_or("", |violation| &violation.text_en);
        report.fault(&format!("{}: {} times, first: {first}", invariant.name_en, invariant.violated()));
    }
    report.figure(
        "check: events read back, incidents",
        &format!("{}, {}", checked.report.events, checked.report.incidents),
    );
    Ok(())
}
