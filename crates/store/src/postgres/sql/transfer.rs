//! Statements of a copy of the whole database: read in pages by primary key, written in pages, the head last.

use crate::transfer::Table;

/// A copy may wait for its other side, and a page may take its time; a mover whose machine is gone gives its lock back.
pub(crate) const SETTINGS: &str = "
SELECT set_config('application_name', 'handoff copy', false),
       set_config('idle_in_transaction_session_timeout', '0', false), set_config('statement_timeout', '0', false),
       set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '10000', false)";

/// Rows come as one array of the table's own row type.
pub(crate) const fn insert(table: Table) -> &'static str {
    match table {
        Table::Events => "INSERT INTO events SELECT u.* FROM unnest($1::events[]) AS u",
        Table::Feeds => "INSERT INTO feeds SELECT u.* FROM unnest($1::feeds[]) AS u",
        Table::Feed => "INSERT INTO feed SELECT u.* FROM unnest($1::feed[]) AS u",
        Table::Cases => "INSERT INTO cases SELECT u.* FROM unnest($1::cases[]) AS u",
        Table::Parties => "INSERT INTO parties SELECT u.* FROM unnest($1::parties[]) AS u",
        Table::Obligations => "INSERT INTO obligations SELECT u.* FROM unnest($1::obligations[]) AS u",
        Table::Handoffs => "INSERT INTO handoffs SELECT u.* FROM unnest($1::handoffs[]) AS u",
        Table::Answers => "INSERT INTO answers SELECT u.* FROM unnest($1::answers[]) AS u",
        Table::Cursors => "INSERT INTO cursors SELECT u.* FROM unnest($1::cursors[]) AS u",
        Table::Audit => "INSERT INTO audit SELECT u.* FROM unnest($1::audit[]) AS u",
        Table::Personal => "INSERT INTO personal SELECT u.* FROM unnest($1::personal[]) AS u",
        Table::Maps => "INSERT INTO maps SELECT u.* FROM unnest($1::maps[]) AS u",
        Table::Tiles => "INSERT INTO tiles SELECT u.* FROM unnest($1::tiles[]) AS u",
        Table::TreeHeads => "INSERT INTO tree_heads SELECT u.* FROM unnest($1::tree_heads[]) AS u",
        Table::Cosignatures => "INSERT INTO cosignatures SELECT u.* FROM unnest($1::cosignatures[]) AS u",
        Table::RegistryEntries => "INSERT INTO registry_entries SELECT u.* FROM unnest($1::registry_entries[]) AS u",
    }
}

/// Ids go on behind the highest. A rollback leaves this standing, which is no harm: ids may have gaps.
pub(crate) const IDS_GO_ON: &str = "
SELECT setval(pg_get_serial_sequence('answers', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM answers), false),
       setval(pg_get_serial_sequence('audit', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM audit), false)";

/// The last write of a copy. The server's history is the first service's to note: it is another server.
pub(crate) const HEAD: &str = "
UPDATE head SET position = $1, epoch = $2, last_at = $3, last_hash = $4, timeline = NULL WHERE id = 1";
