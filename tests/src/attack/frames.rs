//! Scripts that send frames which cost the sender next to nothing.

use super::line::{Answer, Line, Manners};
use super::wire::{self, call_block, flag, frame, headers, kind, setting};
use crate::app::{LIMIT, TestApp};
use anyhow::Context;

/// A method with one message.
const METHOD: &str = "IncidentService/Note";
/// Frames of one burst: nearly as many as the service takes in a second, so that a slow machine is no excuse.
const BURST_FRAMES: usize = 9_000;
/// Frames of a flood at most.
pub const FLOOD_FRAMES_MAX: usize = 900_000;

/// What a flood is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// SETTINGS, each to be acknowledged.
    Settings,
    /// PING, each to be answered.
    Pings,
    /// PRIORITY of streams that do not exist.
    Priorities,
    /// WINDOW_UPDATE of the connection, by nothing worth speaking of.
    WindowUpdates,
    /// A type of frame nobody knows, which has to be ignored.
    Unknown,
}

impl Flood {
    fn frame(self) -> Vec<u8> {
        match self {
            Self::Settings => wire::settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)]),
            Self::Pings => wire::ping(0),
            Self::Priorities => frame(kind::PRIORITY, flag::NONE, 1_001, &[0, 0, 0, 0, 1]),
            Self::WindowUpdates => wire::window_update(0, 1),
            Self::Unknown => frame(0xfa, flag::NONE, 0, &[]),
        }
    }
}

/// A flood of one kind of frame that the attacker reads the answers to, in step with the service.
///
/// # Errors
/// The connection is not made, or answers nothing any more.
pub async fn flood(app: &TestApp, of: Flood) -> anyhow::Result<Answer> {
    let mut line = Line::open(app).await?;
    let burst = of.frame().repeat(BURST_FRAMES);
    for _ in 0..FLOOD_FRAMES_MAX / BURST_FRAMES {
        if !line.in_step(&burst, BURST_FRAMES as u64).await? {
            break;
        }
    }
    line.answer().await
}

/// A flood that the attacker reads no answer to: as much of it as the service takes in. Whether the service closed before
/// all of it was sent.
///
/// # Errors
/// The connection is not made, or is neither closed nor read within [`LIMIT`].
pub async fn deaf_flood(app: &TestApp, of: Flood) -> anyhow::Result<bool> {
    let mut line = Line::open_with(app, None, Manners::Deaf, &[]).await?;
    let burst = of.frame().repeat(BURST_FRAMES);
    let flood = async {
        for _ in 0..FLOOD_FRAMES_MAX / BURST_FRAMES {
            if !line.send(&burst, BURST_FRAMES as u64).await {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(LIMIT, flood).await.context("it neither reads nor closes")
}

/// Frames of one burst of DATA: few enough that none waits to be taken in, since the transport itself goes against many
/// that wait.
const DATA_BURST_FRAMES: usize = 900;
/// Frames of DATA of one call.
const CALL_FRAMES: usize = 45_000;
/// Calls of the script at most.
const CALLS: usize = 4;
/// Frames of DATA of the script at most.
pub const DATA_FRAMES_MAX: usize = CALLS * CALL_FRAMES;

/// DATA of one byte, or of none, as one message of the longest kind and the next.
///
/// # Errors
/// As [`flood`].
pub async fn tiny_data(app: &TestApp, token: &str, bytes: &[u8]) -> anyhow::Result<Answer> {
    let (mut line, block) = (Line::open(app).await?, call_block(METHOD, Some(token)));
    'calls: for _ in 0..CALLS {
        let stream = line.stream();
        // The head of a gRPC message: not compressed, a little below the limit of 64 KiB.
        let begins = frame(kind::DATA, flag::NONE, stream, &[0, 0, 0, 0xff, 0]);
        if !line.in_step(&[headers(stream, &block, false), begins].concat(), 2).await? {
            break;
        }
        let burst = frame(kind::DATA, flag::NONE, stream, bytes).repeat(DATA_BURST_FRAMES);
        for _ in 0..CALL_FRAMES / DATA_BURST_FRAMES {
            if !line.in_step(&burst, DATA_BURST_FRAMES as u64).await? {
                break 'calls;
            }
        }
    }
    line.answer().await
}
