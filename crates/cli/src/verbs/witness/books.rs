//! What a witness has kept, read beside it or without it.

use super::{reader, usage};
use crate::output::{self, Exit, Output, Refused, Usage};
use crate::verbs::show::table;
use handoff_domain::time::Millis;
use handoff_evidence::note::Checkpoint;
use handoff_evidence::policy::Policy;
use handoff_witness::{AcceptFault, Mirror, MirrorError, Settings};
use serde_json::json;
use std::path::PathBuf;

/// Alarms shown.
const ALARMS_SHOWN: u32 = 20;

/// Where they are.
#[derive(Debug, clap::Args)]
pub(super) struct Books {
    /// The configuration of the witness.
    #[arg(long, required_unless_present_all = ["mirror", "policy"])]
    config: Option<PathBuf>,
    /// The mirror, if not the configuration's.
    #[arg(long)]
    mirror: Option<PathBuf>,
    /// The policy, if not the configuration's.
    #[arg(long)]
    policy: Option<PathBuf>,
}

/// A mirror that cannot be used: one that is not there is wrong use, one that was changed is a check that failed.
pub(super) fn failed(error: MirrorError) -> anyhow::Error {
    match &error {
        MirrorError::Missing(_) | MirrorError::Locked(_) => usage(error),
        MirrorError::Changed(_) => Refused(error.to_string()).into(),
        MirrorError::File { .. } | MirrorError::Schema(_) | MirrorError::Database { .. } => error.into(),
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Books {
    /// Mirror, policy, and the faults the configuration accepts.
    pub(super) async fn open(&self) -> anyhow::Result<(Mirror, Policy, Vec<AcceptFault>)> {
        let settings = self.config.as_deref().map(Settings::load).transpose().map_err(usage)?;
        let of = |chosen: &Option<PathBuf>, of: fn(&Settings) -> &PathBuf| {
            chosen.clone().or_else(|| settings.as_ref().map(|settings| of(settings).clone()))
        };
        let mirror = of(&self.mirror, |settings| &settings.mirror);
        let policy = of(&self.policy, |settings| &settings.policy);
        let (Some(mirror), Some(policy)) = (mirror, policy) else {
            return Err(Usage("give --config, or --mirror and --policy".to_owned()).into());
        };
        let text = String::from_utf8(output::read(&policy)?);
        let text = text.map_err(|_| Usage(format!("{} is no policy", policy.display())))?;
        let read = Policy::read(&text).map_err(|error| Usage(format!("{}: {error}", policy.display())))?;
        let faults = settings.as_ref().map(Settings::faults).transpose().map_err(usage)?.unwrap_or_default();
        Ok((reader(&mirror).await?, read, faults))
    }

    /// Shows how far it is.
    pub(super) async fn show(&self, output: Output) -> anyhow::Result<Exit> {
        let (mut mirror, _, _) = self.open().await?;
        let state = mirror.state().await.map_err(failed)?;
        let faults = mirror.faults().await.map_err(failed)?;
        let alarms = mirror.alarms(ALARMS_SHOWN).await.map_err(failed)?;
        let proven = mirror.proven_up_to(i64::MAX.unsigned_abs()).await.map_err(failed)?;
        let proven = proven.map_or(0, |proven| proven.head.size);
        let signed_at = state.as_ref().and_then(|state| signed_at(state.cosigned.as_deref()?));
        let signed_at = signed_at.map(|at| at.to_string());
        if output == Output::Json {
            let state = state.map(|state| {
                json!({"origin": state.origin, "size": state.head.size, "root": hex(&state.head.root),
                    "signed_at": signed_at})
            });
            let faults: Vec<_> = faults
                .iter()
                .map(|fault| {
                    json!({"index": fault.index, "code": fault.code.as_str(), "reason": fault.detail,
                        "incident": fault.stream.map(|stream| stream.to_string())})
                })
                .collect();
            let alarms: Vec<_> = alarms
                .iter()
                .map(|alarm| {
                    json!({"at": alarm.at.to_string(), "code": alarm.code.as_str(), "index": alarm.index,
                        "detail": alarm.detail, "own": alarm.own, "other": alarm.other,
                        "leaf": alarm.entry.as_ref().map(|(leaf, _)| hex(leaf)),
                        "event": alarm.entry.as_ref().map(|(_, event)| String::from_utf8_lossy(event))})
                })
                .collect();
            output::json(&json!({"state": state, "proven_size": proven, "faults": faults, "alarms": alarms}));
            return Ok(Exit::Done);
        }
        match state {
            None => output::line("the mirror is empty"),
            Some(state) => {
                output::line(&format!("log     {}", state.origin));
                output::line(&format!("entries {}", state.head.size));
                output::line(&format!("root    {}", hex(&state.head.root)));
                output::line(&format!("signed  {}", signed_at.as_deref().unwrap_or("not yet")));
                output::line(&format!("proven  up to {proven} entries by the quorum"));
            }
        }
        let mut shown = table(&["when", "what", "entry", "why"]);
        for fault in &faults {
            shown.add_row(["accepted", fault.code.as_str(), &fault.index.to_string(), &fault.detail]);
        }
        for alarm in &alarms {
            let when = alarm.at.to_string();
            shown.add_row([when.as_str(), alarm.code.as_str(), &alarm.index.to_string(), &alarm.detail]);
        }
        if !faults.is_empty() || !alarms.is_empty() {
            output::line(&shown.to_string());
        }
        Ok(Exit::Done)
    }
}

/// When the witness signed this note.
fn signed_at(note: &str) -> Option<Millis> {
    let checkpoint = Checkpoint::read(note.as_bytes()).ok()?;
    let at = checkpoint.cosignatures.first()?.at;
    Some(Millis(i64::try_from(at).ok()?.saturating_mul(1_000)))
}
