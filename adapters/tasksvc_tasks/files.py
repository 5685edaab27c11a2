"""Files that commands read and write; - stands for the standard streams."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, TextIO

import click
from tasksvc_formats import Source

from tasksvc.cli.exporting import open_output
from tasksvc_tasks.failures import Failed, Status


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Gives the file at `path`; what comes from standard input waits in a temporary file.  Raises Failed."""
    try:
        with _open(path) as file:
            yield Source(file, "" if path == "-" else os.path.basename(path))
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror or error}.") from error


def _open(path: str) -> IO[bytes]:
    if path != "-":
        return open(path, "rb")
    kept = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(sys.stdin.buffer, kept)
    return kept


@contextmanager
def open_text_output(path: str) -> Iterator[TextIO]:
    """Gives a new file for text in UTF-8, whose line ends stay as they are, or standard output.

    Raises Failed if it can't be written, and OutputRefused if there is a file of this name already.
    """
    if path == "-":
        try:
            with _as_text(sys.stdout.buffer) as text:
                yield text
        except BrokenPipeError as error:
            raise click.exceptions.Exit(Status.READER_GONE) from error
        except OSError as error:
            raise Failed(f"Standard output cannot be written: {error.strerror}.") from error
    else:
        with open_output(path) as output, _as_text(output) as text:
            yield text


@contextmanager
def _as_text(output: BinaryIO) -> Iterator[TextIO]:
    text = io.TextIOWrapper(output, "utf-8", newline="", write_through=False)
    try:
        yield text
        text.flush()
    finally:
        text.detach()
