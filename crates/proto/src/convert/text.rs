//! What a text may hold: the profile of the log, checked where the text comes in.

use super::codes;
use unicode_normalization::UnicodeNormalization;

/// Longest note, narrative, result and the like, in bytes: 4,000 Han characters. Beyond it: `TOO_LONG`.
pub const TEXT_BYTES_MAX: usize = 12_000;
/// Longest address, description or name of whom was phoned, in bytes. Beyond it: `TOO_LONG`.
pub const LINE_BYTES_MAX: usize = 1_200;
/// Longest call-back number, in bytes. Beyond it: `TOO_LONG`.
pub const PHONE_BYTES_MAX: usize = 120;

/// The first thing wrong with the characters of a text; line breaks only where they make sense.
pub(super) fn fault(text: &str, breaks: bool) -> Option<&'static str> {
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return None;
    }
    let of = |c: char| match c {
        '\n' if breaks => None,
        _ if c.is_control() => Some(codes::CONTROL_CHARACTER),
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(codes::BIDI_CONTROL)
        }
        '\u{fdd0}'..='\u{fdef}' => Some(codes::CONTROL_CHARACTER),
        _ if u32::from(c) & 0xfffe == 0xfffe => Some(codes::CONTROL_CHARACTER),
        _ => None,
    };
    let found = text.chars().find_map(of);
    found.or_else(|| (!text.is_ascii() && !text.nfc().eq(text.chars())).then_some(codes::NOT_NFC))
}
