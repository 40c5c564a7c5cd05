-- 0002 Cases: what is searched and constrained about an incident, one final row per batch.
--
-- There is no state here that the log does not give: a case is loaded by applying its events. These columns serve
-- lists, timers and the one rule the database holds itself: exactly one custodian, never none.


-- One row per incident.
CREATE TABLE cases (
    incident BLOB PRIMARY KEY CHECK (length(incident) = 16),
    version INTEGER NOT NULL CHECK (version > was), -- seq of its last event
    was INTEGER NOT NULL CHECK (was >= 0),  -- version before the last change; the upsert compares it and moves on only
                                            -- from there, so custody changes by one compare-and-set
    state TEXT NOT NULL,                    -- state of the incident, for lists
    custodian_org TEXT NOT NULL,            -- who answers for the incident now: one station, NOT NULL
    custodian_station TEXT NOT NULL,
    tenure INTEGER NOT NULL,                -- counts custodies and reopenings
    receiver_org TEXT NOT NULL,             -- who took the call
    receiver_station TEXT NOT NULL,
    kind TEXT,                              -- published code; NULL while unknown
    severity TEXT,                          -- published code; NULL while unknown
    drill BLOB,                             -- the exercise it belongs to; NULL for a real one
    alias_of BLOB,                          -- the incident it was merged into
    opened_at INTEGER NOT NULL,             -- ms since 1970
    closed_at INTEGER,                      -- NULL while open
    updated_at INTEGER NOT NULL             -- time of the last event
) STRICT, WITHOUT ROWID;

-- Lists of an auditor, who sees every organisation's cases: open or closed, opened last first. By opening, because that
-- never changes: a page stays where it is while cases move on, and a command writes no index entry here.
CREATE INDEX cases_by_opening ON cases ((closed_at IS NULL), opened_at, incident);


-- Which stations see a case. Copies two columns of the case so that a station's list is one range of one index.
CREATE TABLE parties (
    incident BLOB NOT NULL REFERENCES cases (incident),
    org TEXT NOT NULL,
    station TEXT NOT NULL,                  -- '' for an organisation without stations (a common superior)
    active INTEGER NOT NULL CHECK (active IN (0, 1)), -- 0: it sees nothing new since it declined or was recalled
    open INTEGER NOT NULL CHECK (open IN (0, 1)),     -- copy: the case is not closed; whoever closes or reopens it
                                            -- writes these rows
    opened_at INTEGER NOT NULL,             -- copy: never changes
    PRIMARY KEY (incident, org, station)
) STRICT, WITHOUT ROWID;

-- One organisation's cases, open or closed, opened last first. The station stands behind: an organisation has few,
-- and its open cases are few, so one index serves both questions. It holds all that the list looks at.
CREATE INDEX parties_by_opening ON parties (org, open, opened_at, incident, station, active);


-- Who owes what. Final row per key; a done one stays as a row and leaves the indexes.
CREATE TABLE obligations (
    incident BLOB NOT NULL REFERENCES cases (incident),
    scope BLOB NOT NULL                     -- handoff, support request, joint period or other incident; x'' where
        CHECK (length(scope) IN (0, 16)),   -- the incident as a whole is meant
    duty TEXT NOT NULL,                     -- what is owed
    org TEXT NOT NULL,                      -- who owes it; '' where no organisation is named (a superior to be found)
    station TEXT NOT NULL,                  -- '' for an organisation without stations
    role TEXT NOT NULL,                     -- the role that owes it
    since INTEGER NOT NULL,                 -- ms since 1970
    due INTEGER NOT NULL,                   -- shown to people
    raise_at INTEGER,                       -- when the timer looks at it next; NULL on the last rung, so that what
                                            -- cannot rise any more does not stand in the timer's way
    rung TEXT NOT NULL,                     -- how far up it has gone
    acknowledged INTEGER NOT NULL CHECK (acknowledged IN (0, 1)), -- the notified rung has taken notice
    done INTEGER NOT NULL CHECK (done IN (0, 1)),
    PRIMARY KEY (incident, scope, duty, org, station)
) STRICT, WITHOUT ROWID;

-- The timer's question, asked every second: what is due now, the oldest first.
CREATE INDEX obligations_to_raise ON obligations (raise_at) WHERE done = 0 AND raise_at IS NOT NULL;

-- An organisation's list of what it owes, the most pressing first; the key columns that follow give the station.
CREATE INDEX obligations_of_org ON obligations (org, due) WHERE done = 0;


-- From a handoff's id to its incident.
CREATE TABLE handoffs (
    handoff BLOB PRIMARY KEY CHECK (length(handoff) = 16),
    incident BLOB NOT NULL REFERENCES cases (incident),
    from_org TEXT NOT NULL,
    from_station TEXT NOT NULL,
    to_org TEXT NOT NULL,
    to_station TEXT NOT NULL,
    state TEXT NOT NULL,                    -- state of the handoff, for lists
    offered_at INTEGER,                     -- NULL while only claimed
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
