"""What the README shows is what happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import pytest
from running_service import RunningService, run_tasksvc

from tasksvc.cli.main import COMMANDS
from tasksvc.testing import TaskRepositoryContract

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BIN = Path(sys.executable).parent
BASH = shutil.which("bash") or "bash"


def blocks(language: str) -> list[str]:
    """The contents of all code blocks in `language`."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block_with(language: str, text: str) -> str:
    (found,) = [block for block in blocks(language) if text in block]
    return found


def run_shell(command: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """What `command` prints, once it has ended well or, as curl does, after the time that it was given."""
    done = subprocess.run(
        [BASH, "-c", command],
        cwd=folder,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 28), f"{command}\n{done.stderr}"
    return done.stdout


def normalized(text: str) -> str:
    """`text` without what differs: times, the life of the store in a position, the words beside a status."""
    text = re.sub(r"^(HTTP/1.1 \d{3}) .*", r"\1", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME", text.replace("\r", ""))
    return re.sub(r"\b[0-9a-f]{16}-(\d)", r"LIFE-\1", text)


def assert_shows(shown: str, documented: str, command: str) -> None:
    """`documented` may have lines of dots for what it leaves out."""
    parts = [re.escape(part) for part in normalized(documented).split("...\n")]
    if not re.fullmatch(r"(?:.*\n)*?".join(parts), normalized(shown).rstrip("\n") + "\n"):
        pytest.fail(f"$ {command}\nshows\n{shown}\nand not, as documented,\n{documented}")


# ---------------------------------------------------------------- the API


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed; Debian: apt-get install curl")
def test_every_curl_line_answers_as_documented(tmp_path: Path) -> None:
    rows = re.findall(r"^\| [^|]+ \| `(curl .+)` \| (\d{3})", README, re.MULTILINE)
    sessions = [re.split(r"^\$ ", block, flags=re.MULTILINE)[1:] for block in blocks("console")]
    assert len(rows) >= 12
    assert len(sessions) >= 5

    with RunningService(folder=tmp_path) as service:
        where = service.url.removeprefix("http://")
        for command, status in rows:
            command = command.replace("127.0.0.1:8000", where)
            shown = run_shell(f"{command} -s -m 2 -o /dev/null -w '%{{http_code}}'", tmp_path)
            assert shown == status, command
        for session in sessions:
            variables: dict[str, str] = {}
            for entry in session:
                command, _, documented = entry.partition("\n")
                command = command.replace("127.0.0.1:8000", where)
                if assignment := re.match(r"([A-Z]+)=", command):
                    name = assignment[1]
                    variables[name] = run_shell(f'{command}; printf %s "${name}"', tmp_path)
                else:
                    assert_shows(run_shell(command, tmp_path, variables), documented, command)


def test_the_service_says_what_the_readme_says_when_it_is_ready(tmp_path: Path) -> None:
    documented = block_with("text", "is ready")

    with RunningService(folder=tmp_path) as service:
        assert documented.replace("8000", str(service.port)) in service.output


def test_a_client_writes_the_fields_that_the_readme_names(tmp_path: Path) -> None:
    fields = [name for row in re.findall(r"^\| (`[a-z_`, ]+`) \|", README, re.MULTILINE) for name in row.split(", ")]
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        body = json.dumps({"description": "Water the plants"}).encode()
        with urlopen(Request(f"{service.url}/tasks/", body, {"Content-Type": "application/json"})) as answer:
            task = json.load(answer)
        with urlopen(f"{service.url}/openapi.json") as answer:
            writable = json.load(answer)["components"]["schemas"]["TaskIn"]["properties"]

    assert {name.strip("`") for name in fields} == set(task)
    assert [name.strip("`") for name in fields[:6]] == [
        "description",
        "done",
        "due_at",
        "priority",
        "labels",
        "metadata",
    ]
    assert set(writable) == {name.strip("`") for name in fields[:6]}


# ---------------------------------------------------------------- commands


def test_ci_runs_the_commands_of_the_start_as_they_are_printed() -> None:
    extract = "source .ci/stages.sh; readme_command 1; readme_command 2"

    extracted = run_shell(extract, ROOT).splitlines()

    assert extracted == [block.strip() for block in blocks("sh")[:2]]
    assert extracted[0].endswith(".venv/bin/tasksvc")
    assert extracted[1].endswith(".venv/bin/tox")
    script = (ROOT / ".ci" / "run").read_text()
    assert 'stage start 600 .ci/start "$(readme_command 1)"' in script
    assert 'stage tests 1200 bash -c "$(readme_command 2)"' in script


def test_a_store_that_is_named_is_kept(tmp_path: Path) -> None:
    command = block_with("sh", "--store").split()
    assert command[0] == "tasksvc"

    with RunningService(*command[1:], folder=tmp_path) as service:
        assert "(kept)" in service.output

    assert (tmp_path / "my-tasks.db").exists()


def test_a_start_without_a_store_beside_kept_tasks_is_refused(tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path):
        pass

    refused = run_tasksvc("--port", "0", folder=tmp_path)

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1


def test_the_commands_for_saving_and_moving_work(tmp_path: Path) -> None:
    rows = re.findall(r"^\| [^|]+ \| `tasksvc ([^`]+)` \|$", README, re.MULTILINE)
    commands = {row.split()[0]: row.split() for row in rows}
    assert set(commands) == set(COMMANDS) - {"serve", "stores", "token"}

    with RunningService("--store", "sqlite:///my-tasks.db", folder=tmp_path) as service:
        body = json.dumps({"description": "Water the plants"}).encode()
        with urlopen(Request(f"{service.url}/tasks/", body, {"Content-Type": "application/json"})) as answer:
            task = json.load(answer)
        done = [run_tasksvc(*commands.pop(name), folder=tmp_path) for name in ("backup", "export", "check")]
    done += [run_tasksvc(*command, folder=tmp_path) for command in commands.values()]

    assert [command.stderr for command in done if command.returncode != 0] == []
    for store in ("saved.db", "restored.db", "imported.db", "moved.db"):
        with (
            RunningService("--store", f"sqlite:///{store}", folder=tmp_path) as service,
            urlopen(f"{service.url}/tasks/1") as answer,
        ):
            assert json.load(answer) == task, store


@pytest.mark.parametrize("example", ["async_client_demo.py", "sync_client.py --prove"])
def test_the_example_clients_run(example: str, tmp_path: Path) -> None:
    command = block_with("sh", example).strip().replace("examples/", f"{ROOT}/examples/")

    with RunningService("--store", "memory://", folder=tmp_path) as service:
        shown = run_shell(f"{BIN}/{command} {service.url}", tmp_path)

    assert shown.count("\n") >= 4


def test_every_flag_variable_and_command_is_named(tmp_path: Path) -> None:
    told = run_tasksvc("serve", "--help", folder=tmp_path).stdout
    flags = set(re.findall(r"--[a-z-]+", told)) - {"--help"}
    variables = set(re.findall(r"TASKSVC_[A-Z_]+", told))

    assert flags - set(re.findall(r"--[a-z-]+", README)) == set()
    assert variables - set(re.findall(r"TASKSVC_[A-Z_]+", README)) == set()
    assert [name for name in COMMANDS if f"tasksvc {name}" not in README] == []


def test_the_extras_that_are_named_exist() -> None:
    extras = set(re.findall(r"pip install '\.\[([a-z]+)\]'", README))

    assert extras
    assert extras <= set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


# ---------------------------------------------------------------- code


def test_the_embedding_example_serves_below_its_prefix(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "site_of_mine.py").write_text(block_with("python", "add_subapp").replace("8080", str(port)))
    site = subprocess.Popen([sys.executable, "site_of_mine.py"], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        base = f"http://127.0.0.1:{port}/todo"
        wait_for(f"{base}/health/ready", site)
        body = json.dumps({"description": "Water the plants"}).encode()

        with urlopen(Request(f"{base}/tasks/", body, {"Content-Type": "application/json"})) as answer:
            assert answer.status == 201
            assert urljoin(answer.url, answer.headers["Location"]) == f"{base}/tasks/1"
        with urlopen(f"{base}/docs") as answer:
            assert 'data-url="openapi.json"' in answer.read().decode()
    finally:
        site.terminate()
        site.communicate(timeout=30)
    assert (tmp_path / "todo.db").exists()


def wait_for(url: str, site: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            with urlopen(url):
                return
        except URLError:
            assert site.poll() is None, "it runs"
            assert time.monotonic() < end, "it answers in time"
            time.sleep(0.05)


def test_the_contract_example_is_a_contract(tmp_path: Path) -> None:
    names: dict[str, type[TaskRepositoryContract]] = {}
    exec(block_with("python", "TaskRepositoryContract"), names)  # noqa: S102  # it is our own

    assert issubclass(names["TestMyStore"], TaskRepositoryContract)
    assert names["TestMyStore"]().store_url(tmp_path).startswith("mystore://")


def test_what_is_linked_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
