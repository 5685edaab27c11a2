"""The documentation pages of the service. What they show is tested in a browser."""

from __future__ import annotations

import re

import pytest

from api.api_client import Api

FILES = ["swagger.js", "swagger.css", "redoc.js", "start-swagger.js"]


@pytest.mark.options(plugins=[])
async def test_the_home_page_leads_to_the_docs(api: Api) -> None:
    answer = await api.get("/")

    assert (answer.status, answer.headers["Location"]) == (302, "docs")


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_slash_too_many_leads_to_the_page(api: Api, page: str) -> None:
    answer = await api.get(f"{page}/")

    assert (answer.status, answer.location) == (308, page)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_allows_itself_nothing_but_what_it_needs(api: Api, path: str) -> None:
    answer, again = await api.get(path), await api.get(path)

    policy = answer.headers["Content-Security-Policy"]
    assert answer.type == "text/html"
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert not re.search(r"script-src[^;]*unsafe", policy)
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert policy != again.headers["Content-Security-Policy"], "a nonce is used once"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_names_no_other_host(api: Api, path: str) -> None:
    html = (await api.get(path)).body.decode()

    assert not re.search(r"""(src|href|url)=["']?(https?:)?//""", html)


@pytest.mark.parametrize("name", FILES)
async def test_a_file_may_be_kept_and_is_what_it_says(api: Api, name: str) -> None:
    answer = await api.get(f"/docs/assets/{name}")

    assert answer.status == 200
    assert answer.type == ("text/css" if name.endswith("css") else "text/javascript")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["ETag"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [{"Range": "bytes=999999999-"}, {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}],
)
async def test_a_file_takes_no_ranges_and_no_times(api: Api, headers: dict[str, str]) -> None:
    answer = await api("GET", "/docs/assets/swagger.css", headers)

    assert answer.status == 200


@pytest.mark.parametrize("name", ["...", "%2e%2e%2fapp.py", "swagger_bundle.js", "", "swagger.js%00", ".swagger.js"])
async def test_there_are_no_other_files(api: Api, name: str) -> None:
    answer = await api.get(f"/docs/assets/{name}")

    assert (answer.status, answer.problem) == (404, "not-found")
