-- Tasks have notes, are in a list, may have a position there, be due on a day, which is kept as its start in UTC, and
-- repeat.

-- The number of a change among those of all these workspaces; a position is one of a task from now on.
ALTER TABLE versions RENAME COLUMN position TO number;

ALTER TABLE tasks ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN list TEXT NOT NULL DEFAULT 'inbox';
ALTER TABLE changes ADD COLUMN notes TEXT DEFAULT '';
ALTER TABLE changes ADD COLUMN list TEXT DEFAULT 'inbox';
ALTER TABLE versions ADD COLUMN notes TEXT DEFAULT '';
ALTER TABLE versions ADD COLUMN list TEXT DEFAULT 'inbox';
ALTER TABLE tasks ADD COLUMN position TEXT;
ALTER TABLE changes ADD COLUMN position TEXT;
ALTER TABLE versions ADD COLUMN position TEXT;
ALTER TABLE tasks ADD COLUMN due_on INTEGER;
ALTER TABLE changes ADD COLUMN due_on INTEGER;
ALTER TABLE versions ADD COLUMN due_on INTEGER;
ALTER TABLE tasks ADD COLUMN repeat TEXT;
ALTER TABLE changes ADD COLUMN repeat TEXT;
ALTER TABLE versions ADD COLUMN repeat TEXT;
ALTER TABLE tasks ADD COLUMN series_id INTEGER;
ALTER TABLE changes ADD COLUMN series_id INTEGER;
ALTER TABLE versions ADD COLUMN series_id INTEGER;
ALTER TABLE tasks ADD COLUMN next_id INTEGER;
ALTER TABLE changes ADD COLUMN next_id INTEGER;
ALTER TABLE versions ADD COLUMN next_id INTEGER;

CREATE INDEX tasks_by_position ON tasks (position) WHERE position IS NOT NULL;
CREATE INDEX versions_by_position ON versions (workspace, position, id, current)
  WHERE current = 2 AND position IS NOT NULL;

-- Times and days in one order.
ALTER TABLE tasks ADD COLUMN due INTEGER AS (ifnull(due_at, due_on)) VIRTUAL;
ALTER TABLE versions ADD COLUMN due INTEGER AS (ifnull(due_at, due_on)) VIRTUAL;
DROP INDEX tasks_by_due_at;
CREATE INDEX tasks_by_due ON tasks (due) WHERE due IS NOT NULL;
DROP INDEX versions_by_due_at;
CREATE INDEX versions_by_due ON versions (workspace, due, id, current) WHERE current = 2 AND due IS NOT NULL;

DROP TRIGGER change_created;
CREATE TRIGGER change_created AFTER INSERT ON changes WHEN NEW.kind = 'created'
BEGIN
  INSERT INTO tasks (
    id, version, description, notes, done, completed_at, due_at, due_on, priority, labels, list, position,
    metadata, repeat, series_id, next_id, created_at, updated_at
  ) VALUES (
    NEW.task_id, NEW.version, NEW.description, NEW.notes, NEW.done, NEW.completed_at, NEW.due_at, NEW.due_on,
    NEW.priority, NEW.labels, NEW.list, NEW.position, NEW.metadata, NEW.repeat, NEW.series_id, NEW.next_id,
    ifnull(NEW.created_at, NEW.at), ifnull(NEW.updated_at, NEW.at)
  );
END;

DROP TRIGGER change_updated;
CREATE TRIGGER change_updated AFTER INSERT ON changes WHEN NEW.kind = 'updated'
BEGIN
  UPDATE tasks SET
    version = NEW.version, description = NEW.description, notes = NEW.notes, done = NEW.done,
    completed_at = NEW.completed_at, due_at = NEW.due_at, due_on = NEW.due_on,
    priority = NEW.priority, labels = NEW.labels, list = NEW.list,
    position = NEW.position, metadata = NEW.metadata,
    repeat = NEW.repeat, series_id = NEW.series_id, next_id = NEW.next_id, updated_at = NEW.updated_at
  WHERE id = NEW.task_id;
END;
