//! What is written, and when it is durable.

use super::read::signed;
use super::{Alarm, Mirror, MirrorError, failed, sql};
use crate::validator::{Entry, Taken};
use handoff_domain::time::Millis;
use handoff_evidence::note::{Checkpoint, Head};

/// Most alarms kept: whoever makes a service lie in ever new ways fills no disk.
const ALARMS_MAX: i64 = 10_000;

impl Mirror {
    async fn run(&mut self, text: &'static str, action: &'static str) -> Result<(), MirrorError> {
        sqlx::query(text).execute(&mut self.conn).await.map(drop).map_err(failed(action))
    }

    /// Whether a transaction is open.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing
    }

    /// Opens the transaction, unless it is.
    pub(crate) async fn begin(&mut self) -> Result<(), MirrorError> {
        if !self.writing {
            self.run(sql::BEGIN, "written").await?;
            self.writing = true;
        }
        Ok(())
    }

    /// Commits it; durable when it returns.
    pub(crate) async fn commit(&mut self) -> Result<(), MirrorError> {
        self.run(sql::COMMIT, "committed").await?;
        self.writing = false;
        Ok(())
    }

    /// Takes back what is not committed.
    pub(crate) async fn roll_back(&mut self) -> Result<(), MirrorError> {
        if self.writing {
            self.run(sql::ROLLBACK, "rolled back").await?;
            self.writing = false;
        }
        Ok(())
    }

    /// Puts one validated entry.
    pub(crate) async fn put(&mut self, entry: Entry<'_>, taken: &Taken, at: Millis) -> Result<(), MirrorError> {
        let write = failed("written");
        let (stream, seq) = taken.place.unzip();
        let query = sqlx::query(sql::ENTRY_PUT).bind(signed(entry.index)?).bind(entry.leaf).bind(entry.event);
        let query = query.bind(stream.map(|stream| stream.0.as_bytes().to_vec())).bind(seq.map(signed).transpose()?);
        let registry = (!entry.registry.is_empty()).then(|| entry.registry.join(&b'\n'));
        query.bind(taken.directory).bind(registry).execute(&mut self.conn).await.map_err(&write)?;
        for tile in &taken.tiles {
            let query = sqlx::query(sql::TILE_PUT).bind(i64::from(tile.id.level)).bind(signed(tile.id.number)?);
            query.bind(tile.hashes.concat()).execute(&mut self.conn).await.map_err(&write)?;
        }
        if let Some(fault) = &taken.fault {
            let query = sqlx::query(sql::FAULT_PUT).bind(signed(fault.index)?).bind(fault.leaf_hash.to_vec());
            let query = query.bind(fault.code.as_str()).bind(fault.detail.as_str());
            let stream = fault.stream.map(|stream| stream.0.as_bytes().to_vec());
            query.bind(stream).bind(at.0).execute(&mut self.conn).await.map_err(&write)?;
        }
        Ok(())
    }

    /// What the witness stands by from now on.
    pub(crate) async fn stand_by(&mut self, origin: &str, head: Head, note: &str) -> Result<(), MirrorError> {
        let query = sqlx::query(sql::STATE_PUT).bind(origin).bind(signed(head.size)?).bind(head.root.to_vec());
        query.bind(note).execute(&mut self.conn).await.map(drop).map_err(failed("written"))
    }

    /// Keeps what was signed for the size it stands by.
    pub(crate) async fn keep_cosigned(&mut self, size: u64, note: &str) -> Result<(), MirrorError> {
        let query = sqlx::query(sql::COSIGNED_PUT).bind(signed(size)?).bind(note);
        query.execute(&mut self.conn).await.map(drop).map_err(failed("written"))
    }

    /// Keeps a checkpoint with a quorum.
    pub(crate) async fn keep_proven(&mut self, checkpoint: &Checkpoint) -> Result<(), MirrorError> {
        let query = sqlx::query(sql::PROVEN_PUT).bind(signed(checkpoint.head.size)?).bind(checkpoint.write());
        query.execute(&mut self.conn).await.map(drop).map_err(failed("written"))
    }

    /// Keeps an alarm; the same one is kept once.
    pub(crate) async fn keep_alarm(&mut self, alarm: &Alarm) -> Result<(), MirrorError> {
        let (leaf, event) = alarm.entry.as_ref().map(|(leaf, event)| (leaf.as_slice(), event.as_slice())).unzip();
        let query = sqlx::query(sql::ALARM_PUT).bind(alarm.at.0).bind(alarm.code.as_str()).bind(signed(alarm.index)?);
        let query = query.bind(alarm.detail.as_str()).bind(leaf).bind(event);
        let query = query.bind(alarm.own.as_deref()).bind(alarm.other.as_deref()).bind(ALARMS_MAX);
        query.execute(&mut self.conn).await.map(drop).map_err(failed("written"))
    }
}
