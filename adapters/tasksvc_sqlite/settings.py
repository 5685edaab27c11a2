"""How long a store in a file waits, and how long its log gets."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """The settings of a store, which tests change."""

    busy_timeout: float = 2.0
    """Seconds that a statement waits while another program holds the file locked.  Then it fails with 503."""
    log_bytes: int = 64 * 2**20
    """Size of SQLite's log above which a writer waits for readers, so that the log can start from its beginning."""
    log_check_interval: int = 64
    """Writes between two looks at the size of the log, which take longer than a small write."""


DEFAULTS = Settings()
