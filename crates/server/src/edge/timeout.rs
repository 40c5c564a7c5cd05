//! How long a caller says it waits (`grpc-timeout`).
//!
//! The transport reads the header too, but passes over one it cannot read and answers a time that is over with a bare
//! CANCELLED. So it is read here, and the answer leaves a little before the caller's time is up.

use http::HeaderMap;
use std::time::Duration;

/// The header.
pub(super) const GRPC_TIMEOUT: &str = "grpc-timeout";
/// Most digits, by the gRPC protocol.
const DIGITS_MAX: usize = 8;
/// So much earlier than the caller's time is up its answer leaves: the transport's own clock runs too.
const MARGIN: Duration = Duration::from_millis(5);

/// The header is there and is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotATimeout;

/// How long the caller waits, if it says so.
///
/// # Errors
/// Not 1 to 8 digits and a unit, or said twice.
pub(super) fn read(headers: &HeaderMap) -> Result<Option<Duration>, NotATimeout> {
    let mut values = headers.get_all(GRPC_TIMEOUT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(NotATimeout);
    }
    let (unit, digits) = value.as_bytes().split_last().ok_or(NotATimeout)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NotATimeout);
    }
    let number = digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    let waits = match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return Err(NotATimeout),
    };
    Ok(Some(waits))
}

/// How long a call may take: ours, or the caller's where that is shorter.
pub(super) fn deadline(ours: Duration, callers: Option<Duration>) -> Duration {
    callers.map_or(ours, |waits| ours.min(waits.saturating_sub(MARGIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&[u8]]) -> Result<Option<Duration>, NotATimeout> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(GRPC_TIMEOUT, http::HeaderValue::from_bytes(value).unwrap());
        }
        read(&headers)
    }

    #[test]
    fn what_the_protocol_allows_is_read() {
        assert_eq!(of(&[]), Ok(None));
        for (text, ms) in [
            ("1H", 3_600_000),
            ("2M", 120_000),
            ("5S", 5_000),
            ("500m", 500),
            ("0m", 0),
            ("1000u", 1),
            ("99999999n", 99),
            ("00000001S", 1_000),
            ("99999999H", 359_999_996_400_000),
        ] {
            let read = of(&[text.as_bytes()]).unwrap().expect("it is there");
            assert_eq!(read.as_millis(), ms, "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "S",
            "5",
            "5s",
            "5 S",
            " 5S",
            "+5S",
            "-5S",
            "5.5S",
            "0x5S",
            "123456789S",
            "5SS",
            "soon",
            "٥S",
            "5\u{ff}",
        ] {
            assert_eq!(of(&[text.as_bytes()]), Err(NotATimeout), "{text:?}");
        }
        assert_eq!(of(&[b"\xffS"]), Err(NotATimeout));
        assert_eq!(of(&[b"5S", b"5S"]), Err(NotATimeout), "said twice");
    }

    #[test]
    fn the_shorter_of_both_holds() {
        let [ours, long, short, none] = [5_000, 60_000, 500, 1].map(Duration::from_millis);
        assert_eq!(deadline(ours, None), ours);
        assert_eq!(deadline(ours, Some(long)), ours, "cut");
        assert_eq!(deadline(ours, Some(short)), Duration::from_millis(495));
        assert_eq!(deadline(ours, Some(none)), Duration::ZERO);
    }
}
