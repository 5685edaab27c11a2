-- Tasks are found by terms, which tasksvc makes of their labels, and later of other fields.

CREATE TABLE task_terms (
  term TEXT NOT NULL,
  task_id INTEGER NOT NULL,
  PRIMARY KEY (term, task_id)
) WITHOUT ROWID;

INSERT INTO task_terms SELECT 'label=' || json_quote(label), task_id FROM task_labels;

DROP TRIGGER task_created;
DROP TRIGGER task_updated;
DROP TRIGGER task_deleted;
DROP TABLE task_labels;

CREATE TRIGGER task_deleted AFTER DELETE ON tasks
BEGIN
  UPDATE store SET last_id = OLD.id WHERE last_id < OLD.id;
END;
