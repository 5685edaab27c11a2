"""A file that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasksvc.new_file import FileRefused, new_file


def test_it_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with new_file(tmp_path / "new") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "new").exists()
        assert partial.parent == tmp_path, "on the same disk"

    assert (tmp_path / "new").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_where_it_fails(error: type[BaseException], tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with new_file(tmp_path / "new") as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        fail_half_way()

    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_system_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"new cannot be written: Is a directory\.$"), new_file(tmp_path / "new"):
        tmp_path.write_text("")

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_came_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    def write_while_another_does() -> None:
        with new_file(tmp_path / "new") as partial:
            partial.write_text("ours")
            (tmp_path / "new").write_text("theirs")

    with pytest.raises(FileRefused, match="is there already"):
        write_while_another_does()

    assert (tmp_path / "new").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "new").symlink_to(tmp_path / "nowhere")

    with pytest.raises(FileRefused, match="is there already"), new_file(tmp_path / "new"):
        pytest.fail("it was given")
