"""A service below a path that a proxy strips; every other path of the proxy answers with an empty 200."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest
from clients.conftest import Run
from http_client import Answer, ask, free_port
from reverse_proxies import PROXIES
from service_process import RunningService

from proxies.conftest import PREFIX, STRIPPING, stripping


@pytest.fixture(scope="module", params=STRIPPING)
def base(
    request: pytest.FixtureRequest, service: RunningService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of the service below the prefix, with a / at its end."""
    port = free_port()
    sites = stripping(request.param, listen=port, service=service.port)
    with PROXIES[request.param](sites, folder=tmp_path_factory.mktemp(request.param), port=port):
        yield f"http://localhost:{port}{PREFIX}/"


def get(url: str) -> Answer:
    parts = urlsplit(url)
    return ask(url, "GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)


def test_the_location_of_a_new_task_and_the_pages_of_the_list_stay_below_the_prefix(base: str) -> None:
    word = uuid.uuid4().hex
    made = [ask(base, "POST", f"{PREFIX}/tasks/", {"description": word}) for _ in range(3)]

    shown = [get(urljoin(f"{base}tasks/", answer.headers["location"])) for answer in made]
    page: str | None = f"{base}tasks/?limit=1&q={word}"
    ids: list[int] = []
    while page:
        answer = get(page)
        ids += [task["id"] for task in answer.document]
        following = re.match(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        page = urljoin(page, following[1]) if following else None

    assert [answer.document for answer in shown] == [answer.document for answer in made]
    assert ids == [answer.document["id"] for answer in made]


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_the_files_of_a_docs_page_are_there(base: str, service: RunningService, page: str) -> None:
    html = get(f"{base}{page}").body.decode()

    files = re.findall(r'(?:href|src|data-url)="(?!data:)([^"]+)"', html)
    sizes = {file: len(get(urljoin(f"{base}{page}", file)).body) for file in files}

    assert any(file.endswith(".js") for file in files)
    assert sizes == {file: len(get(urljoin(f"{service.url}/{page}", file)).body) for file in files}
    assert all(sizes.values())


def test_the_description_names_the_prefix_as_the_place_of_its_paths(base: str) -> None:
    (server,) = get(f"{base}openapi.json").document["servers"]

    assert urljoin(f"{base}openapi.json", server["url"]) == base


def test_a_slash_too_many_leads_to_the_docs_below_the_prefix(base: str) -> None:
    answer = get(f"{base}docs/")

    assert (answer.status, urljoin(f"{base}docs/", answer.headers["location"])) == (308, f"{base}docs")


def test_a_page_of_the_service_itself_may_write(base: str) -> None:
    origin = base.removesuffix(f"{PREFIX}/")

    answer = ask(base, "POST", f"{PREFIX}/tasks/", {"description": "by a page"}, {"Origin": origin})
    foreign = ask(base, "POST", f"{PREFIX}/tasks/", {"description": "by a page"}, {"Origin": "http://other.example"})

    assert (answer.status, foreign.status) == (201, 403)


@pytest.mark.parametrize(
    "arguments", [("async_client_demo.py", "--tasks", "20"), ("sync_client.py", "--prove")], ids=["demo", "sync"]
)
async def test_an_example_client_goes_all_its_way_below_the_prefix(
    base: str, run_example: Run, arguments: tuple[str, ...]
) -> None:
    name, *others = arguments

    status, output = await run_example(name, base, *others)

    assert status == 0, output
