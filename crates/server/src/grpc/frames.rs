//! Messages of the feed, made once and sent to many: what an organisation is told of a command is the same for each of
//! its subscribers of one kind, the resume token included, so it is projected and encoded for the first and copied for
//! the others.

use super::Gate;
use super::reads::{feed_batch, recipient};
use crate::cursors::Resume;
use bytes::{BufMut, Bytes};
use handoff_domain::caller::Caller;
use handoff_domain::ids::OrgId;
use handoff_domain::time::Millis;
use handoff_engine::feed::FeedEntry;
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
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};
use tonic_prost::{ProstCodec, ProstDecoder};

/// Messages kept; beyond that the oldest goes and is made again for a subscriber that lags behind.
const FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("it is not zero");

/// An encoded [`WatchResponse`].
#[derive(Clone, Debug)]
pub(super) struct Frame(Bytes);

impl Frame {
    /// Encodes a message.
    pub(super) fn of(message: Message) -> Self {
        Self(WatchResponse { message: Some(message), stale: false }.encode_to_vec().into())
    }

    /// The same while the database is away: newer entries may be missing.
    pub(super) fn stale(message: Message) -> Self {
        Self(WatchResponse { message: Some(message), stale: true }.encode_to_vec().into())
    }

    /// The message again.
    pub(super) fn read(self) -> Result<WatchResponse, Status> {
        WatchResponse::decode(self.0).map_err(|error| crate::error::fault("a message of the feed is malformed", &error))
    }
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
            let grpc = Grpc::new(FrameCodec).max_decoding_message_size(decode_max);
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

/// Copies what is encoded already.
struct FrameCodec;

impl Codec for FrameCodec {
    type Encode = Frame;
    type Decode = WatchRequest;
    type Encoder = FrameEncoder;
    type Decoder = ProstDecoder<WatchRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        FrameEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<WatchRequest, WatchRequest>::raw_decoder(Default::default())
    }
}

struct FrameEncoder;

impl Encoder for FrameEncoder {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(frame.0.len());
        out.put(frame.0);
        Ok(())
    }
}
