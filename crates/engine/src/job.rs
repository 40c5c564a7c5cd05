//! What waits in the writer's queue.

use crate::answer::Answer;
use handoff_domain::Fresh;
use handoff_domain::caller::Caller;
use handoff_domain::command::{Command, Order};
use handoff_domain::ids::{ClientId, Digest, MapRef, OrgId};
use handoff_domain::refusal::Reason;
use handoff_domain::time::Millis;
use handoff_evidence::disclosure::Disclosure;
use handoff_store::rows::{AnswerId, CosignatureRow, TileRow, TreeHeadRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What is to be done.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every task is the large one; a box would cost each an allocation"
)]
pub enum Task {
    /// A command about an incident.
    Incident(Command),
    /// A change of the directory.
    Directory {
        /// The change.
        order: Order,
        /// The caller's own time.
        claimed_at: Option<Millis>,
        /// What is kept beside the log with it.
        beside: Option<Beside>,
    },
}

/// What a change of the directory keeps beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Bytes of a boundary map.
    Map(MapRef, Digest, Arc<[u8]>),
    /// Entries of a key registry that are new or changed, by the ids of their keys.
    Registry(BTreeMap<String, Vec<u8>>),
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Not accepted: the queue is full, the service stops, or the deadline passed before the batch began.
    #[error("not accepted: {0}")]
    NotAccepted(Reason),
    /// Not known; asking again with the same request id is safe.
    #[error("outcome unknown")]
    Unknown,
    /// The id was used for another request.
    #[error("request id reused")]
    Reused,
}

/// An answer, and whether it is an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// Given before for the same request id.
    pub replayed: bool,
    /// The signature of the leaf of the last event recorded: with its hash a signed receipt. None of an earlier answer.
    pub leaf: Option<[u8; 64]>,
}

/// One command on its way.
#[derive(Debug)]
pub struct Job {
    /// Who asks.
    pub caller: Caller,
    /// Scope and id of the request.
    pub request: AnswerId,
    /// Bytes by which equality of requests is judged.
    pub content: Vec<u8>,
    /// What is asked.
    pub task: Task,
    /// Sealed values of the command.
    pub disclosures: Vec<Disclosure>,
    /// Drawn once.
    pub fresh: Fresh,
    /// After this the caller no longer waits; checked before the batch, never after it has begun.
    pub deadline: Option<Millis>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Reply, NoAnswer>>,
}

/// What the writer can be asked besides commands.
#[derive(Debug)]
pub enum Chore {
    /// A client has taken its feed in up to this number.
    Cursor {
        /// Organisation.
        org: OrgId,
        /// Client.
        client: ClientId,
        /// Number.
        number: u64,
        /// Told once it is durable.
        done: oneshot::Sender<Result<(), NoAnswer>>,
    },
    /// What was made of the tree over the log, or signed of it.
    Tree {
        /// Complete tiles.
        tiles: Vec<TileRow>,
        /// A head that may be signed once it is durable.
        head: Option<TreeHeadRow>,
        /// Witnesses' signatures.
        cosignatures: Vec<CosignatureRow>,
        /// Told once it is durable.
        done: oneshot::Sender<Result<(), NoAnswer>>,
    },
    /// A denied attempt.
    Denial {
        /// When: its row may be written later.
        at: Millis,
        /// Organisation, as far as known.
        org: Option<OrgId>,
        /// Client.
        client: Option<ClientId>,
        /// The method asked.
        method: &'static str,
        /// Why.
        reason: Reason,
    },
}
