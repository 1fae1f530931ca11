-- Who may touch what is not the log. Run after every migration; each statement may be repeated.

-- name: schemas
GRANT USAGE ON SCHEMA edge, vault, feed, read TO dispatch_app;
GRANT USAGE, CREATE ON SCHEMA read TO dispatch_projector;
GRANT USAGE ON SCHEMA read, feed TO dispatch_auditor;

-- name: tables
-- The auditor reads what was shown and what was sent, and never a key. The projector writes projections. What releases
-- before 0007 had granted beyond this is taken back first.
REVOKE ALL ON ALL TABLES IN SCHEMA edge, feed FROM dispatch_projector;
REVOKE ALL ON SCHEMA edge, feed FROM dispatch_projector;
REVOKE ALL ON ALL TABLES IN SCHEMA vault, feed FROM dispatch_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA edge TO dispatch_app;
-- A key can be destroyed, which leaves its row; without the row the next field would quietly make a new key.
GRANT SELECT, INSERT, UPDATE (wrapped_key, destroyed_at) ON vault.subject_keys TO dispatch_app;
-- What was numbered for a partner stays as it was numbered.
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA feed TO dispatch_app;
REVOKE UPDATE ON feed.entries FROM dispatch_app;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO dispatch_app, dispatch_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA feed TO dispatch_auditor;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA read TO dispatch_projector;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA edge, vault, feed TO dispatch_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA read TO dispatch_projector;

-- name: later
-- A projection of a new version makes its own tables; the readers must see them without another migration.
ALTER DEFAULT PRIVILEGES FOR ROLE dispatch_projector IN SCHEMA read
    GRANT SELECT ON TABLES TO dispatch_app, dispatch_auditor;
