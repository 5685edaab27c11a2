-- Tasks have notes, are in a list, may have a position there, be due on a day, which is kept as its start in UTC, and
-- repeat.

ALTER TABLE tasks
    ADD COLUMN notes text NOT NULL DEFAULT '',
    ADD COLUMN list text COLLATE "C" NOT NULL DEFAULT 'inbox',
    ADD COLUMN position text COLLATE "C",
    ADD COLUMN due_on bigint,
    ADD COLUMN repeat json,
    ADD COLUMN series_id bigint,
    ADD COLUMN next_id bigint,
    ADD COLUMN folded_notes text COLLATE "C" NOT NULL DEFAULT ''; -- what a search compares, as `folded`
ALTER TABLE tasks
    ALTER COLUMN notes DROP DEFAULT, ALTER COLUMN list DROP DEFAULT, ALTER COLUMN folded_notes DROP DEFAULT;
-- A change of before has the values that all tasks had then.
ALTER TABLE changes
    ADD COLUMN notes text DEFAULT '',
    ADD COLUMN list text DEFAULT 'inbox',
    ADD COLUMN position text,
    ADD COLUMN due_on bigint,
    ADD COLUMN repeat json,
    ADD COLUMN series_id bigint,
    ADD COLUMN next_id bigint;
ALTER TABLE changes ALTER COLUMN notes DROP DEFAULT, ALTER COLUMN list DROP DEFAULT;

-- Times and days in one order.
DROP INDEX tasks_by_due_at_rising, tasks_by_due_at_falling;
CREATE INDEX tasks_by_due_rising ON tasks (workspace, coalesce(due_at, due_on, 9223372036854775807), id);
CREATE INDEX tasks_by_due_falling ON tasks (workspace, coalesce(due_at, due_on, -9223372036854775807), id);
