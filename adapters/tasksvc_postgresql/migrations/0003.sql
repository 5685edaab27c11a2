-- Where this row was when it was served last: cluster, timeline, database, table and row; see lineage.py.
ALTER TABLE header ADD COLUMN lineage text NOT NULL DEFAULT '';
