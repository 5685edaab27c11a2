-- A commit appends to `changes`; triggers bring the other tables up to date in the same statement.
-- Times are microseconds since 1970, in UTC.

CREATE TABLE store (
  singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
  generation TEXT NOT NULL,
  last_id INTEGER NOT NULL,      -- the highest id ever given is this or one in `tasks`
  pruned_seq INTEGER NOT NULL,   -- changes up to this one have been pruned
  scratch INTEGER NOT NULL       -- 1: emptied when it is closed, or opened as scratch again
);

CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  description TEXT NOT NULL,
  done INTEGER NOT NULL,
  completed_at INTEGER,
  due_at INTEGER,
  priority INTEGER NOT NULL,
  labels TEXT NOT NULL,          -- a JSON array of strings
  metadata TEXT NOT NULL,        -- a JSON object
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

-- Every index ends with the id.  A plain new task is in three of them.
CREATE INDEX tasks_by_done ON tasks (done);
CREATE INDEX tasks_by_created_at ON tasks (created_at);
CREATE INDEX tasks_by_updated_at ON tasks (updated_at);
CREATE INDEX tasks_by_due_at ON tasks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_by_priority ON tasks (priority) WHERE priority <> 0;

CREATE TABLE task_labels (
  label TEXT NOT NULL,
  task_id INTEGER NOT NULL,
  PRIMARY KEY (label, task_id)
) WITHOUT ROWID;

-- The defaults are those of a plain new task, both of whose own times are `at`.
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL DEFAULT 'created',
  at INTEGER NOT NULL,
  task_id INTEGER NOT NULL,
  version INTEGER DEFAULT 1,
  description TEXT,
  done INTEGER DEFAULT 0,
  completed_at INTEGER,
  due_at INTEGER,
  priority INTEGER DEFAULT 0,
  labels TEXT DEFAULT '[]',
  metadata TEXT DEFAULT '{}',
  created_at INTEGER,
  updated_at INTEGER
);

CREATE TABLE idempotency_keys (
  scope TEXT NOT NULL,
  value TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  at INTEGER NOT NULL,
  results TEXT NOT NULL,         -- a JSON array
  UNIQUE (scope, value)
);

CREATE INDEX idempotency_keys_by_at ON idempotency_keys (at);

CREATE TABLE records (
  namespace TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,           -- a JSON object
  version INTEGER NOT NULL,
  PRIMARY KEY (namespace, key)
) WITHOUT ROWID;

CREATE TRIGGER change_created AFTER INSERT ON changes WHEN NEW.kind = 'created'
BEGIN
  INSERT INTO tasks (
    id, version, description, done, completed_at, due_at, priority, labels, metadata, created_at, updated_at
  ) VALUES (
    NEW.task_id, NEW.version, NEW.description, NEW.done, NEW.completed_at, NEW.due_at, NEW.priority, NEW.labels,
    NEW.metadata, ifnull(NEW.created_at, NEW.at), ifnull(NEW.updated_at, NEW.at)
  );
END;

CREATE TRIGGER change_updated AFTER INSERT ON changes WHEN NEW.kind = 'updated'
BEGIN
  UPDATE tasks SET
    version = NEW.version, description = NEW.description, done = NEW.done, completed_at = NEW.completed_at,
    due_at = NEW.due_at, priority = NEW.priority, labels = NEW.labels, metadata = NEW.metadata,
    updated_at = NEW.updated_at
  WHERE id = NEW.task_id;
END;

CREATE TRIGGER change_deleted AFTER INSERT ON changes WHEN NEW.kind = 'deleted'
BEGIN
  DELETE FROM tasks WHERE id = NEW.task_id;
END;

CREATE TRIGGER task_created AFTER INSERT ON tasks WHEN NEW.labels <> '[]'
BEGIN
  INSERT INTO task_labels SELECT value, NEW.id FROM json_each(NEW.labels);
END;

CREATE TRIGGER task_updated AFTER UPDATE OF labels ON tasks WHEN NEW.labels <> OLD.labels
BEGIN
  DELETE FROM task_labels WHERE task_id = NEW.id AND label IN (SELECT value FROM json_each(OLD.labels));
  INSERT INTO task_labels SELECT value, NEW.id FROM json_each(NEW.labels);
END;

CREATE TRIGGER task_deleted AFTER DELETE ON tasks
BEGIN
  DELETE FROM task_labels WHERE task_id = OLD.id AND label IN (SELECT value FROM json_each(OLD.labels));
  UPDATE store SET last_id = OLD.id WHERE last_id < OLD.id;
END;
