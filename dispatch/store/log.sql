-- The log: one ordered, contiguous sequence of events, and the only functions that may write it.
--
-- The problem: readers tail the log by position. A position taken from a sequence at INSERT becomes visible at COMMIT,
-- so a reader that saw 8 may never see 7. The rule kept instead: one row, log.tip, is the lane's lock; a position is
-- given under it and the lock is let go by the commit. Positions are therefore contiguous, in commit order, and
-- completeness is arithmetic.
--
-- Run once, inside the baseline migration, by a role that may create roles (or finds them made). Functions name pg_temp
-- last in their search_path: unnamed it would come first, and a caller could put a type of his own in the way.

-- name: roles
-- The owner cannot log in: its functions are the only way to write the log. The others carry their own time limits,
-- so that no forgotten session can hold the lane. A role made by hand before (managed clusters) is left as it is.
DO $roles$
DECLARE
    wanted text[];
BEGIN
    FOREACH wanted SLICE 1 IN ARRAY ARRAY[
        ['dispatch_owner', 'NOLOGIN'],
        ['dispatch_app', 'LOGIN'],
        ['dispatch_projector', 'LOGIN'],
        ['dispatch_auditor', 'LOGIN']
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted[1]) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE', wanted[1], wanted[2]);
                IF wanted[1] <> 'dispatch_owner' THEN
                    EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', wanted[1],
                        CASE wanted[1] WHEN 'dispatch_app' THEN '15s' ELSE '5min' END);
                    EXECUTE format('ALTER ROLE %I SET lock_timeout = %L', wanted[1], '5s');
                    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', wanted[1], '30s');
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of the same cluster is migrated at this moment
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted[1], 'SET') THEN
            EXECUTE format('GRANT %I TO current_user WITH SET TRUE', wanted[1]);
        END IF;
    END LOOP;
END
$roles$;

CREATE SCHEMA log AUTHORIZATION dispatch_owner;
SET LOCAL ROLE dispatch_owner;

-- name: events
-- Column names are those of the plain `eventsourcing` library, whose reader works on this table. `state` is UTF-8
-- JSON, and nothing here looks inside. A table partitioned by position cannot have a unique (stream, version); the
-- lane's lock and log.heads keep that instead.
CREATE TABLE log.events (
    notification_id    bigint      NOT NULL,
    originator_version bigint      NOT NULL,
    recorded_at        timestamptz NOT NULL,
    originator_id      uuid        NOT NULL,
    topic              text        NOT NULL COLLATE "C",
    state              bytea       NOT NULL,
    PRIMARY KEY (notification_id)
) PARTITION BY RANGE (notification_id);
CREATE INDEX events_stream ON log.events (originator_id, originator_version);

-- name: heads
-- Where each stream stands. Its positions prune the partitions a stream read must look into. No index touches what an
-- append changes, so an update stays in its page.
CREATE TABLE log.heads (
    stream_id      uuid   PRIMARY KEY,
    version        bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- name: tip
-- The end of the log, and the lane's lock. `epoch` is renewed by a restore: a position means nothing without it.
CREATE TABLE log.tip (
    is_the_only_row boolean     PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    position        bigint      NOT NULL DEFAULT 0 CHECK (position >= 0),
    partitioned_to  bigint      NOT NULL DEFAULT 0,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    epoch           uuid        NOT NULL DEFAULT gen_random_uuid()
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
INSERT INTO log.tip DEFAULT VALUES;

-- name: idempotency
-- What makes a repeat harmless: the answer given to a caller's key, written in the transaction of its events.
CREATE TABLE log.idempotency (
    position    bigint NOT NULL,
    caller      text   NOT NULL COLLATE "C",
    key         text   NOT NULL COLLATE "C",
    fingerprint bytea  NOT NULL,
    answer      bytea  NOT NULL,
    PRIMARY KEY (caller, key)
);

-- name: marks
-- How far each reactor has turned facts into commands; moved by compare-and-set in the transaction of its effects.
CREATE TABLE log.marks (
    reactor  text        PRIMARY KEY COLLATE "C",
    position bigint      NOT NULL,
    moved_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- name: events_readable
-- For people: state as jsonb. A state that is not JSON is shown as its text in a JSON string, never an error.
CREATE FUNCTION log.readable(state bytea) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN convert_from(state, 'UTF8')::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN to_jsonb(encode(state, 'escape'));
END
$$;
CREATE VIEW log.events_readable AS
SELECT notification_id AS position, recorded_at, topic, originator_id AS stream_id, originator_version AS version,
       log.readable(state) AS state
FROM log.events;

-- name: append_only
-- Privileges already refuse this to everyone else; the trigger refuses it to the owner and to a superuser's slip.
CREATE FUNCTION log.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'The log is append-only: % on log.% is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Record a new event that corrects the old one.';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- name: partitioned_to
-- The last position that has a partition.
CREATE FUNCTION log.partitioned_to() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$ TO \('(\d+)'\)$re$)::bigint) - 1, 0)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'log.events'::regclass
$$;

-- name: ensure_partitions
-- Makes partitions until `ahead` whole ones lie beyond the tip; returns how many it made. Workers call this on a timer.
-- It takes no lock that an append or a reader waits for: the tip is only read, and a partition is made apart and
-- attached, because CREATE TABLE ... PARTITION OF would lock every reader out of the log. One maker at a time.
CREATE FUNCTION log.ensure_partitions(ahead integer DEFAULT 2) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    partition_size constant bigint := 4000000;
    makers constant bigint := 7166178;
    made integer := 0;
    last bigint;
    room_to bigint;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(makers);
    SELECT position INTO STRICT last FROM log.tip;
    room_to := log.partitioned_to();
    WHILE room_to < last + ahead * partition_size LOOP
        name := 'events_' || to_char(room_to / partition_size + 1, 'FM000000');
        EXECUTE format('CREATE TABLE log.%I (LIKE log.events INCLUDING ALL) WITH ('
                       'autovacuum_vacuum_insert_threshold = 200000, autovacuum_vacuum_insert_scale_factor = 0, '
                       'autovacuum_freeze_min_age = 0, '
                       'autovacuum_analyze_threshold = 200000, autovacuum_analyze_scale_factor = 0)', name);
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change()', name);
        -- Positions lie in (from, to].
        EXECUTE format('ALTER TABLE log.events ATTACH PARTITION log.%I FOR VALUES FROM (%s) TO (%s)',
                       name, room_to + 1, room_to + partition_size + 1);
        room_to := room_to + partition_size;
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- name: find_room
-- What an append does, under the lane's lock, that has come to the last position it knows to have a partition: it looks
-- what was made ahead since, and makes its own only if nothing was. Cannot deadlock with a maker, who never waits for
-- the tip.
CREATE FUNCTION log.find_room(up_to bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF log.partitioned_to() < up_to THEN
        PERFORM log.ensure_partitions(0);
    END IF;
    UPDATE log.tip SET partitioned_to = log.partitioned_to();
END
$$;
SELECT log.ensure_partitions();
UPDATE log.tip SET partitioned_to = log.partitioned_to();

-- name: verdict
-- What a call answers: one row `command = 0` for the call (`position` before it, `recorded_at`), and one row for each
-- command that was NOT recorded. The positions of the others follow by counting: an answer of one row, whatever the
-- size of the batch, is what keeps the decoding cheap.
--   R repeated (answer, position)                K key reused (position)
--   V version conflict (stream, expected, actual) M mark conflict (reactor, expected, actual)
CREATE TYPE log.verdict AS (
    command     integer,
    kind        text,
    position    bigint,
    recorded_at timestamptz,
    stream_id   uuid,
    reactor     text,
    expected    bigint,
    actual      bigint,
    answer      bytea
);

-- name: append_distinct
-- The set-based path: no stream, key or reactor occurs twice in these commands, so none depends on another and all
-- are judged by one look at each table. Only log.append calls this, holding the lane's lock.
--
-- Lookups are scalar subqueries and laterals on purpose. Written as EXISTS inside OR, the version check hashes a table
-- that was never analysed on each call, ten times slower. A stream without a head counts as version -1 here: the
-- function does not assume that versions begin at 1.
--
-- Empty `s_command` and `s_count` mean the common batch: command i is one event on stream i.
-- Returns the rejections, then a row `command = 0` with the position after the last event written.
CREATE FUNCTION log.append_distinct(
    base bigint, at timestamptz,
    s_command integer[], s_stream uuid[], s_expected bigint[], s_count integer[], e_topic text[], e_state bytea[],
    k_command integer[], k_caller text[], k_key text[], k_fingerprint bytea[], k_answer bytea[],
    m_command integer[], m_reactor text[], m_from bigint[], m_to bigint[]
) RETURNS SETOF log.verdict
LANGUAGE plpgsql AS $$
DECLARE
    rejected integer[] := '{}';
    verdict log.verdict;
    s_head bigint[];      -- version of each stream before the call, -1 if it does not exist
    s_before bigint[];    -- version just before the stream's first new event
    s_offset integer[];   -- events of the call that precede the stream's
    e_owner integer[];    -- for each event, its stream's subscript
    k_last bigint[];      -- for each key, the events of the call up to and with its command
    moved integer := 0;   -- heads made and moved
    touched integer;
    is_plain boolean := s_count = '{}' AND s_stream <> '{}';  -- command i is one event on stream i
    are_single boolean := cardinality(s_stream) = cardinality(e_topic);
BEGIN
    -- 1. Judge. Keys come first: a repeat is a repeat even when its stream has moved on since.
    IF cardinality(k_command) > 0 THEN
        FOR verdict IN
            SELECT k.command, CASE WHEN i.fingerprint = k.fingerprint THEN 'R' ELSE 'K' END, i.position, at,
                   NULL, NULL, NULL, NULL, i.answer
            FROM unnest(k_command, k_caller, k_key, k_fingerprint) AS k(command, caller, key, fingerprint)
            CROSS JOIN LATERAL (
                SELECT * FROM log.idempotency i WHERE i.caller = k.caller AND i.key = k.key LIMIT 1
            ) i
        LOOP
            rejected := rejected || verdict.command;
            RETURN NEXT verdict;
        END LOOP;
    END IF;

    s_head := ARRAY(
        SELECT coalesce((SELECT h.version FROM log.heads h WHERE h.stream_id = s.id), -1) FROM unnest(s_stream) AS s(id)
    );
    FOR verdict IN
        SELECT DISTINCT ON (s.command) s.command, 'V', NULL, at, s.id, NULL, s.expected, greatest(s.head, 0), NULL
        FROM (
            SELECT coalesce(s_command[u.i], u.i) AS command, u.id, u.expected, u.head
            FROM unnest(s_stream, s_expected, s_head) WITH ORDINALITY AS u(id, expected, head, i)
            WHERE u.expected <> u.head AND NOT (u.head = -1 AND u.expected <= 0)
        ) s
        WHERE s.command <> ALL (rejected)
    LOOP
        rejected := rejected || verdict.command;
        RETURN NEXT verdict;
    END LOOP;

    IF cardinality(m_command) > 0 THEN
        FOR verdict IN
            SELECT DISTINCT ON (m.command) m.command, 'M', NULL, at, NULL, m.reactor, m.from_position, m.actual, NULL
            FROM (
                SELECT *, coalesce((SELECT k.position FROM log.marks k WHERE k.reactor = m.reactor), 0) AS actual
                FROM unnest(m_command, m_reactor, m_from) AS m(command, reactor, from_position)
            ) m
            WHERE m.actual <> m.from_position AND m.command <> ALL (rejected)
        LOOP
            rejected := rejected || verdict.command;
            RETURN NEXT verdict;
        END LOOP;
    END IF;

    -- 2. Leave the rejected out. What remains is written as if it had come alone.
    IF rejected <> '{}' THEN
        IF is_plain THEN
            is_plain := false;
            s_command := ARRAY(SELECT generate_series(1, cardinality(s_stream)));
            s_count := array_fill(1, ARRAY[cardinality(s_stream)]);
        END IF;
        e_owner := ARRAY(SELECT s.i FROM unnest(s_count) WITH ORDINALITY AS s(n, i), generate_series(1, s.n));
        SELECT coalesce(array_agg(e.topic ORDER BY e.i), '{}'), coalesce(array_agg(e.state ORDER BY e.i), '{}')
        INTO e_topic, e_state
        FROM unnest(e_topic, e_state, e_owner) WITH ORDINALITY AS e(topic, state, owner, i)
        WHERE s_command[e.owner] <> ALL (rejected);
        SELECT coalesce(array_agg(s.command ORDER BY s.i), '{}'), coalesce(array_agg(s.id ORDER BY s.i), '{}'),
               coalesce(array_agg(s.expected ORDER BY s.i), '{}'), coalesce(array_agg(s.n ORDER BY s.i), '{}'),
               coalesce(array_agg(s.head ORDER BY s.i), '{}')
        INTO s_command, s_stream, s_expected, s_count, s_head
        FROM unnest(s_command, s_stream, s_expected, s_count, s_head)
             WITH ORDINALITY AS s(command, id, expected, n, head, i)
        WHERE s.command <> ALL (rejected);
        are_single := cardinality(s_stream) = cardinality(e_topic);
    END IF;

    -- 3. Write.
    IF cardinality(s_stream) > 0 THEN
        s_before := ARRAY(
            SELECT CASE WHEN s.head = -1 THEN coalesce(s.expected, 0) ELSE s.head END
            FROM unnest(s_head, s_expected) AS s(head, expected)
        );
        IF are_single THEN
            INSERT INTO log.events (notification_id, originator_version, recorded_at, originator_id, topic, state)
            SELECT base + e.i, e.before + 1, at, e.id, e.topic, e.state
            FROM unnest(s_stream, s_before, e_topic, e_state) WITH ORDINALITY AS e(id, before, topic, state, i);
            INSERT INTO log.heads (stream_id, version, first_position, last_position)
            SELECT s.id, s.before + 1, base + s.i, base + s.i
            FROM unnest(s_stream, s_head, s_before) WITH ORDINALITY AS s(id, head, before, i)
            WHERE s.head = -1;
            GET DIAGNOSTICS moved = ROW_COUNT;
            IF moved < cardinality(s_stream) THEN
                UPDATE log.heads h SET version = s.before + 1, last_position = base + s.i
                FROM unnest(s_stream, s_head, s_before) WITH ORDINALITY AS s(id, head, before, i)
                WHERE s.head >= 0 AND h.stream_id = s.id;
                GET DIAGNOSTICS touched = ROW_COUNT;
                moved := moved + touched;
            END IF;
        ELSE
            s_offset := ARRAY(SELECT sum(s.n) OVER (ORDER BY s.i) - s.n FROM unnest(s_count) WITH ORDINALITY AS s(n, i));
            e_owner := ARRAY(SELECT s.i FROM unnest(s_count) WITH ORDINALITY AS s(n, i), generate_series(1, s.n));
            INSERT INTO log.events (notification_id, originator_version, recorded_at, originator_id, topic, state)
            SELECT base + e.i, s_before[e.owner] + e.i - s_offset[e.owner], at, s_stream[e.owner], e.topic, e.state
            FROM unnest(e_owner, e_topic, e_state) WITH ORDINALITY AS e(owner, topic, state, i);
            INSERT INTO log.heads (stream_id, version, first_position, last_position)
            SELECT s.id, s.before + s.n, base + s.before_it + 1, base + s.before_it + s.n
            FROM unnest(s_stream, s_head, s_before, s_offset, s_count) AS s(id, head, before, before_it, n)
            WHERE s.head = -1;
            GET DIAGNOSTICS moved = ROW_COUNT;
            UPDATE log.heads h SET version = s.before + s.n, last_position = base + s.before_it + s.n
            FROM unnest(s_stream, s_head, s_before, s_offset, s_count) AS s(id, head, before, before_it, n)
            WHERE s.head >= 0 AND h.stream_id = s.id;
            GET DIAGNOSTICS touched = ROW_COUNT;
            moved := moved + touched;
        END IF;
        -- A stream named twice in one run would get a version twice. The caller splits the runs; this makes it sure.
        IF moved <> cardinality(s_stream) THEN
            RAISE EXCEPTION 'A stream occurs twice in one run of commands' USING ERRCODE = 'invalid_parameter_value';
        END IF;
    END IF;

    IF cardinality(k_command) > 0 AND is_plain THEN
        INSERT INTO log.idempotency (position, caller, key, fingerprint, answer)
        SELECT base + k.command, k.caller, k.key, k.fingerprint, k.answer
        FROM unnest(k_command, k_caller, k_key, k_fingerprint, k_answer) AS k(command, caller, key, fingerprint, answer);
    ELSIF cardinality(k_command) > 0 THEN
        -- A command's last position counts the events of all commands up to it: it may have none of its own.
        k_last := ARRAY(
            SELECT t.last
            FROM (
                SELECT u.command, u.is_key, sum(u.n) OVER (ORDER BY u.command) AS last
                FROM (
                    SELECT s.command, s.n, false FROM unnest(s_command, s_count) AS s(command, n)
                    UNION ALL SELECT k, 0, true FROM unnest(k_command) k
                ) AS u(command, n, is_key)
            ) t
            WHERE t.is_key ORDER BY t.command
        );
        INSERT INTO log.idempotency (position, caller, key, fingerprint, answer)
        SELECT base + k.last, k.caller, k.key, k.fingerprint, k.answer
        FROM unnest(k_command, k_caller, k_key, k_fingerprint, k_answer, k_last)
             AS k(command, caller, key, fingerprint, answer, last)
        WHERE k.command <> ALL (rejected);
    END IF;

    IF cardinality(m_command) > 0 THEN
        INSERT INTO log.marks (reactor, position, moved_at)
        SELECT m.reactor, m.to_position, at FROM unnest(m_command, m_reactor, m_to) AS m(command, reactor, to_position)
        WHERE m.command <> ALL (rejected)
        ON CONFLICT (reactor) DO UPDATE SET position = excluded.position, moved_at = excluded.moved_at;
    END IF;

    verdict := (0, 'N', base + cardinality(e_topic), at, NULL, NULL, NULL, NULL, NULL)::log.verdict;
    RETURN NEXT verdict;
END
$$;

-- name: append
-- Records a batch of commands, judged in order, later ones seeing earlier ones; each is all or nothing and never fails
-- its neighbours. Commands are numbered from 1 in the order of the arrays; `s_*` are their streams (`s_expected` NULL
-- appends without a check, 0 demands a new stream, `s_count` is how many of the events, in order, belong to it), `k_*`
-- their idempotency rows, `m_*` their reactors' marks. `starts` splits the batch into runs in which no stream, key or
-- reactor occurs twice: the first command of each run after the first. To be called as one autocommit statement: the
-- lane's lock is held until the commit.
--
-- The position is moved at once and corrected afterwards if commands were rejected: rejections are rare, and the lock
-- costs no statement of its own. recorded_at is read after the lock, so it never goes back.
CREATE FUNCTION log.append(
    starts integer[],
    s_command integer[], s_stream uuid[], s_expected bigint[], s_count integer[], e_topic text[], e_state bytea[],
    k_command integer[], k_caller text[], k_key text[], k_fingerprint bytea[], k_answer bytea[],
    m_command integer[], m_reactor text[], m_from bigint[], m_to bigint[]
) RETURNS SETOF log.verdict
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    events constant integer := cardinality(e_topic);
    before bigint;
    base bigint;
    at timestamptz;
    room_to bigint;
    verdict log.verdict;
    s_from integer := 1; s_to integer := 0; e_from integer := 1; e_to integer := 0;
    k_from integer := 1; k_to integer := 0; m_from_i integer := 1; m_to_i integer := 0;
    next_start integer;
BEGIN
    IF events <> cardinality(e_state)
       OR events <> (CASE s_count WHEN '{}' THEN cardinality(s_stream) ELSE (SELECT sum(n) FROM unnest(s_count) n) END)
    THEN
        RAISE EXCEPTION 'The counts of the streams do not add up to the events' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    UPDATE log.tip t SET position = t.position + events, recorded_at = greatest(t.recorded_at, clock_timestamp())
    RETURNING t.position - events, t.recorded_at, t.partitioned_to INTO STRICT before, at, room_to;
    IF before + events > room_to THEN
        PERFORM log.find_room(before + events);
    END IF;
    base := before;

    IF starts = '{}' THEN
        FOR verdict IN
            SELECT * FROM log.append_distinct(base, at, s_command, s_stream, s_expected, s_count, e_topic, e_state,
                k_command, k_caller, k_key, k_fingerprint, k_answer, m_command, m_reactor, m_from, m_to)
        LOOP
            IF verdict.command = 0 THEN base := verdict.position; ELSE RETURN NEXT verdict; END IF;
        END LOOP;
    ELSE
        IF s_count = '{}' THEN
            s_command := ARRAY(SELECT generate_series(1, cardinality(s_stream)));
            s_count := array_fill(1, ARRAY[cardinality(s_stream)]);
        END IF;
        FOR run IN 1 .. cardinality(starts) + 1 LOOP
            next_start := starts[run];  -- NULL for the last run: take what is left
            WHILE s_to < cardinality(s_command) AND coalesce(s_command[s_to + 1] < next_start, true) LOOP
                s_to := s_to + 1;
                e_to := e_to + s_count[s_to];
            END LOOP;
            WHILE k_to < cardinality(k_command) AND coalesce(k_command[k_to + 1] < next_start, true) LOOP
                k_to := k_to + 1;
            END LOOP;
            WHILE m_to_i < cardinality(m_command) AND coalesce(m_command[m_to_i + 1] < next_start, true) LOOP
                m_to_i := m_to_i + 1;
            END LOOP;
            FOR verdict IN
                SELECT * FROM log.append_distinct(base, at, s_command[s_from:s_to], s_stream[s_from:s_to],
                    s_expected[s_from:s_to], s_count[s_from:s_to], e_topic[e_from:e_to], e_state[e_from:e_to],
                    k_command[k_from:k_to], k_caller[k_from:k_to], k_key[k_from:k_to], k_fingerprint[k_from:k_to],
                    k_answer[k_from:k_to], m_command[m_from_i:m_to_i], m_reactor[m_from_i:m_to_i],
                    m_from[m_from_i:m_to_i], m_to[m_from_i:m_to_i])
            LOOP
                IF verdict.command = 0 THEN base := verdict.position; ELSE RETURN NEXT verdict; END IF;
            END LOOP;
            s_from := s_to + 1; e_from := e_to + 1; k_from := k_to + 1; m_from_i := m_to_i + 1;
        END LOOP;
    END IF;

    IF base <> before + events THEN
        UPDATE log.tip t SET position = base;
    END IF;
    verdict := (0, 'N', before, at, NULL, NULL, NULL, NULL, NULL)::log.verdict;
    RETURN NEXT verdict;
END
$$;

-- name: append_one
-- The shorter path of a lone command with one event: no arrays, four statements. Same answer as log.append.
-- `caller` NULL means no idempotency row.
CREATE FUNCTION log.append_one(
    stream uuid, expected bigint, topic text, state bytea, caller text, key text, fingerprint bytea, answer bytea
) RETURNS SETOF log.verdict
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    head bigint;
    at timestamptz;
    now_at bigint;
    room_to bigint;
    used log.idempotency%ROWTYPE;
BEGIN
    UPDATE log.tip t SET position = t.position + 1, recorded_at = greatest(t.recorded_at, clock_timestamp())
    RETURNING t.position, t.recorded_at, t.partitioned_to INTO STRICT now_at, at, room_to;
    IF now_at > room_to THEN
        PERFORM log.find_room(now_at);
    END IF;
    RETURN NEXT (0, 'N', now_at - 1, at, NULL, NULL, NULL, NULL, NULL)::log.verdict;

    IF append_one.caller IS NOT NULL THEN
        SELECT * INTO used FROM log.idempotency i WHERE i.caller = append_one.caller AND i.key = append_one.key;
        IF FOUND THEN
            UPDATE log.tip t SET position = now_at - 1;
            RETURN NEXT (1, CASE WHEN used.fingerprint = append_one.fingerprint THEN 'R' ELSE 'K' END, used.position, at,
                         NULL, NULL, NULL, NULL, used.answer)::log.verdict;
            RETURN;
        END IF;
        INSERT INTO log.idempotency (position, caller, key, fingerprint, answer)
        VALUES (now_at, append_one.caller, append_one.key, append_one.fingerprint, append_one.answer);
    END IF;

    IF expected > 0 THEN  -- a stream that must exist: move its head if it stands where it should
        UPDATE log.heads h SET version = h.version + 1, last_position = now_at
        WHERE h.stream_id = stream AND h.version = expected RETURNING h.version INTO head;
    ELSE                  -- NULL, 0 or -1: a new stream, or one appended to without a check
        INSERT INTO log.heads AS h (stream_id, version, first_position, last_position)
        VALUES (stream, coalesce(expected, 0) + 1, now_at, now_at)
        ON CONFLICT (stream_id) DO UPDATE SET version = h.version + 1, last_position = excluded.last_position
        WHERE expected IS NULL OR h.version = expected
        RETURNING h.version INTO head;
    END IF;
    IF head IS NULL THEN
        UPDATE log.tip t SET position = now_at - 1;
        DELETE FROM log.idempotency i WHERE i.caller = append_one.caller AND i.key = append_one.key;
        SELECT h.version INTO head FROM log.heads h WHERE h.stream_id = stream;
        RETURN NEXT (1, 'V', NULL, at, stream, NULL, expected, coalesce(head, 0), NULL)::log.verdict;
        RETURN;
    END IF;

    INSERT INTO log.events (notification_id, originator_version, recorded_at, originator_id, topic, state)
    VALUES (now_at, head, at, stream, append_one.topic, append_one.state);
END
$$;

-- name: position_at
-- The last position recorded at or before an instant. recorded_at never goes back and positions have no holes, so a
-- binary search on the primary key answers (30 look-ups at 10^9 events) and no index on the instant is needed.
CREATE FUNCTION log.position_at(instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    low bigint;   -- known to be at or before the instant, or just below the oldest event kept
    high bigint;  -- known to be after the instant, or just beyond the tip
    middle bigint;
    middle_at timestamptz;
BEGIN
    SELECT coalesce(min(notification_id), 1) - 1, coalesce(max(notification_id), 0) + 1 INTO low, high FROM log.events;
    WHILE high - low > 1 LOOP
        middle := low + (high - low) / 2;
        SELECT recorded_at INTO STRICT middle_at FROM log.events WHERE notification_id = middle;
        IF middle_at <= instant THEN low := middle; ELSE high := middle; END IF;
    END LOOP;
    RETURN low;
END
$$;

-- name: renew_epoch
-- A restore calls this before anyone reads: positions given after the backup are given again, to other events.
CREATE FUNCTION log.renew_epoch() RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE log.tip SET epoch = gen_random_uuid() RETURNING epoch;
$$;

-- name: grants
-- Read for the three that may read, EXECUTE for the app, nothing for anyone else.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA log FROM PUBLIC;
GRANT USAGE ON SCHEMA log TO dispatch_app, dispatch_projector, dispatch_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA log TO dispatch_app, dispatch_projector, dispatch_auditor;
GRANT EXECUTE ON FUNCTION log.position_at, log.readable TO dispatch_app, dispatch_projector, dispatch_auditor;
GRANT EXECUTE ON FUNCTION log.append, log.append_one, log.ensure_partitions TO dispatch_app;
RESET ROLE;
