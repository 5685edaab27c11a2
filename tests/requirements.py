"""What tests need of the machine."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def leave_out(reason: str) -> NoReturn:
    """Skips the test, or fails it if TASKSVC_TEST_ALL says that this machine can run all tests."""
    if os.environ.get("TASKSVC_TEST_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)


def find_program(name: str, package: str | None = None) -> str:
    """Returns the path of a program, or leaves the test out; `package` is Debian's, if its name differs."""
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        leave_out(f"There is no {name}. Install it (Debian: apt-get install {package or name}).")
    return program
