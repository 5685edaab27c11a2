"""What the command line does to import modules in less time, and that nothing is lost by it."""

from __future__ import annotations

import gc
import ssl
import sys

import pytest

from tasksvc.cli.imports import DeferredCertificates, jinja2_imported_when_used, without_garbage_collection


def test_contexts_that_were_created_without_certificates_get_them_later() -> None:
    with DeferredCertificates() as certificates:
        context = ssl.create_default_context()
    before = context.cert_store_stats()["x509"]

    certificates.load().join()

    assert before == 0
    assert context.cert_store_stats() == ssl.create_default_context().cert_store_stats()


def test_contexts_that_are_created_after_the_block_load_certificates_at_once() -> None:
    ordinary = ssl.create_default_context().cert_store_stats()

    with DeferredCertificates():
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


def test_garbage_is_collected_again_after_modules_were_imported() -> None:
    with without_garbage_collection():
        within = gc.isenabled()

    assert not within
    assert gc.isenabled()
