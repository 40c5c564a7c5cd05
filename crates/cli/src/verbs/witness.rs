//! `handoff witness run|recheck|export|key|status`: one organisation's witness, on its own host and with its own key.

mod books;
mod serve;

use crate::output::{self, Exit, Output, Refused, Usage};
use books::Books;
use clap::Subcommand;
use handoff_domain::ids::IncidentId;
use handoff_evidence::note::CosignerKey;
use handoff_witness::{Mirror, RecheckError, Settings, key_of_file, recheck};
use serde_json::json;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Mirror, validate and cosign until told to stop.
    Run(serve::Args),
    /// Validate everything in the mirror again, from the first entry on. Exit code 1 where something does not hold.
    Recheck {
        #[command(flatten)]
        books: Books,
    },
    /// Write the bundle of a case from the mirror alone, for `handoff verify`.
    Export {
        /// The incident.
        incident: String,
        /// The new file; it overwrites nothing. Otherwise INCIDENT.evidence.zip here.
        #[arg(long)]
        to: Option<PathBuf>,
        #[command(flatten)]
        books: Books,
    },
    /// Print the verifier key of a witness, as the policy's `witness` line has it.
    Key {
        /// The configuration of the witness.
        #[arg(long, required_unless_present_all = ["name", "key_file"])]
        config: Option<PathBuf>,
        /// Its name, if not the configuration's.
        #[arg(long)]
        name: Option<String>,
        /// Its key file, if not the configuration's.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// Show how far the mirror is, which faults it accepts and what it refused.
    Status {
        #[command(flatten)]
        books: Books,
    },
}

/// Does it.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    match args.what {
        What::Run(args) => serve::run(&args).await,
        What::Recheck { books } => rechecked(&books, output).await,
        What::Export { incident, to, books } => export(&incident, to, &books, output).await,
        What::Key { config, name, key_file } => key(config.as_deref(), name, key_file, output),
        What::Status { books } => books.show(output).await,
    }
}

/// What a person has to write otherwise, with its causes.
fn usage(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Usage(format!("{:#}", error.into())).into()
}

async fn rechecked(books: &Books, output: Output) -> anyhow::Result<Exit> {
    let (mut mirror, policy, faults) = books.open().await?;
    let told = |done| {
        if done % (256 * 100) == 0 {
            output::note(&format!("{done} entries hold"));
        }
    };
    match recheck(&mut mirror, &policy, &faults, told).await {
        Ok(None) => output::note("the mirror is empty"),
        Ok(Some(found)) => {
            let (size, root) = (found.head.size, books::hex(&found.head.root));
            match output {
                Output::Json => output::json(&json!({"size": size, "root": root, "faults": found.faults})),
                Output::Text => {
                    output::line(&format!("{size} entries hold, {} accepted faults among them", found.faults));
                    output::line(&format!("root {root}"));
                }
            }
        }
        Err(RecheckError::Refused(refusal)) => return Err(Refused(refusal.to_string()).into()),
        Err(RecheckError::Mirror(error)) => return Err(books::failed(error)),
    }
    Ok(Exit::Done)
}

async fn export(incident: &str, to: Option<PathBuf>, books: &Books, output: Output) -> anyhow::Result<Exit> {
    let id = uuid::Uuid::try_parse(incident).map_err(|_| Usage(format!("{incident} is no incident: give its UUID")))?;
    let (mut mirror, policy, _) = books.open().await?;
    let bundle = mirror.export(&policy, IncidentId(id)).await;
    let bundle = bundle.map_err(|error| anyhow::Error::new(Refused(format!("{:#}", anyhow::Error::from(error)))))?;
    let file = to.unwrap_or_else(|| PathBuf::from(format!("{id}.evidence.zip")));
    new_file(&file, &bundle).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
    match output {
        Output::Json => output::json(&json!({"file": file, "bytes": bundle.len()})),
        Output::Text => output::line(&format!("made {}", file.display())),
    }
    Ok(Exit::Done)
}

/// A file of the owner's alone: a bundle names stations, times and milestones.
fn new_file(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    std::io::Write::write_all(&mut opened, bytes)?;
    opened.sync_all()
}

fn key(config: Option<&Path>, name: Option<String>, key_file: Option<PathBuf>, output: Output) -> anyhow::Result<Exit> {
    let settings = config.map(Settings::load).transpose().map_err(usage)?;
    let (of_name, of_file) = settings.map(|settings| (settings.name, settings.key_file)).unzip();
    let (Some(name), Some(file)) = (name.or(of_name), key_file.or(of_file)) else {
        return Err(Usage("give --config, or --name and --key-file".to_owned()).into());
    };
    let seed = key_of_file(&file).map_err(usage)?;
    let key = CosignerKey::from_seed(&name, &seed);
    let key = key.ok_or_else(|| Usage(format!("{name:?} is no name of a witness: visible ASCII without a plus")))?;
    let vkey = key.cosigner().vkey();
    match output {
        Output::Json => output::json(&json!({"name": name, "vkey": vkey})),
        Output::Text => output::line(&vkey),
    }
    Ok(Exit::Done)
}

/// Opens a mirror to read it.
async fn reader(mirror: &Path) -> anyhow::Result<Mirror> {
    Mirror::open_reader(mirror).await.map_err(books::failed)
}
