//! What a connection may do to the transport below the methods: begin late, send frames that carry nothing, never end.
//!
//! The transport answers most attacks with GOAWAY by itself. Three it lets pass. A preface that stops half way keeps its
//! connection, because nothing asks whether the peer lives before the preface is whole. PING, SETTINGS and their like
//! take a few bytes to send and an answer each, as many as are sent (RFC 9113, 10.5), and so does DATA by single bytes. And
//! a stream whose window stays shut outlives the connection's age, since that waits for its streams. A call that is
//! begun and given up once it is under way costs the service nearly all of a call, and the transport counts only those
//! given up before (CVE-2023-44487). So the frames' heads are read here as they come in, nothing of them is kept or
//! changed, and who goes too far is closed without a word.

use crate::metrics::CONNECTIONS_REFUSED_TOTAL;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// What an HTTP/2 client says first (RFC 9113, 3.4). Whoever says something else speaks HTTP/1.1, where the transport has
/// a limit of its own for a request's head.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head: 24 bits of length, type, flags, stream (RFC 9113, 4.1).
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const END_STREAM: u8 = 0x1;
/// DATA of so many bytes carries something, however many more come.
const DATA_BYTES_MIN: usize = 64;
/// For how long frames are counted together.
const COUNTED: Duration = Duration::from_secs(1);
/// How much longer than its age a connection may be there: a feed that began at the last moment ends within an hour.
const FEED_LIFE: Duration = Duration::from_secs(65 * 60);

/// How far a connection may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Until its preface is whole.
    pub opening: Duration,
    /// Small frames within a second.
    pub small_frames_per_s: u32,
    /// Streams reset within a second.
    pub stream_resets_per_s: u32,
    /// How long it may be there, whatever is under way on it.
    pub life: Duration,
}

impl Bounds {
    /// Those of the configuration.
    #[must_use]
    pub fn of(limits: &crate::config::Limits) -> Self {
        Self {
            opening: limits.tls_handshake(),
            small_frames_per_s: limits.small_frames_per_s,
            stream_resets_per_s: limits.stream_resets_per_s,
            life: limits.connection_age() + FEED_LIFE,
        }
    }
}

/// Where in the bytes of a connection its reader is.
#[derive(Debug)]
enum At {
    /// So many bytes of the preface have come.
    Preface(usize),
    /// So many bytes of a frame's head have come.
    Head([u8; HEAD_BYTES], usize),
    /// So many bytes of a payload are still to come.
    Payload(usize),
    /// In something that is not HTTP/2.
    Other,
}

impl At {
    /// Goes over bytes; what begins in them.
    fn take(&mut self, mut bytes: &[u8]) -> Count {
        let mut count = Count::default();
        while let Some((&byte, rest)) = bytes.split_first() {
            match self {
                Self::Preface(have) if PREFACE[*have] != byte => *self = Self::Other,
                Self::Preface(have) if *have + 1 == PREFACE.len() => *self = Self::Head([0; HEAD_BYTES], 0),
                Self::Preface(have) => *have += 1,
                Self::Head(head, have) => {
                    head[*have] = byte;
                    *have += 1;
                    if *have == HEAD_BYTES {
                        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                        count.small += u32::from(is_small(length, head[3], head[4]));
                        count.resets += u32::from(head[3] == RST_STREAM);
                        *self = if length == 0 { Self::Head([0; HEAD_BYTES], 0) } else { Self::Payload(length) };
                    }
                }
                Self::Payload(left) => {
                    let here = bytes.len().min(*left);
                    *left -= here;
                    if *left == 0 {
                        *self = Self::Head([0; HEAD_BYTES], 0);
                    }
                    bytes = &bytes[here..];
                    continue;
                }
                Self::Other => return count,
            }
            bytes = rest;
        }
        count
    }
}

/// Frames whose number is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    small: u32,
    resets: u32,
}

impl Count {
    fn is_none(self) -> bool {
        self == Self::default()
    }

    fn add(&mut self, other: Self) {
        self.small = self.small.saturating_add(other.small);
        self.resets = self.resets.saturating_add(other.resets);
    }
}

/// Whether a frame carries next to nothing: all but HEADERS, whose number the rates of calls bound, and DATA that ends
/// its stream or is worth its head.
fn is_small(length: usize, kind: u8, flags: u8) -> bool {
    match kind {
        HEADERS => false,
        DATA => length < DATA_BYTES_MIN && flags & END_STREAM == 0,
        _ => true,
    }
}

/// A connection within its bounds. To the transport it is the stream inside.
pub struct Guarded<S> {
    stream: S,
    at: At,
    /// Until the preface is whole.
    opening: Option<Pin<Box<Sleep>>>,
    life: Pin<Box<Sleep>>,
    max: Count,
    count: Count,
    /// When they are counted anew; none have come since the beginning without it.
    counted: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    /// A connection that begins now.
    pub fn new(stream: S, bounds: Bounds) -> Self {
        Self {
            stream,
            at: At::Preface(0),
            opening: Some(Box::pin(sleep(bounds.opening))),
            life: Box::pin(sleep(bounds.life)),
            max: Count { small: bounds.small_frames_per_s, resets: bounds.stream_resets_per_s },
            count: Count::default(),
            counted: None,
        }
    }

    /// Whether it was opened too slowly, or has been there for too long. Asked wherever it waits for its peer.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let opening = self.opening.as_mut().is_some_and(|limit| limit.as_mut().poll(cx).is_ready());
        opening || self.life.as_mut().poll(cx).is_ready()
    }

    /// What there is too much of within a second, with these.
    fn is_flooded(&mut self, count: Count, cx: &mut Context<'_>) -> Option<&'static str> {
        if count.is_none() {
            return None;
        }
        let counted = self.counted.get_or_insert_with(|| Box::pin(sleep(COUNTED)));
        if counted.as_mut().poll(cx).is_ready() {
            (self.counted, self.count) = (Some(Box::pin(sleep(COUNTED))), Count::default());
        }
        self.count.add(count);
        let Count { small, resets } = self.count;
        if resets > self.max.resets { Some("resets") } else { (small > self.max.small).then_some("small_frames") }
    }

    /// What waits goes on waiting, unless it is too late.
    fn or_late<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.is_late(cx) {
            tracing::debug!("a connection was opened too slowly or was there for too long");
            metrics::counter!(CONNECTIONS_REFUSED_TOTAL, "code" => "late").increment(1);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl<S: Connected> Connected for Guarded<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> S::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let count = self.at.take(&buf.filled()[before..]);
        if !matches!(self.at, At::Preface(_)) {
            self.opening = None;
        }
        if let Some(code) = self.is_flooded(count, cx) {
            tracing::debug!(code, "a connection sent too many frames");
            metrics::counter!(CONNECTIONS_REFUSED_TOTAL, "code" => code).increment(1);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.or_late(read, cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.or_late(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.or_late(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.or_late(shut, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.or_late(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const LONG: Duration = Duration::from_secs(3_600);
    const SHORT: Duration = Duration::from_millis(5);

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn guarded(opening: Duration, small_frames_per_s: u32, life: Duration) -> (DuplexStream, Guarded<DuplexStream>) {
        let (client, stream) = duplex(4_096);
        (client, Guarded::new(stream, Bounds { opening, small_frames_per_s, stream_resets_per_s: 5, life }))
    }

    #[test]
    fn small_frames_are_counted_however_the_bytes_arrive() {
        let frames = [
            (frame(0x4, 0, &[]), 1),
            (frame(0x6, 0, &[0; 8]), 1),
            (frame(HEADERS, 0x4, &[7; 40]), 0),
            (frame(DATA, 0, &[7; 1]), 1),
            (frame(DATA, END_STREAM, &[7; 1]), 0),
            (frame(DATA, 0, &[7; DATA_BYTES_MIN]), 0),
            (frame(DATA, 0, &[]), 1),
            (frame(0x3, 0, &[0; 4]), 1),
            (frame(0xfa, 0, &[]), 1),
        ];
        let bytes: Vec<u8> =
            PREFACE.iter().copied().chain(frames.iter().flat_map(|(frame, _)| frame.clone())).collect();
        let expected: u32 = frames.iter().map(|(_, small)| small).sum();
        for step in [1, 2, 7, 9, 64, bytes.len()] {
            let mut at = At::Preface(0);
            let mut count = Count::default();
            bytes.chunks(step).for_each(|chunk| count.add(at.take(chunk)));
            assert_eq!(count, Count { small: expected, resets: 1 }, "{step} bytes at once");
        }
    }

    #[test]
    fn what_is_not_http2_is_left_alone() {
        let mut at = At::Preface(0);
        assert!(at.take(b"POST /handoff.v1.FeedService/GetPosition HTTP/1.1\r\n\r\n").is_none());
        assert!(matches!(at, At::Other));
    }

    #[tokio::test]
    async fn a_preface_that_stops_half_way_is_closed_and_a_whole_one_may_be_followed_by_silence() {
        for have in [0, 1, PREFACE.len() - 1] {
            let (mut client, mut server) = guarded(SHORT, 10, LONG);
            client.write_all(&PREFACE[..have]).await.unwrap();
            let error = server.read_exact(&mut [0; 24]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{have} bytes");
        }
        let (mut client, mut server) = guarded(SHORT, 10, LONG);
        client.write_all(PREFACE).await.unwrap();
        server.read_exact(&mut [0; 24]).await.unwrap();
        assert!(tokio::time::timeout(SHORT * 10, server.read_u8()).await.is_err(), "still open");
    }

    #[tokio::test]
    async fn one_small_frame_too_many_within_a_second_closes() {
        let (mut client, mut server) = guarded(LONG, 10, LONG);
        client.write_all(&[PREFACE.as_slice(), &frame(0x6, 0, &[0; 8]).repeat(10)].concat()).await.unwrap();
        server.read_exact(&mut [0; 24 + 10 * 17]).await.unwrap();
        client.write_all(&frame(DATA, 0, &[7; 64])).await.unwrap();
        server.read_exact(&mut [0; HEAD_BYTES + 64]).await.unwrap();
        client.write_all(&frame(0x6, 0, &[0; 8])).await.unwrap();
        let error = server.read_exact(&mut [0; HEAD_BYTES + 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn one_stream_too_many_reset_within_a_second_closes() {
        let (mut client, mut server) = guarded(LONG, 100, LONG);
        let reset = frame(RST_STREAM, 0, &[0, 0, 0, 8]);
        client.write_all(&[PREFACE.as_slice(), &reset.repeat(5)].concat()).await.unwrap();
        server.read_exact(&mut [0; 24 + 5 * 13]).await.unwrap();
        client.write_all(&reset).await.unwrap();
        let error = server.read_exact(&mut [0; 13]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_connection_ends_however_it_waits() {
        let (mut client, mut server) = guarded(LONG, 10, SHORT);
        client.write_all(PREFACE).await.unwrap();
        server.read_exact(&mut [0; 24]).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let (_client, mut server) = guarded(LONG, 10, SHORT);
        let error = server.write_all(&[0; 8_192]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "nobody takes it in");
    }
}
