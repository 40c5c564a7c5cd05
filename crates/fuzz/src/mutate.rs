//! One input made from another.

use crate::random::Random;
use std::ops::Range;

/// Most changes made to one input at once.
const CHANGES_MAX: usize = 5;
/// Longest piece moved, doubled or taken out at once, in bytes; now and then a longer one is.
const PIECE_BYTES: usize = 32;
/// Most copies of a piece put in a row: what is nested or repeated shows only when it is much.
const COPIES_MAX: usize = 200;

/// Whole numbers at which readers go wrong: ends of types, signs, one more and one less.
const NUMBERS: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x001f_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// The same for numbers written in digits.
const WRITTEN: [&str; 14] = [
    "0",
    "-0",
    "-1",
    "01",
    "1.0",
    "1e400",
    "-1e400",
    "1e-400",
    "255",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "18446744073709551616",
    "99999999999999999999999999999999999999",
];

/// Pieces that every reader of text and of bytes meets sooner or later.
const PIECES: [&[u8]; 24] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"null",
    b"true",
    // Overlong, a surrogate, cut off, turned around, no character, a letter and an accent that are one letter too.
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x9a",
    b"\xe2\x80\xae",
    b"\xef\xbf\xbf",
    b"e\xcc\x81",
    b"\xef\xbb\xbf",
];

/// What inputs are made of.
pub(crate) struct Material<'a> {
    /// Inputs worth changing.
    pub(crate) pool: &'a [Vec<u8>],
    /// Words of the format.
    pub(crate) tokens: &'a [Vec<u8>],
    /// Longest input made.
    pub(crate) bytes_max: usize,
}

impl Material<'_> {
    /// A changed copy of one of the pool.
    pub(crate) fn next(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = random.pick(self.pool).cloned().unwrap_or_default();
        for _ in 0..=random.below(CHANGES_MAX) {
            self.change(&mut bytes, random);
        }
        bytes.truncate(self.bytes_max);
        bytes
    }

    fn change(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        match random.below(18) {
            0 => flip(bytes, random),
            1 => {
                let at = random.below(bytes.len());
                let byte = random.byte();
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            2 => bytes.truncate(random.below(bytes.len() + 1)),
            3 => drop(bytes.drain(piece(bytes.len(), random))),
            4 => {
                let copy = bytes[piece(bytes.len(), random)].to_vec();
                insert(bytes, &copy, random);
            }
            5 => self.repeat(bytes, random),
            6 | 7 => self.put_token(bytes, random),
            8 => put_number(bytes, random),
            9 => put_varint(bytes, random),
            10 => put_written(bytes, random),
            11 | 12 => self.cross(bytes, random),
            13..=16 => self.cross_words(bytes, random),
            _ => {
                let from = piece(bytes.len(), random);
                let moved: Vec<u8> = bytes.drain(from).collect();
                insert(bytes, &moved, random);
            }
        }
    }

    /// A piece many times in a row.
    fn repeat(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let one = match random.pick(self.tokens).filter(|_| random.below(2) == 0) {
            Some(token) => token.clone(),
            None => bytes[piece(bytes.len(), random)].to_vec(),
        };
        let room = self.bytes_max.saturating_sub(bytes.len()) / one.len().max(1);
        let many = one.repeat(random.below(COPIES_MAX).min(room));
        insert(bytes, &many, random);
    }

    /// A word of the format, or one that every format meets, put in or over what is there.
    fn put_token(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let token: &[u8] = match random.pick(self.tokens).filter(|_| random.below(3) > 0) {
            Some(token) => token,
            None => random.pick(&PIECES).copied().unwrap_or_default(),
        };
        if random.below(2) == 0 {
            insert(bytes, token, random);
        } else {
            let at = random.below(bytes.len() + 1);
            let end = (at + token.len()).min(bytes.len());
            bytes.splice(at..end, token.iter().copied());
        }
    }

    /// A piece of another input, in the place of one of this.
    fn cross(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let Some(other) = random.pick(self.pool) else { return };
        let taken = other[piece(other.len(), random)].to_vec();
        let over = piece(bytes.len(), random);
        bytes.splice(over, taken);
    }

    /// A word of another input, or a token, in the place of one of this: what was well formed mostly stays so.
    fn cross_words(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let is_short = random.below(2) == 0;
        let Some(other) = random.pick(self.pool) else { return };
        let taken = match random.pick(self.tokens).filter(|_| random.below(8) == 0) {
            Some(token) => token.clone(),
            None => other[word(other, is_short, random)].to_vec(),
        };
        let over = word(bytes, is_short, random);
        bytes.splice(over, taken);
    }
}

/// The word around a random place: letters and digits, or everything up to the marks of a format.
fn word(bytes: &[u8], is_short: bool, random: &mut Random) -> Range<usize> {
    let is_part = |byte: &u8| {
        if is_short { byte.is_ascii_alphanumeric() || *byte >= 0x80 } else { !b"\",{}[]()\n\r=;".contains(byte) }
    };
    let at = random.below(bytes.len());
    let start = bytes[..at].iter().rposition(|byte| !is_part(byte)).map_or(0, |mark| mark + 1);
    let end = bytes[at..].iter().position(|byte| !is_part(byte)).map_or(bytes.len(), |mark| at + mark);
    start..end.max(start)
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = random.below(bytes.len());
    let bit = random.below(8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

/// A piece of something `length` long.
fn piece(length: usize, random: &mut Random) -> Range<usize> {
    let start = random.below(length + 1);
    let room = length - start;
    let longest = if random.below(4) == 0 { room } else { room.min(PIECE_BYTES) };
    start..start + random.below(longest + 1)
}

fn insert(bytes: &mut Vec<u8>, piece: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    bytes.splice(at..at, piece.iter().copied());
}

/// A number in 1, 2, 4 or 8 bytes, over what is there.
fn put_number(bytes: &mut Vec<u8>, random: &mut Random) {
    let number = random.pick(&NUMBERS).copied().unwrap_or_default();
    let width = 1 << random.below(4);
    let mut written = number.to_le_bytes()[..width].to_vec();
    if random.below(2) == 0 {
        written.reverse();
    }
    let at = random.below(bytes.len() + 1);
    let end = (at + width).min(bytes.len());
    bytes.splice(at..end, written);
}

/// A number as protobuf writes it, put in or over one byte; sometimes one that never ends.
fn put_varint(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut number = random.pick(&NUMBERS).copied().unwrap_or_default();
    let mut written = Vec::new();
    while number >= 0x80 {
        written.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    written.push(number.to_le_bytes()[0]);
    if random.below(8) == 0 {
        written = vec![0xff; 11];
    }
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(2)).min(bytes.len());
    bytes.splice(at..end, written);
}

/// Another number where one is written in digits; where none is, it is put in.
fn put_written(bytes: &mut Vec<u8>, random: &mut Random) {
    let from = random.below(bytes.len() + 1);
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let start = (from..bytes.len()).find(|at| digit(*at)).unwrap_or(from);
    let end = (start..bytes.len()).find(|at| !digit(*at)).unwrap_or(bytes.len());
    let written = random.pick(&WRITTEN).copied().unwrap_or_default();
    bytes.splice(start..end, written.bytes());
}
