-- How the log's tables are stored and cleaned. Run once, by the revision that brings it; each statement may be repeated.
--
-- Autovacuum's defaults wait for a fifth of a table, which for an append-only partition is 800,000 rows and for the one
-- row of the tip never comes. A row that is never changed is frozen the first time it is seen, so that no later vacuum
-- has to read an old partition again to keep transaction ids from running out, and so that log.archive counts a
-- partition by its index. A row that always changes finds room in its own page, so that no index is touched.

SET LOCAL ROLE dispatch_owner;

-- name: appended
DO $appended$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'log.events'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_insert_threshold = 200000, '
                       'autovacuum_vacuum_insert_scale_factor = 0, autovacuum_freeze_min_age = 0, '
                       'autovacuum_analyze_threshold = 200000, autovacuum_analyze_scale_factor = 0)', partition);
    END LOOP;
END
$appended$;
ALTER TABLE log.idempotency SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_scale_factor = 0.02);

-- name: changed
ALTER TABLE log.heads SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1);
ALTER TABLE log.tip SET (
    fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_threshold = 1000000
);
ALTER TABLE log.marks SET (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
RESET ROLE;
