"""Helpers for adapters whose store is a file that one process serves: its lock, its permissions, and its mark."""

from tasksvc.files.file_system import check_file_system
from tasksvc.files.high_water_mark import HighWaterMark
from tasksvc.files.lock import FileLock
from tasksvc.files.private import NO_FOLLOW, PRIVATE, make_private

__all__ = ["NO_FOLLOW", "PRIVATE", "FileLock", "HighWaterMark", "check_file_system", "make_private"]
