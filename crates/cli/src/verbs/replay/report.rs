//! The report of a run: for people as tables, for programs as one JSON value.

use super::Prepared;
use super::call::{Flagged, RefusedRow};
use super::log::LogCounts;
use super::plan::{Course, Resolutions};
use super::tally::{Commands, Courses, Open, Refusals, Spread, Tally};
use comfy_table::Table;
use comfy_table::presets;
use handoff_engine::check;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Lines named in the text report for one reason, at most; `--output json` names all.
const LINES_SHOWN_MAX: usize = 8;

/// Whether the invariants hold over the log the run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invariants {
    /// All hold.
    pub clean: bool,
    /// What is wrong with the database itself, where it was looked at.
    pub findings: Vec<String>,
    /// Each invariant.
    pub invariants: Vec<Invariant>,
    /// The checker's own report.
    #[serde(skip)]
    pub text: String,
}

/// How often one invariant was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// Its number.
    pub number: u8,
    /// What it says.
    pub name: &'static str,
    /// The same in Chinese.
    pub name_zh: &'static str,
    /// How often it was looked at.
    pub checks: u64,
    /// Where it does not hold.
    pub violations: Vec<String>,
}

impl Invariants {
    /// What a check found.
    #[must_use]
    pub fn of(report: &check::Report, findings: Vec<String>) -> Self {
        let each = |of: &check::Invariant| Invariant {
            number: of.number,
            name: of.name_en,
            name_zh: of.name_zh,
            checks: of.checks,
            violations: of.violations.iter().map(ToString::to_string).collect(),
        };
        Self {
            clean: findings.is_empty() && report.is_clean(),
            findings,
            invariants: report.invariants.iter().map(each).collect(),
            text: report.to_string(),
        }
    }
}

/// How fast it went, by the machine's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Throughput {
    /// Seconds from the first command to the last answer, the directory included.
    pub seconds: f64,
    /// Commands answered in a second.
    pub commands_per_second: f64,
    /// Recorded time passed through, in seconds.
    pub recorded_seconds: f64,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the data.
    pub data: String,
    /// Name of the run.
    pub run: String,
    /// In-process, on recorded time.
    pub simulated: bool,
    /// Rows seen.
    pub rows: u64,
    /// Calls read.
    pub calls: usize,
    /// Rows refused.
    pub refused_rows: Vec<RefusedRow>,
    /// What was flagged and taken.
    pub flagged: Vec<Flagged>,
    /// Whose ground the calls are on.
    pub resolutions: Option<Resolutions>,
    /// How the calls were to go.
    pub planned: BTreeMap<Course, u64>,
    /// How they went.
    pub courses: Courses,
    /// Which did not come to their end.
    pub open: Vec<Open>,
    /// Durations.
    pub times: Vec<Spread>,
    /// Changes of the directory that were refused.
    pub refused_orders: Vec<String>,
    /// Commands.
    pub commands: Commands,
    /// Refusals.
    pub refusals: Vec<Refusals>,
    /// What the log says.
    pub log: Option<LogCounts>,
    /// Invariants.
    pub invariants: Option<Invariants>,
    /// Throughput.
    pub throughput: Throughput,
}

/// What a run left besides its answers.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Changes of the directory that were refused.
    pub refused_orders: Vec<String>,
    /// What the log says.
    pub log: Option<LogCounts>,
    /// Invariants.
    pub invariants: Option<Invariants>,
    /// Throughput.
    pub throughput: Throughput,
}

impl Report {
    /// Puts it together.
    #[must_use]
    pub fn new(run: &str, simulated: bool, prepared: Prepared, tally: &Tally, left: Left) -> Self {
        let Prepared { mapping, reading, plan, .. } = prepared;
        let data = mapping.name;
        let mut planned = BTreeMap::new();
        for case in &plan.cases {
            *planned.entry(case.course).or_default() += 1;
        }
        let mut refused_rows = reading.refused;
        refused_rows.extend(plan.refused.iter().cloned());
        refused_rows.sort_by_key(|row| row.line);
        Self {
            data,
            run: run.to_owned(),
            simulated,
            rows: reading.rows,
            calls: reading.calls.len(),
            refused_rows,
            flagged: reading.flagged,
            resolutions: plan.resolutions,
            planned,
            courses: tally.courses(),
            open: tally.open(&plan),
            times: tally.spreads(),
            refused_orders: left.refused_orders,
            commands: tally.commands(),
            refusals: tally.refusals(),
            log: left.log,
            invariants: left.invariants,
            throughput: left.throughput,
        }
    }

    /// Whether there were calls, every incident of the run went to its end and nothing is wrong in the log.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let log = self.invariants.as_ref().is_none_or(|invariants| invariants.clean);
        self.calls > 0 && self.open.is_empty() && log && self.commands.refused == 0 && self.refused_orders.is_empty()
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let how = if self.simulated { "simulated on recorded time" } else { "against a running service" };
        say(&mut text, format_args!("Replay of {}, run {:?}, {how}", self.data, self.run));
        self.table(&mut text);
        self.went(&mut text);
        self.durations(&mut text);
        self.answers(&mut text);
        self.checked(&mut text);
        let Throughput { seconds, commands_per_second, recorded_seconds } = self.throughput;
        let days = recorded_seconds / 86_400.0;
        let rate = format_args!("{commands_per_second:.0} commands/s");
        say(&mut text, format_args!("\nThroughput: {days:.1} recorded days in {seconds:.1} s, {rate}"));
        text
    }

    fn table(&self, text: &mut String) {
        let refused = self.refused_rows.len();
        say(text, format_args!("\nTable: {} rows, {} calls, {refused} rows refused", self.rows, self.calls));
        let rows = self.refused_rows.iter().map(|row| (format!("{} / {}", row.why.en, row.why.zh), row.line));
        lines(text, rows);
        if refused > 0 {
            say(text, format_args!("  Mend them where they stand and start again under the same --run: they follow."));
            say(text, format_args!("  请在原行更正，再以同一 --run 启动：已录入的不会重复，补上的随后录入。"));
        }
        if self.calls == 0 {
            say(
                text,
                format_args!("  No call could be read: compare the table with source and columns of the mapping."),
            );
            say(text, format_args!("  没有读到任何呼叫：请把表与映射文件的 source、columns 两节对照。"));
        }
        say(text, format_args!("Flagged and taken all the same: {}", self.flagged.len()));
        let flags = self.flagged.iter().map(|flagged| {
            let what = flagged.what.split(' ').next().unwrap_or_default();
            (format!("{} {what}", flagged.flag), flagged.line)
        });
        lines(text, flags);
    }

    fn went(&self, text: &mut String) {
        let Courses { incidents, closed, offered, taken_over, confirmed, support, joint } = &self.courses;
        if let Some(of) = &self.resolutions {
            let Resolutions { claimed, owner, shared, outside, untrusted, no_point } = of;
            say(text, format_args!("\nCalls on the other organisation's ground: {owner}, offers: {offered}"));
            if let Some(log) = &self.log {
                let (resolved, offers) = (log.received_on_owners_ground, log.offered);
                say(text, format_args!("  the log says, by the service's own map: {resolved}, offers: {offers}"));
            }
            let trust = format_args!("untrusted {untrusted}, without a point {no_point}");
            say(text, format_args!("  ground: claimed {claimed}, shared {shared}, outside {outside}, {trust}"));
        }
        say(text, format_args!("\nIncidents: {incidents}, closed {closed}, left open {}", self.open.len()));
        lines(text, self.open.iter().map(|open| ("not closed".to_owned(), open.line)));
        let open = offered - taken_over;
        say(
            text,
            format_args!(
                "  handed over: {offered} offered, {taken_over} TAKEN_OVER ({confirmed} CONFIRMED), {open} open"
            ),
        );
        say(text, format_args!("  together: {support} with units on loan, {joint} joint"));
    }

    fn durations(&self, text: &mut String) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["", "count", "median", "p90", "max"]);
        for Spread { name, count, median_ms, p90_ms, max_ms } in &self.times {
            table.add_row([(*name).to_owned(), count.to_string(), span(*median_ms), span(*p90_ms), span(*max_ms)]);
        }
        say(text, format_args!("\nTimes, by the recorded clock:\n{}", table.trim_fmt()));
    }

    fn answers(&self, text: &mut String) {
        let Commands { recorded, repeated, known, refused } = &self.commands;
        say(text, format_args!("\nCommands: {recorded} recorded, {refused} refused"));
        if *repeated > 0 {
            say(text, format_args!("  recorded by an earlier start of this run: {repeated}"));
        }
        if *known > 0 {
            say(text, format_args!("  delivered or seen, which a later act had told already: {known}"));
        }
        for Refusals { what, reason, count, lines } in &self.refusals {
            say(text, format_args!("  {what}: {reason} {count} × (lines {})", join(lines)));
        }
        for order in &self.refused_orders {
            say(text, format_args!("  directory: {order}"));
        }
    }

    fn checked(&self, text: &mut String) {
        if let Some(log) = &self.log {
            let LogCounts { events, alerted, late_entries, .. } = log;
            let late = format_args!("{late_entries} entered more than 5 min after their time");
            say(text, format_args!("\nLog: {events} events of these incidents, {alerted} alerts, {late}"));
            let all = log.unit_flags.iter().map(|(name, count)| (format!("unit times flagged {name}"), count));
            for (name, count) in all.chain(log.escalated.iter().map(|(name, count)| (format!("overdue {name}"), count)))
            {
                say(text, format_args!("  {name}: {count}"));
            }
        }
        match &self.invariants {
            Some(Invariants { text: checked, findings, .. }) => {
                say(text, format_args!("\nInvariants over the whole log:\n{checked}"));
                findings.iter().for_each(|finding| say(text, format_args!("  {finding}")));
            }
            None => say(text, format_args!("\nInvariants: not checked here; run `handoff db check` where the log is")),
        }
    }
}

fn say(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{line}");
}

fn join(lines: &[u64]) -> String {
    lines.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// One line for each reason, with the first lines of the table it is about.
fn lines(text: &mut String, all: impl Iterator<Item = (String, u64)>) {
    let mut by_reason: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (why, line) in all {
        by_reason.entry(why).or_default().push(line);
    }
    for (why, at) in by_reason {
        let more = if at.len() > LINES_SHOWN_MAX { ", …" } else { "" };
        let noun = if at.len() == 1 { "line" } else { "lines" };
        let shown = join(&at[..at.len().min(LINES_SHOWN_MAX)]);
        say(text, format_args!("  {why}: {} ({noun} {shown}{more})", at.len()));
    }
}

/// `1:02:03` or `2:03`, with tenths under a minute.
fn span(ms: i64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        ..60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}
