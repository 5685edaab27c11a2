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
	(9, 'created', 1795793182438487, 9, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795793182438487, 1795793182438487, 1),
	(10, 'updated', 1795793182483262, 9, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 9, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7}', 1795793182438487, 1795793182483262, 2),
	(11, 'deleted', 1795793182511443, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(12, 'created', 1795793182553252, 10, 'from a batch', false, NULL, NULL, 0, '["ü"]', '{}', 1795793182553252, 1795793182553252, 1),
	(13, 'updated', 1795793182553252, 2, 'task 2', true, 1795793182553252, NULL, 0, '["a","ü"]', '{}', 1795793182331717, 1795793182553252, 2),
	(14, 'deleted', 1795793182553252, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(15, 'deleted', 1795793182575361, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(16, 'updated', 1795793182654549, 4, 'task 4', true, 1795793182654549, 1798761600000000, 0, '["a"]', '{}', 1795793182360890, 1795793182654549, 2),
	(17, 'updated', 1795793182665090, 5, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795793182368612, 1795793182665090, 2),
	(18, 'updated', 1795793182681484, 5, 'Größe ✓ 任务 😀
"quoted" \  ', true, 1795793182681484, NULL, 7, '["b","ü"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"more":[1]}', 1795793182368612, 1795793182681484, 3),
	(19, 'created', 1795793182728277, 11, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795793182728277, 1795793182728277, 1),
	(20, 'deleted', 1795793182740155, 10, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);


--
-- Data for Name: idempotency_keys; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.idempotency_keys VALUES
	('2a16cb9138dd76965c044fd867c0dad66ccb9d071369aeb0bfe3f15f5cf3112d', 'create', '60ca85def4e504f33fb1b9214c3bcc1056a792f9a57a841eb1ec3b9d7f957e7b', 1795793182438487, '{"format":3,"results":[{"task":{"id":9,"description":"Größe ✓ 任务 😀\n\"quoted\" \\  ","done":false,"completed_at":null,"due_at":"2026-12-24T17:00:00.123456Z","priority":7,"labels":["late night","ü","任务","😀"],"metadata":{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},"created_at":"2026-11-27T15:26:22.438487Z","updated_at":"2026-11-27T15:26:22.438487Z","version":1}}]}'),
	('2a16cb9138dd76965c044fd867c0dad66ccb9d071369aeb0bfe3f15f5cf3112d', 'update', '7d5505aae805562adcd5c25aca53a2674bfe41adff1a49b817a0c61bc0df0772', 1795793182483262, '{"format":3,"results":[{"task":{"id":9,"description":"Größe ✓ 任务 😀\n\"quoted\" \\  ","done":false,"completed_at":null,"due_at":"2026-12-24T17:00:00.123456Z","priority":9,"labels":["late night","ü","任务","😀"],"metadata":{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7},"created_at":"2026-11-27T15:26:22.438487Z","updated_at":"2026-11-27T15:26:22.483262Z","version":2}}]}'),
	('2a16cb9138dd76965c044fd867c0dad66ccb9d071369aeb0bfe3f15f5cf3112d', 'delete', '2beec05897e6a5add4c230702a6146cf9fb24603ce66f8907ed032cc517db792', 1795793182511443, '{"format":3,"results":[null]}'),
	('2a16cb9138dd76965c044fd867c0dad66ccb9d071369aeb0bfe3f15f5cf3112d', 'batch', 'cf4d14a32087aa607097995d6d77db1a19290485bdef37bae31fe0f3aaf5dd68', 1795793182553252, '{"format":3,"results":[{"task":{"id":10,"description":"from a batch","done":false,"completed_at":null,"due_at":null,"priority":0,"labels":["ü"],"metadata":{},"created_at":"2026-11-27T15:26:22.553252Z","updated_at":"2026-11-27T15:26:22.553252Z","version":1}},{"task":{"id":2,"description":"task 2","done":true,"completed_at":"2026-11-27T15:26:22.553252Z","due_at":null,"priority":0,"labels":["a","ü"],"metadata":{},"created_at":"2026-11-27T15:26:22.331717Z","updated_at":"2026-11-27T15:26:22.553252Z","version":2}},null]}'),
	('2a16cb9138dd76965c044fd867c0dad66ccb9d071369aeb0bfe3f15f5cf3112d', 'delete-matching', '5876eadf526f1b889157e46ffc3e60cb078f7360fb0cb0d437004dd1653ea073', 1795793182575361, '{"format":3,"results":[{"deleted":{"tasks":1,"more":false}}]}'),
	('85954481fcb722dc5a031b30bb23d662fb5b872947d3bc0f04ab19dac7b3b230', 'token', '39c5d0cb6fd17cd6f3c80c7c94b4112412549c48fa0d60c378fdc4bfc59f17fa', 1795793182645815, '{"format":3,"results":[{"record":{"namespace":"token-names","key":"ci","value":{"hash":"58887dafba95e1022317d47a4a8460b3db0c0df747327da4f12ceb5405fe872a"},"version":1}},{"record":{"namespace":"tokens","key":"58887dafba95e1022317d47a4a8460b3db0c0df747327da4f12ceb5405fe872a","value":{"name":"ci","scope":"read","created_at":"2026-11-27T15:26:22.645815+00:00","expires_at":null,"from_file":false},"version":1}}]}');


--
-- Data for Name: migrations; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.migrations VALUES
	(1, '2026-11-27 15:26:13.857353+00'),
	(2, '2026-11-27 15:26:13.857353+00');


--
-- Data for Name: records; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.records VALUES
	('token-names', 'writer', '{"hash":"2a16cb9138dd76965c044fd867c0dad66ccb9d071369aeb0bfe3f15f5cf3112d"}', 1),
	('tokens', '2a16cb9138dd76965c044fd867c0dad66ccb9d071369aeb0bfe3f15f5cf3112d', '{"name":"writer","scope":"write","created_at":"2026-11-27T15:26:13.978995+00:00","expires_at":null,"from_file":false}', 1),
	('token-names', 'admin', '{"hash":"85954481fcb722dc5a031b30bb23d662fb5b872947d3bc0f04ab19dac7b3b230"}', 1),
	('tokens', '85954481fcb722dc5a031b30bb23d662fb5b872947d3bc0f04ab19dac7b3b230', '{"name":"admin","scope":"admin","created_at":"2026-11-27T15:26:15.487383+00:00","expires_at":null,"from_file":false}', 1),
	('token-names', 'ci', '{"hash":"58887dafba95e1022317d47a4a8460b3db0c0df747327da4f12ceb5405fe872a"}', 1),
	('tokens', '58887dafba95e1022317d47a4a8460b3db0c0df747327da4f12ceb5405fe872a', '{"name":"ci","scope":"read","created_at":"2026-11-27T15:26:22.645815+00:00","expires_at":null,"from_file":false}', 1);


--
-- Data for Name: store; Type: TABLE DATA; Schema: tasksvc_upgrades; Owner: -
--

INSERT INTO tasksvc_upgrades.store VALUES
	('3b6ef432dfb679a5', 11, 20, 8, '7712872843817776580/00000001/5/16391/725');


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
	(6, 'task 6', false, NULL, NULL, 0, '[]', '{}', 1795793182391227, 1795793182391227, 1, 'task 6'),
	(7, 'task 7', false, NULL, NULL, 0, '["a"]', '{}', 1795793182408663, 1795793182408663, 1, 'task 7'),
	(8, 'task 8', false, NULL, NULL, 0, '["a","ü"]', '{}', 1795793182421466, 1795793182421466, 1, 'task 8'),
	(9, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 9, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7}', 1795793182438487, 1795793182483262, 2, 'grösse ✓ 任务 😀
"quoted" \  '),
	(4, 'task 4', true, 1795793182654549, 1798761600000000, 0, '["a"]', '{}', 1795793182360890, 1795793182654549, 2, 'task 4'),
	(5, 'Größe ✓ 任务 😀
"quoted" \  ', true, 1795793182681484, NULL, 7, '["b","ü"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"more":[1]}', 1795793182368612, 1795793182681484, 3, 'grösse ✓ 任务 😀
"quoted" \  '),
	(11, 'Größe ✓ 任务 😀
"quoted" \  ', false, NULL, 1798131600123456, 7, '["late night","ü","任务","😀"]', '{"nested":{"list":[1,1.0,2.5,null,true,"x",{}]},"é":-1e-7,"large":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"}', 1795793182728277, 1795793182728277, 1, 'grösse ✓ 任务 😀
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


