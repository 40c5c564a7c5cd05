//! A replay against a running service: where it is, whom the run acts as there, and what its log says afterwards.

use super::over_grpc::OverGrpc;
use super::plan::Plan;
use super::report::{Invariants, Left};
use super::{Mapping, Prepared, Tally, answers::Answers, log, perform, throwaway};
use crate::output::{self, Refused};
use anyhow::Context;
use handoff_domain::ids::OrgId;
use handoff_server::config::{Config, Organisation};
use handoff_server::database;
use std::path::Path;

/// Plays the plan on the service of a configuration.
pub(super) async fn play(
    prepared: &Prepared,
    tally: &mut Tally,
    answers: Option<&mut Answers>,
    file: &Path,
    server: Option<&str>,
) -> anyhow::Result<Left> {
    let config = Config::load(file).map_err(|error| Refused(format!("{error:#}")))?;
    let address = address(&config, server)?;
    let folder = config.file().parent().unwrap_or(Path::new(".")).to_owned();
    for name in prepared.mapping.organisations.iter().map(|org| org.id.as_str()) {
        if find(&config, name).is_none() {
            let say = format!(
                "{}: it has no organisation {name} of the mapping; `handoff dev-ca --folder FOLDER --mapping {}` makes \
                 a configuration that has",
                file.display(),
                prepared.mapping.file
            );
            return Err(Refused(say).into());
        }
    }
    let ca = folder.join("ca.pem");
    let ca_pem = std::fs::read_to_string(&ca)
        .map_err(|error| Refused(format!("reading {}: {error}; `handoff dev-ca` makes it", ca.display())))?;
    let drive = OverGrpc::connect(config.clone(), folder, &address, &ca_pem)?;
    let mut left = Box::pin(perform(&drive, prepared, tally, answers)).await?;
    match second_telling(&config, &prepared.mapping, &prepared.plan).await {
        Ok((counts, invariants)) => (left.log, left.invariants) = (Some(counts), Some(invariants)),
        Err(error) => output::note(&format!("the service's log could not be read from here: {error:#}")),
    }
    Ok(left)
}

fn find<'c>(config: &'c Config, name: &str) -> Option<&'c Organisation> {
    config.organisation(&OrgId::new(name)?)
}

fn address(config: &Config, server: Option<&str>) -> anyhow::Result<String> {
    if let Some(server) = server {
        return Ok(server.to_owned());
    }
    let listen = config.server.listen;
    if listen.port() == 0 {
        let say = "the configuration lets the service take any free port; say where it listens with --server \
                   https://localhost:PORT";
        return Err(Refused(say.to_owned()).into());
    }
    let any = listen.ip().is_unspecified();
    Ok(if any { format!("https://localhost:{}", listen.port()) } else { format!("https://{listen}") })
}

/// Counts and checks a copy of the service's database, where it lies on this machine. A copy stands still while it is
/// read; the service goes on.
async fn second_telling(
    config: &Config,
    mapping: &Mapping,
    plan: &Plan,
) -> anyhow::Result<(log::LogCounts, Invariants)> {
    let folder = throwaway().join(format!("handoff-replay-{}", handoff_engine::ids::uuid()));
    std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
    let told = told_by(config, mapping, plan, &folder.join("copy.db")).await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    told
}

async fn told_by(
    config: &Config,
    mapping: &Mapping,
    plan: &Plan,
    copy: &Path,
) -> anyhow::Result<(log::LogCounts, Invariants)> {
    let url = database::copy(config, copy).await?;
    let reader = database::reader(&url).await?;
    let counts = log::count(reader.as_ref(), plan, mapping.owner().as_ref()).await;
    reader.close().await;
    let checked = database::check(config, &url).await?;
    Ok((counts?, Invariants::of(&checked.report, checked.findings)))
}
