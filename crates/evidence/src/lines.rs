//! The line-by-line text forms of checkpoint and proofs (evidence, 4): one spelling of every value.
//!
//! Hexadecimal is lower case; base64 is the standard alphabet with its padding and without left-over bits; whole
//! numbers have no sign and no needless zero. Every line ends with one LF, the last one too, and nothing follows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest number in such a text: 2^63 − 1, the limit of Sigsum.
pub const NUMBER_MAX: u64 = i64::MAX as u64;

/// Why a text cannot be read. Says where, and nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// A text that is read line by line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Begins at the first line.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, LineError> {
        match str::from_utf8(bytes) {
            Ok(rest) => Ok(Self { rest, line: 0 }),
            Err(error) => {
                let before = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
                Err(LineError { line: before.saturating_add(1), expected: "UTF-8" })
            }
        }
    }

    /// The next line's value: what `read` makes of the text behind `prefix`.
    pub(crate) fn value<T>(
        &mut self,
        prefix: &str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, LineError> {
        self.line = self.line.saturating_add(1);
        let found = self.rest.split_once('\n').and_then(|(line, rest)| {
            self.rest = rest;
            read(line.strip_prefix(prefix)?)
        });
        found.ok_or(LineError { line: self.line, expected })
    }

    /// The next line is `line`, letter for letter.
    pub(crate) fn exactly(&mut self, line: &str, expected: &'static str) -> Result<(), LineError> {
        self.value(line, expected, |rest| rest.is_empty().then_some(()))
    }

    /// The values of all lines from here on that begin with `prefix`, at most `max` of them.
    pub(crate) fn values<T>(
        &mut self,
        prefix: &str,
        max: usize,
        expected: &'static str,
        mut read: impl FnMut(&'a str) -> Option<T>,
    ) -> Result<Vec<T>, LineError> {
        let mut found = Vec::new();
        while self.rest.starts_with(prefix) && !self.rest.is_empty() {
            if found.len() == max {
                return Err(LineError { line: self.line.saturating_add(1), expected: "fewer lines of this kind" });
            }
            found.push(self.value(prefix, expected, &mut read)?);
        }
        Ok(found)
    }

    /// Whether the next line is empty.
    pub(crate) fn at_empty_line(&self) -> bool {
        self.rest.starts_with('\n')
    }

    /// The line just read is not what it should be, seen together with others.
    pub(crate) fn fault(&self, expected: &'static str) -> LineError {
        LineError { line: self.line, expected }
    }

    /// Nothing follows.
    pub(crate) fn end(&self) -> Result<(), LineError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(LineError { line: self.line.saturating_add(1), expected: "the end" })
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

/// `N` bytes from exactly `2 N` lower-case digits.
#[must_use]
pub fn hex_read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Base64 with padding.
pub(crate) fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `N` bytes from their one base64 text.
pub(crate) fn b64_read<const N: usize>(text: &str) -> Option<[u8; N]> {
    // A longer text is not even decoded.
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    let bytes: [u8; N] = STANDARD.decode(text).ok()?.try_into().ok()?;
    Some(bytes)
}

/// A whole number up to [`NUMBER_MAX`].
pub(crate) fn number_read(text: &str) -> Option<u64> {
    let is_one_spelling = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number: u64 = is_one_spelling.then(|| text.parse().ok())??;
    (number <= NUMBER_MAX).then_some(number)
}

#[cfg(test)]
mod tests;
