-- A store of before the first release, with one task: what a version of then wrote into a new schema (a547f03).
-- Times are microseconds since 1970 in UTC; text is compared by its bytes, which is by code point.

-- One row.  Who writes locks it first, so that the log is numbered in the order of the commits.
CREATE TABLE header (
    generation text NOT NULL,
    last_id bigint NOT NULL,
    seq bigint NOT NULL,
    floor bigint NOT NULL
);
CREATE UNIQUE INDEX header_is_one_row ON header ((true));

CREATE TABLE tasks (
    id bigint PRIMARY KEY,
    description text NOT NULL,
    done boolean NOT NULL,
    completed_at bigint,
    due_at bigint,
    priority bigint NOT NULL,
    labels json NOT NULL,
    metadata json NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    version bigint NOT NULL,
    folded text COLLATE "C" NOT NULL
);
CREATE INDEX tasks_by_done ON tasks (done, id);
CREATE INDEX tasks_by_priority ON tasks (priority, id);
CREATE INDEX tasks_by_created_at ON tasks (created_at, id);
CREATE INDEX tasks_by_updated_at ON tasks (updated_at, id);
-- Tasks that are not due come last in both directions.
CREATE INDEX tasks_by_due_at_rising ON tasks (coalesce(due_at, 9223372036854775807), id);
CREATE INDEX tasks_by_due_at_falling ON tasks (coalesce(due_at, -9223372036854775807), id);

CREATE TABLE task_labels (
    label text COLLATE "C" NOT NULL,
    id bigint NOT NULL,
    PRIMARY KEY (label, id)
);

CREATE TABLE changes (
    seq bigint PRIMARY KEY,
    kind text NOT NULL,
    at bigint NOT NULL,
    task_id bigint NOT NULL,
    -- the task as the change left it; null for a deletion
    description text,
    done boolean,
    completed_at bigint,
    due_at bigint,
    priority bigint,
    labels json,
    metadata json,
    created_at bigint,
    updated_at bigint,
    version bigint
);

CREATE TABLE records (
    space text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value json NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (space, name)
);

CREATE TABLE retry_keys (
    scope text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    at bigint NOT NULL,
    results json NOT NULL,
    PRIMARY KEY (scope, value)
);
CREATE INDEX retry_keys_by_at ON retry_keys (at);
-- `folded` is in normal form C, which a search compares.  What ASCII alone makes up is so already.
UPDATE tasks SET folded = normalize(folded, NFC) WHERE folded IS NOT NFC NORMALIZED;
-- Where this row was when it was served last: cluster, timeline, database, table and row; see lineage.py.
ALTER TABLE header ADD COLUMN lineage text NOT NULL DEFAULT '';

CREATE TABLE migrations (number bigint PRIMARY KEY, at timestamptz DEFAULT now());
INSERT INTO migrations (number) VALUES (1), (2), (3);
INSERT INTO header VALUES ('0123456789abcdef', 1, 1, 0);
INSERT INTO tasks VALUES (1, 'kept', false, NULL, NULL, 0, '[]', '{}', 1764201600000000, 1764201600000000, 1, 'kept');
INSERT INTO changes VALUES (
    1, 'created', 1764201600000000, 1,
    'kept', false, NULL, NULL, 0, '[]', '{}', 1764201600000000, 1764201600000000, 1
);
