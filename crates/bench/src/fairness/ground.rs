//! A furnished service that takes nobody without a certificate, with the default limits.

use crate::setup::{SIDES, furnished};
use anyhow::Context;
use handoff_client::Machine;
use handoff_domain::ids::{ClientId, OrgId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::{Alg, Config};
use handoff_server::dev_ca::{Plan, machine_cert_file, machine_key_file, write};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// Dispatch systems of side A: together they may send as much as their organisation.
pub(crate) const SYSTEMS_A: usize = 8;

/// The name of a side's dispatch system.
pub(crate) fn system(side: usize, number: usize) -> String {
    crate::setup::name(side, crate::setup::Post::System, number)
}

/// The machine of a side that speaks for nobody and carries its officers.
pub(crate) fn desk(side: usize) -> &'static str {
    ["desk-a", "desk-b"][side]
}

fn machines() -> Vec<(usize, String, bool)> {
    let systems = (0..SYSTEMS_A).map(|number| (0, system(0, number), true));
    let desks = (0..SIDES.len()).map(|side| (side, desk(side).to_owned(), false));
    systems.chain([(1, system(1, 0), true)]).chain(desks).collect()
}

/// Makes the folder: keys, certificates, configuration, directory.
pub(crate) async fn make(folder: &Path) -> anyhow::Result<Config> {
    // The directory is furnished as for the other benchmarks; here each side has several machines of its own.
    furnished(folder, "sqlite:handoff.db").await?;
    let mut plan = Plan { folder: folder.to_owned(), organisations: Vec::new(), machines: Vec::new(), replace: false };
    for (side, (org, _)) in SIDES.into_iter().enumerate() {
        let org = OrgId::new(org).context("a name that is no organisation")?;
        plan.organisations.push((org.clone(), Alg::EdDsa));
        for (_, name, _) in machines().iter().filter(|(of, _, _)| *of == side) {
            plan.machines.push((org.clone(), ClientId::new(name).context("a name that is no machine")?));
        }
    }
    write(&plan, SystemClock.now())?;
    let file = folder.join("handoff.toml");
    let mut text = String::new();
    let (mut side, mut of_clients) = (None, false);
    for line in std::fs::read_to_string(&file)?.lines() {
        if line.starts_with("[[organisation]]") {
            section(&mut text, side)?;
            side = Some(side.map_or(0, |side| side + 1));
            of_clients = false;
        }
        of_clients |= line.starts_with("[organisation.clients]");
        // Limits that other benchmarks lift are the defaults here.
        let lifted = ["person_calls_", "adapter_calls_", "organisation_calls_"];
        if !of_clients && !lifted.iter().any(|limit| line.starts_with(limit)) {
            writeln!(text, "{line}")?;
        }
    }
    section(&mut text, side)?;
    std::fs::write(&file, text)?;
    Ok(Config::load_checked(&file)?)
}

/// The machines of the organisation whose entry ends here.
fn section(text: &mut String, side: Option<usize>) -> anyhow::Result<()> {
    let Some(side) = side else { return Ok(()) };
    let (org, station) = SIDES[side];
    writeln!(text, "[organisation.clients]\nca_file = \"{org}.client-ca.pem\"\n")?;
    for (_, name, speaks) in machines().into_iter().filter(|(of, _, _)| *of == side) {
        writeln!(text, "[[organisation.clients.machine]]\nname = \"{name}\"")?;
        if speaks {
            writeln!(text, "station = \"{station}\"")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// Certificate and key of a machine.
pub(crate) fn machine(folder: &Path, side: usize, name: &str) -> anyhow::Result<Machine> {
    let org = OrgId::new(SIDES[side].0).context("a name that is no organisation")?;
    let name = ClientId::new(name).context("a name that is no machine")?;
    let text = |file| std::fs::read_to_string(file);
    Ok(Machine {
        cert_pem: text(machine_cert_file(folder, &org, &name))?,
        key_pem: text(machine_key_file(folder, &org, &name))?,
    })
}

/// A connection over a machine's certificate.
pub(crate) fn endpoint(folder: &Path, port: u16, side: usize, name: &str) -> anyhow::Result<Endpoint> {
    let machine = machine(folder, side, name)?;
    let ca = std::fs::read_to_string(folder.join("ca.pem"))?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .identity(Identity::from_pem(machine.cert_pem, machine.key_pem))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}"))?.tls_config(tls)?;
    Ok(endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true))
}
