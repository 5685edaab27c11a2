"""Writes a store of each kind, an export, and what clients of them held, by a version of tasksvc:

    python make_stores.py stores_1 postgresql://postgres@/postgres?host=/run/postgresql  # e99b68d
    python make_stores.py stores_2 postgresql://postgres@/postgres?host=/run/postgresql  # c70ba78
    python make_stores.py stores_3 postgresql://postgres@/postgres?host=/run/postgresql  # 9e54cc8
    python make_stores.py stores_4 postgresql://postgres@/postgres?host=/run/postgresql  # 56794ea
    python make_stores.py stores_5 postgresql://postgres@/postgres?host=/run/postgresql  # b81bae9

The first argument is a new folder, and the second one a PostgreSQL server that pg_dump can read. The environment is
that of the version, with examples/tasksvc_jsonl. Only the command line and the API are used, so that this works with
later versions too.

The secrets of tokens in these files are for tests alone: nothing else ever accepts them.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PORT = 8923
SCHEMA = "tasksvc_upgrades"
"""The schema of the dump; tests put another name in its place."""
TASKSVC = [sys.executable, "-m", "tasksvc"]
WORKSPACE = "/workspaces/u_42"
"""The prefix of the paths of a workspace beside the default one."""
KEEP_CHANGES = 12
"""How many changes the log keeps, the oldest of more than these being pruned."""
PATIENCE = 50
"""Tenths of a second in which the service prunes the log, at its start."""
GONE = 410

TASK = {
    "description": 'Größe ✓ 任务 😀\n"quoted" \\ \u2028',
    "due_at": "2026-12-24T18:00:00.123456+01:00",
    "priority": 7,
    "labels": ["late night", "ü", "任务", "😀"],
    "metadata": {"nested": {"list": [1, 1.0, 2.5, None, True, "x", {}]}, "é": -1e-7, "large": "y" * 1_100},
}
RICH_TASK = {
    "description": "Blumen gießen",
    "notes": "Zeile 1\nZeile 2 ✓ 😀",
    "list": "Haus & Garten ✓",
    "labels": ["ü"],
    "due_on": "2026-12-21",
    "position": "a0",
    "repeat": {"rule": "FREQ=WEEKLY;BYDAY=MO;COUNT=5", "zone": "Europe/Berlin"},
    "metadata": {"room": 4, "customer": {"id": 7, "name": "Ünal", "vip": True, "since": None}, "ratio": 1.0},
}
"""A task with the fields of the versions that have notes."""
RICH_UPDATE = {"notes": "", "list": "inbox", "position": None, "due_on": "2027-01-04", "metadata": {"room": "4"}}
BATCH = [
    {"op": "create", "task": {"description": "from a batch", "labels": ["ü"]}},
    {"op": "update", "id": 2, "patch": {"done": True}},
    {"op": "delete", "id": 3},
]
UPDATE = {"done": True, "due_at": None, "labels": ["ü", "b"], "metadata": {"large": None, "more": [1]}}


class Clients:
    """Sends requests, and notes what clients must keep."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.retries: list[dict[str, Any]] = []

    def ask(
        self, method: str, path: str, document: Any = None, *, caller: str = "writer", key: str | None = None
    ) -> tuple[int, dict[str, str], str]:
        """Returns the status, the header fields and the body of the answer, and notes a request with a `key`."""
        headers = {"Authorization": f"Bearer {self.tokens[caller]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if document is not None:
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = response.status, dict(response.headers.items()), response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                answer = error.code, dict(error.headers.items()), error.read().decode()
        if answer[0] not in (200, 201, 204, GONE):
            raise RuntimeError(f"{method} {path} was answered {answer}")
        if key is not None:
            names = "method", "path", "document", "caller", "key", "status", "headers", "body"
            self.retries.append(dict(zip(names, (method, path, document, caller, key, *answer), strict=True)))
        return answer

    def create_tokens(self, url: str) -> None:
        for name in ("writer", "admin", "revoked"):
            scope = "admin" if name == "admin" else "write"
            create = [*TASKSVC, "token", "create", name, "--scope", scope, "--store", url]
            self.tokens[name] = subprocess.run(create, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        subprocess.run([*TASKSVC, "token", "revoke", "revoked", "--store", url], check=True)

    def write(self) -> None:
        """Sends every kind of write, with and without an idempotency key."""
        for number in range(1, 9):
            self.ask("POST", "/tasks/", {"description": f"task {number}", "labels": ["a", "ü"][: number % 3]})
        self.ask("POST", "/tasks/", TASK, key="create")
        self.ask("PATCH", "/tasks/9", {"priority": 9, "metadata": {"large": None}}, key="update")
        self.ask("DELETE", "/tasks/1", key="delete")
        self.ask("POST", "/tasks/batch", BATCH, key="batch")
        self.ask("DELETE", "/tasks/?done=true&label=%C3%BC", key="delete-matching")
        self.ask("POST", "/admin/tokens", {"name": "ci", "scope": "read"}, caller="admin", key="token")
        self.ask("PATCH", "/tasks/4", {"done": True, "due_at": "2027-01-01T00:00:00Z"})
        self.ask("PATCH", "/tasks/5", TASK)
        self.ask("PATCH", "/tasks/5", UPDATE)
        self.ask("POST", "/tasks/", TASK)
        self.ask("DELETE", "/tasks/10")
        for number in range(1, 4):
            self.ask("POST", f"{WORKSPACE}/tasks/", {"description": f"task {number} of a workspace", "labels": ["ü"]})
        self.ask("POST", f"{WORKSPACE}/tasks/", TASK, key="create-in-workspace")
        self.ask("PATCH", f"{WORKSPACE}/tasks/4", UPDATE)
        self.ask("DELETE", f"{WORKSPACE}/tasks/2")
        _, _, read = self.ask("GET", "/tasks/9")
        if "notes" in json.loads(read):
            self.write_rich_tasks()

    def write_rich_tasks(self) -> None:
        """Writes tasks with notes, lists, positions and days, which repeat, in both workspaces."""
        for prefix in ("", WORKSPACE):
            tasks = f"{prefix}/tasks/"
            first, second, third = [
                json.loads(self.ask("POST", tasks, task)[2])["id"]
                for task in (RICH_TASK, RICH_TASK, RICH_TASK | {"repeat": None})
            ]
            self.ask("PATCH", f"{tasks}{first}", {"done": True}, key=f"complete{first}")
            self.ask("POST", f"{tasks}{second}/skip", key=f"skip{second}")
            self.ask("PATCH", f"{tasks}{third}", RICH_UPDATE)

    def held(self) -> dict[str, Any]:
        """Returns what clients know, while the log is being pruned."""
        _, headers, listed = self.ask("GET", "/tasks/")
        generation, _, last = headers["X-Change-Seq"].partition("-")
        pruned: str | None = f"{generation}-1"
        good = f"{generation}-{int(last) - 5}"
        for _ in range(PATIENCE):
            if self.ask("GET", f"/changes?since={pruned}")[0] == GONE:
                break
            time.sleep(0.1)
        else:
            pruned = None  # stores of this kind aren't pruned
        tasks = json.loads(listed)
        page = self.ask("GET", "/tasks/?sort=-priority&limit=2")[1]["Link"].partition("<")[2].partition(">")[0]
        path = "/tasks/" + page[page.index("?") :]
        _, headers, listed_there = self.ask("GET", f"{WORKSPACE}/tasks/")
        generation, _, last = headers["X-Change-Seq"].partition("-")
        good_there = f"{generation}-{int(last) - 2}"
        return {
            "about": "What clients of a store held. The tokens are for tests alone: nothing else ever accepts them.",
            "tokens": self.tokens,
            "tasks": tasks,
            "etags": {task["id"]: self.ask("GET", f"/tasks/{task['id']}")[1]["ETag"] for task in tasks},
            "next_page": {"path": path, "body": self.ask("GET", path)[2]},
            "pruned_position": pruned,
            "position": good,
            "changes": json.loads(self.ask("GET", f"/changes?since={good}")[2]),
            "retries": self.retries,
            "workspace": {
                "tasks": json.loads(listed_there),
                "etag": self.ask("GET", f"{WORKSPACE}/tasks/4")[1]["ETag"],
                "position": good_there,
                "changes": json.loads(self.ask("GET", f"{WORKSPACE}/changes?since={good_there}")[2]),
            },
        }


@contextlib.contextmanager
def service(clients: Clients, url: str, *options: str) -> Iterator[None]:
    """Runs the service until the block ends."""
    process = subprocess.Popen([*TASKSVC, "serve", "--port", str(PORT), "--store", url, *options])
    try:
        while True:
            try:
                clients.ask("GET", "/health/ready")
            except OSError:
                time.sleep(0.1)
            else:
                break
        yield
    finally:
        process.terminate()
        process.wait()


def fill(url: str, held: Path) -> None:
    """Makes the store at `url`, and writes to the file `held` what its clients held."""
    clients = Clients()
    clients.create_tokens(url)
    with service(clients, url):
        clients.write()
    with service(clients, url, "--keep-changes", str(KEEP_CHANGES)):
        known = clients.held()
    held.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")


def program(name: str) -> str:
    """Returns the path of a program of PostgreSQL."""
    if (path := shutil.which(name)) is None:
        raise RuntimeError(f"{name} isn't in the PATH")
    return path


def dump(server: str, file: Path) -> None:
    """Dumps the schema as statements that any client can execute, and drops it."""
    options = ["--schema", SCHEMA, "--no-owner", "--no-privileges", "--rows-per-insert", "100"]
    text = subprocess.run([program("pg_dump"), server, *options], check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [line for line in text.split("\n") if not line.startswith("\\")]  # these are for psql alone
    file.write_text("\n".join(lines), "utf-8")
    subprocess.run([program("psql"), server, "--quiet", "-c", f"DROP SCHEMA {SCHEMA} CASCADE"], check=True)


def main(folder: Path, server: str) -> None:
    folder.mkdir()
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary, "sqlite.db")
        fill(f"sqlite:///{file}", folder / "sqlite.json")
        assert not file.with_name("sqlite.db-wal").exists(), "the file alone is the store"
        for name in ("sqlite.db", "sqlite.db.lock"):
            (folder / name).write_bytes(file.with_name(name).read_bytes())
        subprocess.run([*TASKSVC, "export", str(folder / "export.jsonl"), "--store", f"sqlite:///{file}"], check=True)
    fill(f"jsonl:///{folder / 'store.jsonl'}", folder / "jsonl.json")
    fill(f"{server}{'&' if '?' in server else '?'}schema={SCHEMA}", folder / "postgresql.json")
    dump(server, folder / "postgresql.sql")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2])
