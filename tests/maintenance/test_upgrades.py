"""Stores and exports that earlier versions wrote are served as if nothing had happened, and go on."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import asyncpg
import pytest
import upgrades
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from heads import generation_of
from pytest_aiohttp import AiohttpClient
from service_process import run_here, run_tasksvc
from upgrades import make_stores

from maintenance.conftest import NewURL
from maintenance.earlier_documents import as_then
from tasksvc.api.app import RUNTIME, create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application.retention import Retention
from tasksvc.application.transfer import check, import_from, verify
from tasksvc.store_adapters import open_repository

pytestmark = pytest.mark.slow

STORES = sorted(path.name for path in Path(upgrades.__file__).parent.glob("stores_*"))
WORKSPACE = "workspace"
"""The key under which make_stores.py noted what clients held of a workspace beside the default one."""
WITH_WORKSPACES = [version for version in STORES if version not in ("stores_1", "stores_2", "stores_3")]
"""The stores with such a workspace."""
WITH_LISTS = [version for version in WITH_WORKSPACES if version != "stores_4"]
"""The stores whose tasks are in lists, repeat, and have metadata that filters find."""
FOREVER = timedelta(days=36_500)
"""Longer than the age of the stores, so that nothing in them is pruned."""
VARYING = {"Connection", "Content-Length", "Date", "Server", "X-Request-ID"}
"""Header fields that aren't the same in each answer, or are the server's and not the answer's."""

each_version = pytest.mark.parametrize("version", STORES)
needs_jsonl = pytest.mark.skipif(find_spec("tasksvc_jsonl") is None, reason="needs examples/tasksvc_jsonl")
JSONL = pytest.param("jsonl", marks=needs_jsonl)
each_kind = pytest.mark.parametrize("kind", ["sqlite", "postgresql", "export", JSONL])
in_place = pytest.mark.parametrize("kind", ["sqlite", "postgresql", JSONL])


def same(now: Any, then: Any) -> bool:
    """Returns whether `now` has what `then` had, in the same order, and 1, 1.0 and true apart."""
    return json.dumps(as_then(now, then)) == json.dumps(then)


class Client(NamedTuple):
    """A client of a store that an earlier version wrote, served by this version."""

    http: TestClient[Any, Any]
    held: Any
    """What make_stores.py noted of the store; its generation is the present one."""

    async def ask(
        self, method: str, path: str, document: Any = None, *, caller: str = "writer", **headers: str
    ) -> ClientResponse:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers["Authorization"] = f"Bearer {self.held['tokens'][caller]}"
        if document is not None:
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if document is None else json.dumps(document).encode()
        return await self.http.request(method, path, data=data, headers=headers)


Serve = Callable[[str, str], Any]


def generation_in(held: Any) -> str:
    """Returns the generation of the workspace whose position a client held."""
    return str(held["position"]).partition("-")[0]


def file_of(version: str, name: str) -> Path:
    return Path(upgrades.__file__).parent / version / name


def held_by_clients(version: str, kind: str) -> str:
    """What clients of a store held, as JSON; that of an export is what they held of the store it came from."""
    return file_of(version, "sqlite.json" if kind == "export" else f"{kind}.json").read_text("utf-8")


async def put_in_place(version: str, kind: str, url: str) -> None:
    """Puts the store of an earlier version where `url` says, or imports the export there."""
    if kind == "sqlite":
        target = url.removeprefix("sqlite:///")
        for end in ("", ".lock"):  # in the second one is what tells a store from a copy that was put in its place
            shutil.copyfile(file_of(version, f"sqlite.db{end}"), target + end)
    elif kind == "jsonl":
        shutil.copyfile(file_of(version, "store.jsonl"), url.removeprefix("jsonl:///"))
    elif kind == "postgresql":
        server, _, schema = url.rpartition("schema=")
        database = await asyncpg.connect(server.rstrip("?&"))
        dump = file_of(version, "postgresql.sql").read_text("utf-8")
        await database.execute(dump.replace(make_stores.SCHEMA, schema))
        await database.execute(f"SET search_path TO {schema}")
        # Where the tables were is what tells a store from a dump that was restored.
        await database.execute("UPDATE store SET lineage = ''")
        await database.close()
    else:
        repository = await open_repository(url)
        with file_of(version, "export.jsonl").open("rb") as file:
            await verify(file)
            await import_from(file, repository)
        await repository.close()


@pytest.fixture
def serve(new_url: NewURL, aiohttp_client: AiohttpClient) -> Serve:
    async def serve_one(version: str, kind: str) -> Client:
        url = new_url("sqlite" if kind == "export" else kind)
        await put_in_place(version, kind, url)
        retention = Retention(max_age=FOREVER, idempotency_key_ttl=FOREVER)
        http = await aiohttp_client(create_app(url, Options(tokens=TokenPolicy.ALWAYS, retention=retention)))
        held = held_by_clients(version, kind)
        if kind == "export":  # an export has no generations
            repository, positions = http.app[RUNTIME].repository, json.loads(held)
            held = held.replace(generation_in(positions), await generation_of(repository))
            if WORKSPACE in positions:
                there = repository.workspace(make_stores.WORKSPACE.rpartition("/")[2])
                held = held.replace(generation_in(positions[WORKSPACE]), await generation_of(there))
        return Client(http, json.loads(held))

    return serve_one


@each_version
@each_kind
async def test_tasks_are_listed_as_they_were(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)

    listed = await client.ask("GET", "/tasks/")
    page = await client.ask("GET", client.held["next_page"]["path"])

    assert same(await listed.json(), client.held["tasks"])
    assert same(await page.json(), json.loads(client.held["next_page"]["body"]))


@each_version
@each_kind
async def test_tasks_are_found_by_what_they_hold(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    selections: dict[str, Callable[[Any], bool]] = {
        "label=ü": lambda task: "ü" in task["labels"],
        "label=ü&label=b": lambda task: {"ü", "b"} <= {*task["labels"]},
        "label=任务": lambda task: "任务" in task["labels"],
        "done=true": lambda task: task["done"],
        "priority_min=7": lambda task: task["priority"] >= 7,
        "due_before=2026-12-30T00:00:00Z": lambda task: (task["due_at"] or task.get("due_on") or "3") < "2026-12-30",
        "q=GRÖẞE": lambda task: "Größe" in task["description"],
    }

    found = {query: await (await client.ask("GET", f"/tasks/?{query}")).json() for query in selections}

    expected = {query: [*filter(holds, client.held["tasks"])] for query, holds in selections.items()}
    assert same(found, expected)
    assert all(expected.values())


@pytest.mark.parametrize("version", WITH_LISTS)
@each_kind
async def test_tasks_of_both_workspaces_are_found_by_metadata_and_lists(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    selections: dict[str, Callable[[Any], bool]] = {
        "metadata.room=4": lambda task: task["metadata"].get("room") == 4,
        'metadata.room="4"': lambda task: task["metadata"].get("room") == "4",
        "metadata.customer.name=Ünal&metadata.ratio=1.0": lambda task: "customer" in task["metadata"],
        f"list={quote('Haus & Garten ✓')}": lambda task: task["list"] == "Haus & Garten ✓",
        "parent_id=none&list=inbox": lambda task: task["list"] == "inbox",
    }

    for prefix, held in (("", client.held), (make_stores.WORKSPACE, client.held[WORKSPACE])):
        for query, holds in selections.items():
            found = await (await client.ask("GET", f"{prefix}/tasks/?{query}")).json()
            assert found
            assert same(found, [*filter(holds, held["tasks"])]), query


@each_version
@each_kind
async def test_the_changes_of_a_task_are_found_and_undone(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    since, changes = client.held["position"], client.held["changes"]["changes"]
    task_ids = {change["task_id"] for change in changes}

    found = {
        task_id: (await (await client.ask("GET", f"/tasks/{task_id}/changes?since={since}")).json())["changes"]
        for task_id in task_ids
    }

    assert len(task_ids) > 1
    for task_id, history in found.items():
        assert same(history, [change for change in changes if change["task_id"] == task_id])
        versions = [change["task"] for change in history if change["task"] is not None]
        for task in versions[:1]:
            restored = await client.ask("POST", f"/tasks/{task_id}/restore", {"version": task["version"]})
            assert restored.status == 200
            assert (await restored.json())["description"] == task["description"]
    assert [problem async for problem in check(client.http.app[RUNTIME].repository)] == []


@each_version
@in_place
async def test_an_etag_that_a_client_has_still_matches(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    etags = client.held["etags"]

    read = {number: await client.ask("GET", f"/tasks/{number}", If_None_Match=tag) for number, tag in etags.items()}
    number, etag = next(iter(etags.items()))
    written = await client.ask("PATCH", f"/tasks/{number}", {"priority": 1}, If_Match=etag)
    again = await client.ask("PATCH", f"/tasks/{number}", {"priority": 2}, If_Match=etag)

    assert {(response.status, response.headers["ETag"]) for response in read.values()} == {
        (304, etag) for etag in etags.values()
    }
    assert (written.status, again.status) == (200, 412)


@each_version
@each_kind
async def test_a_write_that_is_repeated_with_its_key_is_answered_as_the_first_time(
    version: str, kind: str, serve: Serve
) -> None:
    client = await serve(version, kind)
    first = {retry["key"]: retry for retry in client.held["retries"]}

    answers = {
        key: await client.ask(
            retry["method"], retry["path"], retry["document"], caller=retry["caller"], Idempotency_Key=key
        )
        for key, retry in first.items()
    }
    listed = await client.ask("GET", "/tasks/")

    token = answers.pop("token")
    for key, answer in answers.items():
        body = await answer.text()
        assert answer.status == first[key]["status"]
        assert body == first[key]["body"] or same(json.loads(body), json.loads(first[key]["body"]))
    for key, answer in answers.items():
        expected = {name: value for name, value in first[key]["headers"].items() if name not in VARYING}
        assert expected.items() <= answer.headers.items()
        assert answer.headers["Idempotency-Replayed"] == "true"
    assert token.status == 409, "the secret of a token is shown once"
    shown = json.loads(first["token"]["body"])
    assert as_then((await token.json())["token"], shown).items() <= shown.items()
    assert same(await listed.json(), client.held["tasks"]), "nothing was written"


@each_version
@each_kind
async def test_an_old_key_is_refused_for_another_request(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)

    answer = await client.ask("POST", "/tasks/", {"description": "another"}, Idempotency_Key="create")

    assert answer.status == 422
    assert (await answer.json())["type"] == "urn:tasksvc:problem:idempotency-key-reused"


@each_version
@each_kind
async def test_a_client_goes_on_following_from_its_position(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)

    before = await (await client.ask("GET", f"/changes?since={client.held['position']}")).json()
    created = await (await client.ask("POST", "/tasks/", {"description": "the next one"})).json()
    after = await (await client.ask("GET", f"/changes?since={before['next']}")).json()
    first = client.held["pruned_position"]
    pruned = None if first is None else await client.ask("GET", f"/changes?since={first}")

    assert same(before, client.held["changes"])
    assert [(change["seq"], change["task"]) for change in after["changes"]] == [
        (before["changes"][-1]["seq"] + 1, created)
    ]
    assert created["id"] == 1 + max(task["id"] for task in client.held["tasks"])
    assert pruned is None or pruned.status == 410


@pytest.mark.parametrize("version", WITH_WORKSPACES)
@each_kind
async def test_a_workspace_goes_on_as_if_nothing_had_happened(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    held, path = client.held[WORKSPACE], make_stores.WORKSPACE

    listed = await (await client.ask("GET", f"{path}/tasks/")).json()
    before = await (await client.ask("GET", f"{path}/changes?since={held['position']}")).json()
    elsewhere = await client.ask("GET", f"/changes?since={held['position']}")
    patched = await client.ask("PATCH", f"{path}/tasks/4", {"priority": 3}, If_Match=held["etag"])
    created = await (await client.ask("POST", f"{path}/tasks/", {"description": "the next one"})).json()
    after = await (await client.ask("GET", f"{path}/changes?since={before['next']}")).json()

    assert same(listed, held["tasks"])
    assert same(before, held["changes"])
    assert (elsewhere.status, patched.status) == (410, 200)
    assert created["id"] == 1 + max(task["id"] for task in held["tasks"])
    assert [change["task"]["id"] for change in after["changes"]] == [4, created["id"]]


@pytest.mark.parametrize("version", ["stores_1", "stores_2", "stores_3"])
@each_kind
async def test_a_store_of_before_workspaces_has_the_default_one_alone(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    repository = client.http.app[RUNTIME].repository

    before = await repository.workspaces(limit=9)
    made = await client.ask("POST", f"{make_stores.WORKSPACE}/tasks/", {"description": "the first one"})
    after = await repository.workspaces(limit=9)

    assert [summary.name for summary in before] == ["default"]
    assert before[0].tasks == len(client.held["tasks"])
    assert (await made.json())["id"] == 1
    assert [(summary.name, summary.tasks) for summary in after[1:]] == [("u_42", 1)]


@each_version
@each_kind
async def test_tokens_are_accepted_until_they_are_revoked(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    (made,) = (json.loads(retry["body"]) for retry in client.held["retries"] if retry["key"] == "token")
    client.held["tokens"]["reader"] = made["token"]

    listed = await client.ask("GET", "/admin/tokens", caller="admin")
    revoked = await client.ask("GET", "/tasks/", caller="revoked")
    read = await client.ask("GET", "/tasks/", caller="reader")
    written = await client.ask("POST", "/tasks/", {"description": "x"}, caller="reader")
    again = await client.ask("POST", "/admin/tokens", {"name": "revoked", "scope": "read"}, caller="admin")

    assert [token["name"] for token in await listed.json()] == ["admin", "ci", "writer"]
    assert [response.status for response in (revoked, read, written, again)] == [401, 200, 403, 201]


@each_version
@each_kind
async def test_writing_goes_on_and_leaves_the_store_in_order(version: str, kind: str, serve: Serve) -> None:
    client = await serve(version, kind)
    one, two, *_ = [task["id"] for task in client.held["tasks"] if "ü" in task["labels"]]

    patch = {"labels": ["new", "任务"], "metadata": {"large": "z" * 2_000}}
    relabelled = await client.ask("PATCH", f"/tasks/{one}", patch)
    deleted = await client.ask("DELETE", f"/tasks/{two}")
    listed = {
        label: [task["id"] for task in await (await client.ask("GET", f"/tasks/?label={label}")).json()]
        for label in ("ü", "任务", "new")
    }

    assert (relabelled.status, deleted.status) == (200, 204)
    assert {one, two}.isdisjoint(listed["ü"])
    assert one in listed["任务"]
    assert listed["new"] == [one]
    assert [problem async for problem in check(client.http.app[RUNTIME].repository)] == []


@each_version
@in_place
def test_the_commands_upgrade_check_export_and_import_it(
    version: str, kind: str, new_url: NewURL, tmp_path: Path
) -> None:
    url, copied, imported = new_url(kind), new_url("sqlite"), new_url("sqlite")
    asyncio.run(put_in_place(version, kind, url))

    migrated = run_tasksvc("migrate", "--store", url, folder=tmp_path)
    done = [
        run_here(*command, folder=tmp_path)
        for command in (
            ("check", "--store", url),
            ("token", "list", "--store", url),
            ("export", "one.jsonl", "--store", url),
            ("import", "one.jsonl", "--store", imported),
            ("export", "two.jsonl", "--store", imported),
            ("copy", url, copied),
            ("export", "three.jsonl", "--store", copied),
        )
    ]

    assert [(command.args, command.returncode) for command in (migrated, *done) if command.returncode] == []
    one, two, three = ((tmp_path / f"{name}.jsonl").read_bytes() for name in ("one", "two", "three"))
    assert one == two == three
    assert len(one.splitlines()) > 25
