"""The walls of the architecture, read from the imports.

Imports under `if TYPE_CHECKING:` don't count, since they don't happen at run time.
"""

from __future__ import annotations

import ast
import graphlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_protocol import RequestHandler
from service_process import unmeasured

import tasksvc
from tasksvc import files, network, plugin, sql
from tasksvc.api.plugins import hookspecs as plugin_hookspecs
from tasksvc.cli.root import COMMANDS
from tasksvc.ports import hookspecs
from tasksvc.testing import plugin as plugin_testing

ROOT = Path(__file__).parents[1]

CORE = {
    "domain": set(),
    "ports": {"domain"},
    "stores": {"domain", "ports"},
    "network": {"domain", "ports", "stores"},
    "application": {"domain", "ports", "stores"},
    "entry_points": {"domain"},
    "store_adapters": {"domain", "entry_points", "ports"},
}
"""What each folder and module of the core may import of the others. A new one must be added here."""

AUTHOR_API = {"domain", "ports", "stores"}
"""What `tasksvc` itself may import, since it exports it to authors of adapters."""

AUTHOR_PACKAGES = (files, network, sql)
"""What authors of adapters import apart, since not every store needs it.  Nothing else of tasksvc imports it."""

OUTSIDE_CORE = {
    "api": {"", "domain", "ports", "stores", "application", "entry_points", "store_adapters"},
    "plugin": {"api", "application", "ports"},
    "cli": CORE.keys() | {"", "api"},
    "__main__": {"cli"},
    "files": {""},
    "sql": {""},
    "testing": {"", "domain", "ports", "store_adapters"},
    "testing.plugin": {"api", "application"},
}
"""What the folders and modules around the core may import; "" is `tasksvc` itself."""

IN_DOMAIN = {
    "errors": set(),
    "json_object": set(),
    "json_text": {"json_object"},
    "rules": {"json_object"},
    "task": {"errors", "json_object", "repetition", "rules"},
    "fields": {"task"},
    "sizes": {"fields", "json_object", "task"},
    "recurrence": set(),
    "occurrences": {"recurrence"},
    "repetition": {"errors", "json_object", "occurrences", "recurrence"},
    "change": {"task"},
    "record": {"json_object"},
    "query": {"json_object", "sizes", "task"},
    "writes": {"json_object", "task", "change", "record", "query"},
    "workspace": {"errors"},
    "overlay": set(),
    "relations": {"query", "task"},
    "reading": {"change", "relations", "task", "writes"},
    "transaction": {
        *("errors", "json_text", "task", "query", "change", "record", "writes"),
        *("overlay", "relations", "reading"),
    },
    "ledger": {
        *("errors", "task", "change", "record", "writes", "workspace"),
        *("overlay", "relations", "reading", "transaction"),
    },
}
"""What each module of the domain may import of the others."""

LIBRARIES = {
    "domain": {"orjson"},
    "ports": {"pluggy"},
    "entry_points": {"pluggy"},
    "store_adapters": {"pluggy"},
    "plugin": {"aiohttp"},
    "testing.plugin": {"aiohttp"},
    "api": {"aiohttp", "aiohttp_apispec", "apispec", "marshmallow", "prometheus_client", "webargs"},
    "cli": {"click", "jinja2", "uvloop", "watchfiles"},
    "testing": {"hypothesis", "pytest"},
    "api.jwt_login": {"aiohttp", "cryptography", "jwt"},
    "api.plugins": {"aiohttp", "pluggy"},
}
"""Libraries outside the standard library that each module or package may import. Others may import none."""

DRIVERS = {
    "tasksvc_memory": set(),
    "tasksvc_sqlite": {"aiosqlite"},
    "tasksvc_postgresql": {"asyncpg"},
}
"""Libraries that each adapter of a store may import."""

PLUGINS = {
    "tasksvc_calendar": {"aiohttp", "icalendar", "marshmallow"},
    "tasksvc_web": {"aiohttp"},
    "tasksvc_webhooks": {"aiohttp", "marshmallow"},
    "tasksvc_stats": {"aiohttp", "click", "marshmallow"},
}
"""Libraries that each plugin may import."""

OVER_HTTP = {
    "tasksvc_client": set(),
    "tasksvc_client.async_client": {"aiohttp"},
    "tasksvc_client.sessions": {"aiohttp", "yarl"},
    "tasksvc_formats": set(),
    "tasksvc_formats.ics_writer": {"icalendar"},
    "tasksvc_formats.ics_zones": {"icalendar"},
    "tasksvc_mcp": {"jsonschema", "mcp", "mcp_types", "tasksvc_client", "tasksvc_tasks"},
    "tasksvc_mcp.command": {"click", "tasksvc_tasks"},
    "tasksvc_tasks": {"click", "tasksvc_client", "tasksvc_formats"},
    "tasksvc_tasks.dates": {"dateutil"},
    "tasksvc_tasks.repeats": {"tzlocal"},
    "tasksvc_tasks.text": {"wcwidth"},
}
"""Libraries that each package which talks to the service over HTTP may import, or a module of it instead.

The package of formats talks to nobody.
"""

FOR_COMMANDS = {
    "tasksvc_tasks.command": {"tasksvc.cli.arguments.option", "tasksvc.cli.command.Command"},
    "tasksvc_tasks.files": {"tasksvc.cli.exporting.open_output"},
    "tasksvc_tasks.output": {"tasksvc.cli.output.OutputFailed", "tasksvc.cli.output.say", "tasksvc.cli.output.tell"},
}
"""What these may import of tasksvc: how all commands of `tasksvc` look, and how they print."""


# ---------------------------------------------------------------- reading the imports


def modules(folder: Path) -> dict[str, Path]:
    """Returns the file of every module below `folder`, by the module's dotted name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def parsed(path: Path) -> ast.Module:
    """Returns the tree of a module.  It isn't parsed before a test looks at it: each worker collects all tests."""
    return ast.parse(path.read_text())


TASKSVC = modules(ROOT / "tasksvc")
ADAPTERS = {
    name: path
    for folder in sorted((ROOT / "adapters").iterdir())
    if folder.is_dir()
    for name, path in modules(folder).items()
}
EXAMPLE = ROOT / "examples" / "tasksvc_stats"
OF_PLUGINS = modules(EXAMPLE / "tasksvc_stats") | {
    name: path for name, path in ADAPTERS.items() if name.partition(".")[0] in PLUGINS
}
"""The modules of plugins: those that come with tasksvc, and that of the example."""
OF_CLIENTS = {name: path for name, path in ADAPTERS.items() if name.partition(".")[0] in OVER_HTTP}
OF_STORES = {name: path for name, path in ADAPTERS.items() if name not in OF_PLUGINS | OF_CLIENTS}


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Yields `node` and all nodes below it, except those that are only for the type checker."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from at_run_time(other)
        else:
            yield from at_run_time(child)


def imports(tree: ast.Module) -> Iterator[str]:
    """Returns the dotted name of each thing that a module imports: a module, or a name in one."""
    for node in at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports are not our style"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(tree: ast.Module) -> set[str]:
    """Returns the modules of `tasksvc` that a module imports."""
    found = set()
    for name in imports(tree):
        if name.partition(".")[0] == "tasksvc":
            while name not in TASKSVC:
                name = name.rpartition(".")[0]
            found.add(name)
    return found


def libraries(tree: ast.Module) -> set[str]:
    """Returns what a module imports that isn't in the standard library."""
    return {name.partition(".")[0] for name in imports(tree)} - sys.stdlib_module_names


def place(module: str) -> str:
    """Returns the module or folder directly below `tasksvc` that a module belongs to; "" for `tasksvc` itself.

    The kit for plugins is a place of its own, since it runs a service.
    """
    return "testing.plugin" if module == "tasksvc.testing.plugin" else [*module.split("."), ""][1]


def test_the_reader_sees_every_kind_of_import_and_skips_what_is_for_the_type_checker() -> None:
    tree = ast.parse(
        """
import a.b as c
from d.e import f, g
if TYPE_CHECKING:
    import no
elif x:
    import h
def late():
    try:
        import i
    except ImportError:
        if typing.TYPE_CHECKING:
            from no import no
        else:
            import j
"""
    )

    assert sorted(imports(tree)) == ["a.b", "d.e.f", "d.e.g", "h", "i", "j"]


# ---------------------------------------------------------------- tasksvc


@pytest.mark.parametrize("module", TASKSVC)
def test_a_module_imports_only_what_its_place_allows(module: str) -> None:
    allowed = {"": AUTHOR_API} | CORE | OUTSIDE_CORE
    assert place(module) in allowed, f"Give {module} a place in the tables of this test."

    imported = {place(other) for other in imported_modules(parsed(TASKSVC[module]))}

    assert imported - {place(module)} <= allowed[place(module)]


@pytest.mark.parametrize("module", TASKSVC)
def test_a_module_imports_only_the_libraries_of_its_place(module: str) -> None:
    name = module.removeprefix("tasksvc.")
    places = (name, name.rpartition(".")[0], place(module))

    allowed: set[str] = next((LIBRARIES[place] for place in places if place in LIBRARIES), set())

    assert libraries(parsed(TASKSVC[module])) - {"tasksvc"} <= allowed


@pytest.mark.parametrize("module", [module for module in TASKSVC if module.startswith("tasksvc.domain.")])
def test_a_module_of_the_domain_imports_only_what_stands_below_it(module: str) -> None:
    name = module.removeprefix("tasksvc.domain.")
    assert name in IN_DOMAIN, f"Give {name} a place in the table of this test."

    imported = {other.removeprefix("tasksvc.domain.") for other in imported_modules(parsed(TASKSVC[module]))}

    assert imported <= IN_DOMAIN[name]


@pytest.mark.parametrize("layers", [CORE, IN_DOMAIN])
def test_the_core_stands_in_layers(layers: dict[str, set[str]]) -> None:
    graphlib.TopologicalSorter(layers).prepare()  # raises CycleError, with the circle


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: imported_modules(parsed(path)) - {module} for module, path in TASKSVC.items()}

    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, with the circle


@pytest.mark.parametrize("module", [module for module in TASKSVC if place(module) == "api"])
def test_the_api_calls_no_method_of_a_repository(module: str) -> None:
    """The use cases do, so that every way in gets the same checks and turns."""
    called = [
        f"line {node.lineno}"
        for node in ast.walk(parsed(TASKSVC[module]))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1] == "repository"
    ]

    assert called == []


def test_nobody_imports_an_adapter() -> None:
    adapters = DRIVERS.keys() | PLUGINS.keys() | OVER_HTTP.keys()

    assert {module for module, path in TASKSVC.items() if libraries(parsed(path)) & adapters} == set()


# ---------------------------------------------------------------- adapters


def names_of(*packages: ModuleType) -> set[str]:
    """Returns the dotted names of what packages offer."""
    return {f"{package.__name__}.{name}" for package in packages for name in package.__all__}


def imported_names_of_tasksvc(tree: ast.Module) -> set[str]:
    """Returns the dotted name of each thing that a module imports of `tasksvc`."""
    return {name for name in imports(tree) if name.partition(".")[0] == "tasksvc"}


@pytest.mark.parametrize("module", OF_STORES)
def test_an_adapter_imports_only_itself_its_driver_and_the_plugin_authors_api(module: str) -> None:
    adapter = module.partition(".")[0]
    assert adapter in DRIVERS, f"Give {adapter} its driver in the table of this test."

    assert libraries(parsed(OF_STORES[module])) <= {"tasksvc", adapter, *DRIVERS[adapter]}
    offered = names_of(tasksvc, *AUTHOR_PACKAGES) | {package.__name__ for package in AUTHOR_PACKAGES}
    assert imported_names_of_tasksvc(parsed(OF_STORES[module])) <= offered, (
        "from tasksvc import ..., and what __all__ has"
    )


@pytest.mark.parametrize("module", OF_PLUGINS)
def test_a_plugin_imports_only_itself_its_libraries_and_what_is_for_plugins(module: str) -> None:
    name = module.partition(".")[0]

    assert libraries(parsed(OF_PLUGINS[module])) <= {"tasksvc", name, *PLUGINS[name]}
    offered = names_of(tasksvc, plugin) | {"tasksvc.__version__"}
    assert imported_names_of_tasksvc(parsed(OF_PLUGINS[module])) <= offered, (
        "from tasksvc import ..., from tasksvc.plugin import ..., and what __all__ has"
    )


@pytest.mark.parametrize("module", OF_CLIENTS)
def test_what_talks_to_the_service_over_http_imports_nothing_of_it(module: str) -> None:
    package = module.partition(".")[0]

    assert libraries(parsed(OF_CLIENTS[module])) - {"tasksvc"} <= {package, *OVER_HTTP.get(module, OVER_HTTP[package])}
    assert imported_names_of_tasksvc(parsed(OF_CLIENTS[module])) == FOR_COMMANDS.get(module, set())


def test_the_blocking_client_imports_neither_aiohttp_nor_an_event_loop() -> None:
    script = "import sys; from tasksvc_client import SyncClient; print({'aiohttp', 'asyncio'} & set(sys.modules))"
    environment = unmeasured(os.environ)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


@pytest.mark.parametrize("path", sorted((EXAMPLE / "tests").glob("*.py")), ids=lambda path: path.name)
def test_the_tests_of_a_plugin_import_beside_it_only_what_is_for_plugins_and_their_tests(path: Path) -> None:
    tree = ast.parse(path.read_text())

    assert libraries(tree) <= {"tasksvc", "tasksvc_stats", "pytest", *PLUGINS["tasksvc_stats"]}
    offered = names_of(tasksvc, plugin) | {f"{plugin_testing.__name__}.{name}" for name in vars(plugin_testing)}
    assert imported_names_of_tasksvc(tree) <= offered


def test_help_is_short_and_lists_the_plugin_authors_api_by_subject() -> None:
    help_text = "import tasksvc; help(tasksvc)"
    done = subprocess.run([sys.executable, "-c", help_text], capture_output=True, text=True, check=True)

    assert len(done.stdout.splitlines()) < 150, "the classes are described one by one, in help(tasksvc.NAME)"
    described = re.findall(r"\w+", done.stdout.partition("Opening a store")[2].partition("PACKAGE CONTENTS")[0])
    assert set(tasksvc.__all__) - set(described) == set()


def test_the_plugin_authors_api_is_imported_from_where_the_type_checker_finds_it() -> None:
    typed = {
        alias.name: node.module
        for node in ast.walk(parsed(TASKSVC["tasksvc"]))
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("tasksvc.")
        for alias in node.names
    }

    loaded = {name: f"tasksvc.{module}" for name, module in tasksvc._MODULE_OF.items()}

    assert loaded | {"codec": "tasksvc.stores"} == typed
    assert sorted(typed) == sorted(tasksvc.__all__)


@pytest.mark.parametrize("package", [tasksvc, *AUTHOR_PACKAGES, plugin])
def test_the_plugin_authors_api_is_all_there_and_sorted(package: ModuleType) -> None:
    names: list[str] = package.__all__
    assert sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == names
    assert [name for name in names if not hasattr(package, name)] == []


def test_a_service_on_sqlite_does_not_import_what_other_stores_need() -> None:
    script = "import sys, tasksvc.api.app, tasksvc_sqlite; print([name for name in sys.modules if 'tasksvc' in name])"
    environment = unmeasured(os.environ)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert "tasksvc_sqlite.repository" in done.stdout
    assert network.__name__ not in done.stdout


# ---------------------------------------------------------------- messages

FLAG = re.compile(r"--[a-z][a-z-]*").fullmatch
"""Matches the flag of a setting, which isn't a message if it's a whole literal."""
ADVICE = re.compile(
    r"(?<![\w-])--[a-z][a-z-]+|TASKSVC_|\b[Tt]asksvc (?:--|(?:{})\b)".format("|".join(COMMANDS)),
)
"""Finds a flag, a variable or a command, which are of use only at a command line."""


def literals(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yields the string literals of a module, also those within f-strings, but not its docstrings."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node


NOT_COMMANDS = [name for name in TASKSVC if place(name) != "cli"] + [
    name for name in ADAPTERS if name.partition(".")[0] not in ("tasksvc_mcp", "tasksvc_tasks")
]


@pytest.mark.parametrize("module", NOT_COMMANDS)
def test_no_message_below_the_command_line_names_a_flag_a_variable_or_a_command(module: str) -> None:
    """An application that embeds the service, and a client, have neither; `tasksvc.cli.advice` adds them."""
    tree = parsed((TASKSVC | ADAPTERS)[module])

    found = [node for node in literals(tree) if ADVICE.search(str(node.value))]
    if module in OF_PLUGINS:
        found = [node for node in found if FLAG(str(node.value)) is None]

    assert [f"line {node.lineno}: {node.value!r}" for node in found] == []


@pytest.mark.parametrize(
    "message",
    ["Name it with --store.", "Set TASKSVC_STORE.", "Run tasksvc migrate first.", "'tasksvc --help' tells", "--open"],
)
def test_the_reader_of_messages_finds_advice_within_expressions_and_not_in_docstrings(message: str) -> None:
    code = f'''
def f(x):
    """{message}"""
    raise E(f"{{x}} is wrong. {message}" if x else "no -- flag, a--b, tasksvc 0.1")
'''

    found = [node for node in literals(ast.parse(code)) if ADVICE.search(str(node.value))]

    assert [str(node.value) for node in found] == [f" is wrong. {message}"]


# ---------------------------------------------------------------- hooks

HOOKS = [
    (specifications, name)
    for specifications in (hookspecs, plugin_hookspecs)
    for name, value in vars(specifications).items()
    if hasattr(value, "tasksvc_spec")
]


def test_a_mere_import_loads_neither_an_event_loop_nor_plugins() -> None:
    script = "import sys, tasksvc; print({'asyncio', 'pluggy', 'urllib'} & set(sys.modules), tasksvc.Batcher.__name__)"
    environment = unmeasured(os.environ)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "set() Batcher\n"
    with pytest.raises(AttributeError, match="'tasksvc' has no attribute 'whatever'"):
        tasksvc.whatever  # noqa: B018


def test_the_hooks_are_found_and_share_a_prefix() -> None:
    names = [name for _, name in HOOKS]

    assert {"tasksvc_open_store", "tasksvc_routes"} <= set(names)
    assert all(name.startswith("tasksvc_") for name in names)


@pytest.mark.parametrize(("specifications", "hook"), HOOKS)
def test_a_hook_is_documented_and_tested(specifications: ModuleType, hook: str) -> None:
    doc = inspect.getdoc(getattr(specifications, hook)) or ""
    assert ("Returns" if specifications is plugin_hookspecs else "Raises") in doc
    for argument in inspect.signature(getattr(specifications, hook)).parameters.keys() - {"service"}:
        assert f"`{argument}`" in doc

    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert re.search(rf"def {hook}\(", tests), f"No test implements {hook}."


# ---------------------------------------------------------------- aiohttp

WITH_PRIVATE_NAMES = {f"tasksvc.api.server.{name}" for name in ("http_protocol", "pipelining", "heads")}
"""The modules that use undocumented names of aiohttp."""
PRIVATE_NAMES = {
    *("_buffer_paused", "_close", "_drain_helper", "_force_close", "_keepalive_handle", "_loop", "_max_msg_queue_size"),
    *("_message_tail", "_messages", "_msg_queue_resume_size", "_next_keepalive_close_time", "_pause_transport_reading"),
    *("_paused", "_process_keepalive", "_reading_paused", "_request_count", "_resume_transport_reading", "_upgraded"),
    "_waiter",
}
"""The names of RequestHandler that our subclass uses."""
PRIVATE_NAMES_OF_REQUESTS = {"_message", "_payload", "_version"}
"""The names of a request that the server uses."""


def private_names_of_others(tree: ast.Module) -> set[str]:
    """Returns the private names that a module imports from a library, or uses of an object other than its own."""
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None and not node.module.startswith("tasksvc")
        for alias in node.names
    }
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    }
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    private = {name for name in imported | (used - own) if re.match(r"_[a-z_]*[a-z]", name, re.IGNORECASE)}
    return {name for name in private if not name.startswith("__") and name not in namedtuple_methods()}


def namedtuple_methods() -> set[str]:
    """The methods of NamedTuple that are documented although they begin with an underscore."""
    return {"_replace", "_fields", "_asdict", "_make", "_field_defaults"}


@pytest.mark.parametrize("module", [module for module in TASKSVC if module.startswith("tasksvc.api")])
def test_private_names_of_aiohttp_stand_in_the_server_alone(module: str) -> None:
    found = private_names_of_others(parsed(TASKSVC[module]))

    assert module in WITH_PRIVATE_NAMES or found == set()


def test_the_installed_aiohttp_has_each_private_name_that_the_server_uses() -> None:
    assert {name for name in PRIVATE_NAMES if not hasattr(RequestHandler, name)} == set()


def test_requests_of_the_installed_aiohttp_have_each_private_name_that_the_server_uses() -> None:
    request = make_mocked_request("GET", "/")

    assert {name for name in PRIVATE_NAMES_OF_REQUESTS if not hasattr(request, name)} == set()


def test_the_private_names_of_requests_are_listed() -> None:
    used = {
        node.attr
        for module in WITH_PRIVATE_NAMES
        for node in ast.walk(parsed(TASKSVC[module]))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "request"
    }

    assert {name for name in used if name.startswith("_")} == PRIVATE_NAMES_OF_REQUESTS


def test_the_private_names_of_aiohttp_are_listed() -> None:
    used = {
        node.attr
        for module in WITH_PRIVATE_NAMES
        for node in ast.walk(parsed(TASKSVC[module]))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }

    assert {name for name in used if re.match("_[a-z]", name) and hasattr(RequestHandler, name)} == PRIVATE_NAMES


# ---------------------------------------------------------------- settings


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Returns the dotted name of what each name of a module was imported as."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def patched_constants(tree: ast.Module) -> Iterator[str]:
    """Yields the dotted names of the constants of the product that a module of the tests sets."""
    names = imported_names(tree)

    def dotted(node: ast.expr) -> str:
        first, _, rest = ast.unparse(node).partition(".")
        return f"{names.get(first, first)}.{rest}".rstrip(".")

    def text(node: ast.expr) -> str:
        if isinstance(node, ast.JoinedStr):
            return "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)  # type: ignore[misc]
        return str(node.value) if isinstance(node, ast.Constant) else ""

    def found() -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AugAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Attribute):
                        yield dotted(target)
            elif isinstance(node, ast.Call) and re.search(r"\b(setattr|patch|patch\.object)$", ast.unparse(node.func)):
                whole = text(node.args[0]) if node.args else ""
                yield whole or ".".join([dotted(node.args[0]), text(node.args[1])] if len(node.args) > 1 else [])

    for name in found():
        if re.fullmatch(r"tasksvc(\w*)\..*\b_?[A-Z][A-Z0-9_]+", name):
            yield name


def test_tests_set_no_constants_of_the_product_but_pass_settings() -> None:
    folders = (ROOT / "tests", ROOT / "examples", ROOT / "benchmarks")
    patched = {
        str(path.relative_to(ROOT)): names
        for folder in folders
        for path in folder.rglob("*.py")
        if (names := list(patched_constants(ast.parse(path.read_text()))))
    }

    assert patched == {}, "Limits, Timeouts and parameters of classes are for that"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('monkeypatch.setattr("tasksvc.a.SECONDS", 1)', "tasksvc.a.SECONDS"),
        ('monkeypatch.setattr(f"tasksvc_sqlite.{name}._SECONDS", 1)', "tasksvc_sqlite.x._SECONDS"),
        ('mock.patch("tasksvc.a.SECONDS", 1)', "tasksvc.a.SECONDS"),
        ('mock.patch.object(module, "SECONDS", 1)', "tasksvc.a.SECONDS"),
        ('setattr(other, "SECONDS", 1)', "tasksvc.b.SECONDS"),
        ("other.SECONDS = 1", "tasksvc.b.SECONDS"),
        ("other.SECONDS += 1", "tasksvc.b.SECONDS"),
        ('monkeypatch.setattr(module, "seconds", 1)', None),
        ('monkeypatch.setattr(module.Class, "method", 1)', None),
        ('monkeypatch.setattr(own, "SECONDS", 1)', None),
        ('monkeypatch.setattr("time.SECONDS", 1)', None),
        ("self.SECONDS = 1", None),
    ],
)
def test_the_reader_of_patches_finds_constants_of_the_product(line: str, name: str | None) -> None:
    tree = ast.parse(f"from tasksvc import a as module\nimport tasksvc.b as other\nimport own\n{line}\n")

    assert list(patched_constants(tree)) == ([] if name is None else [name])


def test_the_folder_whose_tests_are_marked_as_those_of_postgresql_is_there() -> None:
    """Otherwise they would run among the quick tests, and nothing would fail."""
    from conftest import POSTGRESQL

    assert list(POSTGRESQL.glob("test_*.py")) != []
