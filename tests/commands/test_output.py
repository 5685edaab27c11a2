"""Output arrives whatever the encoding of the terminal, the names of files, and the end of the pipe."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from http_client import Answer, NoAnswer, ask, free_port
from service_process import RunningService, environment_with, run_tasksvc

pytestmark = pytest.mark.slow

NAMES = {"characters that cp1252 lacks": "żłw", "bytes that are no text": os.fsdecode(b"\xff\xfe")}
AS_PRINTED = {"żłw": r"\u017c\u0142w", os.fsdecode(b"\xff\xfe"): r"\udcff\udcfe"}
ENCODINGS = ("cp1252", "ascii", "latin-1:strict")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a file that isn't valid UTF-8."""
    return NAMES[request.param]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_service_starts_and_ends_whatever_its_output_can_encode(encoding: str, name: str, tmp_path: Path) -> None:
    variables = {"PYTHONIOENCODING": encoding}
    with RunningService("--store", f"sqlite:///{name}.db", folder=tmp_path, environment=variables) as service:
        ask(service.url, "GET", "/tasks/")
        status = service.stop()

    assert status == 0
    assert f"sqlite:///{AS_PRINTED[name]}.db (kept)" in service.output
    assert "Traceback" not in service.output


def test_every_command_works_with_such_names_on_such_a_terminal(name: str, tmp_path: Path) -> None:
    store, new = ("--store", f"sqlite:///{name}.db"), f"--store=sqlite:///{name}"
    commands: Sequence[Sequence[str]] = (
        ("migrate", *store),
        ("token", "create", "someone", *store, "--output", f"{name}.token"),
        ("token", "list", *store),
        ("backup", f"{name}.backup", *store),
        ("export", f"{name}.export", *store),
        ("restore", f"{name}.backup", f"{new}-1.db"),
        ("restore", f"{name}.export", f"{new}-2.db"),
        ("import", f"{name}.export", f"{new}-3.db"),
        ("copy", f"sqlite:///{name}.db", f"sqlite:///{name}-4.db"),
        ("check", f"{new}-4.db"),
    )

    done = [run_tasksvc(*words, folder=tmp_path, environment={"PYTHONIOENCODING": "cp1252"}) for words in commands]

    assert [each.stderr for each in done if each.returncode] == []
    assert AS_PRINTED[name] in done[-1].stdout
    assert len(list(tmp_path.glob("*.db"))) == 5


def test_a_refusal_names_such_a_file_in_one_sentence(name: str, tmp_path: Path) -> None:
    done = run_tasksvc("--store", f"sqlite:///nowhere/{name}.db", "--port", "0", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(f"tasksvc: {tmp_path}/nowhere/")
    assert done.stderr.count("\n") == 1


def test_a_byte_that_is_not_text_can_be_written_in_a_url(tmp_path: Path) -> None:
    done = run_tasksvc("migrate", "--store", "sqlite:///%FF%FE.db", folder=tmp_path)

    assert done.returncode == 0
    assert (tmp_path / os.fsdecode(b"\xff\xfe.db")).exists()


def test_an_export_is_utf_8_whatever_the_terminal_is(tmp_path: Path) -> None:
    store = ("--store", "sqlite:///tasks.db")
    with RunningService(*store, folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "żłw"})

    done = subprocess.run(
        [sys.executable, "-m", "tasksvc", "export", "-", *store],
        cwd=tmp_path, env=environment_with({"PYTHONIOENCODING": "cp1252"}), capture_output=True, check=True,
    )  # fmt: skip

    assert '"description":"żłw"'.encode() in done.stdout


def test_a_service_in_a_folder_whose_name_is_not_text_reports_what_is_wrong_with_its_store(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    with RunningService("--store", "sqlite:///tasks.db", folder=folder) as service:
        (folder / "tasks.db").rename(folder / "moved.db")
        (folder / "tasks.db").write_text("another")

        answer = ask(service.url, "POST", "/tasks/", {"description": "lost"})

    assert answer.status == 503
    assert r"\udcff/tasks.db" in answer.document["detail"]


# ---------------------------------------------------------------- output that isn't read


def closed(*words: str, folder: Path, redirection: str) -> subprocess.CompletedProcess[str]:
    """Returns a command with a redirection of the shell."""
    return subprocess.run(
        ["bash", "-c", f'exec "$@" {redirection}', "bash", sys.executable, "-m", "tasksvc", *words],  # noqa: S607
        cwd=folder, env=environment_with(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", [("stores",), ("migrate", "--store", "sqlite:///tasks.db"), ("--version",)])
def test_a_command_whose_streams_are_closed_does_its_work(
    command: tuple[str, ...], redirection: str, tmp_path: Path
) -> None:
    done = closed(*command, folder=tmp_path, redirection=redirection)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_import_from_a_closed_stream_is_refused_as_no_export(tmp_path: Path) -> None:
    done = closed("import", "-", "--store", "sqlite:///tasks.db", folder=tmp_path, redirection="<&-")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "isn't an export" in done.stderr


@pytest.mark.parametrize("command", [("stores",), ("token", "new")])
def test_output_that_cannot_be_written_is_one_sentence(command: tuple[str, ...], tmp_path: Path) -> None:
    done = closed(*command, folder=tmp_path, redirection="> /dev/full")

    assert done.returncode == 1
    assert done.stderr == "tasksvc: Standard output cannot be written: No space left on device.\n"


def test_a_refusal_that_cannot_be_written_keeps_its_exit_status(tmp_path: Path) -> None:
    done = closed("check", "--store", "sqlite:///missing.db", folder=tmp_path, redirection="2> /dev/full")

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def ask_when_it_answers(service: RunningService) -> Answer:
    """Returns the list of tasks once the service is ready, since it can't print that it is."""
    end = time.monotonic() + 60
    while True:
        try:
            return ask(service.url, "GET", "/tasks/")
        except NoAnswer:
            assert service.process.poll() is None, "it runs"
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("redirection", ["> /dev/full", "2> /dev/full", ">&- 2>&-"])
def test_a_service_serves_though_nobody_can_read_what_it_says(redirection: str, tmp_path: Path) -> None:
    before = ("bash", "-c", f'exec "$@" {redirection}', "bash")
    service = RunningService("--store", "sqlite:///tasks.db", folder=tmp_path, before=before)
    service.port = free_port()

    service.begin()
    try:
        answers = [ask_when_it_answers(service), ask(service.url, "POST", "/tasks/", {"x": 1})]
        status = service.stop()
    finally:
        service.kill()

    assert [answer.status for answer in answers] == [200, 422]
    assert status == 0


def test_a_host_that_cannot_be_a_name_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = run_tasksvc("--host", "a..b", "--open", "--port", "0", folder=tmp_path)

    assert done.returncode == 1
    assert "Cannot listen on a..b:0: " in done.stderr
    assert "Traceback" not in done.stderr
