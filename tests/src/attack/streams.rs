//! Scripts that open, reset and overfill streams. Each sends far more than the service's limit allows and stops as soon
//! as it is told to go away.

use super::line::{Answer, Line};
use super::wire::{self, call_block, code, flag, frame, headers, kind, reset, setting, window_update};
use crate::app::TestApp;

/// A method of one small message, which anybody may name.
const METHOD: &str = "FeedService/GetPosition";
/// Bursts of a script at most.
const BURSTS_MAX: usize = 200;
/// Streams of one burst: its frames fit into one record of TLS, so that the service has them all at once.
const BURST_STREAMS: usize = 50;
/// Streams of one burst where more is sent of each.
const SMALL_BURST_STREAMS: usize = 20;
/// Largest window there may be (RFC 9113, 6.9.1).
const WINDOW_MAX: u32 = 0x7fff_ffff;
/// Streams that a script makes the service reset: above its limit of 256 and below what the limit may be set to.
pub const RESETS_MAX: usize = 600;

/// Rapid reset: opens streams and resets each at once, 50 in one go.
///
/// # Errors
/// The connection is not made, or answers nothing any more.
pub async fn rapid_reset(app: &TestApp) -> anyhow::Result<Answer> {
    let (mut line, block) = (Line::open(app).await?, call_block(METHOD, None));
    for _ in 0..BURSTS_MAX {
        let mut burst = Vec::new();
        for _ in 0..BURST_STREAMS {
            let stream = line.stream();
            burst.extend([headers(stream, &block, false), reset(stream, code::CANCEL)].concat());
        }
        if !line.in_step(&burst, 2 * BURST_STREAMS as u64).await? {
            break;
        }
    }
    line.answer().await
}

/// MadeYouReset: lets the service itself reset each stream, by a window that grows too large.
///
/// # Errors
/// As [`rapid_reset`].
pub async fn made_you_reset(app: &TestApp) -> anyhow::Result<Answer> {
    let (mut line, block) = (Line::open(app).await?, call_block(METHOD, None));
    for _ in 0..RESETS_MAX / SMALL_BURST_STREAMS {
        let mut burst = Vec::new();
        for _ in 0..SMALL_BURST_STREAMS {
            let stream = line.stream();
            burst.extend([headers(stream, &block, false), window_update(stream, WINDOW_MAX)].concat());
        }
        if !line.in_step(&burst, 2 * SMALL_BURST_STREAMS as u64).await? {
            break;
        }
    }
    line.answer().await
}

/// Refused-stream flood: keeps every stream open and opens more than there may be.
///
/// # Errors
/// As [`rapid_reset`].
pub async fn refused_streams(app: &TestApp) -> anyhow::Result<Answer> {
    let (mut line, block) = (Line::open(app).await?, call_block(METHOD, None));
    for _ in 0..RESETS_MAX / SMALL_BURST_STREAMS {
        let burst: Vec<u8> = (0..SMALL_BURST_STREAMS).flat_map(|_| headers(line.stream(), &block, false)).collect();
        if !line.in_step(&burst, SMALL_BURST_STREAMS as u64).await? {
            break;
        }
    }
    line.answer().await
}

/// What the frames of a header block that never ends hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Nothing.
    Empty,
    /// One field after the other.
    Fields,
    /// One value, as long as all of them.
    OneValue,
}

/// Frames of a header block that never ends, at most; each holds as many bytes as a frame may. Were all of it kept, it
/// would be half a gigabyte.
pub const CONTINUATIONS_MAX: usize = 32_768;

/// CONTINUATION flood: a header block that never ends. Nothing else may come between its frames, not even a PING; so they
/// are sent until the connection ends.
///
/// # Errors
/// The connection is not made.
pub async fn continuations(app: &TestApp, holds: Block) -> anyhow::Result<Answer> {
    let mut line = Line::open(app).await?;
    // Before it the service's own SETTINGS have to be here: it is known to be at the first request then.
    line.in_step(&[], 0).await?;
    let stream = line.stream();
    let field = wire::literal("x", &[b'x'; 64]);
    let fill = match holds {
        Block::Empty => Vec::new(),
        Block::Fields => field.repeat(wire::PAYLOAD_BYTES_MAX / field.len()),
        Block::OneValue => vec![b'x'; wire::PAYLOAD_BYTES_MAX],
    };
    let mut first = call_block(METHOD, None);
    if holds == Block::OneValue {
        // A literal whose value is said to be longer than everything that follows.
        first.extend([vec![0x00], wire::string(b"x"), wire::integer(fill.len() * CONTINUATIONS_MAX)].concat());
    }
    let mut going = line.send(&frame(kind::HEADERS, flag::NONE, stream, &first), 1).await;
    let next = frame(kind::CONTINUATION, flag::NONE, stream, &fill);
    for _ in 0..CONTINUATIONS_MAX {
        if !going || line.seen().is_over() {
            break;
        }
        going = line.send(&next, 1).await;
    }
    line.until(super::line::Seen::is_over).await?;
    line.answer().await
}

/// Bytes of the entry a header bomb refers to.
const ENTRY_BYTES: usize = 4_000;
/// How often one request refers to it: 4 KiB that stand for 16 MiB.
const ENTRY_TIMES: usize = 4_096;

/// Header bomb: one long field in the table, then requests that refer to it some thousand times, a byte each.
///
/// # Errors
/// As [`rapid_reset`].
pub async fn header_bombs(app: &TestApp, requests: usize) -> anyhow::Result<Answer> {
    let mut line =
        Line::open_with(app, None, super::line::Manners::Answers, &[(setting::HEADER_TABLE_SIZE, 4_096)]).await?;
    let entry = wire::kept("x", &[b'x'; ENTRY_BYTES]);
    let first = [call_block(METHOD, None), entry].concat();
    let bomb = [call_block(METHOD, None), vec![wire::NEWEST; ENTRY_TIMES]].concat();
    let stream = line.stream();
    let mut going = line.in_step(&headers(stream, &first, true), 1).await?;
    for _ in 0..requests {
        if !going {
            break;
        }
        let stream = line.stream();
        going = line.in_step(&headers(stream, &bomb, true), 1).await?;
    }
    line.answer().await
}
