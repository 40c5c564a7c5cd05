//! Recorded calls through the engine on their own time, and what a run does about rows that are wrong.

mod data;
mod fuzz;
mod invented;

use super::drive::{Away, Drive, Outcome};
use super::plan::Course;
use super::report::Report;
use super::setup::Setup;
use super::step::Step;
use super::tally::Commands;
use super::{Args, Prepared, Tally, prepare, simulate};
use handoff_domain::time::Millis;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A folder that is gone at the end; in memory where there is such a place.
fn folder() -> TempDir {
    tempfile::tempdir_in(super::throwaway()).expect("a folder for a database")
}

/// A mapping file of this repository.
fn mapping(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replay").join(name)
}

fn args(mapping: PathBuf, calls: PathBuf) -> Args {
    Args {
        mapping,
        calls,
        boundaries: None,
        districts: None,
        run: "test".to_owned(),
        config: None,
        server: None,
        simulate: true,
        database: None,
        limit: None,
        answers: None,
    }
}

fn played(prepared: Prepared, database: &Path) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut tally = Tally::new(&prepared.plan);
    let left = runtime.block_on(Box::pin(simulate(&prepared, &mut tally, None, database))).expect("the run ends");
    Report::new("test", true, prepared, &tally, left)
}

fn lines_flagged(report: &Report, flag: &str, what: &str) -> usize {
    report.flagged.iter().filter(|flagged| flagged.flag == flag && flagged.what.starts_with(what)).count()
}

#[test]
fn san_francisco_hands_over_what_only_private_units_transport() {
    let Some(data) = data::folder() else { return };
    let args = args(mapping("san-francisco.toml"), data.join("san-francisco/units.csv"));
    let folder = folder();
    let report = played(prepare(&args).expect("a plan"), &folder.path().join("sf.db"));
    assert!(report.is_clean(), "{}", report.text());
    assert_eq!((report.rows, report.calls, report.refused_rows.len()), (5_272, 2_776, 0));
    let planned = |course| report.planned.get(&course).copied().unwrap_or(0);
    assert_eq!(planned(Course::HandedOver), 203);
    assert_eq!(planned(Course::Support) + planned(Course::Joint), 319 - 203);
    assert!(planned(Course::Support) > 0 && planned(Course::Joint) > 0);
    let courses = &report.courses;
    assert_eq!((courses.incidents, courses.closed), (2_776, 2_776));
    assert_eq!((courses.offered, courses.taken_over, courses.confirmed), (203, 203, 203));
    assert_eq!((courses.support, courses.joint), (planned(Course::Support), planned(Course::Joint)));
    // Inverted and missing times are flagged and taken; what a status can tell, the service flags itself.
    assert_eq!(lines_flagged(&report, "INVERTED", ""), 6);
    assert_eq!(lines_flagged(&report, "MISSING", "en_route"), 85);
    assert_eq!(lines_flagged(&report, "MISSING", "on_scene"), 829);
    let log = report.log.as_ref().expect("the log was read");
    assert_eq!((log.received, log.closed, log.taken_over), (2_776, 2_776, 203));
    assert!(log.unit_flags.contains_key("INVERTED_TIME") && log.unit_flags.contains_key("LATE_ENTRY"));
    assert!(!log.escalated.is_empty(), "nothing was ever overdue");
}

/// Montgomery's calls of one excerpt: how many there are, and how many the geocoder could not place.
fn montgomery(name: &str, calls: usize, untrusted: u64) {
    let Some(data) = data::folder() else { return };
    let table = data.join(format!("montgomery/calls_{name}.csv"));
    let mut args = args(mapping(&format!("montgomery-{name}.toml")), table);
    args.boundaries = Some(data.join("montgomery/police_districts.geojson"));
    args.districts = Some(data.join("montgomery/township_to_force.csv"));
    let folder = folder();
    let report = played(prepare(&args).expect("a plan"), &folder.path().join("montgomery.db"));
    assert!(report.is_clean(), "{}", report.text());
    assert_eq!((report.calls, report.refused_rows.len()), (calls, 0));
    let resolved = report.resolutions.expect("there is a map");
    assert!(resolved.owner > 100, "{resolved:?}");
    assert_eq!(resolved.untrusted, untrusted);
    let log = report.log.as_ref().expect("the log was read");
    assert_eq!((log.offered, log.received_on_owners_ground), (resolved.owner, resolved.owner));
    assert_eq!((report.courses.taken_over, report.courses.confirmed), (resolved.owner, resolved.owner));
    assert_eq!((report.courses.closed, log.closed), (calls as u64, calls as u64));
    assert!(log.escalated.keys().any(|name| name.starts_with("dispatch")), "no timer ran out");
    let numbers = format!("ground: {0}, offers: {0}", resolved.owner);
    assert!(report.text().contains(&numbers), "{}", report.text());
}

#[test]
fn montgomery_offers_exactly_what_is_the_state_polices() {
    montgomery("a", 2_866, 28);
}

#[test]
fn montgomery_of_three_years_offers_exactly_what_is_the_state_polices() {
    montgomery("b", 3_051, 30);
}

#[test]
fn wrong_rows_are_refused_with_their_lines_and_the_rest_is_played() {
    let files = invented::files(invented::NEAREST, invented::CALLS);
    let prepared = prepare(&files.args()).expect("a plan");
    let report = played(prepared, &files.path("one.db"));
    assert!(report.is_clean(), "{}", report.text());
    let refused: Vec<_> = report.refused_rows.iter().map(|row| (row.line, row.why.en.as_str())).collect();
    assert_eq!(
        refused,
        [
            (4, "cut line: 3 of 6 columns"),
            (5, "time of receipt \"yesterday\" not readable"),
            (6, "blank line"),
            (7, "no place and no known district"),
        ]
    );
    assert_eq!(lines_flagged(&report, "BAD_POINT", ""), 1);
    assert_eq!(lines_flagged(&report, "NO_POINT", ""), 1);
    let resolved = report.resolutions.expect("there is a map");
    assert_eq!((resolved.owner, resolved.untrusted, report.courses.offered), (1, 1, 1));
    assert_eq!(report.courses.incidents, 4);
    let text = report.text();
    assert!(text.contains("cut line: 3 of 6 columns / 行被截断：6 列中只有 3 列: 1 (line 4)"), "{text}");
    assert!(text.contains("Calls on the other organisation's ground: 1, offers: 1"), "{text}");
    let json = serde_json::to_value(&report).expect("the report is JSON");
    assert_eq!(json["refused_rows"][0]["line"], 4);
    assert_eq!(json["courses"]["taken_over"], 1);
}

#[test]
fn inverted_missing_and_late_unit_times_are_flagged_and_kept() {
    let files = invented::files(invented::TWO, invented::UNITS);
    let prepared = prepare(&files.args()).expect("a plan");
    let report = played(prepared, &files.path("two.db"));
    assert!(report.is_clean(), "{}", report.text());
    assert_eq!(lines_flagged(&report, "INVERTED", "available"), 1);
    assert_eq!(lines_flagged(&report, "MISSING", "on_scene"), 1);
    assert_eq!(lines_flagged(&report, "BAD_TIME", "en_route"), 1);
    assert_eq!(lines_flagged(&report, "LATE", "entered"), 1);
    let log = report.log.as_ref().expect("the log was read");
    assert_eq!(log.unit_flags.get("INVERTED_TIME"), Some(&1), "{:?}", log.unit_flags);
    assert_eq!((report.courses.taken_over, report.courses.support), (1, 1));
}

#[test]
fn a_mapping_with_an_unknown_key_or_column_is_refused_by_name() {
    let wrong = invented::NEAREST.replace("band_m", "bandwidth");
    let files = invented::files(&wrong, invented::CALLS);
    let refused = prepare(&files.args()).err().expect("a refusal");
    assert!(format!("{refused:#?}").contains("bandwidth"), "{refused:#?}");
    let wrong = invented::NEAREST.replace("lat = \"lat\"", "lat = \"latitude\"");
    let files = invented::files(&wrong, invented::CALLS);
    let refused = prepare(&files.args()).err().expect("a refusal");
    assert!(refused.to_string().contains("\"latitude\""), "{refused}");
}

/// A service that is gone after so many commands. It remembers how many of them it recorded.
struct Dying<D> {
    inner: D,
    left: Cell<u64>,
    recorded: Cell<u64>,
}

impl<D: Drive> Drive for Dying<D> {
    async fn order(&self, setup: &Setup, map: Option<&Arc<[u8]>>) -> Result<Outcome, Away> {
        self.inner.order(setup, map).await
    }

    async fn submit(&self, step: &Step) -> Result<Outcome, Away> {
        let left = self.left.get().checked_sub(1).ok_or(Away { why: "killed".to_owned() })?;
        self.left.set(left);
        let outcome = self.inner.submit(step).await?;
        let more = u64::from(matches!(outcome, Outcome::Done(_)));
        self.recorded.set(self.recorded.get() + more);
        Ok(outcome)
    }

    async fn reach(&self, at: Millis) -> Result<(), Away> {
        self.inner.reach(at).await
    }

    fn follows_the_plan(&self) -> bool {
        self.inner.follows_the_plan()
    }
}

/// Plays until the service is gone; how many commands it had recorded by then.
async fn until_killed(prepared: &Prepared, database: &Path, commands: u64) -> u64 {
    let (engine, writer, clock) = super::start(prepared, database).await.expect("an engine");
    let inner = super::InProcess::new(engine, clock);
    let dying = Dying { inner, left: Cell::new(commands), recorded: Cell::new(0) };
    let mut tally = Tally::new(&prepared.plan);
    tokio::select! {
        _ = writer => panic!("the engine stopped"),
        played = Box::pin(super::perform(&dying, prepared, &mut tally, None)) => {
            let gone = played.expect_err("the run stops with the service");
            assert!(format!("{gone:#}").contains("killed"), "{gone:#}");
        }
    }
    dying.recorded.get()
}

#[test]
fn a_run_started_again_repeats_what_was_acknowledged_and_goes_on() {
    for (mapping, calls) in [(invented::NEAREST, invented::CALLS), (invented::TWO, invented::UNITS)] {
        let files = invented::files(mapping, calls);
        let whole = played(prepare(&files.args()).expect("a plan"), &files.path("whole.db"));
        let Commands { recorded, known, .. } = whole.commands;
        for killed_after in [1, recorded / 3, recorded / 2, recorded + known - 1] {
            let database = files.path(&format!("killed-{killed_after}.db"));
            let prepared = prepare(&files.args()).expect("a plan");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let before = runtime.block_on(Box::pin(until_killed(&prepared, &database, killed_after)));
            // The engine goes with its runtime, as it would with its process.
            drop(runtime);
            let again = played(prepared, &database);
            assert!(again.is_clean(), "{}", again.text());
            assert_eq!(again.commands.repeated, before, "{}", again.text());
            assert_eq!((again.commands.recorded + before, again.commands.known), (recorded, known));
            assert_eq!(again.courses, whole.courses);
            let (again, whole) = (again.log.expect("a log"), whole.log.as_ref().expect("a log"));
            assert_eq!((again.received, again.closed), (whole.received, whole.closed));
            assert_eq!((again.offered, again.taken_over), (whole.offered, whole.taken_over));
        }
    }
}
