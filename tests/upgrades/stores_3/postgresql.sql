--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: tasksvc_upgrades; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA tasksvc_upgrades;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: changes; Type: TABLE; Schema: tasksvc_upgrades; Owner: -
--

CREATE TABLE tasksvc_upgrades.changes (
    seq bigint NOT NULL,
    kind text NOT NULL,
    at bigint NOT NULL,
    task_id bigint NOT NULL,
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


--
-- Name: idempotency_keys; Type: TABLE; Schema: tasksvc_upgrades; Owner: -
--

CREATE TABLE tasksvc_upgrades.idempotency_keys (
    scope text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C",
    fingerprint text NOT NULL,
    at bigint NOT NULL,
    results json NOT NULL
);


--
-- Name: migrations; Type: TABLE; Schema: tasksvc_upgrades; Owner: -
--

CREATE TABLE tasksvc_upgrades.migrations (
    number bigint NOT NULL,
    at timestamp with time zone DEFAULT now()
);


--
-- Name: records; Type: TABLE; Schema: tasksvc_upgrades; Owner: -
--

CREATE TABLE tasksvc_upgrades.records (
    namespace text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    value json NOT NULL,
    version bigint NOT NULL
);


--
-- Name: store; Type: TABLE; Schema: tasksvc_upgrades; Owner: -
--

CREATE TABLE tasksvc_upgrades.store (
    generation text NOT NULL,
    last_id bigint NOT NULL,
    last_seq bigint NOT NULL,
    pruned_seq bigint NOT NULL,
    lineage text DEFAULT ''::text NOT NULL
);


--
-- Name: task_terms; Type: TABLE; Schema: tasksvc_upgrades; Owner: -
--

CREATE TABLE tasksvc_upgrades.task_terms (
    term text NOT NULL COLLATE pg_catalog."C",
    task_id bigint NOT NULL
);


--
-- Name: tasks; Type: TABLE; Schema: tasksvc_upgrades; Owner: -
--

CREATE TABLE tasksvc_upgrades.tasks (
    id bigint NOT NULL,
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
    folded text NOT NULL COLLATE pg_catalog."C"
);


--
-- Data for Name: changes; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.changes VALUES
	(9, 'created', 1795815840624538, 9, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795815840624538, 1795815840624538, 1),
	(10, 'updated', 1795815840629139, 9, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 9, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7}', 1795815840624538, 1795815840629139, 2),
	(11, 'deleted', 1795815840631745, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(12, 'created', 1795815840634696, 10, 'from a batch', false, NULL, NULL, 0, '["ü"]', '{}', 1795815840634696, 1795815840634696, 1),
	(13, 'updated', 1795815840634696, 2, 'task 2', true, 1795815840634696, NULL, 0, '["a","ü"]', '{}', 1795815840614516, 1795815840634696, 2),
	(14, 'deleted', 1795815840634696, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(15, 'deleted', 1795815840637537, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(16, 'updated', 1795815840644620, 4, 'task 4', true, 1795815840644620, 1798761600000000, 0, '["a"]', '{}', 1795815840617469, 1795815840644620, 2),
	(17, 'updated', 1795815840646848, 5, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795815840618740, 1795815840646848, 2),
	(18, 'updated', 1795815840649148, 5, 'Größe ✓ 任务 😀
"quoted" \  ', true, 1795815840649148, NULL, 7, '["b","ü"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"more":[1]}', 1795815840618740, 1795815840649148, 3),
	(19, 'created', 1795815840651123, 11, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795815840651123, 1795815840651123, 1),
	(20, 'deleted', 1795815840652446, 10, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);


--
-- Data for Name: idempotency_keys; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.idempotency_keys VALUES
	('e3b9a7babdbb8173983c101b95edaa99fc1a2f0ffffa12c24b318772f7d3d774', 'create', '60ca85def4e504f33fb1b9214c3bcc1056a792f9a57a841eb1ec3b9d7f957e7b', 1795815840624538, '{"format":3,"results":[{"task":{"id":9,"description":"Größe ✓ 任务 😀\n\"quoted\" \\  ","done":false,"completed_at":null,"due_at":"2026-12-24T17:00:00.123456Z","priority":7,"labels":["late night","ü","任务","😀"],"metadata":{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},"created_at":"2026-11-27T21:44:00.624538Z","updated_at":"2026-11-27T21:44:00.624538Z","version":1}}]}'),
	('e3b9a7babdbb8173983c101b95edaa99fc1a2f0ffffa12c24b318772f7d3d774', 'update', '7d5505aae805562adcd5c25aca53a2674bfe41adff1a49b817a0c61bc0df0772', 1795815840629139, '{"format":3,"results":[{"task":{"id":9,"description":"Größe ✓ 任务 😀\n\"quoted\" \\  ","done":false,"completed_at":null,"due_at":"2026-12-24T17:00:00.123456Z","priority":9,"labels":["late night","ü","任务","😀"],"metadata":{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7},"created_at":"2026-11-27T21:44:00.624538Z","updated_at":"2026-11-27T21:44:00.629139Z","version":2}}]}'),
	('e3b9a7babdbb8173983c101b95edaa99fc1a2f0ffffa12c24b318772f7d3d774', 'delete', '2beec05897e6a5add4c230702a6146cf9fb24603ce66f8907ed032cc517db792', 1795815840631745, '{"format":3,"results":[null]}'),
	('e3b9a7babdbb8173983c101b95edaa99fc1a2f0ffffa12c24b318772f7d3d774', 'batch', 'cf4d14a32087aa607097995d6d77db1a19290485bdef37bae31fe0f3aaf5dd68', 1795815840634696, '{"format":3,"results":[{"task":{"id":10,"description":"from a batch","done":false,"completed_at":null,"due_at":null,"priority":0,"labels":["ü"],"metadata":{},"created_at":"2026-11-27T21:44:00.634696Z","updated_at":"2026-11-27T21:44:00.634696Z","version":1}},{"task":{"id":2,"description":"task 2","done":true,"completed_at":"2026-11-27T21:44:00.634696Z","due_at":null,"priority":0,"labels":["a","ü"],"metadata":{},"created_at":"2026-11-27T21:44:00.614516Z","updated_at":"2026-11-27T21:44:00.634696Z","version":2}},null]}'),
	('e3b9a7babdbb8173983c101b95edaa99fc1a2f0ffffa12c24b318772f7d3d774', 'delete-matching', '5876eadf526f1b889157e46ffc3e60cb078f7360fb0cb0d437004dd1653ea073', 1795815840637537, '{"format":3,"results":[{"deleted":{"tasks":1,"more":false}}]}'),
	('5301930703dea9f8b75fbc5ad170b9988e942ac75d1d65db593804ff28d4ee62', 'token', '39c5d0cb6fd17cd6f3c80c7c94b4112412549c48fa0d60c378fdc4bfc59f17fa', 1795815840641716, '{"format":3,"results":[{"record":{"namespace":"token-names","key":"ci","value":{"hash":"2039df0609f157b6befeee0a2548f10e31e2ce35a3d57086687cdd5ad5263e35"},"version":1}},{"record":{"namespace":"tokens","key":"2039df0609f157b6befeee0a2548f10e31e2ce35a3d57086687cdd5ad5263e35","value":{"name":"ci","scope":"read","created_at":"2026-11-27T21:44:00.641716+00:00","expires_at":null,"from_file":false},"version":1}}]}');


--
-- Data for Name: migrations; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.migrations VALUES
	(1, '2026-11-27 21:43:59.269822+00'),
	(2, '2026-11-27 21:43:59.269822+00');


--
-- Data for Name: records; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.records VALUES
	('token-names', 'writer', '{"hash":"e3b9a7babdbb8173983c101b95edaa99fc1a2f0ffffa12c24b318772f7d3d774"}', 1),
	('tokens', 'e3b9a7babdbb8173983c101b95edaa99fc1a2f0ffffa12c24b318772f7d3d774', '{"name":"writer","scope":"write","created_at":"2026-11-27T21:43:59.305470+00:00","expires_at":null,"from_file":false}', 1),
	('token-names', 'admin', '{"hash":"5301930703dea9f8b75fbc5ad170b9988e942ac75d1d65db593804ff28d4ee62"}', 1),
	('tokens', '5301930703dea9f8b75fbc5ad170b9988e942ac75d1d65db593804ff28d4ee62', '{"name":"admin","scope":"admin","created_at":"2026-11-27T21:43:59.555171+00:00","expires_at":null,"from_file":false}', 1),
	('token-names', 'ci', '{"hash":"2039df0609f157b6befeee0a2548f10e31e2ce35a3d57086687cdd5ad5263e35"}', 1),
	('tokens', '2039df0609f157b6befeee0a2548f10e31e2ce35a3d57086687cdd5ad5263e35', '{"name":"ci","scope":"read","created_at":"2026-11-27T21:44:00.641716+00:00","expires_at":null,"from_file":false}', 1);


--
-- Data for Name: store; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.store VALUES
	('0d87fc2265a459d8', 11, 20, 8, '7712970277106326375/00000001/5/16391/725');


--
-- Data for Name: task_terms; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.task_terms VALUES
	('label="a"', 4),
	('label="ü"', 5),
	('label="a"', 7),
	('label="a"', 8),
	('label="ü"', 8),
	('label="late night"', 9),
	('label="ü"', 9),
	('label="任务"', 9),
	('label="😀"', 9),
	('label="b"', 5),
	('label="late night"', 11),
	('label="ü"', 11),
	('label="任务"', 11),
	('label="😀"', 11);


--
-- Data for Name: tasks; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.tasks VALUES
	(6, 'task 6', false, NULL, NULL, 0, '[]', '{}', 1795815840620136, 1795815840620136, 1, 'task 6'),
	(7, 'task 7', false, NULL, NULL, 0, '["a"]', '{}', 1795815840621593, 1795815840621593, 1, 'task 7'),
	(8, 'task 8', false, NULL, NULL, 0, '["a","ü"]', '{}', 1795815840623070, 1795815840623070, 1, 'task 8'),
	(9, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 9, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7}', 1795815840624538, 1795815840629139, 2, 'grösse ✓ 任务 😀
"quoted" \  '),
	(4, 'task 4', true, 1795815840644620, 1798761600000000, 0, '["a"]', '{}', 1795815840617469, 1795815840644620, 2, 'task 4'),
	(5, 'Größe ✓ 任务 😀
"quoted" \  ', true, 1795815840649148, NULL, 7, '["b","ü"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"more":[1]}', 1795815840618740, 1795815840649148, 3, 'grösse ✓ 任务 😀
"quoted" \  '),
	(11, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795815840651123, 1795815840651123, 1, 'grösse ✓ 任务 😀
"quoted" \  ');


--
-- Name: changes changes_pkey; Type: CONSTRAINT; Schema: tasksvc_upgrades; Owner: -
--

ALTER TABLE ONLY tasksvc_upgrades.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (seq);


--
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: tasksvc_upgrades; Owner: -
--

ALTER TABLE ONLY tasksvc_upgrades.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, value);


--
-- Name: migrations migrations_pkey; Type: CONSTRAINT; Schema: tasksvc_upgrades; Owner: -
--

ALTER TABLE ONLY tasksvc_upgrades.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);


--
-- Name: records records_pkey; Type: CONSTRAINT; Schema: tasksvc_upgrades; Owner: -
--

ALTER TABLE ONLY tasksvc_upgrades.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (namespace, key);


--
-- Name: task_terms task_terms_pkey; Type: CONSTRAINT; Schema: tasksvc_upgrades; Owner: -
--

ALTER TABLE ONLY tasksvc_upgrades.task_terms
    ADD CONSTRAINT task_terms_pkey PRIMARY KEY (term, task_id);


--
-- Name: tasks tasks_pkey; Type: CONSTRAINT; Schema: tasksvc_upgrades; Owner: -
--

ALTER TABLE ONLY tasksvc_upgrades.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);


--
-- Name: idempotency_keys_by_at; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE INDEX idempotency_keys_by_at ON tasksvc_upgrades.idempotency_keys USING btree (at);


--
-- Name: store_is_one_row; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE UNIQUE INDEX store_is_one_row ON tasksvc_upgrades.store USING btree ((true));


--
-- Name: tasks_by_created_at; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE INDEX tasks_by_created_at ON tasksvc_upgrades.tasks USING btree (created_at, id);


--
-- Name: tasks_by_done; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE INDEX tasks_by_done ON tasksvc_upgrades.tasks USING btree (done, id);


--
-- Name: tasks_by_due_at_falling; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE INDEX tasks_by_due_at_falling ON tasksvc_upgrades.tasks USING btree (COALESCE(due_at, '-9223372036854775807'::bigint), id);


--
-- Name: tasks_by_due_at_rising; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE INDEX tasks_by_due_at_rising ON tasksvc_upgrades.tasks USING btree (COALESCE(due_at, '9223372036854775807'::bigint), id);


--
-- Name: tasks_by_priority; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE INDEX tasks_by_priority ON tasksvc_upgrades.tasks USING btree (priority, id);


--
-- Name: tasks_by_updated_at; Type: INDEX; Schema: tasksvc_upgrades; Owner: -
--

CREATE INDEX tasks_by_updated_at ON tasksvc_upgrades.tasks USING btree (updated_at, id);


--
-- PostgreSQL database dump complete
--


