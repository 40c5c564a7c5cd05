-- 0004 Beside the log: what is erasable, what is too large for an event; and the one way to write.


-- The only personal content: values with their salts, of which the event bytes hold digests. Deleting a row leaves
-- every proof whole. No index over values, so nothing here can be searched by person.
CREATE TABLE personal (
    incident UUID NOT NULL,
    seq BIGINT NOT NULL,                    -- the event that carries the digest
    path TEXT COLLATE "C" NOT NULL,         -- which field of it
    disclosure BYTEA NOT NULL,              -- salt, path and value, as the digest was made; may be sealed
    PRIMARY KEY (incident, seq, path)
);


-- Uploaded boundary maps. The event carries the digest.
CREATE TABLE maps (
    map UUID NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    digest BYTEA NOT NULL CHECK (octet_length(digest) = 32), -- SHA-256 of the bytes
    bytes BYTEA NOT NULL,
    PRIMARY KEY (map, version)
);


-- One batch, one call: the statement that calls this is the whole transaction, so a batch costs one round trip, its
-- commit included. Rows come as arrays of the tables' own row types: one array is one scan, where one array for each
-- column cost a batch of 128 cases twice the time. No row comes back when the log does not end where the batch expects;
-- then nothing was written. Errors undo everything: HO409 names no request but says that one is known, HO422 names the
-- table whose rows did not fit.
--
-- Each statement takes its own snapshot (the function is VOLATILE), so what another replica committed while this one
-- waited for the head is seen by all that follow.
CREATE FUNCTION handoff_append(
    _expected BIGINT, _position BIGINT, _raise BIGINT, _timeline BIGINT, _last_at BIGINT, _last_hash BYTEA,
    _answers answers[], _events events[], _feed feed[], _feeds feeds[], _cases cases[], _parties parties[],
    _obligations obligations[], _handoffs handoffs[], _personal personal[]
) RETURNS TABLE (now_position BIGINT, now_epoch BIGINT, now_last_at BIGINT, now_last_hash BYTEA)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    written BIGINT;
    begun BIGINT;
BEGIN
    -- The head first: whoever waits here waits for the whole batch of another replica and then finds it moved.
    UPDATE head AS h
    SET position = _position, epoch = h.epoch + _raise, timeline = coalesce(_timeline, h.timeline),
        last_at = coalesce(_last_at, h.last_at), last_hash = coalesce(_last_hash, h.last_hash)
    WHERE h.id = 1 AND h.position = _expected
    RETURNING h.position, h.epoch, h.last_at, h.last_hash INTO now_position, now_epoch, now_last_at, now_last_hash;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    IF cardinality(_answers) > 0 THEN
        -- The id is the table's to give.
        INSERT INTO answers (position, at, request, incident, org, client, key, mac, answer)
        SELECT u.position, u.at, u.request, u.incident, u.org, u.client, u.key, u.mac, u.answer
        FROM unnest(_answers) AS u
        ON CONFLICT (request, org, client) DO NOTHING;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(_answers) THEN
            RAISE EXCEPTION 'a request of the batch has an answer' USING ERRCODE = 'HO409', TABLE = 'answers';
        END IF;
    END IF;

    IF cardinality(_events) > 0 THEN
        INSERT INTO events SELECT u.* FROM unnest(_events) AS u;
    END IF;

    IF cardinality(_feed) > 0 THEN
        INSERT INTO feed SELECT u.* FROM unnest(_feed) AS u;

        -- Moves each feed's head, and only from where the batch found it: a new one from 0 alone.
        UPDATE feeds AS f SET was = u.was, number = u.number
        FROM unnest(_feeds) AS u WHERE f.org = u.org AND f.number = u.was;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(_feeds) THEN
            INSERT INTO feeds SELECT u.* FROM unnest(_feeds) AS u WHERE u.was = 0;
            GET DIAGNOSTICS begun = ROW_COUNT;
            PERFORM handoff_expect('feeds', written + begun, cardinality(_feeds));
        END IF;
    END IF;

    IF cardinality(_cases) > 0 THEN
        -- The compare-and-set of custody: a row is replaced only from the version the batch saw, and a row that does
        -- not exist only from 0.
        UPDATE cases AS c
        SET was = u.was, version = u.version, state = u.state, custodian_org = u.custodian_org,
            custodian_station = u.custodian_station, tenure = u.tenure, receiver_org = u.receiver_org,
            receiver_station = u.receiver_station, kind = u.kind, severity = u.severity, drill = u.drill,
            alias_of = u.alias_of, opened_at = u.opened_at, closed_at = u.closed_at, updated_at = u.updated_at
        FROM unnest(_cases) AS u WHERE c.incident = u.incident AND c.version = u.was;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(_cases) THEN
            INSERT INTO cases SELECT u.* FROM unnest(_cases) AS u WHERE u.was = 0;
            GET DIAGNOSTICS begun = ROW_COUNT;
            PERFORM handoff_expect('cases', written + begun, cardinality(_cases));
        END IF;
    END IF;

    IF cardinality(_parties) > 0 THEN
        INSERT INTO parties (incident, org, station, active, open, opened_at)
        SELECT u.incident, u.org, u.station, u.active, c.closed_at IS NULL, c.opened_at
        FROM unnest(_parties) AS u JOIN cases AS c ON c.incident = u.incident
        ON CONFLICT (incident, org, station) DO UPDATE
        SET active = excluded.active, open = excluded.open;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('parties', written, cardinality(_parties));
    END IF;

    IF cardinality(_obligations) > 0 THEN
        INSERT INTO obligations
        SELECT u.* FROM unnest(_obligations) AS u
        WHERE EXISTS (SELECT 1 FROM cases AS c WHERE c.incident = u.incident)
        ON CONFLICT (incident, scope, duty, org, station) DO UPDATE
        SET role = excluded.role, since = excluded.since, due = excluded.due, raise_at = excluded.raise_at,
            rung = excluded.rung, acknowledged = excluded.acknowledged, done = excluded.done;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('obligations', written, cardinality(_obligations));
    END IF;

    IF cardinality(_handoffs) > 0 THEN
        INSERT INTO handoffs
        SELECT u.* FROM unnest(_handoffs) AS u
        WHERE EXISTS (SELECT 1 FROM cases AS c WHERE c.incident = u.incident)
        ON CONFLICT (handoff) DO UPDATE
        SET incident = excluded.incident, from_org = excluded.from_org, from_station = excluded.from_station,
            to_org = excluded.to_org, to_station = excluded.to_station, state = excluded.state,
            offered_at = excluded.offered_at, updated_at = excluded.updated_at;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('handoffs', written, cardinality(_handoffs));
    END IF;

    IF cardinality(_personal) > 0 THEN
        INSERT INTO personal
        SELECT u.* FROM unnest(_personal) AS u
        WHERE EXISTS (SELECT 1 FROM events AS e WHERE e.incident = u.incident AND e.seq = u.seq);
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('personal', written, cardinality(_personal));
    END IF;

    RETURN NEXT;
END
$$;


-- As many rows as the batch has, or nothing at all.
CREATE FUNCTION handoff_expect(_table TEXT, _written BIGINT, _wanted BIGINT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF _written <> _wanted THEN
        RAISE EXCEPTION '% rows were touched, % were to be', _written, _wanted
            USING ERRCODE = 'HO422', TABLE = _table;
    END IF;
END
$$;


-- The tables that few batches touch. Called after `handoff_append` in the same statement, so it is the same
-- transaction; gives 1, so that the caller sees that it ran.
CREATE FUNCTION handoff_beside(
    _erase_incident UUID[], _erase_seq BIGINT[], _erase_path TEXT[],
    _forget_request UUID[], _forget_org TEXT[], _forget_client TEXT[],
    _cursors cursors[], _audit audit[], _maps maps[]
) RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF cardinality(_erase_incident) > 0 THEN
        DELETE FROM personal AS p
        USING unnest(_erase_incident, _erase_seq, _erase_path) AS u (incident, seq, path)
        WHERE p.incident = u.incident AND p.seq = u.seq AND p.path = u.path;
    END IF;
    IF cardinality(_forget_request) > 0 THEN
        UPDATE answers AS a
        SET key = NULL
        FROM unnest(_forget_request, _forget_org, _forget_client) AS u (request, org, client)
        WHERE a.request = u.request AND a.org = u.org AND a.client = u.client;
    END IF;
    IF cardinality(_cursors) > 0 THEN
        INSERT INTO cursors SELECT u.* FROM unnest(_cursors) AS u
        ON CONFLICT (org, client) DO UPDATE SET number = excluded.number
        WHERE excluded.number > cursors.number;
    END IF;
    IF cardinality(_audit) > 0 THEN
        INSERT INTO audit (at, org, client, officer, method, reason, count)
        SELECT u.at, u.org, u.client, u.officer, u.method, u.reason, u.count FROM unnest(_audit) AS u;
    END IF;
    IF cardinality(_maps) > 0 THEN
        INSERT INTO maps SELECT u.* FROM unnest(_maps) AS u;
    END IF;
    RETURN 1;
END
$$;
