//! Whether what a load was answered is what the database holds afterwards, and what the load cost.

use crate::child::Usage;
use crate::load::Outcome;
use crate::report::Report;
use std::collections::BTreeMap;

/// What a database holds after a measurement, read once the service has closed it.
#[derive(Debug)]
pub(crate) struct Held {
    /// Events.
    pub(crate) events: u64,
    /// Commands about incidents that recorded something.
    pub(crate) commands: u64,
    /// Of these, the service's own (escalations).
    pub(crate) own: u64,
    /// Refusals kept under their request ids.
    pub(crate) refusals: u64,
    /// Last position of each command, in order.
    pub(crate) last: Vec<u64>,
}

/// What was answered is in the log, once each, and nothing else is.
pub(crate) fn compare(report: &mut Report, outcome: &Outcome, held: &Held) {
    faults(report, &outcome.errors);
    let answered = outcome.ok as u64;
    let mut positions = outcome.positions.clone();
    positions.sort_unstable();
    let own = held.own;
    if held.commands - own != answered {
        report.fault(&format!("{answered} commands answered OK, {} in the log", held.commands - own));
    }
    if own == 0 && positions != held.last {
        report.fault("positions answered are not those of the log");
    }
    if held.refusals > 0 {
        report.fault(&format!("{} refusals stored", held.refusals));
    }
    let value =
        format!("{answered} answered OK, {} in the log, {own} own, {} events", held.commands - own, held.events);
    report.figure("check: commands", &value);
    let errors: usize = outcome.errors.values().sum();
    report.figure("check: errors, reads in between", &format!("{errors}, {}", outcome.reads));
}

/// Every word of a load that was not OK.
pub(crate) fn faults(report: &mut Report, errors: &BTreeMap<String, usize>) {
    for (word, count) in errors {
        report.fault(&format!("{count} x {word}"));
    }
}

/// Processor time between two readings, for each command.
pub(crate) fn cost(report: &Report, name: &str, before: Usage, after: Usage, commands: f64) {
    let time = (after.processor.saturating_sub(before.processor)).as_secs_f64() * 1e6 / commands;
    report.figure(name, &format!("{time:.0} us"));
}
