"""The unit tasksvc.service under a real systemd, set up and upgraded as docs/deployment.md and upgrading.md say."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pages import Page

from deployment.conftest import EXAMPLES, IMAGES
from deployment.engine import BUILD_SECONDS, Engine, until
from tasksvc.application.tokens import is_well_formed

pytestmark = pytest.mark.deployment

PAGE = Page.named("docs/deployment.md").section("systemd")
STEPS = PAGE.commands()
UPGRADE = Page.named("docs/upgrading.md").section("systemd").commands()
UNIT = EXAMPLES / "tasksvc.service"
EXPOSURE_MAX = 30
"""The largest exposure that systemd-analyze may find, in tenths."""
RIGHTS = ("--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cgroupns=private", "--tmpfs=/run:exec", "--tmpfs=/run/lock")
UNCONFINED = [f"--security-opt={what}=unconfined" for what in ("apparmor", "seccomp", "systempaths")]
"""Options of Docker without its own confinement, since systemd has to confine the service."""


class Machine(NamedTuple):
    """A container that systemd runs, with a clone of the repository."""

    engine: Engine
    name: str
    printed: list[str]
    """What each of STEPS printed."""

    def run(self, command: str) -> str:
        """Runs a shell command in the container, as root, and returns its output."""
        return self.engine.docker("exec", self.name, "bash", "-euc", command)

    def follow(self, steps: list[str]) -> list[str]:
        """Follows steps of a page in the clone, in one shell, and returns the output of each."""
        script = "".join(f"{step}\nprintf '\\036'\n" for step in steps)
        there = ("exec", "--workdir=/root/tasksvc", self.name, "bash", "-euo", "pipefail", "-xc", script)
        return self.engine.docker(*there, seconds=BUILD_SECONDS).split("\x1e")[:-1]


@pytest.fixture(scope="module")
def machine(engine: Engine, clone: Path) -> Iterator[Machine]:
    engine.build("systemd", IMAGES / "systemd" / "Dockerfile", IMAGES / "systemd")
    with engine.container("systemd", options=[*RIGHTS, *UNCONFINED]) as name:
        machine = Machine(engine, name, [])
        engine.docker("cp", f"{clone}/.", f"{name}:/root/tasksvc")
        state = ("docker", "exec", name, "systemctl", "is-system-running")
        until(lambda: engine.run(*state, check=False).stdout == "running\n", "systemd is up")
        machine.printed.extend(machine.follow(STEPS))
        yield machine


def test_the_steps_of_the_page_start_a_service_that_is_ready(machine: Machine) -> None:
    active = machine.run("systemctl is-active tasksvc")
    ready = machine.run("curl --silent --fail http://127.0.0.1:8000/health/ready")
    enabled = machine.run("systemctl is-enabled tasksvc")

    assert (active, enabled) == ("active\n", "enabled\n")
    assert '"ok"' in ready


def test_the_steps_create_a_token_and_a_backup(machine: Machine) -> None:
    secret = next(text for step, text in zip(STEPS, machine.printed, strict=True) if "token create" in step).strip()

    listed = machine.run(f"curl --silent --fail -H 'Authorization: Bearer {secret}' http://127.0.0.1:8000/tasks/")
    owner = machine.run("stat --format '%U %a' /var/lib/tasksvc/backup.db")

    assert is_well_formed(secret)
    assert listed.strip() == "[]"
    assert owner == "tasksvc 600\n"


def test_only_root_reads_the_token_and_only_the_service_its_store(machine: Machine) -> None:
    secret = machine.run("cat /etc/tasksvc/admin-token").strip()

    folders = machine.run("stat --format '%U %a' /etc/tasksvc /var/lib/tasksvc").splitlines()
    files = machine.run("stat --format '%U %a' /etc/tasksvc/admin-token /var/lib/tasksvc/tasks.db").splitlines()
    user = machine.run("ps -o user= -p $(systemctl show --property MainPID --value tasksvc)").strip()
    log = machine.run("journalctl --unit tasksvc")

    assert folders == ["root 700", "tasksvc 700"]
    assert files == ["root 600", "tasksvc 600"]
    assert user == "tasksvc"
    assert secret not in log


def test_the_service_can_write_to_its_own_folder_alone(machine: Machine) -> None:
    inside = "nsenter --mount --target $(systemctl show --property MainPID --value tasksvc) runuser -u tasksvc --"

    written = machine.run(
        f"for folder in /var/lib/tasksvc /etc /opt/tasksvc /usr /home /var/log; do"
        f" if {inside} touch $folder/trial 2>&-; then echo $folder; {inside} rm $folder/trial; fi; done"
    )

    assert written.split() == ["/var/lib/tasksvc"]


def test_a_service_that_dies_is_started_again_and_a_stop_is_orderly(machine: Machine) -> None:
    machine.run("systemctl kill --signal SIGKILL tasksvc")
    until(lambda: machine.run("systemctl is-active tasksvc || true") == "active\n", "it is active again")
    restarts = machine.run("systemctl show --property NRestarts --value tasksvc")

    machine.run("systemctl stop tasksvc")
    result = machine.run("systemctl show --property Result,ExecMainStatus --value tasksvc").split()
    machine.run("systemctl start tasksvc")

    assert restarts == "1\n"
    assert result == ["success", "0"] or result == ["0", "success"]


def test_the_steps_of_an_upgrade_bring_the_new_version_and_keep_the_tasks(machine: Machine) -> None:
    call = (
        "curl --silent --fail http://127.0.0.1:8000/tasks/"
        " -H \"Authorization: Bearer $(cat /etc/tasksvc/admin-token)\" -H 'Content-Type: application/json'"
    )
    machine.run(f'{call} --data \'{{"description": "kept"}}\'')
    machine.run("sed -i 's/^__version__ = .*/__version__ = \"9.9.9\"/' /root/tasksvc/tasksvc/__init__.py")

    machine.follow(UPGRADE)
    log = machine.run("journalctl --unit tasksvc")
    backup = machine.run("stat --format '%U' /var/lib/tasksvc/before-upgrade.db")

    assert "tasksvc 9.9.9 is ready" in log
    assert '"kept"' in machine.run(call)
    assert backup == "tasksvc\n"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="Debian: apt-get install systemd")
def test_the_unit_is_well_formed_and_exposes_less_than_3() -> None:
    rating = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(UNIT)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    (exposure,) = re.findall(r"Overall exposure level for tasksvc.service: ([0-9.]+)", rating.stdout)

    assert rating.returncode == 0, rating.stdout + rating.stderr
    assert float(exposure) < EXPOSURE_MAX / 10
    assert f"rates it {exposure} " in PAGE.text


def test_systemd_finds_no_fault_with_the_unit(machine: Machine) -> None:
    found = machine.engine.run("docker", "exec", machine.name, "systemd-analyze", "verify", "tasksvc.service")

    assert found.stdout + found.stderr == ""
