//! `handoff completions`

use crate::output::Exit;
use clap::CommandFactory;

/// Which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Prints completions for the shell.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "handoff", &mut std::io::stdout());
    Ok(Exit::Done)
}
