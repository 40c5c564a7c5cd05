//! The page of attacks against the sources: whatever test it names is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows the page has at least; fewer and something was lost (security, 4).
const ROWS_MIN: usize = 40;
/// What may stand where a test would.
const NOT_YET: &str = "not yet: ";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// The tests a cell names; nothing where it is no list of them.
fn named(cell: &str) -> Option<Vec<(&str, &str)>> {
    let names = cell.split_whitespace();
    names.map(|name| name.strip_prefix('`')?.strip_suffix('`')?.split_once("::")).collect()
}

/// What is wrong with a page, given what is in the files it names.
fn faults(page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut files: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        count += 1;
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [attack, _, test] = cells.as_slice() else {
            faults.push(format!("not three cells: {row}"));
            continue;
        };
        if test.strip_prefix(NOT_YET).is_some_and(|why| !why.is_empty()) {
            continue;
        }
        match named(test) {
            Some(tests) if !tests.is_empty() => {
                for (file, test) in tests {
                    let text = files.entry(file).or_insert_with(|| read(file));
                    let is_there = |text: &String| text.contains(&format!("fn {test}("));
                    if !text.as_ref().is_some_and(is_there) {
                        faults.push(format!("{attack}: {file} has no test {test}"));
                    }
                }
            }
            _ => faults.push(format!("{attack}: `{test}` names no test and gives no reason")),
        }
    }
    if count < ROWS_MIN {
        faults.push(format!("{count} rows"));
    }
    faults
}

fn page() -> String {
    fs::read_to_string(root().join("docs/attacks.md")).expect("the page is there")
}

fn source(file: &str) -> Option<String> {
    fs::read_to_string(root().join(file)).ok()
}

#[test]
fn every_test_the_page_of_attacks_names_is_there() {
    let faults = faults(&page(), source);
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
}

#[test]
fn a_page_that_names_a_test_that_is_gone_is_found_out() {
    let page = page();
    let name = "every_cell_of_the_matrix_is_what_the_service_answers";
    let gone = faults(&page.replace(name, "every_cell_of_the_matrix"), source);
    assert!(
        !gone.is_empty() && gone.iter().all(|fault| fault.ends_with("has no test every_cell_of_the_matrix")),
        "{gone:?}"
    );
    let unsaid = faults(&page.replacen(NOT_YET, "some day: ", 1), source);
    assert_eq!(unsaid.len(), 1, "{unsaid:?}");
    let first = page.lines().filter(|line| line.starts_with("| ")).take(10).collect::<Vec<_>>().join("\n");
    assert_eq!(faults(&first, source), ["9 rows"]);
}
