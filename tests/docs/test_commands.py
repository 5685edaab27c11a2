"""The commands in docs/ work, and show what the pages say."""

from __future__ import annotations

import grp
import os
import re
import sqlite3
import stat
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from http_client import ask, free_port
from pages import DOCS, MARKDOWN, ROOT, Page
from service_process import RunningService, run_here, run_tasksvc

from docs.reader import BIN, Reader, needs_curl, run_shell, wait_for_port
from tasksvc.api import RUNTIME
from tasksvc.application.retention import KEY_HOURS

pytestmark = needs_curl


def test_the_page_about_proxies_is_true(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        assert reader.follow(Page.named("docs/proxies.md")) >= 8


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with a store that has a task in it, and that nobody serves."""
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        for workspace in ("default", "u_42"):
            ask(service.url, "POST", f"/workspaces/{workspace}/tasks/", {"description": "kept"})
    return tmp_path


@pytest.mark.slow
def test_the_page_about_tokens_is_true(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        assert reader.follow(Page.named("docs/tokens.md")) >= 12


@pytest.mark.slow
def test_a_token_that_was_rotated_no_longer_opens_the_service(tmp_path: Path) -> None:
    page = Page.named("docs/tokens.md")
    with Reader(tmp_path) as reader:
        reader.follow(page.section("The first token"))
        old = (tmp_path / "admin-token").read_text().strip()
        setting = page.section("Tokens for clients").commands()[0]
        reader.follow(Page(f"```sh\n{setting}\n```"))

        reader.follow(page.section("Rotation"))

        new = (tmp_path / "admin-token").read_text().strip()
        statuses = [ask(reader.url, "GET", "/tasks/", headers={"Authorization": f"Bearer {t}"}) for t in (old, new)]
    assert [answer.status for answer in statuses] == [401, 200]


@pytest.mark.slow
def test_the_page_about_operations_is_true(kept: Path) -> None:
    page = Page.named("docs/operations.md")
    places = {"/var/lib/tasksvc/": f"{kept}/", "/backups/": f"{kept}/", "sqlite:///a.db": "sqlite:///tasks.db"}

    with Reader(kept, places | {"postgresql://tasksvc@db1/tasks": "sqlite:///moved.db"}) as reader:
        count = sum(
            reader.follow(page.section(heading)) for heading in ("Backup and restore", "Moving to another store")
        )
    with Reader(kept, places | {"postgresql://tasksvc@db1/tasks": "sqlite:///imported.db"}) as reader:
        headings = ("Exports", "Workspaces", "Checking", "Tokens and a store that is served")
        count += sum(reader.follow(page.section(heading)) for heading in headings)

    assert count >= 8


@pytest.mark.slow
def test_a_migration_by_hand_and_the_way_back_work_as_the_page_says(kept: Path) -> None:
    page = Page.named("docs/upgrading.md")
    with Reader(kept) as reader:
        reader.follow(page.section("Migrate by hand"))
        run_shell(f"{BIN}/tasksvc backup before-upgrade.db --store sqlite:///tasks.db", kept)

        assert reader.follow(page.section("Going back")) == 1

    with RunningService("--store", "sqlite:///restored.db", folder=kept) as service:
        assert [task["description"] for task in ask(service.url, "GET", "/tasks/").document] == ["kept"]


def test_a_store_of_a_newer_version_is_refused_in_the_words_of_the_page(kept: Path) -> None:
    (documented,) = Page.named("docs/upgrading.md").section("Going back").blocks("text")
    with closing(sqlite3.connect(kept / "tasks.db")) as store:
        (version,) = store.execute("PRAGMA user_version").fetchone()
        store.execute(f"PRAGMA user_version = {version + 1}")

    refused = run_shell(f"{BIN}/tasksvc serve --port 0 --store sqlite:///tasks.db 2>&1 || true", kept)

    assert refused.replace(f"{kept}/", "") == documented


# ---------------------------------------------------------------- the API


@pytest.mark.slow
def test_the_operations_of_the_api_answer_with_the_documented_status(tmp_path: Path) -> None:
    rows = Page.named("docs/api.md").section("Operations").table("To")
    assert len(rows) >= 12

    with Reader(tmp_path) as reader:
        reader.serve("--store", "memory://")
        answered = [
            reader.run(f"{run.strip('`')} -s -m 2 -o /dev/null -w '%{{http_code}}' || [ $? = 28 ]")
            for _, run, _ in rows
        ]

    assert answered == [response.split(",")[0] for _, _, response in rows]


@pytest.mark.slow
def test_the_page_about_the_api_is_true(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        reader.serve()

        assert reader.follow(Page.named("docs/api.md")) >= 20


def test_a_client_writes_the_documented_fields(tmp_path: Path) -> None:
    rows = Page.named("docs/api.md").section("Tasks").table("Field")
    fields = [name.strip("`") for row in rows for name in row[0].split(", ")]

    with RunningService("--store", "memory://", folder=tmp_path) as service:
        task = ask(service.url, "POST", "/tasks/", {"description": "Water the plants"}).document
        writable = ask(service.url, "GET", "/openapi.json").document["components"]["schemas"]["TaskIn"]["properties"]

    assert set(fields) == set(task)
    assert fields[:3] == ["description", "notes", "done"]
    assert set(writable) == set(fields[: len(writable)])


def test_every_type_of_a_problem_is_documented_with_its_status() -> None:
    rows = Page.named("docs/api.md").section("Errors").table("Type")
    documented = {(status, name.strip("`")) for name, status, _ in rows}

    sources = [path.read_text("utf-8") for path in (ROOT / "tasksvc" / "api").rglob("*.py")]
    known = {found for source in sources for found in re.findall(r'\b([45]\d\d), "([a-z-]+)"', source)}

    assert documented == known


def test_the_lifetime_of_an_idempotency_key_is_the_same_on_every_page() -> None:
    texts = [(ROOT / name).read_text("utf-8") for name in MARKDOWN]

    sentences = [sentence for text in texts for sentence in re.split(r"(?<=[.]) |\n\n|\n\|", text)]
    lifetimes = {
        lifetime
        for sentence in sentences
        if re.search(r"[Kk]eys? (?:is|are|with)|the same key|[Ii]dempotency.[Kk]ey", sentence)
        for lifetime in re.findall(r"\b(?:\d+|a|an|one|two|three) (?:hours?|days?)\b", sentence)
    }

    assert lifetimes == {f"{KEY_HOURS} hours"}


# ---------------------------------------------------------------- settings and commands


def test_every_flag_variable_and_command_is_documented(tmp_path: Path) -> None:
    page = Page.named("docs/operations.md").text
    pages = "".join(path.read_text("utf-8") for path in DOCS.glob("*.md"))
    serving = run_here("serve", "--help", folder=tmp_path).stdout
    commands = re.findall(r"^  ([a-z]+)  +\w", run_here("--help", folder=tmp_path).stdout, re.MULTILINE)
    assert len(commands) >= 10

    # `stats` is the example's, where that is installed.
    flags = set(re.findall(r"--[a-z-]+", serving)) - {"--help", "--stats-days"}
    variables = set(re.findall(r"TASKSVC_[A-Z_]+", serving)) - {"TASKSVC_STATS_DAYS"}

    assert flags - set(re.findall(r"--[a-z-]+", page)) == set()
    assert variables - set(re.findall(r"TASKSVC_[A-Z_]+", page)) == set()
    assert [name for name in commands if name != "stats" and f"tasksvc {name}" not in pages] == []


@pytest.mark.slow
def test_the_commands_for_stores_work(tmp_path: Path) -> None:
    rows = Page.named("docs/operations.md").section("Commands").table("To")
    commands = {row[1].strip("`").split()[1]: row[1].strip("`").split()[1:] for row in rows}
    assert len(commands) >= 8

    with RunningService("--store", "sqlite:///my-tasks.db", folder=tmp_path) as service:
        task = ask(service.url, "POST", "/tasks/", {"description": "Water the plants"}).document
        done = [run_tasksvc(*commands.pop(name), folder=tmp_path) for name in ("backup", "export", "check")]
    done += [run_tasksvc(*command, folder=tmp_path) for command in commands.values()]

    assert [command.stderr for command in done if command.returncode != 0] == []
    for store in ("saved.db", "restored.db", "imported.db", "moved.db"):
        with RunningService("--store", f"sqlite:///{store}", folder=tmp_path) as service:
            assert ask(service.url, "GET", "/tasks/1").document == task, store


def test_a_start_without_a_store_beside_kept_tasks_is_refused(kept: Path) -> None:
    refused = run_tasksvc("--port", "0", folder=kept)

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1


def test_the_documented_extras_exist() -> None:
    pages = [ROOT / "README.md", *DOCS.glob("*.md")]
    extras = {name for page in pages for name in re.findall(r"pip install '\.\[([a-z]+)\]'", page.read_text("utf-8"))}

    assert extras
    assert extras <= set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def test_a_store_with_an_older_file_is_logged_in_the_words_of_the_page(tmp_path: Path) -> None:
    (documented,) = Page.named("docs/operations.md").section("Restoring a file by other means").blocks("text")
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "kept"})
    older = (tmp_path / "tasks.db").read_bytes()
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "lost"})
    (tmp_path / "tasks.db").write_bytes(older)

    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        pass

    assert documented.strip().replace("80", "1").replace("120", "2") in service.output.replace(f"{tmp_path}/", "")


def test_a_group_shares_a_store_as_the_page_says(tmp_path: Path) -> None:
    section = Page.named("docs/operations.md").section("File permissions")
    group = grp.getgrgid(os.getgid()).gr_name

    with Reader(tmp_path, {"/srv/": f"{tmp_path}/", "-g team": f"-g {group}"}) as reader:
        assert reader.follow(section) == 3
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tasks").iterdir()}

    assert stat.S_IMODE((tmp_path / "tasks").stat().st_mode) == 0o2770
    assert modes.pop("tasks.db.socket", 0o600) == 0o600
    assert set(modes.values()) == {0o660}


# ---------------------------------------------------------------- clients


@pytest.mark.parametrize(("name", "count"), [("docs/clients.md", 1), ("docs/streaming.md", 3)])
def test_the_commands_for_clients_work(name: str, count: int, tmp_path: Path) -> None:
    places = {"curl -N": "curl -N -m 1", "https://tasks.example": "http://127.0.0.1:8000"}

    with Reader(tmp_path, places) as reader:
        reader.serve("--store", "memory://")

        assert reader.follow(Page.named(name)) == count


def test_the_password_of_a_url_is_encoded_as_the_page_says(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        sessions = Page.named("docs/postgresql.md").section("The URL").blocks("console")

        assert sum(reader.follow(Page(f"```console\n{session}```")) for session in sessions) == 1


# ---------------------------------------------------------------- embedding


def test_the_embedded_applications_serve_below_their_prefixes(tmp_path: Path) -> None:
    documented, *others = Page.named("docs/embedding.md").blocks("python")
    port = free_port()
    (tmp_path / "your_site.py").write_text(documented.replace("8080", str(port)))
    for other in others:
        exec(other, {})  # noqa: S102  # it is our own

    with subprocess.Popen([sys.executable, "your_site.py"], cwd=tmp_path, stdout=subprocess.DEVNULL) as site:
        try:
            wait_for_port(port, site)
            url = f"http://127.0.0.1:{port}"
            created = [ask(url, "POST", f"/{name}/tasks/", {"description": name}) for name in ("todo", "errands")]
            docs = ask(url, "GET", "/todo/docs")
        finally:
            site.terminate()

    assert [(answer.status, answer.document["id"]) for answer in created] == [(201, 1), (201, 1)]
    assert 'data-url="openapi.json"' in docs.body.decode()
    assert (tmp_path / "todo.db").exists()


def test_the_embedded_application_has_the_limits_and_timeouts_of_the_page() -> None:
    (block,) = [block for block in Page.named("docs/embedding.md").blocks("python") if "Timeouts" in block]
    names: dict[str, Any] = {}

    exec(block, names)  # noqa: S102  # it is our own

    runtime = names["app"][RUNTIME]
    assert (runtime.limits.body_bytes, runtime.limits.streams) == (65_536, 500)
    assert (runtime.timeouts.drain, runtime.timeouts.heartbeat) == (3.0, 5.0)
