//! The report of a run: for people as tables, for programs as one JSON value.

use super::call::{Flagged, Reading, RefusedRow};
use super::log::LogCounts;
use super::plan::{Course, Plan, Resolutions};
use super::tally::{Commands, Courses, Open, Refusals, Spread, Tally};
use comfy_table::Table;
use comfy_table::presets;
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
    /// The checker's own report.
    pub report: String,
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
    pub fn new(
        data: &str,
        run: &str,
        simulated: bool,
        reading: Reading,
        plan: &Plan,
        tally: &Tally,
        left: Left,
    ) -> Self {
        let mut planned = BTreeMap::new();
        for case in &plan.cases {
            *planned.entry(case.course).or_default() += 1;
        }
        let mut refused_rows = reading.refused;
        refused_rows.extend(plan.refused.iter().cloned());
        refused_rows.sort_by_key(|row| row.line);
        Self {
            data: data.to_owned(),
            run: run.to_owned(),
            simulated,
            rows: reading.rows,
            calls: reading.calls.len(),
            refused_rows,
            flagged: reading.flagged,
            resolutions: plan.resolutions,
            planned,
            courses: tally.courses(),
            open: tally.open(plan),
            times: tally.spreads(),
            refused_orders: left.refused_orders,
            commands: tally.commands(),
            refusals: tally.refusals(),
            log: left.log,
            invariants: left.invariants,
            throughput: left.throughput,
        }
    }

    /// Whether every incident of the run went to its end and nothing is wrong in the log.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let log = self.invariants.as_ref().is_none_or(|invariants| invariants.clean);
        self.open.is_empty() && log && self.commands.refused == 0 && self.refused_orders.is_empty()
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let how = if self.simulated { "simulated on recorded time" } else { "against a running service" };
        say(&mut text, format_args!("replay of {} as run {:?}, {how}\n", self.data, self.run));
        let refused = self.refused_rows.len();
        say(&mut text, format_args!("rows {}, calls {}, rows refused {refused}", self.rows, self.calls));
        let rows = self.refused_rows.iter().map(|row| (row.why.clone(), row.line));
        lines(&mut text, rows);
        say(&mut text, format_args!("flagged and taken {}", self.flagged.len()));
        let flags = self.flagged.iter().map(|flagged| {
            let what = flagged.what.split(' ').next().unwrap_or_default();
            (format!("{} {what}", flagged.flag), flagged.line)
        });
        lines(&mut text, flags);
        self.went(&mut text);
        self.durations(&mut text);
        self.answers(&mut text);
        text
    }

    fn went(&self, text: &mut String) {
        if let Some(of) = &self.resolutions {
            let Resolutions { claimed, owner, shared, outside, untrusted, no_point } = of;
            say(text, format_args!("\ncalls that resolve to the owner: {owner}    offers: {}", self.courses.offered));
            if let Some(log) = &self.log {
                let (resolved, offers) = (log.received_on_owners_ground, log.offered);
                say(text, format_args!("  in the log, by the service's own map: {resolved}    offers: {offers}"));
            }
            say(
                text,
                format_args!(
                    "  ground: claimed {claimed}, shared {shared}, outside {outside}, untrusted {untrusted}, no point {no_point}"
                ),
            );
        }
        let Courses { incidents, closed, offered, taken_over, confirmed, support, joint } = &self.courses;
        say(text, format_args!("\nincidents {incidents}, closed {closed}, left open {}", self.open.len()));
        lines(text, self.open.iter().map(|open| ("not closed".to_owned(), open.line)));
        say(text, format_args!("handoffs: offered {offered}, TAKEN_OVER {taken_over}, of those confirmed {confirmed}"));
        say(text, format_args!("together: units on loan {support}, joint {joint}"));
    }

    fn durations(&self, text: &mut String) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["", "count", "median", "p90", "max"]);
        for Spread { name, count, median_ms, p90_ms, max_ms } in &self.times {
            table.add_row([(*name).to_owned(), count.to_string(), span(*median_ms), span(*p90_ms), span(*max_ms)]);
        }
        say(text, format_args!("\n{table}"));
    }

    fn answers(&self, text: &mut String) {
        let Commands { recorded, repeated, known, refused } = &self.commands;
        say(
            text,
            format_args!(
                "\ncommands: recorded {recorded}, repeated {repeated}, known already {known}, refused {refused}"
            ),
        );
        for Refusals { what, reason, count, lines } in &self.refusals {
            say(text, format_args!("  {what}: {reason} {count} × (lines {})", join(lines)));
        }
        for order in &self.refused_orders {
            say(text, format_args!("  directory: {order}"));
        }
        if let Some(log) = &self.log {
            let LogCounts { events, alerted, late_entries, .. } = log;
            say(text, format_args!("log: {events} events, {alerted} alerts, {late_entries} late entries"));
            let all = log.unit_flags.iter().map(|(name, count)| (format!("flag {name}"), count));
            for (name, count) in all.chain(log.escalated.iter().map(|(name, count)| (format!("overdue {name}"), count)))
            {
                say(text, format_args!("  {name}: {count}"));
            }
        }
        match &self.invariants {
            Some(invariants) => say(text, format_args!("invariants:\n{}", invariants.report)),
            None => say(text, format_args!("invariants: not checked here; run handoff db check")),
        }
        let Throughput { seconds, commands_per_second, recorded_seconds } = self.throughput;
        let days = recorded_seconds / 86_400.0;
        say(text, format_args!("{seconds:.1} s for {days:.1} recorded days, {commands_per_second:.0} commands/s"));
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
        let shown = join(&at[..at.len().min(LINES_SHOWN_MAX)]);
        say(text, format_args!("  {why}: {} (lines {shown}{more})", at.len()));
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
