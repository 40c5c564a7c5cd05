//! A history that is right, and broken ones, each made from it by one change and each refused by the check meant for it.

mod broken;
mod change;
mod stage;

use super::{Entry, History, check_all};
use std::sync::LazyLock;

/// Played once; every test changes a copy.
static RIGHT: LazyLock<History> = LazyLock::new(|| {
    let play = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(stage::play())
    };
    // A runtime of its own: the test that comes first may stand in one.
    std::thread::spawn(play).join().expect("the history was played")
});

fn listed(history: &History) -> String {
    check_all(history).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_history_of_commands_really_decided_passes_every_check() {
    assert_eq!(listed(&RIGHT), "");
}

#[test]
fn the_right_history_has_something_for_every_check_to_look_at() {
    let entries = |fits: fn(&Entry) -> bool| RIGHT.entries.iter().filter(|entry| fits(entry)).count();
    assert!(entries(|entry| matches!(entry, Entry::Ok(is) if is.replayed)) >= 2);
    assert!(entries(|entry| matches!(entry, Entry::No(_))) >= 3);
    assert!(entries(|entry| matches!(entry, Entry::Unknown(_))) >= 3);
    assert!(entries(|entry| matches!(entry, Entry::Resumed(is) if is.after > 0)) >= 1);
    assert!(entries(|entry| matches!(entry, Entry::Read(_))) >= 2);
    assert!(entries(|entry| matches!(entry, Entry::Healed(_))) >= 1);
    let types: Vec<&str> = RIGHT.log.events.iter().map(|event| event.type_name.as_str()).collect();
    assert!(types.contains(&"taken_over") && types.contains(&"merged"), "{types:?}");
    assert!(RIGHT.log.events.iter().any(|event| event.first < event.position), "a command of several events");
}

#[test]
fn a_history_reads_back_as_it_was_written() {
    let mut history = RIGHT.clone();
    history.log.findings.push("invariant 1: told by a test".to_owned());
    let mut file = Vec::new();
    history.write(&mut file).expect("it is written");
    assert_eq!(History::read(file.as_slice()).expect("it is read"), history);
    let lines = file.split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(
        lines,
        history.entries.len() + history.log.events.len() + history.log.feeds.len() + history.log.answers.len() + 2
    );
}

#[test]
fn a_file_that_is_cut_or_spoilt_is_no_history() {
    let mut file = Vec::new();
    RIGHT.write(&mut file).expect("it is written");
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let last = lines.len() - 1;
    History::read(lines[..last].concat().as_slice()).expect_err("without its end");
    History::read([&lines[..5], &lines[6..]].concat().concat().as_slice()).expect_err("a line short");
    History::read([&lines[..], &lines[..1]].concat().concat().as_slice()).expect_err("a line after its end");
    History::read([&b"{}\n"[..], file.as_slice()].concat().as_slice()).expect_err("a line of no kind");
}

#[test]
fn bytes_that_are_no_text_are_kept_as_they_are() {
    let mut history = RIGHT.clone();
    history.log.events[3].bytes.0 = vec![0xff, 0, b'"'];
    let mut file = Vec::new();
    history.write(&mut file).expect("it is written");
    assert_eq!(History::read(file.as_slice()).expect("it is read"), history);
}
