"""Where tests of plugins install them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.site import Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path, monkeypatch)
    yield site
    site.forget()
