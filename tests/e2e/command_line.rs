//! The verbs an operator begins with.

use handoff_tests::app::TestApp;
use std::path::Path;

#[test]
fn the_demo_plays_its_cases_and_every_invariant_holds() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let folder = app.path("demo").to_string_lossy().into_owned();
    let printed = app.done(&["demo", "--check", "--folder", &folder])?;
    for number in 1..=10 {
        let line = printed.lines().find(|line| line.split_whitespace().next() == Some(&number.to_string()));
        let line = line.unwrap_or_else(|| panic!("invariant {number} is not named:\n{printed}"));
        let checks: u64 = line.split_whitespace().rev().find_map(|word| word.parse().ok()).unwrap_or(0);
        // No timer runs out while the demo plays, so there may be nothing to look at for invariant 4.
        let idle = number == 4 && line.ends_with("nothing to check");
        assert!(idle || line.ends_with("holds"), "invariant {number} does not hold: {line}");
        assert!(idle || checks > 0, "invariant {number} was never looked at: {line}");
    }
    Ok(())
}

#[test]
fn the_example_configuration_is_accepted_with_development_keys() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/handoff.example.toml");
    std::fs::copy(example, app.path("example.toml"))?;
    let mut args = vec!["dev-ca", "--folder", "pki"];
    for org in ["A", "B", "SUP", "AUD", "OP"] {
        args.extend(["--org", org]);
    }
    app.done(&args)?;
    assert_eq!(app.done(&["config", "check", "--config", "example.toml"])?.trim(), "ok");
    Ok(())
}

#[test]
fn a_configuration_with_a_typo_is_refused_and_the_key_named() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let text = std::fs::read_to_string(app.path("handoff.toml"))?;
    std::fs::write(app.path("typo.toml"), text.replace("metrics_listen", "metric_listen"))?;
    let output = app.run(&["config", "check", "--config", "typo.toml"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("metric_listen"), "{said}");
    Ok(())
}

#[test]
fn wrong_use_ends_with_2_and_an_absent_service_with_3() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    assert_eq!(app.run(&["serve"])?.status.code(), Some(2));
    std::fs::write(app.path("some.token"), "e30.e30.e30")?;
    let args = ["incident", "list", "--server", "https://127.0.0.1:1", "--ca", "ca.pem", "--token-file", "some.token"];
    let output = app.run(&args)?;
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
