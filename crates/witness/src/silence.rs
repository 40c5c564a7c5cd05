//! When nothing is heard of the log.

use handoff_domain::time::Millis;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The log has fallen silent.
    Silent,
    /// It is heard again.
    Over,
}

/// Whether the log is heard: a checkpoint came, or the service said that there is no newer one. A quiet night is no
/// silence.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    heard: Millis,
    after_ms: i64,
    silent: bool,
}

impl Silence {
    /// Heard now; silent after so long without a word.
    #[must_use]
    pub fn new(now: Millis, after_ms: i64) -> Self {
        Self { heard: now, after_ms, silent: false }
    }

    /// The log is heard.
    pub fn heard(&mut self, now: Millis) -> Option<Turn> {
        self.heard = now;
        std::mem::take(&mut self.silent).then_some(Turn::Over)
    }

    /// Time passes. Tells once that it is silent.
    pub fn passes(&mut self, now: Millis) -> Option<Turn> {
        let falls = !self.silent && now.since(self.heard) >= self.after_ms;
        self.silent |= falls;
        falls.then_some(Turn::Silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_its_end_once() {
        let mut silence = Silence::new(Millis(0), 60_000);
        assert_eq!(silence.passes(Millis(59_999)), None);
        assert_eq!(silence.passes(Millis(60_000)), Some(Turn::Silent));
        assert_eq!(silence.passes(Millis(90_000)), None);
        assert_eq!(silence.heard(Millis(91_000)), Some(Turn::Over));
        assert_eq!(silence.heard(Millis(92_000)), None);
        assert_eq!(silence.passes(Millis(151_999)), None);
        assert_eq!(silence.passes(Millis(152_000)), Some(Turn::Silent));
    }
}
