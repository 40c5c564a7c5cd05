//! What is asked of the mirror.

use super::{Mirror, MirrorError, failed, sql};
use crate::code::Code;
use handoff_domain::ids::IncidentId;
use handoff_domain::time::Millis;
use handoff_evidence::merkle::{Edge, Hash, TILE_HASHES, TileId, root, tiles_of_edge, tiles_of_root};
use handoff_evidence::note::{Checkpoint, Head};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Leaves that are in no complete tile.
const UNFINISHED_ROWS_MAX: u32 = 256;
/// Most events of one case: more than the rules allow.
const STREAM_ROWS_MAX: u32 = 100_000;

/// A stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its index in the log.
    pub index: u64,
    /// Its leaf, 128 bytes.
    pub leaf: Vec<u8>,
    /// The event's bytes.
    pub event: Vec<u8>,
    /// Its stream; none for an accepted fault.
    pub stream: Option<IncidentId>,
    /// Entries of a registry that it changed, byte for byte.
    pub registry: Vec<Vec<u8>>,
}

/// What the witness stands by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The log.
    pub origin: String,
    /// Size and root.
    pub head: Head,
    /// The checkpoint as the log signed it.
    pub note: String,
    /// The same with this witness's line, once it is signed.
    pub cosigned: Option<String>,
}

/// An accepted fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which entry.
    pub index: u64,
    /// Hash of its leaf.
    pub leaf_hash: Hash,
    /// Why it was refused.
    pub code: Code,
    /// In words; in a stored one the reason for which it is accepted.
    pub detail: String,
    /// The stream that is never valid again, where the entry tells.
    pub stream: Option<IncidentId>,
}

/// A refusal with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// When.
    pub at: Millis,
    /// Why.
    pub code: Code,
    /// The first entry refused.
    pub index: u64,
    /// In words.
    pub detail: String,
    /// The refused entry, leaf and event.
    pub entry: Option<(Vec<u8>, Vec<u8>)>,
    /// The checkpoint the witness stands by.
    pub own: Option<String>,
    /// The one that contradicts it.
    pub other: Option<String>,
}

fn changed(what: &'static str) -> MirrorError {
    MirrorError::Changed(what.to_owned())
}

pub(super) fn number(value: i64) -> Result<u64, MirrorError> {
    u64::try_from(value).map_err(|_| changed("a negative number"))
}

pub(super) fn signed(value: u64) -> Result<i64, MirrorError> {
    i64::try_from(value).map_err(|_| changed("a number too large"))
}

fn hash(bytes: &[u8]) -> Result<Hash, MirrorError> {
    bytes.try_into().map_err(|_| changed("a hash of another length"))
}

fn stream(row: &SqliteRow, column: &str) -> Result<Option<IncidentId>, MirrorError> {
    let bytes: Option<Vec<u8>> = row.try_get(column).map_err(failed("read"))?;
    let id = bytes.map(|bytes| Uuid::from_slice(&bytes)).transpose();
    Ok(id.map_err(|_| changed("an id of another length"))?.map(IncidentId))
}

fn entry(row: &SqliteRow) -> Result<Row, MirrorError> {
    let read = failed("read");
    Ok(Row {
        index: number(row.try_get("position").map_err(&read)?)?,
        leaf: row.try_get("leaf").map_err(&read)?,
        event: row.try_get("event").map_err(&read)?,
        stream: stream(row, "stream")?,
        registry: row
            .try_get::<Option<Vec<u8>>, _>("registry")
            .map_err(&read)?
            .map(|lines| lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
            .unwrap_or_default(),
    })
}

fn code(row: &SqliteRow) -> Result<Code, MirrorError> {
    let text: String = row.try_get("code").map_err(failed("read"))?;
    Code::parse(&text).ok_or_else(|| changed("an unknown code"))
}

impl Mirror {
    /// What the witness stands by; none before the first checkpoint.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn state(&mut self) -> Result<Option<State>, MirrorError> {
        let read = failed("read");
        let row = sqlx::query(sql::STATE).fetch_optional(&mut self.conn).await.map_err(&read)?;
        let Some(row) = row else { return Ok(None) };
        let root: Vec<u8> = row.try_get("root").map_err(&read)?;
        let head = Head { size: number(row.try_get("size").map_err(&read)?)?, root: hash(&root)? };
        Ok(Some(State {
            origin: row.try_get("origin").map_err(&read)?,
            head,
            note: row.try_get("note").map_err(&read)?,
            cosigned: row.try_get("cosigned").map_err(&read)?,
        }))
    }

    /// Entries stored.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn count(&mut self) -> Result<u64, MirrorError> {
        let row = sqlx::query(sql::COUNT).fetch_one(&mut self.conn).await.map_err(failed("read"))?;
        number(row.try_get(0).map_err(failed("read"))?)
    }

    /// Up to `limit` entries from an index on.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn entries_from(&mut self, index: u64, limit: u32) -> Result<Vec<Row>, MirrorError> {
        self.page(sql::ENTRIES_FROM, index, limit).await
    }

    /// Up to `limit` entries of the directory from an index on.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) async fn directory_from(&mut self, index: u64, limit: u32) -> Result<Vec<Row>, MirrorError> {
        self.page(sql::DIRECTORY_FROM, index, limit).await
    }

    async fn page(&mut self, text: &'static str, index: u64, limit: u32) -> Result<Vec<Row>, MirrorError> {
        let query = sqlx::query(text).bind(signed(index)?).bind(limit);
        let rows = query.fetch_all(&mut self.conn).await.map_err(failed("read"))?;
        rows.iter().map(entry).collect()
    }

    /// The events of a case below an index, in order.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn case(&mut self, incident: IncidentId, below: u64) -> Result<Vec<Row>, MirrorError> {
        let query = sqlx::query(sql::STREAM).bind(incident.0.as_bytes().to_vec()).bind(signed(below)?);
        let rows = query.bind(STREAM_ROWS_MAX).fetch_all(&mut self.conn).await.map_err(failed("read"))?;
        rows.iter().map(entry).collect()
    }

    /// Complete tiles out of those wanted.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) async fn tiles(&mut self, wanted: BTreeSet<TileId>) -> Result<BTreeMap<TileId, Vec<Hash>>, MirrorError> {
        let mut found = BTreeMap::new();
        for id in wanted {
            let query = sqlx::query(sql::TILE).bind(i64::from(id.level)).bind(signed(id.number)?);
            let row = query.fetch_optional(&mut self.conn).await.map_err(failed("read"))?;
            if let Some(row) = row {
                let bytes: Vec<u8> = row.try_get(0).map_err(failed("read"))?;
                found.insert(id, bytes.as_chunks::<32>().0.to_vec());
            }
        }
        Ok(found)
    }

    /// The edge of the stored tree of `size` leaves.
    ///
    /// # Errors
    /// [`MirrorError::Changed`] where tiles or leaves are missing.
    pub(crate) async fn edge(&mut self, size: u64) -> Result<Edge, MirrorError> {
        let full = size - size % TILE_HASHES as u64;
        let tiles = self.tiles(tiles_of_edge(full)).await?;
        let edge = Edge::resume(full, |id| tiles.get(&id).cloned());
        let mut edge = edge.map_err(|error| MirrorError::Changed(error.to_string()))?;
        for row in self.entries_from(full, UNFINISHED_ROWS_MAX).await?.iter().take_while(|row| row.index < size) {
            edge.push(handoff_evidence::merkle::leaf_hash(&row.leaf));
        }
        if edge.size() == size { Ok(edge) } else { Err(changed("entries are missing")) }
    }

    /// The root of the first `size` leaves of the tree with this edge.
    ///
    /// # Errors
    /// [`MirrorError`]; none where the tree has not so many leaves.
    pub(crate) async fn root_at(&mut self, edge: &Edge, size: u64) -> Result<Option<Hash>, MirrorError> {
        if size > edge.size() {
            return Ok(None);
        }
        let tiles = self.tiles_with(edge, tiles_of_root(size)).await?;
        root(size, &tiles).map(Some).map_err(|error| MirrorError::Changed(error.to_string()))
    }

    /// Tiles, the unfinished ones too.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) async fn tiles_with(
        &mut self,
        edge: &Edge,
        wanted: BTreeSet<TileId>,
    ) -> Result<BTreeMap<TileId, Vec<Hash>>, MirrorError> {
        let unfinished: BTreeMap<_, _> = wanted.iter().filter_map(|id| Some((*id, edge.tile(*id)?.to_vec()))).collect();
        let mut tiles = self.tiles(wanted.into_iter().filter(|id| !unfinished.contains_key(id)).collect()).await?;
        tiles.extend(unfinished);
        Ok(tiles)
    }

    /// The first checkpoint with a quorum of at least so many entries.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn proven_from(&mut self, size: u64) -> Result<Option<Checkpoint>, MirrorError> {
        self.proven(sql::PROVEN_FROM, size).await
    }

    /// The newest checkpoint with a quorum of at most so many entries.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn proven_up_to(&mut self, size: u64) -> Result<Option<Checkpoint>, MirrorError> {
        self.proven(sql::PROVEN_UP_TO, size).await
    }

    async fn proven(&mut self, text: &'static str, size: u64) -> Result<Option<Checkpoint>, MirrorError> {
        let query = sqlx::query(text).bind(signed(size)?);
        let row = query.fetch_optional(&mut self.conn).await.map_err(failed("read"))?;
        let Some(row) = row else { return Ok(None) };
        let note: String = row.try_get(0).map_err(failed("read"))?;
        Checkpoint::read(note.as_bytes()).map(Some).map_err(|_| changed("a checkpoint that is none"))
    }

    /// Accepted faults, in order.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn faults(&mut self) -> Result<Vec<Fault>, MirrorError> {
        let read = failed("read");
        let rows = sqlx::query(sql::FAULTS).fetch_all(&mut self.conn).await.map_err(&read)?;
        let fault = |row: &SqliteRow| {
            let leaf_hash: Vec<u8> = row.try_get("leaf_hash").map_err(&read)?;
            Ok(Fault {
                index: number(row.try_get("position").map_err(&read)?)?,
                leaf_hash: hash(&leaf_hash)?,
                code: code(row)?,
                detail: row.try_get("reason").map_err(&read)?,
                stream: stream(row, "stream")?,
            })
        };
        rows.iter().map(fault).collect()
    }

    /// The newest alarms, the newest first.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn alarms(&mut self, limit: u32) -> Result<Vec<Alarm>, MirrorError> {
        let read = failed("read");
        let rows = sqlx::query(sql::ALARMS).bind(limit).fetch_all(&mut self.conn).await.map_err(&read)?;
        let alarm = |row: &SqliteRow| {
            let (leaf, event): (Option<Vec<u8>>, Option<Vec<u8>>) =
                (row.try_get("leaf").map_err(&read)?, row.try_get("event").map_err(&read)?);
            Ok(Alarm {
                at: Millis(row.try_get("at").map_err(&read)?),
                code: code(row)?,
                index: number(row.try_get("position").map_err(&read)?)?,
                detail: row.try_get("detail").map_err(&read)?,
                entry: leaf.zip(event),
                own: row.try_get("own").map_err(&read)?,
                other: row.try_get("other").map_err(&read)?,
            })
        };
        rows.iter().map(alarm).collect()
    }
}
