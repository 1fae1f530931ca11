-- The archive: old ranges of the log live in files, and this is what the database knows of them.
--
-- The log is never shortened: a range leaves the table only in the transaction that records the file which holds it,
-- and only through log.archive, which looks for itself whether the range may go. Everybody who reads the table says
-- which horizon he knows; a reader that knows an old one gets an error and not an empty page.
--
-- Run once, by the revision that brings it, after log.sql.

-- name: archiver
-- The only role that may move a range, and it can do nothing else to the log.
DO $role$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dispatch_archiver') THEN
        BEGIN
            CREATE ROLE dispatch_archiver LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
            ALTER ROLE dispatch_archiver SET statement_timeout = '10min';
            ALTER ROLE dispatch_archiver SET lock_timeout = '5s';
            ALTER ROLE dispatch_archiver SET idle_in_transaction_session_timeout = '30s';
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- another database of the same cluster is migrated at this moment
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'dispatch_archiver', 'SET') THEN
        GRANT dispatch_archiver TO current_user WITH SET TRUE;
    END IF;
END
$role$;

-- The owner's function asks whether every reader has a range behind it.
GRANT USAGE ON SCHEMA read, feed TO dispatch_owner;
GRANT SELECT ON read.checkpoints, feed.checkpoints TO dispatch_owner;

SET LOCAL ROLE dispatch_owner;

-- name: horizon
-- Positions up to the horizon lie in files, all others in log.events. Apart from log.tip, which every append changes.
CREATE TABLE log.horizon (
    is_the_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    position        bigint  NOT NULL DEFAULT 0 CHECK (position >= 0)
);
INSERT INTO log.horizon DEFAULT VALUES;

-- name: archives
-- One row a file. `index_sha256` is of the file's index, which holds the hash of every other part: it vouches for the
-- whole file at the price of reading a little of it. `file_sha256` is what `sha256sum` says; `content_sha256` is of the
-- events themselves, whatever the form they are stored in.
CREATE TABLE log.archives (
    first_position    bigint      PRIMARY KEY,
    last_position     bigint      NOT NULL UNIQUE,
    events            bigint      NOT NULL,
    first_recorded_at timestamptz NOT NULL,
    last_recorded_at  timestamptz NOT NULL,
    file              text        NOT NULL UNIQUE COLLATE "C",
    bytes             bigint      NOT NULL,
    file_sha256       bytea       NOT NULL CHECK (octet_length(file_sha256) = 32),
    index_sha256      bytea       NOT NULL CHECK (octet_length(index_sha256) = 32),
    content_sha256    bytea       NOT NULL CHECK (octet_length(content_sha256) = 32),
    archived_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (events = last_position - first_position + 1)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.archives
FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- name: partitions
-- The partitions of log.events with the positions they are for.
CREATE VIEW log.partitions AS
SELECT c.relname::text COLLATE "C" AS name,
       substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \(''?(\d+)''?\)')::bigint AS first_position,
       substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''?(\d+)''?\)')::bigint - 1 AS last_position,
       pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'log.events'::regclass;

-- name: horizon_moved
-- Every read of log.events names the horizon it knows and calls this when the real one is another. An error is the
-- only answer that nobody can take for "there is nothing".
CREATE FUNCTION log.horizon_moved(now_at bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'Positions up to % lie in archive files', now_at
        USING ERRCODE = 'DA001', HINT = 'Read log.archives, and those positions from the files it names.';
END
$$;

-- name: readers_behind
-- Who has not read up to a position: reactors, projections (those being built too) and feeds. A mark that only says
-- "the sample city was loaded" never moves and belongs to no reader.
CREATE FUNCTION log.readers_behind(wanted bigint) RETURNS TABLE (reader text, stands_at bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'reactor ' || m.reactor, m.position FROM log.marks m
    WHERE m.position < wanted AND m.reactor NOT LIKE 'city-loaded:%'
    UNION ALL SELECT 'projection ' || c.name, c.position FROM read.checkpoints c WHERE c.position < wanted
    UNION ALL SELECT 'feed ' || f.name, f.position FROM feed.checkpoints f WHERE f.position < wanted
    ORDER BY 2, 1
$$;

-- name: archive
-- Records a verified file and drops the partition it holds, in the one transaction of this call; answers the horizon.
-- The caller read the file back and compared; what can be looked at from here is looked at again: it is the next
-- partition in turn, full, behind every reader, and has as many events as the file. Dropping locks log.events for an
-- instant, so whoever calls this sets a short lock_timeout and tries again.
CREATE FUNCTION log.archive(
    partition text, events bigint, file text, bytes bigint, file_sha256 bytea, index_sha256 bytea, content_sha256 bytea
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before bigint;
    range record;
    behind record;
    counted bigint;
    first_at timestamptz;
    last_at timestamptz;
BEGIN
    SELECT h.position INTO STRICT before FROM log.horizon h FOR UPDATE;
    SELECT p.name, p.first_position, p.last_position INTO range FROM log.partitions p
    WHERE p.first_position = before + 1;
    IF range.name IS DISTINCT FROM partition THEN
        RAISE EXCEPTION 'After position % it is the turn of %, not of %', before, range.name, partition
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF range.last_position > (SELECT t.position FROM log.tip t) THEN
        RAISE EXCEPTION 'The log ends within %: only a full partition can be archived', partition
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT r.reader, r.stands_at INTO behind FROM log.readers_behind(range.last_position) r LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% stands at %, before the end of % at %', behind.reader, behind.stands_at, partition,
            range.last_position USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('SELECT count(*) FROM log.%I', partition) INTO counted;
    IF counted <> events OR counted <> range.last_position - before THEN
        RAISE EXCEPTION '% has % events, the file %', partition, counted, events
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('SELECT recorded_at FROM log.%I WHERE notification_id = $1', partition)
        INTO STRICT first_at USING before + 1;
    EXECUTE format('SELECT recorded_at FROM log.%I WHERE notification_id = $1', partition)
        INTO STRICT last_at USING range.last_position;
    INSERT INTO log.archives VALUES (before + 1, range.last_position, events, first_at, last_at, file, bytes,
        file_sha256, index_sha256, content_sha256);
    UPDATE log.horizon h SET position = range.last_position;
    EXECUTE format('DROP TABLE log.%I', partition);
    RETURN range.last_position;
END
$$;

-- name: grants
REVOKE ALL ON FUNCTION log.horizon_moved, log.readers_behind, log.archive FROM PUBLIC;
GRANT USAGE ON SCHEMA log TO dispatch_archiver;
GRANT SELECT ON ALL TABLES IN SCHEMA log TO dispatch_app, dispatch_projector, dispatch_auditor, dispatch_archiver;
GRANT EXECUTE ON FUNCTION log.horizon_moved TO dispatch_app, dispatch_projector, dispatch_auditor, dispatch_archiver;
GRANT EXECUTE ON FUNCTION log.readers_behind, log.position_at, log.readable TO dispatch_app, dispatch_archiver;
GRANT EXECUTE ON FUNCTION log.archive TO dispatch_archiver;
RESET ROLE;
