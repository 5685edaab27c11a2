"""What a plugin may import, beside `tasksvc` itself: from tasksvc.plugin import ...

A plugin adds routes, background work, a way to log in, settings, metrics and checks to the service.  docs/plugins.md
explains the whole, `help(tasksvc.plugin.NAME)` describes one name, and `tasksvc.testing.plugin` runs a service for the
tests of a plugin.

Hooks, which `tasksvc.api.plugins.hookspecs` describes
    hookimpl                 marks the functions that implement hooks
    VERSION                  the version of the hooks and of this module, which a plugin declares as PLUGIN
    Setting                  a flag of `tasksvc serve`, for tasksvc_settings
    RouteGroup, Route        routes, for tasksvc_routes; in_workspaces and in_home place a group
    RequestLogin             a way to know callers, for tasksvc_authenticate
    Metric                   a metric, for tasksvc_metrics

The service
    Service                  the running service, as a plugin may use it
    Tasks                    what can be done with the tasks of a workspace
    Records, Put, Delete     the records of a plugin, and writes of several at once
    Lease                    what one of several processes has at a time
    Consumer, Start          calls a function with every change of every workspace; where it begins
    Limits, Timeouts         how much the service accepts, and how long it waits

Requests
    Scope, Caller            what a caller may do, and who it is
    caller_of, name_of       the caller of a request, and their name for the change log
    workspace_of, home_of    the workspace that a request is for, and the home of its caller
    body_of, query_of        the body and the query string as their schemas loaded them; raw_body_of gives bytes
    idempotency_key_of       the Idempotency-Key of a request
    parse_position           the position that a client sent
    format_position          a position as clients have it

Answers
    json_response            a response with JSON, which is a RawResponse
    StreamingResponse        a response that is sent in chunks, as they are made
    change_json              a change as /changes and its streams show it
    StaticContent            a file that stays as it is, with its entity tag, and compressed for those who take that
    RequestError             the base of errors that a handler raises, which become problem documents (RFC 9457)
    InvalidRequest           fields of a request aren't valid; FieldError says of each what is wrong
    Forbidden                the caller may not do this

Description and validation
    operation, responses     the description of a handler in the OpenAPI document; Refusal is an error in it, and
                             IDEMPOTENCY_KEY a header
    StrictSchema, Query      bases of schemas of bodies and query strings, which refuse what they don't know
    ResponseSchema           the base of schemas of responses; ResponseInteger is a field of one
    StrictString, StrictBoolean, StrictInteger, StrictNested, Date, UTCDateTime, QueryInteger, QueryBoolean,
    QueryStringList          fields
    Choice, checked_by       a validator of one of some texts, and what makes a validator of a function
    described                makes the metadata of a field
    WORKSPACE_NAME           the bounds of a name of a workspace, for the metadata of a field
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tasksvc.api.openapi.decorators import Refusal, operation, responses
from tasksvc.api.pipeline.clients import RequestLogin, caller_of, name_of
from tasksvc.api.plugins.extensions import Metric, Setting
from tasksvc.api.plugins.hookspecs import VERSION
from tasksvc.api.plugins.service import Service
from tasksvc.api.requests.idempotency import IDEMPOTENCY_KEY, idempotency_key_of
from tasksvc.api.requests.positions import format_position, parse_position
from tasksvc.api.requests.validation import BODY, QUERY, RAW
from tasksvc.api.requests.workspaces import home_of, workspace_of
from tasksvc.api.responses.problems import FieldError, Forbidden, InvalidRequest, RequestError
from tasksvc.api.responses.raw import RawResponse, json_response
from tasksvc.api.responses.sse import change_json
from tasksvc.api.responses.static_content import StaticContent
from tasksvc.api.responses.streaming import StreamingResponse
from tasksvc.api.routes import Route, RouteGroup, in_home, in_workspaces
from tasksvc.api.schemas.fields import (
    Choice,
    Date,
    Query,
    QueryBoolean,
    QueryInteger,
    QueryStringList,
    ResponseInteger,
    ResponseSchema,
    StrictBoolean,
    StrictInteger,
    StrictNested,
    StrictSchema,
    StrictString,
    UTCDateTime,
    checked_by,
    described,
)
from tasksvc.api.schemas.workspaces import WORKSPACE_NAME
from tasksvc.application.callers import Caller, Scope
from tasksvc.application.consumers import Consumer, Start
from tasksvc.application.leases import Lease
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.plugin_records import Delete, Put, Records
from tasksvc.application.tasks import Tasks
from tasksvc.ports.hookspecs import hookimpl

__all__ = [
    "IDEMPOTENCY_KEY",
    "VERSION",
    "WORKSPACE_NAME",
    "Caller",
    "Choice",
    "Consumer",
    "Date",
    "Delete",
    "FieldError",
    "Forbidden",
    "InvalidRequest",
    "Lease",
    "Limits",
    "Metric",
    "Put",
    "Query",
    "QueryBoolean",
    "QueryInteger",
    "QueryStringList",
    "RawResponse",
    "Records",
    "Refusal",
    "RequestError",
    "RequestLogin",
    "ResponseInteger",
    "ResponseSchema",
    "Route",
    "RouteGroup",
    "Scope",
    "Service",
    "Setting",
    "Start",
    "StaticContent",
    "StreamingResponse",
    "StrictBoolean",
    "StrictInteger",
    "StrictNested",
    "StrictSchema",
    "StrictString",
    "Tasks",
    "Timeouts",
    "UTCDateTime",
    "body_of",
    "caller_of",
    "change_json",
    "checked_by",
    "described",
    "format_position",
    "home_of",
    "hookimpl",
    "idempotency_key_of",
    "in_home",
    "in_workspaces",
    "json_response",
    "name_of",
    "operation",
    "parse_position",
    "query_of",
    "raw_body_of",
    "responses",
    "workspace_of",
]


def body_of(request: web.Request) -> Any:
    """Returns the body of a request as the schema of its operation loaded it."""
    return request[BODY]


def raw_body_of(request: web.Request) -> bytes:
    """Returns the bytes of the body of a request, for a route that is `raw` or has a schema of its body."""
    return request[RAW]


def query_of(request: web.Request) -> Any:
    """Returns the query string of a request as the schema of its operation loaded it."""
    return request[QUERY]
