//! Statements of the readers. Each is one snapshot.

/// Columns of an event; `e` is the table.
macro_rules! event {
    () => {
        "e.position, e.first, e.kind, e.incident, e.seq, e.type, e.at, e.hash, e.leaf, e.bytes"
    };
}

macro_rules! case {
    () => {
        "c.incident, c.was, c.version, c.state, c.custodian_org, c.custodian_station, c.tenure, c.receiver_org,
         c.receiver_station, c.kind, c.severity, c.drill, c.alias_of, c.opened_at, c.closed_at, c.updated_at"
    };
}

macro_rules! obligation {
    () => {
        "incident, scope, duty, org, station, role, since, due, raise_at, rung, acknowledged, done"
    };
}

macro_rules! answer {
    () => {
        "org, client, request, key, mac, answer, position, incident, at"
    };
}

pub(crate) const HEAD: &str = "SELECT position, epoch, last_at, last_hash FROM head WHERE id = 1";

pub(crate) const EVENTS_FROM: &str =
    concat!("SELECT ", event!(), " FROM events AS e WHERE e.position >= ?1 ORDER BY e.position LIMIT ?2");

pub(crate) const EVENTS_OF: &str =
    concat!("SELECT ", event!(), " FROM events AS e WHERE e.incident = ?1 AND e.seq >= ?2 ORDER BY e.seq LIMIT ?3");

/// `kind <> 2` is the condition of the partial index.
pub(crate) const DIRECTORY_EVENTS: &str = concat!(
    "SELECT ",
    event!(),
    " FROM events AS e WHERE e.kind <> 2 AND e.position >= ?1 ORDER BY e.position LIMIT ?2"
);

pub(crate) const FEED_HEADS: &str = "SELECT org, number FROM feeds ORDER BY org";

pub(crate) const FEED_HEAD: &str = "SELECT number FROM feeds WHERE org = ?1";

/// Entries after `?2` below position `?3`, at most `?4`. The event is looked up per entry.
pub(crate) const FEED_PAGE: &str = concat!(
    "SELECT f.number, f.enters, ",
    event!(),
    " FROM feed AS f CROSS JOIN events AS e ON e.position = f.position
     WHERE f.org = ?1 AND f.number > ?2 AND f.position < ?3 ORDER BY f.number LIMIT ?4"
);

pub(crate) const FEED_HASH_AT: &str = "
SELECT e.hash FROM feed AS f CROSS JOIN events AS e ON e.position = f.position WHERE f.org = ?1 AND f.number = ?2";

pub(crate) const CURSOR: &str = "SELECT number FROM cursors WHERE org = ?1 AND client = ?2";

pub(crate) const ANSWER: &str =
    concat!("SELECT ", answer!(), " FROM answers WHERE request = ?1 AND org = ?2 AND client = ?3");

/// The id is the order of writing; the condition makes the walk from the end a search, not a scan.
pub(crate) const RECENT_ANSWERS: &str =
    concat!("SELECT ", answer!(), " FROM answers WHERE id > 0 ORDER BY id DESC LIMIT ?1");

pub(crate) const KEYED_ANSWERS_OF: &str = "
SELECT org, client, request
FROM (SELECT a.org, a.client, a.request
      FROM events AS e CROSS JOIN answers AS a ON a.position = e.position
      WHERE e.incident = ?1 AND a.position IS NOT NULL AND a.key IS NOT NULL
      UNION ALL
      SELECT org, client, request FROM answers WHERE incident = ?1 AND key IS NOT NULL)
LIMIT ?2";

pub(crate) const CASE: &str = concat!("SELECT ", case!(), " FROM cases AS c WHERE c.incident = ?1");

/// What a case must be to stand in a list; `NULL` asks nothing. `?10` is an array of states.
macro_rules! fits {
    () => {
        "(?10 IS NULL OR c.state IN (SELECT value FROM json_each(?10)))
         AND (?11 IS NULL OR c.kind = ?11)
         AND (?12 IS NULL OR (c.drill IS NOT NULL) = ?12)
         AND (?13 IS NULL OR c.drill = ?13)
         AND (?14 IS NULL OR (c.custodian_org = ?14 AND c.custodian_station = ?15))
         AND (?16 IS NULL OR c.updated_at >= ?16)
         AND (?17 IS NULL OR c.updated_at < ?17)"
    };
}

/// Looks at most `?4` cases down an index from the cursor (`?2`, `?3`), not below the time `?5`, and gives at most
/// `?6` that fit. Every row begins with how many were looked at and the last of them, so that an empty page can go
/// on from there.
macro_rules! list {
    ($walk:literal, $fits:literal) => {
        concat!(
            "WITH walked AS MATERIALIZED (",
            $walk,
            ")
            SELECT e.walked, e.edge_at, e.edge_incident, m.*
            FROM (SELECT (SELECT count(*) FROM walked) AS walked, opened_at AS edge_at, incident AS edge_incident
                  FROM walked ORDER BY opened_at, incident LIMIT 1) AS e
            LEFT JOIN (SELECT ",
            case!(),
            " FROM walked AS w CROSS JOIN cases AS c ON c.incident = w.incident
              WHERE ",
            $fits,
            " AND ",
            fits!(),
            " ORDER BY w.opened_at DESC, w.incident DESC LIMIT ?6) AS m ON true
            ORDER BY m.opened_at DESC, m.incident DESC"
        )
    };
}

/// Cases of one organisation `?7`, open or not `?1`; of its station `?8`, where it is active `?9`.
pub(crate) const CASES_OF_ORG: &str = list!(
    "SELECT opened_at, incident, max((?8 IS NULL OR station = ?8) AND (?9 IS NULL OR active = ?9)) AS fits
     FROM parties
     WHERE org = ?7 AND open = ?1 AND (opened_at, incident) < (?2, ?3) AND opened_at >= ?5
     GROUP BY opened_at, incident
     ORDER BY opened_at DESC, incident DESC LIMIT ?4",
    "w.fits"
);

/// Cases of every organisation, open or not `?1`.
pub(crate) const CASES_OF_ALL: &str = list!(
    "SELECT opened_at, incident
     FROM cases
     WHERE (closed_at IS NULL) = ?1 AND (opened_at, incident) < (?2, ?3) AND opened_at >= ?5
     ORDER BY opened_at DESC, incident DESC LIMIT ?4",
    "true"
);

pub(crate) const PARTIES_OF: &str = "SELECT incident, org, station, active FROM parties WHERE incident = ?1";

pub(crate) const HANDOFF: &str = "
SELECT handoff, incident, from_org, from_station, to_org, to_station, state, offered_at, updated_at
FROM handoffs WHERE handoff = ?1";

pub(crate) const DUE_OBLIGATIONS: &str = concat!(
    "SELECT ",
    obligation!(),
    " FROM obligations WHERE done = 0 AND raise_at IS NOT NULL AND raise_at <= ?1 ORDER BY raise_at LIMIT ?2"
);

/// Of organisation `?1`, or its station `?2`, after the key `?3` to `?7`, at most `?8`.
pub(crate) const OBLIGATIONS_OF: &str = concat!(
    "SELECT ",
    obligation!(),
    " FROM obligations
      WHERE done = 0 AND org = ?1 AND (?2 IS NULL OR station = ?2)
        AND (due, incident, scope, duty, station) > (?3, ?4, ?5, ?6, ?7)
      ORDER BY due, incident, scope, duty, station LIMIT ?8"
);

pub(crate) const OBLIGATIONS_IN: &str =
    concat!("SELECT ", obligation!(), " FROM obligations WHERE incident = ?1 AND done = 0 ORDER BY due");

pub(crate) const PERSONAL: &str = "
SELECT incident, seq, path, disclosure FROM personal
WHERE incident = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq, path";

/// Of closed cases and aliases after the id `?1` those that still hold a value, at most `?3`.
pub(crate) const HOLDING_PERSONAL: &str = "
SELECT c.incident FROM cases AS c
WHERE c.incident > ?1 AND (c.closed_at <= ?2 OR c.alias_of IS NOT NULL)
  AND EXISTS (SELECT 1 FROM personal AS p WHERE p.incident = c.incident)
ORDER BY c.incident LIMIT ?3";

pub(crate) const AUDIT: &str = "
SELECT id, at, org, client, officer, method, reason, count FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2";

pub(crate) const MAP: &str = "SELECT map, version, digest, bytes FROM maps WHERE map = ?1 AND version = ?2";

pub(crate) const TILE: &str = "SELECT level, number, hashes FROM tiles WHERE level = ?1 AND number = ?2";

pub(crate) const TILES: &str =
    "SELECT level, number, hashes FROM tiles WHERE level = ?1 AND number >= ?2 ORDER BY number LIMIT ?3";

pub(crate) const TREE_HEAD: &str = "SELECT size, root, at FROM tree_heads WHERE size <= ?1 ORDER BY size DESC LIMIT 1";

pub(crate) const TREE_HEAD_FROM: &str = "SELECT size, root, at FROM tree_heads WHERE size >= ?1 ORDER BY size LIMIT 1";

pub(crate) const COSIGNATURES: &str =
    "SELECT size, key, name, at, signature FROM cosignatures WHERE size = ?1 ORDER BY key";

pub(crate) const COSIGNED_FROM: &str = "
SELECT size, key, name, at, signature FROM cosignatures WHERE key = ?1 AND size >= ?2 ORDER BY size LIMIT 1";

pub(crate) const COSIGNED_UP_TO: &str = "
SELECT size, key, name, at, signature FROM cosignatures WHERE key = ?1 AND size <= ?2 ORDER BY size DESC LIMIT 1";

pub(crate) const REGISTRY: &str =
    "SELECT organisation, version, kid, entry FROM registry_entries WHERE organisation = ?1 ORDER BY version, kid";

/// Counts what is open, by the indexes that hold nothing else. The work grows with what is open, never with the log.
pub(crate) const COUNTS: &str = "
SELECT (SELECT count(*) FROM cases WHERE (closed_at IS NULL) = 1) AS open_cases,
       (SELECT count(*) FROM obligations WHERE done = 0) AS open_obligations,
       (SELECT count(*) FROM obligations WHERE done = 0 AND due <= ?1) AS overdue_obligations";

pub(crate) const SIZE: &str = "
SELECT p.page_count * s.page_size AS bytes, f.freelist_count * s.page_size AS free_bytes
FROM pragma_page_count AS p, pragma_page_size AS s, pragma_freelist_count AS f";

/// Raw checks: name, and a statement that gives one text per finding; the first 20 tell enough.
pub(crate) const CHECKS: &[(&str, &str)] = &[
    (
        "positions",
        "
     SELECT 'the head is at ' || h.position || ', the log holds ' || n || ' events, the last at ' || last
     FROM head AS h, (SELECT count(*) AS n, coalesce(max(position), -1) AS last FROM events)
     WHERE h.position <> n OR last <> n - 1 LIMIT 20",
    ),
    (
        "last_hash",
        "
     SELECT 'the head does not name the last event'
     FROM head AS h
     WHERE h.last_hash IS NOT (SELECT hash FROM events WHERE position = h.position - 1) LIMIT 20",
    ),
    (
        "seq",
        "
     SELECT 'a stream has ' || count(*) || ' events and ends at ' || max(seq)
     FROM events GROUP BY incident HAVING min(seq) <> 1 OR max(seq) <> count(*) LIMIT 20",
    ),
    (
        "first",
        "
     SELECT 'the event at ' || e.position || ' names no first event of its command'
     FROM events AS e LEFT JOIN events AS f ON f.position = e.first
     WHERE f.position IS NULL OR f.first <> f.position LIMIT 20",
    ),
    (
        "feed_numbers",
        "
     SELECT 'a feed has ' || count(*) || ' entries and ends at ' || max(number)
     FROM feed GROUP BY org HAVING min(number) <> 1 OR max(number) <> count(*) LIMIT 20",
    ),
    (
        "feed_heads",
        "
     SELECT 'a feed ends at ' || coalesce(f.last, 0) || ', its head says ' || coalesce(h.number, 0)
     FROM (SELECT org, max(number) AS last FROM feed GROUP BY org) AS f
     FULL JOIN feeds AS h ON h.org = f.org WHERE h.number IS NOT f.last LIMIT 20",
    ),
    (
        "feed_events",
        "
     SELECT 'a feed entry ' || f.number || ' points to position ' || f.position || ', where nothing is'
     FROM feed AS f WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.position = f.position) LIMIT 20",
    ),
    (
        "case_version",
        "
     SELECT 'a case is at version ' || c.version || ', its stream ends at ' || coalesce(max(e.seq), 0)
     FROM cases AS c LEFT JOIN events AS e ON e.incident = c.incident
     GROUP BY c.incident HAVING c.version IS NOT max(e.seq) LIMIT 20",
    ),
    (
        "incident_case",
        "
     SELECT 'the incident opened at position ' || e.position || ' has no case'
     FROM events AS e WHERE e.kind = 2 AND e.seq = 1
       AND NOT EXISTS (SELECT 1 FROM cases AS c WHERE c.incident = e.incident) LIMIT 20",
    ),
    (
        "party_copies",
        "
     SELECT count(*) || ' parties do not follow their case'
     FROM parties AS p LEFT JOIN cases AS c ON c.incident = p.incident
     WHERE p.opened_at IS NOT c.opened_at OR p.open IS NOT (c.closed_at IS NULL)
     HAVING count(*) > 0",
    ),
    (
        "tiles",
        "
     SELECT 'level ' || level || ' has ' || count(*) || ' tiles, the last is tile ' || max(number)
     FROM tiles GROUP BY level HAVING min(number) <> 0 OR max(number) <> count(*) - 1 LIMIT 20",
    ),
    (
        "tiles_of_log",
        "
     SELECT 'tile ' || t.number || ' of level ' || t.level || ' ends behind the log, which has ' || h.position
            || ' events'
     FROM tiles AS t CROSS JOIN head AS h
     WHERE t.number >= (h.position >> (8 * (t.level + 1))) LIMIT 20",
    ),
    (
        "tree_heads",
        "
     SELECT 'a tree head has ' || t.size || ' leaves, the log ' || h.position || ' events'
     FROM tree_heads AS t CROSS JOIN head AS h WHERE t.size > h.position LIMIT 20",
    ),
];

pub(crate) const VERSION: &str = "SELECT sqlite_version()";
pub(crate) const INTEGRITY: &str = "PRAGMA integrity_check(20)";
pub(crate) const FOREIGN_KEYS: &str = "PRAGMA foreign_key_check";
pub(crate) const MAY_COPY: &str = "PRAGMA query_only = OFF";
pub(crate) const BACKUP: &str = "VACUUM INTO ?1";

#[cfg(test)]
pub(crate) const HOT: &[(&str, &str)] = &[
    ("read::HEAD", HEAD),
    ("read::EVENTS_FROM", EVENTS_FROM),
    ("read::EVENTS_OF", EVENTS_OF),
    ("read::DIRECTORY_EVENTS", DIRECTORY_EVENTS),
    ("read::FEED_HEAD", FEED_HEAD),
    ("read::FEED_PAGE", FEED_PAGE),
    ("read::FEED_HASH_AT", FEED_HASH_AT),
    ("read::CURSOR", CURSOR),
    ("read::ANSWER", ANSWER),
    ("read::RECENT_ANSWERS", RECENT_ANSWERS),
    ("read::KEYED_ANSWERS_OF", KEYED_ANSWERS_OF),
    ("read::CASE", CASE),
    ("read::CASES_OF_ORG", CASES_OF_ORG),
    ("read::CASES_OF_ALL", CASES_OF_ALL),
    ("read::PARTIES_OF", PARTIES_OF),
    ("read::HANDOFF", HANDOFF),
    ("read::DUE_OBLIGATIONS", DUE_OBLIGATIONS),
    ("read::OBLIGATIONS_OF", OBLIGATIONS_OF),
    ("read::OBLIGATIONS_IN", OBLIGATIONS_IN),
    ("read::PERSONAL", PERSONAL),
    ("read::HOLDING_PERSONAL", HOLDING_PERSONAL),
    ("read::AUDIT", AUDIT),
    ("read::MAP", MAP),
    ("read::TILE", TILE),
    ("read::TILES", TILES),
    ("read::TREE_HEAD", TREE_HEAD),
    ("read::TREE_HEAD_FROM", TREE_HEAD_FROM),
    ("read::COSIGNATURES", COSIGNATURES),
    ("read::COSIGNED_FROM", COSIGNED_FROM),
    ("read::COSIGNED_UP_TO", COSIGNED_UP_TO),
    ("read::REGISTRY", REGISTRY),
    ("read::COUNTS", COUNTS),
];
