//! Frames of HTTP/2 as bytes (RFC 9113, 4.1 and 6) and header blocks without compression (RFC 7541, 6.2).
//!
//! Nothing here checks what it is given: a script may ask for a frame that is not allowed.

use anyhow::{Context, ensure};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client says first (RFC 9113, 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
pub const HEAD_BYTES: usize = 9;
/// Longest payload that may be sent or is taken in, in bytes: what holds where no SETTINGS say otherwise.
pub const PAYLOAD_BYTES_MAX: usize = 16_384;

/// Types of frames (RFC 9113, 6).
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0x0;
    /// HEADERS.
    pub const HEADERS: u8 = 0x1;
    /// PRIORITY; outdated, still allowed.
    pub const PRIORITY: u8 = 0x2;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 0x3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 0x4;
    /// PING.
    pub const PING: u8 = 0x6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 0x7;
    /// WINDOW_UPDATE.
    pub const WINDOW_UPDATE: u8 = 0x8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 0x9;
}

/// Flags of frames.
pub mod flag {
    /// None.
    pub const NONE: u8 = 0;
    /// Of SETTINGS and PING: an answer.
    pub const ACK: u8 = 0x1;
    /// Of DATA and HEADERS: the last frame of its stream.
    pub const END_STREAM: u8 = 0x1;
    /// Of HEADERS and CONTINUATION: no CONTINUATION comes.
    pub const END_HEADERS: u8 = 0x4;
}

/// Error codes (RFC 9113, 7).
pub mod code {
    /// Nothing is wrong.
    pub const NO_ERROR: u32 = 0x0;
    /// The peer does not hold to the protocol.
    pub const PROTOCOL_ERROR: u32 = 0x1;
    /// A window was overrun.
    pub const FLOW_CONTROL_ERROR: u32 = 0x3;
    /// A frame came after its stream had ended.
    pub const STREAM_CLOSED: u32 = 0x5;
    /// The stream was not looked at.
    pub const REFUSED_STREAM: u32 = 0x7;
    /// Nobody waits for the stream any more.
    pub const CANCEL: u32 = 0x8;
    /// The header blocks cannot be read any more.
    pub const COMPRESSION_ERROR: u32 = 0x9;
    /// The peer does too much of something.
    pub const ENHANCE_YOUR_CALM: u32 = 0xb;
}

/// Identifiers of settings (RFC 9113, 6.5.2).
pub mod setting {
    /// SETTINGS_HEADER_TABLE_SIZE.
    pub const HEADER_TABLE_SIZE: u16 = 0x1;
    /// SETTINGS_INITIAL_WINDOW_SIZE.
    pub const INITIAL_WINDOW_SIZE: u16 = 0x4;
}

/// A frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len());
    bytes.extend([length[1], length[2], length[3], kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// SETTINGS with these values.
#[must_use]
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(name, value)| [name.to_be_bytes().as_slice(), &value.to_be_bytes()].concat())
        .collect();
    frame(kind::SETTINGS, flag::NONE, 0, &payload)
}

/// PING with a number.
#[must_use]
pub fn ping(number: u64) -> Vec<u8> {
    frame(kind::PING, flag::NONE, 0, &number.to_be_bytes())
}

/// RST_STREAM.
#[must_use]
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, flag::NONE, stream, &code.to_be_bytes())
}

/// WINDOW_UPDATE.
#[must_use]
pub fn window_update(stream: u32, more: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, flag::NONE, stream, &more.to_be_bytes())
}

/// HEADERS in one frame.
#[must_use]
pub fn headers(stream: u32, block: &[u8], ends: bool) -> Vec<u8> {
    let flags = flag::END_HEADERS | if ends { flag::END_STREAM } else { flag::NONE };
    frame(kind::HEADERS, flags, stream, block)
}

/// The header block of a call of `Service/Method`, with a token or without. Each field is a literal that is put into no
/// table, so that the block means the same on every connection and in every place.
#[must_use]
pub fn call_block(method: &str, token: Option<&str>) -> Vec<u8> {
    let path = format!("/handoff.v1.{method}");
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut fields = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path.as_str()),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    fields.extend(authorization.as_deref().map(|value| ("authorization", value)));
    fields.into_iter().flat_map(|(name, value)| literal(name, value.as_bytes())).collect()
}

/// A field that is put into no table (RFC 7541, 6.2.2).
#[must_use]
pub fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    [vec![0x00], string(name.as_bytes()), string(value)].concat()
}

/// A field that is put into the table as its newest entry (RFC 7541, 6.2.1).
#[must_use]
pub fn kept(name: &str, value: &[u8]) -> Vec<u8> {
    [vec![0x40], string(name.as_bytes()), string(value)].concat()
}

/// The newest entry of the table once more, in one byte (RFC 7541, 6.1; 61 entries are fixed).
pub const NEWEST: u8 = 0x80 | 62;

/// A string without Huffman coding (RFC 7541, 5.2).
#[must_use]
pub fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = integer(bytes.len());
    out.extend(bytes);
    out
}

/// A string's length: an integer after one bit (RFC 7541, 5.1).
#[must_use]
pub fn integer(value: usize) -> Vec<u8> {
    const PREFIX_MAX: usize = 0x7f;
    let Some(mut rest) = value.checked_sub(PREFIX_MAX) else { return vec![u8::try_from(value).unwrap_or(0)] };
    let mut out = vec![0x7f];
    while rest >= 0x80 {
        out.push(0x80 | u8::try_from(rest & 0x7f).unwrap_or(0));
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
    out
}

/// A frame that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Received {
    /// Reads the next frame.
    ///
    /// # Errors
    /// The connection has ended, or the frame is longer than it may be.
    pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        from.read_exact(&mut head).await?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        ensure!(length <= PAYLOAD_BYTES_MAX, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        from.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Ok(Self { kind: head[3], flags: head[4], stream, payload })
    }

    /// The 32 bits at a place of the payload.
    ///
    /// # Errors
    /// It is shorter.
    pub fn word(&self, at: usize) -> anyhow::Result<u32> {
        let bytes = self.payload.get(at..at + 4).context("the frame is too short")?;
        Ok(u32::from_be_bytes(bytes.try_into()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_head_and_its_payload() {
        assert_eq!(reset(5, code::CANCEL), [0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8]);
        assert_eq!(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]), [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    }

    /// The examples of RFC 7541, C.1 and C.2, with a prefix of seven bits.
    #[test]
    fn integers_and_literals_are_those_of_the_rfc() {
        assert_eq!(integer(10), [10]);
        assert_eq!(integer(127), [0x7f, 0]);
        assert_eq!(integer(1_337 + 96), [0x7f, 0b1001_1010, 10], "1306 above the prefix");
        let expected = [b"\x40\x0acustom-key".as_slice(), b"\x0dcustom-header"].concat();
        assert_eq!(kept("custom-key", b"custom-header"), expected);
        assert_eq!(literal("password", b"secret"), b"\x00\x08password\x06secret");
    }

    #[tokio::test]
    async fn what_is_written_is_read_again() {
        let bytes = [ping(7), frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11, b'x'])].concat();
        let mut from = bytes.as_slice();
        let first = Received::read(&mut from).await.unwrap();
        assert_eq!(
            (first.kind, first.stream, first.payload.as_slice()),
            (kind::PING, 0, 7_u64.to_be_bytes().as_slice())
        );
        let second = Received::read(&mut from).await.unwrap();
        assert_eq!((second.kind, second.word(4).unwrap()), (kind::GOAWAY, code::ENHANCE_YOUR_CALM));
        assert!(Received::read(&mut from).await.is_err(), "nothing more comes");
    }
}
