"""What the service answers to a batch of writes, with its documentation."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tasksvc.api.handlers.tasks import check_times
from tasksvc.api.openapi.decorators import (
    NO_SUCH_TASK,
    NO_SUCH_VERSION,
    TOO_MANY_RELATED,
    UID_TAKEN,
    VERSION_CONFLICT,
    VERSION_GONE,
    WORKSPACE_FULL,
    operation,
    responses,
)
from tasksvc.api.pipeline.clients import caller_of, name_of
from tasksvc.api.requests.etags import check_untagged, conditions_of, etag, precondition_from
from tasksvc.api.requests.idempotency import IDEMPOTENCY_KEY, idempotency_key_of
from tasksvc.api.requests.validation import BODY, RAW
from tasksvc.api.requests.workspaces import workspace_of
from tasksvc.api.responses.problems import BatchRefused
from tasksvc.api.responses.raw import REPLAYED, RawResponse, encoded_response
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.tasks import Batch, BatchOut
from tasksvc.application import clock
from tasksvc.application.callers import Scope
from tasksvc.application.runtime import Runtime
from tasksvc.domain.errors import WriteRefused
from tasksvc.domain.json_text import dumps
from tasksvc.domain.task import Task, Version
from tasksvc.domain.writes import CreateTask, DeleteTask, RestoreTask, Result, UpdateTask, Write
from tasksvc.stores.turns import Turns


class BatchHandlers:
    """Handles the route /tasks/batch."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @operation(
        "Apply a batch of operations",
        tag="tasks",
        description="Applies all operations in one transaction, or none. Each operation sees those before it.",
        headers=[IDEMPOTENCY_KEY],
        responses=responses(
            {200: ("The results, in order.", BatchOut, [REPLAYED])},
            NO_SUCH_TASK,
            NO_SUCH_VERSION,
            UID_TAKEN,
            TOO_MANY_RELATED,
            WORKSPACE_FULL,
            VERSION_GONE,
            VERSION_CONFLICT,
        ),
        body=Batch(),
    )
    async def batch(self, request: web.Request) -> RawResponse:
        tasks = self._runtime.tasks_of(workspace_of(request))
        check_untagged(*conditions_of(request))
        operations = request[BODY]
        idempotency_key = idempotency_key_of(request, "/tasks/batch", request[RAW])
        request[RAW] = b""  # nobody needs it any more, and it may be large
        turns = Turns()
        writes = []
        for asked in operations:
            if asked["op"] == "create":
                check_times(asked["task"], caller_of(request))
            writes.append(_write(asked))
            await turns.next()
        try:
            committed = await tasks.batch(writes, at=clock.now(), idempotency_key=idempotency_key, by=name_of(request))
        except WriteRefused as error:
            raise BatchRefused(error) from error
        del writes
        generation = committed.position.generation
        shown = [b'{"results":[']
        for asked, result in zip(operations, committed.results, strict=True):
            shown += _shown(asked, result, generation), b","
            await turns.next()
        shown[-1] = b"]}\n"
        answer = encoded_response(b"".join(shown))
        if committed.replayed:
            answer.add_header(REPLAYED, "true")
        return answer

    def routes(self, *, body_max: int, batch_max: int) -> RouteGroup:
        """Returns the route, for bodies of at most `batch_max` bytes with operations of at most `body_max`."""
        return RouteGroup(
            [Route("POST", "/tasks/batch", self.batch, Scope.WRITE, body_max=batch_max, operation_max=body_max)]
        )


def _write(operation: dict[str, Any]) -> Write:
    expected = precondition_from(operation.get("if_match"), None)
    match operation["op"]:
        case "create":
            return CreateTask(operation["task"])
        case "update":
            return UpdateTask(operation["id"], operation["patch"], expected)
        case "restore":
            return RestoreTask(operation["id"], operation["version"], expected)
        case "delete":
            return DeleteTask(operation["id"], expected, "children" in operation)
        case op:
            raise ValueError(f"{op!r} isn't an operation of a batch.")


def _shown(operation: dict[str, Any], result: Result, generation: str) -> bytes:
    """Returns what became of one operation of a batch, as JSON."""
    if isinstance(result, Task):
        tag = etag(Version(generation, result.version))
        return dumps({"op": operation["op"], "id": result.id, "etag": tag, "task": result})
    return dumps({"op": operation["op"], "id": operation["id"], "etag": None, "task": None})
