-- Times are microseconds since 1970 in UTC; text is compared by its bytes, which is by code point.

-- One row, which every transaction that writes locks first, so that the log is numbered in the order of the commits.
CREATE TABLE store (
    generation text NOT NULL,
    last_id bigint NOT NULL,
    last_seq bigint NOT NULL,
    pruned_seq bigint NOT NULL,
    -- where this row was when it was served last: cluster, timeline, database, table and row; see lineage.py
    lineage text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX store_is_one_row ON store ((true));

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
    folded text COLLATE "C" NOT NULL -- what a search compares: the description without case, in normal form C
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
    task_id bigint NOT NULL,
    PRIMARY KEY (label, task_id)
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
    namespace text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value json NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (namespace, key)
);

CREATE TABLE idempotency_keys (
    scope text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    at bigint NOT NULL,
    results json NOT NULL,
    PRIMARY KEY (scope, value)
);
CREATE INDEX idempotency_keys_by_at ON idempotency_keys (at);
