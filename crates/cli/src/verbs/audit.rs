//! `handoff audit trace`

use super::connect::{Connect, told};
use super::show;
use crate::output::{Exit, Output};
use clap::Subcommand;
use handoff_client::api;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every entry of a case, in order.
    Trace {
        /// The incident.
        incident: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// Why a case is still open.
    WhyOpen {
        /// The incident.
        incident: String,
        #[command(flatten)]
        connect: Connect,
    },
}

/// Looks.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    match args.what {
        What::Trace { incident, connect } => {
            let request = api::TraceRequest { incident, after_seq: 0 };
            let mut stream = told(connect.client()?.audit().trace(request).await)?;
            while let Some(page) =
                stream.message().await.map_err(|status| anyhow::anyhow!(handoff_client::explain(&status)))?
            {
                page.entries.iter().for_each(|traced| show::traced(output, traced));
                page.incident.iter().for_each(|incident| show::why_open(output, incident));
            }
        }
        What::WhyOpen { incident, connect } => {
            let told = told(connect.client()?.audit().why_open(api::WhyOpenRequest { incident }).await)?;
            show::obligations(output, &told.obligations);
        }
    }
    Ok(Exit::Done)
}
