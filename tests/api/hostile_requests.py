"""Hostile requests, byte by byte, and the response that each of them gets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import NamedTuple

BODY_MAX = 256 * 1024
BATCH_MAX = 8 * 1024 * 1024


class Hostile(NamedTuple):
    """A request, as bytes, and what is expected."""

    name: str
    sent: bytes
    status: int | None
    """The status of the response, or None if the client leaves before the response is due."""
    leaves: bool = False
    """Whether the client closes its side after the request."""


def head(line: str | bytes, *headers: str | bytes, host: str | None = "localhost") -> bytes:
    """Returns the head of a request, as it goes over the wire."""
    lines = [line, *([] if host is None else [f"Host: {host}"]), *headers, "", ""]
    return b"\r\n".join(each if isinstance(each, bytes) else each.encode() for each in lines)


def get(target: str | bytes, *headers: str | bytes) -> bytes:
    """Returns a GET request for `path`."""
    target = target if isinstance(target, bytes) else target.encode()
    return head(b"GET %b HTTP/1.1" % target, *headers)


def send(
    body: str | bytes, *headers: str | bytes, line: str = "POST /tasks/ HTTP/1.1", kind: str | None = "application/json"
) -> bytes:
    """Returns a request with a JSON body."""
    body = body if isinstance(body, bytes) else body.encode()
    described = [] if kind is None else [f"Content-Type: {kind}"]
    return head(line, *described, *headers, f"Content-Length: {len(body)}") + body


def chunked(*chunks: bytes, line: str = "POST /tasks/ HTTP/1.1") -> bytes:
    """Returns a request with a body in chunks."""
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return head(line, "Content-Type: application/json", "Transfer-Encoding: chunked") + pieces


def framed(*headers: str, body: bytes = b"{}", line: str = "POST /tasks/ HTTP/1.1") -> bytes:
    """Returns a request whose framing is given by `headers` alone."""
    return head(line, "Content-Type: application/json", *headers) + body


# ---------------------------------------------------------------- invalid JSON


def json_bodies() -> Iterator[Hostile]:
    broken: list[tuple[str, str | bytes]] = [
        ("empty", ""),
        ("blank", " \r\n\t"),
        ("a word", "hello"),
        ("a form", "description=x"),
        ("an open object", '{"description":"x"'),
        ("an open string", '{"description":"x'),
        ("a closed object only", "}"),
        ("trailing brace", '{"description":"x"}}'),
        ("two documents", '{"description":"x"}{"description":"y"}'),
        ("trailing comma", '{"description":"x",}'),
        ("trailing NUL", '{"description":"x"}\0'),
        ("trailing form feed", '{"description":"x"}\f'),
        ("trailing garbage", b'{"description":"x"}\xff\xfe'),
        ("single quotes", "{'description':'x'}"),
        ("a bare name", '{description:"x"}'),
        ("a comment", '{"description":"x"/* */}'),
        ("a raw newline in a text", '{"description":"a\nb"}'),
        ("a raw NUL in a text", '{"description":"a\0b"}'),
        ("a raw tab in a text", '{"description":"a\tb"}'),
        ("an unknown escape", '{"description":"\\x41"}'),
        ("half an escape", '{"description":"\\u12"}'),
        ("NaN", '{"description":"x","metadata":{"n":NaN}}'),
        ("Infinity", '{"description":"x","metadata":{"n":Infinity}}'),
        ("-Infinity", '{"description":"x","metadata":{"n":-Infinity}}'),
        ("NaN alone", "NaN"),
        ("leading zeros", '{"description":"x","priority":01}'),
        ("a plus sign", '{"description":"x","priority":+1}'),
        ("a hexadecimal number", '{"description":"x","priority":0x1}'),
        ("a number that ends in a point", '{"description":"x","priority":1.}'),
        ("5,000 digits", '{"description":"x","metadata":{"n":' + "9" * 5_000 + "}}"),
        ("5,000 digits alone", "9" * 5_000),
        ("250,000 digits", '{"description":"x","priority":' + "9" * 250_000 + "}"),
        ("a name twice", '{"description":"x","description":"y"}'),
        ("a name twice, written in two ways", '{"description":"x","\\u0064escription":"y"}'),
        ("a name twice below", '{"description":"x","metadata":{"a":{"b":1,"b":1}}}'),
        ("a name twice after 20,000 others", "{" + "".join(f'"{n}":0,' for n in range(20_000)) + '"x":0,"x":0}'),
        ("a byte order mark", b'\xef\xbb\xbf{"description":"x"}'),
        ("UTF-16", '{"description":"x"}'.encode("utf-16")),
        ("UTF-16, little end", '{"description":"x"}'.encode("utf-16-le")),
        ("UTF-32", '{"description":"x"}'.encode("utf-32-be")),
        ("Latin-1", '{"description":"é"}'.encode("latin-1")),
        ("an overlong slash", b'{"description":"\xc0\xaf"}'),
        ("a surrogate in UTF-8", b'{"description":"\xed\xa0\x80"}'),
        ("a pair of surrogates in UTF-8", b'{"description":"\xed\xa0\xbd\xed\xb8\x80"}'),
        ("beyond Unicode", b'{"description":"\xf4\x90\x80\x80"}'),
        ("a torn character", b'{"description":"\xe2\x82"}'),
        ("only bytes", bytes(range(256))),
        ("gzip that says nothing of it", gzip.compress(b'{"description":"x"}')),
        ("100,000 open arrays", "[" * 100_000),
        ("100,000 arrays", "[" * 100_000 + "]" * 100_000),
        ("40,000 objects", '{"a":' * 40_000 + "1" + "}" * 40_000),
        ("100,000 arrays in metadata", '{"description":"x","metadata":{"a":' + "[" * 100_000 + "]" * 100_000 + "}}"),
        ("65 levels", '{"description":"x","metadata":{"a":' + "[" * 64 + "]" * 64 + "}}"),
    ]
    for name, body in broken:
        yield Hostile(f"body: {name}", send(body), 400)
    for scalar in ("null", "true", "1", "1.5", '"x"', "[]", '[{"description":"x"}]', "-0", "1e400"):
        yield Hostile(f"body: {scalar}", send(scalar), 422)
    anywhere: list[tuple[str, str | bytes]] = [
        ("empty", ""),
        ("deep", "[" * 100_000),
        ("digits", "9" * 5_000),
        ("UTF-16", "{}".encode("utf-16")),
    ]
    for line in ("PATCH /tasks/1 HTTP/1.1", "POST /tasks/batch HTTP/1.1"):
        for name, body in anywhere:
            yield Hostile(f"{line}: {name}", send(body, line=line), 400)
    yield Hostile(
        "batch: a name twice after 20,000 others",
        send(
            '[{"op":"create","task":{' + "".join(f'"{n}":0,' for n in range(20_000)) + '"x":0,"x":0}}]',
            line="POST /tasks/batch HTTP/1.1",
        ),
        400,
    )
    yield Hostile(
        "batch: one operation of a mebibyte",
        send(
            '[{"op":"create","task":{' + "".join(f'"{n}":0,' for n in range(100_000)), line="POST /tasks/batch HTTP/1.1"
        ),
        413,
    )
    yield Hostile(
        "batch: 400,000 unknown names",
        send(
            "[" + ",".join(['{"op":"create","task":{' + ",".join(f'"{n}":0' for n in range(400)) + "}}"] * 1_000) + "]",
            line="POST /tasks/batch HTTP/1.1",
        ),
        422,
    )
    yield Hostile("body: 20,000 unknown names", send("{" + ",".join(f'"{n}":0' for n in range(20_000)) + "}"), 422)
    yield Hostile(
        "body: 32 levels of metadata", send('{"description":"x","metadata":' + '{"a":' * 32 + "1" + "}" * 32 + "}"), 201
    )
    yield Hostile("body: a number near nothing", send('{"description":"x","metadata":{"n":1e-400}}'), 201)


# ---------------------------------------------------------------- types, charsets, codings, sizes


def descriptions_of_bodies() -> Iterator[Hostile]:
    fine = '{"description":"x"}'
    for kind in (
        None,
        "",
        "text/plain",
        "text/json",
        "json",
        "application",
        "application/",
        "/",
        "application/jsonp",
        "application/json+x",
        "application/problem+json",
        "application/merge-patch+json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json, text/html",
        "*/*",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=nonsense",
        'application/json; charset=""',
        "application/json; charset=idna",
        "application/json; charset=base64",
        "application/json; charset=" + "x" * 5_000,
    ):
        yield Hostile(f"type: {str(kind)[:40]}", send(fine, kind=kind), 415)
    for kind in (
        "application/json;",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json; charset=utf8",
        "application/json; v=1",
    ):
        yield Hostile(f"type: {kind}", send(fine, kind=kind), 201)
    yield Hostile("type: twice", send(fine, "Content-Type: text/plain"), 400)
    yield Hostile(
        "type: UTF-7", send("{+ACI-description+ACI-:+ACI-x+ACI-}", kind="application/json; charset=utf-7"), 415
    )
    yield Hostile("type: bytes", send(fine, b"Content-Type: application/json; charset=\xff\xfe", kind=None), 415)
    for coding in ("gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "x"):
        yield Hostile(f"coding: {coding}", send(gzip.compress(fine.encode()), f"Content-Encoding: {coding}"), 415)
    yield Hostile("coding: nothing", send(fine, "Content-Encoding:"), 415)
    bomb = gzip.compress(b"[" * 50_000_000)
    yield Hostile("coding: a bomb", send(bomb, "Content-Encoding: gzip"), 415)

    padded = fine.encode() + b" " * (BODY_MAX - len(fine))
    yield Hostile("size: just the limit", send(padded), 201)
    yield Hostile("size: one byte more", send(padded + b" "), 413)
    yield Hostile("size: one byte more in chunks", chunked(padded, b" "), 413)
    endless = b"%x\r\n%b\r\n" % (BODY_MAX + 1, b" " * (BODY_MAX + 1))
    yield Hostile("size: chunks without an end", framed("Transfer-Encoding: chunked", body=endless), 413)
    yield Hostile("size: 64 chunks", chunked(*[b" " * 8_192] * 64), 413)
    yield Hostile("size: 100,000 chunks of a byte", chunked(*[b" "] * 100_000), 400)
    for size in (BODY_MAX + 1, 10**9, 10**18, 2**63 - 1):
        yield Hostile(f"size: {size} declared", framed(f"Content-Length: {size}", body=b""), 413)
        yield Hostile(
            f"size: {size} declared and asked for",
            framed(f"Content-Length: {size}", "Expect: 100-continue", body=b""),
            413,
        )
    yield Hostile(
        "size: a patch", framed(f"Content-Length: {BODY_MAX + 1}", body=b"", line="PATCH /tasks/1 HTTP/1.1"), 413
    )
    yield Hostile(
        "size: a batch", framed(f"Content-Length: {BATCH_MAX + 1}", body=b"", line="POST /tasks/batch HTTP/1.1"), 413
    )
    yield Hostile(
        "size: a token", framed(f"Content-Length: {BODY_MAX + 1}", body=b"", line="POST /admin/tokens HTTP/1.1"), 403
    )


# ---------------------------------------------------------------- fields

WRONG_FIELDS = {
    "description": [
        "null",
        "true",
        "1",
        "1.5",
        "[]",
        "{}",
        '""',
        '" "',
        '"\\t\\n\\u2003"',
        '"\\u0000"',
        '"a\\u0000b"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"x\\udfff"',
        json.dumps("x" * 10_001),
    ],
    "done": ["null", "0", "1", '"true"', "[]", "{}", '""'],
    "due_at": [
        "0",
        "1e9",
        "true",
        '""',
        '"tomorrow"',
        '"2026-11-24"',
        '"2026-11-24 15:00:00Z"',
        '"2026-11-24T15:00:00"',
        '"2026-11-24T24:00:00Z"',
        '"2026-12-31T23:59:60Z"',
        '"2026-02-29T00:00:00Z"',
        '"2026-11-24T15:00:00+24:00"',
        '"0000-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59-01:00"',
        '"2026-11-24T15:00:00Z\\n"',
        '"\\u0662026-11-24T15:00:00Z"',
        "[]",
        "{}",
    ],
    "priority": [
        "null",
        "true",
        '"1"',
        "-1",
        "10",
        "1.5",
        "1e1",
        "1.9",
        "9223372036854775808",
        "1e400",
        "9" * 401,
        "[]",
        "{}",
    ],
    "labels": [
        "null",
        '"home"',
        "{}",
        "1",
        "[null]",
        "[1]",
        "[[]]",
        '[""]',
        '["\\u0000"]',
        '["\\ud800"]',
        json.dumps(["x" * 101]),
        json.dumps([str(n) for n in range(51)]),
    ],
    "metadata": [
        "null",
        "[]",
        '"x"',
        "1",
        "true",
        '{"a":9007199254740992}',
        '{"a":-9007199254740992}',
        '{"a":9223372036854775808}',
        '{"a":1e400}',
        '{"a":-1e400}',
        '{"a":"\\u0000"}',
        '{"\\u0000":1}',
        '{"a":"\\ud800"}',
        '{"\\udfff":1}',
        json.dumps({"a": "x" * 16_384}),
        '{"a":' * 33 + "1" + "}" * 33,
        '{"a":[["\\ud800"]]}',
    ],
    "parent_id": [
        "0",
        "-1",
        '"1"',
        "99999",
        "1.5",
        "true",
        "[]",
        "9223372036854775807",
        "9223372036854775808",
        "1e400",
    ],
    "uid": ['""', '"\\u0000"', '"\\ud800"', '"a\\nb"', '"\\u200b"', "7", "[]", f'"{"x" * 256}"'],
    "created_at": ['"now"', '"2999-01-01T00:00:00Z"', "1", '"2026-11-24"', '"0001-01-01T00:00:00+01:00"'],
    "completed_at": ['"now"', '"2020-01-01T00:00:00Z"', "1", "[]"],
}
FOREIGN_FIELDS = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "completed_at",
    "title",
    "Description",
    "description ",
    "",
    "_schema",
    "__proto__",
    "__class__",
    "\\u0000",
    "\\ud800",
    "a.b",
    "x" * 10_000,
]


def fields() -> Iterator[Hostile]:
    for name, values in WRONG_FIELDS.items():
        for value in values:
            others = "" if name == "description" else '"description":"x",'
            yield Hostile(f"field: {name} = {value[:30]}", send(f'{{{others}"{name}":{value}}}'), 422)
    for name, values in WRONG_FIELDS.items():
        for value in values[:4]:
            if value != "null" or name == "description":
                yield Hostile(
                    f"patch: {name} = {value[:30]}", send(f'{{"{name}":{value}}}', line="PATCH /tasks/1 HTTP/1.1"), 422
                )
    for name in FOREIGN_FIELDS:
        yield Hostile(f"field: {name[:20]}", send(f'{{"description":"x","{name}":1}}'), 422)
        yield Hostile(f"patch: {name[:20]}", send(f'{{"{name}":1}}', line="PATCH /tasks/1 HTTP/1.1"), 422)
    for operation in (
        '{"op":"drop"}',
        '{"op":["create"]}',
        '{"op":{}}',
        '{"op":null}',
        '{"op":"create"}',
        '{"op":"create","task":null}',
        '{"op":"update","id":1}',
        '{"op":"update","id":"1","patch":{}}',
        '{"op":"update","id":9223372036854775808,"patch":{}}',
        '{"op":"delete","id":1.5}',
        '{"op":"delete","id":9007199254740992.0}',
        '{"op":"delete","id":-1}',
        '{"op":"delete","id":1,"if_match":"x"}',
        '{"op":"delete","id":1,"children":"keep"}',
        '{"op":"delete","id":1,"children":null}',
        '{"op":"restore","id":1}',
        '{"op":"restore","id":1,"version":0}',
        '{"op":"restore","id":1,"version":9223372036854775808}',
        '{"op":"restore","version":1}',
        '{"op":"delete","id":1,"if_match":"\\ud800"}',
        "[]",
        "0",
        "null",
    ):
        yield Hostile(f"batch: {operation}", send(f"[{operation}]", line="POST /tasks/batch HTTP/1.1"), 422)


# ---------------------------------------------------------------- ids and other paths

NO_IDS = [
    "0",
    "-1",
    "+1",
    "01",
    "00",
    "-0",
    "1.0",
    "1.",
    ".1",
    "1e3",
    "1E0",
    "0x1",
    "0b1",
    "1_0",
    "1,0",
    "1n",
    "%201",
    "1%20",
    "%2B1",
    "1%0A",
    "%0D%0A1",
    "%09",
    "%00",
    "1%00",
    "%001",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551617",
    "1" + "0" * 400,
    "9" * 5_000,
    "%D9%A1",
    "%EF%BC%91",
    "%C2%B2",
    "%E2%85%A0",
    "%F0%9D%9F%8F",
    "%FF",
    "%ED%A0%80",
    "%zz",
    "%",
    "%2",
    "%2531",
    "1;x=1",
    "1%3Fx",
    "null",
    "undefined",
    "NaN",
    "true",
    "self",
    "%22",
    "%27%20OR%201=1",
    "<script>",
    "%3Cscript%3E",
    "1%2F2",
    "1%5C2",
    "..%2F1",
    "x" * 7_000,
]


def paths() -> Iterator[Hostile]:
    for task_id in NO_IDS:
        yield Hostile(f"id: {task_id[:30]}", get(f"/tasks/{task_id}"), 404)
    for task_id in ("0", "-1", "%00", "9223372036854775808", "1" + "0" * 400, "1.0", "%D9%A1"):
        yield Hostile(f"delete: {task_id[:30]}", head(f"DELETE /tasks/{task_id} HTTP/1.1"), 404)
        yield Hostile(f"patch: {task_id[:30]}", send('{"done":true}', line=f"PATCH /tasks/{task_id} HTTP/1.1"), 404)
    for task_id in ("0", "-1", "%00", "9223372036854775808", "1.0", "%D9%A1", "x" * 7_000):
        yield Hostile(f"history: {task_id[:30]}", get(f"/tasks/{task_id}/changes"), 404)
        yield Hostile(
            f"restore: {task_id[:30]}", send('{"version":1}', line=f"POST /tasks/{task_id}/restore HTTP/1.1"), 404
        )
    for body, status in (
        ("", 400),
        ("{}", 422),
        ('{"version":0}', 422),
        ('{"version":1e400}', 422),
        ('{"version":9223372036854775808}', 422),
        ('{"version":1,"version":1}', 400),
        ('{"version":2}', 404),
    ):
        yield Hostile(f"restore: {body}", send(body, line="POST /tasks/1/restore HTTP/1.1"), status)
    yield Hostile("id: an escaped digit", get("/tasks/%31"), 200)
    yield Hostile("id: a query that is empty", get("/tasks/1?"), 200)
    for path in (
        "/tasks//1",
        "//tasks/1",
        "/tasks/1/",
        "/tasks/./1/..",
        "/tasks/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cwindows",
        "/TASKS/",
        "/tasks;x",
        "/tasks%2F",
        "/docs/assets/..%2f..%2fapp.py",
        "/docs/assets/%00",
        "/.git/config",
        "/wp-login.php",
        "/cgi-bin/;id",
        "/%00",
        "/\\",
        "/~root",
        "/" + "a/" * 3_000,
        "/" + "%41" * 2_000,
        "/changes/",
        "/openapi.json/",
        "/tasks/batch/1",
    ):
        yield Hostile(f"path: {path[:30]}", get(path), 404)
    yield Hostile("path: too long", get("/" + "a" * 9_000), 414)
    yield Hostile("path: much too long", get("/" + "a" * 1_000_000), 414)
    for raw in (
        b"/tasks/\0",
        b"/tasks/\x01",
        b"/tasks/\x7f",
        b"/tasks/\xff",
        b"/tasks/ 1",
        b"/tasks/\t1",
        b"tasks/",
        b"",
        b"?q=x",
        b"\\tasks\\",
    ):
        yield Hostile(f"target: {raw!r}", get(raw), 400)
    for target, status in (
        ("http://localhost/tasks/", 200),
        ("http://evil.example/tasks/", 200),
        ("https://evil.example:8443/tasks/1", 200),
        ("http://user:password@localhost/tasks/", 200),
        ("http://localhost:99999999/tasks/", 400),
        ("http://[::1/tasks/", 400),
        ("http://", 400),
        ("//evil.example/tasks/", 404),
        ("*", 400),
        ("localhost:80", 400),
        ("javascript:alert(1)", 400),
        ("/tasks/#fragment", 200),
        ("/tasks/1#/../2", 200),
    ):
        yield Hostile(f"target: {target}", get(target), status)


# ---------------------------------------------------------------- query strings


def queries() -> Iterator[Hostile]:
    for query in ("q=%ff", "q=%c0%af", "q=%ed%a0%80", "q=%zz", "q=%", "q=%2", "label=%e2%82", "%ff=1", "limit=%31%"):
        yield Hostile(f"query: {query}", get(f"/tasks/?{query}"), 400)
    for query in (
        "q=",
        "q=%00",
        "q=a&q=b",
        "label=",
        "label=%00",
        "label=" + "x" * 101,
        "&".join(f"label={n}" for n in range(51)),
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=1.0",
        "limit=1e2",
        "limit=%D9%A1",
        "limit=+1",
        "limit=%2B1",
        "limit=01",
        "limit=" + "9" * 5_000,
        "limit=9223372036854775808",
        "limit=NaN",
        "limit=1&limit=1",
        "limit[]=1",
        "parent_id=",
        "parent_id=0",
        "parent_id=None",
        "parent_id=%D9%A1",
        "parent_id=9223372036854775808",
        "parent_id=" + "9" * 5_000,
        "parent_id=1&parent_id=none",
        "uid=",
        "uid=%00",
        "uid=a%0Ab",
        "uid=" + "x" * 256,
        "metadata",
        "metadata=1",
        "metadata=1&metadata.a=1",
        "metadata.a=1&metadata=1",
        "metadata[a]=1",
        "metadata.=1",
        "metadata..=1",
        "metadata.a.b.c.d=1",
        "metadata." + "a." * 3_000,
        "metadata.a=[]",
        "metadata.a={}",
        "metadata.a=%00",
        "metadata.%00=1",
        'metadata.a="%5cu0000"',
        'metadata.a="%5cud800"',
        "&".join(f"metadata.n{n}=1" for n in range(21)),
        "children=delete",
        "limit=1;sort=id",
        "done=1",
        "done=True",
        "done",
        "priority_min=10",
        "priority_min=-1",
        "due_before=now",
        "due_before=2026-11-24T15:00:00",
        "due_after=9999-99-99T99:99:99Z",
        "created_after=0",
        "updated_after=%00",
        "sort=",
        "sort=__class__",
        "sort=id,priority",
        "sort=+id",
        "after=",
        "after=x",
        "after=%00",
        "after=W10=",
        "after=" + "A" * 7_000,
        "after=eyJ9",
        "after=" + "W1tb" * 1_500,
        "x=1",
        "=",
        "=x",
        "__proto__=1",
        "&".join(f"p{n}=1" for n in range(900)),
        "<script>=1",
        "%0d%0aSet-Cookie:x=1",
    ):
        yield Hostile(f"query: {query[:40]}", get(f"/tasks/?{query}"), 422)
    for query in (
        "",
        "&&&",
        "q=" + "x" * 7_000,
        "q=%F0%9F%98%80",
        "q=%0d%0aSet-Cookie:%20x",
        "label=a&label=a",
        "limit=1000",
        "parent_id=none",
        "parent_id=9223372036854775807",
        "metadata.a",
        "metadata.a=" + "[" * 7_000,
        "metadata.a=" + "9" * 7_000,
        "metadata.a=1e999",
        "metadata.__proto__=1",
        "metadata.<script>=%0d%0aSet-Cookie:%20x",
    ):
        yield Hostile(f"query: {query[:40]}", get(f"/tasks/?{query}"), 200)
    yield Hostile("query: 10,000 parameters", get("/tasks/?" + "&".join(f"p{n}=1" for n in range(10_000))), 414)
    yield Hostile("query: raw bytes", get(b"/tasks/?q=\xff\xfe"), 400)
    for since in ("", "-1", "1", "x", "%00", "a-", "-1-1", "a-1-1", "A-1", "a-" + "9" * 5_000, "%D9%A0"):
        yield Hostile(f"since: {since[:30]}", get(f"/changes?since={since}"), 422)
        yield Hostile(f"history since: {since[:30]}", get(f"/tasks/1/changes?since={since}"), 422)
    for since in ("a-1", "0123456789abcdef-0", "0123456789abcdef-999999999999999999"):
        yield Hostile(f"history since: {since}", get(f"/tasks/1/changes?since={since}"), 410)
        yield Hostile(f"since: {since}", get(f"/changes?since={since}"), 410)
        yield Hostile(f"stream: {since}", get(f"/changes/stream?since={since}"), 410)
    for query in ("", "?sort=id", "?x=1", "?done=maybe", "?metadata=1", "?metadata.a=[]", "?parent_id=", "?uid="):
        yield Hostile(f"delete all{query}", head(f"DELETE /tasks/{query} HTTP/1.1"), 422)


# ---------------------------------------------------------------- methods, versions, invalid HTTP


def lines() -> Iterator[Hostile]:
    for method in ("PUT", "TRACE", "PROPFIND", "PURGE", "LINK", "M-SEARCH"):
        yield Hostile(f"method: {method}", head(f"{method} /tasks/ HTTP/1.1"), 405)
    for method in ("get", "Get", "BREW", "GETT", "G E T", "", "\0", "GET\0", "é", "GET,POST", "A" * 9_000):
        yield Hostile(f"method: {method[:20]!r}", head(f"{method} /tasks/ HTTP/1.1"), 400)
    yield Hostile("method: POST to one task", send("{}", line="POST /tasks/1 HTTP/1.1"), 405)
    yield Hostile("method: GET of the batch", get("/tasks/batch"), 405)
    yield Hostile("method: CONNECT", head("CONNECT localhost:80 HTTP/1.1"), 404)
    yield Hostile("method: CONNECT to elsewhere", head("CONNECT evil.example:443 HTTP/1.1"), 404)
    yield Hostile("method: OPTIONS of the server", head("OPTIONS * HTTP/1.1"), 204)
    yield Hostile(
        "method: override", get("/tasks/1", "X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE"), 200
    )
    for version in ("HTTP/0.9", "HTTP/2.0"):
        yield Hostile(f"version: {version}", head(f"GET /tasks/ {version}"), 505)
        yield Hostile(f"version: POST {version}", send('{"description":"x"}', line=f"POST /tasks/ {version}"), 505)
    yield Hostile("version: none", b"GET /tasks/\r\n\r\n", 505)
    for version in (
        "HTTP/1",
        "HTTP/1.",
        "HTTP/1.2",
        "HTTP/1.10",
        "HTTP/1.1.1",
        "HTTP/3.0",
        "HTTP/10.1",
        "HTTP/-1.1",
        "HTTP/x.y",
        "http/1.1",
        "HTTX/1.1",
        "HTTP 1.1",
        "HTTP/1.1 x",
        "ICE/1.0",
    ):
        yield Hostile(f"version: {version}", head(f"GET /tasks/ {version}"), 400)
    yield Hostile("version: HTTP/1.0", head("GET /tasks/ HTTP/1.0"), 200)
    for name, sent in (
        ("garbage", bytes(range(1, 256)) * 4),
        ("zeros", b"\0" * 1_000),
        ("TLS", bytes.fromhex("16030100c8010000c40303") + b"\0" * 190),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("SMTP", b"EHLO evil.example\r\n"),
        ("Redis", b"*1\r\n$4\r\nPING\r\n"),
        ("PROXY protocol", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /tasks/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("JSON", b'{"description":"x"}\r\n\r\n'),
        ("a megabyte", b"A" * 1_000_000),
    ):
        yield Hostile(f"no HTTP: {name}", sent, 400)
    yield Hostile("empty lines first", b"\r\n" * 50 + get("/tasks/"), 200)
    for name, sent in (
        ("nothing", b""),
        ("half a line", b"GET /tas"),
        ("half a head", b"GET /tasks/ HTTP/1.1\r\nHost: loc"),
        ("a head without its end", b"GET /tasks/ HTTP/1.1\r\nHost: localhost\r\n"),
        ("only empty lines", b"\r\n" * 100),
        ("half a body", framed("Content-Length: 100", body=b'{"description"')),
        ("half a chunk", framed("Transfer-Encoding: chunked", body=b'64\r\n{"description"')),
        ("no last chunk", framed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n")),
    ):
        yield Hostile(f"leaves after {name}", sent, None, leaves=True)


# ---------------------------------------------------------------- headers and framing


def headers() -> Iterator[Hostile]:
    for name, sent, status in (
        ("no Host", head("GET /tasks/ HTTP/1.1", host=None), 400),
        ("no Host in HTTP/1.0", head("GET /tasks/ HTTP/1.0", host=None), 421),
        ("two Hosts", get("/tasks/", "Host: localhost"), 400),
        ("a Host beside another", get("/tasks/", "Host: evil.example"), 400),
        ("an empty Host", head("GET /tasks/ HTTP/1.1", host=""), 421),
        ("a foreign Host", head("GET /tasks/ HTTP/1.1", host="evil.example"), 421),
        ("a foreign Host behind an own target", head("GET http://localhost/tasks/ HTTP/1.1", host="evil.example"), 421),
        ("a Host that begins well", head("GET /tasks/ HTTP/1.1", host="localhost.evil.example"), 421),
        ("a Host with a user", head("GET /tasks/ HTTP/1.1", host="localhost@evil.example"), 400),
        ("a Host with a space", head("GET /tasks/ HTTP/1.1", host="localhost evil.example"), 400),
        ("a Host with two ports", head("GET /tasks/ HTTP/1.1", host="localhost:80:80"), 400),
        ("a Host of bytes", head("GET /tasks/ HTTP/1.1", b"Host: \xff\xfe", host=None), 400),
        ("a long Host", head("GET /tasks/ HTTP/1.1", host="a" * 8_000), 400),
        ("a forwarded Host", get("/tasks/", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"), 200),
        ("Origin null", send('{"description":"x"}', "Origin: null"), 403),
        ("a foreign Origin", send('{"description":"x"}', "Origin: https://evil.example"), 403),
        ("an Origin on a DELETE", head("DELETE /tasks/1 HTTP/1.1", "Origin: https://evil.example"), 403),
        ("two Origins", send('{"description":"x"}', "Origin: http://localhost", "Origin: http://localhost"), 403),
        ("a long header", get("/tasks/", "X-Long: " + "a" * 9_000), 431),
        ("a header of a megabyte", get("/tasks/", "X-Long: " + "a" * 1_000_000), 431),
        ("a long header name", get("/tasks/", "X" * 9_000 + ": a"), 431),
        ("200 headers", get("/tasks/", *(f"X-{n}: a" for n in range(200))), 400),
        ("some large headers", get("/tasks/", *(f"X-{n}: {'a' * 8_000}" for n in range(4))), 200),
        ("120 large headers", get("/tasks/", *(f"X-{n}: {'a' * 8_000}" for n in range(120))), 431),
        ("no colon", get("/tasks/", "X-None"), 400),
        ("no name", get("/tasks/", ": a"), 400),
        ("a space before the colon", get("/tasks/", "X-Space : a"), 400),
        ("a folded line", get("/tasks/", "X-Folded: a\r\n b"), 400),
        ("a bare CR", get("/tasks/", b"X-Bare: a\rb"), 400),
        ("a bare LF", get("/tasks/", b"X-Bare: a\nX-Next: b"), 400),
        ("a NUL", get("/tasks/", b"X-Nul: a\0b"), 400),
        ("a control character", get("/tasks/", b"X-Bell: a\x07b"), 400),
        ("bytes in a name", get("/tasks/", b"X-\xff: a"), 400),
        ("bytes in a value", get("/tasks/", b"X-Bytes: \xff\xfe\xfd"), 200),
        ("bare line feeds everywhere", b"GET /tasks/ HTTP/1.1\nHost: localhost\n\n", 400),
        ("an Upgrade to WebSocket", get("/tasks/", "Connection: Upgrade", "Upgrade: websocket"), 200),
        (
            "an Upgrade to HTTP/2",
            send(
                '{"description":"x"}',
                "Connection: Upgrade, HTTP2-Settings",
                "Upgrade: h2c",
                "HTTP2-Settings: AAMAAABkAAQAAP__",
            ),
            201,
        ),
        ("an old WebSocket key", get("/tasks/", "Sec-WebSocket-Key1: x"), 400),
        ("a Connection that names framing", send('{"description":"x"}', "Connection: Content-Length"), 201),
        ("an unknown expectation", get("/tasks/1", "Expect: the-unexpected"), 200),
        ("an expectation of a path that is none", get("/nowhere", "Expect: 100-continue"), 404),
        ("a range", get("/tasks/", "Range: bytes=0-1"), 200),
        ("a range of a file beyond its end", get("/docs/assets/swagger.css", "Range: bytes=99999999-"), 200),
        ("Accept of nothing", get("/tasks/", "Accept: application/x-nothing;q=0"), 200),
        ("Authorization of nobody", get("/tasks/", "Authorization: Bearer x"), 200),
        ("a malformed If-None-Match", get("/tasks/1", "If-None-Match: x"), 400),
        ("commas for If-None-Match", get("/tasks/1", "If-None-Match: " + "," * 8_000), 400),
        (
            "spaces and commas for If-Match",
            head("DELETE /tasks/1 HTTP/1.1", 'If-Match: "a"' + " ," * 3_900 + " x"),
            400,
        ),
        ("a thousand tags", get("/tasks/1", "If-None-Match: " + ",".join(['"a.1"'] * 1_000)), 200),
        ("an empty Idempotency-Key", send('{"description":"x"}', "Idempotency-Key:"), 422),
        ("a long Idempotency-Key", send('{"description":"x"}', "Idempotency-Key: " + "k" * 256), 422),
        ("an Idempotency-Key of bytes", send('{"description":"x"}', b"Idempotency-Key: \xff\xfe"), 422),
        ("two Idempotency-Keys", send('{"description":"x"}', "Idempotency-Key: a", "Idempotency-Key: b"), 422),
        ("a Last-Event-ID that is none", get("/changes/stream", "Last-Event-ID: -1"), 422),
        ("a Last-Event-ID of bytes", get("/changes/stream", b"Last-Event-ID: \xff"), 422),
        ("a request id of bytes", get("/tasks/", b"X-Request-ID: \xff\xfe"), 200),
        ("a long request id", get("/tasks/", "X-Request-ID: " + "x" * 8_000), 200),
    ):
        yield Hostile(f"header: {name}", sent, status)
    for name, sent, status in (
        ("length and chunks", framed("Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
        ("chunks and length", framed("Transfer-Encoding: chunked", "Content-Length: 2", body=b"0\r\n\r\n"), 400),
        ("two lengths", framed("Content-Length: 2", "Content-Length: 3"), 400),
        ("one length twice", framed("Content-Length: 2", "Content-Length: 2"), 400),
        ("a list of lengths", framed("Content-Length: 2, 2"), 400),
        ("a negative length", framed("Content-Length: -1"), 400),
        ("a length with a sign", framed("Content-Length: +2"), 400),
        ("a hexadecimal length", framed("Content-Length: 0x2"), 400),
        ("a length with a space", framed("Content-Length: 2 2"), 400),
        ("a length that is empty", framed("Content-Length:"), 400),
        ("a length of Arabic digits", framed("Content-Length: \u0662"), 400),
        ("a length past 64 bits", framed("Content-Length: 99999999999999999999999"), 400),
        ("an unknown coding", framed("Transfer-Encoding: gzip"), 400),
        ("a coding under the chunks", framed("Transfer-Encoding: gzip, chunked", body=b"2\r\n{}\r\n0\r\n\r\n"), 501),
        ("chunks twice", framed("Transfer-Encoding: chunked, chunked", body=b"2\r\n{}\r\n0\r\n\r\n"), 400),
        (
            "chunks in two lines",
            framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
            400,
        ),
        ("chunks, then something", framed("Transfer-Encoding: chunked, identity", body=b"2\r\n{}\r\n0\r\n\r\n"), 400),
        ("nearly chunks", framed("Transfer-Encoding: xchunked"), 400),
        ("a quoted coding", framed('Transfer-Encoding: "chunked"'), 400),
        ("a chunk size that is none", framed("Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"), 400),
        ("a negative chunk", framed("Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n"), 400),
        ("a chunk size with a prefix", framed("Transfer-Encoding: chunked", body=b"0x2\r\n{}\r\n0\r\n\r\n"), 400),
        (
            "a chunk size past 64 bits",
            framed("Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            400,
        ),
        (
            "a chunk that is longer than it says",
            framed("Transfer-Encoding: chunked", body=b"1\r\n{}\r\n0\r\n\r\n"),
            400,
        ),
        ("a chunk that ends in a bare line feed", framed("Transfer-Encoding: chunked", body=b"2\n{}\n0\n\n"), 400),
        ("no chunk", framed("Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
        ("a trailer", framed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nX-Sum: 5\r\n\r\n"), 422),
        (
            "a length in a trailer",
            framed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
            400,
        ),
        (
            "an extension of 20,000 bytes",
            framed("Transfer-Encoding: chunked", body=b"2;" + b"a" * 20_000 + b"\r\n{}\r\n0\r\n\r\n"),
            422,
        ),
        (
            "chunks in HTTP/1.0",
            framed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n", line="POST /tasks/ HTTP/1.0"),
            422,
        ),
        ("a GET with a body", get("/tasks/1", "Content-Length: 5") + b"hello", 200),
        ("a GET with a body of a gigabyte", get("/tasks/1", "Content-Length: 1000000000"), 200),
        ("a DELETE with a body", head("DELETE /tasks/99999 HTTP/1.1", "Content-Length: 5") + b"hello", 404),
    ):
        yield Hostile(f"framing: {name}", sent, status)


HOSTILE = [*json_bodies(), *descriptions_of_bodies(), *fields(), *paths(), *queries(), *lines(), *headers()]
"""All hostile requests. They expect that task 1 exists."""
