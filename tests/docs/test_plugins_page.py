"""The plugins in docs/plugins.md work as printed, and the page has each hook and each name that plugins may import."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from pages import Page
from patience import PATIENCE_SECONDS

from docs.page_projects import FILE, install, run
from docs.reader import Reader, needs_curl
from tasksvc import plugin
from tasksvc.api.plugins import hookspecs
from tasksvc.cli.plugin_commands import GROUP
from tasksvc.plugin import Caller, Scope, Service, hookimpl
from tasksvc.testing.plugin import CALLER_HEADER, serving

PAGE = Page.named("docs/plugins.md")
WHOLE = PAGE.section("A whole plugin")
OTHERS = [block for block in PAGE.blocks("python") if block not in WHOLE.text]
HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "tasksvc_spec")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files of the page, installed in place."""
    install(PAGE, tmp_path)
    return tmp_path


# ---------------------------------------------------------------- the whole plugin


def test_every_file_of_the_plugin_is_on_the_page() -> None:
    assert {name for name, _ in FILE.findall(WHOLE.text)} == {"pyproject.toml", "tasksvc_waiting.py", "test_waiting.py"}


def test_the_plugin_of_the_page_passes_its_tests(project: Path) -> None:
    printed = run(project, "-m", "pytest", "-W", "error", "-q")

    assert "2 passed" in printed


def test_the_plugin_of_the_page_is_listed(project: Path) -> None:
    printed = run(project, "-m", "tasksvc", "plugins")

    assert re.search(r"^waiting +tasksvc-waiting 0\.1\.0 +ready$", printed, re.MULTILINE), printed


@needs_curl
def test_the_plugin_of_the_page_is_served(project: Path) -> None:
    with Reader(project) as reader:
        reader.serve("--plugins", "waiting", environment={"PYTHONPATH": str(project)})

        assert reader.follow(Page("".join(f"```console\n{session}```\n" for session in WHOLE.blocks("console")))) == 3


# ---------------------------------------------------------------- the other blocks


def plugin_of(block: str) -> ModuleType:
    """Returns the module whose text is a block of the page."""
    module = ModuleType("tasksvc_example")
    exec(compile(block, "docs/plugins.md", "exec"), vars(module))  # noqa: S102
    return module


@pytest.mark.parametrize("block", OTHERS, ids=lambda block: re.findall(r"def (tasksvc_\w+)", block)[0])
async def test_a_block_of_the_page_is_a_plugin(block: str) -> None:
    async with serving(plugin_of(block), name="example") as client:
        async with client.get("/openapi.json") as response:
            assert response.status == 200
        async with client.get("/metrics") as response:
            assert response.status == (401 if "tasksvc_authenticate" in block else 200)


def only_block(heading: str) -> ModuleType:
    """Returns the module whose text is the only block of Python below a heading."""
    (block,) = PAGE.section(heading).blocks("python")
    return plugin_of(block)


async def test_the_routes_of_the_page_answer() -> None:
    callers = {"ann": Caller("ann", workspaces=("hers",)), "reader": Caller("reader", Scope.READ)}
    async with serving(only_block("Routes"), callers=callers) as client:

        async def put(workspace: str, caller: str, note: object) -> int:
            path, headers = f"/workspaces/{workspace}/note", {CALLER_HEADER: caller}
            async with client.put(path, json=note, headers=headers) as response:
                return response.status

        statuses = [
            await put("hers", "ann", {"text": "Closed"}),
            await put("hers", "ann", {"text": "x" * 1_001}),
            await put("hers", "ann", {"txt": "Closed"}),
            await put("his", "ann", {"text": "Closed"}),
            await put("hers", "reader", {"text": "Closed"}),
            await put("hers", "", {"text": "Closed"}),
        ]
        plain = {CALLER_HEADER: "reader", "Content-Type": "text/plain"}
        async with client.post("/lines", data=b"a\nb\n", headers=plain) as response:
            lines = await response.json()

    assert statuses == [200, 422, 422, 403, 403, 401]
    assert lines == 2


async def test_the_consumer_of_the_page_gets_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tasksvc")
    async with serving(only_block("Consumers"), name="example") as client, asyncio.timeout(PATIENCE_SECONDS):
        while " of u_42 was created." not in caplog.text:  # it gets what is created once it has begun
            async with client.post("/workspaces/u_42/tasks/", json={"description": "x"}) as response:
                assert response.status == 201
            await asyncio.sleep(0.1)


async def test_the_work_under_the_lease_of_the_page_writes_its_record() -> None:
    module = only_block("Leases")
    services: list[Service] = []
    lifespan = module.tasksvc_lifespan

    def noted(service: Service) -> object:
        services.append(service)
        return lifespan(service)

    module.tasksvc_lifespan = hookimpl(noted)  # type: ignore[attr-defined]
    async with serving(module, name="example"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (record := await services[0].records.get("report")) is None:
                await asyncio.sleep(0.01)

    assert record.value == {"created": 0}


def test_the_blocks_implement_each_hook() -> None:
    assert set(re.findall(r"def (tasksvc_\w+)", "".join(PAGE.blocks("python")))) == set(HOOKS)


def test_the_group_of_commands_is_that_of_the_page() -> None:
    (block,) = PAGE.section("Commands").blocks("toml")

    assert tomllib.loads(block)["project"]["entry-points"].keys() == {GROUP}


# ---------------------------------------------------------------- completeness


def test_each_hook_is_on_the_page_with_its_arguments() -> None:
    listed = [row[0] for row in PAGE.section("Hooks").table("Hook")]

    expected = {f"`{hook}({', '.join(inspect.signature(getattr(hookspecs, hook)).parameters)})`" for hook in HOOKS}
    assert set(listed) == expected


def test_each_name_that_a_plugin_may_import_is_on_the_page_and_in_the_help() -> None:
    rows = PAGE.section("What a plugin may rely on").table("Subject")
    listed = [name for _, names in rows for name in re.findall(r"`(\w+)`", names)]

    assert sorted(listed) == sorted(plugin.__all__)
    assert set(plugin.__all__) - set(re.findall(r"\w+", plugin.__doc__ or "")) == set()


def test_the_version_is_that_of_the_page() -> None:
    assert f"is the version of the hooks and names, which is {plugin.VERSION}." in PAGE.text
    assert f"`PLUGIN = {plugin.VERSION}`" in PAGE.text
