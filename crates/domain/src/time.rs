//! Instants as whole milliseconds. The only clock of the service is read in `engine`; here time is data.

use crate::node::{FromNode, Malformed, Node, ToNode};

/// Milliseconds since 1970-01-01T00:00:00Z. The same value stands in every table and in the event bytes
/// (design page *evidence*, 3: times are recorded in milliseconds, read once).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// One second.
pub const SECOND: i64 = 1_000;
/// One minute.
pub const MINUTE: i64 = 60 * SECOND;
/// One hour.
pub const HOUR: i64 = 60 * MINUTE;
/// One day.
pub const DAY: i64 = 24 * HOUR;

/// Last instant whose year has four digits; the text form has exactly 24 characters only up to here.
pub const MILLIS_MAX: i64 = 253_402_300_799_999;

impl Millis {
    /// This instant moved by `ms` milliseconds, kept within the range the text form can show.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms).clamp(0, MILLIS_MAX))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `YYYY-MM-DDTHH:MM:SS.mmmZ`, exactly 24 characters for every instant from 1970 to 9999.
    #[must_use]
    pub fn to_text(self) -> String {
        let ms = self.0.clamp(0, MILLIS_MAX);
        let (days, rest) = (ms.div_euclid(DAY), ms.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            rest / HOUR,
            rest / MINUTE % 60,
            rest / SECOND % 60,
            rest % 1_000
        )
    }

    /// Reads the 24-character form; every other spelling, and every date that does not exist, is `None`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        if b.len() != 24 {
            return None;
        }
        let digits = |range: std::ops::Range<usize>| -> Option<i64> {
            b.get(range)?.iter().try_fold(0_i64, |sum, c| c.is_ascii_digit().then(|| sum * 10 + i64::from(c - b'0')))
        };
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
        if marks.iter().any(|(at, mark)| b[*at] != *mark) {
            return None;
        }
        let days = days_from_civil(digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (h, m, s, ms) = (digits(11..13)?, digits(14..16)?, digits(17..19)?, digits(20..23)?);
        let instant = Self(days * DAY + h * HOUR + m * MINUTE + s * SECOND + ms);
        // The round trip refuses month 13, day 31 of a short month, hour 24 and years before 1970 in one place.
        (instant.0 >= 0 && instant.to_text() == text).then_some(instant)
    }
}

/// Proleptic Gregorian calendar, counted in 400-year eras that begin on 1 March.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl ToNode for Millis {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Text(self.to_text()))
    }
}

impl FromNode for Millis {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        let text = String::from_node(node, path)?;
        Self::from_text(&text).ok_or_else(|| Malformed::new(path, "a time YYYY-MM-DDTHH:MM:SS.mmmZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_read_and_write_the_same_text() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_435_200_000, "2026-11-23T12:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (MILLIS_MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Millis(ms).to_text(), text);
            assert_eq!(Millis::from_text(text), Some(Millis(ms)));
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_refused() {
        for text in [
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:00:00.00Z",
            "2026-01-01 00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
        ] {
            assert_eq!(Millis::from_text(text), None, "{text}");
        }
    }
}
