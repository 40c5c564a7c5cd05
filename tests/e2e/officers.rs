//! Officers' keys: enrolled by their organisation's registrars and nobody else, used for what their officers sign, judged
//! by the registry of then; and what a mirror and a verifier make of it without asking the service.

use super::evidence::{audit, checkpoint, cosign, mirrored, verified};
use super::statements::{on_form, on_result};
use anyhow::{Context, ensure};
use handoff_client::{api, signing};
use handoff_domain::caller::Role;
use handoff_domain::time::Millis;
use handoff_evidence::policy::Policy;
use handoff_evidence::registry::{Book, Entry, Status};
use handoff_tests::app::{POLICY, TestApp};
use handoff_tests::officers::{device, entry, log, update};
use handoff_tests::play::{case, id, intake, note, offer, receive, seen};
use handoff_tests::refusal::{Refusal, refused, told};
use handoff_witness::{Entry as Sent, Validator};
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::Code;

/// The registries of A and B, each with the keys of its responder and its duty officer.
pub(crate) async fn enrol(app: &TestApp) -> anyhow::Result<(Book, Book)> {
    let mut books = (Book::default(), Book::default());
    for (side, station, book) in [("a", "A-01", &mut books.0), ("b", "B-07", &mut books.1)] {
        let responder = entry(&format!("{side}-resp"), station, &[Role::Responder])?;
        let duty = entry(&format!("{side}-duty"), station, &[Role::DutyOfficer])?;
        let request = update(&side.to_uppercase(), &log(app)?, book, &[responder, duty])?;
        told(app.client(&format!("{side}-admin"))?.directory().update_registry(request).await)?;
    }
    Ok(books)
}

async fn unit(app: &TestApp, side: &str, incident: &str, deployment: &str, status: &str) -> anyhow::Result<()> {
    let request = api::ReportUnitRequest {
        request_id: id(),
        incident: incident.into(),
        deployment: deployment.into(),
        unit: if side == "a" { "A-01-U1" } else { "B-07-U1" }.into(),
        status: status.into(),
        crew: vec![format!("{side}-resp")],
        ..Default::default()
    };
    told(app.client(&format!("{side}-system"))?.incidents().report_unit(request).await)?;
    Ok(())
}

/// A case that both sides agreed to hand over, not signed yet.
pub(crate) struct Agreed {
    pub(crate) incident: String,
    handoff: String,
    /// A's and B's units.
    units: [String; 2],
}

pub(crate) async fn agreed(app: &TestApp) -> anyhow::Result<Agreed> {
    let incident = receive(app, intake(44.1, 86.35)).await?;
    let units = [id(), id()];
    unit(app, "a", &incident, &units[0], "ON_SCENE").await?;
    let handoff = offer(app, &incident).await?;
    unit(app, "b", &incident, &units[1], "ON_SCENE").await?;
    let request = api::AgreeRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: on_form(app, "b-duty", &incident, &handoff).await?,
        handoff: handoff.clone(),
        version: 1,
        signer: Some(api::Signer { officer: "b-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    told(app.client("b-duty")?.handoffs().agree(request).await)?;
    Ok(Agreed { incident, handoff, units })
}

/// What somebody is asked to sign, and the signature of an officer's key under it.
async fn signed(
    app: &TestApp,
    who: &str,
    officer: &str,
    asked: api::GetStatementRequest,
) -> anyhow::Result<(api::GetStatementResponse, Option<api::KeySignature>)> {
    let shown = told(app.client(who)?.handoffs().get_statement(asked.clone()).await)?;
    let signature = signing::sign(&asked, &shown, &device(officer)?)?;
    Ok((shown, Some(signature)))
}

fn transfer(of: &Agreed) -> api::GetStatementRequest {
    let (incident, handoff) = (of.incident.clone(), of.handoff.clone());
    api::GetStatementRequest { incident, action: "transfer".into(), handoff, ..Default::default() }
}

pub(crate) async fn sign_request(
    app: &TestApp,
    of: &Agreed,
    who: &str,
    officer: &str,
) -> anyhow::Result<api::SignRequest> {
    let (shown, signature) = signed(app, who, officer, transfer(of)).await?;
    Ok(api::SignRequest {
        request_id: id(),
        incident: of.incident.clone(),
        expected: on_form(app, who, &of.incident, &of.handoff).await?,
        handoff: of.handoff.clone(),
        version: 1,
        level: "device".into(),
        statement: shown.digest,
        signature,
        ..Default::default()
    })
}

async fn refused_sign(app: &TestApp, who: &str, request: api::SignRequest) -> anyhow::Result<Refusal> {
    refused(app.client(who)?.handoffs().sign(api::SignRequest { request_id: id(), ..request }).await)
}

/// Takes over, handles, reports and confirms with keys.
pub(crate) async fn confirmed(app: &TestApp, of: &Agreed) -> anyhow::Result<()> {
    let Agreed { incident, handoff, units } = of;
    let request = api::TakeOverRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: on_form(app, "b-duty", incident, handoff).await?,
        handoff: handoff.clone(),
        version: 1,
        ..Default::default()
    };
    told(app.client("b-duty")?.handoffs().take_over(request).await)?;
    unit(app, "a", incident, &units[0], "RELEASED").await?;
    let request = api::DeclareHandledRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen(&case(app, "b-duty", incident).await?),
        ..Default::default()
    };
    told(app.client("b-duty")?.incidents().declare_handled(request).await)?;
    let (code, result) = ("DONE".to_owned(), "road cleared".to_owned());
    let (action, on) = ("report".to_owned(), incident.clone());
    let (of_report, of_result) = (code.clone(), result.clone());
    let asked =
        api::GetStatementRequest { incident: on, action, code: of_report, result: of_result, ..Default::default() };
    let (shown, signature) = signed(app, "b-duty", "b-duty", asked).await?;
    let request = api::ReportRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: on_result(app, "b-duty", incident).await?,
        code,
        result,
        level: "device".into(),
        statement: shown.digest,
        salt: shown.salt,
        signature,
        ..Default::default()
    };
    let unnamed = api::ReportRequest { request_id: id(), statement: String::new(), ..request.clone() };
    let found = refused(app.client("b-duty")?.handoffs().report(unnamed).await)?;
    ensure!(found.reason == "INVALID_FIELD" && found.names("statement"), "a key signs what is named: {found:?}");
    told(app.client("b-duty")?.handoffs().report(request).await)?;
    let (action, on) = ("confirm".to_owned(), incident.clone());
    let asked = api::GetStatementRequest { incident: on, action, report: 1, ..Default::default() };
    let (shown, signature) = signed(app, "a-duty", "a-duty", asked).await?;
    let request = api::ConfirmRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: on_result(app, "a-duty", incident).await?,
        report: 1,
        level: "device".into(),
        statement: shown.digest,
        signature,
        ..Default::default()
    };
    told(app.client("a-duty")?.handoffs().confirm(request).await)?;
    unit(app, "b", incident, &units[1], "RELEASED").await
}

pub(crate) async fn close(app: &TestApp, incident: &str) -> anyhow::Result<()> {
    let request = api::CloseRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen(&case(app, "b-duty", incident).await?),
        code: "DONE".into(),
        ..Default::default()
    };
    told(app.client("b-duty")?.incidents().close(request).await)?;
    Ok(())
}

/// What a witness would make of the whole log: every entry judged by its own rules, with no question to the service.
async fn judged(app: &TestApp) -> anyhow::Result<()> {
    let (entries, signed) = mirrored(app, "a-witness", app.events().await?).await?;
    let policy = Policy::read(&std::fs::read_to_string(app.path(POLICY))?)?;
    let mut validator = Validator::new(Arc::new(policy), signed.origin.clone(), BTreeMap::new());
    for sent in &entries {
        let (index, leaf, event, registry) = (sent.index, &sent.leaf, &sent.event, sent.registry_entries.as_slice());
        validator.take(Sent { index, leaf, event, registry }, |_| None)?;
    }
    assert_eq!(validator.head(), signed.head);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_sign_with_keys_of_their_own_and_the_bundle_rests_on_nobodys_word() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let first = agreed(&app).await?;
    let early = sign_request(&app, &first, "a-responder", "a-resp").await?;
    let found = refused_sign(&app, "a-responder", early).await?;
    assert_eq!((found.code, found.reason.as_str()), (Code::FailedPrecondition, "KEY_NOT_ENROLLED"), "{found:?}");
    let (mut a, _) = enrol(&app).await?;

    let good = sign_request(&app, &first, "a-responder", "a-resp").await?;
    let by = |officer| sign_request(&app, &first, "a-responder", officer);
    for other in ["b-resp", "a-duty", "a-nobody"] {
        let found = refused_sign(&app, "a-responder", by(other).await?).await?;
        ensure!(found.reason == "KEY_NOT_ENROLLED" && found.names("signature.key"), "{other}: {found:?}");
    }
    let mut forged = good.clone();
    let bytes = forged.signature.as_mut().and_then(|signature| signature.signature.first_mut());
    *bytes.context("a signature")? ^= 1;
    let found = refused_sign(&app, "a-responder", forged).await?;
    assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "SIGNATURE_INVALID"), "{found:?}");
    let unsigned = api::SignRequest { signature: None, ..good.clone() };
    let attested = api::SignRequest { level: "attested".into(), ..good.clone() };
    for wrong in [unsigned, attested] {
        let found = refused_sign(&app, "a-responder", wrong).await?;
        ensure!(found.reason == "INVALID_FIELD" && found.names("signature"), "{found:?}");
    }
    let passkey = api::SignRequest { level: "passkey".into(), ..good.clone() };
    assert_eq!(refused_sign(&app, "a-responder", passkey).await?.reason, "KEY_NOT_ENROLLED", "the key is no passkey");

    let reply = told(app.client("a-responder")?.handoffs().sign(good.clone()).await)?;
    let other = sign_request(&app, &first, "b-responder", "b-resp").await?;
    told(app.client("b-responder")?.handoffs().sign(other).await)?;
    confirmed(&app, &first).await?;
    close(&app, &first.incident).await?;
    judged(&app).await?;

    let export = ["export", &first.incident, "--to", "case.evidence.zip"];
    let covering = checkpoint(&app, app.events().await?).await?;
    cosign(&app, &covering).await?;
    let output = audit(&app, &export)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bundle = app.path("case.evidence.zip");
    let (code, report) = verified(&app, &bundle, &["--require-signed"])?;
    assert_eq!(code, Some(0), "{report}");
    println!("{} bytes\n{report}", std::fs::metadata(&bundle)?.len());

    // Revoked: what it signed stands, it signs nothing more; and a repeat is what it was.
    let (status, compromised_since) = (Status::Revoked, Some(Millis(1_795_435_200_000)));
    let revoked = Entry { status, compromised_since, ..entry("a-resp", "A-01", &[Role::Responder])? };
    told(app.client("a-admin")?.directory().update_registry(update("A", &log(&app)?, &mut a, &[revoked])?).await)?;
    app.kill()?;
    app.start()?;
    let second = agreed(&app).await?;
    let late = sign_request(&app, &second, "a-responder", "a-resp").await?;
    assert_eq!(refused_sign(&app, "a-responder", late).await?.reason, "KEY_NOT_ENROLLED");
    let other = sign_request(&app, &second, "b-responder", "b-resp").await?;
    told(app.client("b-responder")?.handoffs().sign(other).await)?;
    let again = told(app.client("a-responder")?.handoffs().sign(good).await)?;
    assert_eq!(again, api::MoveReply { replayed: true, ..reply });
    cosign(&app, &checkpoint(&app, app.events().await?).await?).await?;
    judged(&app).await?;
    let (code, report) = verified(&app, &bundle, &["--require-signed"])?;
    assert_eq!(code, Some(0), "{report}");
    std::fs::remove_file(&bundle)?;
    ensure!(audit(&app, &export)?.status.success());
    let (code, report) = verified(&app, &bundle, &["--require-signed"])?;
    assert_eq!(code, Some(0), "a bundle made after the revocation: {report}");
    ensure!(report.contains("2026-11-23T12:00:00.000Z"), "the doubt about the key is told: {report}");
    app.stop().await?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_registrars_enrols_a_key() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let mut book = Book::default();
    let key = |officer: &str| entry(officer, "A-01", &[Role::Responder]);
    let good = update("A", &log(&app)?, &mut book, &[key("a-resp")?])?;
    let fresh =
        |request: &api::UpdateRegistryRequest| api::UpdateRegistryRequest { request_id: id(), ..request.clone() };
    let by = async |who: &str, request: api::UpdateRegistryRequest| {
        anyhow::Ok(refused(app.client(who)?.directory().update_registry(request).await)?.reason)
    };
    assert_eq!(by("a-duty", fresh(&good)).await?, "ROLE_NOT_ALLOWED");
    assert_eq!(by("b-admin", fresh(&good)).await?, "OTHER_ORGANISATION");
    let one = api::UpdateRegistryRequest { signatures: good.signatures[..1].to_vec(), ..fresh(&good) };
    let mut forged = fresh(&good);
    forged.signatures[0].signature[5] ^= 1;
    let other_root =
        api::UpdateRegistryRequest { root: handoff_evidence::event::hash(b"x").to_string(), ..fresh(&good) };
    let other_key = api::UpdateRegistryRequest { entries: vec![key("a-duty")?.write()?], ..fresh(&good) };
    let unreadable = api::UpdateRegistryRequest { entries: vec![b"{}".to_vec()], ..fresh(&good) };
    let mut other_log = update("A", "sigsum.org/v1/tree/another", &mut Book::default(), &[key("a-resp")?])?;
    let renamed = api::UpdateRegistryRequest { request_id: id(), log: log(&app)?, ..other_log.clone() };
    other_log.request_id = id();
    for wrong in [one, forged, other_root, other_key, unreadable, other_log, renamed] {
        assert_eq!(by("a-admin", wrong.clone()).await?, "REGISTRY_INVALID", "{wrong:?}");
    }
    let later = api::UpdateRegistryRequest { version: 2, ..fresh(&good) };
    assert_eq!(by("a-admin", later).await?, "STALE_VERSION");
    let nothing = told(app.client("a-admin")?.directory().get_registry(api::GetRegistryRequest {}).await)?;
    assert_eq!((nothing.version, nothing.entries.len()), (0, 0), "nothing is half done");

    let reply = told(app.client("a-admin")?.directory().update_registry(good.clone()).await)?;
    let again = told(app.client("a-admin")?.directory().update_registry(good.clone()).await)?;
    assert_eq!(again, api::MoveReply { replayed: true, ..reply });
    assert_eq!(by("a-admin", fresh(&good)).await?, "STALE_VERSION");
    let shown = told(app.client("a-duty")?.directory().get_registry(api::GetRegistryRequest {}).await)?;
    assert_eq!((shown.version, &shown.entries), (1, &good.entries));
    let others = told(app.client("b-admin")?.directory().get_registry(api::GetRegistryRequest {}).await)?;
    assert_eq!((others.organisation.as_str(), others.version), ("B", 0), "the other side sees its own alone");

    // A key never changes hands, and what is revoked stays so.
    let stolen = Entry { officer: key("a-duty")?.officer, ..key("a-resp")? };
    let mut tried = book.clone();
    ensure!(update("A", &log(&app)?, &mut tried, &[stolen]).is_err(), "the registrars' own program says so first");
    let revoked = Entry { status: Status::Revoked, ..key("a-resp")? };
    told(app.client("a-admin")?.directory().update_registry(update("A", &log(&app)?, &mut book, &[revoked])?).await)?;
    ensure!(update("A", &log(&app)?, &mut book.clone(), &[key("a-resp")?]).is_err(), "nor is it taken back");
    receive(&app, intake(53.0, -7.5)).await?;
    judged(&app).await?;
    app.stop().await?;
    app.check()?;
    Ok(())
}

/// The directory's events are none of a case's feed: whoever works goes on while keys are enrolled.
#[tokio::test(flavor = "multi_thread")]
async fn enrolling_keys_disturbs_no_case() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(53.0, -7.5)).await?;
    let before = case(&app, "a-duty", &incident).await?;
    enrol(&app).await?;
    assert_eq!(case(&app, "a-duty", &incident).await?, before);
    told(app.client("a-dispatcher")?.incidents().note(note(&incident, "the caller rang again")).await)?;
    Ok(())
}
