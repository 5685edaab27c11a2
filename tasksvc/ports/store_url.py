"""Store URLs: `scheme:...`, where the scheme names the adapter and the rest is the adapter's."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from tasksvc.domain.errors import InvalidStoreURL

_HOSTS = re.compile(r"(?:[\w.-]*|\[[0-9a-fA-F:.]*\])(?::\d+)?(?:,(?:[\w.-]*|\[[0-9a-fA-F:.]*\])(?::\d+)?)*").fullmatch
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*").fullmatch


class StoreURL:
    """A store URL, taken apart.  It can hold a password, so neither str() nor repr() shows one."""

    def __init__(self, text: str) -> None:
        """Raises InvalidStoreURL, with a message that does not repeat the text."""
        scheme, colon, rest = text.partition(":")
        if not colon or not _SCHEME(scheme.lower()):
            raise InvalidStoreURL(
                "A store is named by a URL such as sqlite:///tasks.db or memory://, and this is none."
            )
        self.scheme = scheme.lower()
        try:
            parts = urlsplit(f"{self.scheme}:{rest}")
        except ValueError:
            raise InvalidStoreURL(
                f"This {self.scheme}: URL cannot be read; look at its host and its brackets."
            ) from None
        if parts.fragment:
            raise InvalidStoreURL(f"This {self.scheme}: URL has a # in it; write it as %23.")
        if _may_break_off_a_password(parts):
            raise InvalidStoreURL(
                f"This {self.scheme}: URL has an @ that is not between user and host. Write two slashes before a user,"
                " and / ? and @ in a password, and @ elsewhere, as %2F %3F and %40."
            )
        self.netloc = parts.netloc
        """Everything between // and the next /: user, password, hosts, ports."""
        self.path = unquote(parts.path, errors="surrogateescape")
        """Everything after it, up to the ?, with its first slash; bytes that aren't UTF-8 as os.fsdecode() has them."""
        self.query = parts.query
        self._text = text

    def reveal(self) -> str:
        """Returns the whole text, password included, for the driver alone."""
        return self._text

    def __str__(self) -> str:
        user, at, hosts = self.netloc.rpartition("@")
        if ":" in user:
            netloc = f"{user.partition(':')[0]}:***{at}{hosts}"
        elif not at and not _HOSTS(hosts):  # a user and a password perhaps, whose host was forgotten
            netloc = "***"
        else:
            netloc = self.netloc
        slashes = "//" if self.netloc or self._text.partition(":")[2].startswith("//") else ""
        # Drivers take passwords among the parameters too, so those are not shown either.
        return f"{self.scheme}:{slashes}{netloc}{self.path}{'?...' if self.query else ''}"

    def __repr__(self) -> str:
        return f"StoreURL({str(self)!r})"


def _may_break_off_a_password(parts: SplitResult) -> bool:
    """Returns whether an @ may end a password that began before: after too many slashes, too few, or a ?.

    A path without a host and without a colon may have one, as in sqlite:////home/me@work/tasks.db.
    """
    if ":" in parts.netloc + parts.path and "@" in parts.query:
        return True
    return "@" in parts.path and (bool(parts.netloc) or ":" in parts.path.rpartition("@")[0])
