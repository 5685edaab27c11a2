"""The entry point of the command line: runs a command and turns what goes wrong into one line and an exit status.

Nothing here imports click before it's needed, since that takes longer than `tasksvc --version` otherwise does.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tasksvc
from tasksvc.cli.advice import with_advice
from tasksvc.cli.imports import ended_by_interrupts, let_imports_stay, without_garbage_collection
from tasksvc.cli.output import finish_streams, prepare_streams, say, tell
from tasksvc.cli.variables import COMPLETION
from tasksvc.domain.errors import TasksvcError

if TYPE_CHECKING:
    from tasksvc.application.limits import Timeouts


def main(timeouts: Timeouts | None = None) -> None:
    """Runs the command of this process and exits: 0 done, 1 it failed, 2 it was typed wrong, 130 interrupted.

    `timeouts`: those of a service that the command runs.
    """
    prepare_streams()
    let_imports_stay()
    try:
        sys.exit(run(sys.argv[1:], timeouts))
    finally:
        finish_streams()


def run(arguments: Sequence[str], timeouts: Timeouts | None = None) -> int:
    """Runs a command and returns its exit status.  What went wrong is one line on standard error."""
    try:
        if list(arguments) in (["--version"], ["version"]):
            say(f"tasksvc {tasksvc.__version__}\n")
            return 0
        with without_garbage_collection(), ended_by_interrupts():
            from tasksvc.cli.root import complete, invoke

        if instruction := os.environ.get(COMPLETION):
            return complete(instruction)
        return invoke(arguments, timeouts)
    except TasksvcError as error:
        tell(f"tasksvc: {with_advice(error)}\n")
        return 1
    except KeyboardInterrupt:
        # An interrupt while asyncio creates its event loop leaves a coroutine that was never awaited; don't report it.
        sys.unraisablehook = lambda _: None
        warnings.simplefilter("ignore")
        return 130
