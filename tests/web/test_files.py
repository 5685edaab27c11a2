"""The page and its files, as browsers and caches ask for them."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import tasksvc_web
from tasksvc_web.files import FOLDER

from tasksvc.testing.plugin import serving

IDENTITY = {"Accept-Encoding": "identity"}
GZIP = {"Accept-Encoding": "br, gzip"}


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a service with the page, which decompresses nothing by itself."""
    async with serving(tasksvc_web, name="web") as served:
        async with served.head("/") as answer:
            base = answer.url.origin()
        async with aiohttp.ClientSession(base_url=base, auto_decompress=False) as client:
            yield client


async def addresses(client: aiohttp.ClientSession) -> list[str]:
    """Returns the addresses of files that the page names."""
    async with client.get("/?list=inbox&q=milk", headers=IDENTITY) as answer:
        assert answer.status == 200
        return re.findall(r'(?:src|href)="(web/[^"]+)"', await answer.text())


async def test_the_page_names_every_file_and_each_is_there_for_a_year(client: aiohttp.ClientSession) -> None:
    named = await addresses(client)

    assert {name.split("/", 2)[2] for name in named} == {
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.suffix in (".css", ".js", ".svg")
    }
    for name in named:
        async with client.get(f"/{name}", headers=IDENTITY) as answer:
            assert answer.status == 200, name
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert await answer.read() == (FOLDER / name.split("/", 2)[2]).read_bytes()


@pytest.mark.parametrize("path", ["/", "file"])
async def test_what_is_kept_is_confirmed_in_each_encoding(client: aiohttp.ClientSession, path: str) -> None:
    path = path if path == "/" else f"/{(await addresses(client))[-1]}"
    tags, bodies = {}, []
    for name, headers in (("identity", IDENTITY), ("gzip", GZIP)):
        async with client.get(path, headers=headers) as answer:
            tags[name], body = answer.headers["ETag"], await answer.read()
            assert answer.headers.get("Content-Encoding", "identity") == name
            assert answer.headers["Vary"] == "Accept-Encoding"
            bodies.append(gzip.decompress(body) if name == "gzip" else body)
        async with client.get(path, headers={**headers, "If-None-Match": tags[name]}) as answer:
            assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, tags[name], b"")

    assert tags["identity"] != tags["gzip"]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "br", "gzip; q=0.0, *", "notgzip"])
async def test_who_does_not_take_gzip_gets_none(client: aiohttp.ClientSession, accepted: str) -> None:
    async with client.get("/", headers={"Accept-Encoding": accepted}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert (await answer.read()).startswith(b"<!doctype html>")


@pytest.mark.parametrize("accepted", ["gzip", "deflate, GZIP;q=0.5", "x-gzip ; q=1", "br;q=1.0,gzip;q=0.001"])
async def test_who_takes_gzip_gets_it(client: aiohttp.ClientSession, accepted: str) -> None:
    async with client.get("/", headers={"Accept-Encoding": accepted}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("name", ["no.js", "index.html", "%2e%2e/files.py", "styles", "lit-html/LICENSE"])
async def test_no_other_file_is_there(client: aiohttp.ClientSession, name: str) -> None:
    folder = (await addresses(client))[0].rsplit("/", 2)[0].removesuffix("/styles")

    for path in (f"/{folder}/{name}", "/web/0000000000000000/main.js"):
        async with client.get(path) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_the_page_is_asked_for_each_time_and_may_load_nothing_but_its_own(client: aiohttp.ClientSession) -> None:
    async with client.head("/") as answer:
        policy = answer.headers["Content-Security-Policy"]

        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"unsafe-inline", "unsafe-eval", "*"} & set(re.split(r"[ ;']+", policy))
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
