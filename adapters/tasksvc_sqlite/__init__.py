"""Stores in one SQLite file, the default: sqlite:///tasks.db."""

from __future__ import annotations

import os
from pathlib import Path

from tasksvc import InvalidStoreURL, StoreReader, StoreURL, TaskRepository, hookimpl
from tasksvc_sqlite.reader import backup, open_to_read
from tasksvc_sqlite.repository import open_file
from tasksvc_sqlite.schema import is_store

PORT = 3
"""The version of the port that this adapter was written for."""


@hookimpl
async def tasksvc_open_store(url: StoreURL, scratch: bool) -> TaskRepository:
    return await open_file(path_of(url), scratch=scratch)


@hookimpl
async def tasksvc_open_reader(url: StoreURL) -> StoreReader:
    return await open_to_read(path_of(url))


@hookimpl
async def tasksvc_backup(url: StoreURL, file: Path) -> None:
    await backup(path_of(url), str(file))


@hookimpl
def tasksvc_recognize_backup(head: bytes) -> bool:
    return is_store(head)


@hookimpl
def tasksvc_admin_socket(url: StoreURL) -> Path:
    return Path(f"{path_of(url)}.socket")


def path_of(url: StoreURL) -> str:
    """The real path of sqlite:///relative.db or sqlite:////absolute.db.  Raises InvalidStoreURL."""
    if url.netloc:
        raise InvalidStoreURL(
            f"{url} names a host, and an SQLite file has none. Write three slashes before a relative path,"
            " as in sqlite:///tasks.db, and four before an absolute one."
        )
    if url.query:
        raise InvalidStoreURL(f"{url} has parameters, and SQLite stores take none. Write a ? in a file name as %3F.")
    path = url.path.removeprefix("/")
    if path == url.path or not path or "\0" in path:
        raise InvalidStoreURL(f"{url} names no file. Write one after three slashes, as in sqlite:///tasks.db.")
    if path == ":memory:":
        raise InvalidStoreURL(f"{url} names no file. For a store in memory, write memory://.")
    return os.path.realpath(path)
