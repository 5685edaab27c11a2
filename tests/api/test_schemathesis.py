"""The service conforms to its own description, whatever is sent to it."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from service_process import RunningService

from tasksvc.application.tokens import new_secret

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
LIMIT_SECONDS = 1_800
"""Seconds for the program: far more than it takes, since the machine may be busy."""
NOT_TESTED = 4
"""Operations that the configuration excludes."""


def test_the_service_is_as_it_describes_itself(tmp_path: Path) -> None:
    secret = new_secret()
    (tmp_path / "token").write_text(secret)
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(tmp_path / "token")}
    arguments = ["--store", "memory://", "--log-format", "none"]

    with RunningService(*arguments, folder=tmp_path, environment=environment) as service:
        run = subprocess.run(
            [SCHEMATHESIS, "--config-file", CONFIG, "run", f"{service.url}/openapi.json", "--checks", "all"],
            cwd=tmp_path,
            env={**os.environ, "NO_PROXY": "*", "TASKSVC_TOKEN": secret},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        service_still_admits_it = status_of_the_list(service.port, secret) == 200

    assert run.returncode == 0, run.stdout + run.stderr
    operations = re.search(r"Operations: +(\d+) selected / (\d+) total", run.stdout)
    assert operations is not None, run.stdout
    assert int(operations[1]) == int(operations[2]) - NOT_TESTED
    assert service_still_admits_it
    assert "Traceback" not in service.output


def status_of_the_list(port: int, secret: str) -> int:
    """Returns the status of the list of tasks for a client with the token `secret`."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/tasks/", headers={"Authorization": f"Bearer {secret}"})
        return connection.getresponse().status
