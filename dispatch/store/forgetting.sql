-- Answers to old idempotency keys are forgotten by walking their table, a stretch of pages at a time.
--
-- The problem: an answer's age is that of its position, and an index of positions would be paid for by each append. A
-- search without one reads the whole table, each time, just to learn that nothing is old. The rule kept instead: the
-- caller says from which page on, and a call reads and deletes what lies in so many pages, whatever the table's size.
-- A walk over all of it takes as long as it likes: an answer is kept longer than said, never shorter.
--
-- Run once, by the revision that brings it, after upkeep.sql.

SET LOCAL ROLE dispatch_owner;
DROP FUNCTION log.forget_answers(interval, integer);

-- name: forget_answers
-- Forgets answers recorded before `older_than` that lie in `pages` pages from `first_page` on; says how many, and where
-- to go on (NULL at the end of the table). A row has no time of its own: its position tells, so a key is never forgotten
-- earlier than said, whatever the clocks of callers say. It takes no lock that an append waits for longer than a call.
CREATE FUNCTION log.forget_answers(
    older_than interval, first_page bigint, pages integer, OUT forgotten integer, OUT next_page bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before constant timestamptz := clock_timestamp() - older_than;
    begins constant tid := format('(%s,0)', first_page)::tid;
    ends constant tid := format('(%s,0)', first_page + pages)::tid;
    up_to bigint := log.position_at(before);
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
        SELECT ctid FROM log.idempotency
        WHERE ctid >= begins AND ctid < ends AND position <= up_to FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    next_page := first_page + pages;
    IF next_page >= pg_relation_size('log.idempotency') / current_setting('block_size')::bigint THEN
        next_page := NULL;
    END IF;
END
$$;

-- name: grants
REVOKE ALL ON FUNCTION log.forget_answers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.forget_answers TO dispatch_app;
RESET ROLE;
