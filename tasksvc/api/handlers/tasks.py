"""What the service answers about tasks, operation by operation, with the documentation of each."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import TypedDict

from aiohttp import hdrs, web

from tasksvc.api.openapi.decorators import (
    NO_SUCH_TASK,
    NO_SUCH_VERSION,
    TOO_MANY_RELATED,
    UID_TAKEN,
    VERSION_CONFLICT,
    VERSION_GONE,
    WORKSPACE_FULL,
    Refusal,
    header,
    operation,
    responses,
)
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.pipeline.clients import caller_of, name_of
from tasksvc.api.requests.body import MERGE_PATCH
from tasksvc.api.requests.cursors import decode_cursor, encode_cursor
from tasksvc.api.requests.etags import check_untagged, conditions_of, etag, is_known, joined, precondition_from
from tasksvc.api.requests.idempotency import IDEMPOTENCY_KEY, idempotency_key_of
from tasksvc.api.requests.positions import format_position
from tasksvc.api.requests.validation import BODY, QUERY, RAW
from tasksvc.api.requests.workspaces import home_of, workspace_of
from tasksvc.api.responses.cache import PageResponseCache, TaskResponseCache, as_lines
from tasksvc.api.responses.cache_control import NO_CACHE
from tasksvc.api.responses.pages import array_members, json_array, json_lines, next_link
from tasksvc.api.responses.problems import FieldError, Forbidden, InvalidRequest, NoSuchTask
from tasksvc.api.responses.raw import (
    CHANGE_SEQ,
    JSON,
    NDJSON,
    REPLAYED,
    RawResponse,
    json_response,
    task_response,
)
from tasksvc.api.responses.streaming import StreamingResponse
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.queries import DeletionQuery, ListQuery
from tasksvc.api.schemas.task_fields import TASK, FilterQuery, TaskIn, TaskOut, TaskPatch
from tasksvc.api.schemas.tasks import CONDITION, CountOut, DeletedOut, RestoreIn
from tasksvc.application import clock
from tasksvc.application.callers import EVERYBODY, Caller, Scope
from tasksvc.application.runtime import Runtime
from tasksvc.application.tasks import Tasks
from tasksvc.domain.errors import VersionConflict
from tasksvc.domain.json_text import dumps
from tasksvc.domain.query import Cursor, TaskQuery
from tasksvc.domain.rules import ID_MAX
from tasksvc.domain.task import TaskDraft
from tasksvc.domain.writes import IdempotencyKey, Precondition
from tasksvc.ports.store import Found, Page

_TASK_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII).fullmatch
_WEIGHT = re.compile(r"(?:0|1)(?:\.\d{0,3})?", re.ASCII).fullmatch

IF_MATCH = header("If-Match", "Entity tags, one of which the task must have; * matches any.", **CONDITION)
IF_NONE_MATCH = header(
    "If-None-Match",
    "Entity tags that the client has cached; the response is 304 if the task has one of them.",
    **CONDITION,
)
EXAMPLE_LINES = "".join(dumps({**TASK, "id": number}).decode() + "\n" for number in (1, 2))
LIST_DESCRIPTION = (
    "All that match, or with `limit` a page of them, which a Link header leads on from. A page of large tasks ends"
    " earlier, after about a mebibyte. With `Accept: application/x-ndjson` one task a line. `metadata.room=4` selects"
    " tasks with this value in their metadata; a path has up to three names, as in `metadata.customer.id=7`."
)
COUNT_DESCRIPTION = "Counts the tasks that match, without listing them. Takes the filters of the list."
FILTER_NEEDED = "Give at least one filter. Without one, all tasks would be deleted."
NO_FILTER = Refusal(
    422,
    "invalid-request",
    "No filter is given, or a parameter isn't valid; `errors` lists each.",
    {"errors": [{"in": "query", "field": "", "message": FILTER_NEEDED}]},
)


NOTHING_TO_SKIP = Refusal(
    422,
    "invalid-request",
    "The task doesn't repeat, is done, or has no occurrence after this one; `errors` says which.",
    {"errors": [{"in": "body", "field": "repeat", "message": "The task has no occurrence after this one."}]},
)


class _Asked(TypedDict):
    """What every request that writes one task asks for, besides what is written."""

    at: datetime
    precondition: Precondition
    idempotency_key: IdempotencyKey | None
    by: str | None


def _asked(request: web.Request, target: str, raw: bytes = b"") -> _Asked:
    """Returns what a request asks for, with a key for `target` and `raw` as idempotency_key_of() makes it."""
    conditions = conditions_of(request)
    return {
        "at": clock.now(),
        "precondition": precondition_from(*conditions),
        "idempotency_key": idempotency_key_of(request, target, raw, conditions),
        "by": name_of(request),
    }


class TaskHandlers:
    """Handles the routes below /tasks/, but for batches."""

    def __init__(self, runtime: Runtime, authenticator: Authenticator) -> None:
        self._runtime, self._authenticator = runtime, authenticator
        limits = runtime.limits
        self._page_bytes = limits.page_bytes
        self._stream_page, self._stream_bytes = limits.stream_page, limits.stream_bytes
        self._tasks, self._pages = TaskResponseCache(), PageResponseCache()

    # ------------------------------------------------------------ one task

    @operation(
        "Create a task",
        tag="tasks",
        headers=[IDEMPOTENCY_KEY],
        responses=responses(
            {201: ("The new task.", TaskOut, ["ETag", "Location", REPLAYED])},
            UID_TAKEN,
            WORKSPACE_FULL,
        ),
        body=TaskIn(),
    )
    async def create_task(self, request: web.Request) -> RawResponse:
        below = "" if request.path.endswith("/") else "tasks/"
        return await self.create(request, workspace_of(request), request[BODY], request[RAW], below=below)

    async def create(
        self, request: web.Request, workspace: str | None, draft: TaskDraft, raw: bytes, *, below: str = ""
    ) -> RawResponse:
        """Creates the task of `draft`, which came as the body `raw`.

        `below` leads from the request's URL to those of tasks, so that Location needs no path: a
        proxy may have put the service below one that it doesn't know (RFC 9110, section 10.2.2).
        """
        tasks = self._tasks_in(request, workspace)
        check_untagged(*conditions_of(request))
        check_times(draft, caller_of(request))
        idempotency_key = idempotency_key_of(request, "/tasks/", raw)
        made, replayed = await tasks.create(draft, at=clock.now(), idempotency_key=idempotency_key, by=name_of(request))
        answer = task_response(made, status=201)
        answer.add_header(hdrs.LOCATION, f"{below}{made.task.id}")
        if replayed:
            answer.add_header(REPLAYED, "true")
        return answer

    @operation(
        "Get a task",
        tag="tasks",
        headers=[IF_NONE_MATCH, IF_MATCH],
        responses=responses(
            {200: ("The task.", TaskOut, ["ETag"]), 304: "The client's copy is current."},
            NO_SUCH_TASK,
            VERSION_CONFLICT,
        ),
    )
    async def get_task(self, request: web.Request) -> RawResponse | web.Response:
        return await self.get(request, workspace_of(request), task_id_of(request))

    async def get(self, request: web.Request, workspace: str | None, task_id: int) -> RawResponse | web.Response:
        """Responds with one task of a workspace; None stands for the caller's home."""
        found = await self._tasks_in(request, workspace).get(task_id)
        if_match, if_none_match = conditions_of(request)
        if if_match is not None and not precondition_from(if_match, None).allows(found.version):
            raise VersionConflict(*found)
        if if_none_match is not None and is_known(if_none_match, found.version):
            return web.Response(status=304, headers={hdrs.CACHE_CONTROL: NO_CACHE, hdrs.ETAG: etag(found.version)})
        return self._tasks.answer(found)

    @operation(
        "Update a task",
        tag="tasks",
        description="Takes a JSON Merge Patch (RFC 7396): other fields keep their values, and null resets a field.",
        headers=[IF_MATCH, IDEMPOTENCY_KEY],
        responses=responses(
            {200: ("The updated task.", TaskOut, ["ETag", REPLAYED])}, NO_SUCH_TASK, TOO_MANY_RELATED, VERSION_CONFLICT
        ),
        body=TaskPatch(),
    )
    async def patch_task(self, request: web.Request) -> RawResponse:
        tasks, task_id = self._task_of(request)
        asked = _asked(request, f"/tasks/{task_id}", request[RAW])
        return _updated_response(*await tasks.update(task_id, request[BODY], **asked))

    @operation(
        "Skip an occurrence",
        tag="tasks",
        description="Moves a task that repeats to its next occurrence, and completes nothing.",
        headers=[IF_MATCH, IDEMPOTENCY_KEY],
        responses=responses(
            {200: ("The task, due at its next occurrence.", TaskOut, ["ETag", REPLAYED])},
            NO_SUCH_TASK,
            VERSION_CONFLICT,
            NOTHING_TO_SKIP,
        ),
    )
    async def skip_task(self, request: web.Request) -> RawResponse:
        tasks, task_id = self._task_of(request)
        return _updated_response(*await tasks.skip(task_id, **_asked(request, f"/tasks/{task_id}/skip")))

    @operation(
        "Restore a version",
        tag="tasks",
        description=(
            "Brings back what a task was, as long as the change log has it. A deleted task comes back under its id."
            " The task has a new version in both cases."
        ),
        headers=[IF_MATCH, IDEMPOTENCY_KEY],
        responses=responses(
            {200: ("The restored task.", TaskOut, ["ETag", REPLAYED])},
            NO_SUCH_TASK,
            NO_SUCH_VERSION,
            UID_TAKEN,
            TOO_MANY_RELATED,
            WORKSPACE_FULL,
            VERSION_GONE,
            VERSION_CONFLICT,
        ),
        body=RestoreIn(),
    )
    async def restore_task(self, request: web.Request) -> RawResponse:
        tasks, task_id = self._task_of(request)
        asked = _asked(request, f"/tasks/{task_id}/restore", request[RAW])
        return _updated_response(*await tasks.restore(task_id, request[BODY]["version"], **asked))

    @operation(
        "Delete a task",
        tag="tasks",
        headers=[IF_MATCH, IDEMPOTENCY_KEY],
        responses=responses(
            {204: ("The task is deleted.", None, [REPLAYED])}, NO_SUCH_TASK, TOO_MANY_RELATED, VERSION_CONFLICT
        ),
        query=DeletionQuery(),
    )
    async def delete_task(self, request: web.Request) -> web.StreamResponse:
        tasks, task_id = self._task_of(request)
        children = "children" in request[QUERY]
        asked = _asked(request, f"/tasks/{task_id}?children=delete" if children else f"/tasks/{task_id}")
        replayed = await tasks.delete(task_id, children=children, **asked)
        return web.Response(status=204, headers={REPLAYED: "true"} if replayed else {})

    def _task_of(self, request: web.Request) -> tuple[Tasks, int]:
        """Returns the tasks of the workspace in the path, and the id there."""
        return self._runtime.tasks_of(workspace_of(request)), task_id_of(request)

    # ------------------------------------------------------------ many tasks

    @operation(
        "List tasks",
        tag="tasks",
        description=LIST_DESCRIPTION,
        responses=responses(
            {200: ("The tasks.", [TaskOut], ["Link", CHANGE_SEQ])}, also={200: {NDJSON: EXAMPLE_LINES}}
        ),
        query=ListQuery(),
    )
    async def list_tasks(self, request: web.Request) -> RawResponse | StreamingResponse:
        workspace, (query, cursor, limit) = workspace_of(request), request[QUERY]
        after = None if cursor is None else decode_cursor(cursor, query, workspace)
        return await self.list_matching(request, workspace, query, after, limit)

    async def list_matching(
        self,
        request: web.Request,
        workspace: str | None,
        query: TaskQuery,
        after: Cursor | None = None,
        limit: int | None = None,
    ) -> RawResponse | StreamingResponse:
        """Shows a list, or a page of it."""
        lines = prefers_ndjson(joined(request, hdrs.ACCEPT))
        tasks, caller = self._tasks_in(request, workspace), partial(self._authenticator.client_of, request)
        limits = (self._stream_page, self._stream_bytes) if limit is None else (limit, self._page_bytes)
        page = await tasks.find(query, caller=caller, after=after, limit=limits[0], max_bytes=limits[1])
        answer = self._pages.answer(page, lines=lines)
        if limit is None and page.next is not None:
            show_rest = as_lines if lines else _as_members
            rest = tasks.iter_pages(
                query, show_rest, caller=caller, after=page.next, page_size=limits[0], max_bytes=limits[1]
            )
            chunks = json_lines(answer.body, rest) if lines else json_array(answer.body, rest)
            headers = [(CHANGE_SEQ, format_position(page.position)), (hdrs.VARY, hdrs.ACCEPT)]
            self._authenticator.open_stream(whose := caller())
            return StreamingResponse(
                NDJSON if lines else JSON, chunks, headers, closed=partial(self._authenticator.close_stream, whose)
            )
        if page.next is not None:
            answer.add_header(hdrs.LINK, next_link(request, encode_cursor(page.next, query, tasks.workspace)))
        return answer

    @operation(
        "Count tasks",
        tag="tasks",
        description=COUNT_DESCRIPTION,
        responses=responses({200: ("The number of tasks.", CountOut, [])}),
        query=FilterQuery(),
    )
    async def count_tasks(self, request: web.Request) -> RawResponse:
        tasks, caller = self._runtime.tasks_of(workspace_of(request)), partial(self._authenticator.client_of, request)
        count = await tasks.count(request[QUERY], caller=caller)
        return json_response({"count": count})

    @operation(
        "Delete tasks by a filter",
        tag="tasks",
        description=(
            "At most 1,000, by id, in one transaction; fewer if they are very large. At least one filter must be given:"
            " without one, nothing is deleted and the answer is 422. Where `more` is true, send it again with a new"
            " Idempotency-Key."
        ),
        headers=[IDEMPOTENCY_KEY],
        responses=responses(
            {200: ("The number of deleted tasks.", DeletedOut, [REPLAYED])}, TOO_MANY_RELATED, NO_FILTER
        ),
        query=FilterQuery(),
    )
    async def delete_tasks(self, request: web.Request) -> RawResponse:
        tasks = self._runtime.tasks_of(workspace_of(request))
        conditions = conditions_of(request)
        check_untagged(*conditions)
        query = request[QUERY]
        if query == TaskQuery():
            raise InvalidRequest([FieldError("query", "", FILTER_NEEDED)])
        filters = request.raw_path.partition("?")[2]
        idempotency_key = idempotency_key_of(request, f"/tasks/?{filters}", conditions=conditions)
        caller = partial(self._authenticator.client_of, request)
        deleted, replayed = await tasks.delete_matching(
            query, at=clock.now(), caller=caller, idempotency_key=idempotency_key, by=name_of(request)
        )
        answer = json_response({"deleted": deleted.tasks, "more": deleted.more})
        if replayed:
            answer.add_header(REPLAYED, "true")
        return answer

    def _tasks_in(self, request: web.BaseRequest, workspace: str | None) -> Tasks:
        return self._runtime.tasks_of(home_of(request) if workspace is None else workspace)

    # ------------------------------------------------------------ routes

    def routes(self, *, body_max: int) -> list[RouteGroup]:
        """Returns the routes, for bodies of at most `body_max` bytes."""
        return [
            RouteGroup(
                [
                    *self._collection("/tasks/", body_max),
                    Route("GET", "/tasks/{id}", self.get_task, Scope.READ),
                    Route("PATCH", "/tasks/{id}", self.patch_task, Scope.WRITE, (JSON, MERGE_PATCH), body_max),
                    Route("DELETE", "/tasks/{id}", self.delete_task, Scope.WRITE),
                    Route("POST", "/tasks/{id}/skip", self.skip_task, Scope.WRITE),
                    Route("POST", "/tasks/{id}/restore", self.restore_task, Scope.WRITE),
                    Route("GET", "/tasks/count", self.count_tasks, Scope.READ),
                ]
            ),
            RouteGroup(self._collection("/tasks", body_max), documented=False),
        ]

    def _collection(self, path: str, body_max: int) -> list[Route]:
        return [
            Route("GET", path, self.list_tasks, Scope.READ),
            Route("POST", path, self.create_task, Scope.WRITE, body_max=body_max),
            Route("DELETE", path, self.delete_tasks, Scope.WRITE),
        ]


def _updated_response(updated: Found, replayed: bool) -> RawResponse:
    answer = task_response(updated)
    if replayed:
        answer.add_header(REPLAYED, "true")
    return answer


def check_times(draft: TaskDraft, caller: Caller) -> None:
    """Raises Forbidden if a caller who isn't an administrator says when a new task was created or completed."""
    given = draft.created_at is not None or draft.completed_at is not None
    if given and caller is not EVERYBODY and caller.scope is not Scope.ADMIN:
        raise Forbidden("Only a token with the scope admin says when a task was created or completed.")


def task_id_of(request: web.Request) -> int:
    """Returns the id in the path.  Raises NoSuchTask unless it's a canonical positive integer below 2^63."""
    text = request.match_info["id"]
    if not _TASK_ID(text) or (task_id := int(text)) > ID_MAX:
        raise NoSuchTask("No such task: the id of a task is a positive integer below 2^63.")
    return task_id


def prefers_ndjson(accept: str | None) -> bool:
    """Returns whether an Accept header names JSON Lines, and not JSON with more weight (RFC 9110, section 12.5.1)."""
    if accept is None or accept == "*/*":
        return False
    weights = {JSON: 0.0, NDJSON: 0.0}
    for named in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in named.split(";"))
        if media_type in weights:
            weight = next((text.removeprefix("q=") for text in parameters if text.startswith("q=")), "1")
            weights[media_type] = float(weight) if _WEIGHT(weight) else 0.0
    return 0.0 < weights[NDJSON] >= weights[JSON]


def _as_members(page: Page) -> bytes:
    return array_members(page.tasks)
