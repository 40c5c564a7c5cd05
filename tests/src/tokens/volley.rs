//! Every attack by every method, and what has to come of each: the same refusal to the last byte, whatever the attack and
//! whatever the method.

use crate::app::TestApp;
use crate::matrix::line::{Answer, Line};
use anyhow::Context;
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use tonic::Code;

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 64;
/// The service reads no more than 16 KiB of headers; what is longer is turned away by the transport.
const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// One attack: a name, the `authorization` values, and the coded reason in the log; none where the connection itself is
/// turned away.
#[derive(Clone, Debug)]
pub struct Shot {
    /// What is wrong with it.
    pub name: String,
    /// The `authorization` values.
    pub values: Vec<String>,
    /// The coded reason.
    pub denied: Option<&'static str>,
}

impl Shot {
    /// Whether it gets as far as a method.
    #[must_use]
    pub fn arrives(&self) -> bool {
        self.denied.is_some() && self.values.iter().map(String::len).sum::<usize>() < HEADERS_BYTES_MAX
    }
}

/// All that a refusal says to its caller.
type Said = (i32, String, Vec<u8>, Vec<String>);

/// What came of a volley.
#[derive(Debug, Default)]
pub struct Found {
    /// Attacks that were not refused, or not by a refusal of the service.
    pub faults: Vec<String>,
    /// Refusals that differ from each other.
    pub said: BTreeSet<Said>,
    /// Calls made.
    pub tried: u64,
    /// Calls that reached a method, by coded reason.
    pub denied: BTreeMap<&'static str, u64>,
}

/// Fires every shot over this line by every method.
pub async fn volley(line: &Line, shots: &[Shot], requests: &[(String, Vec<u8>)], found: &mut Found) {
    let all = shots.iter().flat_map(|shot| requests.iter().map(move |request| (shot, request)));
    let mut answers =
        stream::iter(all)
            .map(|(shot, (path, bytes))| async move {
                (shot, path, line.call_with(path, &shot.values, bytes.clone()).await)
            })
            .buffer_unordered(CALLS_AT_ONCE);
    while let Some((shot, path, answer)) = answers.next().await {
        found.judge(shot, path, &answer);
    }
}

impl Found {
    fn judge(&mut self, shot: &Shot, path: &str, answer: &Answer) {
        self.tried += 1;
        let Some(status) = &answer.status else {
            self.faults.push(format!("{}: {path}: it was answered", shot.name));
            return;
        };
        if !shot.arrives() {
            // The transport's own word, which knows of nothing.
            if !status.details().is_empty() || status.code() == Code::Ok {
                self.faults.push(format!("{}: {path}: {status:?}", shot.name));
            }
            return;
        }
        if status.code() != Code::Unauthenticated || answer.reason() != "TOKEN_INVALID" {
            self.faults.push(format!("{}: {path}: {}", shot.name, answer.words()));
            return;
        }
        if let Some(code) = shot.denied {
            *self.denied.entry(code).or_default() += 1;
        }
        let metadata = status.metadata().clone().into_headers();
        let names = metadata.keys().map(|name| name.as_str().to_owned()).filter(|name| name != "date");
        let names: BTreeSet<String> = names.collect();
        let message = status.message().to_owned();
        self.said.insert((status.code() as i32, message, status.details().to_vec(), names.into_iter().collect()));
    }
}

/// Tokens and certificates refused so far, by coded reason, and how often that was recorded as a denied attempt.
///
/// # Errors
/// The service does not show its metrics.
pub async fn counted(app: &TestApp) -> anyhow::Result<BTreeMap<String, u64>> {
    let text = app.metrics().await?;
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let code = line.strip_prefix("handoff_auth_denied_total{code=\"");
        let audited = line.strip_prefix("handoff_denied_total{reason=\"TOKEN_INVALID");
        let (name, rest) = match (code, audited) {
            (Some(rest), _) => rest.split_once("\"} ").context("a counter with one label")?,
            (None, Some(rest)) => ("audited", rest.trim_start_matches("\"} ")),
            (None, None) => continue,
        };
        counts.insert(name.to_owned(), rest.trim().parse()?);
    }
    Ok(counts)
}

impl Found {
    /// What the service has to have counted: one for each call that reached a method, under its own reason.
    #[must_use]
    pub fn expected(&self) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> =
            self.denied.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
        counts.insert("audited".to_owned(), self.denied.values().sum());
        counts
    }
}
