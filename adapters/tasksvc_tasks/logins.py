"""What `tasksvc login` keeps: the URLs of services, and the token and the workspace for each.

The file is JSON, and only its user can read it.  A token is found by its URL alone, so it's never sent to another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tasksvc_tasks.failures import Failed
from tasksvc_tasks.places import configuration_folder, locked, write_privately

DEFAULT_URL = "http://127.0.0.1:8000"
FILE = "logins.json"
PORTS = {"http": 80, "https": 443}
"""The port of a URL that names none, by its scheme."""

_HOST = re.compile(r"[\w.:%-]+").fullmatch


class InvalidURL(ValueError):
    """The text isn't the URL of a service.  Its message is a sentence."""


class Login(NamedTuple):
    """What is kept for one URL."""

    token: str | None = None
    workspace: str | None = None


class Logins(NamedTuple):
    """What the file holds."""

    current: str | None
    """The URL that was logged in to last; None without one."""
    by_url: Mapping[str, Login]


def normal_url(text: str) -> str:
    """Returns the URL of a service in the one form in which tokens are kept for it.  Raises InvalidURL."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    if parts.scheme not in PORTS or not _HOST(host) or parts.query or parts.fragment:
        raise InvalidURL(f"{text!r} isn't the URL of a service, such as {DEFAULT_URL} or https://tasks.example.")
    if parts.username is not None or parts.password is not None:
        raise InvalidURL("A URL with a name and a password isn't taken. Give a token in TASKSVC_TOKEN.")
    host = f"[{host}]" if ":" in host else host
    port_text = "" if port in (None, PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{port_text}{parts.path.rstrip('/')}"


def read_logins() -> Logins:
    """Returns what is kept.  Raises Failed if the file can't be read, isn't ours, or others can read it."""
    path = logins_file()
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        by_url = {url: Login(each.get("token"), each.get("workspace")) for url, each in document["services"].items()}
        return Logins(document.get("current"), by_url)
    except FileNotFoundError:
        return Logins(None, {})
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise Failed(f"{path} is damaged. Delete it, and log in again.") from error


def keep_login(url: str, login: Login) -> None:
    """Keeps a login for a URL, and makes the URL the one that is used without --url.  Raises Failed."""
    with locked(logins_file()):
        kept = read_logins()
        _write(Logins(url, {**kept.by_url, url: login}))


def forget_login(url: str) -> bool:
    """Deletes what is kept for a URL, and returns whether anything was.  Raises Failed."""
    with locked(logins_file()):
        kept = read_logins()
        if url not in kept.by_url:
            return False
        others = {other: login for other, login in kept.by_url.items() if other != url}
        _write(Logins(None if kept.current == url else kept.current, others))
    return True


def logins_file() -> Path:
    return configuration_folder() / FILE


def _write(logins: Logins) -> None:
    services = {url: login._asdict() for url, login in logins.by_url.items()}
    write_privately(logins_file(), json.dumps({"current": logins.current, "services": services}, indent=2) + "\n")
