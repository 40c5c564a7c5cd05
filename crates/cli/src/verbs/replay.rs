//! `handoff replay`: recorded calls driven through the service as both stations' systems.
//!
//! Reading order: [`mapping`] names a city's columns and parties; [`reader`] makes [`call`]s of its table;
//! [`plan`] makes timed [`step`]s of calls; [`drive`] plays them, [`in_process`] or [`over_grpc`]; [`report`] says what
//! came of it.

mod answers;
mod call;
mod drive;
mod ground;
mod in_process;
mod log;
pub(crate) mod mapping;
mod over_grpc;
mod plan;
mod reader;
mod report;
mod running;
mod setup;
mod step;
mod tally;
#[cfg(test)]
mod tests;
mod told;
mod wire;

use crate::output::{self, Exit, Output, Refused};
use answers::Answers;
use anyhow::Context;
use call::Reading;
use drive::{Drive, play, set_up};
use ground::Ground;
use handoff_domain::caller::OrgKind;
use handoff_domain::ids::OrgId;
use handoff_domain::time::{Millis, SECOND};
use handoff_engine::check::check_log;
use handoff_engine::clock::{Clock, ManualClock, SystemClock};
use handoff_engine::writer::IDLE_MS;
use handoff_engine::{Engine, Organisation, WriterRun, embedded};
use handoff_evidence::log::LogKey;
use in_process::InProcess;
use indicatif::{ProgressBar, ProgressStyle};
use mapping::Mapping;
use plan::Plan;
use report::{Invariants, Left, Report, Throughput};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use step::Ids;
use tally::Tally;

/// What to replay, and how.
///
/// Against a running service the run speaks as every party's dispatch system and officers, as fast as it is answered.
/// It needs the service's configuration with development issuers and, in the folder of that file, their keys and the
/// authority `ca.pem`: what `handoff dev-ca --folder FOLDER --mapping MAPPING` makes. The service's clock is its own:
/// recorded times go along as claimed times, and timers do not follow them. With --simulate they do.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mapping: columns, parties and story of the table (TOML).
    #[arg(long)]
    mapping: PathBuf,
    /// The table of recorded calls (CSV).
    #[arg(long)]
    calls: PathBuf,
    /// The boundary file (GeoJSON), where the mapping reads one.
    #[arg(long)]
    boundaries: Option<PathBuf>,
    /// What the dispatcher's district names mean (CSV: district, area name); used where a point is not to be trusted.
    #[arg(long)]
    districts: Option<PathBuf>,
    /// Name of the run. Started again under the same name it goes on where it was: every id follows from it.
    #[arg(long, default_value = "1")]
    run: String,
    /// The configuration of the running service.
    #[arg(long, required_unless_present = "simulate", conflicts_with = "simulate")]
    config: Option<PathBuf>,
    /// With --config: where the service is, if not where its configuration says.
    #[arg(long, requires = "config")]
    server: Option<String>,
    /// Play it in this process on a clock that follows the recorded times.
    #[arg(long)]
    simulate: bool,
    /// With --simulate: keep the database at this file and go on from it. Without it the run leaves nothing.
    #[arg(long, requires = "simulate")]
    database: Option<PathBuf>,
    /// Only so many calls, in time order.
    #[arg(long)]
    limit: Option<usize>,
    /// Add each acknowledged command to this file, one JSON line with its place in the log.
    #[arg(long)]
    answers: Option<PathBuf>,
}

/// Everything known before the first command.
struct Prepared {
    mapping: Mapping,
    ids: Ids,
    reading: Reading,
    ground: Option<Ground>,
    plan: Plan,
}

/// Replays.
///
/// # Errors
/// When a file cannot be used, or the service gives no answer.
pub async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    let prepared = prepare(&args)?;
    let mut answers = match &args.answers {
        Some(file) => Some(Answers::open(file).with_context(|| format!("writing {}", file.display()))?),
        None => None,
    };
    let mut tally = Tally::new(&prepared.plan);
    let left = match (&args.config, &args.database) {
        (Some(config), _) => {
            let server = args.server.as_deref();
            Box::pin(running::play(&prepared, &mut tally, answers.as_mut(), config, server)).await?
        }
        (None, Some(file)) => Box::pin(simulate(&prepared, &mut tally, answers.as_mut(), file)).await?,
        (None, None) => {
            let folder = throwaway().join(format!("handoff-replay-{}", handoff_engine::ids::uuid()));
            std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
            let file = folder.join("replay.db");
            let left = Box::pin(simulate(&prepared, &mut tally, answers.as_mut(), &file)).await;
            std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
            left?
        }
    };
    let report = Report::new(&args.run, args.simulate, prepared, &tally, left);
    match output {
        Output::Text => output::line(report.text().trim_end()),
        Output::Json => output::json(&serde_json::to_value(&report)?),
    }
    Ok(if report.is_clean() { Exit::Done } else { Exit::Refused })
}

/// Where a database that is removed at the end lies: in memory where the system has such a folder, since nothing of
/// it has to survive and every command of a simulated run is a commit of its own.
fn throwaway() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// Reads every file and makes the plan. A file that cannot be used is a refusal that says which, where and what to do.
fn prepare(args: &Args) -> Result<Prepared, Refused> {
    let refused = |error: anyhow::Error| Refused(format!("{error:#}"));
    let open = |file: &Path| std::fs::File::open(file).with_context(|| format!("reading {}", file.display()));
    let mapping = Mapping::load(&args.mapping).map_err(|error| refused(error.into()))?;
    let table = open(&args.calls).map_err(refused)?;
    let mut reading = reader::read(&mapping, table).map_err(|error| Refused(told::table(&args.calls, &error)))?;
    reading.calls.truncate(args.limit.unwrap_or(usize::MAX));
    let ground = match (&mapping.boundaries, &args.boundaries) {
        (Some(rules), Some(file)) => {
            let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display())).map_err(refused)?;
            let mut ground = Ground::read(rules, &bytes).map_err(|error| Refused(told::ground(file, &error)))?;
            if let Some(districts) = &args.districts {
                let table = open(districts).map_err(refused)?;
                let read = ground.read_districts(table).with_context(|| format!("reading {}", districts.display()));
                read.map_err(refused)?;
            }
            Some(ground)
        }
        (_, _) => None,
    };
    let ids = Ids::new(&args.run, &mapping.name);
    let plan = plan::make(&mapping, &ids, &reading, ground.as_ref()).map_err(|error| refused(error.into()))?;
    Ok(Prepared { mapping, ids, reading, ground, plan })
}

/// An engine over a database file, on a clock that stands before the first call.
async fn start(prepared: &Prepared, database: &Path) -> anyhow::Result<(Engine, WriterRun, Arc<ManualClock>)> {
    let url = format!("sqlite:{}", database.display());
    let first = prepared.plan.steps.first().map_or(Millis(0), |step| step.at.plus(-SECOND));
    let clock = Arc::new(ManualClock::new(first));
    // Always the same log key: a replay's log proves nothing to anybody.
    let key = LogKey::from_seed(&[0x72; 32]);
    let (engine, writer) = embedded(&url, &key, organisations(&prepared.mapping), clock.clone()).await?;
    Ok((engine, writer, clock))
}

/// Plays the plan on an engine of its own.
async fn simulate(
    prepared: &Prepared,
    tally: &mut Tally,
    answers: Option<&mut Answers>,
    database: &Path,
) -> anyhow::Result<Left> {
    let (engine, writer, clock) = start(prepared, database).await?;
    let reader = engine.clone();
    let (mut writer, drive) = (Box::pin(writer), InProcess::new(engine, clock.clone()));
    let mut left = tokio::select! {
        ended = &mut writer => {
            ended?;
            anyhow::bail!("the engine stopped");
        }
        played = Box::pin(perform(&drive, prepared, tally, answers)) => played?,
    };
    left.log = Some(log::count(reader.reader(), &prepared.plan, prepared.mapping.owner().as_ref()).await?);
    left.invariants = Some(Invariants::of(&check_log(reader.reader()).await?, Vec::new()));
    drop((drive, reader));
    // The writer looks up from its idle wait only when its clock moves.
    clock.advance_to(clock.now().plus(2 * IDLE_MS));
    writer.await?;
    Ok(left)
}

fn organisations(mapping: &Mapping) -> Vec<Organisation> {
    let named = |kind| move |id: &String| OrgId::new(id).map(|id| Organisation { id, kind });
    let parties = mapping.organisations.iter().map(|org| &org.id).filter_map(named(OrgKind::Party));
    parties.chain(mapping.superior.iter().filter_map(named(OrgKind::Superior))).collect()
}

/// Directory, then every call; what is told on the way goes to stderr.
async fn perform(
    drive: &impl Drive,
    prepared: &Prepared,
    tally: &mut Tally,
    mut answers: Option<&mut Answers>,
) -> anyhow::Result<Left> {
    let Prepared { mapping, ids, ground, plan, .. } = prepared;
    let began = SystemClock.now();
    let superior = mapping.superior.as_deref().and_then(OrgId::new);
    let orders = setup::orders(ids, &plan.stations, ground.as_ref(), &plan.pairs, superior.as_ref());
    let refused_orders = set_up(drive, &orders, ground.as_ref().map(|ground| &ground.bytes)).await.context(GO_ON)?;
    let bar = ProgressBar::new(plan.steps.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} commands, {per_sec}, {eta} left  {msg}")?);
    let mut unwritten = None;
    let played = play(drive, plan, |step, outcome| {
        tally.hear(step, outcome);
        if let Some(answers) = answers.as_mut() {
            unwritten = unwritten.take().or(answers.take(step, outcome).err());
        }
        bar.inc(1);
        if bar.position().is_multiple_of(PROGRESS_EVERY) {
            bar.set_message(step.at.to_text());
        }
    });
    let ended = played.await;
    bar.finish_and_clear();
    ended.context(GO_ON)?;
    if let Some(error) = unwritten {
        return Err(error).context("the file of answers is not whole");
    }
    let recorded = plan.steps.first().zip(plan.steps.last()).map_or(0, |(first, last)| last.at.since(first.at));
    let seconds = in_seconds(SystemClock.now().since(began).max(1));
    let commands = plan.steps.len() + orders.len();
    let throughput =
        Throughput { seconds, commands_per_second: rate(commands, seconds), recorded_seconds: in_seconds(recorded) };
    Ok(Left { refused_orders, throughput, ..Left::default() })
}

/// What to do about a run that stopped.
const GO_ON: &str = "the run stopped; start it again with the same --run: what was acknowledged is repeated, the rest \
                     follows";
/// How often the progress line says which moment is played.
const PROGRESS_EVERY: u64 = 100;

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn in_seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "shown without decimals")]
fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}
