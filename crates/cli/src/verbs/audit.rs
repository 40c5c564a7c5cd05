//! `handoff audit trace|why-open|export|prove-log`

use super::connect::{Connect, told};
use super::show;
use crate::output::{self, Exit, Output, Refused, Usage};
use clap::Subcommand;
use handoff_client::{Client, api};
use handoff_domain::time::{Millis, SECOND};
use handoff_evidence::merkle::{Hash, verify_consistency};
use handoff_evidence::note::{Checkpoint, Head};
use handoff_evidence::policy::{JudgeError, Policy};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    /// Write a case's bundle of evidence; `handoff verify` checks it.
    Export {
        /// The incident.
        incident: String,
        /// The new file, as a rule `INCIDENT.evidence.zip`. It overwrites nothing.
        #[arg(long)]
        to: PathBuf,
        /// With the texts, points and addresses that the auditor may read; never caller data.
        #[arg(long)]
        disclose: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Prove that the log of now begins with the log of a checkpoint kept earlier. Prints the checkpoint of now, to be kept.
    ProveLog {
        /// The checkpoint kept earlier, as this verb printed it; without one the checkpoint of now is printed alone.
        #[arg(long)]
        since: Option<PathBuf>,
        /// Instead of a file: the log as the witnesses had signed it by this time, in UTC, as `2026-11-23T12:00:00.000Z`.
        #[arg(long, conflicts_with_all = ["since", "proven"], value_parser = time)]
        from: Option<Millis>,
        /// With --from: the later time; now unless given.
        #[arg(long, requires = "from", value_parser = time)]
        until: Option<Millis>,
        /// The policy both organisations agreed on.
        #[arg(long)]
        policy: PathBuf,
        /// The newest one that the quorum of witnesses has signed, instead of the newest one.
        #[arg(long)]
        proven: bool,
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
        What::Export { incident, to, disclose, connect } => {
            let request = api::ExportBundleRequest { incident, disclose };
            export(request, &to, &connect, output).await?;
        }
        What::ProveLog { from: Some(from), until, policy, connect, .. } => {
            return prove_between(from, until, &policy, &connect, output).await;
        }
        What::ProveLog { since, policy, proven, connect, .. } => {
            return prove_log(since.as_deref(), &policy, proven, &connect, output).await;
        }
        What::WhyOpen { incident, connect } => {
            let told = told(connect.client()?.audit().why_open(api::WhyOpenRequest { incident }).await)?;
            show::obligations(output, &told.obligations);
        }
    }
    Ok(Exit::Done)
}

async fn export(request: api::ExportBundleRequest, to: &Path, connect: &Connect, output: Output) -> anyhow::Result<()> {
    let mut stream = told(connect.client()?.evidence().export_bundle(request).await)?;
    let mut bytes = Vec::new();
    while let Some(message) =
        stream.message().await.map_err(|status| anyhow::anyhow!(handoff_client::explain(&status)))?
    {
        bytes.extend_from_slice(&message.part);
    }
    let cannot = |error: std::io::Error| Usage(format!("{} cannot be written: {error}", to.display()));
    let mut file = std::fs::File::options().write(true).create_new(true).open(to).map_err(cannot)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(cannot)?;
    match output {
        Output::Json => output::json(&json!({"file": to, "bytes": bytes.len()})),
        Output::Text => output::line(&format!("wrote {}, {} bytes", to.display(), bytes.len())),
    }
    Ok(())
}

/// A checkpoint that the log of the policy has signed, and whether the witnesses are a quorum.
fn judged(note: &str, policy: &Policy, whose: &str) -> anyhow::Result<(Checkpoint, bool)> {
    let checkpoint = Checkpoint::read(note.as_bytes());
    let checkpoint = checkpoint.map_err(|error| Refused(format!("{whose} is no checkpoint: {error}")))?;
    match policy.judge(&checkpoint) {
        Ok(()) => Ok((checkpoint, true)),
        Err(JudgeError::Quorum { .. }) => Ok((checkpoint, false)),
        Err(error) => Err(Refused(format!("{whose} does not count under the policy: {error}")).into()),
    }
}

async fn prove_log(
    since: Option<&Path>,
    policy: &Path,
    proven: bool,
    connect: &Connect,
    output: Output,
) -> anyhow::Result<Exit> {
    let policy = super::policy::read(policy)?;
    let client = connect.client()?;
    let now = told(client.evidence().get_checkpoint(api::GetCheckpointRequest { size: 0, proven }).await)?;
    let (new, quorum) = judged(&now.note, &policy, "the service's checkpoint")?;
    if let Some(file) = since {
        let kept = String::from_utf8_lossy(&output::read(file)?).into_owned();
        let (old, _) = judged(&kept, &policy, &file.display().to_string())?;
        let (old_size, new_size) = (old.head.size, new.head.size);
        if old_size > new_size {
            return Err(
                Refused(format!("the log is shorter than it was: {new_size} entries now, {old_size} then")).into()
            );
        }
        begins(&client, old.head, new.head).await?.ok_or_else(|| {
            Refused(format!(
                "the log was rewritten: its first {old_size} entries are not those of {}. Keep that file and the checkpoint of \
                 now; together, both signed by the log, they are the proof.\n{}",
                file.display(),
                now.note
            ))
        })?;
        output::note(&format!("the log of {new_size} entries begins with the {old_size} of {}", file.display()));
    }
    let words = if quorum { "signed by the quorum of witnesses" } else { "not signed by the quorum of witnesses" };
    output::note(words);
    match output {
        Output::Json => output::json(&json!({"size": new.head.size, "proven": quorum, "note": now.note})),
        Output::Text => output::line(now.note.trim_end()),
    }
    Ok(Exit::Done)
}

fn time(text: &str) -> Result<Millis, String> {
    Millis::from_text(text).ok_or_else(|| "write the time in UTC, as 2026-11-23T12:00:00.000Z".to_owned())
}

/// Asks for the proof that the log of one head begins with that of an older one, and verifies it; nothing where it does not.
async fn begins(client: &Client, old: Head, new: Head) -> anyhow::Result<Option<()>> {
    let (old_size, new_size) = (old.size, new.size);
    let request = api::ProveConsistencyRequest { old_size, new_size };
    let proof = told(client.evidence().prove_consistency(request).await)?;
    let path: Result<Vec<Hash>, _> = proof.hashes.into_iter().map(Hash::try_from).collect();
    let path = path.map_err(|_| Refused("the proof holds what is no hash".to_owned()))?;
    Ok(verify_consistency(old_size, &old.root, new_size, &new.root, &path).ok())
}

/// Proves that the log as it was witnessed by one time is the beginning of the log as it was witnessed by a later one. The
/// times are the witnesses' own, so neither rests on the service's word.
async fn prove_between(
    from: Millis,
    until: Option<Millis>,
    policy: &Path,
    connect: &Connect,
    output: Output,
) -> anyhow::Result<Exit> {
    let policy = super::policy::read(policy)?;
    let client = connect.client()?;
    let none = |by: Millis| Refused(format!("the quorum of witnesses had signed nothing by {by}"));
    let newest = proven_from(&client, &policy, 0).await?;
    let old = proven_by(&client, &policy, newest.head.size, from).await?.ok_or_else(|| none(from))?;
    let new = match until {
        Some(until) => proven_by(&client, &policy, newest.head.size, until).await?.ok_or_else(|| none(until))?,
        None => newest,
    };
    let (size, later) = (old.head.size, new.head.size);
    if size > later {
        return Err(Usage("--until is before --from".to_owned()).into());
    }
    begins(&client, old.head, new.head).await?.ok_or_else(|| {
        let notes = format!("{}\n{}", old.write(), new.write());
        Refused(format!(
            "the log was rewritten: these two checkpoints, both signed by the witnesses, are the proof.\n{notes}"
        ))
    })?;
    output::note(&format!("the log of {later} entries begins with the {size} that were witnessed by {from}"));
    match output {
        Output::Json => output::json(&json!({
            "from": {"size": size, "note": old.write()}, "until": {"size": later, "note": new.write()},
        })),
        Output::Text => output::line(&format!("{}\n\n{}", old.write().trim_end(), new.write().trim_end())),
    }
    Ok(Exit::Done)
}

/// The first checkpoint of so many entries or more that the quorum of witnesses signed, judged by the policy; of 0 the newest.
async fn proven_from(client: &Client, policy: &Policy, size: u64) -> anyhow::Result<Checkpoint> {
    let answer = told(client.evidence().get_checkpoint(api::GetCheckpointRequest { size, proven: true }).await)?;
    let (checkpoint, quorum) = judged(&answer.note, policy, "a checkpoint of the service")?;
    if !quorum || checkpoint.head.size < size {
        return Err(Refused(format!("the service gives no proven checkpoint of {size} entries or more")).into());
    }
    Ok(checkpoint)
}

/// The newest checkpoint that every witness of the quorum had signed by a time, of a log proven up to `newest` entries. The
/// times rise with the size, so it is found by halving; each one on the way is judged by the policy.
async fn proven_by(client: &Client, policy: &Policy, newest: u64, by: Millis) -> anyhow::Result<Option<Checkpoint>> {
    let (mut low, mut high, mut found) = (1, newest, None);
    while low <= high {
        let size = low + (high - low) / 2;
        let checkpoint = proven_from(client, policy, size).await?;
        let signed = checkpoint.cosignatures.iter().map(|line| line.at).max().unwrap_or(u64::MAX);
        let signed = i64::try_from(signed).ok().and_then(|seconds| seconds.checked_mul(SECOND));
        if signed.is_some_and(|signed| signed <= by.0) {
            low = checkpoint.head.size + 1;
            found = Some(checkpoint);
        } else {
            high = size - 1;
        }
    }
    Ok(found)
}
