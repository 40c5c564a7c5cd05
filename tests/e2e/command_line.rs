//! The verbs an operator begins with.

use anyhow::Context;
use handoff_tests::app::{LIMIT, TestApp, binary, who};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

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

/// A demo that goes on serving, killed when the test is over.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it and takes in what it offers to try, up to the last role's third command.
fn demo(app: &TestApp) -> anyhow::Result<(Demo, Vec<String>)> {
    let mut child = Command::new(binary()?)
        .args(["demo", "--folder"])
        .arg(app.path("demo"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().context("the demo has no stdout")?;
    let demo = Demo(child);
    let (tell, told) = std::sync::mpsc::sync_channel(64);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens any more once the test is over.
            let _ = tell.send(line);
        }
    });
    let mut lines = Vec::new();
    while lines.iter().rev().position(|line: &String| line.starts_with("auditor: ")) != Some(3) {
        lines.push(told.recv_timeout(LIMIT).context("the demo did not say what to try")?);
    }
    Ok((demo, lines))
}

#[test]
fn every_command_the_demo_offers_works_as_it_is_printed() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let (mut demo, lines) = demo(&app)?;
    let roles = lines.iter().filter(|line| line.ends_with(".token") && !line.starts_with(' '));
    for line in roles.clone() {
        let file = line.split_once(": ").map(|(_, file)| file).context("a role has a token file")?;
        assert!(Path::new(file).is_file(), "{line}");
    }
    let commands: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("  handoff ")).collect();
    assert_eq!(commands.len(), 3 * roles.count(), "three for each role: {lines:?}");
    let program = binary()?;
    let mut faults = Vec::new();
    for command in commands {
        let output = Command::new("sh").arg("-c").arg(format!("{} {command}", program.display())).output()?;
        if !output.status.success() || output.stdout.is_empty() && !command.starts_with("watch") {
            faults.push(format!("{command}: {} {}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &demo.0.id().to_string()]).status()?.success());
    assert!(demo.0.wait()?.success(), "told to stop, it ends in order");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_with_cut_lines_gets_one_line_of_answer_per_row_and_names_what_is_wrong() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    std::fs::write(app.path("a.token"), app.token(&who("a-dispatcher")?)?)?;
    let rows = "latitude,longitude,precision_m\n44.1,86.1,5\n44.1\n44.1,east,5\n\"44.1,86.35,5\n";
    std::fs::write(app.path("points.csv"), rows)?;
    std::fs::write(app.path("headless.csv"), "lat,lon\n44.1,86.1\n")?;
    let server = format!("https://{}", app.address());
    let resolve = |file: &str| {
        let connect = ["--server", &server, "--ca", "ca.pem", "--token-file", "a.token"];
        app.run(&[&["territory", "resolve", "--points", file], &connect[..]].concat())
    };
    let before = app.events().await?;
    let output = resolve("points.csv")?;
    assert_eq!(output.status.code(), Some(1), "a bad row is told by the exit code too");
    let lines = String::from_utf8(output.stdout)?;
    let lines: Vec<serde_json::Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!((&lines[0]["answer"], &lines[0]["line"]), (&"OURS".into(), &2.into()));
    for (line, at, field) in [(&lines[1], 3, "longitude"), (&lines[2], 4, "longitude"), (&lines[3], 5, "latitude")] {
        assert_eq!((&line["line"], &line["error"]["field"]), (&at.into(), &field.into()), "{line}");
        let text = |language: &str| line["error"][language].as_str().unwrap_or_default().to_owned();
        assert!(!text("en").is_empty() && !text("zh").is_ascii(), "{line}");
    }
    let output = resolve("headless.csv")?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("latitude"), "the missing column is named");
    assert_eq!(resolve("absent.csv")?.status.code(), Some(2));
    assert_eq!(app.events().await?, before, "asking records nothing");
    Ok(())
}

#[test]
fn verbs_speak_json_where_asked() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let config = app.config_file();
    let copy = app.path("copy.db").to_string_lossy().into_owned();
    let token = ["--folder", ".", "--org", "A", "--subject", "a-duty", "--role", "duty_officer", "--station", "A-01"];
    for (args, member) in [
        (vec!["config", "check", "--config", &config], "ok"),
        (vec!["config", "show", "--config", &config], "server"),
        (vec!["db", "migrate", "--config", &config], "ready"),
        (vec!["db", "check", "--config", &config], "invariants"),
        (vec!["db", "backup", "--config", &config, "--to", &copy], "copied_to"),
        ([&["token", "--config", &config], &token[..]].concat(), "token"),
    ] {
        let printed = app.done(&[&["--output", "json"], &args[..]].concat())?;
        let value: serde_json::Value =
            serde_json::from_str(&printed).with_context(|| format!("{args:?}: {printed}"))?;
        assert!(value.get(member).is_some(), "{args:?}: {printed}");
    }
    assert_eq!(app.run(&["config", "check", "--config", "absent.toml"])?.status.code(), Some(2));
    for shell in ["bash", "zsh", "fish"] {
        assert!(app.done(&["completions", shell])?.contains("handoff"), "{shell}");
    }
    Ok(())
}
