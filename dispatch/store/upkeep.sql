-- What keeps a log of years in shape: answers to old idempotency keys are forgotten, and gateways' listeners report.
--
-- Run once, by the revision that brings it, after archive.sql.

SET LOCAL ROLE dispatch_owner;

-- name: forget_answers
-- Forgets answers recorded before `older_than`, at most `batch` of them; returns how many. A row has no time of its
-- own: its position tells, so a key is never forgotten earlier than said, whatever the clocks of callers say. There is no
-- index on the position: appends would pay for it, and rows lie in about the order in which they came. It takes no
-- lock that an append waits for longer than a batch lasts.
CREATE FUNCTION log.forget_answers(older_than interval, batch integer DEFAULT 5000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before constant timestamptz := clock_timestamp() - older_than;
    up_to bigint := log.position_at(before);
    forgotten integer;
BEGIN
    IF older_than < interval '7 days' THEN
        RAISE EXCEPTION 'A key is honoured for 7 days at least, not %', older_than
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF up_to <= (SELECT position FROM log.horizon) THEN
        -- The oldest event kept is younger than that; whole files tell their own time.
        up_to := coalesce((SELECT max(last_position) FROM log.archives WHERE last_recorded_at <= before), 0);
    END IF;
    DELETE FROM log.idempotency WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM log.idempotency WHERE position <= up_to LIMIT batch FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

-- name: grants
REVOKE ALL ON FUNCTION log.forget_answers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.forget_answers TO dispatch_app;
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON edge.listeners TO dispatch_app, dispatch_projector;
