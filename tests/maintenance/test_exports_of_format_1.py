"""Exports of format 1, which versions before the first release wrote, are still imported."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from heads import generation_of
from pytest_aiohttp import AiohttpClient
from upgrades import make_export_1

from maintenance.conftest import KINDS, NewURL, Open
from maintenance.earlier_documents import as_then
from tasksvc import TaskQuery, TaskRepository
from tasksvc.api.app import RUNTIME, create_app
from tasksvc.api.options import Options
from tasksvc.application.retention import Retention
from tasksvc.application.transfer import InvalidExport, check, import_from, verify

UPGRADES = Path(make_export_1.__file__).parent
FOREVER = timedelta(days=36_500)
"""Longer than the age of the exports, so that nothing in them is pruned."""

each_export = pytest.mark.parametrize("export", ["export_1_first.jsonl", "export_1_last.jsonl"])
each_kind = pytest.mark.parametrize("kind", KINDS)


def entries_of(export: str) -> dict[str, list[Any]]:
    """The entries in the file, by their names in format 1."""
    entries: dict[str, list[Any]] = {}
    for line in (UPGRADES / export).read_bytes().splitlines():
        for name, value in json.loads(line).items():
            entries.setdefault(name, []).append(value)
    return entries


async def bring_in(export: str, repository: TaskRepository) -> None:
    with (UPGRADES / export).open("rb") as file:
        await verify(file)
        await import_from(file, repository)


async def serve(export: str, url: str, aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    """The service with a store that the export fills, without plugins, which would write to it before."""
    options = Options(retention=Retention(max_age=FOREVER, idempotency_key_ttl=FOREVER), plugins=())
    client = await aiohttp_client(create_app(url, options))
    await bring_in(export, client.app[RUNTIME].repository)
    return client


@each_kind
@each_export
async def test_it_fills_a_store_that_is_in_order(kind: str, export: str, new_url: NewURL, open_store: Open) -> None:
    repository = await open_store(new_url(kind))

    await bring_in(export, repository)

    assert [problem async for problem in check(repository)] == []
    assert await repository.count(TaskQuery(labels=("a",))) == 4
    token, _ = entries_of(export)["record"]
    assert (await repository.record("token-names", "ci")) == tuple(token)


@each_kind
@each_export
async def test_its_tasks_and_the_change_log_are_as_they_were(
    kind: str, export: str, new_url: NewURL, aiohttp_client: AiohttpClient
) -> None:
    client = await serve(export, new_url(kind), aiohttp_client)

    (header,) = entries_of(export)["header"]
    generation = await generation_of(client.app[RUNTIME].repository)

    tasks = await (await client.get("/tasks/")).json()
    page = await (await client.get(f"/changes?since={generation}-{header['floor']}")).json()
    before = await client.get(f"/changes?since={generation}-{header['floor'] - 1}")

    entries = entries_of(export)
    assert as_then(tasks, entries["task"]) == entries["task"]
    changes = [[seq, kind_of_change, task] for seq, kind_of_change, _, _, task in entries["change"]]
    assert as_then([[each["seq"], each["type"], each["task"]] for each in page["changes"]], changes) == changes
    assert page["next"] == f"{generation}-{header['seq']}"
    assert before.status == 410, "and what was pruned isn't there"


@each_kind
@each_export
async def test_a_write_that_is_repeated_with_its_idempotency_key_is_replayed(
    kind: str, export: str, new_url: NewURL, aiohttp_client: AiohttpClient
) -> None:
    client = await serve(export, new_url(kind), aiohttp_client)
    writes: dict[str, tuple[str, str, Any]] = {
        "create": ("POST", "/tasks/", make_export_1.TASK),
        "batch": ("POST", "/tasks/batch", make_export_1.BATCH),
        "delete": ("DELETE", "/tasks/1", None),
        "delete-matching": ("DELETE", "/tasks/?done=true&label=%C3%BC", None),
    }
    keys = [key for (_, key, _), _, _ in entries_of(export)["remembered"] if key in writes]

    answers = {
        key: await client.request(
            method, path, headers={"Idempotency-Key": key}, **({} if document is None else {"json": document})
        )
        for key, (method, path, document) in writes.items()
        if key in keys
    }

    assert len(answers) >= 2
    assert {answer.headers["Idempotency-Replayed"] for answer in answers.values()} == {"true"}
    assert (await answers["create"].json())["id"] == 9
    assert [result["id"] for result in (await answers["batch"].json())["results"]] == [10, 2, 3]
    if "delete-matching" in answers:
        assert (await answers["delete-matching"].json())["deleted"] == 1


@pytest.mark.parametrize(
    ("old", "new"), [(b'"floor"', b'"pruned_seq"'), (b'"remembered"', b'"idempotency_record"'), (b'"seq"', b'"head"')]
)
async def test_an_entry_of_another_format_is_refused(old: bytes, new: bytes) -> None:
    lines = (UPGRADES / "export_1_last.jsonl").read_bytes().replace(old, new).splitlines(keepends=True)
    lines[-1] = ending(lines[1:-1])

    with pytest.raises(InvalidExport, match="holds a line that this version cannot read"):
        await verify(io.BytesIO(b"".join(lines)))


def ending(lines: list[bytes]) -> bytes:
    """The last line of an export, for those of its entries."""
    checksum = hashlib.sha256(b"".join(lines)).hexdigest()
    return b'{"end":{"entries":%d,"sha256":"%s"}}\n' % (len(lines), checksum.encode())
