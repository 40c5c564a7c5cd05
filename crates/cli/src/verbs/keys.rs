//! `handoff keys new|jwks|thumbprint|show`: what an operator needs to set two organisations up and to keep them going.

use crate::output::{self, Exit, Output, Usage};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use handoff_domain::time::{DAY, Millis};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::auth::clients::thumbprint;
use handoff_server::config::Config;
use handoff_server::keyring::{Item, Unreadable, hex, inventory, jwk_set, read_certificates};
use serde_json::json;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make 32 random bytes in a file of mode 600: a resume key, a sealing key or a log key. It overwrites nothing.
    New {
        /// The new file.
        #[arg(long)]
        to: PathBuf,
    },
    /// Print a JWK set of public keys in PEM form, for `jwks_file`.
    Jwks {
        /// Public keys or certificates, P-256 or Ed25519, all of one kind.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the SHA-256 of certificates: in hexadecimal for `revoked_file`, in base64url for a token's `cnf`.
    Thumbprint {
        /// Certificates in PEM form; the first of each file counts.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show every key and certificate a configuration names, whose each is and until when it holds. Nothing secret is
    /// shown. Exit code 1 where one cannot be read, or a certificate is over or ends soon.
    Show {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// How many days before its end a certificate counts as one that ends soon.
        #[arg(long, default_value_t = 14)]
        days: u16,
    },
}

/// Makes, prints or shows.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::New { to } => {
            handoff_server::keyring::new_key(to).map_err(|error| Usage(format!("{}: {error}", to.display())))?;
            match output {
                Output::Json => output::json(&json!({"file": to})),
                Output::Text => output::line(&format!("made {}", to.display())),
            }
            Ok(Exit::Done)
        }
        What::Jwks { files } => {
            output::line(&jwk_set(files).map_err(|error| Usage(format!("{:#}", anyhow::Error::from(error))))?);
            Ok(Exit::Done)
        }
        What::Thumbprint { files } => thumbprints(files, output),
        What::Show { config, days } => show(&Config::load(config)?, (*days).into(), output),
    }
}

fn thumbprints(files: &[PathBuf], output: Output) -> anyhow::Result<Exit> {
    for file in files {
        let found = read_certificates(file).map_err(|error| Usage(format!("{}: {error}", file.display())))?;
        // A file that holds none was refused.
        let Some(first) = found.first() else { continue };
        let digest = thumbprint(first);
        let (hex, base64) = (hex(&digest), URL_SAFE_NO_PAD.encode(digest));
        match output {
            Output::Json => output::json(&json!({"file": file, "sha256": hex, "x5t#S256": base64})),
            Output::Text => output::line(&format!("{hex}  {base64}  {}", file.display())),
        }
    }
    Ok(Exit::Done)
}

/// What an operator has to do about one.
fn state(item: &Result<Item, Unreadable>, now: Millis, days: i64) -> (&'static str, bool) {
    match item {
        Err(_) => ("cannot be read", false),
        Ok(Item { until: Some(until), .. }) if *until <= now => ("over", false),
        Ok(Item { until: Some(until), .. }) if until.since(now) <= days * DAY => ("ends soon", false),
        Ok(_) => ("good", true),
    }
}

fn show(config: &Config, days: i64, output: Output) -> anyhow::Result<Exit> {
    let (now, mut all_good) = (SystemClock.now(), true);
    let mut table = super::show::table(&["key", "of", "name", "until", "state"]);
    for item in inventory(config) {
        let (state, good) = state(&item, now, days);
        all_good &= good;
        match (&item, output) {
            (Ok(item), Output::Json) => output::json(&json!({
                "key": item.key, "organisation": item.org.as_ref().map(ToString::to_string), "place": item.place,
                "name": item.name, "until": item.until.map(|until| until.to_string()), "state": state,
            })),
            (Err(error), Output::Json) => {
                output::json(&json!({"key": error.key, "problem": error.what, "state": state}));
            }
            (Ok(item), Output::Text) => {
                let of = item.org.as_ref().map_or_else(|| "the service".to_owned(), ToString::to_string);
                let until = item.until.map_or_else(|| "-".to_owned(), |until| until.to_string());
                table.add_row([item.key.as_str(), &of, &item.name, &until, state]);
            }
            (Err(error), Output::Text) => {
                table.add_row([error.key.as_str(), "", &error.what, "-", state]);
            }
        }
    }
    if output == Output::Text {
        output::line(&table.to_string());
    }
    Ok(if all_good { Exit::Done } else { Exit::Refused })
}
