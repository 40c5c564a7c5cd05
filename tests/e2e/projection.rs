//! Who is shown what: every field of every answer, as the file says, and the whole of it as kept text.

use handoff_tests::matrix::cast::World;
use handoff_tests::projection::play::play;
use handoff_tests::projection::table::{Table, header};

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_is_shown_what_the_file_says_and_nothing_else() -> anyhow::Result<()> {
    let world = World::start().await?;
    let shown = play(&world).await?;
    let table = Table::load()?;
    let faults = shown.faults(&table);
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
    for (message, text) in shown.texts() {
        insta::assert_snapshot!(message, text);
    }
    Ok(())
}

/// The project's own file, changed in one place.
fn changed(change: impl Fn(&str) -> String) -> anyhow::Result<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("authz/projection.csv");
    let text = std::fs::read_to_string(path)?;
    let broken = change(&text);
    anyhow::ensure!(broken != text, "nothing was changed");
    match Table::parse(&broken) {
        Ok(_) => anyhow::bail!("the broken file was taken"),
        Err(faults) => Ok(faults),
    }
}

#[test]
fn a_field_nobody_has_decided_about_is_named() -> anyhow::Result<()> {
    let row = |text: &str| text.lines().find(|line| line.starts_with("Deployment.crew,")).map(str::to_owned);
    let without = |text: &str| text.replacen(&format!("{}\n", row(text).unwrap_or_default()), "", 1);
    assert_eq!(changed(without)?, ["Deployment.crew: nobody has decided who may see it"]);
    let faults = changed(|text| text.replacen("Deployment.crew,", "Deployment.crews,", 1))?;
    assert!(faults.contains(&"Deployment.crews: there is no such field".to_owned()), "{faults:?}");
    let faults = changed(|text| format!("{text}{}\n", row(text).unwrap_or_default()))?;
    assert_eq!(faults, ["Deployment.crew: a second row"]);
    let faults = changed(|text| text.replacen(",own,", ",mine,", 1))?;
    assert!(faults.iter().any(|fault| fault.contains("words that are known")), "{faults:?}");
    let faults = changed(|text| text.replacen(&header(), "field,everybody", 1))?;
    assert!(faults[0].starts_with("the first line is not"), "{faults:?}");
    Ok(())
}
