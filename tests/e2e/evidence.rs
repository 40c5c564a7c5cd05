//! What proves a case: checkpoints, the mirrors' stream, witnesses' signatures, bundles and their verification by the
//! built program, which gets a file and a policy and nothing else.

use anyhow::{Context, ensure};
use handoff_client::api;
use handoff_evidence::leaf::Leaf;
use handoff_evidence::merkle::{Edge, verify_consistency};
use handoff_evidence::note::Checkpoint;
use handoff_tests::app::{CAST, POLICY, TestApp, who, witness};
use handoff_tests::matrix::cast::World;
use handoff_tests::matrix::line::Line;
use handoff_tests::matrix::methods::METHODS;
use handoff_tests::matrix::scene::Scene;
use handoff_tests::play::{case, intake, note, receive};
use handoff_tests::refusal::{Refusal, told};
use std::path::Path;
use std::process::Output;
use tonic::Code;

/// The newest checkpoint of at least so many entries.
pub(crate) async fn checkpoint(app: &TestApp, size: u64) -> anyhow::Result<Checkpoint> {
    let mut evidence = app.client("a-witness")?.evidence();
    loop {
        let answer = evidence.get_checkpoint(api::GetCheckpointRequest::default()).await;
        // Just after a start none is signed yet.
        let not_ready = answer.as_ref().is_err_and(|status| Refusal::of(status).reason == "EVIDENCE_NOT_READY");
        if !not_ready {
            let told = told(answer)?;
            if told.size >= size {
                return Ok(Checkpoint::read(told.note.as_bytes())?);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Everything the log holds up to its newest checkpoint of at least so many entries, as a mirror gets it.
pub(crate) async fn mirrored(app: &TestApp, name: &str, size: u64) -> anyhow::Result<(Vec<api::LogEntry>, Checkpoint)> {
    let request = api::StreamEntriesRequest { from_index: 0 };
    let mut stream = told(app.client(name)?.evidence().stream_entries(request).await)?;
    let mut entries: Vec<api::LogEntry> = Vec::new();
    while let Some(message) = stream.message().await? {
        entries.extend(message.entries);
        if !message.checkpoint.is_empty() && entries.len() as u64 >= size {
            return Ok((entries, Checkpoint::read(message.checkpoint.as_bytes())?));
        }
    }
    anyhow::bail!("the stream ended early")
}

/// Both witnesses sign.
pub(crate) async fn cosign(app: &TestApp, checkpoint: &Checkpoint) -> anyhow::Result<()> {
    cosign_at(app, checkpoint, 1_800_000_000).await
}

/// The same at a time, in seconds since 1970.
async fn cosign_at(app: &TestApp, checkpoint: &Checkpoint, at: u64) -> anyhow::Result<()> {
    for (name, key) in [("a-witness", witness("A")), ("b-witness", witness("B"))] {
        let mut note = Checkpoint { cosignatures: Vec::new(), ..checkpoint.clone() };
        note.cosignatures.push(key.cosign(&note.origin, &note.head, at));
        let request = api::SubmitCosignatureRequest { note: note.write() };
        told(app.client(name)?.evidence().submit_cosignature(request).await)?;
    }
    Ok(())
}

/// What a verb of the auditor's says.
pub(crate) fn audit(app: &TestApp, args: &[&str]) -> anyhow::Result<Output> {
    std::fs::write(app.path("auditor.token"), app.token(&who("auditor")?)?)?;
    let address = format!("https://{}", app.address());
    let connect = ["--server", &address, "--ca", "ca.pem", "--token-file", "auditor.token"];
    app.run(&[&["audit"], args, connect.as_slice()].concat())
}

pub(crate) fn verified(app: &TestApp, file: &Path, more: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let file = file.to_string_lossy().into_owned();
    let output = app.run(&[&["verify", &file, "--policy", POLICY], more].concat())?;
    Ok((output.status.code(), String::from_utf8(output.stdout)? + &String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_case_is_exported_and_verified_and_proven_once_both_witnesses_signed() -> anyhow::Result<()> {
    let world = World::start().await?;
    let app = &world.app;
    let scene = Scene::set(&world, "closed").await?;
    let bundle = app.path("case.evidence.zip");
    let export = ["export", &scene.incident, "--to", "case.evidence.zip"];
    let output = audit(app, &export)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(!audit(app, &export)?.status.success(), "nothing is overwritten");
    let (code, report) = verified(app, &bundle, &[])?;
    assert_eq!(code, Some(1), "nobody has witnessed it: {report}");

    let covering = checkpoint(app, app.events().await?).await?;
    ensure!(!case(app, "b-duty", &scene.incident).await?.proven, "closed, and not proven");
    cosign(app, &covering).await?;
    ensure!(case(app, "b-duty", &scene.incident).await?.proven, "closed and proven");
    std::fs::remove_file(&bundle)?;
    ensure!(audit(app, &export)?.status.success());
    let (code, report) = verified(app, &bundle, &[])?;
    assert_eq!(code, Some(0), "{report}");
    let (code, chinese) = verified(app, &bundle, &["--lang", "zh"])?;
    assert_eq!(code, Some(0));
    assert_ne!(report, chinese);
    let (code, _) = verified(app, &bundle, &["--output", "json"])?;
    assert_eq!(code, Some(0));
    let (code, strict) = verified(app, &bundle, &["--require-signed"])?;
    assert_eq!(code, Some(1), "both sides only attested: {strict}");
    let bytes = std::fs::read(&bundle)?;
    println!("a bundle of {} bytes", bytes.len());
    ensure!(!bytes.windows(6).any(|window| window == b"020794"), "no value in it");

    // One byte in the middle of the first event.
    let mut changed = bytes;
    let at = changed.windows(10).position(|window| window == b"\"incident\"").context("there is an event")?;
    changed[at + 14] ^= 1;
    std::fs::write(app.path("changed.evidence.zip"), changed)?;
    let (code, report) = verified(app, &app.path("changed.evidence.zip"), &[])?;
    ensure!(matches!(code, Some(1 | 2)), "{code:?}: {report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_gets_every_entry_and_a_checkpoint_it_can_compute_itself() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(53.0, -7.5)).await?;
    let request = note(&incident, "the caller rang again");
    let receipt = told(app.client("a-dispatcher")?.incidents().note(request.clone()).await)?;
    let events = app.events().await?;
    let (entries, signed) = mirrored(&app, "b-witness", events).await?;
    assert_eq!(entries[usize::try_from(receipt.position)?].leaf, receipt.leaf, "the reply is a signed receipt");
    let mut edge = Edge::new();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.index, index as u64);
        let leaf = Leaf::from_bytes(&entry.leaf.as_slice().try_into()?);
        assert_eq!(leaf.checksum(), handoff_evidence::leaf::checksum(handoff_evidence::event::hash(&entry.event)));
        edge.push(leaf.hash());
    }
    assert_eq!((edge.size(), edge.root()), (signed.head.size, signed.head.root));
    let whole = entries.iter().any(|entry| String::from_utf8_lossy(&entry.event).contains(&incident));
    ensure!(whole, "a case that was never handed over is in both mirrors");
    let (same, _) = mirrored(&app, "auditor", events).await?;
    assert_eq!(same, entries, "the auditor mirrors the same");

    let again = told(app.client("a-dispatcher")?.incidents().note(request).await)?;
    assert_eq!(again, api::MoveReply { replayed: true, ..receipt }, "a repeat gets the same receipt");

    // After kill -9 the same head is signed, to the byte, and the log of then is the beginning of the log of later.
    app.kill()?;
    app.start()?;
    let again = checkpoint(&app, signed.head.size).await?;
    receive(&app, intake(53.1, -7.4)).await?;
    let later = checkpoint(&app, again.head.size + 1).await?;
    let (old_size, new_size) = (signed.head.size, later.head.size);
    let request = api::ProveConsistencyRequest { old_size, new_size };
    let proof = told(app.client("a-duty")?.evidence().prove_consistency(request).await)?.hashes;
    let path: Vec<[u8; 32]> = proof.into_iter().map(TryInto::try_into).collect::<Result<_, _>>().ok().context("32")?;
    verify_consistency(old_size, &signed.head.root, new_size, &later.head.root, &path)?;
    let same = api::GetCheckpointRequest { size: signed.head.size, proven: false };
    let same = told(app.client("a-duty")?.evidence().get_checkpoint(same).await)?;
    assert_eq!(same.note, Checkpoint { cosignatures: Vec::new(), ..signed }.write(), "signed again, the same");
    let ahead = api::ProveConsistencyRequest { old_size, new_size: new_size + 1_000 };
    let refused = app.client("a-duty")?.evidence().prove_consistency(ahead).await.err().context("no such log")?;
    assert_eq!(Refusal::of(&refused).reason, "EVIDENCE_NOT_READY");
    let back = api::ProveConsistencyRequest { old_size: 2, new_size: 1 };
    let refused = app.client("a-duty")?.evidence().prove_consistency(back).await.err().context("no such order")?;
    assert_eq!(refused.code(), Code::InvalidArgument);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_today_is_proven_to_begin_with_the_one_kept_before() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let prove = |more: &[&str]| audit(&app, &[&["prove-log", "--policy", POLICY], more].concat());
    let first = prove(&[])?;
    ensure!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    std::fs::write(app.path("then.note"), &first.stdout)?;
    receive(&app, intake(53.0, -7.5)).await?;
    checkpoint(&app, app.events().await?).await?;
    let later = prove(&["--since", "then.note"])?;
    ensure!(later.status.success(), "{}", String::from_utf8_lossy(&later.stderr));
    assert_ne!(later.stdout, first.stdout);
    // A checkpoint that was not signed by this log, and one of a longer log.
    let text = String::from_utf8(first.stdout)?;
    let other = text.replacen("sigsum.org/v1/tree/", "sigsum.org/v1/tree/0", 1);
    std::fs::write(app.path("other.note"), other)?;
    assert_eq!(prove(&["--since", "other.note"])?.status.code(), Some(1));
    let size = text.lines().nth(1).context("a size")?.to_owned();
    std::fs::write(app.path("forged.note"), text.replacen(&size, "99999", 1))?;
    assert_eq!(prove(&["--since", "forged.note"])?.status.code(), Some(1));
    assert_eq!(prove(&["--since", "absent.note"])?.status.code(), Some(2));
    Ok(())
}

/// The times are the witnesses': 2027-01-15T08:00:00Z and each an hour later.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_one_date_is_proven_to_begin_the_log_of_a_later_one() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let prove = |more: &[&str]| audit(&app, &[&["prove-log", "--policy", POLICY], more].concat());
    let mut sizes = Vec::new();
    for hour in 0..5 {
        receive(&app, intake(53.0, -7.5)).await?;
        let signed = checkpoint(&app, app.events().await?).await?;
        cosign_at(&app, &signed, 1_800_000_000 + hour * 3_600).await?;
        sizes.push(signed.head.size);
    }
    let early = prove(&["--from", "2027-01-15T07:59:59.999Z"])?;
    assert_eq!(early.status.code(), Some(1), "nothing was witnessed by then");
    for (times, wanted) in [
        (&["2027-01-15T08:00:00.000Z", "--until", "2027-01-15T08:59:59.999Z"][..], [sizes[0], sizes[0]]),
        (&["2027-01-15T09:30:00.000Z", "--until", "2027-01-15T11:00:00.000Z"], [sizes[1], sizes[3]]),
        (&["2027-01-15T12:00:00.000Z", "--until", "2030-01-01T00:00:00.000Z"], [sizes[4], sizes[4]]),
        (&["2027-01-15T09:30:00.000Z"], [sizes[1], sizes[4]]),
    ] {
        let proven = prove(&[&["--output", "json", "--from"], times].concat())?;
        ensure!(proven.status.success(), "{}", String::from_utf8_lossy(&proven.stderr));
        let told: serde_json::Value = serde_json::from_slice(&proven.stdout)?;
        let found = [told["from"]["size"].as_u64(), told["until"]["size"].as_u64()];
        assert_eq!(found, wanted.map(Some), "{times:?}");
    }
    let turned = prove(&["--from", "2027-01-15T10:00:00.000Z", "--until", "2027-01-15T08:00:00.000Z"])?;
    assert_eq!(turned.status.code(), Some(2));
    assert_eq!(prove(&["--from", "yesterday"])?.status.code(), Some(2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_sign_what_is_theirs_and_a_refusal_is_shown_until_they_sign_again() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let signed = checkpoint(&app, app.events().await?).await?;
    let mut a = app.client("a-witness")?.evidence();
    let state = |proven| api::GetCheckpointRequest { size: 0, proven };
    let refused = a.get_checkpoint(state(true)).await.err().context("nobody has signed")?;
    assert_eq!(Refusal::of(&refused).reason, "EVIDENCE_NOT_READY");
    for note in ["", "hello", &signed.write()] {
        let refused = a.submit_cosignature(api::SubmitCosignatureRequest { note: note.to_owned() }).await;
        let refused = Refusal::of(&refused.err().context("it is no cosignature")?);
        assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"), "{note}");
    }
    let refusal =
        |witness: &str, code: &str| api::SubmitRefusalRequest { witness: witness.into(), index: 3, code: code.into() };
    told(a.submit_refusal(refusal("a.test/witness", "CHAIN")).await)?;
    for wrong in [refusal("c.test/witness", "CHAIN"), refusal("a.test/witness", "chain"), refusal("a.test/witness", "")]
    {
        let refused = a.submit_refusal(wrong).await.err().context("it names nobody, or no code")?;
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let told_now = told(a.get_checkpoint(state(false)).await)?;
    let standing = |told: &api::GetCheckpointResponse, at: usize| {
        let one = &told.witnesses[at];
        (one.name.clone(), one.signed_size, one.refused_index, one.refusal.clone())
    };
    assert_eq!(standing(&told_now, 0), ("a.test/witness".into(), 0, 3, "CHAIN".into()));
    assert_eq!(standing(&told_now, 1), ("b.test/witness".into(), 0, 0, String::new()));
    cosign(&app, &signed).await?;
    let told_now = told(a.get_checkpoint(state(true)).await)?;
    assert_eq!((told_now.size, told_now.proven), (signed.head.size, true));
    assert_eq!(standing(&told_now, 0), ("a.test/witness".into(), signed.head.size, 0, String::new()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_sees_and_changes_nothing_but_the_log() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(53.0, -7.5)).await?;
    let before = app.events().await?;
    let witness = app.client("a-witness")?;
    let seen = witness.incidents().get_incident(api::GetIncidentRequest { incident: incident.clone() }).await;
    assert_eq!(seen.err().map(|status| status.code()), Some(Code::NotFound));
    let listed = witness.incidents().list_incidents(api::ListIncidentsRequest::default()).await;
    assert_eq!(listed.err().map(|status| status.code()), Some(Code::PermissionDenied));
    let watched = witness.feed().watch(api::WatchRequest::default()).await;
    assert_eq!(watched.err().map(|status| status.code()), Some(Code::PermissionDenied));
    let exported = witness.evidence().export_bundle(api::ExportBundleRequest { incident, disclose: false }).await;
    assert_eq!(exported.err().map(|status| status.code()), Some(Code::NotFound));
    // Whatever it asks of any other method, nothing is recorded.
    let (line, token) = (Line::to(&app)?, app.token(&who("a-witness")?)?);
    for method in METHODS.iter().filter(|method| !method.reads) {
        let answer = line.call(&format!("{}/{}", method.service, method.name), Some(&token), Vec::new()).await;
        assert_ne!(answer.code, Code::Ok, "{}", method.name);
    }
    assert_eq!(app.events().await?, before);
    // And nobody of the cast but a witness or an auditor mirrors, however else it is entitled.
    for (name, someone) in CAST {
        let answer = app.client(name)?.evidence().stream_entries(api::StreamEntriesRequest::default()).await;
        let may = someone.roles.iter().any(|role| matches!(role.as_str(), "witness" | "auditor"));
        assert_eq!(answer.is_ok(), may, "{name}");
    }
    Ok(())
}
