//! `handoff demo`: a service with two invented neighbouring stations, four cases, and commands to try.

mod setup;
mod stage;
mod stories;

use crate::output::{self, Exit, Output};
use handoff_server::serve::{StartOptions, start};
use serde_json::json;
use stage::{Hint, Stage};
use std::path::PathBuf;

/// Where, and whether to keep running.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to make; a new one under the temporary folder unless named.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Play, check every invariant over the log, and end with 0 or 1.
    #[arg(long)]
    check: bool,
    /// Port of the service; any free one unless named.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// An empty database to play in: postgres://USER@HOST/NAME; a SQLite file in the folder unless named.
    #[arg(long)]
    database: Option<String>,
}

fn show(output: Output, hints: &[Hint]) {
    if output == Output::Text {
        output::line("Try, in another terminal:");
    }
    for Hint { who, token_file, commands } in hints {
        match output {
            Output::Text => {
                output::line(&format!("{who}: {token_file}"));
                commands.iter().for_each(|command| output::line(&format!("  {command}")));
            }
            Output::Json => output::json(&json!({"who": who, "token_file": token_file, "commands": commands})),
        }
    }
}

/// Plays the demo.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    let folder = match args.folder {
        Some(folder) => folder,
        None => std::env::temp_dir().join(format!("handoff-demo-{}", handoff_engine::ids::uuid().simple())),
    };
    let config = setup::write(&folder, args.port, args.database.as_deref())?;
    super::db::migrate(&config).await?;
    let mut running = start(&config, StartOptions::default()).await?;
    output::note(&format!("serving on https://localhost:{} in {}", running.grpc.port(), folder.display()));
    let stage = Stage::open(&config, &folder, running.grpc.port())?;
    stage.furnish().await?;
    let cases = stories::play(&stage).await?;
    for (title, incident) in &cases {
        output::note(&format!("{title}: {incident}"));
    }
    if args.check {
        if let Some((_, waiting)) = cases.last() {
            stage.until_raised(waiting).await?;
        }
        running.shutdown().await?;
        return super::db::check(&config, &config.database.url, output).await;
    }
    show(output, &stage.hints(&cases)?);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        failed = running.failed() => failed?,
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    running.shutdown().await?;
    Ok(Exit::Done)
}
