-- 0003 Requests: what was answered to whom, how far each subscriber is, what was denied.


-- One row per request id, written in the transaction of its events: a request is never applied twice, and a repeat
-- gets the first answer. A row key that grows keeps the table append-only; only the small index is touched at
-- random places.
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,                 -- order of writing: the newest warm the cache at start
    org TEXT NOT NULL,                      -- scope of the request id: organisation and client
    client TEXT NOT NULL,
    request BLOB NOT NULL CHECK (length(request) = 16),
    key BLOB,                               -- random key of the MAC; erasure sets it to NULL, and with it goes the
                                            -- only way to search the request's content
    mac BLOB NOT NULL CHECK (length(mac) = 32), -- of method and content: the same content gets the same answer
    answer BLOB NOT NULL,                   -- answer bytes; no personal values
    position INTEGER,                       -- first event of the command; NULL for a refusal
    incident BLOB,                          -- for a refusal, the incident it was about: erasure must find it too
    at INTEGER NOT NULL                     -- ms since 1970
) STRICT;

-- The rule itself. The request id stands first: ids that grow with time then stay together.
CREATE UNIQUE INDEX answers_by_request ON answers (request, org, client);

-- Erasure of one incident finds the keys of its requests: by the events they made, or by the refusal's incident.
CREATE INDEX answers_of_event ON answers (position) WHERE position IS NOT NULL;
CREATE INDEX answers_of_incident ON answers (incident) WHERE incident IS NOT NULL;


-- Up to where a subscriber has taken its feed in. Only ever rises.
CREATE TABLE cursors (
    org TEXT NOT NULL,
    client TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 0),
    PRIMARY KEY (org, client)
) STRICT, WITHOUT ROWID;


-- Denied attempts, one row each or one counting row where they come in floods.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,                    -- ms since 1970
    org TEXT,                               -- as far as the caller was known
    client TEXT,
    officer TEXT,                           -- pseudonym
    method TEXT NOT NULL,                   -- what was asked
    reason TEXT NOT NULL,                   -- published reason of the denial
    count INTEGER NOT NULL CHECK (count >= 1) -- how many attempts this row stands for
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;

CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never deleted');
END;
