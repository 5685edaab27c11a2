"""File systems that several machines can mount at the same time."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS, wait_until

from stores.sqlite.stores import add, mounted, open_and_close, opened
from tasksvc import StoreRefused
from tasksvc.files import file_system

SFTP_SERVER = "/usr/lib/openssh/sftp-server"
MOUNTS = """\
24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 24 {nfs} / /mnt/with\\040space rw,relatime shared:2 master:7 - nfs4 server:/export - with dash rw,vers=4.2
"""


@contextmanager
def sshfs(served: Path, folder: Path) -> Iterator[None]:
    """Mounts `served` in `folder`, through the SFTP server, but over pipes."""
    with (
        subprocess.Popen([SFTP_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
        subprocess.Popen(
            ["sshfs", "-f", "-o", "passive", f"host:{served}", folder], stdin=server.stdout, stdout=server.stdin
        ) as mounting,
    ):
        try:
            wait_until(lambda: os.path.ismount(folder) or mounting.poll() is not None)
            yield
        finally:
            subprocess.run(["umount", folder], check=True)
            mounting.wait(PATIENCE_SECONDS)
            server.kill()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sshfs") is None or os.geteuid() != 0, reason="only root may mount, and sshfs")
async def test_a_store_on_a_network_file_system_is_refused_and_nothing_is_created(tmp_path: Path) -> None:
    served, folder = tmp_path / "served", tmp_path / "folder"
    served.mkdir()
    folder.mkdir()

    with sshfs(served, folder), pytest.raises(StoreRefused) as refused:
        await open_and_close(folder / "tasks.db")

    assert "tasks.db is on a network file system (fuse.sshfs), where locks don't keep other machines" in str(
        refused.value
    )
    assert list(served.iterdir()) == []


async def test_a_store_on_a_disk_in_memory_is_served(tmp_path: Path) -> None:
    (folder := tmp_path / "disk").mkdir()

    with mounted(folder, "size=4m"):
        async with opened(folder / "tasks.db") as repository:
            task = await add(repository)
        kind = file_system.kind_of(str(folder / "tasks.db"))

    assert task.id == 1
    assert kind == "tmpfs"


def test_the_kind_of_a_file_system_is_found_by_its_device(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    (mounts := tmp_path / "mountinfo").write_text(MOUNTS.format(nfs=f"{os.major(device)}:{os.minor(device)}"))

    with pytest.raises(StoreRefused, match="nfs4"):
        file_system.check_file_system(str(tmp_path / "tasks.db"), mounts)


@pytest.mark.parametrize("mounts", ["", "24 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"])
def test_a_file_system_that_nothing_is_known_of_is_not_refused(mounts: str, tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    if mounts:
        file.write_text(mounts.replace("8:1", "999:999"))

    assert file_system.kind_of(str(tmp_path / "tasks.db"), file) is None
    file_system.check_file_system(str(tmp_path / "tasks.db"), file)
