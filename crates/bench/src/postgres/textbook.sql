-- Floor A: one transition in one transaction, statement by statement, as an integrator would write it. `:dense` 1
-- numbers by locked rows, without a gap and in the order of commit, as the service does; 0 by sequences, which is
-- quicker, and loses entries for whoever polls behind the highest number seen.

BEGIN;

\if :dense
SELECT position FROM head WHERE id = 1 FOR UPDATE
\gset
\else
SELECT nextval('bench_position') AS position
\gset
\endif

SELECT count(*) AS known FROM answers
WHERE request = ('01980000000070008000' || :request::text)::uuid AND org = 'A' AND client = 'cad-a-0'
\gset

INSERT INTO answers (position, at, request, org, client, key, mac, answer)
VALUES (:position, :at, ('01980000000070008000' || :request::text)::uuid, 'A', 'cad-a-0',
        '\x03030303030303030303030303030303', :hash::bytea, :answer::bytea);

UPDATE cases SET was = version, version = version + 1, state = 'ON_SCENE', updated_at = :at
WHERE incident = ('01980000000070008000' || :incident::text)::uuid RETURNING version AS seq
\gset

-- As many bytes as a signature of the leaf has.
INSERT INTO events (position, first, seq, at, incident, kind, type, hash, leaf, bytes)
VALUES (:position, :position, :seq, :at, ('01980000000070008000' || :incident::text)::uuid, 2, 'unit_reported',
        :hash::bytea, :hash::bytea || :hash::bytea, :event::bytea);

\if :dense
UPDATE feeds SET was = number, number = number + 1 WHERE org IN ('A', 'B');

INSERT INTO feed (number, position, enters, org)
SELECT number, :position, false, org FROM feeds WHERE org IN ('A', 'B');
\else
INSERT INTO feed (number, position, enters, org)
VALUES (nextval('bench_feed'), :position, false, 'A'), (nextval('bench_feed'), :position, false, 'B');
\endif

\if :obligations >= 1
INSERT INTO obligations (incident, scope, since, due, raise_at, acknowledged, done, duty, org, station, role, rung)
VALUES (('01980000000070008000' || :incident::text)::uuid, ('01980000000070008000' || :scope::text)::uuid, :at,
        :at::bigint + 60000, :at::bigint + 60000, false, :seq::bigint % 2 = 0, 'decide', 'B', 'B-07', 'duty_officer',
        'duty')
ON CONFLICT (incident, scope, duty, org, station) DO UPDATE
SET role = excluded.role, since = excluded.since, due = excluded.due, raise_at = excluded.raise_at,
    rung = excluded.rung, acknowledged = excluded.acknowledged, done = excluded.done;
\endif
\if :obligations >= 2
INSERT INTO obligations (incident, scope, since, due, raise_at, acknowledged, done, duty, org, station, role, rung)
VALUES (('01980000000070008000' || :incident::text)::uuid, ('01980000000070008000' || :scope::text)::uuid, :at,
        :at::bigint + 60000, :at::bigint + 60000, false, :seq::bigint % 2 = 0, 'sign', 'B', 'B-07', 'duty_officer',
        'duty')
ON CONFLICT (incident, scope, duty, org, station) DO UPDATE
SET role = excluded.role, since = excluded.since, due = excluded.due, raise_at = excluded.raise_at,
    rung = excluded.rung, acknowledged = excluded.acknowledged, done = excluded.done;
\endif

\if :personal >= 1
INSERT INTO personal (incident, seq, path, disclosure)
VALUES (('01980000000070008000' || :incident::text)::uuid, :seq, 'body.caller.phone', :disclosure::bytea);
\endif
\if :personal >= 2
INSERT INTO personal (incident, seq, path, disclosure)
VALUES (('01980000000070008000' || :incident::text)::uuid, :seq, 'body.narrative', :disclosure::bytea);
\endif

\if :handoffs >= 1
INSERT INTO handoffs (handoff, incident, offered_at, updated_at, from_org, from_station, to_org, to_station, state)
VALUES (('01980000000070008000' || :handoff::text)::uuid, ('01980000000070008000' || :incident::text)::uuid, :at,
        :at, 'A', 'A-01', 'B', 'B-07', 'OFFERED')
ON CONFLICT (handoff) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at;
\endif

\if :dense
UPDATE head SET position = :position::bigint + 1, last_at = :at, last_hash = :hash::bytea WHERE id = 1;
\endif

COMMIT;
