-- 0004 Beside the log: what is erasable, and what is too large for an event.


-- The only personal content: values with their salts, of which the event bytes hold digests. Deleting a row leaves
-- every proof whole. No index over values, so nothing here can be searched by person.
CREATE TABLE personal (
    incident BLOB NOT NULL,
    seq INTEGER NOT NULL,                   -- the event that carries the digest
    path TEXT NOT NULL,                     -- which field of it
    disclosure BLOB NOT NULL,               -- salt, path and value, as the digest was made; may be sealed
    PRIMARY KEY (incident, seq, path),
    FOREIGN KEY (incident, seq) REFERENCES events (incident, seq)
) STRICT, WITHOUT ROWID;


-- Uploaded boundary maps. The event carries the digest. A table with row keys, so that the bytes lie apart from
-- the key.
CREATE TABLE maps (
    map BLOB NOT NULL CHECK (length(map) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    digest BLOB NOT NULL CHECK (length(digest) = 32), -- SHA-256 of the bytes
    bytes BLOB NOT NULL,
    PRIMARY KEY (map, version)
) STRICT;
