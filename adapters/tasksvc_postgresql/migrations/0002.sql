-- Tasks are found by terms, which tasksvc makes of their labels, and later of other fields.
ALTER TABLE task_labels RENAME TO task_terms;
ALTER TABLE task_terms RENAME COLUMN label TO term;
ALTER INDEX task_labels_pkey RENAME TO task_terms_pkey;
UPDATE task_terms SET term = 'label=' || to_json(term)::text;
