//! Values shown in a bundle are provably the recorded ones; values erased are gone for everybody, and every proof made
//! before or after still holds.

use super::evidence::{audit, checkpoint, cosign, verified};
use anyhow::{Context, ensure};
use handoff_client::api;
use handoff_tests::app::{TestApp, who};
use handoff_tests::matrix::cast::World;
use handoff_tests::matrix::scene::Scene;
use handoff_tests::play::id;
use handoff_tests::refusal::{refused, told};
use serde_json::Value;
use std::process::Output;
use tonic::Code;

/// How many fields a bundle shows in each state: disclosed, withheld, erased, bad.
fn fields(app: &TestApp, file: &str) -> anyhow::Result<[u64; 4]> {
    let (code, report) = verified(app, &app.path(file), &["--output", "json"])?;
    ensure!(code == Some(0), "{report}");
    let report: Value = serde_json::from_str(&report)?;
    let of = |name: &str| report["fields"][name].as_u64().with_context(|| format!("no {name} in {report}"));
    Ok([of("disclosed")?, of("withheld")?, of("erased")?, of("bad")?])
}

fn erase(app: &TestApp, args: &[&str]) -> anyhow::Result<Output> {
    std::fs::write(app.path("auditor.token"), app.token(&who("auditor")?)?)?;
    let address = format!("https://{}", app.address());
    let connect = ["--server", &address, "--ca", "ca.pem", "--token-file", "auditor.token"];
    app.run(&[&["erase"], args, connect.as_slice()].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_proven_and_what_is_erased_breaks_no_proof() -> anyhow::Result<()> {
    let world = World::start().await?;
    let app = &world.app;
    let scene = Scene::set(&world, "closed").await?;
    cosign(app, &checkpoint(app, app.events().await?).await?).await?;
    for (file, more) in [("shut.zip", None), ("open.zip", Some("--disclose"))] {
        let args: Vec<_> = ["export", &scene.incident, "--to", file].into_iter().chain(more).collect();
        let output = audit(app, &args)?;
        ensure!(output.status.success(), "{}", said(&output));
    }
    let [disclosed, withheld, erased, bad] = fields(app, "shut.zip")?;
    ensure!(disclosed == 0 && withheld > 3 && erased == 0 && bad == 0, "{disclosed} {withheld} {erased} {bad}");
    let shown = fields(app, "open.zip")?;
    ensure!(shown[0] > 0 && shown[1] > 0, "caller data is never shown: {shown:?}");
    assert_eq!(shown[0] + shown[1], withheld);
    let bytes = std::fs::read(app.path("open.zip"))?;
    ensure!(!bytes.windows(6).any(|window| window == b"020794"), "the caller's number is not in it");

    // Nobody but an auditor has anything erased, on a ground, and of fields that are there.
    let incident = scene.incident.clone();
    let narrative = vec![api::FieldRef { seq: 1, path: "narrative".into() }];
    let request = || api::EraseRequest {
        request_id: id(),
        incident: incident.clone(),
        fields: narrative.clone(),
        basis: "COURT_ORDER".into(),
        ..Default::default()
    };
    let found = refused(app.client("b-duty")?.audit().erase(request()).await)?;
    assert_eq!((found.code, found.reason.as_str()), (Code::PermissionDenied, "ROLE_NOT_ALLOWED"));
    let output = erase(app, &[&scene.incident, "--basis", "COURT_ORDER"])?;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let output = erase(app, &[&scene.incident, "--basis", "COURT_ORDER", "--field", "1/nothing"])?;
    ensure!(output.status.code() == Some(1) && said(&output).contains("OBJECT_NOT_FOUND"), "{}", said(&output));
    let output = erase(app, &[&scene.incident, "--basis", "COURT_ORDER", "--field", "1/narrative"])?;
    ensure!(output.status.success(), "{}", said(&output));
    let output = erase(app, &[&scene.incident, "--basis", "COURT_ORDER", "--all"])?;
    ensure!(output.status.success(), "{}", said(&output));
    let output = erase(app, &[&scene.incident, "--basis", "COURT_ORDER", "--all"])?;
    ensure!(!output.status.success(), "nothing is left: {}", said(&output));

    cosign(app, &checkpoint(app, app.events().await?).await?).await?;
    let output = audit(app, &["export", &scene.incident, "--to", "erased.zip", "--disclose"])?;
    ensure!(output.status.success(), "{}", said(&output));
    assert_eq!(fields(app, "erased.zip")?, [0, 0, withheld, 0]);
    assert_eq!(fields(app, "open.zip")?, shown, "a bundle that was given out cannot be called back");
    let asked = api::OpenSealedRequest { incident, fields: narrative };
    let gone = told(app.client("auditor")?.audit().open_sealed(asked).await)?;
    ensure!(format!("{gone:?}").contains("ERASED"), "{gone:?}");
    Ok(())
}
