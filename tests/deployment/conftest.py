"""One container engine for all tests, with the images that they need.

No registry of images is used. `debian` is built from Debian's packages; `postgres` and `caddy` have stand-ins in the
folder `images`; `tasksvc` is built from the repository's own Dockerfile.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from requirements import leave_out
from stores.postgresql.server import find_programs

from deployment.debian import NoMirror, make_root
from deployment.engine import Engine, daemon
from deployment.surroundings import CONTROL_GROUPS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "deployment"
IMAGES = Path(__file__).parent / "images"
PROGRAMS = {
    "busybox": "busybox-static",
    "caddy": "caddy",
    "debootstrap": "debootstrap",
    "docker-compose": "docker-compose",
    "dockerd": "docker.io",
    "ip": "iproute2",
}
"""The required programs, and the Debian package of each."""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Returns a folder that is shared by all processes that run the tests."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def engine(shared: Path) -> Iterator[Engine]:
    """An engine with an image of Debian. The first process that needs it starts it, and stops it after all others."""
    if (reason := why_not()) is not None:
        leave_out(reason)
    start, place, users = shared / "start", shared / "engine", shared / "users"
    with ExitStack() as stack:
        with locked(start):
            if place.exists():
                engine = Engine(Path(place.read_text()))
                stack.enter_context(locked(users, fcntl.LOCK_SH))
            else:
                stack.enter_context(locked(Path(tempfile.gettempdir())))  # one engine on a machine
                engine = stack.enter_context(daemon())
                give_debian(engine)
                place.write_text(str(engine.folder))
                stack.callback(wait_for_others, start, place, users)
        yield engine


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Holds a lock on a file or folder, among processes, from the start of the `with` block to its end."""
    if not path.exists():
        path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def wait_for_others(start: Path, place: Path, users: Path) -> None:
    """Prevents other processes from using the engine, and waits for those that do."""
    with locked(start):
        place.unlink()
    with locked(users):
        pass


def give_debian(engine: Engine) -> None:
    """Creates the image that the Dockerfile begins with."""
    tag = _base_of(EXAMPLES / "Dockerfile")
    release = tag.removeprefix("debian:").removesuffix("-slim")
    root = engine.folder / "root"
    try:
        make_root(root, release)
    except NoMirror as error:
        leave_out(str(error))
    engine.import_root(root, tag)
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def tag_of_tasksvc(engine: Engine, shared: Path) -> Iterator[None]:
    """Tags the image for one module alone, since all pages give it the same name."""
    with locked(shared / "tasksvc"):
        yield


def why_not() -> str | None:
    """Returns why containers can't run here, or None if they can."""
    if os.geteuid() != 0:
        return "Containers need root."
    if missing := [package for program, package in PROGRAMS.items() if shutil.which(program) is None]:
        return f"Programs are missing. Debian: apt-get install {' '.join(missing)}"
    for command, what in (
        (["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"], "mount file systems (CAP_SYS_ADMIN)"),
        (["iptables", "--table", "nat", "--list-rules"], "change the rules of the network (CAP_NET_ADMIN)"),
    ):
        tried = subprocess.run(command, check=False, capture_output=True, text=True)
        if tried.returncode != 0:
            return f"Containers need the right to {what}, which root doesn't have here: {tried.stderr.strip()}"
    if not os.access(CONTROL_GROUPS, os.W_OK) or os.statvfs(CONTROL_GROUPS).f_flag & os.ST_RDONLY:
        return f"Containers need control groups, and {CONTROL_GROUPS} can't be written to."
    return None


def _base_of(dockerfile: Path) -> str:
    found = re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, with files that a user's clone has too, such as a virtual environment."""
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
def caddy_image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image in place of Caddy's, with the Caddy of this machine."""
    context = tmp_path_factory.mktemp("caddy")
    shutil.copy(IMAGES / "caddy" / "Dockerfile", context)
    for program in ("caddy", "busybox"):
        found = shutil.which(program)
        assert found is not None
        shutil.copy(found, context)
    engine.build("caddy:2", context / "Dockerfile", context)
    return "caddy:2"


@pytest.fixture(scope="session")
def postgres_image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image in place of PostgreSQL's, with the server of the tests."""
    programs = find_programs()
    assert programs is not None
    context = tmp_path_factory.mktemp("postgres")
    shutil.copytree(IMAGES / "postgres", context, dirs_exist_ok=True)
    package = programs.parent.parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, context / "install" / part.name, symlinks=True)
    engine.build("postgres:18", context / "Dockerfile", context)
    return "postgres:18"
