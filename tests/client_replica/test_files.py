"""The file of a replica: whose it is, who may read it, and which files are refused."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from tasksvc_client import SyncClient, SyncReplica, UnusableReplica

from client_replica.conftest import Replicas, contents


def test_its_files_are_for_their_owner_alone(replicas: Replicas, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        replicas().sync()
    finally:
        os.umask(umask)

    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_what_it_holds_is_there_when_it_is_opened_again(replicas: Replicas, others: SyncClient) -> None:
    others.create("Water the plants")
    first = replicas()
    first.sync()
    first.create("Feed the cat")

    second = replicas()

    assert contents(second) == contents(first)
    assert second.position == first.position
    assert [write.fields["description"] for write in second.waiting()] == ["Feed the cat"]


def test_a_file_that_is_no_database_is_refused(replicas: Replicas, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and no database" * 100)

    with pytest.raises(UnusableReplica, match=r"notes\.txt: file is not a database"):
        replicas("notes.txt")


def test_another_database_is_refused_and_stays_as_it_is(replicas: Replicas, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE tasks (id)")

    with pytest.raises(UnusableReplica, match="is another database"):
        replicas("other.db")

    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("tasks",)]


def test_a_file_of_a_later_schema_is_refused(replicas: Replicas, tmp_path: Path) -> None:
    replicas().close()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as file:
        file.execute("PRAGMA user_version = 9")

    with pytest.raises(UnusableReplica, match="has schema 9, and this version of tasksvc_client reads 1"):
        replicas()


def test_a_folder_that_is_not_there_is_named(replicas: Replicas) -> None:
    with pytest.raises(UnusableReplica, match=r"nowhere/copy\.db: unable to open database file"):
        replicas("nowhere/copy.db")


def test_a_file_is_the_copy_of_one_workspace(replicas: Replicas, others: SyncClient) -> None:
    replicas().sync()

    with pytest.raises(UnusableReplica, match=r"is a copy of workspace \w+\. Name another file"):
        replicas(client=others.in_workspace("another"))


def test_writes_are_never_sent_to_another_service(replicas: Replicas, others: SyncClient) -> None:
    replica = replicas()
    replica.create("for this service alone")
    another = SyncClient("http://127.0.0.1:1", workspace=others.workspace)

    with pytest.raises(UnusableReplica, match=r"has writes for http://\S+ that weren't sent: 1"):
        replicas(client=another)

    replica.sync()
    assert contents(replicas(client=another)) == contents(others)


def test_a_replica_without_a_file_is_as_any_other(others: SyncClient) -> None:
    with SyncReplica(":memory:", others) as replica:
        replica.create("Water the plants")
        replica.sync()

        assert contents(replica) == contents(others)
        assert len(contents(others)) == 1
