-- 0001 The log: one head, every event, one dense feed per organisation.
--
-- The log is the record; every other table is an index into it, a cache of it, or something kept beside it.
-- All tables are STRICT, so a value of the wrong type is an error and never a silent conversion.


-- The head: one row, moved first in every writing transaction and only from the position the writer expects.
-- Two writers that both think they are next cannot both move it, and that alone orders the log.
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),          -- there is one head
    position INTEGER NOT NULL CHECK (position >= 0),-- next position to give = number of events in the log
    epoch INTEGER NOT NULL CHECK (epoch >= 1),      -- raised when the log may have lost its end (restore, failover)
    last_at INTEGER NOT NULL,                       -- time of the last event, ms since 1970: times never run back
    last_hash BLOB                                  -- hash of the last event; NULL while the log is empty
) STRICT;

INSERT INTO head (id, position, epoch, last_at, last_hash) VALUES (1, 0, 1, 0, NULL);


-- Every event, in the order of commit. The position is the row's own key, so appending touches the end of the
-- table only, and the whole log is read as one range.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,   -- 0, 1, 2 … without gap: the log index
    first INTEGER NOT NULL          -- position of the first event of the same command: what belongs in one message
        CHECK (first >= 0 AND first <= position),
    kind INTEGER NOT NULL           -- 0 the log itself, 1 directory, 2 incident, 3 drill
        CHECK (kind BETWEEN 0 AND 3),
    incident BLOB NOT NULL          -- the stream: an incident's UUID, or that of a directory object
        CHECK (length(incident) = 16),
    seq INTEGER NOT NULL CHECK (seq >= 1), -- 1, 2, 3 … without gap within the stream
    type TEXT NOT NULL,             -- name of the event type; also in the bytes, here for reports
    at INTEGER NOT NULL,            -- recorded time, ms since 1970; shown, never ordered by
    hash BLOB NOT NULL CHECK (length(hash) = 32), -- SHA-256 of the bytes; resume tokens and the chain name it
    leaf BLOB NOT NULL CHECK (length(leaf) = 64), -- the recorder key's Ed25519 signature of the event's leaf in the
                                    -- tree over the log; the rest of the leaf follows from hash and organisation
    bytes BLOB NOT NULL             -- the event itself, byte for byte as hashed; nothing here reads it
) STRICT;

-- One stream in its order, and the second line against two writers: no number is given twice.
CREATE UNIQUE INDEX events_of_stream ON events (incident, seq);

-- The directory, drills and the log's own events are few and are all read when the service starts. A partial
-- index costs the incidents nothing.
CREATE INDEX events_beside_incidents ON events (position) WHERE kind <> 2;

-- The record is append-only for the service too, not only by promise.
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never deleted');
END;


-- Where each organisation's feed ends. Moves by compare-and-set under the same head, so a feed has no gap.
CREATE TABLE feeds (
    org TEXT PRIMARY KEY,           -- the organisation
    number INTEGER NOT NULL CHECK (number >= 1), -- number of its last entry
    was INTEGER NOT NULL            -- the number this row had before its last change: the compare of the upsert
) STRICT, WITHOUT ROWID;

-- What each organisation is told, in its own dense count. The row is a pointer; the event stands once, above.
CREATE TABLE feed (
    org TEXT NOT NULL,              -- the organisation
    number INTEGER NOT NULL CHECK (number >= 1), -- 1, 2, 3 … without gap within the feed
    position INTEGER NOT NULL REFERENCES events (position), -- the event
    enters INTEGER NOT NULL CHECK (enters IN (0, 1)), -- 1: the organisation enters the case with this entry
    PRIMARY KEY (org, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER feed_is_never_changed BEFORE UPDATE ON feed
BEGIN
    SELECT RAISE(ABORT, 'feed entries are never changed');
END;

CREATE TRIGGER feed_is_never_deleted BEFORE DELETE ON feed
BEGIN
    SELECT RAISE(ABORT, 'feed entries are never deleted');
END;
