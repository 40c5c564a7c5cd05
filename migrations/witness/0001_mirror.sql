-- 0001 The mirror of one witness: every entry of the log it has validated, the tree over them, and what it has signed.
--
-- A file of its own, beside no other database: whoever holds it and the policy can validate everything again and give
-- out the bundle of any case without the service. All tables are STRICT.


-- Every entry, in the log's order. Exact bytes: nothing here is ever written anew.
CREATE TABLE entries (
    position INTEGER PRIMARY KEY,   -- 0, 1, 2 … without gap: the log index
    leaf BLOB NOT NULL CHECK (length(leaf) = 128), -- the signed leaf, as it hangs in the tree
    event BLOB NOT NULL,            -- the event, byte for byte
    stream BLOB CHECK (length(stream) = 16), -- the incident's UUID, or that of a directory object; NULL for an entry that
                                    -- was accepted as a fault: it belongs to no case
    seq INTEGER CHECK (seq >= 1),   -- 1, 2, 3 … within the stream; NULL likewise
    directory INTEGER NOT NULL CHECK (directory IN (0, 1)) -- 1 for the log's own and the directory's streams
) STRICT;

-- One stream in its order. Not unique: a case with an accepted fault may go on with any number.
CREATE INDEX entries_of_stream ON entries (stream, seq);

-- The directory is small and read whole when the witness starts.
CREATE INDEX entries_of_directory ON entries (position) WHERE directory = 1;


-- Complete tiles of the tree: 256 hashes of one level. An index into the leaves, which can be made again from them.
CREATE TABLE tiles (
    level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 5), -- 0 the leaves' hashes, then the roots of the tiles below
    number INTEGER NOT NULL CHECK (number >= 0), -- 0, 1, 2 … without gap within the level
    hashes BLOB NOT NULL CHECK (length(hashes) = 8192), -- 256 hashes of 32 bytes, one after the other
    PRIMARY KEY (level, number)
) STRICT;


-- What the witness stands by: one row, written with the entries it covers in one transaction, before anything is
-- signed. The full log-signed note, never a bare root: two of them that differ are proof of a fork for anybody.
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    origin TEXT NOT NULL,           -- the log's name
    size INTEGER NOT NULL CHECK (size >= 1), -- entries covered
    root BLOB NOT NULL CHECK (length(root) = 32), -- root over them, computed here
    note TEXT NOT NULL,             -- the checkpoint as the log signed it
    cosigned TEXT                   -- the same with this witness's line, once it is signed; NULL before
) STRICT;

-- Never below the last size, never two roots for one size, never another log.
CREATE TRIGGER the_state_only_grows BEFORE UPDATE ON state
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN
    SELECT RAISE(ABORT, 'the state only grows');
END;

CREATE TRIGGER the_state_is_never_deleted BEFORE DELETE ON state
BEGIN
    SELECT RAISE(ABORT, 'the state is never deleted');
END;


-- Checkpoints with the quorum of the policy, as the service gave them: what a bundle is made under.
CREATE TABLE proven (
    size INTEGER PRIMARY KEY CHECK (size >= 1),
    note TEXT NOT NULL              -- with the lines of every witness
) STRICT;


-- Refused entries that both organisations accepted by name. The case they belong to is never valid again.
CREATE TABLE faults (
    position INTEGER PRIMARY KEY REFERENCES entries (position),
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    code TEXT NOT NULL,             -- why it was refused
    reason TEXT NOT NULL,           -- why it is accepted, from the configuration
    stream BLOB CHECK (length(stream) = 16), -- the case that is never valid again, where the entry tells
    at INTEGER NOT NULL             -- ms since 1970
) STRICT;


-- Why the witness did not sign, with the evidence: the entry, or both checkpoints.
CREATE TABLE alarms (
    number INTEGER PRIMARY KEY,     -- 1, 2, 3 …
    at INTEGER NOT NULL,            -- ms since 1970
    code TEXT NOT NULL,             -- the refusal's code
    position INTEGER NOT NULL CHECK (position >= 0), -- the first entry it refuses
    detail TEXT NOT NULL,           -- in words
    leaf BLOB,                      -- the refused entry
    event BLOB,
    own TEXT,                       -- the checkpoint the witness stands by
    other TEXT                      -- the one that contradicts it
) STRICT;


-- What was validated, signed or refused is as final as the log.
CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are never changed');
END;

CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are never deleted');
END;

CREATE TRIGGER tiles_are_never_changed BEFORE UPDATE ON tiles
BEGIN
    SELECT RAISE(ABORT, 'tiles are never changed');
END;

CREATE TRIGGER tiles_are_never_deleted BEFORE DELETE ON tiles
BEGIN
    SELECT RAISE(ABORT, 'tiles are never deleted');
END;

CREATE TRIGGER proven_checkpoints_are_never_changed BEFORE UPDATE ON proven
BEGIN
    SELECT RAISE(ABORT, 'proven checkpoints are never changed');
END;

CREATE TRIGGER proven_checkpoints_are_never_deleted BEFORE DELETE ON proven
BEGIN
    SELECT RAISE(ABORT, 'proven checkpoints are never deleted');
END;

CREATE TRIGGER faults_are_never_changed BEFORE UPDATE ON faults
BEGIN
    SELECT RAISE(ABORT, 'faults are never changed');
END;

CREATE TRIGGER faults_are_never_deleted BEFORE DELETE ON faults
BEGIN
    SELECT RAISE(ABORT, 'faults are never deleted');
END;

CREATE TRIGGER alarms_are_never_changed BEFORE UPDATE ON alarms
BEGIN
    SELECT RAISE(ABORT, 'alarms are never changed');
END;

CREATE TRIGGER alarms_are_never_deleted BEFORE DELETE ON alarms
BEGIN
    SELECT RAISE(ABORT, 'alarms are never deleted');
END;
