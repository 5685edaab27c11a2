-- A workspace has the numbers of its tasks, and can be erased.

-- First, and the one that most transactions of the version before begin with.
LOCK TABLE workspaces IN ACCESS EXCLUSIVE MODE;
LOCK TABLE store IN ACCESS EXCLUSIVE MODE;

-- Processes of the version before don't keep the numbers, so what they write has to fail: it names this column.
ALTER TABLE workspaces RENAME COLUMN changed TO changed_by;
ALTER INDEX workspaces_by_changed RENAME TO workspaces_by_changed_by;
ALTER TABLE workspaces
    ADD COLUMN task_count bigint NOT NULL DEFAULT 0,
    -- the number of its tasks that aren't done
    ADD COLUMN open_count bigint NOT NULL DEFAULT 0,
    -- when it was erased; see erasing.py
    ADD COLUMN erased_at bigint;
UPDATE workspaces SET task_count = counted.task_count, open_count = counted.open_count
FROM (
    SELECT workspace, count(*) AS task_count, count(*) FILTER (WHERE NOT done) AS open_count FROM tasks GROUP BY workspace
) AS counted
WHERE key = workspace;

-- How many workspaces have ever been erased; see lineage.py.
ALTER TABLE store ADD COLUMN erasures bigint NOT NULL DEFAULT 0;
