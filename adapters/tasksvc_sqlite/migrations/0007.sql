-- Tasks may have a parent, and an identifier that their creator chose.  The log knows who made a change, and which one
-- of the same task came before it.  What the new columns have for older rows is filled in after all migrations.

ALTER TABLE tasks ADD COLUMN parent_id INTEGER;
ALTER TABLE changes ADD COLUMN parent_id INTEGER;
ALTER TABLE versions ADD COLUMN parent_id INTEGER;
ALTER TABLE tasks ADD COLUMN uid TEXT;
ALTER TABLE changes ADD COLUMN uid TEXT;
ALTER TABLE versions ADD COLUMN uid TEXT;
ALTER TABLE changes ADD COLUMN changed_by TEXT;
ALTER TABLE versions ADD COLUMN changed_by TEXT;

-- The changes of a task are found from the last one backwards.  One that isn't in the log any more ends that.
ALTER TABLE tasks ADD COLUMN seq INTEGER;          -- of the last change of the task
ALTER TABLE changes ADD COLUMN previous INTEGER;   -- the seq of the change before it of the same task
ALTER TABLE versions ADD COLUMN previous INTEGER;  -- the number of the change before it of the same task
CREATE INDEX changes_by_deleted_task ON changes (task_id) WHERE kind = 'deleted';
CREATE INDEX versions_by_deleted_task ON versions (workspace, id) WHERE kind = 'deleted';

-- Tasks are counted list by list; most are in the list `inbox`, which has the rest.
CREATE INDEX tasks_by_list ON tasks (list, done) WHERE list <> 'inbox';
CREATE INDEX versions_by_list ON versions (workspace, list, done, current) WHERE current = 2 AND list <> 'inbox';

-- A created task with a later version is a deleted one that came back.
DROP TRIGGER change_created;
CREATE TRIGGER change_created AFTER INSERT ON changes WHEN NEW.kind = 'created'
BEGIN
  INSERT INTO tasks (
    id, version, description, notes, done, completed_at, due_at, due_on, priority, labels, list, parent_id, position,
    metadata, repeat, series_id, next_id, uid, created_at, updated_at, seq
  ) VALUES (
    NEW.task_id, NEW.version, NEW.description, NEW.notes, NEW.done, NEW.completed_at, NEW.due_at, NEW.due_on,
    NEW.priority, NEW.labels, NEW.list, NEW.parent_id, NEW.position, NEW.metadata, NEW.repeat, NEW.series_id,
    NEW.next_id, NEW.uid, ifnull(NEW.created_at, NEW.at), ifnull(NEW.updated_at, NEW.at), NEW.seq
  );
  UPDATE changes SET previous = (
    SELECT max(seq) FROM changes INDEXED BY changes_by_deleted_task WHERE kind = 'deleted' AND task_id = NEW.task_id
  ) WHERE NEW.version > 1 AND seq = NEW.seq;
END;

DROP TRIGGER change_updated;
CREATE TRIGGER change_updated AFTER INSERT ON changes WHEN NEW.kind = 'updated'
BEGIN
  UPDATE changes SET previous = (SELECT seq FROM tasks WHERE id = NEW.task_id) WHERE seq = NEW.seq;
  UPDATE tasks SET
    version = NEW.version, description = NEW.description, notes = NEW.notes, done = NEW.done,
    completed_at = NEW.completed_at, due_at = NEW.due_at, due_on = NEW.due_on,
    priority = NEW.priority, labels = NEW.labels, list = NEW.list, parent_id = NEW.parent_id,
    position = NEW.position, metadata = NEW.metadata, repeat = NEW.repeat, series_id = NEW.series_id,
    next_id = NEW.next_id, uid = NEW.uid, updated_at = NEW.updated_at, seq = NEW.seq
  WHERE id = NEW.task_id;
END;

DROP TRIGGER change_deleted;
CREATE TRIGGER change_deleted AFTER INSERT ON changes WHEN NEW.kind = 'deleted'
BEGIN
  UPDATE changes SET previous = (SELECT seq FROM tasks WHERE id = NEW.task_id) WHERE seq = NEW.seq;
  DELETE FROM tasks WHERE id = NEW.task_id;
END;

-- The row that was the task before may not be in the log.  Then it knows which change came last.
DROP TRIGGER version_replaced;
CREATE TRIGGER version_replaced AFTER INSERT ON versions WHEN NEW.version IS NOT 1
BEGIN
  UPDATE versions SET previous = CASE NEW.kind WHEN 'created' THEN (
    SELECT max(number) FROM versions INDEXED BY versions_by_deleted_task
    WHERE kind = 'deleted' AND workspace = NEW.workspace AND id = NEW.id
  ) ELSE (
    SELECT iif(seq IS NULL, previous, number) FROM versions INDEXED BY versions_by_id
    WHERE workspace = NEW.workspace AND id = NEW.id AND current IS NOT NULL AND number <> NEW.number
  ) END WHERE number = NEW.number;
  DELETE FROM versions
  WHERE workspace = NEW.workspace AND id = NEW.id AND current IS NOT NULL AND seq IS NULL AND number <> NEW.number;
  UPDATE versions SET current = NULL
  WHERE workspace = NEW.workspace AND id = NEW.id AND current IS NOT NULL AND number <> NEW.number;
  UPDATE workspaces SET last_id = NEW.id WHERE NEW.kind = 'deleted' AND key = NEW.workspace AND last_id < NEW.id;
END;
