//! The feed: reads from the cursor to the published head, sends, waits for the head, and says so when it is quiet.

mod open;

pub(super) use open::Feeds;

use super::frames::{Frame, is_stale};
use super::{Gate, store_away, unreadable};
use crate::auth::{Session, Shown};
use crate::cursors::Resume;
use crate::edge::FeedPlace;
use crate::error::status;
use handoff_domain::ids::{Digest, OrgId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::{MINUTE, Millis, SECOND};
use handoff_engine::NoAnswer;
use handoff_proto::v1;
use handoff_proto::v1::feed_service_server::FeedService;
use handoff_proto::v1::watch_response::Message;
use open::Open;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

/// Messages that may wait in one subscriber's buffer.
pub(super) const SEND_BUFFER_MESSAGES: usize = 256;
/// A subscriber that takes nothing in for this long is sent away; it resumes from its token.
pub(super) const NO_PROGRESS_MS: i64 = 30 * SECOND;
/// Silence is broken by a heartbeat after this long.
pub(super) const HEARTBEAT_MS: i64 = 5 * SECOND;
/// Login and certificate of a subscriber are judged again after this long.
const JUDGED_MS: i64 = HEARTBEAT_MS;
/// Name of the stream in the audit rows.
const WATCH: &str = "FeedService/watch";
/// A stream ends by design between half of this and all of it after it began.
pub(super) const STREAM_MS_MAX: i64 = 60 * MINUTE;

type Sent = Result<Frame, Status>;

/// One subscriber.
struct Subscriber {
    gate: Gate,
    session: Arc<Session>,
    /// What its connection showed, to be judged again.
    shown: Shown,
    /// When that and the token were judged last.
    judged: Millis,
    place: Resume,
    out: mpsc::Sender<Sent>,
    ends: Millis,
    /// It has taken in everything there was.
    live: bool,
    /// Says that it is there for as long as it is.
    _open: Open,
    /// Its place among the open feeds.
    _seat: Option<FeedPlace>,
}

#[tonic::async_trait]
impl FeedService for Gate {
    type WatchStream = std::pin::Pin<Box<dyn Stream<Item = Result<v1::WatchResponse, Status>> + Send>>;

    /// The stream in its typed form; the listener sends [`super::frames::FramedFeed`]'s.
    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let frames = self.subscribe(request).await?;
        let available = self.engine().availability();
        Ok(Response::new(Box::pin(frames.map(move |frame| frame?.read(is_stale(&available))))))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Result<Response<v1::FeedPosition>, Status> {
        let session = self.session(&request, "FeedService/commit").await?;
        let under_way = crate::edge::under_way(request.extensions());
        let token = request.into_inner().resume_token;
        let place = self.resume(&session.caller.org, &token).await?;
        let (engine, caller) = (self.engine().clone(), session.caller.clone());
        // What it delivers it gives the writer one after the other: one turn for all.
        let turn = self.0.turns.of(&caller.org, false);
        let committed = self.whole(under_way, turn, async move { engine.commit(&caller, place.number).await });
        match committed.await {
            Ok(()) => self.position(&session).await,
            Err(NoAnswer::NotAccepted(reason)) => Err(status(&Refusal::new(reason))),
            Err(NoAnswer::Unknown | NoAnswer::Reused) => Err(status(&Refusal::new(Reason::OutcomeUnknown))),
        }
    }

    async fn get_position(
        &self,
        request: Request<v1::GetPositionRequest>,
    ) -> Result<Response<v1::FeedPosition>, Status> {
        let session = self.session(&request, "FeedService/get_position").await?;
        self.position(&session).await
    }
}

impl Gate {
    /// Begins to follow a feed.
    pub(super) async fn subscribe(&self, request: Request<v1::WatchRequest>) -> Result<ReceiverStream<Sent>, Status> {
        let session = self.session(&request, WATCH).await?;
        let shown = request.peer_certs();
        let allowed = super::reads::may_list(&session.caller);
        allowed.map_err(|refusal| self.denied(&session.caller, WATCH, &refusal))?;
        let seat = crate::edge::feed_place(request.extensions(), &session.caller.org)?;
        let asked = request.into_inner();
        let place = self.place(&session.caller.org, &asked).await?;
        let (out, stream) = mpsc::channel(SEND_BUFFER_MESSAGES);
        let now = self.engine().clock().now();
        // Spread out, so that a restart's subscribers do not all come back at once an hour later.
        let spread = i64::from(u16::from_be_bytes(handoff_engine::ids::random())) * STREAM_MS_MAX / 2 / 65_536;
        let ends = now.plus(STREAM_MS_MAX / 2 + spread).min(session.expires);
        let open = Open::begin(self, &session.caller);
        let gate = self.clone();
        let subscriber =
            Subscriber { gate, session, shown, judged: now, place, out, ends, live: false, _open: open, _seat: seat };
        self.tasks().spawn(subscriber.run());
        Ok(ReceiverStream::new(stream))
    }

    async fn position(&self, session: &Session) -> Result<Response<v1::FeedPosition>, Status> {
        let (org, client) = (session.caller.org.clone(), session.caller.client.clone());
        let reader = self.engine().reader();
        let committed = reader.cursor(org.clone(), client).await.map_err(|error| store_away(&error))?;
        let head = reader.feed_head(org.clone()).await.map_err(|error| store_away(&error))?;
        // The number was read from the tables; it is named once it is as durable as everything published.
        self.see_all().await?;
        let number = committed.unwrap_or(0);
        let resume_token = match committed {
            Some(number) => self.cursors().resume_token(&org, &self.place_at(&org, number).await?),
            None => String::new(),
        };
        Ok(Response::new(v1::FeedPosition { committed_number: number, resume_token, head_number: head }))
    }

    async fn place(&self, org: &OrgId, asked: &v1::WatchRequest) -> Result<Resume, Status> {
        match (asked.resume_token.as_str(), asked.from_now) {
            ("", false) => self.place_at(org, 0).await,
            ("", true) => {
                let head = self.engine().reader().feed_head(org.clone()).await;
                let head = head.map_err(|error| store_away(&error))?;
                // A place to go on from must last: a later failover would put something else under its number.
                self.see_all().await?;
                self.place_at(org, head).await
            }
            (token, false) => self.resume(org, token).await,
            (_, true) => Err(status(&Refusal::new(Reason::InvalidField).field("from_now"))),
        }
    }

    /// The place at a number, with the hash of the event there.
    async fn place_at(&self, org: &OrgId, number: u64) -> Result<Resume, Status> {
        let reader = self.engine().reader();
        let epoch = reader.head().await.map_err(|error| store_away(&error))?.epoch;
        let hash = match number {
            0 => Some(Digest([0; 32])),
            number => reader.feed_hash_at(org.clone(), number).await.map_err(|error| store_away(&error))?,
        };
        hash.map(|hash| Resume { epoch, number, hash }).ok_or_else(|| status(&Refusal::new(Reason::DataLoss)))
    }

    /// A token's place, if the log still holds what the token says was read: else DATA_LOSS, never silence.
    async fn resume(&self, org: &OrgId, token: &str) -> Result<Resume, Status> {
        let asked = self.cursors().read_resume(org, token).map_err(|refusal| status(&refusal))?;
        let here = self.place_at(org, asked.number).await?;
        if here.hash == asked.hash { Ok(here) } else { Err(status(&Refusal::new(Reason::DataLoss))) }
    }
}

/// How a wait ended.
enum Woken {
    Head,
    Quiet,
    Ended(&'static str),
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

impl Subscriber {
    async fn run(mut self) {
        metrics::gauge!("handoff_feed_subscribers").increment(1.0);
        if let Err(ended) = self.follow().await {
            // Whoever has gone needs no word.
            let _ = self.out.try_send(Err(ended));
        }
        metrics::gauge!("handoff_feed_subscribers").decrement(1.0);
    }

    async fn follow(&mut self) -> Result<(), Status> {
        let mut head = self.gate.engine().head();
        loop {
            head.mark_unchanged();
            self.judge()?;
            while self.send_page().await? {
                self.judge()?;
            }
            self.live = true;
            match self.wait(&mut head).await {
                Woken::Head => {}
                Woken::Quiet => self.heartbeat().await?,
                Woken::Ended(code) => return self.end(code).await,
            }
        }
    }

    /// Ends the stream once its login or its certificate holds no longer. Asked before each page and at every heartbeat,
    /// so at the latest [`JUDGED_MS`] after the last time.
    fn judge(&mut self) -> Result<(), Status> {
        let now = self.gate.now();
        // A clock set back counts as time gone by.
        if !(0..JUDGED_MS).contains(&now.since(self.judged)) {
            self.gate.still(&self.session, &self.shown, WATCH)?;
            self.judged = now;
        }
        Ok(())
    }

    async fn wait(&self, head: &mut tokio::sync::watch::Receiver<u64>) -> Woken {
        let clock = self.gate.engine().clock();
        let now = clock.now();
        let quiet = clock.sleep_until(now.plus(HEARTBEAT_MS).min(self.ends));
        let stop = self.gate.tasks().stopping();
        tokio::select! {
            biased;
            () = stop.cancelled() => Woken::Ended("SHUTDOWN"),
            () = self.out.closed() => Woken::Ended("AGE"),
            changed = head.changed() => if changed.is_ok() { Woken::Head } else { Woken::Ended("SHUTDOWN") },
            () = quiet => {
                if clock.now() < self.ends {
                    Woken::Quiet
                } else if self.ends == self.session.expires {
                    Woken::Ended("LOGIN_EXPIRED")
                } else {
                    Woken::Ended("AGE")
                }
            }
        }
    }

    /// Sends what is there; `true` when there may be more.
    async fn send_page(&mut self) -> Result<bool, Status> {
        let org = self.session.caller.org.clone();
        let page = self.gate.engine().feed(&org, self.place.number).await.map_err(|error| unreadable(&error))?;
        for command in page.chunk_by(|a, b| a.first == b.first) {
            let Some(last) = command.last() else { continue };
            (self.place.number, self.place.hash) = (last.number, last.hash);
            let frame = self.gate.frame(&self.session.caller, command, &self.place);
            self.send(frame).await?;
            // What is caught up with says nothing about how fast the feed is.
            if self.live {
                let after = self.gate.engine().clock().now().since(last.event.at);
                metrics::histogram!(crate::metrics::FEED_SECONDS).record(seconds(after));
            }
        }
        Ok(!page.is_empty())
    }

    fn token(&self) -> String {
        self.gate.cursors().resume_token(&self.session.caller.org, &self.place)
    }

    async fn heartbeat(&self) -> Result<(), Status> {
        let now = self.gate.engine().clock().now();
        let heartbeat = v1::FeedHeartbeat {
            proven_size: self.gate.engine().tree().proven_size(),
            head_number: self.place.number,
            service_time: Some(handoff_proto::view::timestamp(now)),
            resume_token: self.token(),
        };
        self.send(Frame::of(Message::Heartbeat(heartbeat))).await
    }

    async fn end(&self, code: &str) -> Result<(), Status> {
        let end = v1::FeedEnd { resume_token: self.token(), code: code.to_owned() };
        self.send(Frame::of(Message::End(end))).await?;
        Err(status(&Refusal::new(Reason::StreamEnded)))
    }

    /// The writer never waits for a reader: only this subscriber's own task does, and not for ever.
    async fn send(&self, frame: Frame) -> Result<(), Status> {
        let response = match self.out.try_send(Ok(frame)) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(response)) => response,
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(status(&Refusal::new(Reason::StreamEnded))),
        };
        let clock = self.gate.engine().clock();
        tokio::select! {
            sent = self.out.send(response) => sent.map_err(|_| status(&Refusal::new(Reason::StreamEnded))),
            () = clock.sleep_until(clock.now().plus(NO_PROGRESS_MS)) => {
                Err(status(&Refusal::new(Reason::SubscriberTooSlow)))
            }
        }
    }
}
