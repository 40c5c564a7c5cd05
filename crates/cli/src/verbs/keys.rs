//! `handoff keys new|officer|registrar|public|jwks|thumbprint|show`: what operators, registrars and officers need to
//! set two organisations up and to keep them going.

use crate::output::{self, Exit, Output, Refused, Usage};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use handoff_domain::time::{DAY, Millis};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_engine::ids;
use handoff_evidence::policy::RegistrarKey;
use handoff_evidence::registry::{Alg, Entry};
use handoff_evidence::signoff::{DeviceKey, KEY_FILE_BYTES_MAX, PublicKey};
use handoff_server::auth::clients::thumbprint;
use handoff_server::config::Config;
use handoff_server::keyring::{Item, Unreadable, hex, inventory, jwk_set, new_key, read_certificates};
use handoff_witness::key_of_file;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
    /// Make an officer's device key in a file of mode 600 (PKCS#8 in PEM form) and print its id and public key. It
    /// overwrites nothing. Make it where the officer signs; the public key goes to the organisation's registrars.
    Officer {
        /// The new file.
        #[arg(long)]
        to: PathBuf,
        /// How it signs.
        #[arg(long, value_enum, default_value_t = DeviceAlg::Ed25519)]
        alg: DeviceAlg,
    },
    /// Make a registrar's key in a file of mode 600 and print its public key in hexadecimal, as the policy has it. It
    /// overwrites nothing. Make it on the organisation's own machine, never on the service's.
    Registrar {
        /// The new file.
        #[arg(long)]
        to: PathBuf,
    },
    /// Print the id and public key of an officer's key.
    Public {
        /// The private or the public key in PEM form.
        file: PathBuf,
        /// Print the public key in PEM form instead, as `registry draft --enrol` reads it.
        #[arg(long)]
        pem: bool,
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

/// How often a key is drawn at most: one drawing in 2^32 is above the order of P-256 and is no key.
const DRAWINGS_MAX: usize = 4;

/// How an officer's key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DeviceAlg {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

/// Makes, prints or shows.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::New { to } => {
            new_key(to).map_err(unusable(to))?;
            match output {
                Output::Json => output::json(&json!({"file": to})),
                Output::Text => output::line(&format!("made {}", to.display())),
            }
            Ok(Exit::Done)
        }
        What::Officer { to, alg } => officer(to, *alg, output),
        What::Registrar { to } => registrar(to, output),
        What::Public { file, pem } => public(file, *pem, output),
        What::Jwks { files } => {
            output::line(&jwk_set(files).map_err(|error| Usage(format!("{:#}", anyhow::Error::from(error))))?);
            Ok(Exit::Done)
        }
        What::Thumbprint { files } => thumbprints(files, output),
        What::Show { config, days } => show(&Config::load(config)?, (*days).into(), output),
    }
}

/// What is wrong with a file, as wrong use.
fn unusable<E: std::fmt::Display>(file: &Path) -> impl Fn(E) -> anyhow::Error {
    move |error| Usage(format!("{}: {error}", file.display())).into()
}

fn officer(to: &Path, alg: DeviceAlg, output: Output) -> anyhow::Result<Exit> {
    let alg = match alg {
        DeviceAlg::Ed25519 => Alg::Ed25519,
        DeviceAlg::Es256 => Alg::Es256,
    };
    let key = (0..DRAWINGS_MAX).find_map(|_| {
        let secret: SecretBox<[u8; 32]> = SecretBox::new(Box::new(ids::random()));
        DeviceKey::of(alg, secret.expose_secret()).ok()
    });
    let key = key.ok_or_else(|| anyhow::anyhow!("the operating system's random bytes are no key"))?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(unusable(to))?;
    file.write_all(key.to_pem().as_bytes()).and_then(|()| file.sync_all()).map_err(unusable(to))?;
    tell(&key.public(), to, output);
    Ok(Exit::Done)
}

fn registrar(to: &Path, output: Output) -> anyhow::Result<Exit> {
    new_key(to).map_err(unusable(to))?;
    let seed: SecretBox<[u8; 32]> = SecretBox::new(Box::new(key_of_file(to).map_err(unusable(to))?));
    let key = hex(&RegistrarKey::from_seed(seed.expose_secret()).public());
    match output {
        Output::Json => output::json(&json!({"file": to, "key": key})),
        Output::Text => output::line(&key),
    }
    Ok(Exit::Done)
}

fn public(file: &Path, pem: bool, output: Output) -> anyhow::Result<Exit> {
    let key = public_key(file)?;
    if pem {
        output::line(key.to_pem().trim_end());
    } else {
        tell(&key, file, output);
    }
    Ok(Exit::Done)
}

/// An officer's public key, for people and for programs.
fn tell(key: &PublicKey, file: &Path, output: Output) {
    let (alg, key, kid) = Entry::names_of(key);
    match output {
        Output::Json => output::json(&json!({"file": file, "kid": kid, "alg": alg.as_str(), "key": key})),
        Output::Text => {
            output::line(&format!("kid {kid}"));
            output::line(&format!("alg {alg}"));
            output::line(&format!("key {key}"));
        }
    }
}

/// A PEM file, and whether others than its owner may read it.
fn pem(file: &Path) -> anyhow::Result<(SecretString, bool)> {
    let opened = std::fs::File::open(file).map_err(unusable(file))?;
    let others = opened.metadata().map_err(unusable(file))?.permissions().mode() & 0o077 != 0;
    // One byte more than a key takes is enough to see that it is none.
    let mut text = String::with_capacity(KEY_FILE_BYTES_MAX + 1);
    let most = KEY_FILE_BYTES_MAX as u64 + 1;
    opened.take(most).read_to_string(&mut text).map_err(unusable(file))?;
    Ok((SecretString::from(text), others))
}

/// The public key of an officer, from the private or the public PEM file.
pub(super) fn public_key(file: &Path) -> anyhow::Result<PublicKey> {
    let (text, _) = pem(file)?;
    PublicKey::from_pem(text.expose_secret()).map_err(unusable(file))
}

/// The private key of the officer at this terminal. One that others can read is none.
pub(super) fn device_key(file: &Path) -> anyhow::Result<DeviceKey> {
    let (text, others) = pem(file)?;
    if others {
        return Err(Refused(format!("{}: others can read this key; chmod 600 it", file.display())).into());
    }
    DeviceKey::from_pem(text.expose_secret()).map_err(unusable(file))
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
