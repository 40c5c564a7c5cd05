//! `handoff watch`

use super::connect::Connect;
use super::show;
use crate::output::{self, Exit, Output};
use handoff_client::Watch;
use std::path::PathBuf;

/// From where, and whether to commit.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    connect: Connect,
    /// A file that keeps the resume token; the watch goes on from it and writes it after each message.
    #[arg(long)]
    resume_file: Option<PathBuf>,
    /// Begin with what comes from now on.
    #[arg(long)]
    from_now: bool,
    /// Say that each message has been taken in: for the station's dispatch system that means *delivered*.
    #[arg(long)]
    commit: bool,
    /// End after the entries that are there now.
    #[arg(long)]
    once: bool,
}

/// Prints entries as they come.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    let client = args.connect.client()?;
    let position = super::connect::told(client.feed().get_position(handoff_client::api::GetPositionRequest {}).await)?;
    let kept = args.resume_file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let mut watch =
        if args.from_now { Watch::from_now(client) } else { Watch::from_token(client, kept.trim().to_owned()) };
    let mut last = 0;
    while !args.once || last < position.head_number {
        let batch = watch.next().await?;
        for entry in &batch.entries {
            show::entry(output, entry);
            last = last.max(entry.number);
        }
        if args.commit {
            watch.commit().await.map_err(|status| anyhow::anyhow!(handoff_client::explain(&status)))?;
        }
        if let Some(file) = &args.resume_file {
            std::fs::write(file, watch.token())?;
        }
    }
    output::note("nothing more for now");
    Ok(Exit::Done)
}
