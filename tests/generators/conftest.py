"""Generators, and a service whose ids are beyond 32 bits."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from running_service import RunningService, run_tasksvc

from tasksvc.tokens import new_secret

LAST_ID = 5_000_000_000
"""Of the store, before a test: beyond 2^32, and below 2^53."""
SECONDS = 300
"""How long a generator, a compiler or an installation may take."""
HERE = Path(__file__).parent


@pytest.fixture
def token(tmp_path: Path) -> str:
    """The secret of a token with the scope admin."""
    secret = new_secret()
    (tmp_path / "token").write_text(secret)
    return secret


@pytest.fixture
def service(tmp_path: Path, token: str) -> Iterator[RunningService]:
    """The service, with a token, on an empty store that has given LAST_ID already."""
    header = b'{"header":{"last_id":%d,"seq":0,"floor":0}}\n' % LAST_ID
    end = b'{"end":{"entries":1,"sha256":"%b"}}\n' % hashlib.sha256(header).hexdigest().encode()
    (tmp_path / "export.jsonl").write_bytes(b'{"tasksvc":"export","format":1}\n' + header + end)
    imported = run_tasksvc("import", "--store", "sqlite:///tasks.db", "export.jsonl", folder=tmp_path)
    assert imported.returncode == 0, imported.stderr
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path, environment=environment) as service:
        yield service


@pytest.fixture
def description(service: RunningService, tmp_path: Path) -> Path:
    """The service's description, in a file."""
    file = tmp_path / "openapi.json"
    with urllib.request.urlopen(f"{service.url}/openapi.json") as answer:
        file.write_bytes(answer.read())
    return file


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which npm has installed what package.json names."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(
            "There is no npm. Install Node.js 20 or later (Debian: apt-get install npm), and run: tox -e generators"
        )
    folder = tmp_path_factory.mktemp("npm")
    shutil.copy(HERE / "package.json", folder)
    run([npm, "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"], folder)
    return folder


def run(command: Sequence[str | Path], folder: Path, *, path: Sequence[Path] = ()) -> str:
    """Runs `command` in `folder`, with the folders of `path` before PATH, and returns what it prints.

    Fails with all of that where its exit status is not 0.
    """
    environment = {**os.environ, "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]])}
    environment |= {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(folder), "MYPYPATH": str(folder), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout
