//! What waits for the writer.

use crate::job::{Chore, Job};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Facts that may wait; one more is refused with a hint when to ask again.
pub const QUEUE_FACTS_MAX: usize = 256;
/// Decisions that may wait.
pub const QUEUE_DECISIONS_MAX: usize = 256;
/// Cursors and denials that may wait; more denials are dropped and counted.
pub const QUEUE_CHORES_MAX: usize = 256;

/// Queues into the writer.
#[derive(Debug)]
pub struct Queues {
    /// Facts: intake, units, notes. Shed last.
    pub facts: mpsc::Receiver<Job>,
    /// Decisions; at most half of a batch while facts wait.
    pub decisions: mpsc::Receiver<Job>,
    /// Cursors and denials.
    pub chores: mpsc::Receiver<Chore>,
}

impl Queues {
    /// Waits for one piece of work; `false` when every queue is closed and empty. Nothing is lost when it is dropped.
    /// Chores above [`QUEUE_CHORES_MAX`] stay in their queue, which refuses more when it is full: a commit that takes long
    /// gathers no heap of them.
    pub(super) async fn first(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) -> bool {
        tokio::select! {
            biased;
            Some(job) = self.facts.recv() => { jobs.push_back(job); true }
            Some(job) = self.decisions.recv() => { jobs.push_back(job); true }
            Some(chore) = self.chores.recv(), if chores.len() < QUEUE_CHORES_MAX => { chores.push(chore); true }
            else => false,
        }
    }

    /// Takes what else waits, up to `room` commands: facts first, decisions at most half while facts wait.
    pub(super) fn drain(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>, room: usize) {
        let mut take = |queue: &mut mpsc::Receiver<Job>, until: usize| {
            while jobs.len() < until {
                let Ok(job) = queue.try_recv() else { break };
                jobs.push_back(job);
            }
        };
        take(&mut self.decisions, room / 2);
        take(&mut self.facts, room);
        take(&mut self.decisions, room);
        while chores.len() < QUEUE_CHORES_MAX {
            let Ok(chore) = self.chores.try_recv() else { break };
            chores.push(chore);
        }
    }
}
