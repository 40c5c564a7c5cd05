//! `handoff keys`, and keys that a service manager hands over.

use anyhow::Context;
use handoff_tests::app::{TestApp, binary};
use handoff_tests::certified;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn lines(text: &str) -> anyhow::Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_and_certificate_of_a_configuration_is_shown_and_no_secret_with_it() -> anyhow::Result<()> {
    let mut app = certified::start().await?;
    app.stop().await?;
    let shown = app.done(&["keys", "show", "--config", "handoff.toml", "--output", "json"])?;
    let items = lines(&shown)?;
    let of = |key: &str| items.iter().find(|item| item["key"] == key).with_context(|| format!("{key} in {shown}"));
    assert_eq!(of("server.tls_cert_file")?["state"], "good");
    assert!(of("server.tls_cert_file")?["until"].is_string() && of("server.resume_key_file")?["until"].is_null());
    assert_eq!(of("organisation[0].clients.ca_file")?["organisation"], "A");
    assert!(of("organisation[1].jwks_file")?["name"].as_str().is_some_and(|name| name.contains("EdDSA")));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for secret in ["sealing.key", "resume.key", "log.key"] {
        assert!(!shown.contains(&hex(&std::fs::read(app.path(secret))?)), "{secret} is shown");
    }
    // A server's certificate lives a year: what ends within two is told, and the exit code says so.
    let soon = app.run(&["keys", "show", "--config", "handoff.toml", "--days", "730"])?;
    assert_eq!(soon.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&soon.stdout).contains("ends soon"));
    std::fs::write(app.path("B.jwks.json"), "{")?;
    let broken = app.run(&["keys", "show", "--config", "handoff.toml"])?;
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stdout).contains("cannot be read"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keys_makes_is_what_the_service_takes() -> anyhow::Result<()> {
    let mut app = certified::start().await?;
    app.stop().await?;
    app.done(&["keys", "new", "--to", "fresh.key"])?;
    assert_eq!(std::fs::metadata(app.path("fresh.key"))?.permissions().mode() & 0o777, 0o600);
    assert_eq!(app.run(&["keys", "new", "--to", "fresh.key"])?.status.code(), Some(2), "it overwrites nothing");
    app.configure("sealing.key\"", "fresh.key\"")?;
    app.start()?;
    app.stop().await?;
    // The set of a machine's public key, as good as any: the issuer's file takes it, though nobody holds tokens of it.
    let set = app.done(&["keys", "jwks", "A.cad-a.pem"])?;
    std::fs::write(app.path("machine.jwks.json"), &set)?;
    app.configure("A.jwks.json", "machine.jwks.json")?;
    app.configure("alg = \"EdDSA\"", "alg = \"ES256\"")?;
    let checked = app.run(&["config", "check", "--config", "handoff.toml"])?;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let private = app.run(&["keys", "jwks", "A.cad-a.key"])?;
    assert_eq!(private.status.code(), Some(2), "a private key is no public one");
    let told = lines(&app.done(&["keys", "thumbprint", "A.cad-a.pem", "--output", "json"])?)?;
    let own: String = certified::thumbprint(&app, "cad-a")?.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told[0]["sha256"], own.as_str());
    Ok(())
}

#[test]
fn a_key_may_come_as_a_credential_of_the_service_manager() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let folder = app.path("credentials");
    std::fs::create_dir(&folder)?;
    std::fs::rename(app.path("sealing.key"), folder.join("sealing"))?;
    app.configure("\"sealing.key\"", "\"credential:sealing\"")?;
    let check = |mode: u32, given: bool| -> anyhow::Result<(bool, String)> {
        std::fs::set_permissions(folder.join("sealing"), PermissionsExt::from_mode(mode))?;
        let mut command = Command::new(binary()?);
        command.args(["config", "check", "--config", &app.config_file()]).env_remove("CREDENTIALS_DIRECTORY");
        if given {
            command.env("CREDENTIALS_DIRECTORY", &folder);
        }
        let output = command.output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    assert_eq!(check(0o400, true)?, (true, String::new()));
    assert_eq!(check(0o440, true)?, (true, String::new()), "as a list of rights looks");
    let (taken, said) = check(0o444, true)?;
    assert!(!taken && said.contains("sealing.key_file"), "{said}");
    let (taken, said) = check(0o400, false)?;
    assert!(!taken && said.contains("LoadCredential="), "{said}");
    Ok(())
}
