//! How figures are printed: floor, figure, ratio, target, met or missed.

use std::time::Duration;

/// Prints lines and counts what was missed.
#[derive(Default)]
pub(crate) struct Report {
    missed: usize,
    faults: usize,
}

impl Report {
    /// A heading.
    #[expect(clippy::print_stdout, reason = "a program that prints figures")]
    pub(crate) fn section(&self, title: &str) {
        println!("\n## {title}");
    }

    /// A figure.
    #[expect(clippy::print_stdout, reason = "a program that prints figures")]
    pub(crate) fn figure(&self, name: &str, value: &str) {
        println!("{name:<58} {value}");
    }

    /// A target, with what decides it.
    #[expect(clippy::print_stdout, reason = "a program that prints figures")]
    pub(crate) fn target(&mut self, name: &str, value: &str, target: &str, met: bool) {
        let verdict = if met { "met" } else { "MISSED" };
        self.missed += usize::from(!met);
        println!("{name:<58} {value:<16} target {target:<18} {verdict}");
    }

    /// A stretch target: printed, not counted.
    #[expect(clippy::print_stdout, reason = "a program that prints figures")]
    pub(crate) fn stretch(&self, name: &str, value: &str, target: &str, met: bool) {
        let verdict = if met { "met" } else { "not met" };
        println!("{name:<58} {value:<16} stretch {target:<17} {verdict}");
    }

    /// Something that makes the figures untrue.
    #[expect(clippy::print_stdout, reason = "a program that prints figures")]
    pub(crate) fn fault(&mut self, what: &str) {
        self.faults += 1;
        println!("FAULT: {what}");
    }

    /// Counts, at the end.
    pub(crate) fn end(&self) -> (usize, usize) {
        (self.missed, self.faults)
    }
}

/// Milliseconds with two places.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}
