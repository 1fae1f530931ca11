-- Who may touch what is not the log. Run after every migration; each statement may be repeated.

-- name: schemas
GRANT USAGE ON SCHEMA edge, vault, feed, read TO dispatch_app;
GRANT USAGE ON SCHEMA edge, feed TO dispatch_projector;
GRANT USAGE, CREATE ON SCHEMA read TO dispatch_projector;
GRANT USAGE ON SCHEMA read, feed TO dispatch_auditor;

-- name: tables
-- The auditor reads what was shown and what was sent, and never a key. The projector writes projections and feeds.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA edge, vault, feed TO dispatch_app;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO dispatch_app, dispatch_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA feed TO dispatch_auditor;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA read TO dispatch_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA edge, feed TO dispatch_projector;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA edge, vault, feed TO dispatch_app, dispatch_projector;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA read TO dispatch_projector;

-- name: later
-- A projection of a new version makes its own tables; the readers must see them without another migration.
ALTER DEFAULT PRIVILEGES FOR ROLE dispatch_projector IN SCHEMA read
    GRANT SELECT ON TABLES TO dispatch_app, dispatch_auditor;
