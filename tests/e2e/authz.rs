//! Who may do what: every cell of `tests/authz/matrix.csv`, on the running service.

use handoff_tests::matrix::cast::World;
use handoff_tests::matrix::grid::{Grid, header};
use handoff_tests::matrix::run::run;

/// Fewer than this and something was lost (security, 5).
const CELLS_MIN: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_matrix_is_what_the_service_answers() -> anyhow::Result<()> {
    let grid = Grid::load()?;
    assert!(grid.count() >= CELLS_MIN, "{} cells", grid.count());
    let mut world = World::start().await?;
    let found = run(&world, &grid).await?;
    assert!(found.faults.is_empty(), "{} faults:\n  {}", found.faults.len(), found.faults.join("\n  "));
    assert_eq!(found.tried, grid.count(), "no cell is left out");
    world.app.stop().await?;
    world.app.check()?;
    Ok(())
}

/// The project's own file, changed in one place.
fn changed(change: impl Fn(&str) -> String) -> anyhow::Result<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("authz/matrix.csv");
    let text = std::fs::read_to_string(path)?;
    let broken = change(&text);
    anyhow::ensure!(broken != text, "nothing was changed");
    match Grid::parse(&broken) {
        Ok(_) => anyhow::bail!("the broken file was taken"),
        Err(faults) => Ok(faults),
    }
}

/// A line of the file, by how it begins.
fn line<'a>(text: &'a str, begin: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(begin)).expect("the file has such a line")
}

#[test]
fn a_broken_file_is_refused_with_its_fault() -> anyhow::Result<()> {
    let stranger = "Rule,";
    let faults = changed(|text| text.replacen(&format!("{}\n", line(text, stranger)), "", 1))?;
    assert!(faults.iter().all(|fault| fault.starts_with("no row for Rule,")), "a row is missing: {faults:?}");
    let faults = changed(|text| format!("{text}{}\n", line(text, stranger)))?;
    assert!(faults[0].contains("a second row for Rule,"), "a row stands twice: {faults:?}");
    for (word, fault) in [
        ("Receive,-,-,", "no method is called `Recieve`"),
        (",stranger,", "no side is called `strange`"),
        ("unauthenticated\n", "no outcome is called `unknown`"),
        (",received,", "no state is called `begun`"),
    ] {
        let wrong = match word {
            "Receive,-,-," => "Recieve,-,-,",
            ",stranger," => ",strange,",
            ",received," => ",begun,",
            _ => "unknown\n",
        };
        let faults = changed(|text| text.replacen(word, wrong, 1))?;
        assert!(faults.iter().any(|found| found.contains(fault)), "{wrong}: {faults:?}");
    }
    let faults = changed(|text| text.replacen(&header(), "method,state,side", 1))?;
    assert!(faults[0].starts_with("the first line is not"), "{faults:?}");
    let faults = changed(|text| text.replacen("Receive,-,-,", "Receive,*,-,", 1))?;
    assert!(faults.iter().any(|fault| fault.contains("no state is called `*`")), "no wildcard: {faults:?}");
    let faults = changed(|text| text.replacen(&format!("{}\n", line(text, "Receive,")), "", 1))?;
    assert_eq!(faults, ["no row for Receive,-,-"], "a method without a row");
    Ok(())
}
