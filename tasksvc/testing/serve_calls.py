"""The program of another process that has a store open: python serve_calls.py URL.

It reads calls of the repository's methods from its standard input, makes them all at once, and writes what each
returned or raised, until the input ends.  It imports nothing else of this package, since that takes a second.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from typing import Any, BinaryIO

from tasksvc import DEFAULT_WORKSPACE
from tasksvc.store_adapters import open_repository

_Error = tuple[type[Exception], tuple[Any, ...], dict[str, Any]]


def _receive(calls: BinaryIO) -> tuple[int, str, str, tuple[Any, ...], dict[str, Any]] | None:
    """Returns the number of a call, its workspace, its method and its arguments; None at the end."""
    size = calls.read(4)
    return pickle.loads(calls.read(int.from_bytes(size, "big"))) if size else None  # noqa: S301


def _packed(error: Exception) -> _Error:
    return type(error), error.args, vars(error)


class _Answers:
    """Where answers are written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def send(self, number: int, answer: object, error: _Error | None = None) -> None:
        packed = pickle.dumps((number, answer, error))
        self._file.write(len(packed).to_bytes(4, "big") + packed)
        self._file.flush()


async def _serve(url: str, calls: BinaryIO, answers: _Answers) -> None:
    try:
        repository = await open_repository(url)
    except Exception as error:
        answers.send(0, None, _packed(error))
        return
    answers.send(0, None)

    async def answer(number: int, workspace: str, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            called = repository if workspace == DEFAULT_WORKSPACE else repository.workspace(workspace)
            result = await getattr(called, method)(*args, **kwargs)
        except Exception as error:
            answers.send(number, None, _packed(error))
        else:
            answers.send(number, result)

    async with asyncio.TaskGroup() as running:
        while (call := await asyncio.to_thread(_receive, calls)) is not None:
            running.create_task(answer(*call))
        await repository.close()


if __name__ == "__main__":
    answers = _Answers(sys.stdout.buffer)
    sys.stdout = sys.stderr  # what an adapter prints is no answer
    asyncio.run(_serve(sys.argv[1], sys.stdin.buffer, answers))
