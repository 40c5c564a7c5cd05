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
-- commit included. Columns come as arrays, one element per row. No row comes back when the log does not end where the
-- batch expects; then nothing was written. Errors undo everything: HO409 names no request but says that one is known,
-- HO422 names the table whose rows did not fit.
--
-- Each statement takes its own snapshot (the function is VOLATILE), so what another replica committed while this one
-- waited for the head is seen by all that follow.
CREATE FUNCTION handoff_append(
    _expected BIGINT, _position BIGINT, _raise BIGINT, _timeline BIGINT, _last_at BIGINT, _last_hash BYTEA,
    a_org TEXT[], a_client TEXT[], a_request UUID[], a_key BYTEA[], a_mac BYTEA[], a_answer BYTEA[], a_position BIGINT[],
    a_incident UUID[], a_at BIGINT[],
    e_first BIGINT[], e_kind SMALLINT[], e_incident UUID[], e_seq BIGINT[], e_type TEXT[], e_at BIGINT[], e_hash BYTEA[],
    e_bytes BYTEA[],
    f_org TEXT[], f_number BIGINT[], f_position BIGINT[], f_enters BOOLEAN[],
    m_org TEXT[], m_was BIGINT[], m_number BIGINT[],
    c_incident UUID[], c_was BIGINT[], c_version BIGINT[], c_state TEXT[], c_custodian_org TEXT[],
    c_custodian_station TEXT[], c_tenure BIGINT[], c_receiver_org TEXT[], c_receiver_station TEXT[], c_kind TEXT[],
    c_severity TEXT[], c_drill UUID[], c_alias_of UUID[], c_opened_at BIGINT[], c_closed_at BIGINT[],
    c_updated_at BIGINT[],
    p_incident UUID[], p_org TEXT[], p_station TEXT[], p_active BOOLEAN[],
    o_incident UUID[], o_scope UUID[], o_duty TEXT[], o_org TEXT[], o_station TEXT[], o_role TEXT[], o_since BIGINT[],
    o_due BIGINT[], o_raise_at BIGINT[], o_rung TEXT[], o_acknowledged BOOLEAN[], o_done BOOLEAN[],
    h_handoff UUID[], h_incident UUID[], h_from_org TEXT[], h_from_station TEXT[], h_to_org TEXT[], h_to_station TEXT[],
    h_state TEXT[], h_offered_at BIGINT[], h_updated_at BIGINT[],
    v_incident UUID[], v_seq BIGINT[], v_path TEXT[], v_disclosure BYTEA[]
) RETURNS TABLE (now_position BIGINT, now_epoch BIGINT, now_last_at BIGINT, now_last_hash BYTEA)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    written BIGINT;
    moved RECORD;
BEGIN
    -- The head first: whoever waits here waits for the whole batch of another replica and then finds it moved.
    UPDATE head AS h
    SET position = _position, epoch = h.epoch + _raise, timeline = coalesce(_timeline, h.timeline),
        last_at = coalesce(_last_at, h.last_at), last_hash = coalesce(_last_hash, h.last_hash)
    WHERE h.id = 1 AND h.position = _expected
    RETURNING h.position, h.epoch, h.last_at, h.last_hash INTO moved;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    IF cardinality(a_request) > 0 THEN
        INSERT INTO answers (org, client, request, key, mac, answer, position, incident, at)
        SELECT u.* FROM unnest(a_org, a_client, a_request, a_key, a_mac, a_answer, a_position, a_incident, a_at) AS u
        ON CONFLICT (request, org, client) DO NOTHING;
        GET DIAGNOSTICS written = ROW_COUNT;
        IF written <> cardinality(a_request) THEN
            RAISE EXCEPTION 'a request of the batch has an answer' USING ERRCODE = 'HO409', TABLE = 'answers';
        END IF;
    END IF;

    IF cardinality(e_incident) > 0 THEN
        INSERT INTO events (position, first, kind, incident, seq, type, at, hash, bytes)
        SELECT _expected + u.n - 1, u.first, u.kind, u.incident, u.seq, u.type, u.at, u.hash, u.bytes
        FROM unnest(e_first, e_kind, e_incident, e_seq, e_type, e_at, e_hash, e_bytes)
             WITH ORDINALITY AS u (first, kind, incident, seq, type, at, hash, bytes, n);
    END IF;

    IF cardinality(f_org) > 0 THEN
        INSERT INTO feed (org, number, position, enters)
        SELECT u.* FROM unnest(f_org, f_number, f_position, f_enters) AS u;

        -- Moves each feed's head, and only from where the batch found it: a new one from 0 alone.
        INSERT INTO feeds (org, was, number)
        SELECT u.org, u.was, u.number
        FROM unnest(m_org, m_was, m_number) AS u (org, was, number)
        WHERE u.was = 0 OR (SELECT true FROM feeds AS f WHERE f.org = u.org)
        ON CONFLICT (org) DO UPDATE SET was = excluded.was, number = excluded.number
        WHERE feeds.number = excluded.was;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('feeds', written, cardinality(m_org));
    END IF;

    IF cardinality(c_incident) > 0 THEN
        -- The compare-and-set of custody: a row is replaced only from the version the batch saw, and a row that does
        -- not exist only from 0. A scalar subselect, because EXISTS under OR may be planned as a hash of the whole table.
        INSERT INTO cases (incident, was, version, state, custodian_org, custodian_station, tenure, receiver_org,
                           receiver_station, kind, severity, drill, alias_of, opened_at, closed_at, updated_at)
        SELECT u.*
        FROM unnest(c_incident, c_was, c_version, c_state, c_custodian_org, c_custodian_station, c_tenure,
                    c_receiver_org, c_receiver_station, c_kind, c_severity, c_drill, c_alias_of, c_opened_at,
                    c_closed_at, c_updated_at)
             AS u (incident, was, version, state, custodian_org, custodian_station, tenure, receiver_org,
                   receiver_station, kind, severity, drill, alias_of, opened_at, closed_at, updated_at)
        WHERE u.was = 0 OR (SELECT true FROM cases AS c WHERE c.incident = u.incident)
        ON CONFLICT (incident) DO UPDATE
        SET was = excluded.was, version = excluded.version, state = excluded.state,
            custodian_org = excluded.custodian_org, custodian_station = excluded.custodian_station,
            tenure = excluded.tenure, receiver_org = excluded.receiver_org,
            receiver_station = excluded.receiver_station, kind = excluded.kind, severity = excluded.severity,
            drill = excluded.drill, alias_of = excluded.alias_of, opened_at = excluded.opened_at,
            closed_at = excluded.closed_at, updated_at = excluded.updated_at
        WHERE cases.version = excluded.was;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('cases', written, cardinality(c_incident));

        -- Carries the two copied columns to the parties of changed cases.
        UPDATE parties AS p
        SET open = u.closed_at IS NULL, updated_at = u.updated_at
        FROM unnest(c_incident, c_was, c_closed_at, c_updated_at) AS u (incident, was, closed_at, updated_at)
        WHERE u.was > 0 AND p.incident = u.incident;
    END IF;

    IF cardinality(p_incident) > 0 THEN
        INSERT INTO parties (incident, org, station, active, open, updated_at)
        SELECT u.incident, u.org, u.station, u.active, c.closed_at IS NULL, c.updated_at
        FROM unnest(p_incident, p_org, p_station, p_active) AS u (incident, org, station, active)
        JOIN cases AS c ON c.incident = u.incident
        ON CONFLICT (incident, org, station) DO UPDATE
        SET active = excluded.active, open = excluded.open, updated_at = excluded.updated_at;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('parties', written, cardinality(p_incident));
    END IF;

    IF cardinality(o_incident) > 0 THEN
        INSERT INTO obligations (incident, scope, duty, org, station, role, since, due, raise_at, rung, acknowledged,
                                 done)
        SELECT u.*
        FROM unnest(o_incident, o_scope, o_duty, o_org, o_station, o_role, o_since, o_due, o_raise_at, o_rung,
                    o_acknowledged, o_done)
             AS u (incident, scope, duty, org, station, role, since, due, raise_at, rung, acknowledged, done)
        WHERE EXISTS (SELECT 1 FROM cases AS c WHERE c.incident = u.incident)
        ON CONFLICT (incident, scope, duty, org, station) DO UPDATE
        SET role = excluded.role, since = excluded.since, due = excluded.due, raise_at = excluded.raise_at,
            rung = excluded.rung, acknowledged = excluded.acknowledged, done = excluded.done;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('obligations', written, cardinality(o_incident));
    END IF;

    IF cardinality(h_handoff) > 0 THEN
        INSERT INTO handoffs (handoff, incident, from_org, from_station, to_org, to_station, state, offered_at,
                              updated_at)
        SELECT u.*
        FROM unnest(h_handoff, h_incident, h_from_org, h_from_station, h_to_org, h_to_station, h_state, h_offered_at,
                    h_updated_at)
             AS u (handoff, incident, from_org, from_station, to_org, to_station, state, offered_at, updated_at)
        WHERE EXISTS (SELECT 1 FROM cases AS c WHERE c.incident = u.incident)
        ON CONFLICT (handoff) DO UPDATE
        SET incident = excluded.incident, from_org = excluded.from_org, from_station = excluded.from_station,
            to_org = excluded.to_org, to_station = excluded.to_station, state = excluded.state,
            offered_at = excluded.offered_at, updated_at = excluded.updated_at;
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('handoffs', written, cardinality(h_handoff));
    END IF;

    IF cardinality(v_incident) > 0 THEN
        INSERT INTO personal (incident, seq, path, disclosure)
        SELECT u.*
        FROM unnest(v_incident, v_seq, v_path, v_disclosure) AS u (incident, seq, path, disclosure)
        WHERE EXISTS (SELECT 1 FROM events AS e WHERE e.incident = u.incident AND e.seq = u.seq);
        GET DIAGNOSTICS written = ROW_COUNT;
        PERFORM handoff_expect('personal', written, cardinality(v_incident));
    END IF;

    RETURN QUERY SELECT moved.position, moved.epoch, moved.last_at, moved.last_hash;
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
    x_incident UUID[], x_seq BIGINT[], x_path TEXT[],
    k_request UUID[], k_org TEXT[], k_client TEXT[],
    r_org TEXT[], r_client TEXT[], r_number BIGINT[],
    d_at BIGINT[], d_org TEXT[], d_client TEXT[], d_officer TEXT[], d_method TEXT[], d_reason TEXT[], d_count BIGINT[],
    g_map UUID[], g_version BIGINT[], g_digest BYTEA[], g_bytes BYTEA[]
) RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF cardinality(x_incident) > 0 THEN
        DELETE FROM personal AS p
        USING unnest(x_incident, x_seq, x_path) AS u (incident, seq, path)
        WHERE p.incident = u.incident AND p.seq = u.seq AND p.path = u.path;
    END IF;
    IF cardinality(k_request) > 0 THEN
        UPDATE answers AS a
        SET key = NULL
        FROM unnest(k_request, k_org, k_client) AS u (request, org, client)
        WHERE a.request = u.request AND a.org = u.org AND a.client = u.client;
    END IF;
    IF cardinality(r_org) > 0 THEN
        INSERT INTO cursors (org, client, number)
        SELECT u.* FROM unnest(r_org, r_client, r_number) AS u
        ON CONFLICT (org, client) DO UPDATE SET number = excluded.number
        WHERE excluded.number > cursors.number;
    END IF;
    IF cardinality(d_at) > 0 THEN
        INSERT INTO audit (at, org, client, officer, method, reason, count)
        SELECT u.* FROM unnest(d_at, d_org, d_client, d_officer, d_method, d_reason, d_count) AS u;
    END IF;
    IF cardinality(g_map) > 0 THEN
        INSERT INTO maps (map, version, digest, bytes)
        SELECT u.* FROM unnest(g_map, g_version, g_digest, g_bytes) AS u;
    END IF;
    RETURN 1;
END
$$;
