"""One container engine for all tests, with the images that they need.

No registry of images is asked.  `debian` is made from Debian's packages; `postgres` and `caddy` have
stand-ins in the folder `images`; `tasksvc` is built from the repository's own Dockerfile.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql.server import find_programs

from deployment.debian import NoMirror, make_root
from deployment.engine import Engine

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "deployment"
IMAGES = Path(__file__).parent / "images"
PROGRAMS = {"debootstrap": "debootstrap", "dockerd": "docker.io", "docker-compose": "docker-compose", "ip": "iproute2"}
"""Program and Debian's package."""


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """With an image of Debian."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"This needs root and, on Debian: apt-get install {' '.join(missing or PROGRAMS.values())}")
    tag = _base_of(EXAMPLES / "Dockerfile")
    release = tag.removeprefix("debian:").removesuffix("-slim")
    with tempfile.TemporaryDirectory(prefix="debian-") as folder:
        try:
            make_root(Path(folder), release)
        except NoMirror as error:
            pytest.skip(str(error))
        with Engine() as engine:
            engine.import_root(Path(folder), tag)
            yield engine


def _base_of(dockerfile: Path) -> str:
    found = re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, beside what a user has in a clone, such as a virtual environment."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for name in (".venv/bin/python", ".git/config", "tasks.db", "tasksvc/__pycache__/old.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("private")
    return folder


@pytest.fixture(scope="session")
def caddy_image(engine: Engine) -> str:
    """Caddy's."""
    engine.build("caddy:2", IMAGES / "caddy" / "Dockerfile", IMAGES / "caddy")
    return "caddy:2"


@pytest.fixture(scope="session")
def postgres_image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """PostgreSQL's, with the server of the tests."""
    programs = find_programs()
    assert programs is not None
    context = tmp_path_factory.mktemp("postgres")
    shutil.copytree(IMAGES / "postgres", context, dirs_exist_ok=True)
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, context / "install" / part.name, symlinks=True)
    engine.build("postgres:18", context / "Dockerfile", context)
    return "postgres:18"
