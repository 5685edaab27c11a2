"""A stream that a thread writes: writers never wait, and lost lines are counted."""

from __future__ import annotations

import fcntl
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from patience import PATIENCE_SECONDS, wait_until

from tasksvc.api.observability.background_stream import PENDING_BYTES, BackgroundStream, in_background

NOTE = "{} are lost\n".format
LINE = "x" * 4095 + "\n"


class Pipe:
    """A pipe of 4 KiB, and a stream that writes to it."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, 4096)
        self._file = open(self.write_end, "w")  # noqa: SIM115
        self.stream = BackgroundStream(self._file, NOTE)
        self.received = ""

    def read_until(self, end: str) -> str:
        """Reads up to and including `end`."""
        while not self.received.endswith(end):
            self.received += os.read(self._read_end, 2**16).decode()
        return self.received

    def read_in_background(self) -> threading.Thread:
        """Reads up to the last line."""
        reader = threading.Thread(target=self.read_until, args=["the last line\n"], daemon=True)
        reader.start()
        return reader

    def close(self) -> None:
        self._file.close()
        os.close(self._read_end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def test_lines_come_out_in_their_order(pipe: Pipe) -> None:
    for number in range(10):
        pipe.stream.write(f"{number}\n")

    assert pipe.read_until("9\n") == "".join(f"{number}\n" for number in range(10))


def test_nobody_waits_for_a_pipe_that_is_not_read_and_the_lines_that_are_lost_are_counted(pipe: Pipe) -> None:
    written = 2 * PENDING_BYTES // len(LINE)
    for _ in range(written):
        pipe.stream.write(LINE)

    reader = pipe.read_in_background()
    pipe.stream.drain(PATIENCE_SECONDS)
    pipe.stream.write("the last line\n")
    reader.join()

    *lines, last = pipe.received.splitlines(keepends=True)
    kept = lines.count(LINE)
    notes = [line for line in lines if line != LINE]  # one in each place, and the thread may have made room between
    assert PENDING_BYTES // len(LINE) <= kept < written
    assert sum(int(note.removesuffix(" are lost\n")) for note in notes) == written - kept
    assert lines.index(notes[0]) >= PENDING_BYTES // len(LINE), "nothing is lost while there is room"
    assert last == "the last line\n"


def test_a_line_that_the_system_refuses_is_counted_too(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with open(fifo, "w") as file:
        stream = BackgroundStream(file, NOTE)
        os.close(reader)
        for _ in range(3):
            stream.write(LINE)
            stream.drain(PATIENCE_SECONDS)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        stream.write("the last line\n")
        stream.drain(PATIENCE_SECONDS)

        found = os.read(reader, 4096).decode()

    os.close(reader)
    assert found == "3 are lost\nthe last line\n"


def test_a_pipe_that_another_process_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.write_end, False)

    for number in range(100):
        pipe.stream.write(f"{number} {LINE}")

    assert pipe.read_until("99 " + LINE).count("\n") == 100


def test_what_the_encoding_lacks_is_escaped(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w", encoding="ascii") as file:
        stream = BackgroundStream(file)
        stream.write("żółw\n")
        stream.drain(PATIENCE_SECONDS)

    assert (tmp_path / "log").read_text() == "\\u017c\\xf3\\u0142w\n"


def test_a_file_that_gets_the_number_of_a_closed_stream_is_not_written_to(tmp_path: Path) -> None:
    file = open(tmp_path / "log", "w")  # noqa: SIM115
    number = file.fileno()
    stream = BackgroundStream(file)
    file.close()
    with open(tmp_path / "other", "w") as other:
        assert other.fileno() == number
        stream._stream = other  # its encoding is asked for
        stream.write(LINE)
        wait_until(lambda: (tmp_path / "log").read_text() == LINE)

    assert (tmp_path / "other").read_text() == ""


def test_only_a_stream_that_may_wait_is_replaced(tmp_path: Path) -> None:
    in_memory = io.StringIO()
    with open(tmp_path / "log", "w") as file:
        replaced: TextIO = in_background(file, NOTE)

    assert in_background(in_memory, NOTE) is in_memory
    assert isinstance(replaced, BackgroundStream)
    assert in_background(replaced, NOTE) is replaced
