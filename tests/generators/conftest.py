"""Folders for the generators, and a service whose ids need more than 32 bits."""

from __future__ import annotations

import hashlib
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import RunningService, run_tasksvc

from generators.running import CLIENTS, HERE, Service, run
from tasksvc.application.tokens import new_secret

LAST_ID = 5_000_000_000
"""The highest id of the store before a test, between 2^32 and 2^53."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The service, with a token, on an empty store whose last id is LAST_ID."""
    header = b'{"header":{"last_id":%d,"last_seq":0,"pruned_seq":0}}\n' % LAST_ID
    end = b'{"end":{"entries":1,"sha256":"%b"}}\n' % hashlib.sha256(header).hexdigest().encode()
    (tmp_path / "export.jsonl").write_bytes(b'{"tasksvc":"export","format":2}\n' + header + end)
    imported = run_tasksvc("import", "--store", "sqlite:///tasks.db", "export.jsonl", folder=tmp_path)
    assert imported.returncode == 0, imported.stderr
    token = new_secret()
    (tmp_path / "token").write_text(token)
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path, environment=environment) as running:
        yield Service(running.url, token)


@pytest.fixture
def python_folder(service: Service, tmp_path: Path) -> Path:
    """A folder with the service's description."""
    folder = tmp_path / "python"
    folder.mkdir()
    describe(service, folder)
    return folder


@pytest.fixture(scope="session")
def npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which npm has installed what package.json names."""
    folder = tmp_path_factory.mktemp("npm")
    for file in (HERE / "package.json", CLIENTS / "tsconfig.json"):  # Hey API looks at the latter
        shutil.copy(file, folder)
    run(["npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"], folder)
    return folder


@pytest.fixture
def typescript_folder(service: Service, npm_folder: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with the service's description and the settings of TypeScript."""
    folder = npm_folder / str(request.node.name)
    folder.mkdir()
    describe(service, folder)
    shutil.copy(CLIENTS / "tsconfig.json", folder)
    return folder


def describe(service: Service, folder: Path) -> None:
    """Saves the description of the service in `folder`."""
    with urllib.request.urlopen(f"{service.url}/openapi.json") as answer:
        (folder / "openapi.json").write_bytes(answer.read())
