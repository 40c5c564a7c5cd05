//! Reads everything as everybody.

use super::fields::answer_of;
use super::flat::{Names, lines};
use super::shown::Shown;
use super::table::Reader;
use crate::app::LIMIT;
use crate::matrix::cast::World;
use anyhow::{Context, ensure};
use futures_util::future::join_all;
use handoff_client::api::watch_response::Message as Content;
use handoff_client::{Status, api};
use prost::Message;
use protox::prost_reflect::DynamicMessage;
use std::process::Command;
use tonic::Streaming;

/// What a feed said so far, and the rest of it.
type Feed = (Vec<api::WatchResponse>, Streaming<api::WatchResponse>);

/// Everybody asks the same, and what they are shown is added.
pub struct Look<'a> {
    /// The service.
    pub world: &'a World,
    /// What was shown so far.
    pub shown: Shown,
    /// Names of what was played.
    pub names: Names,
}

impl Look<'_> {
    /// Every reader asks `Service/Method` for this; the answer is kept under the moment's name.
    ///
    /// # Errors
    /// The protocol has no such method, or its answer cannot be read.
    pub async fn at(&mut self, moment: &str, path: &str, request: &impl Message) -> anyhow::Result<()> {
        let answer = answer_of(path).with_context(|| format!("there is no method {path}"))?;
        for reader in Reader::ALL {
            let got = self.world.call(reader.caller(), path, request.encode_to_vec()).await;
            match &got.status {
                Some(_) => self.shown.refuse(*reader, answer.name(), moment, &got.words()),
                None => {
                    let message = DynamicMessage::decode(answer.clone(), got.message)?;
                    self.shown.add(*reader, answer.name(), lines(&message, moment, &self.names));
                }
            }
        }
        Ok(())
    }

    /// The answer to a move, as its caller is shown it.
    ///
    /// # Errors
    /// It is no such answer.
    pub fn reply(&mut self, reader: Reader, moment: &str, reply: &api::MoveReply) -> anyhow::Result<()> {
        self.message(reader, moment, "MoveReply", reply)
    }

    fn message(&mut self, reader: Reader, moment: &str, name: &str, message: &impl Message) -> anyhow::Result<()> {
        let descriptor = super::fields::pool().get_message_by_name(&format!("handoff.v1.{name}"));
        let descriptor = descriptor.with_context(|| format!("there is no message {name}"))?;
        let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
        self.shown.add(reader, name, lines(&message, moment, &self.names));
        Ok(())
    }

    /// The trace of an incident, all of it, as every reader is shown it.
    ///
    /// # Errors
    /// The stream ends otherwise than by its end.
    pub async fn trace(&mut self, moment: &str, incident: &str) -> anyhow::Result<()> {
        for reader in Reader::ALL {
            let request = api::TraceRequest { incident: incident.to_owned(), after_seq: 0 };
            match self.world.client(reader.caller())?.audit().trace(request).await {
                Err(status) => self.refused(*reader, "TraceResponse", moment, &status),
                Ok(stream) => {
                    let mut stream = stream.into_inner();
                    while let Some(part) = stream.message().await? {
                        self.message(*reader, moment, "TraceResponse", &part)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The feed from its beginning over a heartbeat to its end, as every reader is shown it. The service is stopped for it.
    ///
    /// # Errors
    /// It is silent, or ends before it was asked to.
    pub async fn feed(&mut self) -> anyhow::Result<()> {
        let open = Reader::ALL.iter().map(|reader| read_feed(self.world, *reader));
        let mut feeds = Vec::new();
        for (reader, feed) in Reader::ALL.iter().zip(join_all(open).await) {
            match feed? {
                Err(status) => self.refused(*reader, "WatchResponse", "feed", &status),
                Ok((messages, stream)) => {
                    for message in &messages {
                        self.fed(*reader, message)?;
                    }
                    feeds.push((*reader, stream));
                }
            }
        }
        let id = self.world.app.id()?.to_string();
        ensure!(
            Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status()?.success(),
            "it could not be asked to stop"
        );
        for (reader, mut stream) in feeds {
            // It ends with a status after its last message.
            while let Ok(Some(message)) = tokio::time::timeout(LIMIT, stream.message()).await.context("no end")? {
                self.fed(reader, &message)?;
            }
        }
        Ok(())
    }

    /// Entries each by themselves, so that it does not matter where one message of the feed ends and the next begins.
    fn fed(&mut self, reader: Reader, message: &api::WatchResponse) -> anyhow::Result<()> {
        let mut rest = message.clone();
        if let Some(Content::Batch(batch)) = &mut rest.message {
            for entry in std::mem::take(&mut batch.entries) {
                let moment = format!("feed {}", self.names.of(&entry.incident));
                let batch = api::FeedBatch { entries: vec![entry], ..Default::default() };
                let one = api::WatchResponse { message: Some(Content::Batch(batch)), stale: false };
                self.message(reader, &moment, "WatchResponse", &one)?;
            }
            // The cases after it are the answers of other methods; here it counts that they are there.
            batch.incidents = batch.incidents.iter().take(1).map(|_| api::Incident::default()).collect();
            batch.handoffs = batch.handoffs.iter().take(1).map(|_| api::Handoff::default()).collect();
        }
        self.message(reader, "feed", "WatchResponse", &rest)
    }

    fn refused(&mut self, reader: Reader, message: &str, moment: &str, status: &Status) {
        let reason = handoff_client::reason(status).unwrap_or_default();
        let fields = handoff_client::value(status, "fields").unwrap_or_default();
        self.shown.refuse(reader, message, moment, &format!("{:?} {reason} {fields}", status.code()));
    }
}

/// A reader's feed up to its head of now and over the heartbeat after it.
async fn read_feed(world: &World, reader: Reader) -> anyhow::Result<Result<Feed, Status>> {
    let client = world.client(reader.caller())?;
    let head = match client.feed().get_position(api::GetPositionRequest {}).await {
        Ok(position) => position.into_inner().head_number,
        Err(status) => return Ok(Err(status)),
    };
    let mut stream = match client.feed().watch(api::WatchRequest::default()).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return Ok(Err(status)),
    };
    let (mut messages, mut last) = (Vec::new(), 0);
    loop {
        let next = tokio::time::timeout(LIMIT, stream.message()).await.context("the feed is silent")??;
        let next = next.context("the feed ended")?;
        let is_beat = matches!(next.message, Some(Content::Heartbeat(_)));
        if let Some(Content::Batch(batch)) = &next.message {
            last = batch.entries.last().map_or(last, |entry| entry.number);
        }
        messages.push(next);
        if last >= head && is_beat {
            return Ok(Ok((messages, stream)));
        }
    }
}
