"""The origin check, which protects the service from other web pages in the user's browser."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from multidict import CIMultiDict
from pytest_aiohttp.plugin import AiohttpClient

from api.api_client import JSON, Answer, Api
from api.conftest import connect
from tasksvc.api import LOOPBACK_HOSTS, Options, OriginCheck
from tasksvc.api.pipeline.origin_check import NOTED_MAX, Advice
from tasksvc.api.pipeline.trusted_proxies import TrustedProxies

BODY = b'{"description": "x"}'


@pytest.fixture
async def checked(aiohttp_client: AiohttpClient) -> Api:
    """The service as it runs on a user's own machine."""
    return await connect(aiohttp_client, "memory://", Options(origin_check=OriginCheck(LOOPBACK_HOSTS)))


@pytest.fixture
async def public(aiohttp_client: AiohttpClient) -> Api:
    """The service as it runs where it has several names."""
    return await connect(aiohttp_client, "memory://", Options(origin_check=OriginCheck(None)))


async def post(api: Api, headers: dict[str, str]) -> Answer:
    return await api("POST", "/tasks/", JSON | headers, BODY)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "localhost:8000", "localhost:", "localhost.", "localhost.:8000"),
        *("127.0.0.1", "127.0.0.1:8000", "127.1.2.3", "[::1]", "[::1]:8000", "[::1]:", "[0:0:0:0:0:0:0:1]"),
    ],
)
async def test_the_names_of_this_machine_are_answered(checked: Api, host: str) -> None:
    assert (await checked.get("/tasks/", Host=host)).status == 200
    assert (await post(checked, {"Host": host})).status == 201


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8000",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "[::]",
        "128.0.0.1",
        "localhost..",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/tasks/", "/tasks/1", "/docs", "/openapi.json", "/metrics", "/nowhere"])
async def test_a_foreign_name_is_not_answered(checked: Api, host: str, path: str) -> None:
    answer = await checked.get(path, Host=host)

    assert (answer.status, answer.problem) == (421, "foreign-host")
    assert (await post(checked, {"Host": host})).status == 421


@pytest.mark.parametrize(
    "host",
    [
        *("local host", "localhost/", "user@localhost", "localhost:x", "localhost:123456", "localhost:65536"),
        *("[::1", "[:::1]", "http://localhost", "localhost:\u0661", "loc\u212alhost", "x" * 256),
    ],
)
async def test_an_invalid_host_is_malformed(checked: Api, public: Api, host: str) -> None:
    for api in (checked, public):
        answer = await api.get("/tasks/", Host=host)

        assert (answer.status, answer.problem) == (400, "malformed-request")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_probe_may_name_whatever_address_it_has(checked: Api, path: str) -> None:
    assert (await checked.get(path, Host="10.0.0.7:8000")).status == 200


async def test_where_the_service_has_many_names_each_is_answered(public: Api) -> None:
    assert (await public.get("/tasks/", Host="tasks.example")).status == 200


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://localhost:8000", "HTTP://LocalHost:8000"])
async def test_the_service_s_own_pages_may_write(checked: Api, public: Api, origin: str) -> None:
    for api in (checked, public):
        assert (await post(api, {"Host": "localhost:8000", "Origin": origin})).status == 201


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:8000.evil.example",
        "ftp://localhost:8000",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/tasks/"),
        ("POST", "/tasks/batch"),
        ("PATCH", "/tasks/1"),
        ("DELETE", "/tasks/1"),
        ("DELETE", "/tasks/?done=false"),
        ("PUT", "/"),
    ],
)
async def test_another_page_must_not_write(checked: Api, public: Api, origin: str, method: str, path: str) -> None:
    for api in (checked, public):
        await api.new()
        answer = await api(method, path, JSON | {"Host": "localhost:8000", "Origin": origin}, b"{}")

        assert (answer.status, answer.problem) == (403, "foreign-origin")
        assert len((await api.get("/tasks/")).json) == 1


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:443", "https://localhost"),
        ("localhost:443", "https://localhost:443"),
        ("localhost", "https://localhost:443"),
        ("localhost:80", "http://localhost"),
        ("localhost:", "http://localhost"),
        ("localhost", "http://localhost:80"),
        ("LOCALHOST:80", "HTTP://LocalHost"),
        ("[::1]:80", "http://[::1]"),
        ("[0:0::1]:8000", "http://[::1]:8000"),
        ("localhost.:8000", "http://localhost.:8000"),
    ],
)
async def test_a_default_port_need_not_be_named(checked: Api, host: str, origin: str) -> None:
    assert (await post(checked, {"Host": host, "Origin": origin})).status == 201


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:443", "http://localhost"),
        ("localhost:80", "https://localhost"),
        ("localhost", "http://localhost:443"),
        ("localhost", "http://localhost:0"),
        ("localhost:8000", "http://127.0.0.1:8000"),
        ("localhost:8000", "http://localhost.:8000"),
        ("localhost:8000", "http://localhost:8000/"),
        ("localhost:8000", "http://user@localhost:8000"),
        ("localhost:8000", "http://localhost:8000, http://localhost:8000"),
        ("localhost:8000", "http://localhost:08000x"),
        ("localhost:8000", "ws://localhost:8000"),
        ("127.0.0.1:8000", "http://\u0661\u0662\u0667.0.0.1:8000"),
    ],
)
async def test_an_origin_is_compared_in_all_its_parts(checked: Api, host: str, origin: str) -> None:
    assert (await post(checked, {"Host": host, "Origin": origin})).status == 403


# ---------------------------------------------------------------- letters outside ASCII

KELVIN = "\u212a"
"""The Kelvin sign, whose lower case is the letter k."""


@pytest.fixture
async def kelvin(aiohttp_client: AiohttpClient) -> Api:
    """The service, which allows the pages of an origin with a k in it."""
    origin = "https://kiosk.example"
    origin_check = OriginCheck({"kiosk.example"}, origins=[origin])
    return await connect(
        aiohttp_client, "memory://", Options(origin_check=origin_check, cors_origins=frozenset({origin}))
    )


@pytest.mark.parametrize("origin", [f"https://{KELVIN}iosk.example", f"HTTPS://kios{KELVIN}.example"])
async def test_a_letter_that_looks_like_another_is_another_origin(kelvin: Api, origin: str) -> None:
    written = await post(kelvin, {"Host": "kiosk.example", "Origin": origin})
    read = await kelvin("GET", "/tasks/", {"Host": "kiosk.example", "Origin": origin})

    assert (written.status, written.problem) == (403, "foreign-origin")
    assert (read.status, read.json) == (200, [])
    assert "Access-Control-Allow-Origin" not in read.headers


@pytest.mark.parametrize("host", [f"{KELVIN}iosk.example", "kiosk\xe9.example"])
async def test_a_letter_that_looks_like_another_is_not_in_a_host(kelvin: Api, host: str) -> None:
    assert (await post(kelvin, {"Host": host})).status == 400


# ---------------------------------------------------------------- behind a proxy

WRITES = [
    # nginx with `proxy_set_header Host $host`, which drops the port
    ({"Host": "tasks.example", "X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https"}, "https://tasks.example:8443"),
    ({"Host": "tasks.example", "X-Forwarded-Port": "8080"}, "http://tasks.example:8080"),
    # a proxy that replaces Host
    ({"Host": "127.0.0.1", "X-Forwarded-Host": "tasks.example:8443"}, "https://tasks.example:8443"),
    (
        {"Host": "127.0.0.1", "X-Forwarded-Host": "tasks.example:8443", "X-Forwarded-Port": "1"},
        "https://tasks.example:8443",
    ),
    ({"Host": "127.0.0.1", "X-Forwarded-Host": "[2001:DB8::1]:8443"}, "https://[2001:db8::1]:8443"),
    ({"Host": "127.0.0.1", "X-Forwarded-Host": "forged.example, Tasks.example"}, "http://tasks.example"),
    ({"Host": "127.0.0.1", "Forwarded": 'for=203.0.113.7;host="tasks.example:8443"'}, "https://tasks.example:8443"),
    ({"Host": "127.0.0.1", "Forwarded": "For=203.0.113.7;Proto=HTTPS;Host=tasks.example"}, "https://tasks.example"),
    (
        {"Host": "127.0.0.1", "Forwarded": "host=forged.example;for=1.2.3.4, for=203.0.113.7;host=tasks.example"},
        "http://tasks.example",
    ),
    (
        {"Host": "127.0.0.1", "Forwarded": 'for="[2001:db8::7]:4711";host=tasks.example, for=127.0.0.2;host=inner'},
        "http://tasks.example",
    ),
    # a port that is published by another number
    ({"Host": "tasks.example", "X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https"}, "https://tasks.example"),
]
"""Headers that a proxy sends, with the origin of the service's own page behind it."""


async def behind_proxy(aiohttp_client: AiohttpClient, *trusted: str) -> Api:
    """The service, which is tasks.example behind trusted proxies; the test's client is at 127.0.0.1."""
    origin_check = OriginCheck({*LOOPBACK_HOSTS, "tasks.example", "[2001:db8::1]"}, proxies=TrustedProxies(trusted))
    return await connect(aiohttp_client, "memory://", Options(origin_check=origin_check))


@pytest.fixture
async def proxied(aiohttp_client: AiohttpClient) -> Api:
    """The service behind a proxy that it trusts."""
    return await behind_proxy(aiohttp_client, "127.0.0.0/8")


@pytest.mark.parametrize(("headers", "origin"), WRITES)
async def test_what_a_trusted_proxy_says_of_the_request_counts(
    proxied: Api, headers: dict[str, str], origin: str
) -> None:
    assert (await post(proxied, headers | {"Origin": origin})).status == 201


@pytest.mark.parametrize(("headers", "origin"), WRITES[:-1])
async def test_forwarded_headers_of_an_untrusted_peer_are_ignored(
    aiohttp_client: AiohttpClient, headers: dict[str, str], origin: str
) -> None:
    api = await behind_proxy(aiohttp_client, "10.0.0.0/8")

    assert (await post(api, headers | {"Origin": origin})).status == 403
    assert (await api("GET", "/tasks/", headers)).status == 200


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        # DNS rebinding, through a proxy that passes on what it gets
        ({"Host": "tasks.example", "X-Forwarded-Host": "tasks.example"}, "http://evil.example"),
        ({"Host": "127.0.0.1", "X-Forwarded-Host": "tasks.example"}, "http://evil.example"),
        # another page, which guesses
        ({"Host": "tasks.example", "X-Forwarded-Proto": "https"}, "http://tasks.example"),
        ({"Host": "tasks.example", "X-Forwarded-Proto": "https"}, "https://tasks.example:8443"),
        ({"Host": "tasks.example", "X-Forwarded-Port": "8443"}, "https://tasks.example:9443"),
        ({"Host": "tasks.example", "X-Forwarded-Port": "65536"}, "https://tasks.example:65536"),
        ({"Host": "tasks.example", "X-Forwarded-Port": "-1"}, "null"),
        ({"Host": "tasks.example", "X-Forwarded-Proto": "null"}, "null"),
        ({"Host": "tasks.example", "X-Forwarded-Proto": "file"}, "file://tasks.example"),
        # Forwarded that the client sent, where the proxy sends the other kind
        (
            {"Host": "127.0.0.1", "X-Forwarded-For": "203.0.113.7", "Forwarded": "host=tasks.example"},
            "http://tasks.example",
        ),
        # and where it's broken, so that the author of the tasks is unknown
        ({"Host": "127.0.0.1", "Forwarded": 'for="x, host=tasks.example'}, "http://tasks.example"),
        ({"Host": "127.0.0.1", "Forwarded": "for=x;host=tasks.example y, for=z"}, "http://tasks.example"),
    ],
)
async def test_a_foreign_page_must_not_write_whatever_else_is_sent(
    proxied: Api, headers: dict[str, str], origin: str
) -> None:
    assert (await post(proxied, headers | {"Origin": origin})).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example", "X-Forwarded-Host": "tasks.example"},
        {"Host": "tasks.example", "X-Forwarded-Host": "evil.example"},
        {"Host": "127.0.0.1", "X-Forwarded-Host": "tasks.example, evil.example"},
        {"Host": "127.0.0.1", "Forwarded": "host=evil.example"},
    ],
)
async def test_a_foreign_name_is_not_answered_whichever_header_it_is_in(proxied: Api, headers: dict[str, str]) -> None:
    for answer in (await proxied("GET", "/tasks/", headers), await post(proxied, headers)):
        assert (answer.status, answer.problem) == (421, "foreign-host")


async def test_a_malformed_forwarded_host_is_refused(proxied: Api) -> None:
    answer = await proxied("GET", "/tasks/", {"Host": "127.0.0.1", "X-Forwarded-Host": "tasks.example/x"})

    assert (answer.status, answer.problem) == (400, "malformed-request")


# ---------------------------------------------------------------- headers that a browser sends


async def test_the_browser_s_word_stands_for_a_scheme_and_a_port_that_a_proxy_drops(public: Api) -> None:
    nginx = {"Host": "tasks.example", "Origin": "https://tasks.example:8443"}

    assert (await post(public, nginx)).status == 403
    assert (await post(public, nginx | {"Sec-Fetch-Site": "same-origin"})).status == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://tasks.example:8443", "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://tasks.example:8443", "Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_the_browser_s_word_stands_for_nothing_else(public: Api, headers: dict[str, str]) -> None:
    answer = await post(public, {"Host": "tasks.example"} | headers)

    assert (answer.status, answer.problem) == (403, "foreign-origin")


@pytest.mark.parametrize("site", ["none", "same-origin"])
async def test_without_an_origin_nobody_s_page_writes(public: Api, site: str) -> None:
    assert (await post(public, {"Host": "tasks.example", "Sec-Fetch-Site": site})).status == 201


# ---------------------------------------------------------------- reports


@pytest.fixture
async def advised(aiohttp_client: AiohttpClient) -> Api:
    """The service, which writes advice for its operator to the log."""
    origin_check = OriginCheck(LOOPBACK_HOSTS, advice=Advice("Allow the host.", "Allow the origin."))
    return await connect(aiohttp_client, "memory://", Options(origin_check=origin_check))


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "tasksvc"]


async def test_the_refusal_names_the_host(advised: Api) -> None:
    named = await advised.get("/tasks/", Host="tasks.example:8443")
    written = await post(advised, {"Host": "localhost:8000", "Origin": "https://app.example"})

    assert named.json["detail"] == "This service doesn't answer to the host tasks.example:8443."
    assert written.json["detail"] == (
        "Writes by pages of the origin https://app.example aren't allowed on the host localhost:8000."
    )


async def test_an_operator_gets_advice_once(advised: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        await advised.get("/tasks/", Host="tasks.example")
        await post(advised, {"Host": "localhost:8000", "Origin": "https://app.example"})

    assert notes(caplog) == [
        "Refused a request to the host tasks.example, which came from 127.0.0.1. Allow the host.",
        "Refused a write by a page of the origin https://app.example to the host localhost:8000,"
        " which came from 127.0.0.1. Allow the origin.",
    ]


async def test_many_foreign_names_do_not_fill_the_log(advised: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for number in range(2 * NOTED_MAX):
        await advised.get("/tasks/", Host=f"{number}.example")

    assert len(notes(caplog)) == NOTED_MAX


async def test_two_origins_are_foreign(checked: Api) -> None:
    own = ("Origin", "http://localhost:8000")

    answer = await checked("POST", "/tasks/", CIMultiDict([*JSON.items(), ("Host", "localhost:8000"), own, own]), BODY)

    assert answer.status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_another_page_may_ask_and_is_not_let_see(checked: Api, method: str) -> None:
    answer = await checked(method, "/tasks/", {"Origin": "https://evil.example"})

    assert answer.status in (200, 204)
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_an_application_that_embeds_the_service_has_no_origin_check(api: Api) -> None:
    strange: dict[str, Any] = {"Host": "tasks.example", "Origin": "https://evil.example"}

    assert (await post(api, strange)).status == 201
