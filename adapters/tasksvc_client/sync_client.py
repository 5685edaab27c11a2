"""The client for programs without an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from tasksvc_client.base_client import BaseClient
from tasksvc_client.connection import Connection, Pool
from tasksvc_client.operations import administration, change_log, following, task_lists, tasks
from tasksvc_client.operations import webhooks as hooks
from tasksvc_client.scope import Scope
from tasksvc_client.steps import Answer, Item, Items, Lost, Open, Operation, Receive, Send, Step, Wait

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


def _returning(operation: Callable[Concatenate[Scope, P], Operation[T]]) -> Callable[Concatenate[SyncClient, P], T]:
    """Returns the method that does an operation."""

    @wraps(operation)
    def call(self: SyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._result(operation(self._scope, *args, **kwargs))

    return call


def _yielding(
    operation: Callable[Concatenate[Scope, P], Items[T]],
) -> Callable[Concatenate[SyncClient, P], Generator[T, None, None]]:
    """Returns the method that yields the items of an operation."""

    @wraps(operation)
    def call(self: SyncClient, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        return self._items(operation(self._scope, *args, **kwargs))

    return call


class SyncClient(BaseClient):
    """A client of the service that waits for each answer.

    It keeps its connections open for the next request; close it in the end, or use it with `with`. Threads may share
    one: requests at the same time have a connection each.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        token: str | None = None,
        workspace: str | None = None,
        *,
        deadline: float = 30.0,
        timeout: float = 10.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepares a client; the first request connects. Raises ValueError for a URL that isn't one of a service.

        Without a `workspace` it is the home of the caller. A request may take `deadline` seconds with all repetitions,
        and an attempt is given up after `timeout` seconds without an answer. `url` may be unix:/PATH. `context` says
        which certificates are trusted; without it, those of the machine are.
        """
        super().__init__(url, token, Scope(workspace, deadline, timeout))
        self._pool = Pool(self._address, self._headers, context)

    create = _returning(tasks.create)
    get = _returning(tasks.get_task)
    update = _returning(tasks.update)
    edit = _returning(tasks.edit)
    delete = _returning(tasks.delete)
    skip = _returning(tasks.skip)
    restore = _returning(tasks.restore)
    batch = _returning(tasks.batch)

    find = _yielding(tasks.find)
    pages = _yielding(tasks.pages)
    count = _returning(tasks.count)
    delete_matching = _returning(tasks.delete_matching)

    lists = _returning(task_lists.lists)
    rename_list = _returning(task_lists.rename_list)
    delete_list = _returning(task_lists.delete_list)

    changes = _yielding(change_log.changes)
    history = _yielding(change_log.history)

    follow = _yielding(following.follow)
    follow_workspaces = _yielding(following.follow_workspaces)

    me = _returning(administration.me)
    workspaces = _yielding(administration.workspaces)
    erase_workspace = _returning(administration.erase_workspace)
    tokens = _returning(administration.tokens)
    create_token = _returning(administration.create_token)
    change_token = _returning(administration.change_token)
    revoke_token = _returning(administration.revoke_token)

    webhooks = _yielding(hooks.webhooks)
    get_webhook = _returning(hooks.get_webhook)
    create_webhook = _returning(hooks.create_webhook)
    change_webhook = _returning(hooks.change_webhook)
    delete_webhook = _returning(hooks.delete_webhook)
    pause_webhook = _returning(hooks.pause_webhook)
    resume_webhook = _returning(hooks.resume_webhook)
    replay_webhook = _returning(hooks.replay_webhook)
    test_webhook = _returning(hooks.test_webhook)
    rotate_webhook_secret = _returning(hooks.rotate_webhook_secret)

    def close(self) -> None:
        """Closes all connections that are idle."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---------------------------------------------------------------- doing the steps

    def _result(self, operation: Operation[T]) -> T:
        outcome: Any = None
        try:
            while True:
                outcome = self._do(operation.send(outcome))
        except StopIteration as end:
            result: T = end.value
            return result

    def _items(self, items: Items[T]) -> Generator[T, None, None]:
        outcome: Any = None
        stream: Connection | None = None
        try:
            while True:
                try:
                    step = items.send(outcome)
                except StopIteration:
                    return
                outcome = None
                if isinstance(step, Item):
                    yield step.value
                elif isinstance(step, Open):
                    if stream is not None:
                        stream.close()
                    outcome, stream = self._pool.stream(step.send)
                elif isinstance(step, Receive):
                    assert stream is not None
                    outcome = stream.read(step.timeout)
                else:
                    outcome = self._do(step)
        finally:
            items.close()
            if stream is not None:
                stream.close()

    def _do(self, step: Step) -> Answer | Lost | None:
        if isinstance(step, Send):
            return self._pool.send(step)
        assert isinstance(step, Wait)
        time.sleep(step.seconds)
        return None
