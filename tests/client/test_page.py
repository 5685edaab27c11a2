"""The programs on docs/client.md print what the page says, and the page names every method."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tasksvc_client
from pages import Page
from service_process import RunningService
from tasksvc_client import Client, SyncClient

PAGE = Page.named("docs/client.md")
URL = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RunningService("--store", "memory://", folder=tmp_path_factory.mktemp("service")) as service:
        yield service.url


@pytest.mark.parametrize("program", PAGE.blocks("python"))
def test_a_program_prints_what_its_comments_say(program: str, url: str, tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(program.replace(URL, url))

    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False, timeout=60)

    assert done.stderr == ""
    assert done.stdout.splitlines() == re.findall(r"^ *print\(.*\)  # (.*)$", program, re.MULTILINE)


@pytest.mark.parametrize("client", [Client, SyncClient])
def test_the_page_names_every_method(client: type) -> None:
    methods = {name for name in dir(client) if not name.startswith("_")} - {"close", "url", "workspace"}

    assert {name for name in methods if f"`{name}(" not in PAGE.text and f".{name}(" not in PAGE.text} == set()


def test_both_clients_have_the_same_methods() -> None:
    names = [{name for name in dir(client) if not name.startswith("_")} for client in (Client, SyncClient)]

    assert names[0] == names[1]


def test_the_package_has_every_name_that_it_offers() -> None:
    assert [name for name in tasksvc_client.__all__ if not hasattr(tasksvc_client, name)] == []
    with pytest.raises(AttributeError, match="has no attribute 'whatever'"):
        tasksvc_client.whatever  # noqa: B018
