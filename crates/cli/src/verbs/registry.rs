//! `handoff registry show|draft|check|sign|submit`: whose key counts as an officer's, as the organisation's registrars
//! say.
//!
//! Whoever drafts and whoever brings a draft to the service is believed in nothing: what counts is that enough
//! registrars signed, each on a machine of their own, with `check` and `sign` needing no service and no network.

mod draft;

use super::connect::{Connect, told};
use super::{keys, show};
use crate::output::{self, Exit, Output, Refused, Usage};
use clap::Subcommand;
use draft::{Draft, refused, roles};
use handoff_client::api;
use handoff_domain::caller::Role;
use handoff_domain::ids::{OfficerId, OrgId, StationId};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, b64url, b64url_read};
use handoff_engine::ids;
use handoff_evidence::policy::{Policy, RegistrarKey};
use handoff_evidence::registry::{Book, Entry, SignedUpdate as _, Status, has_role};
use handoff_witness::key_of_file;
use secrecy::{ExposeSecret, SecretBox};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the own organisation's registry as the service has it.
    Show {
        #[command(flatten)]
        connect: Connect,
    },
    /// Draft the next state: enrol an officer's key or revoke one, in a new draft or together with what a draft holds.
    Draft(Box<Change>),
    /// Show what a draft changes, working its root out anew. With a policy, exit code 1 until it is complete.
    Check {
        #[command(flatten)]
        seen: Seen,
    },
    /// Show what a draft changes and sign it as a registrar, on the registrar's own machine. Look at it with `check`
    /// first.
    Sign {
        #[command(flatten)]
        seen: Seen,
        /// File with the registrar's key (`handoff keys registrar`).
        #[arg(long)]
        key: PathBuf,
    },
    /// Bring a draft that enough registrars signed to the service, as an admin.
    Submit {
        /// The draft.
        draft: PathBuf,
        #[command(flatten)]
        connect: Connect,
    },
}

/// A draft, and what a registrar holds it against.
#[derive(Debug, clap::Args)]
struct Seen {
    /// The draft.
    draft: PathBuf,
    /// The registry it must start from, as the registrar knows it: what `registry show --output json` printed, or the
    /// draft signed last.
    #[arg(long)]
    registry: Option<PathBuf>,
    /// The policy both organisations agreed on.
    #[arg(long)]
    policy: Option<PathBuf>,
}

/// One change.
#[derive(Debug, clap::Args)]
struct Change {
    /// Enrol this key, the public one in PEM form (`handoff keys public --pem`). A key that is there already is
    /// changed.
    #[arg(long, required_unless_present = "revoke", conflicts_with = "revoke")]
    #[arg(requires_all = ["officer", "station", "roles"])]
    enrol: Option<PathBuf>,
    /// The officer's pseudonym.
    #[arg(long, requires = "enrol")]
    officer: Option<String>,
    /// The officer's station.
    #[arg(long, requires = "enrol")]
    station: Option<String>,
    /// As what the officer may sign: `duty_officer`, responder, supervisor, superior.
    #[arg(long = "role", requires = "enrol")]
    roles: Vec<String>,
    /// What kind of key. A passkey is enrolled where it is made.
    #[arg(long, requires = "enrol", default_value = "device", value_parser = ["device"])]
    level: String,
    /// What holds the key, where that is not the officer: a dispatch client, a card.
    #[arg(long, requires = "enrol")]
    held_by: Option<String>,
    /// Revoke the key of this id. What it signed before stands.
    #[arg(long)]
    revoke: Option<String>,
    /// From when on what it signed is in doubt, as YYYY-MM-DDTHH:MM:SS.mmmZ; told beside those signatures.
    #[arg(long, requires = "revoke")]
    compromised_since: Option<String>,
    /// The new draft; it overwrites nothing.
    #[arg(long, required_unless_present = "add", conflicts_with = "add")]
    to: Option<PathBuf>,
    /// The draft to add this to. Nobody has signed it yet.
    #[arg(long)]
    add: Option<PathBuf>,
    #[command(flatten)]
    connect: Connect,
}

/// Does it.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    match args.what {
        What::Show { connect } => {
            let (org, _, book) = fetch(&connect).await?;
            registry(&org, &book, output)?;
            Ok(Exit::Done)
        }
        What::Draft(change) => draft(&change, output).await,
        What::Check { seen } => check(&seen, output),
        What::Sign { seen, key } => sign(&seen, &key, output),
        What::Submit { draft, connect } => submit(&draft, &connect, output).await,
    }
}

/// The own organisation's registry as the service has it, and the log it is in.
async fn fetch(connect: &Connect) -> anyhow::Result<(OrgId, String, Book)> {
    let found = told(connect.client()?.directory().get_registry(api::GetRegistryRequest {}).await)?;
    let org = OrgId::new(&found.organisation);
    let org = org.ok_or_else(|| Refused("the service's registry names no organisation".to_owned()))?;
    let book = Book::of(found.version, &found.entries);
    let book = book.map_err(|error| refused("the service's registry cannot be read", error))?;
    Ok((org, found.log, book))
}

fn registry(org: &OrgId, book: &Book, output: Output) -> anyhow::Result<()> {
    let state = book.state().map_err(|error| refused("the registry is no state", error))?;
    match output {
        Output::Json => {
            let entries: Result<Vec<_>, _> = book.entries().map(|entry| entry.write().map(|b| b64url(&b))).collect();
            output::json(&json!({
                "organisation": org.as_str(), "version": book.version(), "count": state.count(),
                "root": state.root().to_string(),
                "entries": entries.map_err(|error| refused("an entry cannot be written", error))?,
                "keys": book.entries().map(readable).collect::<Vec<_>>(),
            }));
        }
        Output::Text => {
            output::line(&format!(
                "registry of {org}, version {}, {} keys, root {}",
                book.version(),
                state.count(),
                state.root()
            ));
            listed(book);
        }
    }
    Ok(())
}

fn readable(entry: &Entry) -> Value {
    json!({
        "kid": entry.kid, "alg": entry.alg.as_str(), "level": entry.level.as_str(), "officer": entry.officer.as_str(),
        "station": entry.station.as_str(), "roles": entry.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        "status": entry.status.as_str(), "held_by": entry.held_by.as_ref().map(Label::as_str),
        "compromised_since": entry.compromised_since.map(Millis::to_text),
    })
}

/// Every key of a registry, as a table.
fn listed(book: &Book) {
    let mut table = show::table(&["officer", "station", "level", "roles", "status", "kid"]);
    for entry in book.entries() {
        let Entry { officer, station, level, status, kid, .. } = entry;
        table.add_row([officer.as_str(), station.as_str(), level.as_str(), &roles(entry), status.as_str(), kid]);
    }
    output::line(&table.to_string());
}

impl Change {
    /// The one entry this makes of the registry as it is now. Its salt is new, so that a hash seen before tells nothing
    /// of it.
    fn entry(&self, book: &Book) -> anyhow::Result<Entry> {
        match (&self.enrol, &self.revoke) {
            (Some(file), _) => self.enrolled(file),
            (None, Some(kid)) => self.revoked(kid, book),
            (None, None) => Err(Usage("give --enrol or --revoke".to_owned()).into()),
        }
    }

    fn enrolled(&self, file: &Path) -> anyhow::Result<Entry> {
        let wrong = |what: &str| Usage(what.to_owned());
        let key = keys::public_key(file)?;
        let roles = self.roles.iter().map(|role| Role::parse(role).ok_or_else(|| wrong(&format!("no role {role}"))));
        let mut roles = roles.collect::<Result<Vec<_>, _>>()?;
        roles.sort_unstable();
        roles.dedup();
        let held_by = self.held_by.as_deref();
        let held_by =
            held_by.map(|text| Label::new(text).ok_or_else(|| wrong("--held-by is no label of up to 120 bytes")));
        let officer = self.officer.as_deref().and_then(OfficerId::new);
        let station = self.station.as_deref().and_then(StationId::new);
        let level = Level::parse(&self.level).ok_or_else(|| wrong("--level is device"))?;
        let officer = officer.ok_or_else(|| wrong("--officer is not a pseudonym"))?;
        let station = station.ok_or_else(|| wrong("--station is not a code name"))?;
        let entry = Entry::of_device(&key, officer, station, roles, ids::salt());
        Ok(Entry { held_by: held_by.transpose()?, level, ..entry })
    }

    fn revoked(&self, kid: &str, book: &Book) -> anyhow::Result<Entry> {
        let entry = book.entry(kid).ok_or_else(|| Refused(format!("the registry has no key {kid}")))?;
        let since = self.compromised_since.as_deref().map(|text| {
            Millis::from_text(text)
                .ok_or_else(|| Usage("--compromised-since is no YYYY-MM-DDTHH:MM:SS.mmmZ".to_owned()))
        });
        // What is said once of a doubt stays, unless something else is said.
        let compromised_since = since.transpose()?.or(entry.compromised_since);
        Ok(Entry { compromised_since, salt: ids::salt(), status: Status::Revoked, ..entry.clone() })
    }
}

async fn draft(change: &Change, output: Output) -> anyhow::Result<Exit> {
    let (org, log, book) = fetch(&change.connect).await?;
    let mut changed = match &change.add {
        None => Vec::new(),
        Some(file) => {
            let draft = Draft::read(file)?;
            if (&draft.update.org, &draft.update.log, &draft.before) != (&org, &log, &book) {
                let what = format!("{}: the registry is no longer the one it starts from; draft anew", file.display());
                return Err(Refused(what).into());
            }
            if !draft.update.sigs.is_empty() {
                let what = format!("{}: it is signed, and would have to be signed again; draft anew", file.display());
                return Err(Refused(what).into());
            }
            draft.changed
        }
    };
    let entry = change.entry(&book)?;
    changed.push(entry.write().map_err(|error| refused("this is no entry of a registry", error))?);
    let draft = Draft::new(org, log, book, changed)?;
    let file = match (&change.to, &change.add) {
        (Some(file), _) => draft.write_new(file).map(|()| file),
        (None, Some(file)) => draft.write_over(file).map(|()| file),
        (None, None) => Err(Usage("give --to or --add".to_owned()).into()),
    }?;
    tell(&draft, output);
    output::note(&format!(
        "drafted in {}: the registrars look at it with `check` and sign it with `sign`",
        file.display()
    ));
    Ok(Exit::Done)
}

/// What a draft is about, for people and for programs.
fn tell(draft: &Draft, output: Output) {
    let update = &draft.update;
    let signers: Vec<_> = update.sigs.iter().map(|signature| signature.key.as_str()).collect();
    match output {
        Output::Json => output::json(&json!({
            "organisation": update.org.as_str(), "log": update.log, "version": update.version, "count": update.count,
            "root": update.root.to_string(), "changes": draft.words(), "signed_by": signers,
            "keys": draft.after.entries().map(readable).collect::<Vec<_>>(),
        })),
        Output::Text => {
            output::line(&format!("registry of {}, version {}, root {}", update.org, update.version, update.root));
            output::line(&format!("for the log {}", update.log));
            draft.words().iter().for_each(|words| output::line(words));
            output::line(&format!("then it holds {} keys:", update.count));
            listed(&draft.after);
            signers.iter().for_each(|key| output::line(&format!("signed by {key}")));
        }
    }
}

/// Reads a draft and holds it against what the registrar knows: its state before, and the policy.
fn look(seen: &Seen) -> anyhow::Result<(Draft, Option<Policy>)> {
    let draft = Draft::read(&seen.draft)?;
    if let Some(file) = &seen.registry {
        let (org, book) = draft::kept(file)?;
        if (&org, &book) != (&draft.update.org, &draft.before) {
            return Err(Refused(format!("the draft does not start from the registry in {}", file.display())).into());
        }
    }
    let policy = seen.policy.as_deref().map(super::policy::read).transpose()?;
    if let Some(policy) = &policy {
        if policy.log(&draft.update.log).is_none() {
            return Err(Refused(format!("the policy has no log {}", draft.update.log)).into());
        }
        let entry = draft.after.entries().find(|entry| has_role(policy, entry));
        if let Some(entry) = entry {
            return Err(Refused(format!("key {} has another role in the policy: one key, one role", entry.kid)).into());
        }
    }
    Ok((draft, policy))
}

fn check(seen: &Seen, output: Output) -> anyhow::Result<Exit> {
    let (draft, policy) = look(seen)?;
    tell(&draft, output);
    let Some(policy) = policy else { return Ok(Exit::Done) };
    match draft.before.next(&draft.update, &draft.changed, &policy, &draft.update.log) {
        Ok(_) => {
            output::note("complete: enough registrars signed");
            Ok(Exit::Done)
        }
        Err(error) => Err(refused("not complete", error)),
    }
}

fn sign(seen: &Seen, file: &Path, output: Output) -> anyhow::Result<Exit> {
    let (mut draft, policy) = look(seen)?;
    let seed = key_of_file(file).map_err(|error| Usage(format!("{:#}", anyhow::Error::from(error))))?;
    let seed: SecretBox<[u8; 32]> = SecretBox::new(Box::new(seed));
    let key = RegistrarKey::from_seed(seed.expose_secret());
    if let Some(policy) = policy {
        let registrars = policy.registrars(&draft.update.org);
        if !registrars.is_some_and(|registrars| registrars.keys.contains(&key.public())) {
            let what = format!("{} is no registrar's key of {} in the policy", file.display(), draft.update.org);
            return Err(Refused(what).into());
        }
    }
    if seen.registry.is_none() {
        output::note(
            "without --registry the keys it starts from are taken as they stand in the draft: look at all of them",
        );
    }
    draft.update.sign(&key).map_err(|error| refused("it cannot be signed", error))?;
    draft.write_over(&seen.draft)?;
    tell(&draft, output);
    Ok(Exit::Done)
}

async fn submit(file: &Path, connect: &Connect, output: Output) -> anyhow::Result<Exit> {
    let draft = Draft::read(file)?;
    let update = draft.update;
    let signature = |given: &handoff_evidence::registry::RegistrarSignature| {
        let signature = b64url_read(&given.sig);
        let signature = signature.ok_or_else(|| Refused(format!("{}: a signature is not base64url", file.display())));
        signature.map(|signature| api::RegistrarSignature { key: given.key.clone(), signature })
    };
    let request = api::UpdateRegistryRequest {
        request_id: ids::uuid().to_string(),
        claimed_time: None,
        organisation: update.org.to_string(),
        log: update.log.clone(),
        version: update.version,
        count: update.count,
        root: update.root.to_string(),
        signatures: update.sigs.iter().map(signature).collect::<Result<_, _>>()?,
        entries: draft.changed,
    };
    show::reply(output, &told(connect.client()?.directory().update_registry(request).await)?);
    Ok(Exit::Done)
}
