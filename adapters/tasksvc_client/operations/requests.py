"""How operations send requests and read answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from tasksvc_client.encoding import json_bytes, version_tag
from tasksvc_client.errors import NotTasksvc
from tasksvc_client.exchange import exchange, stranger
from tasksvc_client.models import Task
from tasksvc_client.scope import Scope, new_key
from tasksvc_client.steps import Answer, Item, Items, Operation, Repeat, Request

T = TypeVar("T")
HEADER_MAX = 255
"""Characters that an idempotency key may have, and an entity tag does not reach."""


def get(scope: Scope, /, target: str, read: Callable[[Answer], T]) -> Operation[T]:
    """Reads `target` and returns what `read` makes of the answer. Raises what exchange() raises."""
    request = Request("GET", target)
    return understood(request, (yield from exchange(request, scope)), read)


def walk(scope: Scope, target: str | None, read: Callable[[Answer], Iterable[T]]) -> Items[T]:
    """Yields what `read` finds on each page, from `target` on, as the Link headers lead.

    Raises what exchange() raises.
    """
    while target is not None:
        request = Request("GET", target)
        answer = yield from exchange(request, scope)
        for item in understood(request, answer, read):
            yield Item(item)
        target = next_page(target, answer)


def write(
    scope: Scope,
    /,
    method: str,
    target: str,
    read: Callable[[Answer], T],
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
    repeat: Repeat = Repeat.WITH_KEY,
) -> Operation[T]:
    """Writes, and returns what `read` makes of the answer. Raises what exchange() raises.

    `key` is the idempotency key, of which each write gets a new one if it is None. `body` becomes JSON. A header that
    can't be sent raises ValueError.
    """
    sent = dict(headers or {})
    if repeat is Repeat.WITH_KEY:
        sent["Idempotency-Key"] = key = new_key() if key is None else key
    for name, value in sent.items():
        if not 0 < len(value) <= HEADER_MAX or not value.isascii() or not value.isprintable():
            raise ValueError(f"{name} must have 1 to {HEADER_MAX} printable characters of ASCII.")
    data = None
    if body is not None:
        sent["Content-Type"] = "application/json"
        data = json_bytes(body)
    request = Request(method, target, sent, data, repeat, key)
    return understood(request, (yield from exchange(request, scope)), read)


def understood(request: Request, answer: Answer, read: Callable[[Answer], T]) -> T:
    """Returns what `read` makes of an answer. Raises NotTasksvc if it isn't what the service answers."""
    try:
        return read(answer)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise stranger(request, answer) from error


def nothing(answer: Answer) -> None:
    """Reads an answer without a body."""
    if answer.status != 204:
        raise ValueError


def task(answer: Answer) -> Task:
    """Reads a task and its entity tag."""
    return Task.from_json(answer.document, answer.headers.get("etag"))


def next_page(target: str, answer: Answer) -> str | None:
    """Returns the target of the next page that the Link header of an answer names (RFC 8288), or None.

    Raises NotTasksvc if it leads to another host.
    """
    for link in answer.headers.get("link", "").split(", <"):
        url, _, parameters = link.strip().removeprefix("<").partition(">")
        if 'rel="next"' in parameters:
            if urlsplit(url).netloc:
                raise NotTasksvc(f"The next page of {target} is said to be at another host: {url[:200]!r}.")
            return urljoin(target, url)
    return None


def condition(if_version: Task | str | None) -> dict[str, str]:
    """Returns the header that lets a write happen only to a version, given as a task or as an entity tag."""
    tag = version_tag(if_version)
    return {} if tag is None else {"If-Match": tag}
