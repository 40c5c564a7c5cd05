//! Messages of the feed, made once and sent to many: what an organisation is told of a command is the same for each of
//! its subscribers of one kind, the resume token included, so it is projected and encoded for the first and copied for
//! the others. Whether it is stale is no part of it: that is said to each subscriber as its copy goes out.

use super::Gate;
use super::reads::{feed_batch, recipient};
use crate::cursors::Resume;
use bytes::{BufMut, Bytes};
use handoff_domain::caller::Caller;
use handoff_domain::ids::OrgId;
use handoff_domain::time::Millis;
use handoff_engine::feed::FeedEntry;
use handoff_engine::writer::Availability;
use handoff_proto::v1::feed_service_server::FeedServiceServer;
use handoff_proto::v1::watch_response::Message;
use handoff_proto::v1::{WatchRequest, WatchResponse};
use handoff_proto::view::RecipientKind;
use lru::LruCache;
use prost::Message as _;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};
use tonic_prost::{ProstCodec, ProstDecoder};

/// Messages kept; beyond that the oldest goes and is made again for a subscriber that lags behind.
const FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("it is not zero");

/// `stale: true` of a [`WatchResponse`], its last field, by itself: key and value. What stands behind an encoded message
/// is read as part of it.
const STALE: &[u8] = &[0x20, 0x01];

/// An encoded [`WatchResponse`] that says nothing of being stale.
#[derive(Clone, Debug)]
pub(super) struct Frame(Bytes);

impl Frame {
    /// Encodes a message.
    pub(super) fn of(message: Message) -> Self {
        Self(WatchResponse { message: Some(message), stale: false }.encode_to_vec().into())
    }

    /// The message again.
    pub(super) fn read(self, stale: bool) -> Result<WatchResponse, Status> {
        let read = WatchResponse::decode(self.0);
        let read = read.map_err(|error| crate::error::fault("a message of the feed is malformed", &error))?;
        Ok(WatchResponse { stale, ..read })
    }

    /// Copies the message out, marked as stale or not.
    fn put(self, stale: bool, out: &mut impl BufMut) {
        out.put(self.0);
        if stale {
            out.put_slice(STALE);
        }
    }
}

/// While the database is away newer entries may be missing, and each message says so (reliability, 6).
pub(super) fn is_stale(available: &watch::Receiver<Availability>) -> bool {
    *available.borrow() == Availability::Away
}

/// Which message: to whom, and the entries of one command.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    org: OrgId,
    kind: u8,
    epoch: u64,
    first: u64,
    last: u64,
    /// When the last shift began: what counts as noticed changes with it.
    shift: Millis,
}

/// The messages sent last.
pub(super) struct Frames(Mutex<LruCache<Key, Frame>>);

impl Default for Frames {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(FRAMES_MAX)))
    }
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Frames(..)")
    }
}

impl Gate {
    /// The message of one command for a subscriber; `place` is where it stands after it.
    pub(super) fn frame(&self, caller: &Caller, command: &[Arc<FeedEntry>], place: &Resume) -> Frame {
        let kind = match recipient(caller).kind {
            RecipientKind::Party => 0,
            RecipientKind::Superior => 1,
            RecipientKind::Auditor => 2,
        };
        let first = command.first().map_or(place.number, |entry| entry.number);
        let directory = self.engine().directory();
        let shift = directory.shifts.values().copied().max().unwrap_or(Millis(0));
        let key = Key { org: caller.org.clone(), kind, epoch: place.epoch, first, last: place.number, shift };
        // Held while the message is made: the others who wait for it would only make it again.
        let mut frames = self.frames().0.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let token = self.cursors().resume_token(&caller.org, place);
            Frame::of(Message::Batch(feed_batch(caller, &directory.shifts, command, token)))
        };
        frames.get_or_insert(key, make).clone()
    }
}

/// The feed's service with its stream of messages sent as they are.
#[derive(Clone, Debug)]
pub struct FramedFeed {
    rest: FeedServiceServer<Gate>,
    gate: Gate,
    decode_max: usize,
    encode_max: usize,
}

impl FramedFeed {
    /// Sends the stream itself, and leaves every other method to `rest`. Sizes of messages in bytes.
    #[must_use]
    pub fn new(rest: FeedServiceServer<Gate>, gate: Gate, (decode_max, encode_max): (usize, usize)) -> Self {
        Self { rest, gate, decode_max, encode_max }
    }
}

impl NamedService for FramedFeed {
    const NAME: &'static str = <FeedServiceServer<Gate> as NamedService>::NAME;
}

/// Path of the one method that is sent here.
const WATCH: &str = "/handoff.v1.FeedService/Watch";

impl Service<http::Request<Body>> for FramedFeed {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != WATCH {
            return self.rest.call(request);
        }
        let (watch, decode_max, encode_max) = (Watch(self.gate.clone()), self.decode_max, self.encode_max);
        Box::pin(async move {
            let codec = FrameCodec(watch.0.engine().availability());
            let grpc = Grpc::new(codec).max_decoding_message_size(decode_max);
            let mut grpc = grpc.max_encoding_message_size(encode_max);
            Ok(grpc.server_streaming(watch, request).await)
        })
    }
}

struct Watch(Gate);

impl ServerStreamingService<WatchRequest> for Watch {
    type Response = Frame;
    type ResponseStream = ReceiverStream<Result<Frame, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<WatchRequest>) -> Self::Future {
        let gate = self.0.clone();
        Box::pin(async move { gate.subscribe(request).await.map(Response::new) })
    }
}

/// Copies what is encoded already, and looks whether the database is there as it does.
struct FrameCodec(watch::Receiver<Availability>);

impl Codec for FrameCodec {
    type Encode = Frame;
    type Decode = WatchRequest;
    type Encoder = FrameEncoder;
    type Decoder = ProstDecoder<WatchRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        FrameEncoder(self.0.clone())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<WatchRequest, WatchRequest>::raw_decoder(Default::default())
    }
}

struct FrameEncoder(watch::Receiver<Availability>);

impl Encoder for FrameEncoder {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(frame.0.len() + STALE.len());
        frame.put(is_stale(&self.0), out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_proto::v1::{FeedBatch, FeedEnd, FeedHeartbeat};

    /// What a subscriber reads of a message that goes out now.
    fn sent(frame: &Frame, available: &watch::Receiver<Availability>) -> (Vec<u8>, WatchResponse) {
        let mut out = Vec::new();
        frame.clone().put(is_stale(available), &mut out);
        let read = WatchResponse::decode(out.as_slice()).unwrap();
        (out, read)
    }

    #[test]
    fn every_message_sent_while_the_database_is_away_is_marked_and_the_shared_bytes_are_not() {
        let (availability, available) = watch::channel(Availability::Here);
        let batch = FeedBatch { resume_token: "t".into(), ..FeedBatch::default() };
        let messages = [
            Message::Batch(batch),
            Message::Heartbeat(FeedHeartbeat { head_number: 7, ..FeedHeartbeat::default() }),
            Message::End(FeedEnd { resume_token: "t".into(), code: "AGE".into() }),
        ];
        for message in messages {
            let frame = Frame::of(message.clone());
            for (is, stale) in [(Availability::Here, false), (Availability::Away, true), (Availability::Here, false)] {
                availability.send_replace(is);
                let whole = WatchResponse { message: Some(message.clone()), stale };
                assert_eq!(sent(&frame, &available), (whole.encode_to_vec(), whole.clone()), "byte for byte");
                assert_eq!(frame.clone().read(is_stale(&available)).unwrap(), whole);
            }
        }
    }
}
