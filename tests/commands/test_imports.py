"""What the command line does to import modules in less time, and that nothing is lost by it."""

from __future__ import annotations

import gc
import re
import socket
import ssl
import subprocess
import sys

import pytest

from tasksvc.cli.imports import (
    certificates_loaded_when_used,
    jinja2_imported_when_used,
    large_patterns_compiled_when_used,
    without_garbage_collection,
)

UNTIL_THE_LOG_IS_SET_UP = """
import sys
from tasksvc.cli.commands import serve
from tasksvc.cli.logs import set_up

set_up("text")
print(sorted({"aiohttp", "marshmallow", "jinja2"} & sys.modules.keys()))
"""


def test_the_service_has_not_imported_its_libraries_when_its_log_is_set_up() -> None:
    done = subprocess.run([sys.executable, "-c", UNTIL_THE_LOG_IS_SET_UP], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.parametrize("connects", ["wrap_bio", "wrap_socket"])
def test_contexts_that_were_created_without_certificates_load_them_to_connect(connects: str) -> None:
    with certificates_loaded_when_used():
        context = ssl.create_default_context()
    before = context.cert_store_stats()["x509"]

    if connects == "wrap_bio":
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    else:
        context.wrap_socket(socket.socket(), server_hostname="localhost").close()

    assert before == 0
    assert context.cert_store_stats() == ssl.create_default_context().cert_store_stats()


def test_contexts_that_are_created_after_the_block_load_certificates_at_once() -> None:
    ordinary = ssl.create_default_context().cert_store_stats()

    with certificates_loaded_when_used():
        pass

    assert ssl.create_default_context().cert_store_stats() == ordinary


def test_a_template_that_was_imported_without_jinja2_can_be_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jinja2", raising=False)
    with jinja2_imported_when_used():
        from jinja2 import Template
    imported = "jinja2" in sys.modules

    rendered = Template("{{ word }}").render(word="milk")

    assert not imported
    assert rendered == "milk"


def test_a_large_pattern_that_was_compiled_when_used_matches_what_it_would_otherwise() -> None:
    with large_patterns_compiled_when_used():
        large, small = re.compile("[b-\uffff]+x", re.IGNORECASE), re.compile("a+")
    outside = re.compile("[b-\uffff]+x", re.IGNORECASE)

    assert (isinstance(large, re.Pattern), isinstance(small, re.Pattern)) == (False, True)
    assert isinstance(outside, re.Pattern)
    for text in ("bX", "\u00e9x", "ax", ""):
        assert bool(large.match(text)) == bool(outside.match(text))


def test_garbage_is_collected_again_after_modules_were_imported() -> None:
    with without_garbage_collection():
        within = gc.isenabled()

    assert not within
    assert gc.isenabled()
