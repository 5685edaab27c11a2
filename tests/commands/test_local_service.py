"""Administration of tokens with --store while the store is served: through a socket that only its user can open."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from http_client import ask
from other_users import as_user
from service_process import RunningService, environment_with, run_here, run_tasksvc, with_timeouts

from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import is_well_formed

pytestmark = pytest.mark.slow

STORE = ("--store", "sqlite:///tasks.db")


@pytest.mark.parametrize("arguments", [(), STORE, (*STORE, "--admin-port", "0")], ids=["scratch", "kept", "two ports"])
def test_a_first_token_is_created_listed_changed_and_revoked_while_the_store_is_served(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    long_after = with_timeouts(Timeouts(token_cache=1_000))
    with RunningService(*arguments, folder=tmp_path, before=long_after) as service:
        made = run_here("token", "create", "root", "--scope", "admin", *STORE, folder=tmp_path)
        administered = ask(
            service.url, "GET", "/admin/tokens", headers={"Authorization": f"Bearer {made.stdout.strip()}"}
        )
        listed = run_here("token", "list", *STORE, folder=tmp_path)
        again = run_here("token", "create", "root", *STORE, folder=tmp_path)
        changed = run_here("token", "update", "root", "--scope", "read", *STORE, folder=tmp_path)
        revoked = run_here("token", "revoke", "root", *STORE, folder=tmp_path)
        left = run_here("token", "list", *STORE, folder=tmp_path)
        anonymous = ask(service.url, "GET", "/tasks/")

    assert is_well_formed(made.stdout.strip())
    assert [token["name"] for token in administered.document] == ["root"]
    assert listed.stdout.startswith("root  admin  made 20")
    assert (again.returncode, "There is a token root already." in again.stderr) == (1, True)
    assert changed.stdout.startswith("root  read  made 20")
    assert (revoked.stdout, left.stdout) == ("The token root is revoked.\n", "")
    assert anonymous.status == 401


def test_the_socket_is_private_and_goes_with_the_service(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with RunningService(*STORE, folder=tmp_path):
            status = (tmp_path / "tasks.db.socket").lstat()
            beside = {path.name for path in tmp_path.iterdir()}
    finally:
        os.umask(umask)

    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert beside == {"tasks.db", "tasks.db-shm", "tasks.db-wal", "tasks.db.lock", "tasks.db.socket"}
    assert not (tmp_path / "tasks.db.socket").exists()


def test_it_administers_tokens_and_nothing_else(tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path), closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.connect(str(tmp_path / "tasks.db.socket"))
        connection.settimeout(30)
        connection.sendall(b"GET /tasks/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = connection.recv(1_000)

    assert answer.startswith(b"HTTP/1.1 404 ")


def test_what_a_killed_service_left_hurts_neither_the_command_nor_the_next_service(tmp_path: Path) -> None:
    service = RunningService(*STORE, folder=tmp_path)
    service.start()
    service.kill()
    assert (tmp_path / "tasks.db.socket").exists()

    alone = run_here("token", "create", "alone", *STORE, folder=tmp_path)
    with service:
        served = run_here("token", "list", *STORE, folder=tmp_path)

    assert alone.returncode == 0
    assert served.stdout.startswith("alone  write  ")


def test_a_path_that_is_too_long_for_the_address_of_a_socket_works(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120) / ("y" * 120)
    folder.mkdir(parents=True)
    with RunningService(*STORE, folder=folder):
        made = run_here("token", "create", "root", *STORE, folder=folder)

    assert (made.returncode, is_well_formed(made.stdout.strip())) == (0, True)


def test_a_service_that_cannot_create_the_socket_warns_and_serves(tmp_path: Path) -> None:
    (tmp_path / "tasks.db.socket").mkdir()
    (tmp_path / "tasks.db.socket" / "mine").touch()

    with RunningService(*STORE, folder=tmp_path) as service:
        answer = ask(service.url, "GET", "/tasks/")
        refused = run_here("token", "list", *STORE, folder=tmp_path)

    assert answer.status == 200
    assert "tasks.db.socket cannot be made" in service.output
    assert refused.returncode == 1
    assert "is in use already" in refused.stderr
    assert "--url, and an admin token in TASKSVC_ADMIN_TOKEN_FILE" in refused.stderr


def test_a_store_that_an_application_serves_is_refused_with_a_way_on(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
from tasksvc.store_adapters import open_repository
async def serve():
    repository = await open_repository("sqlite:///{tmp_path}/tasks.db")
    print("serving", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await repository.close()
asyncio.run(serve())
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment_with(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "serving\n"
        refused = run_tasksvc("token", "list", *STORE, folder=tmp_path)
        serving.communicate("")

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "Or ask that process: with --url" in refused.stderr


def test_a_service_that_has_no_token_yet_is_named_the_way_on_without_one(tmp_path: Path) -> None:
    done = run_here("token", "list", "--url", "http://127.0.0.1:1", folder=tmp_path)

    assert done.returncode == 1
    assert "its own user needs none: name the store with --store" in done.stderr


# ---------------------------------------------------------------- other users


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder in which every user may create files, as in /tmp."""
    if os.geteuid() != 0:
        pytest.skip("only root can become other users")
    with TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def test_another_user_of_the_machine_cannot_open_it(public_folder: Path) -> None:
    with RunningService(*STORE, folder=public_folder, before=as_user(4712, group=4712)):
        refused = run_tasksvc("token", "create", "mine", *STORE, folder=public_folder, before=as_user(4713, group=4713))
        own = run_tasksvc("token", "list", *STORE, folder=public_folder, before=as_user(4712, group=4712))

    assert refused.returncode == 1
    assert "belongs to another user" in refused.stderr
    assert (own.returncode, own.stdout) == (0, "")


def test_another_user_cannot_open_it_even_if_its_file_is_opened_to_all(public_folder: Path) -> None:
    with RunningService(*STORE, folder=public_folder, before=as_user(4712, group=4712)):
        (public_folder / "tasks.db.socket").chmod(0o777)
        script = (
            "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect('tasks.db.socket');"
            "s.sendall(b'GET /admin/tokens HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'); print(s.recv(100))"
        )
        done = subprocess.run(
            [*as_user(4713, group=4713), sys.executable, "-c", script],
            cwd=public_folder,
            capture_output=True,
            text=True,
            check=False,
        )

    assert "HTTP/1.1" not in done.stdout


def test_a_socket_that_another_user_has_put_there_is_not_trusted(public_folder: Path) -> None:
    script = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind('tasks.db.socket');"
        "os.chmod('tasks.db.socket', 0o777); s.listen(); print('listens', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [*as_user(4713, group=4713), sys.executable, "-c", script],
        cwd=public_folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as listening:  # fmt: skip
        assert listening.stdout is not None
        assert listening.stdout.readline() == "listens\n"
        users = [run_tasksvc("token", "create", "x", *STORE, folder=public_folder, before=as_user(4712, group=4712))]
        users.append(run_tasksvc("token", "create", "x", *STORE, folder=public_folder))
        listening.communicate("")

    assert [done.returncode for done in users] == [1, 1]
    assert all("runs as another user" in done.stderr for done in users)


def test_root_may_ask_the_service_of_a_user_in_the_folder_of_that_user(public_folder: Path) -> None:
    os.chown(public_folder, 4712, 4712)
    with RunningService(*STORE, folder=public_folder, before=as_user(4712, group=4712)):
        made = run_here("token", "create", "root", "--scope", "admin", *STORE, folder=public_folder)

    assert (made.returncode, is_well_formed(made.stdout.strip())) == (0, True)
