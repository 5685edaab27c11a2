"""The whole contract, in one class."""

from __future__ import annotations

from tasksvc.testing.reading import ReadingContract
from tasksvc.testing.writing import WritingContract


class TaskRepositoryContract(
    WritingContract,
    ReadingContract,
):
    """What every store must do.  A test module subclasses it and gives `store_url()`."""
