//! Canonical JSON of the profile (evidence, 3): the one writer and the one strict reader of event bytes.
//!
//! The writer yields RFC 8785 (JCS). The reader takes **only** what the writer yields: any other spelling of the
//! same value is refused, never normalised, because two spellings would be two digests of one fact.

mod read;
mod write;

pub use read::{ReadError, read};
pub use write::{WriteError, check_intake, write};

use unicode_normalization::UnicodeNormalization;

/// Longest document, in bytes.
pub const BYTES_MAX: usize = 16_384;

/// Most lists and maps around one value; the outermost counts as 1.
pub const DEPTH_MAX: usize = 8;

/// What is wrong with a document or a text. Names are stable: witness and verifier report them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// More than [`BYTES_MAX`].
    #[error("more than 16384 bytes")]
    TooLong,
    /// Deeper than [`DEPTH_MAX`].
    #[error("more than 8 lists and maps inside each other")]
    TooDeep,
    /// Not UTF-8: also encoded surrogates and overlong forms.
    #[error("not UTF-8")]
    NotUtf8,
    /// The document ends before its value does.
    #[error("the document ends too early")]
    Truncated,
    /// Bytes after the value.
    #[error("more bytes after the value")]
    Trailing,
    /// White space between tokens.
    #[error("white space outside a text")]
    Whitespace,
    /// A byte no token begins with here.
    #[error("no value, or the wrong mark")]
    Unexpected,
    /// `null`: what does not apply is left out.
    #[error("null")]
    Null,
    /// A fraction or an exponent, even one that means a whole number.
    #[error("a fraction or an exponent")]
    Fraction,
    /// A minus sign, `-0` included.
    #[error("a negative number")]
    Negative,
    /// A number that begins with a needless zero.
    #[error("a leading zero")]
    LeadingZero,
    /// A whole number above 2^53 − 1.
    #[error("a number above 9007199254740991")]
    TooLarge,
    /// A key other than `[a-z][a-z0-9_]*`.
    #[error("a key other than lower-case letters, digits and underscores")]
    KeyForm,
    /// The same key twice in one map.
    #[error("a key given twice")]
    DuplicateKey,
    /// Keys out of order.
    #[error("keys out of order")]
    KeyOrder,
    /// A control character (Unicode class Cc) other than U+000A, or U+000A not written `\n`.
    #[error("a control character")]
    Control,
    /// A character that changes the direction of text around it, so that a reader sees other words than were signed.
    #[error("a control character of writing direction")]
    Bidi,
    /// A code point that is never a character: I-JSON, on which RFC 8785 rests, excludes it.
    #[error("a code point that is no character")]
    Noncharacter,
    /// An escape where the canonical form has none, or another one.
    #[error("an escape other than the canonical one")]
    Escape,
    /// Not in Unicode normal form C; asked at intake only.
    #[error("text not in normal form C")]
    NotNfc,
}

/// Whether a text may enter an event or a sealed field: the profile's characters, and normal form C.
///
/// Normal form C is asked of new text only. The form of characters unassigned today may change, so a reader of old
/// bytes must not depend on it (evidence, 14, 5).
///
/// # Errors
/// The first [`Fault`] of the text: `Control`, `Bidi`, `Noncharacter` or `NotNfc`.
pub fn check_text(text: &str) -> Result<(), Fault> {
    check_characters(text)?;
    if text.is_ascii() || text.nfc().eq(text.chars()) { Ok(()) } else { Err(Fault::NotNfc) }
}

fn check_characters(text: &str) -> Result<(), Fault> {
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Ok(());
    }
    text.chars().try_for_each(check_character)
}

fn check_character(c: char) -> Result<(), Fault> {
    match c {
        '\n' => Ok(()),
        _ if c.is_control() => Err(Fault::Control),
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Err(Fault::Bidi),
        '\u{fdd0}'..='\u{fdef}' => Err(Fault::Noncharacter),
        _ if u32::from(c) & 0xfffe == 0xfffe => Err(Fault::Noncharacter),
        _ => Ok(()),
    }
}

/// Whether a key is `[a-z][a-z0-9_]*`. Over these letters order by bytes is RFC 8785's order by UTF-16 units.
pub(crate) fn is_key(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'_')
}

#[cfg(test)]
mod tests;
