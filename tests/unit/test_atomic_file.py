"""A file that is written completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasksvc.stores.atomic_file import OutputRefused, atomic_write


def test_it_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "new") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "new").exists()
        assert partial.parent == tmp_path, "on the same disk"

    assert (tmp_path / "new").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_where_it_fails(error: type[BaseException], tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with atomic_write(tmp_path / "new") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        fail_half_way()

    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_system_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputRefused, match=r"new cannot be written: Is a directory\.$"),
        atomic_write(tmp_path / "new"),
    ):
        tmp_path.write_text("")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_came_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    def write_while_another_does() -> None:
        with atomic_write(tmp_path / "new") as partial:
            partial.write_text("ours")
            (tmp_path / "new").write_text("theirs")

    with pytest.raises(OutputRefused, match="is there already"):
        write_while_another_does()

    assert (tmp_path / "new").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_one_of_many_that_write_the_same_file_at_once_gets_the_name(tmp_path: Path) -> None:
    writers = 8
    all_wrote = threading.Barrier(writers)

    def write(number: int) -> int | None:
        try:
            with atomic_write(tmp_path / "new") as partial:
                partial.write_text(str(number))
                all_wrote.wait()
        except OutputRefused:
            return None
        return number

    for _ in range(20):
        with ThreadPoolExecutor(writers) as pool:
            outcomes = [number for number in pool.map(write, range(writers)) if number is not None]

        assert outcomes == [int((tmp_path / "new").read_text())]
        assert [path.name for path in tmp_path.iterdir()] == ["new"]
        (tmp_path / "new").unlink()


@pytest.mark.parametrize("taken", [False, True])
def test_a_disk_without_hard_links_is_written_to_as_well(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        if taken:
            target.write_text("theirs")
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)

    with pytest.raises(OutputRefused) if taken else contextlib.nullcontext(), atomic_write(tmp_path / "new") as partial:
        partial.write_text("ours")

    assert (tmp_path / "new").read_text() == ("theirs" if taken else "ours")


def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "new").symlink_to(tmp_path / "nowhere")

    with pytest.raises(OutputRefused, match="is there already"), atomic_write(tmp_path / "new"):
        pytest.fail("it was given")
