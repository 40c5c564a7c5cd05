//! `handoff witness run`

use super::{books, usage};
use crate::output::{self, Exit, Usage};
use handoff_client::Machine;
use handoff_domain::time::Millis;
use handoff_engine::clock::{Clock as _, SystemClock};
use handoff_server::config::Log;
use handoff_server::telemetry;
use handoff_witness::{Clock, Grpc, OpenError, Pace, Settings, Witness};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// With which configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration of the witness.
    #[arg(long)]
    config: PathBuf,
    /// Where the service is, if not where the configuration says.
    #[arg(long)]
    server: Option<String>,
    /// The mirror, if not the configuration's.
    #[arg(long)]
    mirror: Option<PathBuf>,
    /// The mark, if not the configuration's.
    #[arg(long)]
    mark: Option<PathBuf>,
    /// The policy, if not the configuration's.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// A file with a token, if not the configuration's.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// One more refused entry that both organisations accept: "INDEX LEAF_HASH REASON".
    #[arg(long)]
    accept_fault: Vec<String>,
}

/// The machine's clock, which `engine` reads.
struct Machines(SystemClock);

impl Clock for Machines {
    fn now(&self) -> Millis {
        self.0.now()
    }

    fn sleep_until(&self, until: Millis) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep_until(until)
    }
}

impl Args {
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::load(&self.config).map_err(usage)?;
        if let Some(server) = &self.server {
            settings.server.clone_from(server);
        }
        if let Some(mirror) = &self.mirror {
            settings.mirror.clone_from(mirror);
        }
        if let Some(policy) = &self.policy {
            settings.policy.clone_from(policy);
        }
        settings.mark = self.mark.clone().or(settings.mark);
        settings.token_file = self.token_file.clone().or(settings.token_file);
        settings.accept_fault.extend(self.accept_fault.iter().cloned());
        settings.faults().map_err(usage)?;
        Ok(settings)
    }
}

fn text(file: &std::path::Path) -> anyhow::Result<String> {
    let bytes = output::read(file)?;
    String::from_utf8(bytes).map_err(|_| Usage(format!("{} is no text", file.display())).into())
}

fn unopened(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::Mirror(error) => books::failed(error),
        OpenError::Mark(_) => error.into(),
        error => usage(error),
    }
}

/// Witnesses until told to stop.
pub(super) async fn run(args: &Args) -> anyhow::Result<Exit> {
    let settings = args.settings()?;
    telemetry::init(Log::default())?;
    // A core file would hold the key.
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core files could not be switched off");
    }
    let machine = match (&settings.client_cert, &settings.client_key) {
        (Some(cert), Some(key)) => Some(Machine { cert_pem: text(cert)?, key_pem: text(key)? }),
        _ => None,
    };
    let mut line = Grpc::new(settings.server.clone(), text(&settings.ca)?, machine, settings.token_file.clone());
    let clock: Arc<dyn Clock> = Arc::new(Machines(SystemClock));
    let mut witness = Witness::open(&settings, clock.clone()).await.map_err(unopened)?;
    output::note(&format!("witness {} of {}, {} entries so far", witness.name(), settings.server, witness.position()));
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        output::note("stopping");
    };
    handoff_witness::run(&mut witness, &mut line, clock, Pace::default(), stop).await;
    witness.close().await.map_err(books::failed)?;
    Ok(Exit::Done)
}
