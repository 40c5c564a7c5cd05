-- 0002 Cases: what is searched and constrained about an incident, one final row per batch.
--
-- There is no state here that the log does not give: a case is loaded by applying its events. These columns serve
-- lists, timers and the one rule the database holds itself: exactly one custodian, never none.
--
-- No foreign keys: each would lock its parent's row for every row written. The function that writes joins the parent
-- instead and counts, which says the same, because every writer holds the head.


-- One row per incident.
CREATE TABLE cases (
    incident UUID PRIMARY KEY,
    version BIGINT NOT NULL,                -- seq of its last event
    was BIGINT NOT NULL CHECK (was >= 0),   -- version before the last change; the upsert compares it and moves on only
                                            -- from there, so custody changes by one compare-and-set
    tenure BIGINT NOT NULL,                 -- counts custodies and reopenings
    opened_at BIGINT NOT NULL,              -- ms since 1970
    closed_at BIGINT,                       -- NULL while open
    updated_at BIGINT NOT NULL,             -- time of the last event
    state TEXT COLLATE "C" NOT NULL,                    -- state of the incident, for lists
    custodian_org TEXT COLLATE "C" NOT NULL,            -- who answers for the incident now: one station, NOT NULL
    custodian_station TEXT COLLATE "C" NOT NULL,
    receiver_org TEXT COLLATE "C" NOT NULL,             -- who took the call
    receiver_station TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C",                              -- published code; NULL while unknown
    severity TEXT COLLATE "C",                          -- published code; NULL while unknown
    drill UUID,                             -- the exercise it belongs to; NULL for a real one
    alias_of UUID,                          -- the incident it was merged into
    CHECK (version > was)
) WITH (fillfactor = 80);

-- Lists of an auditor, who sees every organisation's cases: open or closed, opened last first. By opening, because that
-- never changes: a page stays where it is while cases move on, and a command writes no index entry here.
CREATE INDEX cases_by_opening ON cases ((closed_at IS NULL), opened_at, incident);


-- Which stations see a case. Copies two columns of the case so that a station's list is one range of one index.
CREATE TABLE parties (
    incident UUID NOT NULL,
    opened_at BIGINT NOT NULL,              -- copy: never changes
    active BOOLEAN NOT NULL,                -- false: it sees nothing new since it declined or was recalled
    open BOOLEAN NOT NULL,                  -- copy: the case is not closed; whoever closes or reopens it writes these rows
    org TEXT COLLATE "C" NOT NULL,
    station TEXT COLLATE "C" NOT NULL,                  -- '' for an organisation without stations (a common superior)
    PRIMARY KEY (incident, org, station)
) WITH (fillfactor = 80);

-- One organisation's cases, open or closed, opened last first. It holds all that the list looks at.
CREATE INDEX parties_by_opening ON parties (org, open, opened_at, incident, station, active);


-- Who owes what. Final row per key; a done one stays as a row and leaves the indexes.
CREATE TABLE obligations (
    incident UUID NOT NULL,
    scope UUID NOT NULL,                    -- handoff, support request, joint period or other incident; the nil UUID
                                            -- where the incident as a whole is meant
    since BIGINT NOT NULL,                  -- ms since 1970
    due BIGINT NOT NULL,                    -- shown to people
    raise_at BIGINT,                        -- when the timer looks at it next; NULL on the last rung, so that what
                                            -- cannot rise any more does not stand in the timer's way
    acknowledged BOOLEAN NOT NULL,          -- the notified rung has taken notice
    done BOOLEAN NOT NULL,
    duty TEXT COLLATE "C" NOT NULL,                     -- what is owed
    org TEXT COLLATE "C" NOT NULL,                      -- who owes it; '' where no organisation is named (a superior to be found)
    station TEXT COLLATE "C" NOT NULL,                  -- '' for an organisation without stations
    role TEXT COLLATE "C" NOT NULL,                     -- the role that owes it
    rung TEXT COLLATE "C" NOT NULL,                     -- how far up it has gone
    PRIMARY KEY (incident, scope, duty, org, station)
) WITH (fillfactor = 80);

-- The timer's question, asked every second: what is due now, the oldest first.
CREATE INDEX obligations_to_raise ON obligations (raise_at) WHERE NOT done AND raise_at IS NOT NULL;

-- An organisation's list of what it owes, the most pressing first; the key columns that follow give the station.
CREATE INDEX obligations_of_org ON obligations (org, due, incident, scope, duty, station) WHERE NOT done;


-- From a handoff's id to its incident.
CREATE TABLE handoffs (
    handoff UUID PRIMARY KEY,
    incident UUID NOT NULL,
    offered_at BIGINT,                      -- NULL while only claimed
    updated_at BIGINT NOT NULL,
    from_org TEXT COLLATE "C" NOT NULL,
    from_station TEXT COLLATE "C" NOT NULL,
    to_org TEXT COLLATE "C" NOT NULL,
    to_station TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL                     -- state of the handoff, for lists
) WITH (fillfactor = 80);
