"""The commands tasksvc export and tasksvc import: JSON Lines that show whether they were cut or changed."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from heads import generation_of
from service_process import environment_with, run_here, run_tasksvc

from maintenance.conftest import KINDS, NewURL, Open
from maintenance.contents import contents, fill, fill_workspaces
from tasksvc import CreateTask, StoreReader, TaskDraft, codec
from tasksvc.application.transfer import InvalidExport, export_to, import_from, verify
from tasksvc.store_adapters import open_repository

FIRST_LINE = b'{"tasksvc":"export","format":%d}\n' % codec.FORMAT


async def exported(reader: StoreReader) -> bytes:
    file = io.BytesIO()
    await export_to(file, reader)
    return file.getvalue()


@pytest.fixture
async def export(open_store: Open) -> bytes:
    """An export of a store with entries of every kind."""
    store = await open_store("memory://")
    await fill(store)
    return await exported(store)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(KINDS, KINDS)))
async def test_an_export_of_an_import_is_the_same_to_the_byte(
    first: str, second: str, new_url: NewURL, open_store: Open
) -> None:
    source, target = await open_store(new_url(first)), await open_store(new_url(second))
    await fill_workspaces(source)
    export = await exported(source)

    summary = await import_from(io.BytesIO(export), target)

    assert await exported(target) == export
    assert await contents(target) == await contents(source)
    assert await generation_of(target) != await generation_of(source)
    assert summary.tasks == 34


async def test_an_export_is_lines_that_say_what_they_are(export: bytes, open_store: Open) -> None:
    first, store, record, _, header, *entries, last = [json.loads(line) for line in export.splitlines()]

    assert first == {"tasksvc": "export", "format": 6}
    assert store == {"store": {}}
    assert record == {"record": {"namespace": "b", "key": "x", "value": {"n": 2.5}, "version": 2}}
    assert header == {"header": {"last_id": 32, "last_seq": 36, "pruned_seq": 10}}
    kinds = [next(iter(entry)) for entry in entries]
    assert kinds == ["task"] * 30 + ["idempotency_record"] * 2 + ["change"] * 26
    assert entries[0]["task"]["description"] == "alpha"
    lines = export.splitlines(keepends=True)[1:-1]
    assert last == {"end": {"entries": len(lines), "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}}


async def test_each_line_of_another_workspace_names_it(open_store: Open) -> None:
    store = await open_store("memory://")
    await fill_workspaces(store)

    lines = [json.loads(line) for line in (await exported(store)).splitlines()[1:-1]]

    named = [line["workspace"] for line in lines if "workspace" in line]
    assert named == ["a.b~c"] * 2 + ["u_42"] * (1 + 4 + 1 + 7)
    assert lines.index({"workspace": "a.b~c", "header": {"last_id": 0, "last_seq": 0, "pruned_seq": 0}}) == 3
    assert lines[-1]["change"]["kind"] == "deleted"


async def test_an_empty_store_is_exported_and_imported(open_store: Open) -> None:
    export = await exported(await open_store("memory://"))
    target = await open_store("memory://")

    await import_from(io.BytesIO(export), target)

    assert export.count(b"\n") == 4
    assert await exported(target) == export


# ---------------------------------------------------------------- damaged exports


def cut(export: bytes) -> list[bytes]:
    """Yields the export, cut after some of its lines and within others."""
    ends = [at + 1 for at, byte in enumerate(export) if byte == 0x0A]
    places = {0, 1, 10, *ends[:-1], *(end - 1 for end in ends), len(export) - 5}
    return [export[:place] for place in sorted(places)]


def changed(export: bytes) -> list[bytes]:
    """Yields the export with one bit flipped, at places all over it."""
    chosen = random.Random(7).sample(range(len(export)), 300)
    return [
        export[:place] + bytes([export[place] ^ (1 << place % 8)]) + export[place + 1 :] for place in sorted(chosen)
    ]


def rearranged(export: bytes) -> list[bytes]:
    """Yields the export with lines swapped, doubled, missing and added."""
    lines = export.splitlines(keepends=True)
    return [
        b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
        b"".join([*lines[:5], *lines[4:]]),
        b"".join([*lines[:5], *lines[6:]]),
        export + lines[-1],
        export + b"\n",
        export.replace(b"\n", b"\r\n"),
        b"\n" + export,
        b"\xef\xbb\xbf" + export,
    ]


@pytest.mark.parametrize("damage", [cut, changed, rearranged])
async def test_an_export_that_was_damaged_is_refused_and_nothing_is_written(
    damage: object, export: bytes, open_store: Open
) -> None:
    assert callable(damage)
    target = await open_store("memory://")
    empty = await contents(target)

    for damaged in damage(export):
        with pytest.raises(InvalidExport):
            await verify(io.BytesIO(damaged))
        with pytest.raises(InvalidExport):
            await import_from(io.BytesIO(damaged), target)

    assert await contents(target) == empty


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "This isn't an export of tasksvc. Name another file."),
        (b"SQLite format 3\0", "This isn't an export of tasksvc. Name another file."),
        (
            b'{"tasksvc":"export","format":%d}\n{"more":1}\n' % (codec.FORMAT + 1),
            f"The export was written by a newer tasksvc: it has format {codec.FORMAT + 1}, and this one reads formats"
            f" up to {codec.FORMAT}. Upgrade tasksvc.",
        ),
        (
            b'{"tasksvc":"export","format":3,"x":1}\n',
            "The first line of the export is damaged. Use another copy.",
        ),
    ],
)
async def test_another_file_is_distinguished_from_a_damaged_export(file: bytes, reason: str) -> None:
    with pytest.raises(InvalidExport) as caught:
        await verify(io.BytesIO(file))

    assert str(caught.value) == reason


@pytest.mark.parametrize("line", [b'{"surprise":1}', b"[]", b"7", b'{"task":{"id":1}}', b'{"header":3}', b'{"task":'])
async def test_a_line_that_this_version_does_not_know_is_refused_though_the_checksum_fits(
    line: bytes, open_store: Open
) -> None:
    header = b'{"header":{"last_id":0,"last_seq":0,"pruned_seq":0}}\n'
    export = with_checksum([b'{"store":{}}\n', header, line + b"\n"])
    target = await open_store("memory://")
    empty = await contents(target)

    with pytest.raises(InvalidExport, match="a line that this version cannot read"):
        await import_from(io.BytesIO(export), target)

    assert await contents(target) == empty


# ---------------------------------------------------------------- arbitrary exports


def with_checksum(lines: Sequence[bytes]) -> bytes:
    """Returns an export of `lines`, valid or not."""
    end = {"end": {"entries": len(lines), "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}}
    return b"".join([FIRST_LINE, *lines, codec.dumps(end), b"\n"])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each place in a JSON value: the container, and the name or index there."""
    for name, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, name
        if isinstance(item, dict | list):
            yield from places(item)


STRANGE: Sequence[Any] = (
    None, True, -1, 0, 2**53, 2**63 - 1, 2**63, 1.5, "", "x", "\0", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", [], ["b", "a"], ["a", "a"], [7], {}, {"more": 1}, {"\0": 1},
)  # fmt: skip


@pytest.mark.parametrize(("kind", "rounds"), [("memory", 200), ("sqlite", 60)])
async def test_an_arbitrary_export_is_refused_in_a_sentence_or_creates_a_working_store(
    kind: str, rounds: int, export: bytes, new_url: NewURL, open_store: Open
) -> None:
    chosen = random.Random(rounds)
    taken = 0
    for _ in range(rounds):
        entries = [json.loads(line) for line in export.splitlines()[1:-1]]
        within, name = chosen.choice(list(places(chosen.choice(entries))))
        within[name] = chosen.choice(STRANGE)
        lines = [codec.dump_line(entry) for entry in entries]
        try:
            await verify(io.BytesIO(with_checksum(lines)))
        except InvalidExport:
            continue
        taken += 1
        target = await open_store(new_url(kind))

        await import_from(io.BytesIO(with_checksum(lines)), target)

        assert await exported(target) == with_checksum(lines)
        await target.commit([CreateTask(TaskDraft("x"))], at=datetime.now(UTC))
    assert 0 < taken < rounds / 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"last_id":32', '"last_id":9223372036854775807', "what no store can keep: last_id must be an integer from 0"),
        ('"description":"alpha"', '"description":7', "what no store can keep: description must be text"),
        ('"last_seq":36', '"last_seq":37', "contradicts itself: The log ends with 36, and its header says 37."),
        ('"done":false', '"done":false,"more":1', "a line that this version cannot read"),
    ],
)
def test_an_arbitrary_file_creates_no_store(old: str, new: str, reason: str, export: bytes, tmp_path: Path) -> None:
    lines = export.decode().replace(old, new, 1).encode().splitlines(keepends=True)[1:-1]
    (tmp_path / "tasks.jsonl").write_bytes(with_checksum(lines))

    done = run_here("import", "tasks.jsonl", "--store", "sqlite:///new.db", folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tasksvc: The export ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.jsonl"]


# ---------------------------------------------------------------- the commands


@pytest.fixture
async def store_url(new_url: NewURL) -> str:
    """The URL of a store that is filled and closed."""
    url = new_url("sqlite")
    repository = await open_repository(url)
    await fill(repository)
    await repository.close()
    return url


def run(*words: str, folder: Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Runs a command with bytes on its standard streams."""
    command = [sys.executable, "-m", "tasksvc", *words]
    return subprocess.run(
        command, cwd=folder, env=environment_with(), input=given, capture_output=True, timeout=60, check=False
    )


def test_a_store_goes_through_a_file(store_url: str, export: bytes, tmp_path: Path) -> None:
    out = run_tasksvc("export", "tasks.jsonl", "--store", store_url, folder=tmp_path)
    back = run_tasksvc("import", "tasks.jsonl", folder=tmp_path, environment={"TASKSVC_STORE": "sqlite:///new.db"})
    again = run("export", "-", "--store", "sqlite:///new.db", folder=tmp_path)

    assert out.stdout.startswith(
        f"Exported {store_url}: 30 tasks, 26 changes, 2 records, 2 idempotency keys; checksum "
    )
    assert back.stdout.startswith("Imported into sqlite:///new.db: 30 tasks")
    assert out.stderr == back.stderr == ""
    assert (tmp_path / "tasks.jsonl").read_bytes() == again.stdout == export
    assert (tmp_path / "tasks.jsonl").stat().st_mode & 0o077 == 0, "for its owner alone"


def test_a_store_goes_through_a_pipe(store_url: str, export: bytes, tmp_path: Path) -> None:
    out = run("export", "-", "--store", store_url, folder=tmp_path)
    back = run("import", "-", "--store", "sqlite:///new.db", folder=tmp_path, given=out.stdout)

    assert out.stdout == export
    assert out.stderr.startswith(b"Exported "), "what it did is told beside the export"
    assert back.stdout.startswith(b"Imported into sqlite:///new.db: 30 tasks")


def test_a_damaged_file_creates_no_store(export: bytes, tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_bytes(export[:-200])

    done = run_here("import", "tasks.jsonl", "--store", "sqlite:///new.db", folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tasksvc: The export was cut or changed")
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.jsonl"]


def test_a_file_that_is_there_is_not_written_over(store_url: str, tmp_path: Path) -> None:
    (tmp_path / "tasks.jsonl").write_text("mine")

    done = run_here("export", "tasks.jsonl", "--store", store_url, folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "tasksvc: tasks.jsonl is there already. Name another file, or remove it first.\n"
    assert (tmp_path / "tasks.jsonl").read_text() == "mine"
    assert list(tmp_path.glob("*.partial")) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("export", "tasks.jsonl"), "Name the store with --store, as in --store sqlite:///tasks.db, or with"),
        (("export", "no/tasks.jsonl", "--store", "memory://"), "no/tasks.jsonl cannot be made: No such file or dir"),
        (("export", "tasks.jsonl", "--store", "sqlite:///typo.db"), "There is no store in "),
        (("export", "tasks.jsonl", "--store", "typo"), "A store is named by a URL such as "),
        (("import", "no.jsonl", "--store", "memory://"), "no.jsonl cannot be read: No such file or directory."),
        (("import", ".", "--store", "memory://"), ". cannot be read: Is a directory."),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_sentence(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    done = run_here(*words, folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(f"tasksvc: {reason}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_export_to_a_closed_pipe_fails(store_url: str, tmp_path: Path) -> None:
    command = f"{sys.executable} -m tasksvc export - --store {store_url} | true"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],  # noqa: S607
        env=environment_with(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "tasksvc: The export could not be written to standard output: Broken pipe.\n"
