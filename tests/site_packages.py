"""Distributions that are installed for one test."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest


class SitePackages:
    """A separate folder for each distribution, where Python finds it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self._modules: set[str] = set()
        self._places: list[Path] = []

    def add(
        self,
        distribution: str,
        version: str,
        *,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str],
        requires: str = "",
    ) -> Path:
        """Installs a distribution with entry points by group and name, and with sources of modules by name."""
        place = self._folder / f"place-{len(self._places)}"
        self._places.append(place)
        info = place / f"{distribution.lower().replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {distribution}\nVersion: {version}\n{requires}"
        )
        lines = []
        for group, points in entry_points.items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")
        for module, source in modules.items():
            place.joinpath(f"{module}.py").write_text(textwrap.dedent(source))
        self._monkeypatch.syspath_prepend(str(place))
        self._modules |= modules.keys()
        return place

    def environment(self) -> dict[str, str]:
        """Returns variables with which another process finds the distributions, and has all plugins active."""
        return {"PYTHONPATH": os.pathsep.join(map(str, self._places)), "TASKSVC_PLUGINS": ""}

    def forget(self) -> None:
        """Forgets the modules that were imported."""
        for module in self._modules:
            sys.modules.pop(module, None)
