"""OpenAPI 3.1 out of the handlers' aiohttp-apispec decorators and their marshmallow schemas.

aiohttp-apispec itself writes Swagger 2.0, and changes the decorated handlers while it does, so that
a second application in one process gets a broken description.  This reads them only.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import Formatter
from typing import Any, NamedTuple

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields

from tasksvc.api import schemas
from tasksvc.api.documentation import answers, is_schema
from tasksvc.domain import ID_MAX, LABELS_MAX, METADATA_INTEGER_MAX
from tasksvc.tokens import Scope

TAGS = [
    {"name": "tasks", "description": "Tasks, one by one and many at once."},
    {"name": "changes", "description": "The change log: all that ever happens to tasks, in order."},
    {"name": "admin", "description": "Tokens, for those with the scope admin."},
    {"name": "health", "description": "For those who operate the service."},
]
DESCRIPTION = """Tasks over REST.

Every error is a problem document (RFC 9457) with a stable `type`. Reads carry entity tags, writes
take conditions and retry keys, and the change log tells all that happened, in order."""


SECURITY = "Where the service asks for tokens. Scopes are read, write and admin, and each includes those before it."


class Operation(NamedTuple):
    """One documented operation."""

    path: str
    method: str
    handler: Any
    types: tuple[str, ...]
    """Media types of its body."""
    scope: Scope | None
    """What it needs; None for nothing."""


def describe(operations: Iterable[Operation], *, version: str) -> dict[str, Any]:
    """The OpenAPI document of `operations`, which are served beside it, below whatever path that is."""
    plugin = MarshmallowPlugin()
    spec = APISpec(
        title="tasksvc",
        version=version,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        # Relative to the address of the document, whatever path a proxy has put it below.
        servers=[{"url": ".", "description": "The service that this description comes from."}],
        tags=TAGS,
    )
    assert plugin.converter is not None
    for field, json_type in _TYPES.items():
        plugin.map_to_openapi_type(field, *json_type)  # type: ignore[no-untyped-call]
    plugin.converter.add_attribute_function(_bounds)  # type: ignore[no-untyped-call]
    spec.components.schema("JSON", _JSON_VALUE)
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer", "description": SECURITY})
    for operation in operations:
        spec.path(path=operation.path, operations={operation.method.lower(): _operation(operation)})
    return spec.to_dict()


_TYPES: dict[type[fields.Field[Any]], tuple[str, str | None]] = {
    schemas.Text: ("string", None),
    schemas.Flag: ("boolean", None),
    schemas.Whole: ("integer", None),
    schemas.Moment: ("string", "date-time"),
    schemas.Labels: ("array", None),
    schemas.Metadata: ("object", None),
    schemas.QueryFlag: ("boolean", None),
    schemas.QueryWhole: ("integer", None),
    schemas.QueryTexts: ("array", None),
}


_JSON = {"$ref": "#/components/schemas/JSON"}
_JSON_VALUE = {
    "description": "Any JSON value that can be kept.",
    "anyOf": [
        {"type": ["null", "boolean"]},
        {"type": "number", "minimum": -METADATA_INTEGER_MAX, "maximum": METADATA_INTEGER_MAX},
        {"type": "string", "pattern": schemas.STORABLE},
        {"type": "array", "items": _JSON},
        {"type": "object", "propertyNames": {"pattern": schemas.STORABLE}, "additionalProperties": _JSON},
    ],
}


def _bounds(self: Any, field: fields.Field[Any], **kwargs: Any) -> dict[str, Any]:
    """What the fields of `schemas` say of their values."""
    if isinstance(field, schemas.Whole):
        return {"minimum": field.least, "maximum": field.most}
    if isinstance(field, schemas.Labels | schemas.QueryTexts):
        return {"items": {"type": "string", **schemas.LABEL}, "maxItems": LABELS_MAX}
    if isinstance(field, schemas.Metadata):
        return {"additionalProperties": _JSON, "propertyNames": {"pattern": schemas.STORABLE}}
    return {}


_EXAMPLES: dict[type[Schema], dict[str, Any]] = {
    schemas.TaskIn: schemas.EXAMPLE_TASK,
    schemas.TaskPatch: {"done": True},
    schemas.TokenIn: {"name": "reporting", "scope": "read"},
}


def _operation(operation: Operation) -> dict[str, Any]:
    """One operation.  Schemas stay in it, for apispec to resolve."""
    path, _, handler, types, scope = operation
    data = handler.__apispec__
    found: dict[str, Any] = {
        "operationId": handler.__name__,
        "tags": data["tags"],
        "summary": data["summary"],
        "parameters": [_path_parameter(name) for _, name, _, _ in Formatter().parse(path) if name],
    }
    if "description" in data:
        found["description"] = data["description"]
    problems = [400, 414, 421, 422, 431]  # of the request's target and its headers
    if scope is not None:
        found["security"] = [{"token": [str(scope)]}]
        problems += [401, 403, 429]
    responses = answers({}, *problems) | data["responses"]
    found["responses"] = {status: _answer(responses[status], data["produces"]) for status in sorted(responses)}
    found["parameters"] += [dict(parameter) for parameter in data["parameters"]]
    for item in data["schemas"]:
        if item["location"] == "querystring":
            found["parameters"].append({"in": "query", "schema": type(item["schema"])})
        else:
            body = _body(item["schema"])
            found["requestBody"] = {"required": True, "content": dict.fromkeys(types, body)}
    return found


def _path_parameter(name: str) -> dict[str, Any]:
    if name == "id":
        schema = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
        return {"in": "path", "name": name, "required": True, "schema": schema, "example": 1}
    schema = {"type": "string", "pattern": schemas.TOKEN_NAME["pattern"]}
    return {"in": "path", "name": name, "required": True, "schema": schema, "example": schemas.TOKEN_NAME["example"]}


def _body(schema: Schema) -> dict[str, Any]:
    if isinstance(schema, schemas.Batch):
        kinds = [schemas.BatchCreate, schemas.BatchUpdate, schemas.BatchDelete]
        example = [
            {"op": "create", "task": {"description": "Water the plants"}},
            {"op": "update", "id": 1, "patch": {"done": True}},
        ]
        return {
            "schema": {"type": "array", "minItems": 1, "maxItems": schemas.BATCH_MAX, "items": {"oneOf": kinds}},
            "example": example,
        }
    return {"schema": type(schema), "example": _EXAMPLES[type(schema)]}


def _answer(answer: dict[str, Any], produces: list[str]) -> dict[str, Any]:
    """A copy, since apispec resolves schemas in place."""
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
