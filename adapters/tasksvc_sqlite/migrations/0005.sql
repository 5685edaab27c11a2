-- Erased workspaces.  The rows that they have left in other tables are deleted step by step.

CREATE TABLE erased_workspaces (
  key INTEGER PRIMARY KEY            -- of a workspace that has left rows
);

-- The highest key ever given is this one or in `workspaces`; the highest position is this one, in `versions` or in
-- `workspaces`.  So neither is given twice.
ALTER TABLE store ADD COLUMN last_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE store ADD COLUMN last_position INTEGER NOT NULL DEFAULT 0;

-- The generation in the mark beside the file, which stays when the workspace `default` is erased.
ALTER TABLE store ADD COLUMN life TEXT NOT NULL DEFAULT '';
UPDATE store SET life = generation;

-- `done` is in the index so that SQLite counts open tasks without reading rows.
DROP INDEX versions_by_id;
CREATE INDEX versions_by_id ON versions (workspace, id, current, done) WHERE current IS NOT NULL;
