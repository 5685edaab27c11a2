-- Workspaces.  That of the name `default` keeps the tables that were there before; all others share those below.

ALTER TABLE store ADD COLUMN epoch TEXT NOT NULL DEFAULT '';

-- Those of the workspace `default`, whose effective generation is store.generation.
ALTER TABLE store ADD COLUMN default_generation TEXT NOT NULL DEFAULT '';
ALTER TABLE store ADD COLUMN default_epoch TEXT NOT NULL DEFAULT '';
UPDATE store SET default_generation = generation;

CREATE TABLE workspaces (
  key INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  generation TEXT NOT NULL,
  epoch TEXT NOT NULL,
  last_id INTEGER NOT NULL,          -- the highest id ever given is this or one in `versions`
  pruned_seq INTEGER NOT NULL,       -- changes up to this one have been pruned
  pruned_position INTEGER NOT NULL,  -- the highest position of a change that was pruned
  oldest_at INTEGER,                 -- the time of the oldest change in the log
  is_large INTEGER NOT NULL          -- 1: its tasks are in all indexes
);

CREATE INDEX workspaces_by_pruned_position ON workspaces (pruned_position);
CREATE INDEX workspaces_by_oldest_at ON workspaces (oldest_at) WHERE oldest_at IS NOT NULL;

-- The tasks and the logs of all these workspaces.  A change appends a row, so commits to many workspaces write few
-- pages.  The row is the task too until the next change of it.
CREATE TABLE versions (
  position INTEGER PRIMARY KEY,      -- of all changes of all these workspaces, and never given twice
  workspace INTEGER NOT NULL,
  current INTEGER,                   -- null: the task has changed since; 2: it's in the indexes of a large workspace
  seq INTEGER,                       -- null: not in the log
  kind TEXT NOT NULL DEFAULT 'created',
  at INTEGER NOT NULL,
  id INTEGER NOT NULL,
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

-- `current` is in the indexes so that SQLite counts without reading rows.
CREATE INDEX versions_by_id ON versions (workspace, id, current) WHERE current IS NOT NULL;
CREATE UNIQUE INDEX versions_by_seq ON versions (workspace, seq) WHERE seq IS NOT NULL;
CREATE INDEX versions_by_done ON versions (workspace, done, id, current) WHERE current = 2;
CREATE INDEX versions_by_created_at ON versions (workspace, created_at, id, current) WHERE current = 2;
CREATE INDEX versions_by_updated_at ON versions (workspace, updated_at, id, current) WHERE current = 2;
CREATE INDEX versions_by_due_at ON versions (workspace, due_at, id, current) WHERE current = 2 AND due_at IS NOT NULL;
CREATE INDEX versions_by_priority ON versions (workspace, priority, id, current) WHERE current = 2 AND priority <> 0;

CREATE TRIGGER version_replaced BEFORE INSERT ON versions WHEN NEW.kind <> 'created'
BEGIN
  DELETE FROM versions WHERE workspace = NEW.workspace AND id = NEW.id AND current IS NOT NULL AND seq IS NULL;
  UPDATE versions SET current = NULL WHERE workspace = NEW.workspace AND id = NEW.id AND current IS NOT NULL;
  UPDATE workspaces SET last_id = NEW.id WHERE NEW.kind = 'deleted' AND key = NEW.workspace AND last_id < NEW.id;
END;

CREATE TABLE workspace_terms (
  workspace INTEGER NOT NULL,
  term TEXT NOT NULL,
  task_id INTEGER NOT NULL,
  PRIMARY KEY (workspace, term, task_id)
) WITHOUT ROWID;

CREATE TABLE workspace_keys (
  workspace INTEGER NOT NULL,
  scope TEXT NOT NULL,
  value TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  at INTEGER NOT NULL,
  results TEXT NOT NULL,             -- a JSON array
  UNIQUE (workspace, scope, value)
);

CREATE INDEX workspace_keys_by_at ON workspace_keys (at);
