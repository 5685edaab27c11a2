"""Files to read: their lines, and the files in an archive, both bounded."""

from __future__ import annotations

import codecs
import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Final, cast

from tasksvc_formats.errors import InvalidFile

LINE_MAX: Final = 1024 * 1024
"""Bytes of a line, or characters of one in UTF-16; notes of a task and its comments are a tenth of that."""
UNPACKED_MAX: Final = 128 * 1024 * 1024
"""Bytes of one file in an archive, and of a file that must be read as a whole: some 100,000 tasks.

As Python's objects, JSON takes about ten times as much memory.
"""
UTF_16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Source:
    """A file that is read from its beginning, as often as needed."""

    def __init__(self, file: IO[bytes], name: str = "") -> None:
        """Takes a buffered file that can seek, and its name without folders; empty if it has none."""
        self._file, self.name = file, name
        file.seek(0)
        self.is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6")

    @property
    def stem(self) -> str:
        """The name without its last extension."""
        return PurePosixPath(self.name).stem

    def open(self) -> io.BufferedReader:
        """Returns the file at its beginning."""
        self._file.seek(0)
        return cast("io.BufferedReader", self._file)

    @property
    def size(self) -> int:
        """The bytes of the file."""
        at = self._file.tell()
        try:
            return self._file.seek(0, io.SEEK_END)
        finally:
            self._file.seek(at)

    @property
    def position(self) -> int:
        """How many of these have been read since it was opened."""
        return self._file.tell()

    @contextlib.contextmanager
    def archive(self) -> Iterator[Archive]:
        """Gives the archive that the file is.  Raises InvalidFile if it isn't one, or is damaged."""
        with _explained():
            opened = zipfile.ZipFile(self.open())
        with opened:
            yield Archive(opened)


class Archive:
    """The files in a ZIP archive."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._opened = opened

    def names(self) -> list[str]:
        """Returns the paths of its files, in order."""
        return [entry.filename for entry in self._opened.infolist() if not entry.is_dir()]

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[io.BufferedReader]:
        """Gives one of its files, of which at most UNPACKED_MAX bytes are read."""
        try:
            with _explained():
                file = self._opened.open(name)
            with file:
                yield io.BufferedReader(_Bounded(file))
        except InvalidFile as error:
            raise error if error.member else error.within(name) from None


class _Bounded(io.RawIOBase):
    """A file that raises InvalidFile after UNPACKED_MAX bytes, whatever its archive says about its size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, UNPACKED_MAX

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _explained():
            data = self._file.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise InvalidFile(f"It unpacks to more than {UNPACKED_MAX // 1024**2} MiB.")
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Makes one error of the many that zipfile raises for a file that isn't an archive, or can't be unpacked."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).rstrip(".") or "it ends too early"
        raise InvalidFile(f"It can't be unpacked: {reason}.") from None


def read_lines(file: io.BufferedReader) -> Iterator[str]:
    """Yields the lines of a text with their ends, in UTF-8 or, with a byte order mark, in UTF-16.

    Raises InvalidFile, with the line, if one is longer than LINE_MAX or not in that encoding.
    """
    start = file.peek(2)[:2]
    if start in UTF_16:
        file.read(2)
        yield from _read_utf_16(file, UTF_16[start])
        return
    number = 0
    while line := file.readline(LINE_MAX + 1):
        number += 1
        if len(line) > LINE_MAX:
            raise InvalidFile(_too_long(), line=number)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            byte = line[error.start]
            message = f"The byte {byte:#04x} isn't UTF-8. Save the file in UTF-8, and try again."
            raise InvalidFile(message, line=number) from None


def _read_utf_16(file: io.BufferedReader, encoding: str) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding, newline="")
    number = 0
    try:
        while line := text.readline(LINE_MAX + 1):
            number += 1
            if len(line) > LINE_MAX:
                raise InvalidFile(_too_long(), line=number)
            yield line
    except UnicodeError:
        raise InvalidFile(
            "The text after it isn't UTF-16. Save the file in UTF-8, and try again.", line=number
        ) from None
    finally:
        text.detach()


def _too_long() -> str:
    return f"The line is longer than {LINE_MAX // 1024**2} MiB."
