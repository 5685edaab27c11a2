"""A client of the API that checks every response against the service's own description."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import jsonschema_rs
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from jsonschema import Draft202012Validator, FormatChecker
from multidict import CIMultiDictProxy
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from yarl import URL

from api.form import check_form

PROBLEM = "application/problem+json"
TYPE_PREFIX = "urn:tasksvc:problem:"
JSON = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    """A response of the service."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    url: URL
    """The URL of the request."""

    def target(self, reference: str) -> str:
        """Returns the path and query that a reference in this response leads to (RFC 3986, section 5)."""
        return str(self.url.join(URL(reference, encoded=True)).relative())

    @property
    def location(self) -> str | None:
        """Returns the path that the Location header leads to."""
        return self.target(self.headers["Location"]) if "Location" in self.headers else None

    @property
    def json(self) -> Any:
        """Returns the body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def problem(self) -> str:
        """Returns the last part of the type of a problem document."""
        assert self.type == PROBLEM, (self.status, self.type, self.body)
        return str(self.json["type"]).removeprefix(TYPE_PREFIX)

    @property
    def fields(self) -> dict[str, str]:
        """Returns the messages of a 422, by field."""
        return {error["field"]: error["message"] for error in self.json["errors"]}


class Description:
    """The service's OpenAPI document, which responses are checked against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]*", path)).fullmatch, path) for path in document["paths"]]
        self._paths.sort(key=lambda item: item[1].count("{"))
        self._registry = jsonschema_rs.Registry([("urn:api", document)])
        self._validator = cache(self._make_validator)
        rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", document["info"]["description"], re.MULTILINE)
        self.usual_errors = {(int(status), name) for status, name in rows}
        """Errors that every operation can answer with: the status and the last part of the type."""

    def judge(self, method: str, path: str, answer: Answer) -> None:
        """Raises AssertionError if `answer` isn't as described."""
        said = f"{method} {path} -> {answer.status} {answer.body[:500]!r}"
        check_form(answer.status, answer.headers, answer.body)
        template = next((template for matches, template in self._paths if matches(path)), "")
        operation = self.document["paths"].get(template, {}).get("get" if method == "HEAD" else method.lower())
        if answer.status >= 400:
            self._judge_problem(answer, said, with_body=method != "HEAD")
        if operation is None:
            return
        if answer.status >= 400:
            expected = self.usual_errors | set(particular_errors(operation))
            name = answer.problem if method != "HEAD" else None
            assert any(answer.status == status and name in (None, of) for status, of in expected), f"unknown: {said}"
            return
        assert str(answer.status) in operation["responses"], f"not described: {said}"
        content = operation["responses"][str(answer.status)].get("content", {})
        assert answer.type in content or (not content and not answer.body), f"another type: {answer.type}, {said}"
        schema = content.get(answer.type, {}).get("schema")
        if method != "HEAD" and schema is not None and answer.type == "application/json":
            pointer = "/".join(
                part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
                for part in ("paths", template, method.lower(), "responses", str(answer.status), "content", answer.type)
            )
            self._validate(f"#/{pointer}/schema", answer, said)

    def _judge_problem(self, answer: Answer, said: str, *, with_body: bool) -> None:
        assert answer.type == PROBLEM, f"no problem document: {said}"
        if with_body:
            self._validate("#/components/schemas/Problem", answer, said)
            assert answer.json["status"] == answer.status, said

    def _make_validator(self, pointer: str) -> jsonschema_rs.Draft202012Validator:
        """Returns what validates thousands of responses, which `jsonschema` takes milliseconds for."""
        return jsonschema_rs.Draft202012Validator(
            {"$ref": f"urn:api{pointer}"}, registry=self._registry, validate_formats=True
        )

    def _validate(self, pointer: str, answer: Answer, said: str) -> None:
        try:
            self._validator(pointer).validate(answer.json)
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(f"{said} is not as described: {error}") from None


def particular_errors(operation: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Returns the errors that an operation lists, each with the last part of the type in its example."""
    for status, answer in operation["responses"].items():
        if status.startswith(("4", "5")):
            for example in examples_of(answer["content"][PROBLEM]):
                yield int(status), example["type"].removeprefix(TYPE_PREFIX)


def examples_of(media: dict[str, Any]) -> list[Any]:
    """Returns the examples of a body, of which there is one or are several with names."""
    return [named["value"] for named in media["examples"].values()] if "examples" in media else [media["example"]]


def validator(document: dict[str, Any], schema: str | dict[str, Any]) -> Draft202012Validator:
    """Returns a validator by the schema at a place in an OpenAPI document (#/components/schemas/TaskIn)."""
    registry = Registry().with_resource("urn:api", DRAFT202012.create_resource(document))
    place = {"$ref": f"urn:api{schema}"} if isinstance(schema, str) else _anchored(schema)
    return Draft202012Validator(place, registry=registry, format_checker=FormatChecker())


def _anchored(schema: Any) -> Any:
    """Returns `schema` with its references resolved against the document."""
    if isinstance(schema, list):
        return [_anchored(item) for item in schema]
    if isinstance(schema, dict):
        return {name: f"urn:api{value}" if name == "$ref" else _anchored(value) for name, value in schema.items()}
    return schema


class Api:
    """Calls the service and checks each response."""

    def __init__(self, client: TestClient[web.Request, web.Application], description: Description) -> None:
        self.client, self.description = client, description

    async def __call__(self, method: str, path: str, headers: Any = None, body: bytes | None = None) -> Answer:
        """Sends a request and returns its response."""
        url, data = URL(path, encoded=True), None if body is None else io.BytesIO(body)
        async with self.client.request(method, url, headers=headers, data=data, allow_redirects=False) as response:
            answer = await read(response)
        self.description.judge(method, url.path, answer)
        return answer

    async def get(self, path: str, **headers: str) -> Answer:
        """Sends a GET. Names of headers have _ for -."""
        return await self("GET", path, _dashed(headers))

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Sends a POST with a JSON body."""
        return await self("POST", path, JSON | _dashed(headers), json.dumps(body, ensure_ascii=False).encode())

    async def patch(self, path: str, body: Any, **headers: str) -> Answer:
        """Sends a PATCH with a JSON body."""
        return await self("PATCH", path, JSON | _dashed(headers), json.dumps(body, ensure_ascii=False).encode())

    async def delete(self, path: str, **headers: str) -> Answer:
        return await self("DELETE", path, _dashed(headers))

    async def new(self, description: str = "buy milk", **fields: Any) -> dict[str, Any]:
        """Creates a task and returns its representation."""
        answer = await self.post("/tasks/", {"description": description, **fields})
        assert answer.status == 201, answer
        task: dict[str, Any] = answer.json
        return task

    async def many(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Creates tasks, in batches."""
        made = []
        for start in range(0, len(tasks), 1000):
            operations = [{"op": "create", "task": task} for task in tasks[start : start + 1000]]
            answer = await self.post("/tasks/batch", operations)
            assert answer.status == 200, answer
            made += [result["task"] for result in answer.json["results"]]
        return made

    async def position(self) -> str:
        """Returns the position at which the change log ends."""
        return (await self.get("/tasks/?limit=1")).headers["X-Change-Seq"]


async def read(response: ClientResponse) -> Answer:
    """Reads the whole of a response."""
    return Answer(response.status, response.headers, await response.read(), response.url)


def next_page(answer: Answer) -> str | None:
    """Returns where the `next` link of a page leads."""
    link = answer.headers.get("Link")
    if link is None:
        return None
    found = re.fullmatch(r'<(.*)>; rel="next"', link)
    assert found is not None, link
    return answer.target(found[1])


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def lines_of(answer: Answer) -> list[Any]:
    """Returns the values of a response in JSON Lines."""
    assert answer.body == b"" or answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.splitlines()]


def case_id(value: object) -> str:
    """Returns a short name for a test case, the same in every process."""
    return ascii(sorted(value) if isinstance(value, set) else value)[:40]
