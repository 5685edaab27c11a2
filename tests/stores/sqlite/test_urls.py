"""The file that a URL means."""

from __future__ import annotations

from pathlib import Path

import pytest
from tasksvc_sqlite import path_of

from stores.sqlite.stores import add, descriptions, opened
from tasksvc import InvalidStoreURL, StoreURL
from tasksvc.store_adapters import open_repository


def test_three_slashes_lead_to_a_file_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert path_of(StoreURL("sqlite:///tasks.db")) == str(tmp_path / "tasks.db")
    assert path_of(StoreURL("sqlite:///folder/tasks.db")) == str(tmp_path / "folder" / "tasks.db")


def test_four_slashes_lead_to_an_absolute_path() -> None:
    assert path_of(StoreURL("sqlite:////nowhere/tasks.db")) == "/nowhere/tasks.db"


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "tasks.db").symlink_to(tmp_path / "link" / "other.db")

    assert path_of(StoreURL(f"sqlite:///{tmp_path}/tasks.db")) == str(tmp_path / "real" / "other.db")


async def test_any_character_may_be_in_a_name_where_it_is_escaped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a%20%3F%23%25%26%3D%C3%A9%F0%9F%92%BE.db"

    repository = await open_repository(url)
    await repository.close()

    assert (tmp_path / "a ?#%&=é💾.db").is_file()


async def test_the_file_is_created_by_the_first_opening_and_found_by_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository, "kept")

    async with opened(tmp_path / "tasks.db") as repository:
        assert await descriptions(repository) == ["kept"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:tasks.db", "names no file"),
        ("sqlite:///a%00b", "names no file"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite://tasks.db", "four before an absolute one"),
        ("sqlite://host/tasks.db", "names a host"),
        ("sqlite://user:secret@host/tasks.db", "names a host"),
        ("sqlite:///tasks.db?mode=ro", "has parameters"),
    ],
)
def test_a_url_that_names_no_file_is_refused_in_a_sentence(url: str, said: str) -> None:
    with pytest.raises(InvalidStoreURL, match=said) as refusal:
        path_of(StoreURL(url))

    assert "secret" not in str(refusal.value)


async def test_the_refusal_is_raised_to_the_opener_of_the_store() -> None:
    with pytest.raises(InvalidStoreURL, match="names no file"):
        await open_repository("sqlite://")


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "tasks.db").touch()

    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository, "in the file that was empty")
        assert await descriptions(repository) == ["in the file that was empty"]
