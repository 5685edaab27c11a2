"""Reads the numbered SQL files by which an adapter creates its schema and brings it up to date."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple


class Migrations(NamedTuple):
    """The migrations that a version of an adapter knows."""

    scripts: Mapping[int, str]
    """The SQL of each migration by its number, in their order, without gaps."""

    @property
    def first(self) -> int:
        """The number of the first migration, below which no schema can be read."""
        return min(self.scripts)

    @property
    def version(self) -> int:
        """The number of the last migration, which is the version of the schema."""
        return max(self.scripts)

    def since(self, version: int) -> Mapping[int, str]:
        """Returns those that a schema of this version lacks; 0 is an empty database."""
        return {number: script for number, script in self.scripts.items() if number > version}


@cache
def read_migrations(package: str) -> Migrations:
    """Returns the files `migrations/NNNN.sql` of a package, such as 0001.sql.

    Raises ValueError if there are none, or a number is missing between two others.
    """
    files = (file for file in resources.files(package).joinpath("migrations").iterdir() if file.name.endswith(".sql"))
    scripts = dict(sorted((int(file.name.removesuffix(".sql")), file.read_text("utf-8")) for file in files))
    numbers = [*scripts]
    if not numbers or numbers != [*range(numbers[0], numbers[0] + len(numbers))]:
        raise ValueError(f"The migrations of {package} have the numbers {numbers}. Number them without gaps.")
    return Migrations(scripts)
