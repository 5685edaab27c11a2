"""Migrations are numbered files, without gaps."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tasksvc import Migrations, read_migrations

_numbers = itertools.count(1)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """The name of a new package, and its folder of migrations."""
    name = f"package_with_migrations_{next(_numbers)}"
    folder = tmp_path / name / "migrations"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return name, folder


def test_the_version_is_the_number_of_the_last_file(package: tuple[str, Path]) -> None:
    name, folder = package
    for number in (4, 2, 3):
        (folder / f"{number:04}.sql").write_text(f"-- ü {number}", "utf-8")
    (folder / "README.md").touch()

    migrations = read_migrations(name)

    assert migrations == Migrations({2: "-- ü 2", 3: "-- ü 3", 4: "-- ü 4"})
    assert (migrations.first, migrations.version) == (2, 4)
    assert list(migrations.scripts) == [2, 3, 4]


@pytest.mark.parametrize(("version", "lacks"), [(0, [2, 3]), (1, [2, 3]), (2, [3]), (3, []), (4, [])])
def test_a_schema_lacks_the_migrations_after_its_version(version: int, lacks: list[int]) -> None:
    assert list(Migrations({2: "", 3: ""}).since(version)) == lacks


@pytest.mark.parametrize("numbers", [[], [2, 4], [1, 2, 4, 5]])
def test_a_gap_between_the_numbers_is_refused(numbers: list[int], package: tuple[str, Path]) -> None:
    name, folder = package
    for number in numbers:
        (folder / f"{number:04}.sql").touch()

    with pytest.raises(ValueError, match=rf"^The migrations of {name} have the numbers \[.*\]\. Number them without"):
        read_migrations(name)
