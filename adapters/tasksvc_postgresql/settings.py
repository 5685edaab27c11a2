"""What a store URL says: which server, which schema, how long to wait."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit, urlunsplit

from tasksvc import InvalidStoreURL, StoreURL
from tasksvc.network import STATEMENT_TIMEOUT_SHARE, Parameters, hosts_of

SCHEMA = "tasksvc"
POOL_SIZE = 12
TIMEOUT = 1.8
START_TIMEOUT = 30.0

_SCHEMA_BYTES = 63
"""As many as PostgreSQL keeps of a name."""
_RESERVED = ("pg_", "$")

_TARGETS = ("read-write", "primary", "any", "read-only", "standby", "prefer-standby")
_FILES = ("passfile", "sslrootcert", "sslcert", "sslkey", "sslcrl")
_CONNECTING = (
    "host",
    "port",
    "user",
    "password",
    "database",
    "dbname",
    "passfile",
    "service",
    "options",
)
_SECURING = (
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
)
_DRIVERS = frozenset((*_CONNECTING, *_SECURING, "target_session_attrs"))
"""Parameters of a URL that asyncpg takes; all others it would hand on to the server while it connects."""

Host = dict[str, str | int]
"""Where one server is, as asyncpg takes it: `host` and `port`, or neither for asyncpg's defaults."""


@dataclass(frozen=True)
class Settings:
    """A store URL, taken apart.  It holds the password, which neither str() nor repr() shows."""

    name: str
    """The URL without its secrets, for messages."""
    dsn: str = field(repr=False)
    """The URL with the parameters that are the driver's, for asyncpg."""
    hosts: tuple[Host, ...]
    """The servers to try.  The one that takes writes is used, unless the URL asks for another."""
    session: dict[str, str]
    """What to set for each session at the server, by what the URL says and what the statements rely on.

    It is set by a statement, since poolers refuse or drop most of what is set by connecting.
    """
    schema: str
    """The schema with the tables, `?schema=`.  Each schema is a store of its own."""
    pool_size: int
    """Connections at most, `?pool_size=`, without the one that listens for changes."""
    timeout: float
    """Seconds after which a call fails, `?timeout=`."""
    start_timeout: float
    """Seconds to wait for a server that doesn't answer when the store is opened, `?start_timeout=`."""


def settings_of(url: StoreURL, *, to_read: bool = False) -> Settings:
    """Raises InvalidStoreURL, with one clear sentence that shows no secret.

    `to_read`: sessions can write nothing, and those that never could are taken.
    """
    given = Parameters(url)
    target = "primary" if to_read else "read-write"
    given.setdefault("target_session_attrs", os.environ.get("PGTARGETSESSIONATTRS", target))
    _check_target(url, given["target_session_attrs"])
    _check_files(url, given)
    schema = given.pop("schema", SCHEMA)
    if not 1 <= len(schema.encode()) <= _SCHEMA_BYTES or "\0" in schema or schema.startswith(_RESERVED):
        raise InvalidStoreURL(
            f"The schema of {url} must be a name of 1 to {_SCHEMA_BYTES} bytes that does not begin with pg_ or $."
        )
    pool_size = int(given.take_number("pool_size", POOL_SIZE, at_least=2))
    timeout = given.take_number("timeout", TIMEOUT, at_least=0.1)
    start_timeout = given.take_number("start_timeout", START_TIMEOUT, at_least=0)
    drivers = {name: text for name, text in given.items() if name in _DRIVERS}
    asked = {name: text for name, text in given.items() if name not in _DRIVERS}
    scheme, netloc, path, _, _ = urlsplit(url.reveal())
    if path == "/":  # which the driver takes for a database without a name
        path = ""
    return Settings(
        name=str(url),
        dsn=urlunsplit((scheme, netloc, path, urlencode(drivers), "")),
        hosts=_hosts(url, given),
        session=_defaults(timeout) | asked | _session(schema, to_read),
        schema=schema,
        pool_size=pool_size,
        timeout=timeout,
        start_timeout=start_timeout,
    )


def _check_target(url: StoreURL, text: str) -> None:
    if text not in _TARGETS:
        raise InvalidStoreURL(f"The parameter target_session_attrs of {url} must be one of {', '.join(_TARGETS)}.")


def _check_files(url: StoreURL, given: dict[str, str]) -> None:
    """Checks what the driver doesn't report: a password file that it can't use, and which certificate is missing."""
    for name in _FILES:
        path = given.get(name)
        if path and not os.access(path, os.R_OK):
            raise InvalidStoreURL(f"The file {path} that {name} of {url} names can't be read.")
    path = given.get("passfile")
    if path and os.name == "posix" and os.stat(path).st_mode & 0o077:
        raise InvalidStoreURL(
            f"The file {path} that passfile of {url} names is not used while others may read it. Run: chmod 600 {path}"
        )


def _session(schema: str, to_read: bool) -> dict[str, str]:
    """What the statements rely on, so the URL cannot change it.

    Temporary tables of others who use the same session would go before ours if they were not named last.
    """
    return {
        "search_path": f"{quoted(schema)}, pg_temp",
        "default_transaction_isolation": "read committed",
        "synchronous_commit": "on",
        **({"default_transaction_read_only": "on"} if to_read else {}),
    }


def quoted(name: str) -> str:
    """Returns `name` as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _defaults(timeout: float) -> dict[str, str]:
    """What the URL may set otherwise.

    A process that stands still in the middle of a transaction loses it, since all others wait for it.  Rows are found
    by indexes, and the server should not think that reading a whole table costs about the same.
    """
    return {
        "application_name": "tasksvc",
        "statement_timeout": f"{int(timeout * STATEMENT_TIMEOUT_SHARE * 1_000)}ms",
        "idle_in_transaction_session_timeout": f"{int(timeout * 500)}ms",
        "jit": "off",
        "random_page_cost": "1.1",
    }


def _hosts(url: StoreURL, given: Parameters) -> tuple[Host, ...]:
    """Each host on its own, since asyncpg would wait for the first one however long that takes to answer."""
    hosts = hosts_of(url, hosts=given.get("host", ""), ports=given.get("port", ""))
    return tuple({"host": name} if port is None else {"host": name, "port": port} for name, port in hosts) or ({},)
