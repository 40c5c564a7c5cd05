//! `handoff serve`

use crate::output::{self, Exit};
use anyhow::Context;
use handoff_server::config::{Config, Profile};
use handoff_server::database::crash_at;
use handoff_server::serve::{StartOptions, start};
use handoff_server::telemetry;
use std::path::PathBuf;

/// With which configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Another database than the configuration's: sqlite:FILE or postgres://USER@HOST/NAME.
    #[arg(long)]
    database: Option<String>,
    /// For crash tests, with a development profile only: kill the process at this step of the write path, the N-th
    /// time it is reached, as STEP:N.
    #[arg(long, hide = true)]
    crash_at: Option<String>,
}

/// Serves until told to stop.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let (config, shut_out) = Config::load(&args.config)?.over(args.database).startable()?;
    telemetry::init(config.log)?;
    for problem in shut_out {
        tracing::error!(%problem, "one organisation is shut out until its file is mended");
        output::note(&format!("one organisation is shut out until its file is mended: {problem}"));
    }
    // A core file would hold keys and callers' words.
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core files could not be switched off");
    }
    let mut options = StartOptions::default();
    if let Some(at) = &args.crash_at {
        anyhow::ensure!(matches!(config.profile, Profile::Development), "--crash-at is for development profiles");
        let (step, times) = at.rsplit_once(':').unwrap_or((at, "1"));
        options.failpoint = crash_at(step, times.parse()?).with_context(|| format!("no step {step}"))?;
    }
    let mut running = start(&config, options).await?;
    output::note(&format!("serving on https://{} (metrics http://{})", running.grpc, running.metrics));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        failed = running.failed() => failed?,
        _ = terminate.recv() => output::note("stopping"),
        _ = tokio::signal::ctrl_c() => output::note("stopping"),
    }
    running.shutdown().await?;
    Ok(Exit::Done)
}
