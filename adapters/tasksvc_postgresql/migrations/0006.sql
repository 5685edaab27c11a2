-- Tasks may be parts of other tasks and have a uid, and a change has the name of who made it.  The changes of a task are
-- found one by one, each through the one after it.

-- First, and the one that most transactions of the version before begin with.
LOCK TABLE workspaces IN ACCESS EXCLUSIVE MODE;
LOCK TABLE store IN ACCESS EXCLUSIVE MODE;

ALTER TABLE tasks
    ADD COLUMN parent_id bigint,
    ADD COLUMN uid text COLLATE "C",
    -- the number of its last change
    ADD COLUMN seq bigint NOT NULL DEFAULT 0;
ALTER TABLE changes
    ADD COLUMN parent_id bigint,
    ADD COLUMN uid text,
    -- who made it, as far as it's known
    ADD COLUMN changed_by text,
    -- the number of the change before it of the same task, which may be pruned; 0 if there is none
    ADD COLUMN previous bigint NOT NULL DEFAULT 0;

UPDATE changes SET previous = numbered.previous
FROM (SELECT workspace, seq, lag(seq) OVER (PARTITION BY workspace, task_id ORDER BY seq) AS previous FROM changes)
    AS numbered
WHERE changes.workspace = numbered.workspace AND changes.seq = numbered.seq AND numbered.previous IS NOT NULL;
UPDATE tasks SET seq = last.seq
FROM (SELECT workspace, task_id, max(seq) AS seq FROM changes GROUP BY workspace, task_id) AS last
WHERE tasks.workspace = last.workspace AND tasks.id = last.task_id;

-- Processes of the version before know nothing of parents, so what they write has to fail: it lacks these columns.
ALTER TABLE tasks ALTER COLUMN seq DROP DEFAULT;
ALTER TABLE changes ALTER COLUMN previous DROP DEFAULT;

-- The last change of a task that is deleted.
CREATE INDEX changes_of_deleted_tasks ON changes (workspace, task_id, seq) WHERE kind = 'deleted';
-- Most tasks are in the list that isn't here, so that there is nothing to write for them.
CREATE INDEX tasks_by_list ON tasks (workspace, list, done) WHERE list <> 'inbox';
