"""OpenAPI 3.1 out of the handlers' aiohttp-apispec decorators and their marshmallow schemas.

aiohttp-apispec itself writes Swagger 2.0, and changes the decorated handlers while it does, so that
a second application in one process gets a broken description.  This reads them only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Formatter
from types import MappingProxyType
from typing import Any, NamedTuple

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema
from marshmallow.fields import Field

from tasksvc.api.openapi.decorators import DEFAULT, default_response, is_schema, usual_errors
from tasksvc.api.requests.lists import LIST
from tasksvc.api.requests.workspaces import PARAMETER
from tasksvc.api.schemas import fields, lists, queries, task_fields, tasks, tokens, workspaces
from tasksvc.application.callers import Scope
from tasksvc.domain.rules import ID_MAX

TAGS = [
    {"name": "tasks", "description": "Tasks, one at a time and in bulk."},
    {"name": "lists", "description": "The lists that tasks are in. A list is there as long as a task is in it."},
    {"name": "changes", "description": "The change log: every change to tasks, in order."},
    {
        "name": "workspaces",
        "description": (
            "The same in a workspace, which has tasks, ids, a change log and idempotency keys of its own. It is created"
            " by its first write. Without a workspace in the path, an operation is done in the home of the caller:"
            " the first workspace of the token, or `default`. Administrators list workspaces and erase them."
        ),
    },
    {"name": "callers", "description": "The sender of a request, and what they may do."},
    {"name": "admin", "description": "API tokens; needs the scope admin."},
    {"name": "health", "description": "Health and metrics, for operators."},
]
DESCRIPTION = """Tasks over REST.

Reads carry entity tags, writes take conditions and idempotency keys, and the change log tells all that happened, in
order.

Every error is a problem document (RFC 9457). Its `type` is `urn:tasksvc:problem:` and a name that doesn't change. An
operation lists the errors that mean something particular there; it can answer with these too, as far as they apply:

"""


SECURITY = (
    "An API token, if the service requires tokens. The scopes are read, write and admin; each includes those before it."
)


class Operation(NamedTuple):
    """An operation of the API with its documentation."""

    path: str
    method: str
    handler: Any
    types: tuple[str, ...]
    """Media types of its body."""
    scope: Scope | None
    """The scope that it needs; None if it needs no token."""
    in_workspace: bool
    """Whether the path names the workspace in which it's done."""
    parameters: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """Schemas and examples of parameters in the path, where they aren't the usual ones."""


def describe(operations: Iterable[Operation], more_tags: Mapping[str, str], *, version: str) -> dict[str, Any]:
    """Returns the OpenAPI document of `operations`, which are served beside it, below whatever path that is.

    `more_tags`: descriptions of tags that the service doesn't have.
    """
    plugin = MarshmallowPlugin()
    spec = APISpec(
        title="tasksvc",
        version=version,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": DESCRIPTION + usual_errors(), "license": {"name": "MIT", "identifier": "MIT"}},
        # Relative to the address of the document, whatever path a proxy has put it below.
        servers=[{"url": ".", "description": "The service that serves this description."}],
        tags=[*TAGS, *({"name": name, "description": text} for name, text in more_tags.items())],
    )
    assert plugin.converter is not None
    for field, json_type in _TYPES.items():
        plugin.map_to_openapi_type(field, *json_type)  # type: ignore[no-untyped-call]
    plugin.converter.add_attribute_function(_bounds)  # type: ignore[no-untyped-call]
    _add_batch_item(spec)
    spec.components.response(DEFAULT, default_response())
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer", "description": SECURITY})
    for operation in operations:
        spec.path(path=operation.path, operations={operation.method.lower(): _operation(operation)})
    return spec.to_dict()


_TYPES: dict[type[Field[Any]], tuple[str, str | None]] = {
    fields.StrictString: ("string", None),
    fields.StrictBoolean: ("boolean", None),
    fields.StrictInteger: ("integer", "int64"),  # without a format, generators for many languages take 32 bits
    fields.UTCDateTime: ("string", "date-time"),
    fields.Date: ("string", "date"),
    task_fields.QueryDue: ("string", None),
    task_fields.ParentFilter: ("string", None),
    task_fields.Labels: ("array", None),
    task_fields.Metadata: ("object", None),
    tokens.Workspaces: ("array", None),
    fields.QueryBoolean: ("boolean", None),
    fields.QueryInteger: ("integer", "int64"),
    fields.ResponseInteger: ("integer", "int64"),
    fields.QueryStringList: ("array", None),
}


def _bounds(self: Any, field: Field[Any], **kwargs: Any) -> dict[str, Any]:
    """Returns what the fields of `schemas` say of their values."""
    if isinstance(field, fields.StrictInteger | fields.ResponseInteger):
        return {"minimum": field.least, "maximum": field.most}
    if isinstance(field, queries.WorkspacesParameter):
        return {"items": {"type": "string", **workspaces.WORKSPACE_NAME}, **tokens.WORKSPACES, "uniqueItems": True}
    if isinstance(field, task_fields.Labels | fields.QueryStringList):
        # No maxItems: at most 50 may be different, and a label that is repeated counts once.
        return {"items": {"type": "string", **task_fields.LABEL}}
    if isinstance(field, tokens.Workspaces):
        return {"items": {"type": "string", **workspaces.WORKSPACE_NAME}}
    if isinstance(field, task_fields.Metadata):
        # Anything: a schema for all JSON values would have to refer to itself, which most generators fail at.
        return {"additionalProperties": True}
    return {}


_BATCH_ITEM = "#/components/schemas/BatchItemIn"
_BATCH_EXAMPLES = {
    # Swagger UI fills in the first, which must work on every store.
    "create": {
        "summary": "Make two tasks",
        "value": [
            {"op": "create", "task": {"description": "Water the plants"}},
            {"op": "create", "task": {"description": "Feed the cat", "priority": 5}},
        ],
    },
    "update": {
        "summary": "Create a task and update another",
        "value": [
            {"op": "create", "task": {"description": "Water the plants"}},
            {"op": "update", "id": 1, "patch": {"done": True}},
        ],
    },
}


_BATCH_KINDS = {
    "create": tasks.BatchCreate,
    "update": tasks.BatchUpdate,
    "restore": tasks.BatchRestore,
    "delete": tasks.BatchDelete,
}


def _add_batch_item(spec: APISpec) -> None:
    """Adds the schema of one operation of a batch, whose `op` names its kind."""
    references = {}
    for op, kind in _BATCH_KINDS.items():
        spec.components.schema(kind.__name__, schema=kind)
        references[op] = f"#/components/schemas/{kind.__name__}"
    union = [{"$ref": reference} for reference in references.values()]
    item = {"oneOf": union, "discriminator": {"propertyName": "op", "mapping": references}}
    spec.components.schema(_BATCH_ITEM.rpartition("/")[2], item)


def _operation(operation: Operation) -> dict[str, Any]:
    """Returns one operation.  Schemas stay in it, for apispec to resolve."""
    path, _, handler, types, scope, in_workspace, parameters = operation
    data = handler.__apispec__
    found: dict[str, Any] = {
        "operationId": _in_workspace(handler.__name__) if in_workspace else handler.__name__,
        "tags": ["workspaces"] if in_workspace else data["tags"],
        "summary": f"{data['summary']} in a workspace" if in_workspace else data["summary"],
        "parameters": [
            {"in": "path", "name": name, "required": True, **(parameters.get(name) or _path_parameter(name))}
            for _, name, _, _ in Formatter().parse(path)
            if name
        ],
    }
    if "description" in data:
        found["description"] = data["description"]
    if scope is not None:
        found["security"] = [{"token": [str(scope)]}]
    responses = data["responses"]
    found["responses"] = {status: _answer(responses[status], data["produces"]) for status in sorted(responses)}
    found["responses"]["default"] = DEFAULT
    found["parameters"] += [dict(parameter) for parameter in data["parameters"]]
    for item in data["schemas"]:
        if item["location"] == "querystring":
            schema = type(item["schema"])
            found["parameters"].append({"in": "query", "schema": schema(exclude=schema.undocumented)})
        else:
            body = _body(item["schema"])
            found["requestBody"] = {"required": True, "content": dict.fromkeys(types, body)}
    return found


def _in_workspace(name: str) -> str:
    """Returns the id of the operation `name` in a workspace: list_workspace_tasks, workspace_changes."""
    named = name.replace("task", "workspace_task").replace("_list", "_workspace_list")
    return f"workspace_{name}" if named == name else named


def _path_parameter(name: str) -> dict[str, Any]:
    if name == PARAMETER:
        schema = {"type": "string", **workspaces.WORKSPACE_NAME}
        return {"schema": schema, "example": workspaces.EXAMPLE_WORKSPACE}
    if name == "id":
        schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": ID_MAX}
        return {"schema": schema, "example": 1}
    if name == LIST:
        schema = {"type": "string", **task_fields.LIST}
        return {"schema": schema, "example": lists.EXAMPLE_LIST}
    schema = {"type": "string", **tokens.TOKEN_NAME}
    return {"schema": schema, "example": tokens.EXAMPLE_NAME}


def _body(schema: Schema) -> dict[str, Any]:
    if isinstance(schema, tasks.Batch):
        items = {"type": "array", "minItems": 1, "maxItems": tasks.BATCH_MAX, "items": {"$ref": _BATCH_ITEM}}
        return {"schema": items, "examples": _BATCH_EXAMPLES}
    assert isinstance(schema, fields.StrictSchema), f"{type(schema).__name__} is a schema of a body, but not strict."
    return {"schema": type(schema), **({"example": dict(schema.example)} if schema.example else {})}


def _answer(answer: dict[str, Any], produces: list[str]) -> dict[str, Any]:
    """Returns a copy, since apispec resolves schemas in place."""
    copied = {**answer}
    if "content" in answer:
        copied["content"] = {
            kind: {**media, "schema": _schema(media["schema"])} for kind, media in answer["content"].items()
        }
    elif produces != ["application/json"]:
        copied["content"] = {kind: {"schema": {"type": "string"}} for kind in produces}
    return copied


def _schema(schema: Any) -> Any:
    return schema if is_schema(schema) else {**schema}
