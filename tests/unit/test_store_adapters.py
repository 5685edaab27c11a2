"""How a store URL becomes a repository, with real distributions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import unmeasured
from site_packages import SitePackages

from tasksvc import InMemoryRepository, NotSupported, StoreRefused, StoreURL
from tasksvc.domain.errors import PluginError
from tasksvc.store_adapters import (
    InstalledStore,
    Recognized,
    admin_socket,
    backup,
    installed_stores,
    open_reader,
    open_repository,
    recognize_backup,
)

GOOD = """
    import tasksvc

    class Opened(tasksvc.InMemoryRepository):
        pass

    @tasksvc.hookimpl
    async def tasksvc_open_store(url, scratch):
        repository = Opened()
        repository.url, repository.scratch = url, scratch
        return repository
"""
URL = "plug://user:sesame@host/db?password=sesame"


class Site(SitePackages):
    """Where adapters are installed."""

    def install(
        self,
        source: str | None = GOOD,
        *,
        distribution: str = "Plug-Store",
        version: str = "1.2.3",
        scheme: str = "plug",
        module: str = "plug_store",
        value: str | None = None,
        requires: str = "",
        port: object = 3,
    ) -> Path:
        """Installs a distribution whose entry point `scheme` is `value`, by default `module`.

        Its module has `source`, after the declaration of its `port`; without any, it is missing.
        """
        modules = {} if source is None else {module: f"PORT = {port}\n{textwrap.dedent(source)}"}
        points = {"tasksvc.stores": {scheme: value or module}}
        return self.add(distribution, version, entry_points=points, modules=modules, requires=requires)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path, monkeypatch)
    yield site
    site.forget()


async def problem_with(url: str) -> str:
    """Returns the message of a store that can't be opened: one line, without the secret of the URL."""
    with pytest.raises(PluginError) as caught:
        await open_repository(url)
    message = str(caught.value)
    assert "\n" not in message
    assert "sesame" not in message
    assert message[0].isupper()
    return message


# ---------------------------------------------------------------- what works


@pytest.mark.parametrize("scratch", [False, True])
async def test_the_hook_of_the_named_adapter_opens_the_store(site: Site, scratch: bool) -> None:
    site.install()

    repository = await open_repository(URL, scratch=scratch)

    assert isinstance(repository, InMemoryRepository)
    assert type(repository).__module__ == "plug_store"
    assert repository.url.reveal() == URL  # type: ignore[attr-defined]
    assert repository.scratch is scratch  # type: ignore[attr-defined]


async def test_a_url_that_was_parsed_already_is_taken_too(site: Site) -> None:
    site.install()
    url = StoreURL("PLUG://host/db")

    repository = await open_repository(url)

    assert repository.url is url  # type: ignore[attr-defined]


async def test_an_entry_point_may_name_an_object_in_its_module(site: Site) -> None:
    source = """
        import tasksvc

        class Plugin:
            PORT = 3

            @tasksvc.hookimpl
            async def tasksvc_open_store(self, url):
                return tasksvc.InMemoryRepository()

        plugin = Plugin()
    """
    site.install(source, value="plug_store:plugin")

    assert isinstance(await open_repository(URL), InMemoryRepository)


async def test_a_distribution_that_is_found_twice_counts_once_as_python_imports_it(site: Site) -> None:
    site.install("raise RuntimeError('this one is shadowed')", version="1.0")
    site.install(version="2.0")

    await open_repository(URL)

    (store,) = [store for store in installed_stores() if store.scheme == "plug"]
    assert store == InstalledStore("plug", "Plug-Store", "2.0", "plug_store", None)


# ---------------------------------------------------------------- what doesn't work, each in one clear sentence


async def test_an_unknown_scheme_lists_the_installed_ones(site: Site) -> None:
    site.install()

    message = await problem_with(URL.replace("plug:", "nosuch:"))

    assert message.startswith("No adapter is installed for nosuch: stores. Installed: ")
    assert {"memory", "plug", "sqlite"} <= set(re.findall(r"\w+", message.partition("Installed:")[2]))


async def test_a_scheme_that_two_distributions_claim_is_refused_naming_both(site: Site) -> None:
    site.install(distribution="one")
    site.install(distribution="two", module="another_store")

    assert await problem_with(URL) == (
        "More than one distribution claims plug: stores: one and two. Uninstall all but one."
    )


async def test_a_scheme_that_two_distributions_claim_for_one_module_is_refused_too(site: Site) -> None:
    site.install(distribution="original")
    site.install(distribution="fork")

    assert "fork and original" in await problem_with(URL)


async def test_a_driver_that_is_missing_is_named_with_the_extra_that_brings_it(site: Site) -> None:
    requires = """
        Requires-Dist: no-such-driver-ng>1; extra == 'other'
        Requires-Dist: No-Such-Driver>=2; python_version > '3' and extra == 'fast'
        Provides-Extra: fast
    """
    site.install("import no_such_driver.pool", requires=textwrap.dedent(requires).strip() + "\n")

    assert await problem_with(URL) == (
        "The adapter for plug: from Plug-Store needs no_such_driver, which is not installed."
        " Install it with: pip install 'Plug-Store[fast]'"
    )


async def test_a_driver_that_is_missing_and_in_no_extra_is_named(site: Site) -> None:
    site.install("import no_such_driver", requires="Requires-Dist: no-such-driver\n")

    assert await problem_with(URL) == (
        "The adapter for plug: from Plug-Store needs no_such_driver, which is not installed. Install it."
    )


@pytest.mark.parametrize(
    ("module", "value"),
    [("no_such_module", "no_such_module"), ("pack", "no_such_pack.inner"), ("module", "no_such_module:plugin")],
)
async def test_a_module_that_is_missing_is_named(site: Site, module: str, value: str) -> None:
    site.install(None, module=module, value=value)

    assert await problem_with(URL) == (
        f"The adapter for plug: from Plug-Store names the module {value.partition(':')[0]}, which is not there."
        " Reinstall it."
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("from tasksvc import NoSuchName", "ImportError: cannot import name 'NoSuchName'"),
        ("def", "SyntaxError: "),
        ("raise ModuleNotFoundError('no name')", "ModuleNotFoundError: no name"),
    ],
)
async def test_an_adapter_that_fails_on_import_is_named_with_the_reason(site: Site, source: str, reason: str) -> None:
    site.install(source)

    message = await problem_with(URL)

    assert message.startswith("The adapter for plug: from Plug-Store ")
    assert reason in message


async def test_an_object_that_the_module_lacks_is_named(site: Site) -> None:
    site.install(value="plug_store:plugin")

    message = await problem_with(URL)

    assert message.startswith("The adapter for plug: from Plug-Store fails on import with AttributeError: ")
    assert "plugin" in message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("def tasksvc_open_store(", "def tasksvc_opne(", "unknown hook 'tasksvc_opne'"),
        ("(url, scratch)", "(url, scrach)", "{'scrach'}"),
    ],
)
async def test_a_misspelt_hook_or_argument_is_named(site: Site, old: str, new: str, reason: str) -> None:
    site.install(GOOD.replace(old, new))

    message = await problem_with(URL)

    assert message.startswith("The adapter for plug: from Plug-Store has a wrong hook: ")
    assert reason in message


@pytest.mark.parametrize(
    ("port", "problem"),
    [
        (2, "was written for port 2, and this tasksvc has port 3. Install a later version of it than 1.2.3."),
        (4, "was written for port 4, and this tasksvc has port 3. Upgrade tasksvc."),
    ],
)
async def test_an_adapter_of_another_port_is_refused_in_one_sentence(site: Site, port: int, problem: str) -> None:
    site.install(port=port)

    assert await problem_with(URL) == f"The adapter for plug: from Plug-Store {problem}"
    (found,) = [store for store in installed_stores() if store.scheme == "plug"]
    assert found.problem == await problem_with(URL)


async def test_an_adapter_that_declares_no_port_is_of_port_1_whatever_its_hooks_are(
    site: Site,
) -> None:
    site.install(GOOD.replace("tasksvc_open_store", "tasksvc_open") + "\n    del PORT\n")

    assert "was written for port 1" in await problem_with(URL)


@pytest.mark.parametrize("source", ["", GOOD.replace("@tasksvc.hookimpl", "")])
async def test_an_adapter_without_the_hook_is_named(site: Site, source: str) -> None:
    site.install(source)

    assert await problem_with(URL) == (
        "The adapter for plug: from Plug-Store implements no hook tasksvc_open_store. Ask its author."
    )


@pytest.mark.parametrize(
    ("hook", "given"),
    [
        ("def tasksvc_open_store(): return None", "NoneType"),
        ("def tasksvc_open_store(): return 'text'", "str"),
        ("def tasksvc_open_store(): return tasksvc.InMemoryRepository()", "InMemoryRepository"),
        ("async def tasksvc_open_store(): return {}", "dict"),
        ("async def tasksvc_open_store(): return tasksvc.InMemoryRepository", "ABCMeta"),
    ],
)
async def test_a_hook_that_returns_something_else_than_an_awaitable_repository_is_named_with_it(
    site: Site, hook: str, given: str
) -> None:
    site.install(f"import tasksvc\n@tasksvc.hookimpl\n{hook}")

    assert await problem_with(URL) == (
        f"The adapter for plug: gave {given} instead of an awaitable of a TaskRepository. Ask its author."
    )


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_hook_that_fails_is_named_with_the_cause_chained_and_the_secret_hidden(site: Site, kind: str) -> None:
    site.install(f"import tasksvc\n@tasksvc.hookimpl\n{kind} tasksvc_open_store(url): raise OSError(url.reveal())")

    assert await problem_with(URL) == (
        "The adapter for plug: failed to open plug://user:***@host/db?... with OSError. Ask its author."
    )
    with pytest.raises(PluginError) as caught:
        await open_repository(URL)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_what_a_hook_says_on_purpose_is_passed_on_as_it_is(site: Site, kind: str) -> None:
    refusal = "raise tasksvc.StoreRefused('This store is in use.')"
    site.install(f"import tasksvc\n@tasksvc.hookimpl\n{kind} tasksvc_open_store(): {refusal}")

    with pytest.raises(StoreRefused, match=r"^This store is in use\.$"):
        await open_repository(URL)


# ---------------------------------------------------------------- the list


def test_the_list_shows_where_each_adapter_came_from_and_whether_it_loads(site: Site) -> None:
    site.install(scheme="good", distribution="good", module="good_store")
    site.install("import no_such_driver", scheme="bad", distribution="bad", module="bad_store")
    site.install(scheme="twice", distribution="one", module="one_store")
    site.install(scheme="twice", distribution="two", module="two_store")

    stores = {(store.scheme, store.distribution): store for store in installed_stores()}

    assert stores["good", "good"] == InstalledStore("good", "good", "1.2.3", "good_store", None)
    assert "needs no_such_driver" in str(stores["bad", "bad"].problem)
    assert "More than one" in str(stores["twice", "one"].problem)
    assert stores["twice", "one"].problem == stores["twice", "two"].problem
    assert stores["memory", "tasksvc"].problem is None
    assert list(stores) == sorted(stores)


# ---------------------------------------------------------------- imports


def modules_after(code: str, *places: Path) -> set[str]:
    """Returns the names of all modules that a fresh Python has loaded after `code`."""
    paths = "".join(f"sys.path.insert(0, {str(place)!r})\n" for place in places)
    report = "\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys\n{paths}{code}{report}"],
        env=unmeasured(os.environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


HEAVY = {"aiohttp", "aiohttp_apispec", "aiosqlite", "apispec", "asyncpg", "marshmallow", "pytest", "sqlite3", "webargs"}


@pytest.mark.parametrize("code", ["import tasksvc", "import tasksvc.store_adapters", "import tasksvc.cli"])
def test_the_package_loads_no_framework_no_driver_and_no_adapter(code: str) -> None:
    loaded = {name.partition(".")[0] for name in modules_after(code)}

    assert "tasksvc" in loaded
    assert loaded & HEAVY == set()
    assert [name for name in loaded if name.startswith("tasksvc_")] == []


def test_opening_a_store_imports_its_adapter_alone(site: Site) -> None:
    place = site.install()
    other = site.install(scheme="other", distribution="other", module="other_store")
    code = "import asyncio, tasksvc.store_adapters\nasyncio.run(tasksvc.store_adapters.open_repository('plug://'))"

    loaded = {name.partition(".")[0] for name in modules_after(code, place, other)}

    assert "plug_store" in loaded
    assert loaded & {"other_store", "tasksvc_memory", "tasksvc_sqlite", *HEAVY} == set()


# ---------------------------------------------------------------- reading and backups, which are optional

READER = """
    import pathlib
    import tasksvc

    class Opened(tasksvc.StoreReader):
        async def close(self): pass

    @tasksvc.hookimpl
    def tasksvc_open_store(url, scratch): raise AssertionError("opened to write")

    @tasksvc.hookimpl
    async def tasksvc_open_reader(url): return Opened()

    @tasksvc.hookimpl
    async def tasksvc_backup(url, file): file.write_text(url.scheme)

    @tasksvc.hookimpl
    def tasksvc_admin_socket(url): return pathlib.Path("/run", url.scheme)

    @tasksvc.hookimpl
    def tasksvc_recognize_backup(head): return head.startswith(b"plug")
"""


async def test_a_store_is_read_through_the_hook_for_it(site: Site) -> None:
    site.install(READER)

    reader = await open_reader(URL)

    assert type(reader).__name__ == "Opened"


async def test_a_store_without_that_hook_is_opened_as_always(site: Site) -> None:
    site.install()

    reader = await open_reader(URL)

    assert isinstance(reader, InMemoryRepository)


async def test_a_hook_that_returns_something_else_than_a_reader_is_named(site: Site) -> None:
    site.install(READER.replace("return Opened()", "return 7"))

    with pytest.raises(PluginError, match=r"gave int instead of an awaitable of a StoreReader\. Ask its author"):
        await open_reader(URL)


async def test_the_adapter_makes_a_backup(site: Site, tmp_path: Path) -> None:
    site.install(READER)

    await backup(URL, tmp_path / "backup")

    assert (tmp_path / "backup").read_text() == "plug"


async def test_an_adapter_without_backups_is_reported(site: Site, tmp_path: Path) -> None:
    site.install()

    with pytest.raises(NotSupported, match="makes no backups"):
        await backup(URL, tmp_path / "backup")


async def test_a_backup_that_fails_is_named_without_the_secret(site: Site, tmp_path: Path) -> None:
    site.install(READER.replace("file.write_text(url.scheme)", "raise OSError(url.reveal())"))

    with pytest.raises(PluginError) as caught:
        await backup(URL, tmp_path / "backup")

    assert str(caught.value) == (
        "The adapter for plug: failed to back up plug://user:***@host/db?... with OSError. Ask its author."
    )


# ---------------------------------------------------------------- recognizing backups


@pytest.mark.parametrize("first", ["plug", "sqlite", "no-such-scheme"])
def test_a_backup_is_recognized_by_the_adapter_that_made_it(site: Site, first: str) -> None:
    site.install(READER)

    assert recognize_backup(b"plug and more", first=first) == Recognized("plug", [])


def test_a_file_that_no_adapter_recognizes_is_of_none(site: Site) -> None:
    site.install(READER)

    assert recognize_backup(b"milk, bread", first="plug") == Recognized(None, [])


def test_a_scheme_that_is_only_another_name_of_its_adapter_is_not_asked_again(site: Site) -> None:
    site.install("import no_such_driver")
    site.install(None, scheme="plug2", distribution="second")

    recognized = recognize_backup(b"milk, bread", first="plug")

    assert len(recognized.problems) == 1


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import no_such_driver", "The adapter for aaa: from Plug-Store needs no_such_driver, which is not installed."),
        (
            READER.replace('head.startswith(b"plug")', "head.no_such_method()"),
            "The adapter for aaa: failed to look at the file with AttributeError.",
        ),
    ],
)
def test_an_adapter_whose_hook_fails_is_skipped_and_named(source: str, problem: str, site: Site) -> None:
    site.install(source, scheme="aaa", module="aaa_store")
    site.install(READER, scheme="zzz", distribution="good", module="zzz_store")

    taken, refused = recognize_backup(b"plug", first=""), recognize_backup(b"milk, bread", first="")

    assert taken.scheme == "zzz"
    assert refused.scheme is None
    assert taken.problems == refused.problems
    assert [text.startswith(problem) for text in refused.problems] == [True]


@pytest.mark.parametrize("answer", ["None", "1", "'yes'"])
def test_a_hook_recognizes_a_file_only_by_returning_true(answer: str, site: Site) -> None:
    site.install(READER.replace('head.startswith(b"plug")', answer))

    assert recognize_backup(b"plug", first="plug").scheme is None


def test_no_adapter_is_imported_after_the_one_that_recognized_the_file(site: Site) -> None:
    place = site.install(READER)
    other = site.install(scheme="aaa", distribution="other", module="other_store")
    code = "import tasksvc.store_adapters\nassert tasksvc.store_adapters.recognize_backup(b'plug', first='plug').scheme"

    loaded = {name.partition(".")[0] for name in modules_after(code, place, other)}

    assert "plug_store" in loaded
    assert loaded & {"other_store", "tasksvc_memory", "tasksvc_sqlite", *HEAVY} == set()


# ---------------------------------------------------------------- through the process that serves the store


def test_an_adapter_names_the_socket_of_a_store(site: Site) -> None:
    site.install(READER)

    assert admin_socket(StoreURL(URL)) == Path("/run/plug")


def test_an_adapter_without_that_hook_has_no_socket(site: Site) -> None:
    site.install()

    assert admin_socket(StoreURL(URL)) is None


def test_an_adapter_that_fails_to_name_the_socket_is_named_without_the_secret(site: Site) -> None:
    site.install(READER.replace('pathlib.Path("/run", url.scheme)', "url.reveal().no_such_method()"))

    with pytest.raises(PluginError) as caught:
        admin_socket(StoreURL(URL))

    assert str(caught.value) == (
        "The adapter for plug: failed to name the socket of plug://user:***@host/db?... with AttributeError."
        " Ask its author."
    )
