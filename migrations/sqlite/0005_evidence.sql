-- 0005 Evidence: the Merkle tree over the log. Its leaves are the events; here stands what is kept of it besides.
--
-- A row that is there already stays as it is, whoever writes it again: a tree has one hash at each place, and one root
-- for each size, for ever.


-- Complete tiles: 256 hashes of one level, so that a path reads a few rows however long the log is. An index into the
-- leaves, which can be made again from them. A table with row keys, so that the hashes lie apart from the key.
CREATE TABLE tiles (
    level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 5), -- 0 the leaves' hashes, then the roots of the tiles below; no
                                            -- log that can be numbered completes a tile of level 6
    number INTEGER NOT NULL CHECK (number >= 0), -- 0, 1, 2 … without gap within the level
    hashes BLOB NOT NULL CHECK (length(hashes) = 8192), -- 256 hashes of 32 bytes, one after the other
    PRIMARY KEY (level, number)
) STRICT;


-- Tree heads that may be signed. A root stands here before it is signed, so that no size is ever signed with two.
CREATE TABLE tree_heads (
    size INTEGER PRIMARY KEY CHECK (size >= 1), -- how many leaves: the events below this position
    root BLOB NOT NULL CHECK (length(root) = 32), -- the root over them
    at INTEGER NOT NULL                     -- when it was noted, ms since 1970
) STRICT;


-- Witnesses' signatures of tree heads: one of each witness for one size.
CREATE TABLE cosignatures (
    size INTEGER NOT NULL REFERENCES tree_heads (size), -- the tree head
    key BLOB NOT NULL CHECK (length(key) = 32), -- the witness's public key
    name TEXT NOT NULL,                     -- the witness's name
    at INTEGER NOT NULL CHECK (at >= 0),    -- seconds since 1970, as signed
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (size, key)
) STRICT, WITHOUT ROWID;

-- The first tree head from a size on, and the newest, that one witness has signed: what proves an event to a reader who
-- trusts that witness, and how far the witness has come.
CREATE INDEX cosignatures_of_witness ON cosignatures (key, size);


-- What was signed, or may have been, is as final as the log.
CREATE TRIGGER tiles_are_never_changed BEFORE UPDATE ON tiles
BEGIN
    SELECT RAISE(ABORT, 'tiles are never changed');
END;

CREATE TRIGGER tiles_are_never_deleted BEFORE DELETE ON tiles
BEGIN
    SELECT RAISE(ABORT, 'tiles are never deleted');
END;

CREATE TRIGGER tree_heads_are_never_changed BEFORE UPDATE ON tree_heads
BEGIN
    SELECT RAISE(ABORT, 'tree heads are never changed');
END;

CREATE TRIGGER tree_heads_are_never_deleted BEFORE DELETE ON tree_heads
BEGIN
    SELECT RAISE(ABORT, 'tree heads are never deleted');
END;

CREATE TRIGGER cosignatures_are_never_changed BEFORE UPDATE ON cosignatures
BEGIN
    SELECT RAISE(ABORT, 'cosignatures are never changed');
END;

CREATE TRIGGER cosignatures_are_never_deleted BEFORE DELETE ON cosignatures
BEGIN
    SELECT RAISE(ABORT, 'cosignatures are never deleted');
END;
