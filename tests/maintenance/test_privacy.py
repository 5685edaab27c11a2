"""Only the owner can read what tasksvc writes to a disk, unless the owner decides otherwise."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from http_client import ask
from other_users import as_user
from service_process import RunningService, environment_with, run_here, run_tasksvc

from tasksvc.application.tokens import is_well_formed

pytestmark = pytest.mark.slow

STORE = ("--store", "sqlite:///tasks.db")
BESIDE_THE_STORE = ["tasks.db", "tasks.db-shm", "tasks.db-wal", "tasks.db.lock"]


@pytest.fixture(params=[0o000, 0o077], ids="umask {:03o}".format)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sets the umask of this process and of those that it starts."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Returns the permissions of each file in `folder`, by its name."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


# ---------------------------------------------------------------- private by default


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("arguments", [(), STORE], ids=["scratch", "kept"])
def test_a_store_and_what_lies_beside_it_are_private(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with RunningService(*arguments, folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "secret"})
        served = modes(tmp_path)
    left = modes(tmp_path)

    assert set(BESIDE_THE_STORE) <= set(served)
    assert set(served.values()) | set(left.values()) == {0o600}


@pytest.mark.usefixtures("_umask")
def test_saved_files_and_stores_made_from_them_are_private(tmp_path: Path) -> None:
    run_here("token", "create", "someone", *STORE, folder=tmp_path)

    done = [
        run_here(*command, folder=tmp_path)
        for command in (
            ("backup", "saved", *STORE),
            ("export", "exported", *STORE),
            ("restore", "saved", "--store", "sqlite:///restored.db"),
            ("import", "exported", "--store", "sqlite:///imported.db"),
            ("copy", "sqlite:///tasks.db", "sqlite:///copied.db"),
        )
    ]

    assert [each.returncode for each in done] == [0] * 5
    assert {"saved", "exported", "restored.db", "imported.db", "copied.db"} <= set(modes(tmp_path))
    assert set(modes(tmp_path).values()) == {0o600}


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("command", [("new",), ("create", "someone", *STORE)], ids=["new", "create"])
def test_a_token_that_is_written_to_a_file_is_private(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run_here("token", *command, "--output", "admin-token", folder=tmp_path)

    assert (done.returncode, done.stdout) == (0, "")
    assert is_well_formed((tmp_path / "admin-token").read_text().removesuffix("\n"))
    assert modes(tmp_path)["admin-token"] == 0o600


# ---------------------------------------------------------------- tokens in files


def test_a_token_is_not_written_over_another_file_and_none_is_created_then(tmp_path: Path) -> None:
    (tmp_path / "admin-token").write_text("mine")

    done = run_here("token", "create", "someone", *STORE, "--output", "admin-token", folder=tmp_path)
    listed = run_here("token", "list", *STORE, folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"tasksvc: {tmp_path}/admin-token is there already. Name another file, or remove it first.\n"
    )
    assert (tmp_path / "admin-token").read_text() == "mine"
    assert listed.stdout == ""


@pytest.mark.parametrize("command", [("new",), ("create", "someone", *STORE)], ids=["new", "create"])
@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o600, False)])
def test_a_redirection_to_a_file_that_others_can_read_is_warned_of(
    command: tuple[str, ...], mode: int, warned: bool, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.touch()
    file.chmod(mode)

    with file.open("w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "tasksvc", "token", *command],
            cwd=tmp_path,
            env=environment_with(),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )

    warning = "Other users can read the file that the token was written to. Make it private with chmod 600"
    assert (warning in done.stderr) == warned
    assert is_well_formed(file.read_text().strip())
    assert modes(tmp_path)["token"] == mode


# ---------------------------------------------------------------- shared, where the owner says so


@pytest.mark.parametrize("mode", [0o660, 0o640])
def test_a_store_keeps_the_mode_that_its_owner_gave_it_and_passes_it_on(mode: int, tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path):
        pass
    (tmp_path / "tasks.db").chmod(mode)

    with RunningService(*STORE, folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "shared"})
        served = modes(tmp_path)

    assert {name: served[name] for name in BESIDE_THE_STORE} == dict.fromkeys(BESIDE_THE_STORE, mode)


def test_an_empty_file_with_another_mode_becomes_a_store_with_that_mode(tmp_path: Path) -> None:
    (tmp_path / "tasks.db").touch()
    (tmp_path / "tasks.db").chmod(0o660)

    with RunningService(*STORE, folder=tmp_path):
        served = modes(tmp_path)

    assert {name: served[name] for name in BESIDE_THE_STORE} == dict.fromkeys(BESIDE_THE_STORE, 0o660)


GROUP = 4711


@pytest.fixture
def team_folder() -> Iterator[Path]:
    """A folder that users can enter, and in which new files belong to GROUP."""
    if os.geteuid() != 0:
        pytest.skip("only root can become other users")
    with TemporaryDirectory() as name:  # pytest keeps others out of its own
        os.chown(name, 0, GROUP)
        Path(name).chmod(0o2770)
        yield Path(name)


def test_two_users_of_a_group_take_turns_at_a_store_that_is_shared(team_folder: Path) -> None:
    (team_folder / "tasks.db").touch()
    (team_folder / "tasks.db").chmod(0o660)

    statuses = []
    for uid in (4712, 4713, 4712):
        with RunningService(*STORE, folder=team_folder, before=as_user(uid, group=GROUP)) as service:
            statuses.append(ask(service.url, "POST", "/tasks/", {"description": "shared"}).status)

    assert statuses == [201, 201, 201]


def test_a_group_that_may_read_can_export_what_is_served(team_folder: Path) -> None:
    (team_folder / "tasks.db").touch()
    (team_folder / "tasks.db").chmod(0o640)
    os.chown(team_folder / "tasks.db", 4712, GROUP)

    with RunningService(*STORE, folder=team_folder, before=as_user(4712, group=GROUP)):
        exported = run_tasksvc("export", "-", *STORE, folder=team_folder, before=as_user(4713, group=GROUP))
        written = run_tasksvc("migrate", *STORE, folder=team_folder, before=as_user(4713, group=GROUP))

    assert exported.stdout.startswith('{"tasksvc":"export"'), exported.stderr
    assert (written.returncode, "cannot be" in written.stderr) == (1, True)


def test_what_root_does_with_the_store_of_a_user_leaves_it_to_that_user(team_folder: Path) -> None:
    with RunningService(*STORE, folder=team_folder, before=as_user(4712, group=GROUP)):
        pass
    (team_folder / "tasks.db.lock").unlink()

    done = run_tasksvc("token", "create", "someone", *STORE, folder=team_folder)
    with RunningService(*STORE, folder=team_folder, before=as_user(4712, group=GROUP)) as service:
        answer = ask(service.url, "GET", "/tasks/")

    assert (done.returncode, answer.status) == (0, 401)


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "precious").chmod(0o644)
    (tmp_path / "tasks.db.lock").symlink_to("precious")

    done = run_tasksvc("migrate", *STORE, folder=tmp_path)

    assert done.returncode == 1
    assert "tasks.db.lock cannot be written" in done.stderr
    assert modes(tmp_path)["precious"] == 0o644
