//! A broken file of one organisation, while the service starts and while it runs: that organisation is shut out until
//! the file is mended, and the other goes on as if nothing were.

use anyhow::Context;
use handoff_client::{Status, api};
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::refusal::{Refusal, told};
use tonic::Code;

async fn list(app: &TestApp, name: &str) -> anyhow::Result<Result<(), Status>> {
    let answer = app.client(name)?.incidents().list_incidents(api::ListIncidentsRequest::default()).await;
    Ok(answer.map(drop))
}

async fn is_shut_out(app: &TestApp, name: &str) -> anyhow::Result<()> {
    let found = Refusal::of(&list(app, name).await?.err().context("it was let in")?);
    anyhow::ensure!((found.code, found.reason.as_str()) == (Code::Unauthenticated, "TOKEN_INVALID"), "{found:?}");
    Ok(())
}

/// Asks until it is answered otherwise than with a refusal of the caller.
async fn comes_back(app: &TestApp, name: &str) -> anyhow::Result<()> {
    let asked = async {
        while let Err(status) = list(app, name).await? {
            anyhow::ensure!(status.code() == Code::Unauthenticated, "{status:?}");
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, asked).await.context("it is still shut out")?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_key_set_of_one_side_at_the_start_shuts_out_that_side_alone() -> anyhow::Result<()> {
    let mut app = TestApp::prepare()?;
    let file = app.path("B.jwks.json");
    let good = std::fs::read_to_string(&file)?;
    std::fs::write(&file, "{\"keys\":")?;
    let checked = app.run(&["config", "check", "--config", &app.config_file()])?;
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success() && said.contains("organisation[1].jwks_file"), "{said}");
    app.start()?;
    list(&app, "a-duty").await?.map_err(|status| anyhow::anyhow!("{status}"))?;
    is_shut_out(&app, "b-duty").await?;
    assert!(app.metrics().await?.contains("handoff_issuers_closed 1"), "the operator is told");
    std::fs::write(&file, good)?;
    comes_back(&app, "b-duty").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_what_was_taken_back_that_cannot_be_read_at_the_start_lets_nobody_of_that_side_in()
-> anyhow::Result<()> {
    let mut app = TestApp::prepare()?;
    let file = app.path("B.revoked.toml");
    app.configure("id = \"B\"", "id = \"B\"\nrevoked_file = \"B.revoked.toml\"")?;
    app.start()?;
    list(&app, "a-duty").await?.map_err(|status| anyhow::anyhow!("{status}"))?;
    is_shut_out(&app, "b-duty").await?;
    std::fs::write(&file, "tokens = []\nsubjects = [\"b-disp\"]\ncertificates = []\n")?;
    comes_back(&app, "b-duty").await?;
    is_shut_out(&app, "b-dispatcher").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_ends_when_the_key_of_its_token_is_taken_out_of_the_set() -> anyhow::Result<()> {
    let mut app = TestApp::prepare()?;
    app.start()?;
    let mut stream = told(app.client("b-duty")?.feed().watch(api::WatchRequest::default()).await)?;
    let other = app.path("other");
    app.done(&["dev-ca", "--folder", &other.to_string_lossy(), "--org", "B"])?;
    std::fs::copy(other.join("B.jwks.json"), app.path("B.jwks.json"))?;
    let end = loop {
        match tokio::time::timeout(LIMIT, stream.message()).await.context("the feed goes on")? {
            Ok(Some(_)) => {}
            Ok(None) => anyhow::bail!("the feed ended without a word"),
            Err(status) => break Refusal::of(&status),
        }
    };
    assert_eq!((end.code, end.reason.as_str()), (Code::PermissionDenied, "ACCESS_ENDED"));
    is_shut_out(&app, "b-duty").await?;
    list(&app, "a-duty").await?.map_err(|status| anyhow::anyhow!("{status}"))
}
