-- 0001 The log: one head, every event, one dense feed per organisation.
--
-- The log is the record; every other table is an index into it, a cache of it, or something kept beside it. Tables
-- and columns are those of the other backend: rows can be moved between them as they are. Texts are codes and names
-- compared byte by byte, whatever the cluster's locale.


-- The head: one row, moved first in every writing transaction and only from the position the writer expects. Its
-- lock orders all writers of all replicas, so positions are dense and in the order of commit.
CREATE TABLE head (
    id SMALLINT PRIMARY KEY CHECK (id = 1),         -- there is one head
    position BIGINT NOT NULL CHECK (position >= 0), -- next position to give = number of events in the log
    epoch BIGINT NOT NULL CHECK (epoch >= 1),       -- raised when the log may have lost its end (restore, failover)
    last_at BIGINT NOT NULL,                        -- time of the last event, ms since 1970: times never run back
    last_hash BYTEA,                                -- hash of the last event; NULL while the log is empty
    timeline BIGINT                                 -- the server's history this log was last written in; another one
                                                    -- means that a standby was promoted or a backup restored
) WITH (fillfactor = 10); -- one row, rewritten by every batch: the new version fits beside the old one

INSERT INTO head (id, position, epoch, last_at, last_hash) VALUES (1, 0, 1, 0, NULL);


-- Every event, in the order of commit.
CREATE TABLE events (
    position BIGINT NOT NULL,       -- 0, 1, 2 … without gap: the log index
    first BIGINT NOT NULL           -- position of the first event of the same command: what belongs in one message
        CHECK (first >= 0 AND first <= position),
    seq BIGINT NOT NULL CHECK (seq >= 1), -- 1, 2, 3 … without gap within the stream
    at BIGINT NOT NULL,             -- recorded time, ms since 1970; shown, never ordered by
    incident UUID NOT NULL,         -- the stream: an incident's UUID, or that of a directory object
    kind SMALLINT NOT NULL          -- 0 the log itself, 1 directory, 2 incident, 3 drill
        CHECK (kind BETWEEN 0 AND 3),
    type TEXT COLLATE "C" NOT NULL,             -- name of the event type; also in the bytes, here for reports
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32), -- SHA-256 of the bytes; resume tokens and the chain name it
    leaf BYTEA NOT NULL CHECK (octet_length(leaf) = 64), -- the recorder key's Ed25519 signature of the event's leaf in
                                    -- the tree over the log; the rest of the leaf follows from hash and organisation
    bytes BYTEA NOT NULL,           -- the event itself, byte for byte as hashed; nothing here reads it
    PRIMARY KEY (position)
);

-- One stream in its order, and the second line against two writers: no number is given twice.
CREATE UNIQUE INDEX events_of_stream ON events (incident, seq);

-- The directory, drills and the log's own events are few and are all read when the service starts. A partial
-- index costs the incidents nothing.
CREATE INDEX events_beside_incidents ON events (position) WHERE kind <> 2;


-- The record is append-only for the service too, not only by promise.
CREATE FUNCTION handoff_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'HO403', TABLE = TG_TABLE_NAME;
END
$$;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION handoff_refuse_change();
CREATE TRIGGER events_are_never_emptied BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION handoff_refuse_change();


-- Where each organisation's feed ends. Moves by compare-and-set under the same head, so a feed has no gap.
CREATE TABLE feeds (
    org TEXT COLLATE "C" PRIMARY KEY,           -- the organisation
    number BIGINT NOT NULL CHECK (number >= 1), -- number of its last entry
    was BIGINT NOT NULL             -- the number this row had before its last change: the compare of the upsert
) WITH (fillfactor = 25);

-- What each organisation is told, in its own dense count. The row is a pointer; the event stands once, above. A
-- pointer into nothing cannot be written: the function that writes takes positions of its own batch only.
CREATE TABLE feed (
    number BIGINT NOT NULL CHECK (number >= 1), -- 1, 2, 3 … without gap within the feed
    position BIGINT NOT NULL,       -- the event
    enters BOOLEAN NOT NULL,        -- the organisation enters the case with this entry
    org TEXT COLLATE "C" NOT NULL,              -- the organisation
    PRIMARY KEY (org, number)
);

CREATE TRIGGER feed_is_never_changed BEFORE UPDATE OR DELETE ON feed
    FOR EACH ROW EXECUTE FUNCTION handoff_refuse_change();
CREATE TRIGGER feed_is_never_emptied BEFORE TRUNCATE ON feed
    FOR EACH STATEMENT EXECUTE FUNCTION handoff_refuse_change();
